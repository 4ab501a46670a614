//! What is wrong at the start is said at the start, with what to do about it: run by run, as an operator meets it.

use std::process::Stdio;

use tidings_store::{Store, StoreOptions};
use tidings_testing::{TestDatabase, TestPostgres, TestRedis};
use tidings_tests::binary::{SPEAKS_WITHIN, Server, command, run, terminate};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// What the version after this one might add.
const NEXT_STEP: &str = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000'); \
    ALTER TABLE campaigns ADD COLUMN invented TEXT NOT NULL DEFAULT ''; ALTER TABLE workers ADD COLUMN invented BIGINT;";
const BREAKS: &str = "INSERT INTO instance (key, value) VALUES ('schema_needs', '29990101000000') ON CONFLICT (key) DO UPDATE SET value = excluded.value;";
/// For a server that is small.
const DISK_MIB: u32 = 300;

struct Place {
    _folder: tempfile::TempDir,
    data: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { data: folder.path().to_string_lossy().into_owned(), _folder: folder }
    }

    /// A start that has to fail: what it said.
    async fn refused(&self, role: &str, environment: &[(&str, &str)]) -> String {
        let mut all = vec![("TIDINGS_DATA_DIR", self.data.as_str()), ("TIDINGS_LISTEN", "127.0.0.1:0")];
        all.extend(environment);
        let (success, text) = run(&[role], &all).await;
        assert!(!success, "{role} {environment:?} should be refused: {text}");
        text
    }
}

