use std::time::Duration;

use tidings_queue::{CloseReason, Lanes, Limits, More, Queue, QueueOptions, Settle, Standing};
use tokio::time::Instant;

use crate::stage::*;

/// With jobs of the lane that may use all of its budget.
async fn limited(stage: &impl Stage, limits: Limits, count: i64) -> Queue {
    let queue = stage.queue(QueueOptions { default_limits: limits, ..QueueOptions::default() }).await;
    queue.push(&transactional("p"), 1, &jobs(1, 0..count)).await;
    queue
}

/// Claims as fast as the queue allows, for so long; the instants of all claims.
async fn claims_over(queue: &Queue, max_jobs: usize, time: Duration) -> Vec<Instant> {
    let end = Instant::now() + time;
    let mut instants = Vec::new();
    while Instant::now() < end {
        let Some(grant) = queue.lease("worker", Lanes::ALL, max_jobs, end - Instant::now()).await else { break };
        instants.extend(grant.jobs.iter().map(|_| Instant::now()));
        settle_all(queue, &grant, &grant.jobs, Settle::Done).await;
        queue.close(grant).await;
    }
    instants
}

/// The bound that the limits promise, over windows that begin and end with a claim. A tick of the timer is allowed.
fn assert_bound(instants: &[Instant], per_second: f64, burst: f64) {
    for (i, from) in instants.iter().enumerate().step_by(7) {
        for (j, to) in instants.iter().enumerate().skip(i).step_by(5) {
            let allowed = per_second * ((*to - *from).as_secs_f64() + 0.001) + burst;
            let count = (j - i + 1) as f64;
            assert!(count <= allowed + 0.01, "{count} claims where {allowed} are allowed");
        }
    }
}

pub async fn no_window_gets_more_than_rate_and_burst(stage: &impl Stage) {
    for (per_second, burst, max_jobs) in [(50.0, 10, 20), (333.3, 1, 20), (7.0, 30, 4), (2_000.0, 100, 50)] {
        let limits = Limits { per_second, burst, ..Limits::UNLIMITED };
        let queue = limited(stage, limits, 30_000).await;
        let instants = claims_over(&queue, max_jobs, 10 * SECOND).await;
        assert_bound(&instants[..instants.len().min(3_000)], per_second, f64::from(burst));
        let expected = per_second * 10.0 + f64::from(burst);
        let ratio = instants.len() as f64 / expected;
        assert!((0.99..=1.001).contains(&ratio), "{per_second}/s: {} claims of {expected}", instants.len());
    }
}

pub async fn the_rate_is_used_up<S: Stage>(stage: &S) {
    let seconds = if S::SIZE_PART == 1 { 100 } else { 25 };
    let queue = limited(stage, Limits { per_second: 100.0, burst: 10, ..Limits::UNLIMITED }, 100_000).await;
    let first = claims_over(&queue, 20, SECOND).await.len() as f64;
    let later = claims_over(&queue, 20, seconds * SECOND).await.len() as f64;
    assert!((first - 110.0).abs() <= 1.0, "{first}");
    assert!((later / (100.0 * f64::from(seconds)) - 1.0).abs() <= 0.01, "{later}: within one in a hundred");
    assert_eq!(status(&queue, "p").await.standing, Standing::RateLimited);
}

pub async fn claims_of_many_workers_share_one_rate(stage: &impl Stage) {
    let queue = limited(stage, Limits { per_second: 500.0, burst: 10, ..Limits::UNLIMITED }, 100_000).await;
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move { claims_over(&queue, 20, 4 * SECOND).await })
        })
        .collect();
    let mut instants = Vec::new();
    for worker in workers {
        instants.extend(worker.await.expect("no panic"));
    }
    instants.sort();
    assert_bound(&instants, 500.0, 10.0);
    assert!((1_990..=2_010).contains(&instants.len()), "{}", instants.len());
}

/// Five connections at a rate of ten: each is told a token of its own, and no claim finds another one there already.
pub async fn open_connections_come_for_one_token_each(stage: &impl Stage) {
    let limits = Limits { per_second: 10.0, burst: 1, ..Limits::UNLIMITED };
    let queue = stage.queue(QueueOptions { default_limits: limits, ..QueueOptions::default() }).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..100)).await;
    let mut grants = Vec::new();
    for _ in 0..5 {
        grants.push(granted(&queue, 1).await);
        stage.advance(SECOND).await;
    }
    settle_all(&queue, &grants[0], &grants[0].jobs, Settle::Done).await;
    assert!(matches!(queue.more(&grants[0], 1).await, More::Jobs(_)), "the last token");
    let mut waits = Vec::new();
    for grant in &grants {
        let More::Wait(wait) = queue.more(grant, 5).await else { panic!("no token is left") };
        waits.push((wait.as_secs_f64() * 100.0).round());
    }
    assert_eq!(waits, [10.0, 20.0, 30.0, 40.0, 50.0]);
    let More::Wait(again) = queue.more(&grants[0], 5).await else { panic!("no token is left") };
    assert!(again < Duration::from_millis(101), "all have been told: {again:?}");
    stage.advance(Duration::from_millis(100)).await;
    assert!(matches!(queue.more(&grants[0], 5).await, More::Jobs(jobs) if jobs.len() == 1), "its turn has come");
}

