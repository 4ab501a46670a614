//! What every queue promises, one function for each property, run against each implementation.
//!
//! A property gets a [`Stage`](stage::Stage), which makes queues and moves their clock: tokio's paused one, by which
//! the functions in Redis live as well. Waits end when nobody has anything to do, and no test sleeps.

mod campaigns;
mod lanes;
mod leases;
mod limits;
mod order;
mod reserve;
mod routes;
mod scale;
mod signals;
mod stage;
mod streams;
mod threads;
mod waiting;
mod windows;

/// Makes one test of each property, for each engine.
macro_rules! suite {
    (#[$test:meta] $suite:ident $($group:ident: $($property:ident),+;)+) => {
        mod $suite {
            mod embedded {
                $($(
                    #[$test]
                    async fn $property() {
                        crate::$group::$property(&crate::stage::Embedded).await;
                    }
                )+)+
            }

            mod redis {
                $($(
                    #[$test]
                    async fn $property() {
                        crate::$group::$property(&crate::stage::Redis::$suite()).await;
                    }
                )+)+
            }

            /// One after the other, because starting a cluster takes longer than most of them.
            #[$test]
            async fn on_a_cluster() {
                let stage = crate::stage::Redis::on_a_cluster();
                $($(
                    println!(stringify!($property));
                    crate::$group::$property(&stage).await;
                )+)+
            }
        }
    };
}

suite! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    on_threads
    threads: no_wake_up_is_lost_between_threads, threads_lose_and_double_nothing;
}

suite! {
    #[tokio::test(start_paused = true)]
    on_a_paused_clock
    order: a_campaign_is_first_in_first_out, campaigns_of_a_shard_take_turns,
        workspaces_take_turns_before_their_campaigns, shards_of_a_lane_take_turns,
        a_released_job_goes_back_to_the_front, random_work_loses_and_doubles_nothing;
    lanes: the_lowest_lane_goes_first, lanes_of_a_destination_share_its_budget, a_lower_lane_gets_the_connection,
        a_lower_lane_gets_the_token, a_busy_worker_gives_way_to_a_lower_lane, a_turn_ends_when_others_wait,
        nobody_gives_way_while_a_worker_is_idle, a_worker_serves_its_lanes_only,
        a_push_wakes_who_serves_its_lane;
    limits: no_window_gets_more_than_rate_and_burst, the_rate_is_used_up, claims_of_many_workers_share_one_rate,
        open_connections_come_for_one_token_each, connections_are_limited, messages_for_each_connection_are_limited, released_jobs_cost_nothing,
        a_limited_shard_does_not_hold_up_others, limits_can_be_raised_while_workers_wait, no_limit_is_no_limit,
        a_fractional_rate_works;
    leases: an_expired_lease_goes_to_the_reconciler_only,
        expired_jobs_are_handed_over_until_somebody_says_what_became_of_them,
        a_dropped_campaigns_expired_jobs_do_not_come_back, signs_of_life_keep_a_lease, a_stale_settle_is_ignored,
        closing_releases_what_is_unsettled, a_job_is_settled_once, a_job_pushed_twice_leaves_nothing_behind,
        a_foreign_job_is_not_settled,
        an_expired_lease_frees_its_connection;
    campaigns: a_paused_campaign_is_not_offered, jobs_pushed_while_paused_wait, a_resumed_campaign_goes_on_everywhere,
        pausing_one_campaign_leaves_others, a_dropped_campaign_is_gone_everywhere, a_dropped_campaign_does_not_come_back,
        a_campaign_can_begin_anew_after_a_drop, delayed_jobs_of_a_paused_campaign_wait;
    signals: a_hold_stops_and_ends, a_hold_is_never_shortened, a_hold_closes_open_connections, a_rate_signal_halves,
        signals_together_are_one, knobs_have_floors, an_unlimited_rate_starts_from_what_was_measured,
        fewer_connections_close_the_surplus, after_one_too_many_no_connection_is_opened_for_a_moment, clean_work_raises_a_knob_to_its_ceiling, a_signal_restarts_the_clean_interval,
        idle_time_proves_nothing, a_hold_is_no_clean_interval, a_signal_says_how_far, a_signal_says_how_long,
        a_free_knob_is_free_again, the_snapshot_explains_a_slow_shard, a_new_ceiling_applies_to_a_turned_knob, turns_are_remembered,
        an_operator_releases_a_destination;
    streams: streams_share_the_budget_of_their_shard, a_held_stream_does_not_stop_the_others,
        a_held_stream_goes_on_by_itself, a_stream_is_slowed_by_itself, a_hold_of_the_destination_is_no_clean_interval_of_a_stream, other_knobs_of_a_stream_are_the_destinations,
        an_operator_releases_a_stream, a_stream_of_a_paused_campaign_waits_for_both,
        released_jobs_are_refunded_to_their_stream;
    windows: each_window_holds_its_limit_and_no_more, what_was_sent_before_counts_in_its_windows, what_a_windows_end_has_overtaken_is_not_counted,
        what_a_route_sent_before_counts_in_its_windows, a_waiter_comes_with_the_next_window, many_workers_share_a_window,
        released_jobs_leave_their_windows, the_snapshot_says_which_window_is_full;
    routes: a_route_limits_all_its_shards, other_routes_go_on, nothing_is_charged_when_a_route_stops,
        shards_of_a_route_take_turns, a_closed_connection_serves_a_line_that_waited, a_lower_lane_of_a_route_goes_first,
        a_released_job_is_refunded_to_the_route, route_limits_can_be_raised_while_workers_wait,
        an_empty_line_passes_its_turn_on, a_barred_route_waits_and_the_others_go_on, a_void_job_is_gone_and_costs_nothing;
    reserve: a_campaign_leaves_tokens_for_the_first_lane, a_campaign_leaves_a_connection,
        a_campaign_leaves_room_in_each_window, the_rate_over_time_is_not_lowered;
    waiting: a_push_wakes_a_waiter, each_waiter_is_woken, who_is_woken_wakes_the_next, a_delayed_job_comes_when_due, a_retry_comes_when_due,
        nothing_comes_when_the_time_is_over, a_waiter_that_is_dropped_takes_nothing_along,
        a_sooner_job_moves_the_alarm, a_closed_connection_wakes_a_waiter, a_waiter_does_not_spin;
    scale: a_hundred_thousand_shards, a_long_idle_shard_is_forgotten, a_debt_is_not_forgotten, a_big_drop_is_quick;
}
