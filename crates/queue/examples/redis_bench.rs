//! What a job costs in Redis: memory for each, and how many one server hands out in a second.
//!
//! `cargo run --release -p tidings-queue --example redis_bench` starts a server of its own (`redis-server` must be
//! installed), fills it with a million jobs, claims and settles them, and prints what it measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tidings_queue::{Grant, Job, Lanes, Limits, More, Queue, QueueOptions, RedisOptions, Settle, Shard};
use tidings_testing::TestRedis;

const JOBS: i64 = 1_000_000;
/// Ids as large as those of an installation that has sent some billion messages.
const FIRST_DELIVERY: i64 = 5_000_000_000;
const PUSH: usize = 1_000;
const WORKERS: usize = 32;
/// Messages on one connection.
const CLAIMS_A_CONNECTION: usize = 5;

#[tokio::main]
async fn main() {
    let server = TestRedis::start();
    println!("one million jobs in      bytes a job   pushed a second");
    for (shards, campaigns) in [(20, 1), (20, 10), (10_000, 1), (100_000, 1)] {
        let queue = open(&server, &format!("m-{shards}-{campaigns}")).await;
        memory(&server, &queue, shards, campaigns).await;
    }
    flush(&server).await;
    delayed_memory(&server).await;
    flush(&server).await;
    one_rate(&server).await;
    flush(&server).await;
    println!("\nready jobs claimed and settled by {WORKERS} workers, through a budget");
    for (shards, campaigns, batch) in [(20, 1, 20), (20, 10, 20), (1, 1, 20), (20, 1, 100), (20, 1, 1)] {
        let queue = open(&server, &format!("c-{shards}-{campaigns}-{batch}")).await;
        let jobs = if batch == 1 { JOBS / 20 } else { JOBS / 2 };
        fill(&queue, shards, campaigns, jobs).await;
        let begun = Instant::now();
        let claimed = drain(&queue, batch).await;
        let each_second = claimed as f64 / begun.elapsed().as_secs_f64();
        println!(
            "{shards:>6} shards, {campaigns:>2} campaigns, batches of {batch:>3}: {each_second:>8.0} jobs a second"
        );
        assert_eq!(claimed as i64, jobs, "each once");
        flush(&server).await;
    }
}

async fn open(server: &TestRedis, prefix: &str) -> Queue {
    let default_limits = Limits { per_second: 1e9, burst: 1_000_000, ..Limits::UNLIMITED };
    let queue = QueueOptions { default_limits, ..QueueOptions::default() };
    let options = RedisOptions { queue, prefix: prefix.into(), ..RedisOptions::new(server.url()) };
    Queue::redis(options).await.expect("a queue")
}

async fn fill(queue: &Queue, shards: i64, campaigns: i64, jobs: i64) {
    let each = jobs / shards;
    let step = i64::try_from(PUSH).expect("small").min(each);
    for from in (0..each).step_by(usize::try_from(step).expect("small")) {
        for shard in 0..shards {
            let deliveries = (from..(from + step).min(each)).map(|n| shard * each + n);
            let part: Vec<_> = deliveries
                .map(|n| Job { delivery: FIRST_DELIVERY + n, campaign: 1_000 + n % campaigns, attempt: 1 })
                .collect();
            queue.push(&Shard::new(2, format!("mx:domain-{shard}.example")), 1, &part).await;
        }
    }
}

async fn memory(server: &TestRedis, queue: &Queue, shards: i64, campaigns: i64) {
    let before = used_memory(server).await;
    let begun = Instant::now();
    fill(queue, shards, campaigns, JOBS).await;
    let rate = JOBS as f64 / begun.elapsed().as_secs_f64();
    let each = (used_memory(server).await - before) / JOBS as f64;
    println!("{shards:>6} shards, {campaigns:>2} campaigns: {each:>10.1} {rate:>15.0}");
}

