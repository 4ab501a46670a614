//! The life of sending domains and their keys: what is published signs, what is not is never used, and a change of keys overlaps.

use crate::ledger_world::*;
use tidings_domain::{
    DkimAlgorithm, DkimKeyState, Judged, KEY_MISSED_FOR, ROTATION_DUE, ROTATION_OVERLAP, RecordKind, RecordState,
    SendingDomainName, SendingDomainState, UnixMs,
};
use tidings_store::*;

fn new_key(algorithm: DkimAlgorithm, selector: &str) -> NewDkimKey {
    let (selector, public_key) = (selector.to_owned(), format!("public-{selector}"));
    NewDkimKey { algorithm, private_sealed: format!("sealed-{selector}"), selector, public_key }
}

fn name(text: &str) -> SendingDomainName {
    SendingDomainName::parse(text).expect("a domain")
}

async fn added(workspace: &Workspace, domain: &str) -> SendingDomainId {
    let keys = vec![new_key(DkimAlgorithm::Rsa2048, "r1"), new_key(DkimAlgorithm::Ed25519, "e1")];
    match workspace.add_sending_domain(name(domain), keys, "Ana".into(), NOW).await.expect("adds") {
        AddedDomain::Yes(id) => id,
        other => panic!("{domain}: {other:?}"),
    }
}

/// A look at DNS in which these selectors are published, and nobody answers for those with a question mark.
async fn look(w: &World, domain: SendingDomainId, published: &[&str], now: UnixMs) -> Option<SendingDomainState> {
    let keys = w.workspace.sending_domain(domain).await.expect("reads").keys;
    let seen = keys.iter().map(|key| match () {
        () if published.contains(&key.selector.as_str()) => (key.id, KeySeen::Published),
        () if published.contains(&format!("{}?", key.selector).as_str()) => (key.id, KeySeen::Unknown),
        () => (key.id, KeySeen::Withdrawn),
    });
    let next_check_at = UnixMs(now.0 + UnixMs::DAY);
    let check = DomainCheck { domain, records: Vec::new(), keys: seen.collect(), began_at: now, next_check_at };
    w.store.settle_domain_check(check, now).await.expect("settles")
}

async fn states(w: &World, domain: SendingDomainId) -> Vec<(String, DkimKeyState)> {
    let keys = w.workspace.sending_domain(domain).await.expect("reads").keys;
    keys.into_iter().map(|key| (key.selector, key.state)).collect()
}

async fn signing(w: &World) -> Vec<String> {
    let domains = w.workspace.signing_domains().await.expect("reads");
    domains.into_iter().flat_map(|domain| domain.keys).map(|key| key.selector).collect()
}

#[tokio::test]
async fn another_workspace_sees_and_changes_nothing() {
    each(async |w: World| {
        let id = added(&w.workspace, "shop.example").await;
        let key = w.workspace.sending_domain(id).await.expect("reads").keys[0].id;
        let other = w.store.workspace(WorkspaceId(2));
        assert!(other.sending_domains().await.expect("lists").is_empty());
        assert!(other.signing_domains().await.expect("lists").is_empty());
        assert!(matches!(other.sending_domain(id).await, Err(StoreError::NotFound)));
        assert!(matches!(other.want_domain_check(id, NOW).await, Err(StoreError::NotFound)));
        assert!(matches!(other.prepare_keys(id, Vec::new(), NOW).await, Err(StoreError::NotFound)));
        assert!(matches!(other.revoke_key(id, key, NOW).await, Err(StoreError::NotFound)));
        assert!(matches!(other.remove_sending_domain(id).await, Err(StoreError::NotFound)));
        added(&other, "shop.example").await;
        let again = w.workspace.add_sending_domain(name("shop.example"), Vec::new(), "Ana".into(), NOW).await;
        assert_eq!(again.expect("answers"), AddedDomain::Exists);
        assert_eq!(w.workspace.remove_sending_domain(id).await.expect("removes"), "shop.example");
        assert_eq!(w.number("SELECT COUNT(*) FROM dkim_keys WHERE workspace_id = 1").await, 0);
    })
    .await;
}

