use std::time::Duration;

use tidings_queue::{
    BudgetKind, CloseReason, Cut, HISTORY_TURNS, Knob, Lanes, Limit, Limits, More, Queue, QueueOptions, Scope, Settle,
    Signal, Standing, StoppedBy, Turn,
};
use tokio::time::Instant;

use crate::stage::*;

const LIMITS: Limits =
    Limits { per_second: 16.0, burst: 16, connections: 16, messages_per_connection: 160, ..Limits::UNLIMITED };
const OPTIONS: QueueOptions = QueueOptions {
    default_limits: LIMITS,
    lease: Duration::from_secs(86_400),
    recovery_interval: Duration::from_secs(60),
    recovery_jobs: 5,
    reaction_time: Duration::from_secs(2),
    turn_messages: 1_000,
    forget_after: Duration::from_secs(600),
};

fn slow_down(knob: Knob) -> Signal {
    Signal::halve(Scope::Destination, knob, format!("421 4.7.28 too many {knob}"))
}

fn hold(seconds: u32) -> Signal {
    Signal::hold(Scope::Destination, seconds * SECOND, format!("421 4.7.0 [TSS04] wait {seconds}"))
}

async fn filled(stage: &impl Stage) -> Queue {
    let queue = stage.queue(OPTIONS).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..10_000)).await;
    queue
}

async fn do_jobs(queue: &Queue, count: usize) {
    let mut left = count;
    while left > 0 {
        let grant = queue.lease("worker", Lanes::ALL, left, 3_600 * SECOND).await.expect("a grant");
        left -= grant.jobs.len();
        settle_all(queue, &grant, &grant.jobs, Settle::Done).await;
        queue.close(grant).await;
    }
}

