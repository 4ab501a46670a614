use std::collections::HashSet;
use std::time::{Duration, Instant};

use tidings_queue::{Knob, Lanes, Limits, Queue, Scope, Settle, Signal};
use tidings_testing::TestRedis;
use tokio::time::timeout;

use crate::{TOO_LONG, bulk, ids, jobs, open};

/// Waits until the other process is known to wait.
async fn somebody_waits(queue: &Queue) {
    let seen = async {
        while queue.snapshot().await.waiting_workers == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(TOO_LONG, seen).await.expect("within a tick");
}

#[tokio::test]
async fn a_push_of_one_wakes_a_waiter_of_another() {
    let server = TestRedis::start();
    let (here, there) = (open(&server).await, open(&server).await);
    let waiter =
        tokio::spawn(async move { here.lease("worker", Lanes::ALL, 5, TOO_LONG).await.map(|g| (Instant::now(), g)) });
    somebody_waits(&there).await;
    let pushed = Instant::now();
    there.push(&bulk("p"), 1, &jobs(1, 0..3)).await;
    let (at, grant) = timeout(TOO_LONG, waiter).await.expect("soon").expect("no panic").expect("a grant");
    assert_eq!(ids(&grant.jobs), [0, 1, 2]);
    assert!(at - pushed < Duration::from_millis(900), "by the message, not by the next look: {:?}", at - pushed);
}

#[tokio::test]
async fn processes_share_limits_knobs_and_pauses() {
    let server = TestRedis::start();
    let (here, there) = (open(&server).await, open(&server).await);
    // Of which one is kept for the first lane.
    here.set_limits(&bulk("p"), Limits { connections: 3, ..Limits::UNLIMITED }).await;
    here.push(&bulk("p"), 1, &jobs(1, 0..9)).await;
    let first = there.lease("there", Lanes::ALL, 1, TOO_LONG).await.expect("a grant");
    assert!(here.lease("here", Lanes::ALL, 1, TOO_LONG).await.is_some());
    assert!(there.lease("there", Lanes::ALL, 1, Duration::ZERO).await.is_none(), "two are open");
    let signal = Signal::halve(Scope::Destination, Knob::Connections, "421 too many");
    here.signal(&bulk("p"), signal).await;
    there.close(first).await;
    assert!(there.lease("there", Lanes::ALL, 1, Duration::ZERO).await.is_none(), "one is open, and one is allowed now");
    here.push(&bulk("q"), 1, &jobs(2, 0..9)).await;
    there.pause_campaign(2).await;
    assert!(here.lease("here", Lanes::ALL, 1, Duration::ZERO).await.is_none());
    here.resume_campaign(2).await;
    assert!(there.lease("there", Lanes::ALL, 1, Duration::ZERO).await.is_some());
}

/// Real time, because the server's clock is what they share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_keep_one_rate() {
    const RATE: f64 = 500.0;
    const BURST: u32 = 10;
    const TIME: Duration = Duration::from_secs(3);
    let server = TestRedis::start();
    let queue = open(&server).await;
    let began = Instant::now();
    queue.set_limits(&bulk("p"), Limits { per_second: RATE, burst: BURST, ..Limits::UNLIMITED }).await;
    queue.push(&bulk("p"), 1, &jobs(1, 0..5_000)).await;
    let end = Instant::now() + TIME;
    let mut processes = Vec::new();
    for _ in 0..8 {
        let queue = open(&server).await;
        processes.push(tokio::spawn(async move {
            let mut claimed = Vec::new();
            while let Some(grant) =
                queue.lease("w", Lanes::ALL, 20, end.saturating_duration_since(Instant::now())).await
            {
                claimed.extend(grant.jobs.iter().map(|j| (Instant::now(), j.delivery)));
                let settled: Vec<_> = grant.jobs.iter().map(|j| (*j, Settle::Done)).collect();
                queue.settle(&grant, &settled).await;
                queue.close(grant).await;
            }
            claimed
        }));
    }
    let mut claimed = Vec::new();
    for process in processes {
        claimed.extend(process.await.expect("no panic"));
    }
    let distinct: HashSet<_> = claimed.iter().map(|(_, delivery)| delivery).collect();
    assert_eq!(distinct.len(), claimed.len(), "each once");
    // A busy machine ends late: what counts is the time that was taken.
    let took = claimed.iter().map(|(at, _)| at.duration_since(began)).max().expect("some are claimed");
    let allowed = RATE * took.as_secs_f64() + f64::from(BURST);
    let ratio = claimed.len() as f64 / allowed;
    println!("{} claimed of {allowed} allowed", claimed.len());
    assert!(ratio <= 1.01, "{ratio}");
    assert!(ratio > 0.8, "{ratio}: a busy machine may miss some, but not so many");
}
