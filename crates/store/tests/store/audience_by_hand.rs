//! Lists, subscribers and suppressions as people change them one by one, on both backends.

use crate::seed::{open, sql};
use tidings_domain::{
    DeliveryState, EmailAddress, SubscriberStatus, SubscriptionStatus, SuppressionEntry, SuppressionKind,
    SuppressionReason, UnixMs,
};
use tidings_store::{
    Added, Choice, DeletedList, ListId, NewSubscriber, NewSuppression, Removal, Removed, StoreError, SubscriberEdit,
    SubscriberId, SubscriberKey, Workspace, WorkspaceId,
};
use tidings_testing::TestDatabase;

const NOW: UnixMs = UnixMs(1_000);

fn person(email: &str, lists: &[ListId]) -> NewSubscriber {
    NewSubscriber {
        email: EmailAddress::parse(email).expect("is good"),
        first_name: "Bo".into(),
        last_name: String::new(),
        lists: lists.to_vec(),
        source: "asked".into(),
    }
}

async fn add(ws: &Workspace, email: &str, lists: &[ListId]) -> SubscriberId {
    match ws.add_subscriber(person(email, lists), NOW).await.expect("adds") {
        Added::Created(id) => id,
        Added::Exists(_) => panic!("{email} was there"),
    }
}

fn entry(kind: SuppressionKind, value: &str, reason: SuppressionReason) -> NewSuppression {
    let entry = SuppressionEntry { kind, value: value.into() };
    NewSuppression { evidence: "words".into(), ..NewSuppression::of(entry, reason, "test") }
}

fn removal(is_admin: bool) -> Removal {
    Removal { by: "ana".into(), is_admin, why: "he asked".into() }
}

async fn counts(ws: &Workspace, list: ListId) -> (i64, i64) {
    let row = ws.list(list).await.expect("reads");
    (row.subscribed, row.unsubscribed)
}

#[tokio::test]
async fn lists_keep_their_counts_right() {
    for database in TestDatabase::each() {
        let (_store, ws) = open(&database).await;
        let news = ws.create_list("News".into(), String::new(), NOW).await.expect("makes");
        assert!(matches!(ws.create_list("News".into(), String::new(), NOW).await, Err(StoreError::Exists(_))));
        let bo = add(&ws, "bo@example.org", &[news]).await;
        assert_eq!(ws.add_subscriber(person("BO@example.org", &[]), NOW).await.expect("runs"), Added::Exists(bo));
        add(&ws, "carla@example.org", &[news]).await;
        assert_eq!(counts(&ws, news).await, (2, 0));
        let leave = || Choice { list: news, status: SubscriptionStatus::Unsubscribed, source: "test".into() };
        assert!(ws.choose(bo, leave(), NOW).await.expect("runs"));
        assert!(!ws.choose(bo, leave(), NOW).await.expect("runs"), "it stood so already");
        assert_eq!(counts(&ws, news).await, (1, 1));
        ws.delete_subscriber(bo, "ana".into(), NOW).await.expect("deletes");
        assert_eq!(counts(&ws, news).await, (1, 0));
        let all = ws.lists().await.expect("reads");
        assert_eq!((all.len(), all[0].subscribed), (1, 1));
        ws.save_list(news, "Monthly".into(), "d".into()).await.expect("saves");
        assert_eq!(ws.list(news).await.expect("reads").list.name, "Monthly");
    }
}

#[tokio::test]
async fn a_list_stays_while_a_campaign_reads_it() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let news = ws.create_list("News".into(), String::new(), NOW).await.expect("makes");
        let bo = add(&ws, "bo@example.org", &[news]).await;
        sql(
            &store,
            "INSERT INTO campaigns (id, workspace_id, name, state, revision_id, created_at_ms, updated_at_ms) \
             VALUES (7, 1, 'Spring', 'queuing', 1, 0, 0)",
        )
        .await;
        let joined = format!(
            "INSERT INTO campaign_lists (campaign_id, list_id, workspace_id, role, list_name) VALUES (7, {news}, 1, 'include', 'News')"
        );
        sql(&store, &joined).await;
        assert_eq!(ws.delete_list(news).await.expect("runs"), DeletedList::BeingRead(vec!["Spring".into()]));
        sql(&store, "UPDATE campaigns SET state = 'queued', audience_total = 1 WHERE id = 7").await;
        assert_eq!(ws.delete_list(news).await.expect("runs"), DeletedList::Deleted);
        assert!(matches!(ws.list(news).await, Err(StoreError::NotFound)));
        assert!(ws.subscriber(bo, NOW).await.expect("is still there").subscriptions.is_empty());
    }
}