pub async fn a_hold_stops_and_ends(stage: &impl Stage) {
    let queue = filled(stage).await;
    queue.signal(&bulk("p"), hold(60)).await;
    let begun = Instant::now();
    assert!(queue.lease("worker", Lanes::ALL, 1, 59 * SECOND).await.is_none());
    assert_eq!(status(&queue, "p").await.standing, Standing::Held);
    assert!(queue.lease("worker", Lanes::ALL, 1, 59 * SECOND).await.is_some());
    assert!(begun.elapsed() >= 60 * SECOND && begun.elapsed() < 61 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(status(&queue, "p").await.hold, None);
}

pub async fn a_hold_is_never_shortened(stage: &impl Stage) {
    let queue = filled(stage).await;
    queue.signal(&bulk("p"), hold(60)).await;
    stage.advance(10 * SECOND).await;
    queue.signal(&bulk("p"), hold(5)).await;
    let seen = status(&queue, "p").await.hold.expect("held");
    assert_eq!((seen.remaining, seen.since), (50 * SECOND, 10 * SECOND));
    assert_eq!(seen.why, "421 4.7.0 [TSS04] wait 60");
    queue.signal(&bulk("p"), hold(100)).await;
    let seen = status(&queue, "p").await.hold.expect("held");
    assert_eq!((seen.remaining, seen.since, &*seen.why), (100 * SECOND, 10 * SECOND, "421 4.7.0 [TSS04] wait 100"));
}

pub async fn a_hold_closes_open_connections(stage: &impl Stage) {
    let queue = filled(stage).await;
    let grant = granted(&queue, 1).await;
    queue.signal(&bulk("p"), hold(60)).await;
    assert_eq!(queue.more(&grant, 1).await, More::Close(CloseReason::Held));
}

pub async fn a_rate_signal_halves(stage: &impl Stage) {
    let queue = filled(stage).await;
    for expected in [8.0, 4.0, 2.0] {
        let turn = queue.signal(&bulk("p"), slow_down(Knob::Rate)).await;
        assert_eq!(turn, Some(Turn { knob: Knob::Rate, from: expected * 2.0, to: expected }));
        assert_eq!(status(&queue, "p").await.rate.limit, expected);
        stage.advance(3 * SECOND).await;
    }
    // Let the bucket fill: its burst is smaller, too, and half of the two is kept for the first lane.
    stage.advance(10 * SECOND).await;
    assert_eq!(granted(&queue, 50).await.jobs.len(), 1);
    let from = Instant::now();
    do_jobs(&queue, 20).await;
    assert!((from.elapsed().as_secs_f64() - 10.0).abs() < 0.1, "{:?}", from.elapsed());
}

pub async fn signals_together_are_one(stage: &impl Stage) {
    let queue = filled(stage).await;
    assert!(queue.signal(&bulk("p"), slow_down(Knob::Rate)).await.is_some());
    for _ in 1..50 {
        assert_eq!(queue.signal(&bulk("p"), slow_down(Knob::Rate)).await, None, "nothing moved");
    }
    let seen = status(&queue, "p").await;
    assert_eq!(seen.rate.limit, 8.0);
    assert_eq!(seen.last_signal.expect("a signal").count, 50);
}

pub async fn knobs_have_floors(stage: &impl Stage) {
    let queue = filled(stage).await;
    for knob in [Knob::Rate, Knob::Connections, Knob::MessagesPerConnection] {
        for _ in 0..20 {
            queue.signal(&bulk("p"), slow_down(knob)).await;
            stage.advance(3 * SECOND).await;
        }
    }
    assert_eq!(queue.signal(&bulk("p"), slow_down(Knob::Connections)).await, None);
    let seen = status(&queue, "p").await;
    assert_eq!(seen.rate.limit, 1.0 / 60.0);
    assert_eq!((seen.connections.limit, seen.messages_per_connection), (1, 1));
    stage.advance(60 * SECOND).await;
    let grant = granted(&queue, 9).await;
    assert_eq!((grant.jobs.len(), grant.messages_left), (1, 0));
    assert!(lease(&queue, 1).await.is_none());
}

pub async fn an_unlimited_rate_starts_from_what_was_measured(stage: &impl Stage) {
    let queue = stage.queue(QueueOptions { default_limits: Limits::UNLIMITED, ..OPTIONS }).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..10_000)).await;
    for _ in 0..300 {
        do_jobs(&queue, 10).await;
        stage.advance(Duration::from_millis(100)).await;
    }
    let measured = status(&queue, "p").await.rate.now;
    assert!((95.0..105.0).contains(&measured), "{measured}");
    queue.signal(&bulk("p"), slow_down(Knob::Rate)).await;
    let limit = status(&queue, "p").await.rate.limit;
    assert!((47.0..53.0).contains(&limit), "{limit}");
}

pub async fn fewer_connections_close_the_surplus(stage: &impl Stage) {
    let queue = stage.queue(QueueOptions { default_limits: Limits::UNLIMITED, ..OPTIONS }).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..100)).await;
    let mut grants = Vec::new();
    for _ in 0..4 {
        grants.push(granted(&queue, 1).await);
    }
    queue.signal(&bulk("p"), slow_down(Knob::Connections)).await;
    assert_eq!(status(&queue, "p").await.connections.limit, 2);
    assert!(matches!(queue.more(&grants[0], 1).await, More::Jobs(_)), "those that were refused end first");
    stage.advance(3 * SECOND).await;
    for grant in grants.drain(..2) {
        assert_eq!(queue.more(&grant, 1).await, More::Close(CloseReason::TooManyConnections));
        queue.close(grant).await;
    }
    assert!(matches!(queue.more(&grants[0], 1).await, More::Jobs(_)));
    assert!(lease(&queue, 1).await.is_none());
}

