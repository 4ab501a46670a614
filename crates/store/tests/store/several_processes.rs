//! What several processes on one database need of it: leases, and notes of jobs that a shared queue may lack.

use crate::ledger_world::*;
use tidings_domain::UnixMs;
use tidings_store::*;
use tidings_testing::TestDatabase;

#[tokio::test]
async fn one_holds_a_lease_until_it_runs_out_or_is_given_back() {
    each(async |w: World| {
        let hold =
            async |who: &str, at: i64| w.store.hold_lease("dispatcher", who, 10, UnixMs(at)).await.expect("asks");
        assert!(hold("a", 100).await);
        assert!(!hold("b", 105).await, "a holds it");
        assert!(hold("a", 109).await, "and keeps it");
        assert!(!hold("b", 119).await);
        assert!(hold("b", 120).await, "it ran out");
        assert!(!hold("a", 121).await);
        w.store.release_lease("dispatcher", "a").await.expect("not its own: nothing happens");
        assert!(!hold("a", 122).await);
        w.store.release_lease("dispatcher", "b").await.expect("gives back");
        assert!(hold("a", 123).await);
        assert!(w.store.hold_lease("other", "b", 10, UnixMs(123)).await.expect("asks"), "each name is its own");
    })
    .await;
}

#[tokio::test]
async fn a_batch_that_was_not_pushed_is_found_again() {
    for database in TestDatabase::each() {
        drop(World::new(&database).await);
        let options = StoreOptions { has_shared_queue: true, ..StoreOptions::default() };
        let store = Store::open(database.url(), options).await.expect("opens");
        let w = World { workspace: store.workspace(WorkspaceId(1)), store };
        w.list(1, 1..=8).await;
        let c = w.draft(1, &[1], &[]).await;
        w.launch(c).await;
        w.store.fan_out(c, 100, NOW).await.expect("fans out");
        w.resolve(c).await;
        let first = w.store.queue_pending(c, 3, NOW).await.expect("queues");
        let second = w.store.queue_pending(c, 100, NOW).await.expect("queues");
        assert_eq!((first.len(), second.len()), (3, 5));
        w.store.pushed(&first).await.expect("forgets");

        // Of the second batch one row moved on meanwhile: its job was pushed after all.
        w.sql(&format!("UPDATE deliveries SET state = 10 WHERE id = {}", second[1].delivery)).await;
        let (batch, jobs) = w.store.unpushed().await.expect("reads").expect("a batch");
        let expected: Vec<_> = second.iter().filter(|job| job.delivery != second[1].delivery).cloned().collect();
        assert_eq!(jobs, expected);
        w.store.forget_unpushed(batch).await.expect("forgets");
        assert_eq!(w.store.unpushed().await.expect("reads"), None);
    }
}

#[tokio::test]
async fn only_attempts_that_have_been_silent_for_long_are_in_doubt() {
    each(async |w: World| {
        w.list(1, 1..=2).await;
        let c = w.draft(1, &[1], &[]).await;
        w.launch(c).await;
        w.store.fan_out(c, 100, NOW).await.expect("fans out");
        w.resolve(c).await;
        let jobs = w.store.queue_pending(c, 100, NOW).await.expect("queues");
        assert_eq!(w.store.stranded(c, UnixMs(NOW.0 - 1), 10).await.expect("reads"), vec![], "queued only just now");
        assert_eq!(w.store.stranded(c, NOW, 10).await.expect("reads"), jobs);
        let at = |ms| format!("UPDATE deliveries SET state = 2, attempt = 1, updated_at_ms = {ms} WHERE id = ");
        w.sql(&format!("{}{}", at(NOW.0), jobs[0].delivery)).await;
        w.sql(&format!("{}{}", at(NOW.0 + 50), jobs[1].delivery)).await;
        w.sql("UPDATE delivery_counts SET state = 2 WHERE state = 1").await;
        let found = w.store.lose_sight(Some(c), UnixMs(NOW.0 + 10), UnixMs(NOW.0 + 60)).await.expect("looks");
        assert_eq!(found.in_doubt, 1);
    })
    .await;
}

#[tokio::test]
async fn an_id_is_taken_from_nobody_who_lives() {
    each(async |w: World| {
        let beat = |at: i64| Heartbeat {
            id: "worker-1".into(),
            role: "worker".into(),
            host: "h".into(),
            version: "1".into(),
            started_at_ms: at,
            heartbeat_at_ms: at,
            connections: 0,
            attempts: 0,
            max_connections: 10,
            attempts_per_minute: 0,
            lanes: String::new(),
        };
        let take = async |at, seen| w.store.take_worker_id(beat(at), seen).await.expect("asks");
        assert_eq!(take(10, None).await, TakenId::Yes);
        assert_eq!(take(20, None).await, TakenId::HeldBy(beat(10)));
        w.store.beat(beat(12)).await.expect("beats");
        assert!(matches!(take(20, Some(10)).await, TakenId::HeldBy(_)), "it spoke meanwhile");
        assert_eq!(take(20, Some(12)).await, TakenId::Yes, "it was silent");
        assert_eq!(w.store.workers().await.expect("reads"), [beat(20)]);
    })
    .await;
}
