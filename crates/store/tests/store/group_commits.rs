//! Who waits for whom on PostgreSQL: the workers of one campaign for nobody, a pause for them, and later ones for the pause.

use std::time::Duration;

use crate::ledger_world::*;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tidings_domain::UnixMs;
use tidings_store::*;
use tidings_testing::TestDatabase;
use tokio::task::JoinHandle;

/// Far longer than any of them takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session that keeps one row of the ledger to itself, and another that looks on: within a transaction the server shows who is there as
/// it was at the first look.
struct Holder {
    conn: PgConnection,
    eyes: PgConnection,
    pid: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

impl Holder {
    fn of(database: &TestDatabase, job: &QueuedJob) -> Self {
        let connect = || PgConnection::establish(database.url()).expect("connects");
        let (mut conn, eyes) = (connect(), connect());
        let lock = format!("BEGIN; SELECT id FROM deliveries WHERE id = {} FOR UPDATE", job.delivery);
        conn.batch_execute(&lock).expect("locks");
        let pid = diesel::sql_query("SELECT pg_backend_pid()::BIGINT AS n")
            .get_result::<Count>(&mut conn)
            .expect("a session")
            .n;
        Self { conn, eyes, pid }
    }

    /// Until so many sessions wait for it, or for those that do.
    async fn until_waited_for(&mut self, by: i64) {
        let text = format!(
            "WITH RECURSIVE waiting (pid) AS (SELECT {} UNION SELECT a.pid FROM pg_stat_activity a \
             JOIN waiting w ON w.pid = ANY(pg_blocking_pids(a.pid))) SELECT COUNT(*) - 1 AS n FROM waiting",
            self.pid
        );
        let looking = async {
            while diesel::sql_query(&text).get_result::<Count>(&mut self.eyes).expect("looks").n < by {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.expect("they wait");
    }

    fn let_go(mut self) {
        self.conn.batch_execute("ROLLBACK").expect("unlocks");
    }
}

fn intends(w: &World, job: &QueuedJob) -> JoinHandle<Vec<IntentAnswer>> {
    let (store, batch) = (w.store.clone(), LedgerBatch { intents: vec![intent(job)], outcomes: Vec::new() });
    tokio::spawn(async move { store.commit(batch, NOW).await.expect("commits").intents })
}

#[tokio::test]
async fn workers_commit_side_by_side_and_a_pause_stands_between_them() {
    let database = TestDatabase::postgres();
    let w = World::new(&database).await;
    w.list(1, 1..=5).await;
    let (campaign, jobs) = w.launched(1, &[1], &[]).await;
    assert_eq!(w.intend(&[&jobs[0]]).await, [IntentAnswer::Go], "the first attempt has begun");

    let mut holder = Holder::of(&database, &jobs[1]);
    let before = intends(&w, &jobs[1]);
    holder.until_waited_for(1).await;
    assert_eq!(w.intend(&[&jobs[2]]).await, [IntentAnswer::Go], "it does not wait for the one that was before it");
    let accepted = outcome(&jobs[2], Settled::Accepted, "250 ok");
    assert_eq!(w.settle(vec![accepted]).await, [OutcomeAnswer::Recorded]);

    let workspace = w.workspace.clone();
    let pause = tokio::spawn(async move { workspace.pause(campaign, "Ana", "", UnixMs(NOW.0 + 1)).await });
    holder.until_waited_for(2).await;
    let after = intends(&w, &jobs[3]);
    holder.until_waited_for(3).await;
    holder.let_go();

    assert_eq!(before.await.expect("runs"), [IntentAnswer::Go]);
    assert_eq!(pause.await.expect("runs").expect("pauses"), Applied::Yes);
    assert_eq!(after.await.expect("runs"), [IntentAnswer::Paused], "the pause had its turn first");
    w.check_books(campaign).await;
}

#[tokio::test]
async fn commits_with_refusals_follow_each_other() {
    let database = TestDatabase::postgres();
    let w = World::new(&database).await;
    w.list(1, 1..=40).await;
    let (campaign, jobs) = w.launched(1, &[1], &[]).await;
    w.intend(&jobs.iter().collect::<Vec<_>>()).await;
    let texts = ["550 5.1.1 no such user", "451 4.2.2 mailbox full", "250 ok", "421 4.7.0 later"];
    let outcomes = |part: &[QueuedJob], turn: usize| -> Vec<OutcomeRecord> {
        let settled = |text: &str| match text.as_bytes()[0] {
            b'2' => Settled::Accepted,
            b'4' => Settled::Deferred { until: LATER, costs_attempt: true },
            _ => Settled::HardBounced,
        };
        // Each batch meets the groups of replies in an order of its own.
        let text = |at: usize| texts[(at + turn) % texts.len()];
        part.iter().enumerate().map(|(at, job)| outcome(job, settled(text(at)), text(at))).collect()
    };
    let commits: Vec<_> = jobs
        .chunks(5)
        .enumerate()
        .map(|(turn, part)| {
            let (store, batch) = (w.store.clone(), LedgerBatch { intents: Vec::new(), outcomes: outcomes(part, turn) });
            tokio::spawn(async move { store.commit(batch, NOW).await.expect("commits").outcomes })
        })
        .collect();
    for commit in commits {
        assert!(commit.await.expect("runs").iter().all(|answer| *answer == OutcomeAnswer::Recorded));
    }
    w.check_books(campaign).await;
}
