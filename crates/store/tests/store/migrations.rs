//! Both trees of migrations go up, down and up again, and make the tables that `schema.rs` names.

use tidings_store::{Store, StoreOptions};
use tidings_testing::TestDatabase;

#[tokio::test]
async fn up_down_up_on_both_backends() {
    for database in TestDatabase::each() {
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        store.redo_migrations().await.expect("down and up again");
    }
}

/// What the version after this one might add.
const NEXT_STEP: &str = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000'); \
    CREATE TABLE later_invention (id BIGINT NOT NULL PRIMARY KEY); \
    ALTER TABLE campaigns ADD COLUMN invented TEXT NOT NULL DEFAULT ''; \
    ALTER TABLE workers ADD COLUMN invented BIGINT;";
const BREAKS: &str = "INSERT INTO instance (key, value) VALUES ('schema_needs', '29990101000000') \
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;";

#[tokio::test]
async fn a_newer_schema_that_only_added_is_used_as_it_is() {
    for database in TestDatabase::each() {
        drop(Store::open(database.url(), StoreOptions::default()).await.expect("opens"));
        database.execute(NEXT_STEP);
        for migrates in [true, false] {
            let options = StoreOptions { migrates, ..StoreOptions::default() };
            let store = Store::open(database.url(), options).await.expect("opens beside the newer version");
            assert_eq!(store.active_campaigns().await.expect("reads"), []);
        }
        assert_eq!(Store::pending_migrations(database.url()).await.expect("reads"), [""; 0]);
    }
}

#[tokio::test]
async fn a_newer_schema_that_took_something_away_is_left_alone() {
    for database in TestDatabase::each() {
        drop(Store::open(database.url(), StoreOptions::default()).await.expect("opens"));
        database.execute(NEXT_STEP);
        database.execute(BREAKS);
        let refused = Store::open(database.url(), StoreOptions::default()).await.err().expect("refused").to_string();
        assert!(refused.contains("29990101000000") && refused.contains("Start that version"), "{refused}");
        assert!(Store::pending_migrations(database.url()).await.is_err(), "and `migrate --check` says so too");
    }
}

#[tokio::test]
async fn processes_that_start_together_migrate_once() {
    let database = TestDatabase::postgres();
    let open = || Store::open(database.url(), StoreOptions::default());
    let (a, b, c) = tokio::join!(open(), open(), open());
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
}
