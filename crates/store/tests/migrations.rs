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
