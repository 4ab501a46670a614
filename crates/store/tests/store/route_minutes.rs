//! What a route with a limit for a window handed over is known to the ledger in the transaction that lets it go.

use crate::ledger_world::*;
use tidings_domain::UnixMs;
use tidings_store::*;

const MINUTE: i64 = 60_000;
/// 10:58 of some day.
const BEFORE_TEN_PAST: UnixMs = UnixMs((20_000 * 1_440 + 10 * 60 + 58) * MINUTE + 5_000);

/// Eight queued rows, half of them at google, that all leave by one route.
async fn world(w: &World, route: NewRoute) -> (RouteId, Vec<QueuedJob>) {
    let SavedRoute::Yes(route) = w.workspace.add_route("Main".into(), route, NOW).await.expect("adds") else {
        panic!("not added")
    };
    w.list(1, (1..=8).map(|n| n * 2)).await;
    let (_, jobs) = w.launched(1, &[1], &[]).await;
    w.sql(&format!("UPDATE deliveries SET route_id = {route}")).await;
    (route, jobs)
}

fn limited() -> NewRoute {
    NewRoute { max_per_hour: 100, ..NewRoute::direct() }
}

async fn intend(w: &World, jobs: &[QueuedJob], at: UnixMs) -> CommitReport {
    let batch = LedgerBatch { intents: jobs.iter().map(intent).collect(), outcomes: Vec::new() };
    w.store.commit(batch, at).await.expect("commits")
}

async fn handed_over(w: &World, route: RouteId, to: Option<&str>, at: UnixMs) -> [i64; 3] {
    let known = w.store.handed_over(route, to.map(str::to_owned), at).await.expect("reads");
    assert_eq!(known.minute, at.0 / MINUTE);
    [known.in_minute, known.in_hour, known.in_day]
}

#[tokio::test]
async fn what_may_go_is_counted_by_minute_hour_day_and_provider() {
    each(async |w: World| {
        let (route, jobs) = world(&w, limited()).await;
        let at = |minutes: i64| UnixMs(BEFORE_TEN_PAST.0 + minutes * MINUTE);
        intend(&w, &jobs[..3], at(0)).await;
        intend(&w, &jobs[3..4], at(1)).await;
        intend(&w, &jobs[4..6], at(1)).await;
        intend(&w, &jobs[6..], at(2)).await;
        assert_eq!(handed_over(&w, route, None, at(0)).await, [3, 8, 8], "what comes later is not asked for");
        assert_eq!(handed_over(&w, route, None, at(2)).await, [2, 2, 8], "another hour");
        assert_eq!(handed_over(&w, route, Some("google"), at(2)).await, [1, 1, 4]);
        assert_eq!(handed_over(&w, route, Some("nobody"), at(2)).await, [0, 0, 0]);
        assert_eq!(handed_over(&w, route, None, at(14 * 60)).await, [0, 0, 0], "another day");
        assert_eq!(handed_over(&w, RouteId(route.0 + 1), None, at(2)).await, [0, 0, 0], "another route");
        assert_eq!(w.store.forget_route_minutes(at(2)).await.expect("looks"), 0);
        assert!(w.store.forget_route_minutes(at(14 * 60)).await.expect("forgets") > 0);
        assert_eq!(w.number("SELECT COUNT(*) FROM route_minutes").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_before_the_dot_counts_and_what_comes_after_it_no_second_time() {
    each(async |w: World| {
        let (route, jobs) = world(&w, limited()).await;
        let settle = async |job: &QueuedJob, settled, reply: &str| {
            w.settle(vec![OutcomeRecord { route: Some(route), ..outcome(job, settled, reply) }]).await
        };
        settle(&jobs[0], Settled::HardBounced, "550 5.1.1 unknown").await;
        let deferred = Settled::Deferred { until: LATER, costs_attempt: true };
        settle(&jobs[1], deferred, "451 4.7.1 later").await;
        assert_eq!(handed_over(&w, route, None, NOW).await[2], 2);
        w.intend(&[&jobs[2], &jobs[3]]).await;
        settle(&jobs[2], Settled::Accepted, "250 ok").await;
        settle(&jobs[3], Settled::InDoubt, "250 ok").await;
        assert_eq!(handed_over(&w, route, None, NOW).await[2], 4);
    })
    .await;
}

#[tokio::test]
async fn an_intent_that_may_not_go_is_not_counted() {
    each(async |w: World| {
        let (route, jobs) = world(&w, limited()).await;
        w.sql("UPDATE campaigns SET paused_at_ms = 1").await;
        let report = intend(&w, &jobs, NOW).await;
        assert!(report.intents.iter().all(|answer| *answer == IntentAnswer::Paused));
        assert_eq!(handed_over(&w, route, None, NOW).await, [0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_route_without_such_a_limit_costs_no_row() {
    each(async |w: World| {
        let (_, jobs) = world(&w, NewRoute { max_per_second: 9, ..NewRoute::direct() }).await;
        intend(&w, &jobs, NOW).await;
        assert_eq!(w.number("SELECT COUNT(*) FROM route_minutes").await, 0);
    })
    .await;
}
