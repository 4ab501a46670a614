//! What operators change of providers is in force on every process within seconds, and a hold delays the queue instead of each message.

use std::path::PathBuf;
use std::time::Duration;

use tidings_bounce::ProviderBook;
use tidings_delivery::{Resolver, ResolverOptions};
use tidings_domain::{PaceAct, Phase, ProviderEntry, ProviderTable, Reply, ReplyRule, Shared, UnixMs};
use tidings_queue::{Job, Knob, Lanes, Limits, Queue, QueueOptions, Scope, Settle, Shard, Signal};
use tidings_store::{PaceCommand, PaceOf, ProviderNote, Store, StoreOptions};
use tidings_testing::TestDatabase;
use tidings_worker::{BookKeeper, Dispatcher, DispatcherOptions, Looping, now};

fn note() -> ProviderNote {
    ProviderNote { by: "Ana".into(), undoes: None, now: UnixMs(1) }
}

async fn keeper(store: &Store, file: Option<PathBuf>) -> BookKeeper {
    BookKeeper::open(store.clone(), ProviderTable::builtin().unwrap(), file).await.unwrap()
}

fn rule() -> ReplyRule {
    ReplyRule {
        name: "monday".into(),
        provider: vec!["google".into()],
        text: "on monday".into(),
        class: "throttled".into(),
        is: vec!["421 come back on Monday".into()],
        is_not: vec!["421 come back".into()],
        ..ReplyRule::default()
    }
}

#[tokio::test]
async fn two_workers_send_by_a_change_without_a_restart() {
    for database in TestDatabase::each() {
        let store = Store::open(database.url(), StoreOptions::default()).await.unwrap();
        let (mut one, mut two) = (keeper(&store, None).await, keeper(&store, None).await);
        let books = [one.book(), two.book()];
        let before = books.each_ref().map(|book| book.current().table.limits("google").per_second);
        let slow = ProviderEntry { name: "google".into(), per_second: Some(0.5), ..ProviderEntry::default() };
        store.change_provider(slow, note()).await.unwrap();
        store.add_reply_rule(rule(), note()).await.unwrap();
        assert_eq!(books.each_ref().map(|book| book.current().table.limits("google").per_second), before);
        one.step().await.unwrap();
        two.step().await.unwrap();
        let reply = Reply::from_text("421 come back on Monday", 0);
        for book in books.each_ref().map(|book| book.current()) {
            assert_eq!((book.version, book.table.limits("google").per_second), (2, 0.5));
            assert_eq!(book.rules.classify(Phase::Mail, &reply, "google").rule, "monday");
        }
        store.remove_reply_rule("monday", note()).await.unwrap();
        one.step().await.unwrap();
        assert_ne!(books[0].current().rules.classify(Phase::Mail, &reply, "google").rule, "monday");
    }
}

