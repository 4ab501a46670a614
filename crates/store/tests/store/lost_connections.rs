//! PostgreSQL behind a proxy that loses connections at the worst moment: whatever is written is written once.

use std::time::Duration;

use crate::ledger_world::*;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tidings_domain::CampaignTransition;
use tidings_store::*;
use tidings_testing::{COMMIT, FaultProxy, TestDatabase, TestPostgres, Then};

/// Two ways to one database: the store goes through the proxy, the test looks past it.
struct Cut {
    _database: TestDatabase,
    proxy: FaultProxy,
    through: World,
    past: World,
}

impl Cut {
    async fn new() -> Self {
        let database = TestDatabase::postgres();
        let past = World::new(&database).await;
        let proxy = FaultProxy::before(database.address()).await.expect("a free port");
        let options = StoreOptions { connect_timeout: Duration::from_secs(20), ..StoreOptions::default() };
        let store = Store::open(&database.url_through(proxy.address()), options).await.expect("opens");
        let workspace = store.workspace(WorkspaceId(1));
        Self { _database: database, proxy, through: World { store, workspace }, past }
    }

    /// The next COMMIT holds, and its answer is lost.
    async fn lose<T>(&self, work: impl Future<Output = T>) -> T {
        let before = self.proxy.sprung();
        self.proxy.trap(COMMIT, Then::CutBeforeReply);
        let done = work.await;
        assert_eq!(self.proxy.sprung(), before + 1, "the answer to COMMIT was lost");
        done
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_lives_through_the_loss_of_every_answer() {
    let cut = Cut::new().await;
    let (w, store) = (&cut.through, &cut.through.store);
    cut.past.list(1, 1..=6).await;
    let c = cut.past.draft(1, &[1], &[]).await;

    let launched = cut.lose(w.launch(c)).await;
    assert!(matches!(launched, Launched::Yes { .. }), "the launch is known to have been ours: {launched:?}");
    assert_eq!(cut.past.number("SELECT COUNT(*) FROM revisions").await, 1);

    let (done, _) = cut.lose(store.fan_out(c, 100, NOW)).await.expect("fans out");
    assert!(matches!(done, FanOut::Finished { audience_total: 6, .. }), "{done:?}");
    w.resolve(c).await;
    let jobs = cut.lose(store.queue_pending(c, 100, NOW)).await.expect("queues");
    assert_eq!(jobs.len(), 6, "no row became queued without its job");
    let applied = cut.lose(store.apply(c, CampaignTransition::FinishQueuing, NOW)).await.expect("applies");
    assert_eq!(applied, Applied::Yes);

    let asked: Vec<&QueuedJob> = jobs.iter().collect();
    let answers = cut.lose(w.intend(&asked)).await;
    assert_eq!(answers, vec![IntentAnswer::Go; 6], "who was granted the dot learns of it");
    let said = jobs.iter().map(|job| outcome(job, Settled::Accepted, "250 2.0.0 ok")).collect();
    assert_eq!(cut.lose(w.settle(said)).await, vec![OutcomeAnswer::Recorded; 6]);
    assert_eq!(cut.past.counters(c).await, "10:=6");
    cut.past.check_books(c).await;
    assert!(store.finish_if_drained(c, NOW).await.expect("finishes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_before_its_commit_is_done_again() {
    let cut = Cut::new().await;
    cut.past.list(1, 1..=6).await;
    let (c, jobs) = cut.past.launched(1, &[1], &[]).await;
    // In the middle of the transaction: nothing of it may hold, and then all of it.
    cut.proxy.trap("FOR UPDATE OF d", Then::CutBeforeReply);
    let asked: Vec<&QueuedJob> = jobs.iter().collect();
    assert_eq!(cut.through.intend(&asked).await, vec![IntentAnswer::Go; 6]);
    assert_eq!(cut.proxy.sprung(), 1);
    assert_eq!(cut.past.counters(c).await, "2:=6");
    cut.past.check_books(c).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_is_found_again() {
    let cut = Cut::new().await;
    let store = &cut.through.store;
    cut.past.list(1, 1..=2).await;
    let c = cut.past.draft(1, &[1], &[]).await;
    // Every connection of both pools is open and idle.
    let all: Vec<_> = (0..DEFAULT_CONNECTIONS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.ping().await })
        })
        .collect();
    for one in all {
        one.await.expect("runs").expect("answers");
    }
    cut.proxy.cut();
    assert_eq!(store.active_campaigns().await.expect("reads on another connection"), vec![]);
    cut.proxy.cut();
    assert!(matches!(cut.through.launch(c).await, Launched::Yes { .. }));

    // Away for a while: who asks meanwhile waits for it.
    cut.proxy.refuse(true);
    cut.proxy.cut();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.active_campaigns().await }
    });
    cut.past.sql("SELECT 1").await;
    cut.proxy.refuse(false);
    assert_eq!(waiting.await.expect("runs").expect("reads").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_gives_way_is_done_again() {
    let cut = Cut::new().await;
    let store = &cut.through.store;
    cut.past.sql("INSERT INTO instance (key, value) VALUES ('a', '0'), ('b', '0')").await;
    // Two that take the same two rows in opposite orders: PostgreSQL ends one of them, and both happen.
    let take = |first: &'static str, second: &'static str| {
        store.write(move |conn| {
            for key in [first, second] {
                conn.batch_execute(&format!(
                    "UPDATE instance SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = '{key}'; SELECT pg_sleep(0.2)"
                ))?;
            }
            Ok(())
        })
    };
    let (one, other) = tokio::join!(take("a", "b"), take("b", "a"));
    one.expect("is done");
    other.expect("is done");
    assert_eq!(cut.past.number("SELECT SUM(CAST(value AS BIGINT)) FROM instance WHERE key IN ('a', 'b')").await, 4);
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// A server that crashes forgets which numbers it gave to transactions that had not reached its disk, and gives them out again. How the
/// other transaction ended says nothing of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_a_crashed_server_gives_out_again_proves_nothing() {
    const DISK_MIB: u32 = 200;
    let server = tokio::task::block_in_place(|| TestPostgres::start(DISK_MIB));
    let proxy = FaultProxy::before(server.address()).await.expect("a free port");
    // One connection writes, so that nobody can ask before the server has crashed.
    let options =
        StoreOptions { connect_timeout: Duration::from_secs(20), max_connections: 2, ..StoreOptions::default() };
    let store = Store::open(&server.url_by(proxy.address()), options).await.expect("opens");
    // Nothing reaches the disk before its commit.
    server.ask("ALTER SYSTEM SET wal_writer_delay = '10s'").expect("sets");
    server.ask("SELECT pg_reload_conf()").expect("reloads");

    let ((tell, told), (go, may_go)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let writing = tokio::spawn(async move {
        let numbered = "SELECT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) AS number";
        let work = move |conn: &mut AnyConn| {
            conn.batch_execute("INSERT INTO instance (key, value) VALUES ('ours', 'here')")?;
            let Number { number } = diesel::sql_query(numbered).get_result(conn)?;
            // The second time nobody listens, and nobody holds it back.
            let _ = (tell.send(number), may_go.recv());
            Ok(())
        };
        store.write_again(work).await
    });
    let number: i64 = tokio::task::block_in_place(|| told.recv().expect("it has a number"));
    proxy.refuse(true);
    proxy.trap(COMMIT, Then::CutBeforeRequest);
    go.send(()).expect("it waits");
    drop(go);
    proxy.until_sprung(1).await;
    tokio::task::block_in_place(|| {
        server.crash();
        server.start_again();
        let status = format!("SELECT pg_xact_status('{number}'::xid8)");
        // Others write until one of them has had that number.
        while server.ask("SELECT pg_current_xact_id()").expect("writes")[0].parse::<i64>().expect("a number") < number {
        }
        assert_eq!(server.ask(&status).expect("answers"), ["committed"], "the server speaks of another transaction");
        assert!(server.ask("SELECT 1 FROM instance WHERE key = 'ours'").expect("reads").is_empty(), "ours is lost");
    });
    proxy.refuse(false);
    writing.await.expect("runs").expect("it is done again");
    assert_eq!(server.ask("SELECT value FROM instance WHERE key = 'ours'").expect("reads"), ["here"]);
}