/// Idle connections would all come again at once.
pub async fn after_one_too_many_no_connection_is_opened_for_a_moment(stage: &impl Stage) {
    let queue = stage
        .queue(QueueOptions {
            default_limits: Limits { connections: 8, ..Limits::UNLIMITED },
            ..QueueOptions::default()
        })
        .await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..100)).await;
    let open = granted(&queue, 1).await;
    queue.signal(&bulk("p"), slow_down(Knob::Connections)).await.expect("it moved");
    assert!(lease(&queue, 1).await.is_none());
    assert_eq!(status(&queue, "p").await.standing, Standing::ConnectionLimited);
    let from = Instant::now();
    assert!(queue.lease("worker", Lanes::ALL, 1, 60 * SECOND).await.is_some());
    assert!(from.elapsed() >= 2 * SECOND && from.elapsed() < 3 * SECOND, "{:?}", from.elapsed());
    queue.close(open).await;
}

pub async fn clean_work_raises_a_knob_to_its_ceiling(stage: &impl Stage) {
    let queue = filled(stage).await;
    queue.signal(&bulk("p"), slow_down(Knob::Rate)).await;
    queue.signal(&bulk("p"), slow_down(Knob::Connections)).await;
    do_jobs(&queue, 1).await;
    for step in 1..=8 {
        stage.advance(30 * SECOND).await;
        do_jobs(&queue, 10).await;
        assert_eq!(status(&queue, "p").await.rate.limit, 7.0 + f64::from(step), "before the interval is over");
        stage.advance(31 * SECOND).await;
        do_jobs(&queue, 1).await;
        assert_eq!(status(&queue, "p").await.rate.limit, 8.0 + f64::from(step));
    }
    let seen = status(&queue, "p").await;
    assert_eq!((seen.rate.limit, seen.connections.limit, seen.reduced.len()), (16.0, 16, 0));
    stage.advance(600 * SECOND).await;
    do_jobs(&queue, 100).await;
    assert_eq!(status(&queue, "p").await.rate.limit, 16.0, "never above");
}

pub async fn a_signal_restarts_the_clean_interval(stage: &impl Stage) {
    let queue = filled(stage).await;
    queue.signal(&bulk("p"), slow_down(Knob::Rate)).await;
    stage.advance(SECOND).await;
    queue.signal(&bulk("p"), slow_down(Knob::Rate)).await;
    stage.advance(59 * SECOND + SECOND / 2).await;
    do_jobs(&queue, 10).await;
    assert_eq!(status(&queue, "p").await.rate.limit, 8.0);
    let few = filled(stage).await;
    few.signal(&bulk("p"), slow_down(Knob::Rate)).await;
    stage.advance(600 * SECOND).await;
    do_jobs(&few, 3).await;
    stage.advance(61 * SECOND).await;
    do_jobs(&few, 1).await;
    assert_eq!(status(&few, "p").await.rate.limit, 8.0, "four jobs prove nothing");
    do_jobs(&few, 1).await;
    assert_eq!(status(&few, "p").await.rate.limit, 9.0);
}

pub async fn idle_time_proves_nothing(stage: &impl Stage) {
    let queue = filled(stage).await;
    queue.signal(&bulk("p"), slow_down(Knob::Rate)).await;
    stage.advance(600 * SECOND).await;
    do_jobs(&queue, 10).await;
    assert_eq!(status(&queue, "p").await.rate.limit, 8.0, "it has only begun to send");
}

/// What was in flight when the hold came ends in it, and the time of the hold itself is no clean interval.
pub async fn a_hold_is_no_clean_interval(stage: &impl Stage) {
    let queue = filled(stage).await;
    let grant = granted(&queue, 12).await;
    queue.signal(&bulk("p"), Signal { hold: Some(120 * SECOND), ..slow_down(Knob::Rate) }).await;
    settle_all(&queue, &grant, &grant.jobs[..6], Settle::Done).await;
    stage.advance(119 * SECOND).await;
    settle_all(&queue, &grant, &grant.jobs[6..], Settle::Done).await;
    queue.close(grant).await;
    assert_eq!(status(&queue, "p").await.reduced[0].next_raise_in, 61 * SECOND);
    stage.advance(2 * SECOND).await;
    do_jobs(&queue, 10).await;
    stage.advance(50 * SECOND).await;
    do_jobs(&queue, 10).await;
    assert_eq!(status(&queue, "p").await.rate.limit, 8.0, "less than a minute of sending");
    stage.advance(11 * SECOND).await;
    do_jobs(&queue, 1).await;
    assert_eq!(status(&queue, "p").await.rate.limit, 9.0);
    // A hold without a turn begins the interval anew, too.
    stage.advance(59 * SECOND).await;
    do_jobs(&queue, 10).await;
    queue.signal(&bulk("p"), hold(30)).await;
    stage.advance(31 * SECOND).await;
    do_jobs(&queue, 10).await;
    assert_eq!(status(&queue, "p").await.rate.limit, 9.0);
}

