//! What the living hold when all is done: it has to be what they held before.

use std::time::{Duration, Instant};

use anyhow::Context;
use tidings_queue::{Queue, RedisOptions, Snapshot};

use super::facts::Vital;
use super::fleet::Fleet;
use super::ground::{Ground, Servers};

/// Pools, resolvers and log files breathe a little.
const FILES_OF_GRACE: u64 = 24;
/// No process of the product needs so much for campaigns of this size.
const MOST_MEMORY_KIB: u64 = 600 * 1024;
/// Connections that one process may keep to PostgreSQL: its pool, and the one that opened it.
const CONNECTIONS_OF_A_PROCESS: u64 = 16;
/// … and to Redis.
const REDIS_CONNECTIONS_OF_A_PROCESS: u64 = 8;
/// Idle connections are closed and heartbeats written within this.
const REST_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Looks until everything is back where it should be, or the time is over: then what is not.
///
/// # Errors
/// A server does not answer.
pub async fn vitals(ground: &Ground, fleet: &Fleet) -> anyhow::Result<Vec<Vital>> {
    let began = Instant::now();
    let queue = match &ground.servers {
        Servers::Apart(apart) => Some(Queue::redis(RedisOptions::new(apart.redis.url())).await.context("the queue")?),
        Servers::Alone(_) => None,
    };
    loop {
        let mut all = of_processes(fleet);
        all.push(vital("rows in sending", number(ground, "SELECT count(*) FROM deliveries WHERE state = 2")?, 0));
        if let (Some(queue), Servers::Apart(apart)) = (&queue, &ground.servers) {
            let members = fleet.members().len() as u64;
            let ours = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
            let open = number(ground, ours)?;
            all.push(vital("connections to PostgreSQL", open, members * CONNECTIONS_OF_A_PROCESS));
            let idle =
                format!("{ours} AND state LIKE 'idle in transaction%' AND state_change < now() - interval '5 seconds'");
            all.push(vital("transactions left open", number(ground, &idle)?, 0));
            let open = tokio::task::block_in_place(|| apart.redis.connections())?;
            all.push(vital("connections to Redis", open, members * REDIS_CONNECTIONS_OF_A_PROCESS));
            all.extend(of_queue(queue).await);
        }
        if all.iter().all(|vital| vital.is <= vital.at_most) || began.elapsed() > REST_WITHIN {
            return Ok(all);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn of_processes(fleet: &Fleet) -> Vec<Vital> {
    let mut all = Vec::new();
    for member in fleet.members() {
        let most = fleet.files_at_rest(member.role) + FILES_OF_GRACE;
        all.push(vital(&format!("open files of a {}", member.role), member.open_files(), most));
        all.push(vital(&format!("KiB of memory of a {}", member.role), member.memory_kib(), MOST_MEMORY_KIB));
    }
    all
}

async fn of_queue(queue: &Queue) -> [Vital; 2] {
    let seen = queue.snapshot().await;
    let jobs: usize = seen.campaigns.iter().map(|c| c.ready + c.delayed + c.leased).sum();
    let slots: u64 = seen.shards.iter().map(|shard| u64::from(shard.connections.now)).sum();
    let detail = if jobs > 0 { where_they_are(&seen) } else { String::new() };
    [Vital { detail, ..vital("jobs in the queue", jobs as u64, 0) }, vital("connection slots taken", slots, 0)]
}

/// Jobs that nobody works off, by campaign and shard.
fn where_they_are(seen: &Snapshot) -> String {
    let shards = seen.shards.iter().filter(|shard| shard.ready + shard.delayed + shard.leased > 0).map(|shard| {
        let (name, standing) = (&shard.shard.name, &shard.standing);
        let (ready, delayed, leased) = (shard.ready, shard.delayed, shard.leased);
        format!("{name}: {ready} ready, {delayed} delayed, {leased} leased, {standing:?}, {:?}", shard.stopped_by)
    });
    let campaigns = seen.campaigns.iter().map(|campaign| format!("{campaign:?}"));
    shards.chain(campaigns).collect::<Vec<_>>().join("; ")
}

fn vital(what: &str, is: u64, at_most: u64) -> Vital {
    Vital { what: what.to_owned(), is, at_most, detail: String::new() }
}

fn number(ground: &Ground, sql: &str) -> anyhow::Result<u64> {
    let answer = ground.ask(sql)?;
    answer.first().context("no answer")?.parse().with_context(|| format!("{answer:?}"))
}
