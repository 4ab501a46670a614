//! What is put off or given up: the groups' sums move with the rows, a person's acts move exactly what matches, and a deadline ends all
//! that is left.

use crate::ledger_world::*;
use tidings_domain::{Deadline, DeliveryState, UnixMs, Unsent, UnsentAct};
use tidings_store::*;

const T1: UnixMs = UnixMs(NOW.0 + 1_000);
const WAIT: i64 = 600_000;
const GREY: &str = "450 4.2.0 Greylisted";

fn deferred() -> Settled {
    Settled::Deferred { until: UnixMs(NOW.0 + WAIT), costs_attempt: true }
}

/// As the sender records it: the class, the reply and its normalised text.
fn said(job: &QueuedJob, settled: Settled, class: &str, text: &str) -> OutcomeRecord {
    let record = outcome(job, settled, text);
    let reply = record.reply.map(|reply| ReplyRecord { key: text.to_owned(), ..reply });
    OutcomeRecord { reason: Some(class.to_owned()), reply, ..record }
}

fn by() -> ByWhom {
    ByWhom { actor: "ana".into(), reason: "not worth it".into() }
}

/// Eight people (1 and 5 … are spread over four domains, a quarter at google): three are put off, two given up.
async fn standing(w: &World) -> (CampaignId, Vec<QueuedJob>) {
    w.list(1, 1..=8).await;
    let (campaign, jobs) = w.launched(1, &[1], &[]).await;
    w.settle(vec![
        said(&jobs[0], deferred(), "greylist", GREY),
        said(&jobs[1], deferred(), "greylist", GREY),
        said(&jobs[2], deferred(), "throttled", "421 4.7.0 slow down"),
        OutcomeRecord { meaning: Some("greylist".into()), ..said(&jobs[4], Settled::SoftBounced, "expired", GREY) },
        said(&jobs[5], Settled::Failed, "content_blocked", "554 5.7.1 spam"),
    ])
    .await;
    w.check_books(campaign).await;
    (campaign, jobs)
}

async fn groups(w: &World, side: Unsent, filter: UnsentFilter) -> Vec<(String, i64)> {
    let found = w.workspace.unsent_groups(side, filter, 50).await.expect("reads");
    found.into_iter().map(|group| (group.class.clone(), group.standing(side))).collect()
}

async fn dead(w: &World, filter: UnsentFilter) -> Vec<DeliveryId> {
    w.workspace.dead_letters(filter, None, 50).await.expect("reads").into_iter().map(|row| row.id).collect()
}

fn of_class(class: &str) -> UnsentFilter {
    UnsentFilter { class: Some(class.into()), ..UnsentFilter::default() }
}

/// To the end, in steps of one row, as an order would go.
async fn act(w: &World, act: UnsentAct, filter: UnsentFilter) -> i64 {
    let would = w.workspace.would_act(act, filter.clone(), 1_000, T1).await.expect("counts");
    let (mut after, mut moved) = (ReplyGroupId(0), 0);
    loop {
        let step = w.workspace.act_on_matching(act, filter.clone(), after, by(), 1, T1).await.expect("acts");
        moved += step.moved;
        after = step.after;
        if step.is_done {
            break;
        }
    }
    assert_eq!(moved, would, "{act}: counted first, and then done");
    moved
}

