//! What the ledger costs: `cargo bench -p tidings-store`. SQLite in a temporary folder, or TIDINGS_TEST_POSTGRES_URL with
//! the argument `postgres`; a number as argument is the audience (default 200,000).
//!
//! CPU is this process's user and system time, so on PostgreSQL the server's share is not in it.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use tidings_domain::{CampaignTransition, UnixMs};
use tidings_store::*;
use tidings_testing::TestDatabase;

const NOW: UnixMs = UnixMs(1_000);
const LATER: UnixMs = UnixMs(9_000_000);
const DOMAINS: i64 = 500;
const FAN_OUT_ROWS: i64 = 20_000;
const QUEUE_ROWS: i64 = 10_000;
const GROUP: usize = 50;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let people: i64 = args.iter().find_map(|a| a.parse().ok()).unwrap_or(200_000);
    let database = if args.iter().any(|a| a == "postgres") { TestDatabase::postgres() } else { TestDatabase::sqlite() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(run(&database, people));
}

async fn run(database: &TestDatabase, people: i64) {
    let store = Store::open(database.url(), StoreOptions::default()).await.unwrap();
    let campaign = seed(&store, people).await;
    let rows = usize::try_from(people).unwrap();

    let clock = Clock::start();
    while let FanOut::Chunk { .. } = store.fan_out(campaign, FAN_OUT_ROWS, NOW).await.unwrap().0 {}
    clock.report("fan_out", rows);

    let clock = Clock::start();
    let mut jobs = Vec::new();
    while jobs.len() < rows {
        let domains = store.domains_to_resolve(campaign, QUEUE_ROWS, NOW).await.unwrap();
        let found = domains.into_iter().map(|d| (d.clone(), format!("mx:{}", d.len()))).collect();
        store.save_domain_providers(found, LATER).await.unwrap();
        jobs.extend(store.queue_pending(campaign, QUEUE_ROWS, NOW).await.unwrap());
    }
    store.apply(campaign, CampaignTransition::FinishQueuing, NOW).await.unwrap();
    clock.report("domains + queue_pending", rows);

    let clock = Clock::start();
    for group in jobs.chunks(GROUP) {
        let work = store.load_work(group.iter().map(|j| j.delivery).collect()).await.unwrap();
        assert_eq!(work.len(), group.len());
    }
    clock.report("load_work, 50 each", rows);

    let clock = Clock::start();
    let mut in_flight: &[QueuedJob] = &[];
    for group in jobs.chunks(GROUP).chain(std::iter::once(&[] as &[QueuedJob])) {
        let batch = LedgerBatch {
            intents: group.iter().map(intent).collect(),
            outcomes: in_flight.iter().map(accepted).collect(),
        };
        let report = store.commit(batch, NOW).await.unwrap();
        assert!(report.intents.iter().all(|a| *a == IntentAnswer::Go));
        in_flight = group;
    }
    clock.report("commit, 50 intents + 50 outcomes each", rows);
    assert!(store.finish_if_drained(campaign, NOW).await.unwrap());
}

fn intent(job: &QueuedJob) -> Intent {
    Intent { delivery: job.delivery, campaign: job.campaign, attempt: job.attempt }
}

fn accepted(job: &QueuedJob) -> OutcomeRecord {
    OutcomeRecord {
        delivery: job.delivery,
        campaign: job.campaign,
        attempt: job.attempt,
        settled: Settled::Accepted,
        reason: None,
        meaning: None,
        reply: Some(ReplyRecord {
            code: Some(250),
            enhanced: Some("2.0.0".into()),
            text: format!("250 2.0.0 Ok: queued as {:016X}", job.delivery.0),
            key: String::new(),
        }),
        route: Some(RouteId(1)),
        protection: None,
        facts: None,
    }
}

async fn seed(store: &Store, people: i64) -> CampaignId {
    let mut text = String::from(
        "INSERT INTO workspaces (id, name, created_at_ms) VALUES (1, 'W', 0);\
         INSERT INTO lists (id, workspace_id, name, created_at_ms) VALUES (1, 1, 'L', 0);\
         INSERT INTO campaigns (id, workspace_id, name, created_at_ms, updated_at_ms) VALUES (1, 1, 'C', 0, 0);\
         INSERT INTO campaign_lists (campaign_id, list_id, workspace_id, role, list_name) VALUES (1, 1, 1, 'include', 'L');",
    );
    text += &format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {people}) \
         INSERT INTO subscribers (id, workspace_id, email, domain, first_name, created_at_ms, updated_at_ms) \
         SELECT i, 1, 'person.' || i || '@d' || (i % {DOMAINS}) || '.example', 'd' || (i % {DOMAINS}) || '.example', 'Ana', 0, 0 FROM n;\
         INSERT INTO subscriptions (list_id, subscriber_id, workspace_id, status, created_at_ms, updated_at_ms) \
         SELECT 1, id, 1, 'subscribed', 0, 0 FROM subscribers;\
         INSERT INTO suppressions (workspace_id, kind, value, reason, created_at_ms) \
         SELECT 1, 'address', 'gone.' || id || '@d.example', 'hard_bounce', 0 FROM subscribers WHERE id % 20 = 0;"
    );
    if !store.is_embedded() {
        text += "ANALYZE;";
    }
    store.write(move |conn| Ok(conn.batch_execute(&text)?)).await.unwrap();
    let launch = Launch { content: FrozenContent::default(), route: None, expected_version: 1, by: "bench".into() };
    store.workspace(WorkspaceId(1)).launch(CampaignId(1), launch, NOW).await.unwrap();
    CampaignId(1)
}

struct Clock {
    wall: Instant,
    cpu: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu() }
    }

    fn report(self, what: &str, rows: usize) {
        let (wall, cpu) = (self.wall.elapsed(), cpu() - self.cpu);
        let each = |d: Duration| d.as_secs_f64() * 1e6 / rows as f64;
        println!(
            "{what:40} {rows:>9} rows  {:>9.0} rows/s  {:>6.2} µs wall  {:>6.2} µs CPU each",
            rows as f64 / wall.as_secs_f64(),
            each(wall),
            each(cpu)
        );
    }
}

/// User and system time of this process, in steps of the kernel's tick (10 ms).
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}
