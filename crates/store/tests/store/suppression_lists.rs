//! Suppression lists as people change them: many at once, removal with its reason, erasure of a person, deletion of a list.

use crate::seed::open;
use tidings_domain::{EmailAddress, SuppressionEntry, SuppressionKind, SuppressionReason, UnixMs};
use tidings_store::*;
use tidings_testing::TestDatabase;

const NOW: UnixMs = UnixMs(1_000);

fn new(text: &str, reason: SuppressionReason) -> NewSuppression {
    NewSuppression::of(SuppressionEntry::parse(text).expect("an entry"), reason, "test")
}

async fn add_bo(ws: &Workspace) -> SubscriberId {
    let email = EmailAddress::parse("bo.v@example.org").expect("an address");
    let person = NewSubscriber {
        email,
        first_name: "Bo".into(),
        last_name: "V".into(),
        lists: Vec::new(),
        source: "test".into(),
    };
    match ws.add_subscriber(person, NOW).await.expect("adds") {
        Added::Created(id) => id,
        Added::Exists(_) => panic!("he was there"),
    }
}

#[tokio::test]
async fn who_is_erased_stays_suppressed_and_his_address_is_nowhere() {
    for database in TestDatabase::each() {
        let (_store, ws) = open(&database).await;
        let bo = add_bo(&ws).await;
        let words = "550 5.1.1 <BO.V@example.org> bo.v is no user here";
        let said = NewSuppression { evidence: words.into(), ..new("bo.v@example.org", SuppressionReason::HardBounce) };
        ws.suppress_by_hand(said, "ana".into(), NOW).await.expect("adds");
        ws.delete_subscriber(bo, "ana".into(), NOW).await.expect("deletes");
        let rows = ws.suppressions("", None, 10).await.expect("reads");
        assert_eq!(
            (rows.len(), rows[0].kind, rows[0].reason),
            (1, SuppressionKind::Hash, SuppressionReason::HardBounce)
        );
        assert_eq!(rows[0].evidence, "550 5.1.1 <[erased]> [erased] is no user here");
        let events = ws.suppression_events(None, None, 10).await.expect("reads");
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|event| event.value == rows[0].value && event.kind == "hash"), "{events:?}");

        let again = add_bo(&ws).await;
        let details = ws.subscriber(again, NOW).await.expect("reads");
        assert_eq!(details.suppressions.len(), 1, "the hash finds him");
        // Suppressed for less once more, then erased again: one entry, the stronger.
        ws.suppress(new("bo.v@example.org", SuppressionReason::Unsubscribe), NOW).await.expect("adds");
        ws.delete_subscriber(again, "ana".into(), NOW).await.expect("deletes");
        let rows = ws.suppressions("", None, 10).await.expect("reads");
        assert_eq!((rows.len(), rows[0].reason), (1, SuppressionReason::HardBounce));
        let other_key = StoreOptions { suppression_key: SuppressionKey::new([9; 32]), ..StoreOptions::default() };
        let stranger = Store::open(database.url(), other_key).await.expect("opens").workspace(WorkspaceId(1));
        assert!(stranger.suppressions_of("bo.v@example.org".into(), NOW).await.expect("reads").is_empty(), "keyed");
    }
}

#[tokio::test]
async fn many_at_once_keep_the_strongest_and_the_bound_of_patterns() {
    for database in TestDatabase::each() {
        let (_store, ws) = open(&database).await;
        use SuppressionReason as R;
        ws.suppress(new("bo@example.org", R::Complaint), NOW).await.expect("adds");
        ws.suppress(new("cy@example.org", R::OnHold), NOW).await.expect("adds");
        let expired = NewSuppression { expires_at_ms: Some(NOW.0), ..new("di@example.org", R::Complaint) };
        ws.suppress(expired, NOW).await.expect("adds");
        let given = vec![
            new("bo@example.org", R::Unsubscribe),
            new("cy@example.org", R::Unsubscribe),
            new("di@example.org", R::Unsubscribe),
            new("em@example.org", R::Unsubscribe),
            new("em@example.org", R::Blocklist),
        ];
        let merged = ws.suppress_many(Scope::All, given, "ana".into(), String::new(), NOW).await.expect("adds");
        assert_eq!(merged, Merged { added: 3, known: 2, too_many: 0 });
        let reason = async |email: &str| ws.suppressions(email, None, 1).await.expect("reads")[0].reason;
        assert_eq!(reason("bo@example.org").await, R::Complaint, "not weakened");
        assert_eq!(reason("cy@example.org").await, R::Unsubscribe);
        assert_eq!(reason("di@example.org").await, R::Unsubscribe, "an expired one counts for nothing");
        assert_eq!(reason("em@example.org").await, R::Blocklist);

        let patterns = (0..MAX_PATTERNS + 3).map(|i| new(&format!("x{i}*@*"), R::Blocklist)).collect::<Vec<_>>();
        let merged =
            ws.suppress_many(Scope::All, patterns.clone(), "ana".into(), String::new(), NOW).await.expect("adds");
        assert_eq!((merged.added, merged.too_many), (MAX_PATTERNS, 3));
        let one_more = ws.suppress(new("one-more*@*", R::Blocklist), NOW).await;
        assert!(matches!(one_more, Err(StoreError::Full(..))));
        let known = patterns[..10].to_vec();
        let merged = ws.suppress_many(Scope::All, known, "ana".into(), String::new(), NOW).await.expect("runs");
        assert_eq!((merged.added, merged.too_many), (0, 0), "those that are there take no room");
    }
}

#[tokio::test]
async fn removal_is_told_with_its_reason_and_scopes_are_apart() {
    for database in TestDatabase::each() {
        let (store, ws) = open(&database).await;
        let list = ws.create_list("News".into(), String::new(), NOW).await.expect("makes");
        let scoped =
            NewSuppression { scope: Scope::List(list), ..new("bo.v@example.org", SuppressionReason::Blocklist) };
        ws.suppress_by_hand(scoped.clone(), "ana".into(), NOW).await.expect("adds");
        ws.suppress_by_hand(new("bo.v@example.org", SuppressionReason::Blocklist), "ana".into(), NOW)
            .await
            .expect("adds");
        let of = async |scope| {
            let filter = SuppressionFilter { scope: Some(scope), ..SuppressionFilter::default() };
            ws.suppressions(filter, None, 10).await.expect("reads")
        };
        let all = of(Scope::All).await;
        assert_eq!((all.len(), of(Scope::List(list)).await.len()), (1, 1));
        let by = Removal { by: "ana".into(), is_admin: false, why: "he wrote to us".into() };
        ws.remove_suppression(all[0].id, by.clone(), NOW).await.expect("removes");
        let events = ws.suppression_events(Some("bo.v@example.org".into()), None, 10).await.expect("reads");
        let told: Vec<(&str, &str, &str)> =
            events.iter().map(|e| (e.action.as_str(), e.note.as_str(), e.who.as_str())).collect();
        assert_eq!(told, [("removed", "he wrote to us", "ana"), ("added", "", "ana"), ("added", "", "ana")]);
        assert!(store.workspace(WorkspaceId(2)).suppression_events(None, None, 10).await.expect("reads").is_empty());

        ws.delete_list(list).await.expect("deletes");
        assert!(ws.suppressions("", None, 10).await.expect("reads").is_empty(), "an entry of a list goes with it");
        let gone = ws.suppress(scoped, NOW).await;
        assert!(matches!(gone, Err(StoreError::NotFound)));
    }
}