#[tokio::test]
async fn groups_say_what_stands_and_why() {
    each(async |w: World| {
        let (campaign, jobs) = standing(&w).await;
        let all = UnsentFilter::default;
        assert_eq!(w.workspace.unsent_totals(None).await.expect("reads"), (3, 2));
        let waiting: i64 = groups(&w, Unsent::Deferred, of_class("greylist")).await.iter().map(|(_, n)| n).sum();
        assert_eq!(waiting, 2, "one group for each provider");
        let dead_classes = groups(&w, Unsent::Dead, all()).await;
        assert!(
            dead_classes.contains(&("greylist".into(), 1)),
            "what was said, not that its time was over: {dead_classes:?}"
        );
        let found = w.workspace.unsent_groups(Unsent::Deferred, of_class("throttled"), 9).await.expect("reads");
        let next = w.workspace.next_tries(vec![found[0].id]).await.expect("reads");
        assert_eq!((next[0].first_ms, next[0].any_held), (Some(NOW.0 + WAIT), false));

        let due = w.store.take_due(UnixMs(NOW.0 + WAIT), 10).await.expect("takes");
        assert_eq!(w.workspace.unsent_totals(Some(campaign)).await.expect("reads"), (0, 2), "in the queue again");
        w.check_books(campaign).await;
        let again = due.iter().find(|job| job.delivery == jobs[0].delivery).expect("is due");
        assert_eq!(w.intend(&[again]).await, [IntentAnswer::Go]);
        w.settle(vec![outcome(again, Settled::Accepted, "250 ok")]).await;
        w.check_books(campaign).await;
        let history = w.workspace.delivery(campaign, jobs[0].delivery).await.expect("reads");
        let classes: Vec<&str> = history.attempts.iter().map(|attempt| attempt.class.as_str()).collect();
        assert_eq!(classes, ["greylist", ACCEPTED], "each attempt, also the accepted last one");
    })
    .await;
}

#[tokio::test]
async fn attempts_that_cost_nothing_share_a_row_and_are_counted() {
    each(async |w: World| {
        w.list(1, 1..=1).await;
        let (campaign, jobs) = w.launched(1, &[1], &[]).await;
        let throttled = Settled::Deferred { until: T1, costs_attempt: false };
        for _ in 0..3 {
            w.settle(vec![said(&jobs[0], throttled, "throttled", "421 slow down")]).await;
            w.store.take_due(T1, 10).await.expect("takes");
        }
        let history = w.workspace.delivery(campaign, jobs[0].delivery).await.expect("reads");
        assert_eq!((history.attempts.len(), history.attempts[0].times), (1, 3));
        assert_eq!(history.attempts[0].first_at_ms, Some(NOW.0));
        assert_eq!(history.person.attempt, 0, "no try was used up");
    })
    .await;
}

