use std::collections::BTreeMap;

use tidings_queue::{BudgetKind, CloseReason, Lanes, Limit, Limits, More, Queue, Settle, Shard, StoppedBy};
use tokio::time::Instant;

use crate::stage::*;

/// Three destinations of route 3, each with jobs enough, and the route's budget.
async fn on_a_route(stage: &impl Stage, limits: Limits) -> Queue {
    let queue = stage.unlimited().await;
    queue.set_route_limits("3", limits).await;
    for (n, name) in ["a@3", "b@3", "c@3"].into_iter().enumerate() {
        let first = n as i64 * 1_000;
        queue.push(&transactional(name), 1, &jobs(1, first..first + 100)).await;
    }
    queue
}

fn by_destination(deliveries: &[i64]) -> BTreeMap<i64, usize> {
    let mut counts = BTreeMap::new();
    deliveries.iter().for_each(|d| *counts.entry(d / 1_000).or_default() += 1);
    counts
}

pub async fn a_route_limits_all_its_shards(stage: &impl Stage) {
    let queue = on_a_route(stage, Limits { per_second: 10.0, burst: 5, connections: 2, ..Limits::UNLIMITED }).await;
    assert_eq!(drain(&queue, 3).await.len(), 5, "together");
    let seen = status(&queue, "a@3").await;
    let by = seen.stopped_by.expect("stopped");
    assert_eq!((by.budget, by.limit), (BudgetKind::Route, Limit::Rate));
    stage.advance(SECOND).await;
    let (one, _two) = (granted(&queue, 1).await, granted(&queue, 1).await);
    assert!(lease(&queue, 1).await.is_none(), "two connections, whatever the destination");
    let route = &queue.snapshot().await.routes[0];
    assert_eq!((&*route.route, route.connections.now, route.connections.limit), ("3", 2, 2));
    queue.close(one).await;
    assert!(lease(&queue, 1).await.is_some());
}

pub async fn other_routes_go_on(stage: &impl Stage) {
    let queue = on_a_route(stage, Limits { per_day: 1, ..Limits::UNLIMITED }).await;
    queue.push(&transactional("a@4"), 1, &jobs(1, 5_000..5_050)).await;
    queue.push(&transactional("relay:3"), 1, &jobs(1, 6_000..6_050)).await;
    let got: Vec<i64> = ids(&drain(&queue, 10).await);
    assert_eq!(got.iter().filter(|d| **d < 5_000).count(), 1);
    assert_eq!(got.len(), 101);
}

pub async fn nothing_is_charged_when_a_route_stops(stage: &impl Stage) {
    let queue = on_a_route(stage, Limits { per_second: 1.0, burst: 1, ..Limits::UNLIMITED }).await;
    for name in ["a@3", "b@3", "c@3"] {
        queue.set_limits(&bulk(name), Limits { per_day: 50, ..Limits::UNLIMITED }).await;
    }
    for _ in 0..20 {
        drain(&queue, 10).await;
        stage.advance(SECOND).await;
    }
    let used = |name| {
        let queue = queue.clone();
        async move { status(&queue, name).await.windows[0].used }
    };
    let sum = used("a@3").await + used("b@3").await + used("c@3").await;
    assert_eq!(sum, 20, "one a second, of whichever destination, and nothing else was counted");
}

pub async fn shards_of_a_route_take_turns(stage: &impl Stage) {
    let queue = on_a_route(stage, Limits { per_second: 1.0, burst: 1, ..Limits::UNLIMITED }).await;
    let mut got = Vec::new();
    for _ in 0..30 {
        let grant = queue.lease("worker", Lanes::ALL, 1, 5 * SECOND).await.expect("a grant");
        got.extend(ids(&grant.jobs));
        settle_all(&queue, &grant, &grant.jobs, Settle::Done).await;
        queue.close(grant).await;
    }
    assert_eq!(by_destination(&got), BTreeMap::from([(0, 10), (1, 10), (2, 10)]));
}

pub async fn a_closed_connection_serves_a_line_that_waited(stage: &impl Stage) {
    let queue = on_a_route(stage, Limits { connections: 1, ..Limits::UNLIMITED }).await;
    let mut grant = granted(&queue, 1).await;
    let mut got = Vec::new();
    for _ in 0..6 {
        assert!(lease(&queue, 1).await.is_none());
        got.extend(ids(&grant.jobs));
        settle_all(&queue, &grant, &grant.jobs, Settle::Done).await;
        queue.close(grant).await;
        grant = granted(&queue, 1).await;
    }
    assert_eq!(by_destination(&got), BTreeMap::from([(0, 2), (1, 2), (2, 2)]));
}

