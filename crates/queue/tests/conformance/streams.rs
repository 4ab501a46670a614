//! Jobs of several sending domains in one shard.

use tidings_queue::{
    BudgetKind, Knob, Lanes, Limit, Limits, Queue, QueueOptions, Scope, Settle, Shard, Signal, Standing, Turn,
};
use tokio::time::Instant;

use crate::stage::*;

const SHOP: &str = "shop.example";
const NEWS: &str = "news.example";

fn of(stream: &str) -> Shard {
    bulk("p").with_stream(stream)
}

fn hold(seconds: u32) -> Signal {
    Signal::hold(Scope::Stream, seconds * SECOND, "421 4.7.28 this domain")
}

fn slow_down(knob: Knob) -> Signal {
    Signal::halve(Scope::Stream, knob, "421 4.7.28 this domain")
}

/// Campaign 1 of the shop, 2 of the news, 3 of nobody.
async fn filled(stage: &impl Stage, limits: Limits) -> Queue {
    let queue = stage.queue(QueueOptions { default_limits: limits, ..QueueOptions::default() }).await;
    queue.push(&of(SHOP), 1, &jobs(1, 100..150)).await;
    queue.push(&of(NEWS), 1, &jobs(2, 200..250)).await;
    queue.push(&bulk("p"), 2, &jobs(3, 300..310)).await;
    queue
}

fn count(jobs: &[tidings_queue::Job], campaign: i64) -> usize {
    jobs.iter().filter(|j| j.campaign == campaign).count()
}

pub async fn streams_share_the_budget_of_their_shard(stage: &impl Stage) {
    let queue = filled(stage, Limits { per_second: 0.001, burst: 10, ..Limits::UNLIMITED }).await;
    assert_eq!(drain(&queue, 4).await.len(), 9, "one is kept for the first lane");
    let seen = queue.snapshot().await;
    assert_eq!(seen.shards.len(), 1);
    assert_eq!(seen.shards[0].shard, bulk("p"));
}

pub async fn a_held_stream_does_not_stop_the_others(stage: &impl Stage) {
    let queue = filled(stage, Limits::UNLIMITED).await;
    let grant = granted(&queue, 3).await;
    queue.signal(&of(SHOP), hold(600)).await;
    let tidings_queue::More::Jobs(more) = queue.more(&grant, 10).await else { panic!("the connection goes on") };
    assert_eq!((more.len(), count(&more, 1)), (10, 0));
    queue.close(grant).await;
    let got = drain(&queue, 7).await;
    assert_eq!((count(&got, 1), got.len()), (0, 60));
    let seen = status(&queue, "p").await;
    assert_eq!((seen.ready, seen.standing, seen.hold), (50, Standing::Held, None), "not the destination");
    let by = seen.stopped_by.expect("stopped");
    assert_eq!((by.budget, by.limit, by.frees_in), (BudgetKind::Stream, Limit::Hold, Some(600 * SECOND)));
    let [stream] = &seen.streams[..] else { panic!("one stream") };
    assert_eq!((&*stream.stream, stream.waiting), (SHOP, 1));
    assert_eq!(&*stream.hold.as_ref().expect("held").why, "421 4.7.28 this domain");
}

pub async fn a_held_stream_goes_on_by_itself(stage: &impl Stage) {
    let queue = filled(stage, Limits::UNLIMITED).await;
    queue.signal(&of(SHOP), hold(60)).await;
    drain(&queue, 50).await;
    let from = Instant::now();
    let grant = queue.lease("worker", Lanes::ALL, 99, 120 * SECOND).await.expect("a grant");
    assert_eq!((grant.jobs.len(), count(&grant.jobs, 1)), (50, 50));
    assert!(from.elapsed() >= 60 * SECOND && from.elapsed() < 61 * SECOND, "{:?}", from.elapsed());
}

pub async fn a_stream_is_slowed_by_itself(stage: &impl Stage) {
    let queue = filled(stage, Limits::UNLIMITED).await;
    for _ in 0..10 {
        let grant = granted(&queue, 4).await;
        settle_all(&queue, &grant, &grant.jobs, Settle::Done).await;
        queue.close(grant).await;
        stage.advance(SECOND).await;
    }
    let turn = queue.signal(&of(SHOP), slow_down(Knob::Rate)).await.expect("it moved");
    assert!(turn.from > 0.5 && turn.from < 2.0, "from what was measured of the stream: {turn:?}");
    assert_eq!((turn.knob, turn.to), (Knob::Rate, turn.from / 2.0));
    let got = drain(&queue, 9).await;
    assert!(count(&got, 1) <= 1 && count(&got, 2) > 30, "{} {}", count(&got, 1), count(&got, 2));
    assert_eq!(status(&queue, "p").await.rate.limit, 0.0, "the destination is not slower");
    let from = Instant::now();
    for _ in 0..5 {
        let grant = queue.lease("worker", Lanes::ALL, 9, 60 * SECOND).await.expect("a grant");
        assert_eq!(grant.jobs.len(), 1);
        settle_all(&queue, &grant, &grant.jobs, Settle::Done).await;
        queue.close(grant).await;
    }
    let expected = 5.0 / turn.to;
    let took = from.elapsed().as_secs_f64();
    assert!((took - expected).abs() <= 1.0 / turn.to + 0.1, "{took} s, not {expected} s");
}