#[tokio::test]
async fn people_are_paged_by_id_and_searched_by_the_start_of_their_address() {
    for database in TestDatabase::each() {
        let (_store, ws) = open(&database).await;
        let news = ws.create_list("News".into(), String::new(), NOW).await.expect("makes");
        for email in ["b@x.example", "a-1@x.example", "a_1@x.example", "a.1@x.example", "A2@x.example", "ä@x.example"]
        {
            add(&ws, email, &[news]).await;
        }
        add(&ws, "a3@elsewhere.example", &[]).await;
        let page = async |list, search: &str, after| {
            let rows = ws.subscribers(list, search, after, 4).await.expect("reads");
            rows.into_iter().map(|row| row.subscriber.email).collect::<Vec<_>>()
        };
        let first = ws.subscribers(None, "", None, 4).await.expect("reads");
        assert_eq!(first[0].subscriber.email, "a3@elsewhere.example", "newest first");
        let key = SubscriberKey::Id(first[3].subscriber.id);
        assert_eq!(page(None, "", Some(key)).await.len(), 3);
        let found = page(None, "A", None).await;
        assert_eq!(found, ["a-1@x.example", "a.1@x.example", "a2@x.example", "a3@elsewhere.example"]);
        assert_eq!(page(None, "a", Some(SubscriberKey::Email(found[3].clone()))).await, ["a_1@x.example"]);
        assert_eq!(
            page(Some(news), "a", None).await,
            ["a-1@x.example", "a.1@x.example", "a2@x.example", "a_1@x.example"]
        );
        assert_eq!(page(Some(news), "ä", None).await, ["ä@x.example"]);
        assert_eq!(page(None, "%", None).await, Vec::<String>::new(), "a wildcard is a letter");
        let members = ws.subscribers(Some(news), "", None, 10).await.expect("reads");
        assert_eq!((members.len(), members[0].subscription), (6, Some(SubscriptionStatus::Subscribed)));
    }
}

#[tokio::test]
async fn a_subscriber_shows_what_he_got_and_what_stops_it() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let bo = add(&ws, "bo@example.org", &[]).await;
        let edit = SubscriberEdit { first_name: "Bo".into(), last_name: "V".into(), attributes: r#"{"a":"b"}"#.into() };
        ws.save_subscriber(bo, edit, NOW).await.expect("saves");
        sql(
            &store,
            "INSERT INTO campaigns (id, workspace_id, name, state, revision_id, audience_total, created_at_ms, updated_at_ms, queuing_at_ms, done_at_ms) \
             VALUES (7, 1, 'Spring', 'done', 1, 1, 0, 0, 1, 2)",
        )
        .await;
        let delivered = format!(
            "INSERT INTO deliveries (workspace_id, campaign_id, revision_id, subscriber_id, recipient, state, updated_at_ms, reason, reply) \
             VALUES (1, 7, 1, {bo}, 'bo@example.org', 11, 5, 'unknown_user', '550 no')"
        );
        sql(&store, &delivered).await;
        ws.suppress(entry(SuppressionKind::Domain, "example.org", SuppressionReason::Blocklist), NOW)
            .await
            .expect("adds");
        let details = ws.subscriber(bo, NOW).await.expect("reads");
        assert_eq!(details.subscriber.attributes, r#"{"a":"b"}"#);
        assert_eq!(details.suppressions[0].value, "example.org");
        let got = &details.received[0];
        assert_eq!((got.campaign_name.as_str(), got.state), ("Spring", DeliveryState::HardBounced));
        assert_eq!(got.reply.as_deref(), Some("550 no"));
        assert_eq!(ws.subscriber_by_email("bo@example.org".into()).await.expect("reads").map(|row| row.id), Some(bo));
    }
}

