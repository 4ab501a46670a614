use std::collections::HashSet;
use std::time::Duration;

use tidings_queue::{Lanes, Limits, Queue, Settle};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::stage::*;

/// Far longer than the whole property takes: who waits so long was not woken.
const TOO_LONG: Duration = Duration::from_secs(60);

/// One job at a time, the next pushed when the last is done: each push meets a worker just about to wait.
pub async fn no_wake_up_is_lost_between_threads<S: Stage>(stage: &S) {
    let rounds = 20_000 / S::SIZE_PART;
    let queue = stage.unlimited().await;
    let (done, mut dones) = mpsc::channel(1);
    let worker = tokio::spawn(work(queue.clone(), done));
    for round in 0..rounds {
        queue.push(&bulk("p"), 1, &jobs(1, [round])).await;
        let got = timeout(TOO_LONG, dones.recv()).await.expect("somebody is woken");
        assert_eq!(got, Some(round));
    }
    worker.abort();
}

/// Everything at once, on several threads, with few connections: all jobs end, each once.
pub async fn threads_lose_and_double_nothing<S: Stage>(stage: &S) {
    let count = 20_000 / S::SIZE_PART;
    let queue = stage.unlimited().await;
    let (done, mut dones) = mpsc::channel(100);
    for name in ["a", "b", "c"] {
        queue.set_limits(&bulk(name), Limits { connections: 2, ..Limits::UNLIMITED }).await;
    }
    let workers: Vec<_> = (0..8).map(|_| tokio::spawn(work(queue.clone(), done.clone()))).collect();
    for part in 0..count / 20 {
        let name = ["a", "b", "c"][usize::try_from(part % 3).expect("small")];
        queue.push(&bulk(name), 1, &jobs(part % 7, part * 20..part * 20 + 20)).await;
    }
    let mut seen = HashSet::new();
    for _ in 0..count {
        let got = timeout(TOO_LONG, dones.recv()).await.expect("somebody works").expect("open");
        assert!(seen.insert(got), "{got} came twice");
    }
    workers.iter().for_each(tokio::task::JoinHandle::abort);
}

async fn work(queue: Queue, done: mpsc::Sender<i64>) {
    while let Some(grant) = queue.lease("worker", Lanes::ALL, 3, TOO_LONG * 2).await {
        for job in grant.jobs.clone() {
            queue.settle(&grant, &[(job, Settle::Done)]).await;
            if done.send(job.delivery).await.is_err() {
                return;
            }
        }
        queue.close(grant).await;
    }
}
