//! Rows for the tests of the read models, written as they would stand after the ledger's work.

use diesel::connection::SimpleConnection;
use tidings_store::{CampaignId, Store, StoreOptions, Workspace, WorkspaceId};
use tidings_testing::TestDatabase;

pub async fn open(database: &TestDatabase) -> (Store, Workspace) {
    let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
    sql(&store, "INSERT INTO workspaces (id, name, created_at_ms) VALUES (1, 'Acme', 0), (2, 'Other', 0)").await;
    let workspace = store.workspace(WorkspaceId(1));
    (store, workspace)
}

pub async fn sql(store: &Store, statements: &str) {
    let statements = statements.to_owned();
    store.write(move |conn| Ok(conn.batch_execute(&statements)?)).await.expect("the seed is good SQL");
}

/// Lists 1 to `sizes.len()` of workspace 1, with their counters; subscriber ids count from 1 and overlap from the start.
pub async fn lists(store: &Store, sizes: &[i64]) {
    let people = sizes.iter().max().copied().unwrap_or(0);
    for id in 1..=people {
        sql(
            store,
            &format!(
                "INSERT INTO subscribers (id, workspace_id, email, domain, created_at_ms, updated_at_ms) \
                 VALUES ({id}, 1, 'p{id}@d{}.example', 'd{}.example', 0, 0)",
                id % 2,
                id % 2
            ),
        )
        .await;
    }
    for (i, size) in sizes.iter().enumerate() {
        let list = i + 1;
        sql(
            store,
            &format!("INSERT INTO lists (id, workspace_id, name, created_at_ms) VALUES ({list}, 1, 'List {list}', 0)"),
        )
        .await;
        sql(
            store,
            &format!(
                "INSERT INTO list_counts (list_id, status, workspace_id, n) VALUES ({list}, 'subscribed', 1, {size})"
            ),
        )
        .await;
        for person in 1..=*size {
            sql(
                store,
                &format!(
                    "INSERT INTO subscriptions (list_id, subscriber_id, workspace_id, status, created_at_ms, updated_at_ms) \
                     VALUES ({list}, {person}, 1, 'subscribed', 0, 0)"
                ),
            )
            .await;
        }
    }
}

/// One ledger row of subscriber `id` with its counter.
pub async fn delivery(store: &Store, campaign: CampaignId, id: i64, provider: i64, state: i16, detail: &str) {
    let next = if state == 3 { "5000" } else { "NULL" };
    let reason = if state > 10 {
        format!("'{}'", if detail.is_empty() { "bad_address" } else { detail })
    } else {
        "NULL".into()
    };
    sql(
        store,
        &format!(
            "INSERT INTO deliveries (workspace_id, campaign_id, revision_id, subscriber_id, recipient, provider_id, state, \
             updated_at_ms, next_at_ms, reason) \
             VALUES (1, {campaign}, 1, {id}, 'p{id}@d{}.example', {provider}, {state}, 1000, {next}, {reason}); \
             INSERT INTO delivery_counts (campaign_id, provider_id, state, detail, workspace_id, n) \
             VALUES ({campaign}, {provider}, {state}, '{detail}', 1, 1) \
             ON CONFLICT (campaign_id, provider_id, state, detail) DO UPDATE SET n = delivery_counts.n + 1",
            id % 2
        ),
    )
    .await;
}