#[tokio::test]
async fn a_suppression_is_never_replaced_by_a_weaker_one() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let bo = add(&ws, "bo@example.org", &[]).await;
        let address = |reason| entry(SuppressionKind::Address, "bo@example.org", reason);
        assert!(ws.suppress(address(SuppressionReason::HardBounce), NOW).await.expect("adds"));
        assert!(!ws.suppress(address(SuppressionReason::Unsubscribe), NOW).await.expect("runs"), "weaker");
        assert!(ws.suppress(address(SuppressionReason::Complaint), NOW).await.expect("adds"), "stronger");
        let rows = ws.suppressions("BO@example.org ", None, 10).await.expect("reads");
        assert_eq!((rows.len(), rows[0].reason), (1, SuppressionReason::Complaint));
        sql(&store, "UPDATE subscribers SET status = 'complained'").await;
        assert_eq!(ws.remove_suppression(rows[0].id, removal(false), NOW).await.expect("runs"), Removed::NeedsAdmin);
        let removed = ws.remove_suppression(rows[0].id, removal(true), NOW).await.expect("runs");
        assert_eq!(removed, Removed::Yes { value: "bo@example.org".into() });
        assert_eq!(ws.subscriber(bo, NOW).await.expect("reads").subscriber.status, SubscriberStatus::Active);
        assert!(matches!(ws.remove_suppression(rows[0].id, removal(true), NOW).await, Err(StoreError::NotFound)));

        ws.suppress(address(SuppressionReason::OnHold), NOW).await.expect("adds");
        sql(&store, "UPDATE suppressions SET expires_at_ms = 2000").await;
        let stops = async |at| ws.suppressions_of("bo@example.org".into(), UnixMs(at)).await.expect("reads").len();
        assert_eq!((stops(1_999).await, stops(2_000).await), (1, 0), "until it expires");
    }
}

#[tokio::test]
async fn another_workspace_sees_and_changes_nothing() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let other = store.workspace(WorkspaceId(2));
        let news = ws.create_list("News".into(), String::new(), NOW).await.expect("makes");
        let bo = add(&ws, "bo@example.org", &[news]).await;
        ws.suppress(entry(SuppressionKind::Domain, "x.example", SuppressionReason::Blocklist), NOW)
            .await
            .expect("adds");
        let rule = ws.suppressions("", None, 1).await.expect("reads")[0].id;
        assert!(matches!(other.list(news).await, Err(StoreError::NotFound)));
        assert!(matches!(other.save_list(news, "x".into(), String::new()).await, Err(StoreError::NotFound)));
        assert!(matches!(other.delete_list(news).await, Err(StoreError::NotFound)));
        assert!(matches!(other.subscriber(bo, NOW).await, Err(StoreError::NotFound)));
        assert!(matches!(other.delete_subscriber(bo, "ana".into(), NOW).await, Err(StoreError::NotFound)));
        let edit = SubscriberEdit { first_name: String::new(), last_name: String::new(), attributes: "{}".into() };
        assert!(matches!(other.save_subscriber(bo, edit, NOW).await, Err(StoreError::NotFound)));
        let leave = Choice { list: news, status: SubscriptionStatus::Unsubscribed, source: String::new() };
        assert!(matches!(other.choose(bo, leave, NOW).await, Err(StoreError::NotFound)));
        assert!(matches!(other.add_subscriber(person("m@example.org", &[news]), NOW).await, Err(StoreError::NotFound)));
        assert!(matches!(other.remove_suppression(rule, removal(true), NOW).await, Err(StoreError::NotFound)));
        assert!(other.subscribers(None, "", None, 10).await.expect("reads").is_empty(), "rolled back");
        assert!(other.subscribers(Some(news), "", None, 10).await.expect("reads").is_empty());
        assert!(other.suppressions("", None, 10).await.expect("reads").is_empty());
        assert!(other.lists().await.expect("reads").is_empty());
        assert_eq!(counts(&ws, news).await, (1, 0));
    }
}
