//! A workspace with lists and people, and short words for what the ledger's tests do with it.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use tidings_domain::{CampaignTransition, Reply, UnixMs};
use tidings_store::*;
use tidings_testing::TestDatabase;

pub const NOW: UnixMs = UnixMs(1_000_000);
pub const LATER: UnixMs = UnixMs(9_000_000);

pub struct World {
    pub store: Store,
    pub workspace: Workspace,
}

#[derive(QueryableByName, Debug, Clone, PartialEq, Eq)]
pub struct RowState {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = SmallInt)]
    pub state: i16,
    #[diesel(sql_type = SmallInt)]
    pub attempt: i16,
    #[diesel(sql_type = Nullable<Text>)]
    pub reason: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub subscriber_id: Option<i64>,
}

#[derive(QueryableByName)]
struct One {
    #[diesel(sql_type = Nullable<Text>)]
    v: Option<String>,
}

/// Runs the test on both backends.
pub async fn each<F: AsyncFn(World)>(test: F) {
    for database in TestDatabase::each() {
        test(World::new(&database).await).await;
    }
}

impl World {
    pub async fn new(database: &TestDatabase) -> Self {
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        let workspace = store.workspace(WorkspaceId(1));
        let world = Self { store, workspace };
        world.sql("INSERT INTO workspaces (id, name, created_at_ms) VALUES (1, 'Acme', 0), (2, 'Other', 0)").await;
        world
    }

    pub async fn sql(&self, statements: &str) {
        let statements = statements.to_owned();
        self.store.write(move |conn| Ok(conn.batch_execute(&statements)?)).await.expect("good SQL");
    }

    /// The first column of the first row, as text; the query names it `v`.
    pub async fn value(&self, query: &str) -> Option<String> {
        let query = query.to_owned();
        let rows: Vec<One> =
            self.store.read(move |conn| Ok(diesel::sql_query(query).load(conn)?)).await.expect("reads");
        rows.into_iter().next().and_then(|row| row.v)
    }

    pub async fn number(&self, expression: &str) -> i64 {
        let text = self.value(&format!("SELECT CAST(({expression}) AS TEXT) AS v")).await;
        text.expect("a number").parse().expect("a number")
    }

    /// A list and the people on it: `p{n}@d{n % 4}.example`, made when they are new.
    pub async fn list(&self, id: i64, people: impl IntoIterator<Item = i64>) {
        let mut text =
            format!("INSERT INTO lists (id, workspace_id, name, created_at_ms) VALUES ({id}, 1, 'L{id}', 0);");
        for n in people {
            let d = n % 4;
            text += &format!(
                "INSERT INTO subscribers (id, workspace_id, email, domain, created_at_ms, updated_at_ms) \
                 VALUES ({n}, 1, 'p{n}@d{d}.example', 'd{d}.example', 0, 0) ON CONFLICT DO NOTHING; \
                 INSERT INTO subscriptions (list_id, subscriber_id, workspace_id, status, created_at_ms, updated_at_ms) \
                 VALUES ({id}, {n}, 1, 'subscribed', 0, 0);"
            );
        }
        self.sql(&text).await;
    }

    pub async fn suppress(&self, kind: &str, value: &str, reason: &str, expires: Option<i64>) {
        let expires = expires.map_or("NULL".to_owned(), |e| e.to_string());
        self.sql(&format!(
            "INSERT INTO suppressions (workspace_id, kind, value, reason, created_at_ms, expires_at_ms) \
             VALUES (1, '{kind}', '{value}', '{reason}', 0, {expires})"
        ))
        .await;
    }

    pub async fn draft(&self, id: i64, include: &[i64], exclude: &[i64]) -> CampaignId {
        let mut text = format!(
            "INSERT INTO campaigns (id, workspace_id, name, created_at_ms, updated_at_ms) VALUES ({id}, 1, 'C{id}', 0, 0);"
        );
        for (role, lists) in [("include", include), ("exclude", exclude)] {
            for list in lists {
                text += &format!(
                    "INSERT INTO campaign_lists (campaign_id, list_id, workspace_id, role, list_name) \
                     VALUES ({id}, {list}, 1, '{role}', 'L{list}');"
                );
            }
        }
        self.sql(&text).await;
        CampaignId(id)
    }

    pub async fn launch(&self, campaign: CampaignId) -> Launched {
        let launch = Launch { content: content(), route: None, expected_version: 1, by: "ana".into() };
        self.workspace.launch(campaign, launch, NOW).await.expect("launches")
    }

