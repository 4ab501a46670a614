use std::cell::Cell;
use std::time::Duration;

use tidings_queue::{
    Grant, Job, Lanes, Limits, More, Queue, QueueOptions, RedisClock, RedisOptions, Settle, Shard, ShardStatus,
};
use tidings_testing::TestRedis;
use tokio::time::Instant;

/// Where properties are played: makes queues, and moves the clock that they live by.
pub trait Stage {
    /// How much of a property's size this engine plays through: each call to a server is a journey.
    const SIZE_PART: i64;

    /// A new one, empty.
    async fn queue(&self, options: QueueOptions) -> Queue;

    /// Until everybody who was called has come as far as it can.
    async fn settle_down(&self, queue: &Queue);

    async fn advance(&self, by: Duration) {
        tokio::time::advance(by).await;
    }

    /// A queue whose shards know no limits.
    async fn unlimited(&self) -> Queue {
        self.queue(QueueOptions { default_limits: Limits::UNLIMITED, ..QueueOptions::default() }).await
    }
}

const ROUNDS_TO_SETTLE: usize = 20;

pub struct Embedded;

impl Stage for Embedded {
    const SIZE_PART: i64 = 1;

    async fn queue(&self, options: QueueOptions) -> Queue {
        Queue::embedded(options)
    }

    async fn settle_down(&self, _: &Queue) {
        for _ in 0..ROUNDS_TO_SETTLE {
            tokio::task::yield_now().await;
        }
    }
}

/// A server of its own, or a cluster, and a new prefix for each queue.
pub struct Redis {
    servers: Vec<TestRedis>,
    queues: Cell<usize>,
    clock: RedisClock,
}

impl Redis {
    pub fn on_a_paused_clock() -> Self {
        Self { servers: vec![TestRedis::start()], queues: Cell::new(0), clock: RedisClock::Tokio(Instant::now()) }
    }

    /// Three nodes. Each queue lies on one of them, chosen by its prefix, because properties of order are those of one
    /// partition; what several partitions promise is in `tests/redis/cluster.rs`.
    pub fn on_a_cluster() -> Self {
        Self { servers: TestRedis::cluster().into(), queues: Cell::new(0), clock: RedisClock::Tokio(Instant::now()) }
    }

    pub fn on_threads() -> Self {
        Self { clock: RedisClock::Server, ..Self::on_a_paused_clock() }
    }
}

impl Stage for Redis {
    const SIZE_PART: i64 = 50;

    async fn queue(&self, options: QueueOptions) -> Queue {
        self.queues.set(self.queues.get() + 1);
        let prefix = format!("q-{}", self.queues.get());
        let url = self.servers[self.queues.get() % self.servers.len()].url();
        let options =
            RedisOptions { queue: options, prefix, clock: self.clock, partitions: Some(1), ..RedisOptions::new(url) };
        Queue::redis(options).await.expect("a queue")
    }

    /// The server answers one after the other, so who has its answer knows that those before it were answered.
    async fn settle_down(&self, queue: &Queue) {
        for _ in 0..ROUNDS_TO_SETTLE {
            queue.snapshot().await;
            tokio::task::yield_now().await;
        }
    }
}

pub const NOW: Duration = Duration::ZERO;
pub const SECOND: Duration = Duration::from_secs(1);

pub fn bulk(name: &str) -> Shard {
    Shard::new(2, name)
}

pub fn transactional(name: &str) -> Shard {
    Shard::new(0, name)
}

pub fn job(campaign: i64, delivery: i64) -> Job {
    Job { delivery, campaign, attempt: 1 }
}

pub fn jobs(campaign: i64, deliveries: impl IntoIterator<Item = i64>) -> Vec<Job> {
    deliveries.into_iter().map(|d| job(campaign, d)).collect()
}

pub fn ids(jobs: &[Job]) -> Vec<i64> {
    jobs.iter().map(|j| j.delivery).collect()
}

/// Leases without waiting.
pub async fn lease(queue: &Queue, max_jobs: usize) -> Option<Grant> {
    queue.lease("worker", Lanes::ALL, max_jobs, NOW).await
}

/// Leases, and fails if there is nothing.
pub async fn granted(queue: &Queue, max_jobs: usize) -> Grant {
    lease(queue, max_jobs).await.expect("a grant")
}

pub async fn settle_all(queue: &Queue, grant: &Grant, jobs: &[Job], how: Settle) {
    let settled: Vec<_> = jobs.iter().map(|j| (*j, how)).collect();
    queue.settle(grant, &settled).await;
}

/// Takes all there is now, one grant after the other, and settles it as done.
pub async fn drain(queue: &Queue, max_jobs: usize) -> Vec<Job> {
    let mut all = Vec::new();
    while let Some(grant) = lease(queue, max_jobs).await {
        let mut batch = grant.jobs.clone();
        while !batch.is_empty() {
            settle_all(queue, &grant, &batch, Settle::Done).await;
            all.append(&mut batch);
            if let More::Jobs(more) = queue.more(&grant, max_jobs).await {
                batch = more;
            }
        }
        queue.close(grant).await;
    }
    all
}

pub async fn status(queue: &Queue, name: &str) -> ShardStatus {
    let snapshot = queue.snapshot().await;
    snapshot.shards.into_iter().find(|s| &*s.shard.name == name).expect("the shard is in the snapshot")
}
