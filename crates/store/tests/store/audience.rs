//! The arithmetic of an audience: each person counts once, and what is taken off says why.

use crate::seed::{lists, open, sql};
use tidings_domain::{Audience, UnixMs};
use tidings_store::{ListId, Workspace};
use tidings_testing::TestDatabase;

async fn audience(ws: &Workspace, include: &[i64], exclude: &[i64]) -> Audience {
    let ids = |lists: &[i64]| lists.iter().map(|l| ListId(*l)).collect();
    ws.audience(ids(include), ids(exclude), UnixMs(1_000)).await.expect("counted")
}

#[tokio::test]
async fn each_person_counts_once() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        lists(&store, &[10, 4, 6]).await;
        assert_eq!(audience(&ws, &[], &[]).await, Audience::default());
        assert_eq!(audience(&ws, &[1], &[]).await.recipients(), 10);

        let three = audience(&ws, &[1, 2, 3], &[]).await;
        assert_eq!((three.subscriptions, three.duplicates, three.recipients()), (20, 10, 10));

        let without = audience(&ws, &[1, 3], &[2]).await;
        assert_eq!((without.duplicates, without.excluded, without.recipients()), (6, 4, 6));
        assert_eq!(audience(&ws, &[1], &[1]).await, Audience::default(), "leaving out wins");
    }
}

#[tokio::test]
async fn suppressions_by_address_and_domain_count_once_and_only_while_they_last() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        lists(&store, &[10, 2]).await;
        sql(
            &store,
            "INSERT INTO suppressions (workspace_id, kind, value, reason, created_at_ms, expires_at_ms) VALUES \
             (1, 'address', 'p3@d1.example', 'hard_bounce', 0, NULL), \
             (1, 'address', 'p5@d1.example', 'on_hold', 0, 999), \
             (1, 'address', 'p1@d1.example', 'complaint', 0, NULL), \
             (2, 'address', 'p7@d1.example', 'complaint', 0, NULL)",
        )
        .await;
        assert_eq!(
            audience(&ws, &[1], &[]).await.suppressed,
            2,
            "p3 and p1; p5's hold is over, p7 is another tenant's"
        );
        assert_eq!(audience(&ws, &[1], &[2]).await.suppressed, 1, "p1 is already excluded");

        sql(
            &store,
            "INSERT INTO suppressions (workspace_id, kind, value, reason, created_at_ms) \
             VALUES (1, 'domain', 'd1.example', 'blocklist', 0)",
        )
        .await;
        assert_eq!(audience(&ws, &[1], &[]).await.suppressed, 5, "the odd half, p1 and p3 once");

        sql(&store, "UPDATE subscribers SET status = 'bounced' WHERE id IN (3, 4)").await;
        assert_eq!(audience(&ws, &[1], &[]).await.suppressed, 6, "p4's mailbox is known not to work; p3 counts once");
    }
}

#[tokio::test]
async fn merge_tags_come_from_people_and_from_mappings() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        sql(
            &store,
            "INSERT INTO subscribers (workspace_id, email, domain, attributes, created_at_ms, updated_at_ms) VALUES \
             (1, 'a@x.example', 'x.example', '{\"plan\": \"pro\", \"city\": \"Ghent\"}', 0, 0), \
             (1, 'b@x.example', 'x.example', 'not json', 0, 0), \
             (2, 'c@x.example', 'x.example', '{\"secret\": \"1\"}', 0, 0); \
             INSERT INTO imports (workspace_id, file_name, spool_path, delete_file, auto_start, bytes_total, state, mapping, created_at_ms, updated_at_ms) \
             VALUES (1, 'f', 'p', FALSE, TRUE, 1, 'done', '[{\"header\":\"Points\",\"field\":\"attribute:points\"},{\"header\":\"e\",\"field\":\"email\"}]', 0, 0)",
        )
        .await;
        assert_eq!(ws.attribute_names().await.expect("read"), ["city", "plan", "points"]);
    }
}