/// One job of the shop after another, as its rate lets them.
async fn do_slowly(queue: &Queue, jobs: usize) {
    for _ in 0..jobs {
        let grant = queue.lease("worker", Lanes::ALL, 1, 60 * SECOND).await.expect("a grant");
        assert_eq!((grant.jobs.len(), count(&grant.jobs, 1)), (1, 1));
        settle_all(queue, &grant, &grant.jobs, Settle::Done).await;
        queue.close(grant).await;
    }
}

async fn rate_of_shop(queue: &Queue) -> f64 {
    status(queue, "p").await.streams.iter().find(|s| s.stream == SHOP).expect("it is slowed").rate.limit
}

pub async fn a_hold_of_the_destination_is_no_clean_interval_of_a_stream(stage: &impl Stage) {
    let queue = stage.queue(QueueOptions { default_limits: Limits::UNLIMITED, ..QueueOptions::default() }).await;
    queue.push(&of(SHOP), 1, &jobs(1, 100..200)).await;
    for _ in 0..10 {
        do_slowly(&queue, 2).await;
        stage.advance(SECOND).await;
    }
    let slowed = queue.signal(&of(SHOP), slow_down(Knob::Rate)).await.expect("it moved").to;
    do_slowly(&queue, 8).await;
    queue.signal(&bulk("p"), Signal { scope: Scope::Destination, ..hold(60) }).await;
    stage.advance(61 * SECOND).await;
    let next = status(&queue, "p").await.streams[0].reduced[0].next_raise_in;
    assert_eq!(next, 60 * SECOND, "it begins anew after the hold");
    do_slowly(&queue, 12).await;
    assert_eq!(rate_of_shop(&queue).await, slowed, "less than a minute of sending since the hold");
    stage.advance(60 * SECOND).await;
    do_slowly(&queue, 1).await;
    assert!(rate_of_shop(&queue).await > slowed);
}

pub async fn other_knobs_of_a_stream_are_the_destinations(stage: &impl Stage) {
    let queue = filled(stage, Limits { connections: 8, ..Limits::UNLIMITED }).await;
    let turn = queue.signal(&of(SHOP), slow_down(Knob::Connections)).await;
    assert_eq!(turn, Some(Turn { knob: Knob::Connections, from: 8.0, to: 4.0 }));
    assert_eq!(status(&queue, "p").await.connections.limit, 4);
    stage.advance(3 * SECOND).await;
    assert_eq!(drain(&queue, 50).await.len(), 110, "and the stream is not held");
}

pub async fn an_operator_releases_a_stream(stage: &impl Stage) {
    let queue = filled(stage, Limits::UNLIMITED).await;
    queue.signal(&of(SHOP), hold(600)).await;
    queue.signal(&of(NEWS), hold(600)).await;
    assert_eq!(drain(&queue, 50).await.len(), 10);
    queue.release(&of(SHOP), "released by ana").await;
    let got = drain(&queue, 50).await;
    assert_eq!((got.len(), count(&got, 1)), (50, 50));
    let seen = status(&queue, "p").await;
    assert_eq!(seen.streams.iter().map(|s| &*s.stream).collect::<Vec<_>>(), [NEWS]);
}

pub async fn a_stream_of_a_paused_campaign_waits_for_both(stage: &impl Stage) {
    let queue = filled(stage, Limits::UNLIMITED).await;
    queue.signal(&of(SHOP), hold(60)).await;
    drain(&queue, 50).await;
    queue.pause_campaign(1).await;
    stage.advance(61 * SECOND).await;
    assert!(drain(&queue, 50).await.is_empty());
    assert_eq!(status(&queue, "p").await.standing, Standing::Paused);
    queue.resume_campaign(1).await;
    assert_eq!(drain(&queue, 50).await.len(), 50);
}

pub async fn released_jobs_are_refunded_to_their_stream(stage: &impl Stage) {
    let queue = filled(stage, Limits::UNLIMITED).await;
    queue.signal(&of(SHOP), slow_down(Knob::Rate)).await;
    drain(&queue, 50).await;
    stage.advance(120 * SECOND).await;
    for _ in 0..3 {
        let grant = granted(&queue, 5).await;
        assert_eq!(grant.jobs.len(), 1);
        queue.close(grant).await;
    }
}