pub async fn a_signal_says_how_far(stage: &impl Stage) {
    let queue = filled(stage).await;
    let turned = |knob, cut| Signal { cut, ..slow_down(knob) };
    let turn = queue.signal(&bulk("p"), turned(Knob::Rate, Cut::Part(4))).await;
    assert_eq!(turn, Some(Turn { knob: Knob::Rate, from: 16.0, to: 4.0 }));
    let turn = queue.signal(&bulk("p"), turned(Knob::Connections, Cut::AtMost(1))).await;
    assert_eq!(turn, Some(Turn { knob: Knob::Connections, from: 16.0, to: 1.0 }));
    stage.advance(3 * SECOND).await;
    let turn = queue.signal(&bulk("p"), turned(Knob::Rate, Cut::AtMost(30))).await;
    assert_eq!(turn, Some(Turn { knob: Knob::Rate, from: 4.0, to: 0.5 }), "thirty a minute");
    stage.advance(3 * SECOND).await;
    let turn = queue.signal(&bulk("p"), turned(Knob::Rate, Cut::AtMost(600))).await;
    assert_eq!(turn, Some(Turn { knob: Knob::Rate, from: 0.5, to: 0.25 }), "it stands lower, and is halved");
    assert_eq!(queue.signal(&bulk("p"), turned(Knob::Connections, Cut::Part(9))).await, None, "at its floor");
}

pub async fn a_signal_says_how_long(stage: &impl Stage) {
    let queue = filled(stage).await;
    queue.signal(&bulk("p"), Signal { stay: 3_600 * SECOND, ..slow_down(Knob::Rate) }).await;
    for _ in 0..59 {
        stage.advance(60 * SECOND).await;
        do_jobs(&queue, 10).await;
    }
    assert_eq!(status(&queue, "p").await.rate.limit, 8.0);
    stage.advance(60 * SECOND).await;
    do_jobs(&queue, 1).await;
    stage.advance(61 * SECOND).await;
    do_jobs(&queue, 5).await;
    assert_eq!(status(&queue, "p").await.rate.limit, 9.0);
}

pub async fn a_free_knob_is_free_again(stage: &impl Stage) {
    let queue = stage.queue(QueueOptions { default_limits: Limits::UNLIMITED, ..OPTIONS }).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..10_000)).await;
    do_jobs(&queue, 100).await;
    queue.signal(&bulk("p"), slow_down(Knob::Rate)).await;
    assert!(status(&queue, "p").await.rate.limit > 0.0);
    for _ in 0..10 {
        stage.advance(61 * SECOND).await;
        do_jobs(&queue, 5).await;
    }
    assert_eq!(status(&queue, "p").await.rate.limit, 0.0);
    assert_eq!(granted(&queue, 500).await.jobs.len(), 500);
}