#[tokio::test]
async fn a_broken_file_leaves_the_last_good_table_in_force() {
    let database = TestDatabase::sqlite();
    let store = Store::open(database.url(), StoreOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("providers.toml");
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    write("[[provider]]\nname = 'google'\nper_second = 3.0\n");
    let mut keeper = keeper(&store, Some(path.clone())).await;
    let book = keeper.book();
    let rate = || book.current().table.limits("google").per_second;
    assert_eq!(rate(), 3.0);
    write("[[provider]]\nname = 'google'\nper_second = 2.0\n");
    keeper.step().await.unwrap();
    assert_eq!((rate(), book.current().trouble.clone()), (2.0, None));

    write("[[provider]]\nname = 'google'\nper_second = fast\n");
    keeper.step().await.unwrap();
    let why = book.current().trouble.clone().unwrap();
    assert!(rate() == 2.0 && why.contains("line 3") && why.contains("providers.toml"), "{why}");
    write("\n\n[[provider]]\nname = 'google'\nmx = ['.Gmail.']\n");
    keeper.step().await.unwrap();
    let why = book.current().trouble.clone().unwrap();
    assert!(rate() == 2.0 && why.contains("line 3: google: \".Gmail.\""), "{why}");

    let slow = ProviderEntry { name: "yahoo".into(), per_second: Some(0.5), ..ProviderEntry::default() };
    store.change_provider(slow, note()).await.unwrap();
    keeper.step().await.unwrap();
    assert_eq!(book.current().table.limits("yahoo").per_second, 0.5, "the screen's changes go on");
    assert!(book.current().trouble.is_some() && rate() == 2.0);
    std::fs::remove_file(&path).unwrap();
    keeper.step().await.unwrap();
    assert!(book.current().trouble.clone().unwrap().contains("there is no provider file") && rate() == 2.0);
    write("");
    keeper.step().await.unwrap();
    assert_eq!((rate(), book.current().trouble.clone()), (10.0, None));
}

#[tokio::test]
async fn a_broken_file_stops_the_start() {
    let database = TestDatabase::sqlite();
    let store = Store::open(database.url(), StoreOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("providers.toml");
    std::fs::write(&path, "[[provider]]\nname = 'new'\n").unwrap();
    let refused = BookKeeper::open(store, ProviderTable::builtin().unwrap(), Some(path)).await.err().unwrap();
    assert!(refused.to_string().contains("line 1: new: no mail hosts"), "{refused}");
}

/// Messages that the queue hands out within the next `span`, each settled at once.
async fn taken(queue: &Queue, span: Duration) -> usize {
    let ends = tokio::time::Instant::now() + span;
    let mut taken = 0;
    loop {
        let left = ends.saturating_duration_since(tokio::time::Instant::now());
        if left.is_zero() {
            return taken;
        }
        let Some(grant) = queue.lease("test", Lanes::ALL, 100, left).await else { return taken };
        let done: Vec<(Job, Settle)> = grant.jobs.iter().map(|job| (*job, Settle::Done)).collect();
        taken += done.len();
        queue.settle(&grant, &done).await;
        queue.close(grant).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_delays_the_queue_and_sending_climbs_from_the_turned_rate() {
    const RATE: f64 = 10.0;
    let queue = Queue::embedded(QueueOptions::default());
    let shard = Shard::new(2, "google");
    let limits =
        Limits { per_second: RATE, burst: 10, connections: 5, messages_per_connection: 50, ..Limits::UNLIMITED };
    queue.set_limits(&shard, limits).await;
    let jobs: Vec<Job> = (1..=10_000).map(|delivery| Job { delivery, campaign: 1, attempt: 0 }).collect();
    queue.push(&shard, 1, &jobs).await;
    assert!(taken(&queue, Duration::from_secs(10)).await >= 90);

    // As the sender tells a block: held for two hours, and the rate turned.
    let hold = Duration::from_secs(2 * 3600);
    let why = "550 5.7.1 blocked".to_owned();
    queue.signal(&shard, Signal { hold: Some(hold), ..Signal::halve(Scope::Destination, Knob::Rate, why) }).await;
    // Deferred messages that become due meanwhile wait in the queue: nothing is attempted.
    let due: Vec<Job> = (20_001..=20_500).map(|delivery| Job { delivery, campaign: 2, attempt: 1 }).collect();
    queue.push(&shard, 1, &due).await;
    assert_eq!(taken(&queue, hold - Duration::from_secs(1)).await, 0);
    tokio::time::advance(Duration::from_secs(1)).await;

    let first_minute = taken(&queue, Duration::from_secs(60)).await as f64;
    // Half of the rate, and one raise above it at most.
    assert!(first_minute > 0.0 && first_minute <= RATE * 0.65 * 60.0, "{first_minute} in the first minute");
    let second_minute = taken(&queue, Duration::from_secs(60)).await as f64;
    assert!(second_minute > first_minute && second_minute < RATE * 50.0, "{second_minute} in the second");
}

#[tokio::test]
async fn an_operators_hold_and_lift_reach_the_queue_and_are_on_record() {
    for database in TestDatabase::each() {
        let store = Store::open(database.url(), StoreOptions::default()).await.unwrap();
        let queue = Queue::embedded(QueueOptions::default());
        let book = Shared::new(ProviderBook::builtin());
        let nameservers = vec!["127.0.0.1:1".parse().unwrap()];
        let options = ResolverOptions { nameservers, ..ResolverOptions::default() };
        let resolver = Resolver::new(options, std::sync::Arc::clone(book.current().base())).unwrap();
        let mut dispatcher =
            Dispatcher::new(store.clone(), queue.clone(), resolver, book.clone(), DispatcherOptions::default());
        let shard = Shard::new(2, "google@3");
        let held = async || queue.snapshot().await.shards.iter().find(|s| s.shard.name == shard.name)?.hold.clone();
        queue.signal(&shard, Signal::halve(Scope::Destination, Knob::Rate, "421")).await;
        let of = || PaceOf { provider: "google".into(), route: None, stream: String::new() };
        let until = PaceCommand::HoldUntil(now().plus(Duration::from_secs(3600)));
        store.order_pace(of(), until, "Ana", "they asked", now()).await.unwrap();
        dispatcher.step().await.unwrap();
        let hold = held().await.expect("is held");
        assert!(
            hold.why.contains("Held by Ana: they asked") && hold.remaining > Duration::from_secs(3_500),
            "{hold:?}"
        );
        dispatcher.step().await.unwrap();
        let acts = store.pace_events(Some("google"), 10).await.unwrap();
        assert_eq!(
            acts.iter().map(|event| (event.act, event.by.as_str())).collect::<Vec<_>>(),
            [(PaceAct::Hold, "Ana")]
        );

        store.order_pace(of(), PaceCommand::Lift, "Ben", "", now()).await.unwrap();
        dispatcher.step().await.unwrap();
        assert!(held().await.is_none(), "on every route");
        assert!(queue.snapshot().await.shards.iter().all(|s| s.reduced.is_empty()), "knobs are back");
        let last = &store.pace_events(Some("google"), 10).await.unwrap()[0];
        assert!(last.by == "Ben" || last.act == PaceAct::Up, "{last:?}");
    }
}
