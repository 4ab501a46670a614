//! What a job costs in the embedded queue: claimed and settled in batches of 20, as a connection does it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tidings_queue::{Grant, Job, Lanes, Limits, More, Queue, QueueOptions, Settle, Shard};

const BATCH: usize = 20;

fn jobs(campaigns: i64, count: i64) -> Vec<Job> {
    (0..count).map(|delivery| Job { delivery, campaign: delivery % campaigns, attempt: 1 }).collect()
}

fn options() -> QueueOptions {
    let default_limits = Limits { per_second: 1e9, burst: 1_000_000, ..Limits::UNLIMITED };
    QueueOptions { default_limits, ..QueueOptions::default() }
}

async fn fill(shards: usize, campaigns: i64, count: i64) -> Queue {
    let queue = Queue::embedded(options());
    let all = jobs(campaigns, count);
    for (n, part) in all.chunks(all.len().div_ceil(shards)).enumerate() {
        queue.push(&Shard::new(2, format!("shard-{n}")), 1, part).await;
    }
    queue
}

async fn settle(queue: &Queue, grant: &Grant, jobs: &[Job]) {
    let settled: Vec<_> = jobs.iter().map(|j| (*j, Settle::Done)).collect();
    queue.settle(grant, &settled).await;
}

/// All jobs, each connection carrying 100 messages.
async fn drain(queue: &Queue) -> usize {
    let mut count = 0;
    while let Some(grant) = queue.lease("bench", Lanes::ALL, BATCH, Duration::ZERO).await {
        settle(queue, &grant, &grant.jobs).await;
        count += grant.jobs.len();
        for _ in 0..4 {
            let More::Jobs(jobs) = queue.more(&grant, BATCH).await else { break };
            settle(queue, &grant, &jobs).await;
            count += jobs.len();
        }
        queue.close(grant).await;
    }
    count
}

fn claim_and_settle(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    for (name, shards, campaigns) in [
        ("one shard, one campaign", 1, 1),
        ("ten shards, ten campaigns", 10, 10),
        ("10,000 shards, 3 campaigns", 10_000, 3),
    ] {
        c.bench_function(&format!("per job: {name}"), |b| {
            b.iter_custom(|iterations| {
                let queue = runtime.block_on(fill(shards, campaigns, i64::try_from(iterations).expect("fits")));
                let begun = Instant::now();
                let drained = runtime.block_on(drain(&queue));
                assert_eq!(drained as u64, iterations);
                begun.elapsed()
            });
        });
    }
}

fn push(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    c.bench_function("per job: push in batches of 1,000", |b| {
        b.iter_custom(|iterations| {
            let begun = Instant::now();
            black_box(runtime.block_on(fill(1, 1, i64::try_from(iterations).expect("fits"))));
            begun.elapsed()
        });
    });
}

/// Resident memory of one million jobs in one shard, and spread over 100,000.
fn memory(_: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    for shards in [1, 100_000] {
        let before = resident_bytes();
        let queue = runtime.block_on(async {
            let queue = Queue::embedded(options());
            for part in 0..1_000_i64 {
                let all: Vec<Job> =
                    (0..1_000).map(|n| Job { delivery: part * 1_000 + n, campaign: 1, attempt: 1 }).collect();
                for (n, few) in all.chunks(if shards == 1 { 1_000 } else { 10 }).enumerate() {
                    let shard = if shards == 1 { 0 } else { part * 100 + i64::try_from(n).expect("small") };
                    queue.push(&Shard::new(2, format!("mx:domain-{shard}.example")), 1, few).await;
                }
            }
            queue
        });
        let each = resident_bytes().saturating_sub(before) as f64 / 1e6;
        println!("1,000,000 jobs in {shards} shards: {each:.1} bytes of memory for each job");
        drop(queue);
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

criterion_group!(benches, memory, push, claim_and_settle);
criterion_main!(benches);
