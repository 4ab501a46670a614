//! Both trees of migrations go up, down and up again, and make the tables that `schema.rs` names.

use diesel::connection::SimpleConnection;
use tidings_store::{Store, StoreOptions};
use tidings_testing::TestDatabase;

#[tokio::test]
async fn up_down_up_on_both_backends() {
    for database in TestDatabase::each() {
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        store.redo_migrations().await.expect("down and up again");
    }
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    for database in TestDatabase::each() {
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')";
        store.write(move |conn| Ok(conn.batch_execute(newer)?)).await.expect("the next version came by");
        let refused = Store::open(database.url(), StoreOptions::default()).await.err().expect("refused").to_string();
        assert!(refused.contains("29990101000000") && refused.contains("newer"), "{refused}");
    }
}

#[tokio::test]
async fn processes_that_start_together_migrate_once() {
    let database = TestDatabase::postgres();
    let open = || Store::open(database.url(), StoreOptions::default());
    let (a, b, c) = tokio::join!(open(), open(), open());
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
}