/// Jobs that wait for their time lie in a sorted set, which costs more.
async fn delayed_memory(server: &TestRedis) {
    let queue = open(server, "delayed").await;
    let before = used_memory(server).await;
    let jobs: Vec<_> = (0..JOBS / 10)
        .map(|n| Job { delivery: FIRST_DELIVERY + n, campaign: 1_000, attempt: 2 })
        .map(|job| (job, Duration::from_millis(3_600_000 + job.delivery.unsigned_abs() % 1_000_000)))
        .collect();
    queue.push_delayed(&Shard::new(2, "google"), 1, &jobs).await;
    let each = (used_memory(server).await - before) / jobs.len() as f64;
    println!("\ndelayed jobs: {each:.1} bytes a job");
}

/// Eight handles, each with a connection and waiters of its own, as eight processes have them.
async fn one_rate(server: &TestRedis) {
    const RATE: f64 = 500.0;
    const BURST: u32 = 10;
    const SECONDS: u64 = 30;
    let shard = Shard::new(2, "google");
    let queue = open(server, "rate").await;
    queue.set_limits(&shard, Limits { per_second: RATE, burst: BURST, ..Limits::UNLIMITED }).await;
    let jobs: Vec<_> = (0..20_000).map(|delivery| Job { delivery, campaign: 1, attempt: 1 }).collect();
    queue.push(&shard, 1, &jobs).await;
    let begun = Instant::now();
    let mut processes = Vec::new();
    for _ in 0..8 {
        let queue = open(server, "rate").await;
        processes.push(tokio::spawn(claim_for(queue, begun + Duration::from_secs(SECONDS))));
    }
    let mut claims: Vec<Duration> = Vec::new();
    for process in processes {
        claims.extend(process.await.expect("no panic").iter().map(|at| *at - begun));
    }
    claims.sort();
    let second = Duration::from_secs(1);
    let busiest = (0..claims.len()).map(|i| claims.partition_point(|c| *c < claims[i] + second) - i).max();
    println!(
        "\n8 processes, {RATE}/s, burst {BURST}, {SECONDS} s: {} claimed of {} allowed; busiest second {}",
        claims.len(),
        RATE * SECONDS as f64 + f64::from(BURST),
        busiest.unwrap_or(0)
    );
}

async fn claim_for(queue: Queue, end: Instant) -> Vec<Instant> {
    let mut claims = Vec::new();
    while let Some(grant) = queue.lease("bench", Lanes::ALL, 20, end.saturating_duration_since(Instant::now())).await {
        claims.extend(grant.jobs.iter().map(|_| Instant::now()));
        let settled: Vec<_> = grant.jobs.iter().map(|j| (*j, Settle::Done)).collect();
        queue.settle(&grant, &settled).await;
        queue.close(grant).await;
    }
    claims
}

async fn drain(queue: &Queue, batch: usize) -> usize {
    let claimed = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (queue, claimed) = (queue.clone(), Arc::clone(&claimed));
            tokio::spawn(async move {
                while let Some(mut grant) = queue.lease("bench", Lanes::ALL, batch, Duration::ZERO).await {
                    let jobs = std::mem::take(&mut grant.jobs);
                    claimed.fetch_add(connection(&queue, &grant, jobs, batch).await, Relaxed);
                    queue.close(grant).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("no panic");
    }
    claimed.load(Relaxed)
}

async fn connection(queue: &Queue, grant: &Grant, mut jobs: Vec<Job>, batch: usize) -> usize {
    let mut count = 0;
    for claim in 1.. {
        let settled: Vec<_> = jobs.iter().map(|j| (*j, Settle::Done)).collect();
        queue.settle(grant, &settled).await;
        count += jobs.len();
        if claim == CLAIMS_A_CONNECTION {
            break;
        }
        match queue.more(grant, batch).await {
            More::Jobs(more) => jobs = more,
            _ => break,
        }
    }
    count
}

async fn ask(server: &TestRedis, command: &[&str]) -> String {
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let mut cmd = redis::cmd(command[0]);
    command[1..].iter().for_each(|arg| {
        cmd.arg(*arg);
    });
    cmd.query_async(&mut connection).await.expect("an answer")
}

async fn used_memory(server: &TestRedis) -> f64 {
    let info = ask(server, &["INFO", "memory"]).await;
    let line = info.lines().find_map(|l| l.strip_prefix("used_memory:")).expect("in every INFO");
    line.trim().parse().expect("a number")
}

async fn flush(server: &TestRedis) {
    ask(server, &["FLUSHALL"]).await;
}