pub async fn a_lower_lane_of_a_route_goes_first(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.set_route_limits("3", Limits { connections: 1, ..Limits::UNLIMITED }).await;
    queue.push(&bulk("a@3"), 1, &jobs(1, 0..100)).await;
    queue.push(&bulk("b@3"), 1, &jobs(1, 1_000..1_100)).await;
    let campaign = granted(&queue, 5).await;
    assert!(lease(&queue, 5).await.is_none());
    queue.push(&Shard::new(0, "c@3"), 1, &jobs(2, [5_000])).await;
    assert!(lease(&queue, 5).await.is_none(), "the one connection is in use");
    assert_eq!(queue.more(&campaign, 5).await, More::Close(CloseReason::LowerLaneWaits));
    queue.close(campaign).await;
    assert_eq!(ids(&granted(&queue, 5).await.jobs), [5_000]);
}

pub async fn a_released_job_is_refunded_to_the_route(stage: &impl Stage) {
    let queue = on_a_route(stage, Limits { per_second: 0.001, burst: 2, per_day: 2, ..Limits::UNLIMITED }).await;
    for _ in 0..3 {
        let grant = granted(&queue, 2).await;
        assert_eq!(grant.jobs.len(), 2);
        assert!(lease(&queue, 2).await.is_none());
        queue.close(grant).await;
    }
    assert_eq!(drain(&queue, 2).await.len(), 2);
    let by = status(&queue, "b@3").await.stopped_by;
    assert!(matches!(by, Some(StoppedBy { budget: BudgetKind::Route, limit: Limit::Window(_), .. })), "{by:?}");
}

pub async fn route_limits_can_be_raised_while_workers_wait(stage: &impl Stage) {
    let queue = on_a_route(stage, Limits { per_day: 1, ..Limits::UNLIMITED }).await;
    drain(&queue, 1).await;
    let waiter = tokio::spawn({
        let queue = queue.clone();
        async move { queue.lease("worker", Lanes::ALL, 1, 60 * SECOND).await.map(|_| Instant::now()) }
    });
    stage.settle_down(&queue).await;
    let raised = Instant::now();
    queue.set_route_limits("3", Limits::UNLIMITED).await;
    let got = waiter.await.expect("no panic").expect("a grant");
    assert!(got - raised < SECOND, "{:?}", got - raised);
    assert_eq!(drain(&queue, 50).await.len(), 298);
}

/// Lines that waited for a route and then lost their jobs do not keep it from the others.
pub async fn an_empty_line_passes_its_turn_on(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.set_route_limits("3", Limits { per_second: 1.0, burst: 1, ..Limits::UNLIMITED }).await;
    for (campaign, name) in [(1, "a@3"), (2, "b@3"), (3, "c@3"), (1, "d@3")] {
        queue.push(&bulk(name), 1, &jobs(campaign, campaign * 100..campaign * 100 + 5)).await;
    }
    assert_eq!(drain(&queue, 5).await.len(), 1);
    queue.drop_campaign(2).await;
    queue.pause_campaign(3).await;
    let grants = async {
        for _ in 0..9 {
            let grant = queue.lease("worker", Lanes::ALL, 1, 5 * SECOND).await.expect("the others go on");
            settle_all(&queue, &grant, &grant.jobs, Settle::Done).await;
            queue.close(grant).await;
        }
    };
    grants.await;
    queue.resume_campaign(3).await;
    assert!(queue.lease("worker", Lanes::ALL, 1, 5 * SECOND).await.is_some());
}

pub async fn a_barred_route_waits_and_the_others_go_on(stage: &impl Stage) {
    let queue = on_a_route(stage, Limits::UNLIMITED).await;
    queue.push(&transactional("a@4"), 1, &jobs(2, 5_000..5_010)).await;
    queue.push(&bulk("relay:3"), 1, &jobs(2, 6_000..6_010)).await;
    queue.bar_routes(&["3".to_owned()]);
    let got = ids(&drain(&queue, 7).await);
    assert_eq!(by_destination(&got), BTreeMap::from([(5, 10), (6, 10)]));
    let waiting = queue.lease("worker", Lanes::ALL, 1, 2 * SECOND).await;
    assert!(waiting.is_none(), "{waiting:?}");
    queue.bar_routes(&["relay:3".to_owned(), "4".to_owned()]);
    assert_eq!(drain(&queue, 50).await.len(), 300, "nothing of it was lost");
    queue.push(&bulk("relay:3"), 1, &jobs(2, 7_000..7_010)).await;
    assert!(lease(&queue, 1).await.is_none());
    queue.bar_routes(&[]);
    assert_eq!(drain(&queue, 50).await.len(), 10);
}

pub async fn a_void_job_is_gone_and_costs_nothing(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.set_limits(&bulk("a@3"), Limits { per_day: 20, ..Limits::UNLIMITED }).await;
    queue.push(&bulk("a@3"), 1, &jobs(1, 0..40)).await;
    for _ in 0..2 {
        let grant = granted(&queue, 10).await;
        settle_all(&queue, &grant, &grant.jobs, Settle::Void).await;
        queue.close(grant).await;
    }
    let used = status(&queue, "a@3").await.windows[0].used;
    assert_eq!(used, 0);
    let got = ids(&drain(&queue, 10).await);
    assert_eq!(got, (20..38).collect::<Vec<_>>(), "what is not the reserve");
}