#[tokio::test]
async fn only_a_key_that_stands_in_dns_signs() {
    use SendingDomainState as S;
    each(async |w: World| {
        let id = added(&w.workspace, "shop.example").await;
        assert_eq!(look(&w, id, &[], NOW).await, Some(S::Unverified));
        assert!(signing(&w).await.is_empty());
        assert_eq!(look(&w, id, &["r1"], NOW).await, Some(S::Verified));
        assert_eq!(signing(&w).await, ["r1"]);
        assert_eq!(look(&w, id, &["r1", "e1"], NOW).await, Some(S::Verified));
        assert_eq!(signing(&w).await, ["r1", "e1"]);
        // No answer leaves all as it was; two answers without the key, some minutes apart, stop its use.
        assert_eq!(look(&w, id, &["r1?", "e1?"], NOW).await, Some(S::Verified));
        assert_eq!(signing(&w).await, ["r1", "e1"]);
        assert_eq!(look(&w, id, &["e1"], LATER).await, Some(S::Verified));
        assert_eq!(signing(&w).await, ["r1", "e1"], "one look is not believed alone");
        let agreed = LATER.plus(KEY_MISSED_FOR);
        assert_eq!(look(&w, id, &[], UnixMs(agreed.0 - 1)).await, Some(S::Verified));
        assert_eq!(signing(&w).await, ["r1", "e1"], "a second one that comes too soon neither");
        assert_eq!(look(&w, id, &["e1"], agreed).await, Some(S::Verified));
        assert_eq!(signing(&w).await, ["e1"]);
        assert_eq!(
            look(&w, id, &[], agreed).await,
            Some(S::Verified),
            "of this key it is the first: it was found since"
        );
        let gone = agreed.plus(KEY_MISSED_FOR);
        assert_eq!(look(&w, id, &[], gone).await, Some(S::Failing));
        assert!(signing(&w).await.is_empty());
        let domain = w.workspace.sending_domain(id).await.expect("reads").domain;
        assert_eq!((domain.verified_at_ms, domain.failing_since_ms), (Some(NOW.0), Some(gone.0)));
        let notices = w.workspace.domain_notices(gone).await.expect("reads");
        assert_eq!(notices[0].trouble, DomainTrouble::Failing);
        assert_eq!(look(&w, id, &["r1"], gone).await, Some(S::Verified));
        assert!(w.workspace.domain_notices(LATER).await.expect("reads").is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_change_of_keys_overlaps() {
    use DkimKeyState as K;
    each(async |w: World| {
        let id = added(&w.workspace, "shop.example").await;
        look(&w, id, &["r1", "e1"], NOW).await;
        let next = || vec![new_key(DkimAlgorithm::Rsa2048, "r2")];
        assert_eq!(w.workspace.prepare_keys(id, next(), NOW).await.expect("prepares"), KeyMade::Yes);
        assert_eq!(w.workspace.prepare_keys(id, next(), NOW).await.expect("answers"), KeyMade::OnePrepared);
        look(&w, id, &["r1", "e1"], NOW).await;
        assert_eq!(signing(&w).await, ["r1", "e1"], "the new one is not published yet");
        let key = w.workspace.sending_domain(id).await.expect("reads").keys[0].id;
        assert_eq!(w.workspace.revoke_key(id, key, NOW).await.expect("answers"), KeyRevoked::InUse);

        let change = UnixMs(LATER.0);
        look(&w, id, &["r1", "e1", "r2"], change).await;
        assert_eq!(signing(&w).await, ["e1", "r2"]);
        assert_eq!(states(&w, id).await[0], ("r1".to_owned(), K::Retiring));
        // Taken out of DNS too early, it is still kept for the overlap.
        look(&w, id, &["e1", "r2"], UnixMs(change.0 + 1)).await;
        assert_eq!(states(&w, id).await[0], ("r1".to_owned(), K::Retiring));
        let over = change.plus(ROTATION_OVERLAP);
        look(&w, id, &["r1", "e1", "r2"], over).await;
        assert_eq!(states(&w, id).await[0], ("r1".to_owned(), K::Retiring), "it is published still");
        look(&w, id, &["e1", "r2"], over).await;
        assert_eq!(states(&w, id).await[0], ("r1".to_owned(), K::Revoked));
        let key = w.workspace.sending_domain(id).await.expect("reads").keys.remove(0);
        assert_eq!((key.private_sealed.as_str(), key.revoked_at_ms), ("", Some(over.0)));
        assert_eq!(signing(&w).await, ["e1", "r2"]);
    })
    .await;
}

#[tokio::test]
async fn an_old_key_is_told_of_until_another_is_prepared() {
    each(async |w: World| {
        let id = added(&w.workspace, "shop.example").await;
        look(&w, id, &["r1"], NOW).await;
        let due = NOW.plus(ROTATION_DUE);
        assert!(w.workspace.domain_notices(UnixMs(due.0 - 1)).await.expect("reads").is_empty());
        let notices = w.workspace.domain_notices(due).await.expect("reads");
        assert_eq!(notices[0].trouble, DomainTrouble::RotationDue { selector: "r1".into() });
        w.workspace.prepare_keys(id, vec![new_key(DkimAlgorithm::Rsa2048, "r2")], due).await.expect("prepares");
        assert!(w.workspace.domain_notices(due).await.expect("reads").is_empty());
    })
    .await;
}

fn record(state: RecordState, found: &str) -> CheckedRecord {
    CheckedRecord {
        kind: RecordKind::Dmarc,
        host: "_dmarc.shop.example".into(),
        expected: "v=DMARC1; p=none".into(),
        judged: Judged { state, detail: format!("it is {state}") },
        found: found.into(),
    }
}

#[tokio::test]
async fn a_record_remembers_since_when_it_is_as_it_is() {
    use RecordState as R;
    each(async |w: World| {
        let id = added(&w.workspace, "shop.example").await;
        let check = async |records: Vec<CheckedRecord>, at: i64| {
            let (now, next_check_at) = (UnixMs(at), UnixMs(at + UnixMs::DAY));
            let check = DomainCheck { domain: id, records, keys: Vec::new(), began_at: now, next_check_at };
            w.store.settle_domain_check(check, now).await.expect("settles");
            let records = w.workspace.sending_domain(id).await.expect("reads").records;
            records.first().map(|r| (r.state, r.since_ms, r.was_good))
        };
        let at = NOW.0;
        assert_eq!(check(vec![record(R::Missing, "")], at).await, Some((R::Missing, at, false)));
        assert_eq!(check(vec![record(R::Missing, "")], at + 1).await, Some((R::Missing, at, false)));
        assert!(w.workspace.domain_notices(NOW).await.expect("reads").is_empty(), "it was never there");
        assert_eq!(check(vec![record(R::Good, "x")], at + 2).await, Some((R::Good, at + 2, true)));
        assert_eq!(check(vec![record(R::Unknown, "")], at + 3).await, Some((R::Good, at + 2, true)));
        let long = "\0é".repeat(MAX_FOUND_CHARS);
        assert_eq!(check(vec![record(R::Broken, &long)], at + 4).await, Some((R::Broken, at + 4, true)));
        let notices = w.workspace.domain_notices(NOW).await.expect("reads");
        assert!(
            matches!(&notices[..], [DomainNotice { trouble: DomainTrouble::RecordLost { .. }, .. }]),
            "{notices:?}"
        );
        assert_eq!(check(Vec::new(), at + 5).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_wish_for_a_look_is_not_lost_to_the_one_under_way() {
    each(async |w: World| {
        let id = added(&w.workspace, "shop.example").await;
        let due = async |at: i64| w.store.domains_due(UnixMs(at), 10).await.expect("reads").len();
        assert_eq!(due(NOW.0 - 1).await, 0);
        assert_eq!(due(NOW.0).await, 1);
        look(&w, id, &[], NOW).await;
        assert_eq!(due(NOW.0 + 1).await, 0);
        w.workspace.want_domain_check(id, UnixMs(NOW.0 + 10)).await.expect("wishes");
        assert_eq!(due(NOW.0 + 10).await, 1);
        let began_at = UnixMs(NOW.0 + 5);
        let next_check_at = UnixMs(NOW.0 + UnixMs::DAY);
        let check = DomainCheck { domain: id, records: Vec::new(), keys: Vec::new(), began_at, next_check_at };
        w.store.settle_domain_check(check.clone(), UnixMs(NOW.0 + 11)).await.expect("settles");
        assert_eq!(due(NOW.0 + 11).await, 1, "it was asked for after that look began");
        let gone = w.workspace.remove_sending_domain(id).await.expect("removes");
        assert_eq!(
            (gone.as_str(), w.store.settle_domain_check(check, NOW).await.expect("settles")),
            ("shop.example", None)
        );
    })
    .await;
}
