//! Every kind of entry, in every scope, on both lists, stops who it means at fan-out, at the intent and in the forecast, and nobody else.

use crate::ledger_world::*;
use tidings_domain::{Lane, SkipReason, SuppressionEntry, SuppressionKind, SuppressionReason, UnixMs};
use tidings_store::*;

/// Person 1 of the world, in every form in which an entry can name him. The key is the tests' own, all zeros.
const FORMS: [(&str, &str); 6] = [
    ("address", "p1@d1.example"),
    ("domain", "d1.example"),
    ("pattern", "p1*@*"),
    ("hash", HMAC_OF_P1),
    ("md5", MD5_OF_P1),
    ("sha256", SHA256_OF_P1),
];
const HMAC_OF_P1: &str = "1d4569e71d5a27318b457aee872be396012623bbc41daf997bf6145ad2e89b8f";
const MD5_OF_P1: &str = "64cea71ca654c78231405799aa2d659e";
const SHA256_OF_P1: &str = "f45d4cc06ac01c900ad1fc0947870bd577fb89783defd581c9d1001070e7e8dd";

fn form(kind: &str, value: &str, scope: Scope) -> NewSuppression {
    let kind = *<SuppressionKind as tidings_domain::Word>::ALL.iter().find(|k| k.to_string() == kind).expect("a kind");
    let entry = SuppressionEntry { kind, value: value.into() };
    NewSuppression { scope, ..NewSuppression::of(entry, SuppressionReason::Blocklist, "test") }
}

fn reasons(rows: &[RowState]) -> Vec<Option<&str>> {
    rows.iter().map(|row| row.reason.as_deref()).collect()
}

/// Whether a campaign to list 1 (persons 1 and 2, of which 1 is on list 2 as well) reaches person 1 under a scope.
const SCOPES: [(Scope, bool); 6] = [
    (Scope::All, true),
    (Scope::Lane(Lane::Bulk), true),
    (Scope::Lane(Lane::Automation), false),
    (Scope::Lane(Lane::Transactional), false),
    (Scope::List(ListId(1)), true),
    (Scope::List(ListId(2)), false),
];