#[tokio::test]
async fn dead_letters_are_listed_newest_first_and_found_by_what_they_say() {
    each(async |w: World| {
        let (campaign, jobs) = standing(&w).await;
        assert_eq!(dead(&w, UnsentFilter::default()).await, [jobs[5].delivery, jobs[4].delivery]);
        assert_eq!(dead(&w, of_class("content_blocked")).await, [jobs[5].delivery]);
        let by_code = UnsentFilter { code: Some(450), ..UnsentFilter::default() };
        assert_eq!(dead(&w, by_code).await, [jobs[4].delivery]);
        let failed = UnsentFilter { state: Some(DeliveryState::Failed.code()), ..UnsentFilter::default() };
        assert_eq!(dead(&w, failed).await, [jobs[5].delivery]);
        let text = UnsentFilter { text: Some(GREY.into()), campaign: Some(campaign), ..UnsentFilter::default() };
        assert_eq!(dead(&w, text).await, [jobs[4].delivery]);
        let before = UnsentFilter { until_ms: Some(NOW.0), ..UnsentFilter::default() };
        assert_eq!(dead(&w, before).await, []);
        let first = w.workspace.dead_letters(UnsentFilter::default(), None, 1).await.expect("reads");
        let cursor = DeadCursor { at_ms: first[0].updated_at_ms, id: first[0].id };
        assert_eq!(DeadCursor::parse(&cursor.to_string()), Some(cursor));
        let second = w.workspace.dead_letters(UnsentFilter::default(), Some(cursor), 9).await.expect("reads");
        assert_eq!(second.iter().map(|row| row.id).collect::<Vec<_>>(), [jobs[4].delivery]);
        let theirs = w.store.workspace(WorkspaceId(2));
        assert!(theirs.dead_letters(UnsentFilter::default(), None, 9).await.expect("reads").is_empty());
        assert_eq!(theirs.unsent_totals(None).await.expect("reads"), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_discard_takes_it_off_the_list_and_the_ledger_keeps_its_state() {
    each(async |w: World| {
        let (campaign, jobs) = standing(&w).await;
        let before = w.counters(campaign).await;
        let picked = vec![jobs[4].delivery, jobs[0].delivery, DeliveryId(999_999)];
        let moved = w.workspace.act_on_picked(UnsentAct::Discard, picked, by(), T1).await.expect("acts");
        assert_eq!(moved, 1, "only what is a dead letter");
        assert_eq!(dead(&w, UnsentFilter::default()).await, [jobs[5].delivery]);
        assert_eq!(w.counters(campaign).await, before);
        w.check_books(campaign).await;
        let discard = w.workspace.discard_of(jobs[4].delivery).await.expect("reads").expect("is there");
        assert_eq!((discard.actor.as_str(), discard.reason.as_str()), ("ana", "not worth it"));
        let retried = w.store.operate(Operation::Retry, campaign, QueueFilter::default(), "ana", T1).await;
        assert_ne!(retried.expect("asks"), Operated::Rows(2), "what was discarded stays so");
        let theirs = w.store.workspace(WorkspaceId(2));
        let foreign = theirs.act_on_picked(UnsentAct::Discard, vec![jobs[5].delivery], by(), T1).await;
        assert_eq!(foreign.expect("acts"), 0);
    })
    .await;
}

#[tokio::test]
async fn acts_move_what_matches_and_say_so_before() {
    each(async |w: World| {
        let (campaign, jobs) = standing(&w).await;
        w.intend(&[&jobs[3]]).await;
        assert_eq!(act(&w, UnsentAct::Retry, of_class("greylist")).await, 1);
        assert_eq!(w.row(jobs[4].delivery).await.state, DeliveryState::Deferred.code());
        w.check_books(campaign).await;
        assert_eq!(act(&w, UnsentAct::Hold, of_class("greylist")).await, 3);
        assert_eq!(act(&w, UnsentAct::Release, of_class("greylist")).await, 3);
        assert_eq!(
            w.store.take_due(T1, 10).await.expect("takes").len(),
            1,
            "the dead letter was due at once, and still is"
        );
        assert_eq!(act(&w, UnsentAct::Flush, of_class("throttled")).await, 1);
        assert_eq!(act(&w, UnsentAct::GiveUp, of_class("greylist")).await, 2);
        assert_eq!(w.row(jobs[0].delivery).await.reason.as_deref(), Some("expired"));
        w.check_books(campaign).await;
        let until = UnsentFilter { from_ms: Some(T1.0), ..UnsentFilter::default() };
        assert_eq!(act(&w, UnsentAct::Discard, until).await, 2, "given up now, not before");
        w.check_books(campaign).await;
        let told = w.workspace.overview(campaign).await.expect("reads").events;
        assert!(told.iter().any(|e| e.what == "deferred deliveries are given up" && e.actor == "ana"), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn an_order_is_worked_off_in_steps_and_can_be_stopped() {
    each(async |w: World| {
        let (campaign, jobs) = standing(&w).await;
        w.intend(&jobs[3..4].iter().collect::<Vec<_>>()).await;
        let give = async |act, filter| {
            let id = w.workspace.give_order(act, filter, 2, by(), T1).await.expect("gives");
            id.expect("there is room")
        };
        let stopped = give(UnsentAct::Discard, UnsentFilter::default()).await;
        assert!(w.workspace.stop_order(stopped, T1).await.expect("stops"));
        assert!(!w.workspace.stop_order(stopped, T1).await.expect("is stopped"));
        assert!(!w.store.step_orders(T1).await.expect("looks"), "nothing runs");
        give(UnsentAct::Retry, UnsentFilter::default()).await;
        while w.store.step_orders(T1).await.expect("steps") {}
        let orders = w.workspace.orders(9).await.expect("reads");
        assert_eq!((orders[0].moved, orders[0].is_running(), orders[1].is_stopped()), (2, false, true));
        assert_eq!(dead(&w, UnsentFilter::default()).await, []);
        w.check_books(campaign).await;
        for _ in 0..MAX_RUNNING_ORDERS {
            give(UnsentAct::Flush, UnsentFilter::default()).await;
        }
        let many = w.workspace.give_order(UnsentAct::Flush, UnsentFilter::default(), 0, by(), T1).await;
        assert_eq!(many.expect("asks"), None);
    })
    .await;
}

#[tokio::test]
async fn an_order_goes_on_behind_the_group_that_it_did() {
    each(async |w: World| {
        standing(&w).await;
        // What is held still stands in its group: whoever began again with the first group would never come to the second.
        let given = w.workspace.give_order(UnsentAct::Hold, UnsentFilter::default(), 3, by(), T1).await;
        given.expect("gives").expect("there is room");
        for _ in 0..3 {
            assert!(w.store.step_orders(T1).await.expect("steps"), "a step for each group, and one that finds no more");
        }
        assert!(!w.store.step_orders(T1).await.expect("looks"), "it has ended");
        let orders = w.workspace.orders(1).await.expect("reads");
        assert_eq!((orders[0].moved, orders[0].is_running()), (3, false));
    })
    .await;
}

#[tokio::test]
async fn a_deadline_ends_what_is_left_and_nothing_begins_after_it() {
    each(async |w: World| {
        let (campaign, jobs) = standing(&w).await;
        let flying = w.intend(&[&jobs[6]]).await;
        assert_eq!(flying, [IntentAnswer::Go]);
        w.sql(&format!("UPDATE campaigns SET deadline_at_ms = {}", T1.0)).await;
        assert_eq!(w.store.end_at_deadline(campaign, 100, NOW).await.expect("looks"), 0, "not yet");
        w.sql(&format!("UPDATE campaigns SET deadline_at_ms = {}", NOW.0)).await;
        assert_eq!(w.intend(&[&jobs[7]]).await, [IntentAnswer::Paused], "no attempt begins after it");
        let mut ended = 0;
        loop {
            match w.store.end_at_deadline(campaign, 2, T1).await.expect("ends") {
                0 => break,
                n => ended += n,
            }
        }
        assert_eq!(ended, 5, "two were never tried, three had been put off");
        assert_eq!(w.counters(campaign).await, "2:=1 12:expired=4 13:content_blocked=1 15:deadline=2");
        w.check_books(campaign).await;
        w.settle(vec![said(&jobs[6], Settled::SoftBounced, "expired", GREY)]).await;
        assert!(w.store.finish_if_drained(campaign, T1).await.expect("looks"));
        assert_eq!(act(&w, UnsentAct::Retry, UnsentFilter::default()).await, 0, "too late to try again");
        let told = w.workspace.overview(campaign).await.expect("reads").events;
        assert_eq!(told.iter().filter(|e| e.what.starts_with("the deadline has passed")).count(), 1, "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn hours_become_an_instant_at_the_launch_and_windows_reach_the_worker() {
    each(async |w: World| {
        w.list(1, 1..=1).await;
        let campaign = w.draft(1, &[1], &[]).await;
        w.sql("UPDATE campaigns SET deadline_hours = 3").await;
        assert_eq!(w.workspace.campaign_head(campaign).await.expect("reads").deadline(), Deadline::Hours(3));
        w.launch(campaign).await;
        let at = UnixMs(NOW.0 + 3 * UnixMs::HOUR);
        assert_eq!(w.workspace.campaign_head(campaign).await.expect("reads").deadline(), Deadline::At(at));
        w.store.fan_out(campaign, 10, NOW).await.expect("fans out");
        w.resolve(campaign).await;
        let jobs = w.store.queue_pending(campaign, 10, NOW).await.expect("queues");
        let work = async || w.store.load_work(vec![jobs[0].delivery]).await.expect("loads").remove(0);
        assert_eq!((work().await.deadline, work().await.window), (Some(at), None));
        w.workspace.save_give_up_hours([0, 0, 24]).await.expect("saves");
        assert_eq!(work().await.window.map(|window| window.as_secs()), Some(24 * 3_600));
        assert!(w.workspace.save_give_up_hours([0, 0, 999]).await.is_err(), "the schema has the last word");
        assert_eq!(w.store.active_campaigns().await.expect("reads")[0].deadline, Some(at));
    })
    .await;
}
