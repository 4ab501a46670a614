use tidings_queue::{CloseReason, Lanes, Limits, More, Queue, QueueOptions, Settle, Shard};
use tokio::time::Instant;

use crate::stage::*;

pub async fn the_lowest_lane_goes_first(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push(&Shard::new(2, "a"), 1, &jobs(1, 0..3)).await;
    queue.push(&Shard::new(1, "b"), 1, &jobs(2, 10..12)).await;
    queue.push(&Shard::new(0, "c"), 1, &jobs(3, 20..22)).await;
    let mut lanes = Vec::new();
    for _ in 0..7 {
        lanes.push(granted(&queue, 1).await.shard.lane);
    }
    assert_eq!(lanes, [0, 0, 1, 1, 2, 2, 2]);
}

pub async fn lanes_of_a_destination_share_its_budget(stage: &impl Stage) {
    let limits = Limits { per_second: 1.0, burst: 4, ..Limits::UNLIMITED };
    let queue = stage.queue(QueueOptions { default_limits: limits, ..QueueOptions::default() }).await;
    for lane in 0..3 {
        queue.push(&Shard::new(lane, "p"), 1, &jobs(1, [i64::from(lane)])).await;
        queue.push(&Shard::new(lane, "p"), 1, &jobs(1, [i64::from(lane) + 10])).await;
    }
    assert_eq!(ids(&drain(&queue, 5).await), [0, 10, 1], "and the last one is kept for the first lane");
}

pub async fn a_lower_lane_gets_the_connection(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.set_limits(&bulk("p"), Limits { connections: 1, ..Limits::UNLIMITED }).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..100)).await;
    let campaign = granted(&queue, 5).await;
    queue.push(&Shard::new(0, "p"), 1, &jobs(2, [500])).await;
    assert!(lease(&queue, 5).await.is_none(), "the one connection is in use");
    assert_eq!(queue.more(&campaign, 5).await, More::Close(CloseReason::LowerLaneWaits));
    queue.close(campaign).await;
    assert_eq!(ids(&granted(&queue, 5).await.jobs), [500]);
}

pub async fn a_lower_lane_gets_the_token(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.set_limits(&bulk("p"), Limits { per_second: 1.0, burst: 1, ..Limits::UNLIMITED }).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..100)).await;
    let campaign = granted(&queue, 5).await;
    assert_eq!(campaign.jobs.len(), 1);
    queue.push(&Shard::new(0, "p"), 1, &jobs(2, [500])).await;
    stage.advance(SECOND).await;
    assert_eq!(queue.more(&campaign, 5).await, More::Close(CloseReason::LowerLaneWaits));
    assert_eq!(ids(&granted(&queue, 5).await.jobs), [500]);
}

pub async fn a_busy_worker_gives_way_to_a_lower_lane(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push(&bulk("a"), 1, &jobs(1, 0..100)).await;
    let (one, two) = (granted(&queue, 1).await, granted(&queue, 1).await);
    queue.push(&Shard::new(0, "b"), 1, &jobs(2, [500])).await;
    assert_eq!(queue.more(&one, 1).await, More::Close(CloseReason::LowerLaneWaits));
    assert!(matches!(queue.more(&two, 1).await, More::Jobs(_)), "one line waits, so one gives way");
    queue.close(one).await;
    assert_eq!(ids(&granted(&queue, 1).await.jobs), [500]);
    assert!(matches!(queue.more(&two, 1).await, More::Jobs(_)));
}

pub async fn a_turn_ends_when_others_wait(stage: &impl Stage) {
    let options = QueueOptions { default_limits: Limits::UNLIMITED, turn_messages: 10, ..QueueOptions::default() };
    let queue = stage.queue(options).await;
    queue.push(&bulk("a"), 1, &jobs(1, 0..100)).await;
    let grant = granted(&queue, 5).await;
    queue.push(&bulk("b"), 1, &jobs(1, 500..600)).await;
    assert!(matches!(queue.more(&grant, 5).await, More::Jobs(_)), "its turn is ten messages");
    assert_eq!(queue.more(&grant, 5).await, More::Close(CloseReason::TurnOver));
    let alone = stage.queue(QueueOptions { default_limits: Limits::UNLIMITED, ..QueueOptions::default() }).await;
    alone.push(&bulk("a"), 1, &jobs(1, 0..1_000)).await;
    let grant = granted(&alone, 500).await;
    settle_all(&alone, &grant, &grant.jobs, Settle::Done).await;
    assert!(matches!(alone.more(&grant, 5).await, More::Jobs(_)), "nobody else waits");
}

pub async fn nobody_gives_way_while_a_worker_is_idle(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push(&bulk("a"), 1, &jobs(1, 0..1_000)).await;
    let grant = granted(&queue, 1_000).await;
    let idle = tokio::spawn({
        let queue = queue.clone();
        async move { queue.lease("idle", Lanes::ALL, 1, 60 * SECOND).await }
    });
    stage.settle_down(&queue).await;
    // At once, so that the idle one is not yet at work when the busy one asks.
    let (on_a, on_b) = (bulk("a"), bulk("b"));
    let (more_for_a, for_b) = (jobs(1, [1_000, 1_001]), jobs(1, [2_000]));
    let ((), (), more) =
        tokio::join!(queue.push(&on_a, 1, &more_for_a), queue.push(&on_b, 1, &for_b), queue.more(&grant, 1));
    assert!(matches!(more, More::Jobs(_)));
    assert!(idle.await.expect("no panic").is_some());
}

/// Leases without waiting, some lanes only.
async fn lanes(queue: &Queue, lanes: Lanes) -> Option<Vec<i64>> {
    queue.lease("worker", lanes, 5, NOW).await.map(|grant| ids(&grant.jobs))
}

pub async fn a_worker_serves_its_lanes_only(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    for lane in 0..3 {
        queue.push(&Shard::new(lane, "p"), 1, &jobs(1, [i64::from(lane)])).await;
    }
    assert_eq!(lanes(&queue, Lanes::of([1])).await, Some(vec![1]));
    assert_eq!(lanes(&queue, Lanes::of([1])).await, None);
    assert_eq!(lanes(&queue, Lanes::of([2, 0])).await, Some(vec![0]), "the lowest of them first");
    assert_eq!(lanes(&queue, Lanes::of([2, 0])).await, Some(vec![2]));
}

/// Who cannot serve it is not woken in vain, and does not swallow the call.
pub async fn a_push_wakes_who_serves_its_lane(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    let waiter = |set: Lanes| {
        let queue = queue.clone();
        tokio::spawn(async move { queue.lease("worker", set, 1, 5 * SECOND).await.map(|_| Instant::now()) })
    };
    let (first, bulk_only) = (waiter(Lanes::of([0])), waiter(Lanes::of([2])));
    stage.settle_down(&queue).await;
    let pushed = Instant::now();
    queue.push(&bulk("p"), 1, &jobs(1, [1])).await;
    let got = bulk_only.await.expect("no panic").expect("a grant");
    assert!(got - pushed <= 2 * SECOND, "{:?}", got - pushed);
    assert!(first.await.expect("no panic").is_none());
}