pub async fn the_snapshot_explains_a_slow_shard(stage: &impl Stage) {
    let queue = filled(stage).await;
    do_jobs(&queue, 10).await;
    stage.advance(SECOND).await;
    queue.signal(&bulk("p"), slow_down(Knob::Rate)).await;
    queue.signal(&bulk("p"), hold(600)).await;
    stage.advance(10 * SECOND).await;
    let seen = status(&queue, "p").await;
    assert_eq!((seen.ready, seen.delayed, seen.leased), (9_990, 0, 0));
    assert_eq!(seen.limits, LIMITS);
    let stopped_by = StoppedBy { budget: BudgetKind::Destination, limit: Limit::Hold, frees_in: Some(590 * SECOND) };
    assert_eq!(seen.stopped_by, Some(stopped_by));
    let held = seen.hold.expect("held");
    assert_eq!((&*held.why, held.since, held.remaining), ("421 4.7.0 [TSS04] wait 600", 10 * SECOND, 590 * SECOND));
    let [knob] = &seen.reduced[..] else { panic!("one knob") };
    assert_eq!((knob.knob, knob.ceiling, knob.floor, knob.now), (Knob::Rate, 16.0, 1.0 / 60.0, 8.0));
    assert_eq!(knob.why, "421 4.7.28 too many messages a second");
    assert_eq!((knob.since, knob.next_raise_in), (10 * SECOND, 650 * SECOND));
    let last = seen.last_signal.expect("a signal");
    assert_eq!((last.ago, last.count, &*last.why), (10 * SECOND, 2, "421 4.7.0 [TSS04] wait 600"));
}

pub async fn a_new_ceiling_applies_to_a_turned_knob(stage: &impl Stage) {
    let queue = filled(stage).await;
    queue.signal(&bulk("p"), slow_down(Knob::Rate)).await;
    queue.set_limits(&bulk("p"), Limits { per_second: 4.0, ..LIMITS }).await;
    let seen = status(&queue, "p").await;
    assert_eq!((seen.rate.limit, seen.reduced.len()), (4.0, 0));
}

pub async fn turns_are_remembered(stage: &impl Stage) {
    let queue = filled(stage).await;
    queue.signal(&bulk("p"), slow_down(Knob::Rate)).await;
    do_jobs(&queue, 1).await;
    stage.advance(61 * SECOND).await;
    do_jobs(&queue, 5).await;
    let seen = status(&queue, "p").await.history;
    let turns: Vec<_> = seen.iter().map(|past| (past.turn.from, past.turn.to, past.ago.as_secs())).collect();
    assert_eq!(turns, [(8.0, 9.0, 0), (16.0, 8.0, 61)], "the latest first");
    assert_eq!(seen[1].why, "421 4.7.28 too many messages a second");
    assert_eq!(seen[0].why, "no signal for 60 s, and mail went out");
    for _ in 0..HISTORY_TURNS {
        do_jobs(&queue, 1).await;
        stage.advance(61 * SECOND).await;
        do_jobs(&queue, 5).await;
        stage.advance(SECOND).await;
        queue.signal(&bulk("p"), slow_down(Knob::MessagesPerConnection)).await;
    }
    let seen = status(&queue, "p").await.history;
    assert_eq!(seen.len(), HISTORY_TURNS);
    assert_eq!(seen[0].turn.knob, Knob::MessagesPerConnection);
}

pub async fn an_operator_releases_a_destination(stage: &impl Stage) {
    let queue = filled(stage).await;
    queue.signal(&bulk("p"), slow_down(Knob::Rate)).await;
    queue.signal(&bulk("p"), hold(3_600)).await;
    let waiter = tokio::spawn({
        let queue = queue.clone();
        async move { queue.lease("worker", Lanes::ALL, 20, 60 * SECOND).await }
    });
    stage.settle_down(&queue).await;
    let released = Instant::now();
    queue.release(&bulk("p"), "released by ana@shop.example").await;
    assert!(waiter.await.expect("no panic").is_some());
    assert!(released.elapsed() < SECOND);
    let seen = status(&queue, "p").await;
    assert_eq!((seen.hold, seen.reduced.len(), seen.rate.limit), (None, 0, 16.0));
    assert_eq!((seen.history[0].turn.to, &*seen.history[0].why), (16.0, "released by ana@shop.example"));
}