pub async fn connections_are_limited(stage: &impl Stage) {
    let queue = limited(stage, Limits { connections: 3, ..Limits::UNLIMITED }, 100).await;
    let (a, _b, _c) = (granted(&queue, 2).await, granted(&queue, 2).await, granted(&queue, 2).await);
    assert!(lease(&queue, 2).await.is_none());
    let seen = status(&queue, "p").await;
    assert_eq!((seen.connections.now, seen.connections.limit), (3, 3));
    assert_eq!(seen.standing, Standing::ConnectionLimited);
    queue.close(a).await;
    assert!(lease(&queue, 2).await.is_some());
    assert!(lease(&queue, 2).await.is_none());
}

pub async fn messages_for_each_connection_are_limited(stage: &impl Stage) {
    let queue = limited(stage, Limits { messages_per_connection: 10, ..Limits::UNLIMITED }, 100).await;
    let grant = granted(&queue, 4).await;
    assert_eq!((grant.jobs.len(), grant.messages_left), (4, 6));
    settle_all(&queue, &grant, &grant.jobs[..1], Settle::Release).await;
    let More::Jobs(more) = queue.more(&grant, 20).await else { panic!("jobs") };
    assert_eq!(more.len(), 7, "the released one does not count");
    assert_eq!(queue.more(&grant, 20).await, More::Close(CloseReason::MessagesUsedUp));
    assert_eq!(granted(&queue, 50).await.jobs.len(), 10);
}

pub async fn released_jobs_cost_nothing(stage: &impl Stage) {
    let queue = limited(stage, Limits { per_second: 1.0, burst: 5, ..Limits::UNLIMITED }, 100).await;
    for _ in 0..10 {
        let grant = granted(&queue, 5).await;
        assert_eq!(ids(&grant.jobs), [0, 1, 2, 3, 4]);
        queue.close(grant).await;
    }
    let grant = granted(&queue, 5).await;
    settle_all(&queue, &grant, &grant.jobs, Settle::Done).await;
    queue.close(grant).await;
    assert!(lease(&queue, 5).await.is_none(), "done jobs do cost");
    // A refund long after is no second burst.
    stage.advance(100 * SECOND).await;
    let grant = granted(&queue, 5).await;
    stage.advance(100 * SECOND).await;
    queue.close(grant).await;
    assert_eq!(drain(&queue, 50).await.len(), 5);
}

pub async fn a_limited_shard_does_not_hold_up_others(stage: &impl Stage) {
    let queue = stage.unlimited().await;
    for n in 0..50 {
        let shard = bulk(&format!("slow-{n}"));
        queue.set_limits(&shard, Limits { per_second: 0.01, burst: 1, ..Limits::UNLIMITED }).await;
        queue.push(&shard, 1, &jobs(1, n * 10..n * 10 + 10)).await;
    }
    queue.push(&bulk("fast"), 1, &jobs(1, 10_000..10_500)).await;
    let got = drain(&queue, 10).await;
    assert_eq!(got.iter().filter(|j| j.delivery >= 10_000).count(), 500);
    assert_eq!(got.len(), 550, "and one of each slow shard");
}

pub async fn limits_can_be_raised_while_workers_wait(stage: &impl Stage) {
    let queue = limited(stage, Limits { per_second: 0.001, burst: 1, ..Limits::UNLIMITED }, 100).await;
    granted(&queue, 1).await;
    let waiter = tokio::spawn({
        let queue = queue.clone();
        async move { queue.lease("worker", Lanes::ALL, 1, 3_600 * SECOND).await.map(|_| Instant::now()) }
    });
    stage.settle_down(&queue).await;
    let raised = Instant::now();
    queue.set_limits(&bulk("p"), Limits { per_second: 1.0, burst: 1, ..Limits::UNLIMITED }).await;
    let got = waiter.await.expect("no panic").expect("a grant");
    assert!(got - raised <= SECOND + Duration::from_millis(2), "{:?}", got - raised);
}

pub async fn no_limit_is_no_limit(stage: &impl Stage) {
    let queue = limited(stage, Limits::UNLIMITED, 5_000).await;
    let grants: Vec<_> = futures(&queue, 100).await;
    assert_eq!(grants.iter().map(|g| g.jobs.len()).sum::<usize>(), 5_000);
    assert!(grants.iter().all(|g| g.messages_left == u32::MAX));
    let seen = status(&queue, "p").await;
    assert_eq!((seen.connections.limit, seen.rate.limit, seen.messages_per_connection), (0, 0.0, 0));
}

async fn futures(queue: &Queue, count: usize) -> Vec<tidings_queue::Grant> {
    let mut grants = Vec::new();
    for _ in 0..count {
        grants.push(granted(queue, 50).await);
    }
    grants
}

pub async fn a_fractional_rate_works(stage: &impl Stage) {
    let queue = limited(stage, Limits { per_second: 1.0 / 60.0, burst: 1, ..Limits::UNLIMITED }, 100).await;
    let got = claims_over(&queue, 5, 600 * SECOND).await;
    assert!((10..=11).contains(&got.len()), "{}", got.len());
    let gap = got[1] - got[0];
    assert!((gap.as_secs_f64() - 60.0).abs() < 0.01, "{gap:?}");
}