    /// Draft to Queued, every row queued, with the jobs.
    pub async fn launched(&self, id: i64, include: &[i64], exclude: &[i64]) -> (CampaignId, Vec<QueuedJob>) {
        let campaign = self.draft(id, include, exclude).await;
        assert!(matches!(self.launch(campaign).await, Launched::Yes { .. }));
        let mut jobs = Vec::new();
        loop {
            let (done, queued) = self.store.fan_out(campaign, 1000, NOW).await.expect("fans out");
            jobs.extend(queued);
            if !matches!(done, FanOut::Chunk { .. }) {
                break;
            }
        }
        self.resolve(campaign).await;
        jobs.extend(self.store.queue_pending(campaign, 10_000, NOW).await.expect("queues"));
        jobs.sort_by_key(|job| job.delivery);
        let applied = self.store.apply(campaign, CampaignTransition::FinishQueuing, NOW).await.expect("applies");
        assert_eq!(applied, Applied::Yes);
        (campaign, jobs)
    }

    /// An answer of DNS for every domain that the campaign waits for.
    pub async fn resolve(&self, campaign: CampaignId) {
        let domains = self.store.domains_to_resolve(campaign, 10_000, NOW).await.expect("reads");
        let found = domains.into_iter().map(|d| (d.clone(), provider_of(&d))).collect();
        self.store.save_domain_providers(found, LATER).await.expect("saves");
    }

    pub async fn intend(&self, jobs: &[&QueuedJob]) -> Vec<IntentAnswer> {
        let intents = jobs.iter().map(|job| intent(job)).collect();
        let batch = LedgerBatch { intents, outcomes: Vec::new() };
        self.store.commit(batch, NOW).await.expect("commits").intents
    }

    pub async fn settle(&self, outcomes: Vec<OutcomeRecord>) -> Vec<OutcomeAnswer> {
        let batch = LedgerBatch { intents: Vec::new(), outcomes };
        self.store.commit(batch, NOW).await.expect("commits").outcomes
    }

    pub async fn row(&self, id: DeliveryId) -> RowState {
        self.rows(&format!("id = {id}")).await.remove(0)
    }

    pub async fn rows(&self, condition: &str) -> Vec<RowState> {
        let query =
            format!("SELECT id, state, attempt, reason, subscriber_id FROM deliveries WHERE {condition} ORDER BY id");
        self.store.read(move |conn| Ok(diesel::sql_query(query).load(conn)?)).await.expect("reads")
    }

    /// The counters, summed over providers, as `state:detail=n` in order.
    pub async fn counters(&self, campaign: CampaignId) -> String {
        let text = self
            .value(&format!(
                "SELECT {} AS v FROM (SELECT state, detail, SUM(n) AS n FROM delivery_counts \
                 WHERE campaign_id = {campaign} GROUP BY state, detail HAVING SUM(n) <> 0 ORDER BY state, detail) t",
                if self.store.is_embedded() {
                    "group_concat(state || ':' || detail || '=' || n, ' ')"
                } else {
                    "string_agg(state || ':' || detail || '=' || n, ' ')"
                }
            ))
            .await;
        text.unwrap_or_default()
    }

    /// The invariant of every test: counters are the sums of the rows.
    pub async fn check_books(&self, campaign: CampaignId) {
        assert_eq!(self.store.miscounts(campaign).await.expect("counts"), vec![]);
        assert_eq!(self.store.group_miscounts(campaign).await.expect("counts"), vec![]);
    }
}

pub fn provider_of(domain: &str) -> String {
    if domain.starts_with("d0") { "google".into() } else { "mx:other.example".into() }
}

pub fn content() -> FrozenContent {
    FrozenContent { subject: "Hello".into(), html: "<p>Hello</p>".into(), links: "[]".into(), ..Default::default() }
}

pub fn intent(job: &QueuedJob) -> Intent {
    Intent { delivery: job.delivery, campaign: job.campaign, attempt: job.attempt }
}

pub fn outcome(job: &QueuedJob, settled: Settled, reply: &str) -> OutcomeRecord {
    let reply = Reply::from_text(reply, 0);
    let reason = (settled != Settled::Accepted).then(|| "bad_address".to_owned());
    let facts = AttemptFacts {
        at: NOW,
        duration: std::time::Duration::from_millis(12),
        host: "mx1.example".into(),
        ip: "192.0.2.1".into(),
        tls: "none".into(),
        phase: "rcpt".into(),
    };
    OutcomeRecord {
        delivery: job.delivery,
        campaign: job.campaign,
        attempt: job.attempt,
        settled,
        reason,
        meaning: None,
        reply: Some(ReplyRecord::of(&reply, "normalised".into())),
        route: None,
        protection: None,
        facts: Some(facts),
    }
}