async fn migrated(database: &TestDatabase) {
    drop(Store::open(database.url(), StoreOptions::default()).await.expect("opens"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_let_us_in() {
    let place = Place::new();
    let server = tokio::task::block_in_place(|| TestPostgres::start(DISK_MIB));
    let address = server.address();
    let nowhere = format!("postgres://tidings@{address}/nowhere");
    let text = place.refused("serve", &[("DATABASE_URL", &nowhere)]).await;
    assert!(text.contains("cannot open the database") && text.contains("\"nowhere\" does not exist"), "{text}");
    tokio::task::block_in_place(|| server.ask_for_password("right"));
    let wrong = format!("postgres://tidings:wr0ng@{address}/postgres");
    let text = place.refused("serve", &[("DATABASE_URL", &wrong)]).await;
    assert!(text.contains("password authentication failed") && !text.contains("wr0ng"), "{text}");
    let right = format!("postgres://tidings:right@{address}/postgres");
    let server = Server::start(place.data.as_ref(), &[("DATABASE_URL", &right)]).await;
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn a_start_that_waits_for_a_silent_server_can_be_ended() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address");
    let (postgres, redis) = (format!("postgres://tidings@{address}/tidings"), format!("redis://{address}"));
    let alone = [("TIDINGS_DATA_DIR", place.data.as_str()), ("DATABASE_URL", &postgres)];
    let shared = [alone[0], alone[1], ("REDIS_URL", &redis)];
    for (role, environment) in [("serve", alone.as_slice()), ("worker", &shared)] {
        let mut start = command();
        start.arg(role).envs(environment.iter().copied()).stdout(Stdio::piped());
        let mut process = start.spawn().expect("it starts");
        let _asks = tokio::select! {
            asks = silent.accept() => asks.expect("a connection"),
            ended = process.wait() => panic!("{role} ended by itself: {ended:?}"),
        };
        terminate(&process);
        let said =
            timeout(SPEAKS_WITHIN, process.wait_with_output()).await.expect("it ends in time").expect("its output");
        let text = String::from_utf8_lossy(&said.stdout);
        assert_eq!(said.status.code(), Some(0), "{role}: {text}");
        assert!(text.contains("SIGTERM received while starting"), "{role}: {text}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database() {
    let place = Place::new();
    std::fs::write(format!("{}/tidings.sqlite3", place.data), "Dear diary, ".repeat(1_000)).expect("writes");
    let text = place.refused("serve", &[]).await;
    assert!(text.contains("cannot open the database") && text.contains("not a database"), "{text}");
}

#[tokio::test]
async fn a_schema_that_lacks_steps_is_not_changed_by_a_command() {
    let place = Place::new();
    for database in TestDatabase::each() {
        migrated(&database).await;
        database.execute("DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)");
        let text = place.refused("workers", &[("DATABASE_URL", database.url())]).await;
        assert!(text.contains("lacks 1 step") && text.contains("tidings migrate"), "{text}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_used_unless_it_took_something_away() {
    let (place, redis) = (Place::new(), TestRedis::start());
    let (database, redis_url) = (TestDatabase::postgres(), redis.url());
    migrated(&database).await;
    database.execute(NEXT_STEP);
    let servers = [("DATABASE_URL", database.url()), ("REDIS_URL", redis_url.as_str())];
    for role in ["web", "dispatcher", "worker", "intake"] {
        let process = Server::start_role(role, place.data.as_ref(), &servers).await;
        let (alive, text) = run(&["workers"], &servers).await;
        assert!(text.contains(role), "{text}");
        assert_eq!(alive, role == "worker", "{text}");
        assert_eq!(process.stop().await, Some(0));
    }
    database.execute(BREAKS);
    let text = place.refused("worker", &servers).await;
    assert!(text.contains("29990101000000") && text.contains("Start that version or a later one"), "{text}");
}

#[tokio::test]
async fn two_on_one_file_and_two_kinds_on_one_database() {
    let (one, other) = (Place::new(), Place::new());
    let file = format!("{}/tidings.sqlite3", one.data);
    let server = Server::start(one.data.as_ref(), &[]).await;
    let text = other.refused("serve", &[("DATABASE_URL", &file)]).await;
    assert!(text.contains("another Tidings process is running") && text.contains("DATABASE_URL"), "{text}");
    assert_eq!(server.stop().await, Some(0));

    let (database, redis) = (TestDatabase::postgres(), TestRedis::start());
    let (postgres, redis_url) = (("DATABASE_URL", database.url()), redis.url());
    let redis_url = ("REDIS_URL", redis_url.as_str());
    let server = Server::start(one.data.as_ref(), &[postgres]).await;
    let text = other.refused("worker", &[postgres, redis_url]).await;
    assert!(text.contains("without Redis is running") && text.contains("REDIS_URL"), "{text}");
    assert_eq!(server.stop().await, Some(0));
    let worker = Server::start_role("worker", one.data.as_ref(), &[postgres, redis_url]).await;
    let text = other.refused("serve", &[postgres]).await;
    assert!(text.contains("another Tidings process is running") && text.contains("REDIS_URL"), "{text}");
    assert_eq!(worker.stop().await, Some(0));
}

#[tokio::test]
async fn a_redis_that_is_not_ours() {
    let (place, database) = (Place::new(), TestDatabase::postgres());
    let postgres = ("DATABASE_URL", database.url());
    let locked = TestRedis::start_with(&["--requirepass", "secret"]);
    let url = format!("redis://:wr0ng@127.0.0.1:{}", locked.port());
    let text = place.refused("worker", &[postgres, ("REDIS_URL", &url)]).await;
    assert!(text.contains("refuses the password") && text.contains("REDIS_URL") && !text.contains("wr0ng"), "{text}");
    let text = place.refused("worker", &[postgres, ("REDIS_URL", "localhost")]).await;
    assert!(text.contains("redis://user:password@host:6379/0"), "{text}");

    let shared = TestRedis::start();
    let said = std::process::Command::new("redis-cli")
        .args(["-p", &shared.port().to_string(), "SET", "tidings:theirs", "1"])
        .output();
    assert!(said.expect("redis-cli runs").stdout.starts_with(b"OK"));
    let url = shared.url();
    let shared_url = ("REDIS_URL", url.as_str());
    let text = place.refused("worker", &[postgres, shared_url]).await;
    assert!(text.contains("tidings:theirs") && text.contains("TIDINGS_REDIS_PREFIX"), "{text}");
    let own = [postgres, shared_url, ("TIDINGS_REDIS_PREFIX", "ours")];
    let worker = Server::start_role("worker", place.data.as_ref(), &own).await;
    assert_eq!(worker.stop().await, Some(0));
}
