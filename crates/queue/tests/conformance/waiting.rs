use std::time::Duration;

use tidings_queue::{Grant, Lanes, Limits, Queue, Settle};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::stage::*;

/// A worker that waits for an hour at most, and when it got what.
fn waiter(queue: &Queue) -> JoinHandle<Option<(Instant, Grant)>> {
    let queue = queue.clone();
    tokio::spawn(async move { queue.lease("worker", Lanes::ALL, 1, 3_600 * SECOND).await.map(|g| (Instant::now(), g)) })
}

pub async fn a_push_wakes_a_waiter(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    let worker = waiter(&queue);
    stage.settle_down(&queue).await;
    let pushed = Instant::now();
    queue.push(&bulk("p"), 1, &jobs(1, [7])).await;
    let (at, grant) = worker.await.expect("no panic").expect("a grant");
    assert_eq!((at - pushed, ids(&grant.jobs)), (NOW, vec![7]));
}

pub async fn each_waiter_is_woken(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    let workers: Vec<_> = (0..50).map(|_| waiter(&queue)).collect();
    stage.settle_down(&queue).await;
    assert_eq!(queue.snapshot().await.waiting_workers, 50);
    let pushed = Instant::now();
    queue.push(&bulk("p"), 1, &jobs(1, 0..50)).await;
    let mut got = Vec::new();
    for worker in workers {
        let (at, grant) = worker.await.expect("no panic").expect("a grant");
        assert_eq!(at - pushed, NOW, "nobody waits for a clock");
        got.extend(ids(&grant.jobs));
    }
    got.sort_unstable();
    assert_eq!(got, (0..50).collect::<Vec<_>>());
    assert_eq!(queue.snapshot().await.waiting_workers, 0);
}

/// One line, two jobs, and the waiter that watches the clock is not the one that is woken.
pub async fn who_is_woken_wakes_the_next(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    let workers: Vec<_> = (0..3).map(|_| waiter(&queue)).collect();
    stage.settle_down(&queue).await;
    // Moves the alarm: the timekeeper looks again, and now stands behind the others.
    queue.push_delayed(&bulk("q"), 1, &[(job(1, 9), 600 * SECOND)]).await;
    stage.settle_down(&queue).await;
    let pushed = Instant::now();
    queue.push(&bulk("p"), 1, &jobs(1, [1, 2])).await;
    let mut waited = Vec::new();
    for worker in workers {
        let (at, _) = worker.await.expect("no panic").expect("a grant");
        waited.push((at - pushed).as_secs());
    }
    waited.sort_unstable();
    assert_eq!(waited, [0, 0, 600]);
}

pub async fn a_delayed_job_comes_when_due(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    let begun = Instant::now();
    let delayed: Vec<_> = [30, 10, 20].map(|s| (job(1, s), Duration::from_secs(s.unsigned_abs()))).to_vec();
    queue.push_delayed(&bulk("p"), 1, &delayed).await;
    assert_eq!(status(&queue, "p").await.next_due_in, Some(10 * SECOND));
    for expected in [10, 20, 30] {
        let (at, grant) = waiter(&queue).await.expect("no panic").expect("a grant");
        assert_eq!(ids(&grant.jobs), [expected]);
        let late = (at - begun).as_secs_f64() - expected as f64;
        assert!((0.0..0.01).contains(&late), "{late} s late");
    }
}

pub async fn a_retry_comes_when_due(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push(&bulk("p"), 1, &jobs(1, [7])).await;
    let grant = granted(&queue, 1).await;
    let again = tidings_queue::Job { attempt: 2, ..grant.jobs[0] };
    queue.settle(&grant, &[(again, Settle::RetryIn(300 * SECOND))]).await;
    queue.close(grant).await;
    assert!(queue.lease("worker", Lanes::ALL, 1, 299 * SECOND).await.is_none());
    let grant = queue.lease("worker", Lanes::ALL, 1, 2 * SECOND).await.expect("due");
    assert_eq!(grant.jobs, [again], "with the attempt that was settled");
}

pub async fn nothing_comes_when_the_time_is_over(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    let begun = Instant::now();
    assert!(queue.lease("worker", Lanes::ALL, 1, 5 * SECOND).await.is_none());
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert!(lease(&queue, 1).await.is_none());
    assert_eq!(begun.elapsed().as_secs(), 5);
}

/// The timekeeper leaves, or one that was just told of work: another must take over.
pub async fn a_waiter_that_is_dropped_takes_nothing_along(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.push_delayed(&bulk("p"), 1, &[(job(1, 1), 10 * SECOND), (job(1, 2), 10 * SECOND)]).await;
    let workers: Vec<_> = (0..4).map(|_| waiter(&queue)).collect();
    stage.settle_down(&queue).await;
    let begun = Instant::now();
    workers[0].abort();
    stage.settle_down(&queue).await;
    workers[1].abort();
    stage.settle_down(&queue).await;
    for worker in workers.into_iter().skip(2) {
        let (at, _) = worker.await.expect("no panic").expect("a grant");
        assert!(at - begun < 11 * SECOND, "{:?}", at - begun);
    }
    let workers: Vec<_> = (0..2).map(|_| waiter(&queue)).collect();
    stage.settle_down(&queue).await;
    queue.push(&bulk("p"), 1, &jobs(1, [3])).await;
    workers[0].abort();
    let got = workers.into_iter().nth(1).expect("two").await.expect("no panic");
    assert!(got.is_some() && got.expect("some").0 - begun < 11 * SECOND);
}

pub async fn a_sooner_job_moves_the_alarm(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    let begun = Instant::now();
    queue.push_delayed(&bulk("p"), 1, &[(job(1, 1), 1_000 * SECOND)]).await;
    let workers = [waiter(&queue), waiter(&queue)];
    stage.settle_down(&queue).await;
    queue.push_delayed(&bulk("q"), 1, &[(job(1, 2), SECOND)]).await;
    queue.push_delayed(&bulk("p"), 1, &[(job(1, 3), SECOND)]).await;
    for worker in workers {
        let (at, _) = worker.await.expect("no panic").expect("a grant");
        assert!(at - begun < 2 * SECOND, "{:?}", at - begun);
    }
}

pub async fn a_closed_connection_wakes_a_waiter(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    queue.set_limits(&bulk("p"), Limits { connections: 1, ..Limits::UNLIMITED }).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..3)).await;
    let grant = granted(&queue, 1).await;
    let worker = waiter(&queue);
    stage.settle_down(&queue).await;
    let closed = Instant::now();
    queue.close(grant).await;
    let (at, _) = worker.await.expect("no panic").expect("a grant");
    assert_eq!(at - closed, NOW);
}

/// Over an hour in which nothing may be sent, a waiter looks a few times, not a few thousand times.
pub async fn a_waiter_does_not_spin(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    for n in 0..20 {
        let shard = bulk(&format!("s{n}"));
        queue.set_limits(&shard, Limits { per_second: 0.000_1, burst: 1, ..Limits::UNLIMITED }).await;
        queue.push(&shard, 1, &jobs(1, [n, n + 100])).await;
    }
    assert_eq!(drain(&queue, 1).await.len(), 20);
    let polls = std::cell::Cell::new(0);
    let mut lease = Box::pin(queue.lease("worker", Lanes::ALL, 1, 3_600 * SECOND));
    let counted = std::future::poll_fn(|cx| {
        polls.set(polls.get() + 1);
        lease.as_mut().poll(cx)
    });
    assert!(counted.await.is_none());
    assert!(polls.get() < 10, "{} polls", polls.get());
}
