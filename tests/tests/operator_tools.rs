//! The operator's commands, run as an operator would: beside a running server, and on both databases.

use std::path::Path;

use tidings_testing::TestRedis;
use tidings_tests::binary::{Server, run};

/// A whole database, because that is what pg_dump takes.
struct OwnDatabase {
    server: String,
    name: String,
    url: String,
}

impl OwnDatabase {
    fn make(name: &str) -> Self {
        let server = std::env::var("TIDINGS_TEST_POSTGRES_URL").expect("tests/run sets it");
        let name = format!("{name}_{}", std::process::id());
        let (host, _) = server.rsplit_once('/').expect("ends with a database");
        let url = format!("{host}/{name}");
        psql(&server, &format!("CREATE DATABASE {name}"));
        Self { server, name, url }
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        psql(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn psql(server: &str, sql: &str) {
    let ran = std::process::Command::new("psql").args([server, "-q", "-c", sql]).status();
    assert!(ran.expect("psql is installed with PostgreSQL").success(), "{sql}");
}

fn text_of(folder: &Path) -> String {
    folder.to_string_lossy().into_owned()
}

#[tokio::test]
async fn a_running_server_is_looked_at_from_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = text_of(folder.path());
    let here = [("TIDINGS_DATA_DIR", data.as_str()), ("TIDINGS_LISTEN", "127.0.0.1:0")];
    let (found, text) = run(&["workers"], &here).await;
    assert!(!found && text.contains("there is no database"), "{text}");
    assert!(!folder.path().join("tidings.sqlite3").exists(), "looking makes no database");

    let server = Server::start(folder.path(), &[]).await;
    let (found, text) = run(&["workers", "--json"], &here).await;
    assert!(found && text.contains("\"role\": \"serve\"") && text.contains("\"alive\": true"), "{text}");
    let (done, text) = run(&["queue", "ls"], &here).await;
    assert!(done && text.contains("nothing waits"), "{text}");
    let (done, text) = run(&["queue", "hold"], &here).await;
    assert!(!done && text.contains("say which deliveries"), "{text}");
    let (done, text) = run(&["queue", "delete", "--all", "--dry-run"], &here).await;
    assert!(done && text.contains("0 to be taken out"), "{text}");
    let (done, text) = run(&["queue", "retry", "--campaign", "7"], &here).await;
    assert!(!done && text.contains("no such campaign"), "{text}");
    let (done, text) = run(&["queue", "dead", "ls"], &here).await;
    assert!(!done && text.contains("no workspace yet"), "{text}");
    let (done, text) = run(&["queue", "why"], &here).await;
    assert!(!done && text.contains("--campaign, --provider or --id"), "{text}");
    let (done, text) = run(&["queue", "why", "--provider", "google", "--json"], &here).await;
    assert!(done && text.contains("\"queued\": 0") && text.contains("\"reasons\": []"), "{text}");
    let (done, text) = run(&["migrate", "--check"], &here).await;
    assert!(done && text.contains("at this version"), "{text}");
    let (_, text) = run(&["doctor", "--deep"], &here).await;
    assert!(text.contains("ok    workers") && text.contains("SQLite 3.") && !text.contains("FAIL"), "{text}");
    assert_eq!(server.stop().await, Some(0));
    let (_, text) = run(&["doctor"], &here).await;
    assert!(text.contains("WARN  workers") && text.contains("tidings serve"), "{text}");
}

#[tokio::test]
async fn a_backup_of_a_running_server_is_restored_with_sending_locked() {
    let (old, new, safe) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let (from, to) = (text_of(old.path()), text_of(new.path()));
    let backup = text_of(&safe.path().join("monday"));
    let server = Server::start(old.path(), &[]).await;
    let (done, text) = run(&["backup", &backup], &[("TIDINGS_DATA_DIR", from.as_str())]).await;
    assert!(done && text.contains("tidings restore"), "{text}");
    let (done, text) = run(&["backup", &backup], &[("TIDINGS_DATA_DIR", from.as_str())]).await;
    assert!(!done && text.contains("not there yet"), "{text}");
    let (done, text) = run(&["restore", &backup], &[("TIDINGS_DATA_DIR", from.as_str())]).await;
    assert!(!done && text.contains("never writes over"), "{text}");
    assert_eq!(server.stop().await, Some(0));

    let here = [("TIDINGS_DATA_DIR", to.as_str())];
    let (done, text) = run(&["restore", &backup], &here).await;
    assert!(done && text.contains("LOCKED"), "{text}");
    let key = |folder: &Path| std::fs::read(folder.join("instance.key")).expect("a key");
    assert_eq!(key(old.path()), key(new.path()), "links in mails already sent go on working");
    let server = Server::start(new.path(), &[]).await;
    let (done, text) = run(&["unlock-sending"], &here).await;
    assert!(done && text.contains("restored from a backup"), "{text}");
    let (done, text) = run(&["unlock-sending"], &here).await;
    assert!(done && text.contains("not locked"), "{text}");
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn a_damaged_backup_is_refused() {
    let (old, new, safe) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let server = Server::start(old.path(), &[]).await;
    assert_eq!(server.stop().await, Some(0));
    let folder = safe.path().join("tuesday");
    let (from, to, backup) = (text_of(old.path()), text_of(new.path()), text_of(&folder));
    let (done, text) = run(&["backup", &backup], &[("TIDINGS_DATA_DIR", from.as_str())]).await;
    assert!(done, "{text}");
    std::fs::write(folder.join("tidings.sqlite3"), "torn").expect("writes");
    let (done, text) = run(&["restore", &backup], &[("TIDINGS_DATA_DIR", to.as_str())]).await;
    assert!(!done && text.contains("not as it was saved"), "{text}");
    assert!(!new.path().join("tidings.sqlite3").exists());
}

#[tokio::test]
async fn postgres_and_redis_are_looked_at_and_backed_up() {
    let (database, other, redis) = (OwnDatabase::make("ops_a"), OwnDatabase::make("ops_b"), TestRedis::start());
    let (folder, safe) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (data, redis_url) = (text_of(folder.path()), redis.url());
    let here = [
        ("DATABASE_URL", database.url.as_str()),
        ("REDIS_URL", redis_url.as_str()),
        ("TIDINGS_DATA_DIR", data.as_str()),
    ];
    let web = Server::start_role("web", folder.path(), &here[..2]).await;
    let worker =
        Server::start_with(&["worker", "--id", "mail-1", "--concurrency", "7"], folder.path(), &here[..2]).await;
    let (twice, text) = run(&["worker", "--id", "mail-1"], &here).await;
    assert!(!twice && text.contains("the id mail-1 is alive on"), "{text}");
    let (found, text) = run(&["workers"], &here).await;
    assert!(found && text.contains("mail-1") && text.contains("0/7"), "{text}");
    let (_, text) = run(&["doctor"], &here).await;
    assert!(text.contains("PostgreSQL") && text.contains("fit for use"), "{text}");
    assert!(text.contains("FAIL  dispatcher") && text.contains("tidings dispatcher"), "{text}");

    let backup = text_of(&safe.path().join("monday"));
    let (done, text) = run(&["backup", &backup], &here).await;
    assert!(done, "{text}");
    let (done, text) = run(&["restore", &backup], &here).await;
    assert!(!done && text.contains("has tables"), "{text}");
    let there = [("DATABASE_URL", other.url.as_str()), ("TIDINGS_DATA_DIR", data.as_str())];
    let (done, text) = run(&["restore", &backup], &there).await;
    assert!(done && text.contains("LOCKED"), "{text}");
    assert_eq!((worker.stop().await, web.stop().await), (Some(0), Some(0)));
}
