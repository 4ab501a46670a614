//! What only the engine in Redis has to bear: a server that is away, empty, full, a replica; replies that are lost;
//! several processes; a cluster. What every engine promises is in `tests/conformance`.

mod cluster;
mod lost_replies;
mod outages;
mod processes;
mod refusals;

use std::time::Duration;

use tidings_queue::{Job, Lanes, Limits, More, Queue, QueueOptions, RedisOptions, Settle, Shard};
use tidings_testing::TestRedis;

/// Far longer than anything here takes.
const TOO_LONG: Duration = Duration::from_secs(60);

fn options(url: impl Into<String>) -> RedisOptions {
    let queue = QueueOptions { default_limits: Limits::UNLIMITED, ..QueueOptions::default() };
    RedisOptions { queue, ..RedisOptions::new(url) }
}

async fn open(server: &TestRedis) -> Queue {
    Queue::redis(options(server.url())).await.expect("a queue")
}

fn bulk(name: &str) -> Shard {
    Shard::new(2, name)
}

fn jobs(campaign: i64, deliveries: impl IntoIterator<Item = i64>) -> Vec<Job> {
    deliveries.into_iter().map(|delivery| Job { delivery, campaign, attempt: 1 }).collect()
}

fn ids(jobs: &[Job]) -> Vec<i64> {
    jobs.iter().map(|j| j.delivery).collect()
}

/// All that is there now, settled as done.
async fn drain(queue: &Queue) -> Vec<i64> {
    let mut all = Vec::new();
    while let Some(grant) = queue.lease("worker", Lanes::ALL, 20, Duration::ZERO).await {
        let mut batch = grant.jobs.clone();
        while !batch.is_empty() {
            all.extend(ids(&batch));
            let settled: Vec<_> = batch.drain(..).map(|j| (j, Settle::Done)).collect();
            queue.settle(&grant, &settled).await;
            if let More::Jobs(more) = queue.more(&grant, 20).await {
                batch = more;
            }
        }
        queue.close(grant).await;
    }
    all
}

/// Any command, past the queue.
async fn ask(server: &TestRedis, command: &str) -> redis::Value {
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let mut words = command.split(' ');
    let mut cmd = redis::cmd(words.next().expect("a word"));
    words.for_each(|word| {
        cmd.arg(word);
    });
    cmd.query_async(&mut connection).await.unwrap_or_else(|e| panic!("{command}: {e}"))
}