#[tokio::test]
async fn fan_out_forecast_and_pages_agree_on_every_kind_scope_and_list() {
    each(async |w: World| {
        w.list(1, [1, 2]).await;
        w.list(2, [1]).await;
        let mut campaign = 0;
        for global in [false, true] {
            for (kind, value) in FORMS {
                for (scope, stops) in SCOPES {
                    if global && matches!(scope, Scope::List(_)) {
                        continue;
                    }
                    let list = if global { w.store.installation_list() } else { w.workspace.clone() };
                    assert!(list.suppress(form(kind, value, scope), NOW).await.expect("adds"));
                    campaign += 1;
                    let said = format!("{kind} {scope} global: {global}, embedded: {}", w.store.is_embedded());

                    let forecast = w.workspace.audience(vec![ListId(1)], vec![], NOW).await.expect("reads");
                    assert_eq!(forecast.suppressed, i64::from(stops), "{said}");
                    let c = w.draft(campaign, &[1], &[]).await;
                    w.launch(c).await;
                    let done = w.store.fan_out(c, 100, NOW).await.expect("fans out").0;
                    assert_eq!(done, FanOut::Finished { audience_total: 2, to_send: 2 - i64::from(stops) }, "{said}");
                    let rows = w.rows(&format!("campaign_id = {c}")).await;
                    assert_eq!(reasons(&rows), [stops.then_some("blocklist"), None], "{said}");
                    w.check_books(c).await;

                    let why = w.workspace.why_not("p1@d1.example".into(), Some(c), NOW).await.expect("reads");
                    assert_eq!(matches!(why, WhyNot::Suppressed(entry) if entry.value == value), stops, "{said}");
                    let standing = w.workspace.suppressions_of("p1@d1.example".into(), NOW).await.expect("reads");
                    assert_eq!(standing.len(), 1, "{said}");
                    assert_eq!((standing[0].scope(), standing[0].is_global()), (scope, global), "{said}");
                    let removal = Removal { by: "ana".into(), is_admin: true, why: "test".into() };
                    list.remove_suppression(standing[0].id, removal, NOW).await.expect("removes");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_intent_asks_again_for_every_kind_scope_and_list() {
    each(async |w: World| {
        w.list(1, [1, 2]).await;
        w.list(2, [1]).await;
        let mut campaign = 0;
        for global in [false, true] {
            for (kind, value) in FORMS {
                for (scope, stops) in SCOPES {
                    if global && matches!(scope, Scope::List(_)) {
                        continue;
                    }
                    campaign += 1;
                    let (c, jobs) = w.launched(campaign, &[1], &[]).await;
                    let list = if global { w.store.installation_list() } else { w.workspace.clone() };
                    list.suppress(form(kind, value, scope), NOW).await.expect("adds");
                    let answers = w.intend(&jobs.iter().collect::<Vec<_>>()).await;
                    let first = match stops {
                        true => IntentAnswer::Skipped(SkipReason::Blocklist),
                        false => IntentAnswer::Go,
                    };
                    let said = format!("{kind} {scope} global: {global}, embedded: {}", w.store.is_embedded());
                    assert_eq!(answers, [first, IntentAnswer::Go], "{said}");
                    w.check_books(c).await;
                    w.sql("DELETE FROM suppressions").await;
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn who_is_reached_by_another_list_still_gets_it() {
    each(async |w: World| {
        w.list(1, [1, 2]).await;
        w.list(2, [1, 2]).await;
        let scoped = |list| form("address", "p1@d1.example", Scope::List(ListId(list)));
        w.workspace.suppress(scoped(1), NOW).await.expect("adds");
        let suppressed = async || {
            let lists = vec![ListId(1), ListId(2)];
            w.workspace.audience(lists, vec![], NOW).await.expect("reads").suppressed
        };
        assert_eq!(suppressed().await, 0);
        let (_, jobs) = w.launched(1, &[1, 2], &[]).await;
        assert_eq!(jobs.len(), 2);
        w.workspace.suppress(scoped(2), NOW).await.expect("adds");
        assert_eq!(suppressed().await, 1, "both ways are closed");
        let answers = w.intend(&[&jobs[0], &jobs[1]]).await;
        assert_eq!(answers, [IntentAnswer::Skipped(SkipReason::Blocklist), IntentAnswer::Go]);
        let c = w.draft(2, &[1, 2], &[]).await;
        w.launch(c).await;
        let done = w.store.fan_out(c, 100, NOW).await.expect("fans out").0;
        assert_eq!(done, FanOut::Finished { audience_total: 2, to_send: 1 });
    })
    .await;
}

#[tokio::test]
async fn a_test_message_obeys_its_own_lane_and_no_list() {
    each(async |w: World| {
        w.list(1, [1]).await;
        let c = w.draft(1, &[1], &[]).await;
        let test = async || {
            let to = vec![tidings_domain::EmailAddress::parse("p1@d1.example").expect("an address")];
            let test = TestMessage { content: content(), to, as_subscriber: Some(SubscriberId(1)), route: None };
            w.workspace.send_test(c, test, NOW).await.expect("writes");
            let known = vec![("d1.example".into(), "google".into())];
            w.store.save_domain_providers(known, LATER).await.expect("saves");
            w.store.queue_tests(10, NOW).await.expect("queues")
        };
        for (scope, stops) in [
            (Scope::Lane(Lane::Bulk), false),
            (Scope::List(ListId(1)), false),
            (Scope::Lane(Lane::Transactional), true),
        ] {
            w.workspace.suppress(form("pattern", "p1*@*", scope), NOW).await.expect("adds");
            let jobs = test().await;
            let expected = if stops { IntentAnswer::Skipped(SkipReason::Blocklist) } else { IntentAnswer::Go };
            assert_eq!(w.intend(&[&jobs[0]]).await, [expected], "{scope}");
        }
    })
    .await;
}

#[tokio::test]
async fn expired_entries_and_other_tenants_stop_nobody() {
    each(async |w: World| {
        w.list(1, [1, 2]).await;
        let other = w.store.workspace(WorkspaceId(2));
        for (kind, value) in FORMS {
            other.suppress(form(kind, value, Scope::All), NOW).await.expect("adds");
            let expired = NewSuppression { expires_at_ms: Some(NOW.0), ..form(kind, value, Scope::Lane(Lane::Bulk)) };
            w.workspace.suppress(expired.clone(), NOW).await.expect("adds");
            w.store.installation_list().suppress(expired, NOW).await.expect("adds");
        }
        assert!(w.workspace.suppressions_of("p1@d1.example".into(), NOW).await.expect("reads").is_empty());
        assert_eq!(
            w.workspace.suppressions_of("p1@d1.example".into(), UnixMs(NOW.0 - 1)).await.expect("reads").len(),
            12
        );
        assert_eq!(w.workspace.audience(vec![ListId(1)], vec![], NOW).await.expect("reads").suppressed, 0);
        let (_, jobs) = w.launched(1, &[1], &[]).await;
        assert_eq!(w.intend(&[&jobs[0], &jobs[1]]).await, [IntentAnswer::Go, IntentAnswer::Go]);
        assert!(matches!(
            other.suppress(form("address", "x@y.example", Scope::List(ListId(1))), NOW).await,
            Err(StoreError::NotFound)
        ));
    })
    .await;
}

#[tokio::test]
async fn of_several_entries_the_most_exact_explains() {
    each(async |w: World| {
        w.list(1, [1]).await;
        w.list(2, [1]).await;
        let why = async || w.workspace.why_not("p1@d1.example".into(), None, NOW).await.expect("reads");
        assert!(matches!(why().await, WhyNot::Nothing { lists: 2 }));
        let kind = async || match why().await {
            WhyNot::Suppressed(entry) => entry.kind.to_string(),
            other => panic!("{other:?}"),
        };
        for (kind_added, value) in FORMS.into_iter().rev() {
            w.store.installation_list().suppress(form(kind_added, value, Scope::All), NOW).await.expect("adds");
        }
        assert_eq!(kind().await, "address");
        let all = w.workspace.suppressions_of("p1@d1.example".into(), NOW).await.expect("reads");
        let kinds: Vec<String> = all.iter().map(|entry| entry.kind.to_string()).collect();
        assert_eq!(kinds, ["address", "hash", "md5", "sha256", "domain", "pattern"]);

        w.sql("DELETE FROM suppressions; UPDATE subscribers SET status = 'bounced'").await;
        assert!(matches!(why().await, WhyNot::Mailbox(_)));
        w.sql("UPDATE subscribers SET status = 'active'; UPDATE subscriptions SET status = 'unsubscribed'").await;
        assert!(matches!(why().await, WhyNot::NoList));
        let nobody = w.workspace.why_not("nobody@d1.example".into(), None, NOW).await.expect("reads");
        assert!(matches!(nobody, WhyNot::Unknown));
    })
    .await;
}

#[tokio::test]
async fn one_campaign_is_explained_by_its_row() {
    each(async |w: World| {
        w.list(1, [1, 2, 3]).await;
        w.list(2, [4]).await;
        let (c, jobs) = w.launched(1, &[1], &[]).await;
        let why = async |n: i64| {
            let email = format!("p{n}@d{}.example", n % 4);
            w.workspace.why_not(email, Some(c), NOW).await.expect("reads")
        };
        w.intend(&[&jobs[0]]).await;
        w.settle(vec![outcome(&jobs[0], Settled::HardBounced, "550 5.1.1 no such user")]).await;
        assert!(matches!(why(1).await, WhyNot::Delivery { reply: Some(reply), .. } if reply.starts_with("550")));
        assert!(matches!(why(2).await, WhyNot::Delivery { reply: None, .. }));
        assert!(matches!(why(4).await, WhyNot::NoList));
        w.list(3, [5]).await;
        assert!(matches!(why(5).await, WhyNot::JoinedLater));
        let elsewhere = w.store.workspace(WorkspaceId(2)).why_not("p1@d1.example".into(), Some(c), NOW).await;
        assert!(matches!(elsewhere, Err(StoreError::NotFound)));
    })
    .await;
}
