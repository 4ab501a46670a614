//! Webhooks belong to one workspace; what comes by them is kept once, all of a post or nothing.

use std::sync::Arc;

use crate::ledger_world::*;
use tidings_domain::{BounceClass, DeliveryState, ReportEffect, ReportKind, Service};
use tidings_store::*;

fn new(service: Service, name: &str) -> NewWebhook {
    NewWebhook { service, name: name.into(), proof_sealed: "sealed".into(), by: "Ana".into() }
}

async fn added(workspace: &Workspace, name: &str) -> WebhookId {
    match workspace.add_webhook(new(Service::Postmark, name), NOW).await.expect("adds") {
        AddedWebhook::Yes(id) => id,
        other => panic!("{name}: {other:?}"),
    }
}

fn event(key: &str, workspace: i64) -> NewReport {
    NewReport {
        received_at: LATER,
        source: "webhook:postmark".into(),
        source_name: "Main".into(),
        dedup_key: Some(key.into()),
        mail_from: String::new(),
        rcpt_to: String::new(),
        size_bytes: 2,
        raw: b"{}".to_vec(),
        workspace: Some(WorkspaceId(workspace)),
    }
}

fn posts(all: &[(WebhookId, &[&str])]) -> Arc<Vec<TakenPost>> {
    let post = |(webhook, keys): &(WebhookId, &[&str])| TakenPost {
        webhook: *webhook,
        events: keys.iter().map(|key| event(key, 1)).collect(),
    };
    Arc::new(all.iter().map(post).collect())
}

#[tokio::test]
async fn another_workspace_sees_and_changes_nothing() {
    each(async |w: World| {
        let id = added(&w.workspace, "Main").await;
        let other = w.store.workspace(WorkspaceId(2));
        assert!(other.webhooks().await.expect("lists").is_empty());
        assert!(matches!(other.webhook(id).await, Err(StoreError::NotFound)));
        assert!(matches!(other.change_proof(id, "x".into()).await, Err(StoreError::NotFound)));
        assert!(matches!(other.remove_webhook(id).await, Err(StoreError::NotFound)));
        let same_name = other.add_webhook(new(Service::Ses, "Main"), NOW).await.expect("adds");
        assert!(matches!(same_name, AddedWebhook::Yes(_)), "names are each workspace's own");
        let taken = w.workspace.add_webhook(new(Service::Ses, "Main"), NOW).await.expect("answers");
        assert_eq!(taken, AddedWebhook::NameTaken);
        let row = w.workspace.webhook(id).await.expect("reads");
        assert_eq!(
            (row.service, row.proof_sealed.as_str(), row.created_by.as_str()),
            (Service::Postmark, "sealed", "Ana")
        );
    })
    .await;
}

#[tokio::test]
async fn a_webhook_lives_until_it_is_removed() {
    each(async |w: World| {
        let id = added(&w.workspace, "Main").await;
        assert_eq!(
            w.store.webhook_for_post(id).await.expect("reads").map(|row| row.workspace_id),
            Some(WorkspaceId(1))
        );
        let refused = vec![
            RefusedPost { webhook: id, why: "a NUL \0".into() },
            RefusedPost { webhook: id, why: "the key".into() },
        ];
        w.store.note_refused(refused, LATER).await.expect("notes");
        let row = w.workspace.webhook(id).await.expect("reads");
        assert_eq!((row.refused, row.last_refusal.as_str(), row.last_refused_at_ms), (2, "the key", Some(LATER.0)));
        assert!(!w.store.set_first_proof(id, "another".into()).await.expect("answers"), "it has one");
        w.workspace.change_proof(id, String::new()).await.expect("changes");
        assert_eq!(w.workspace.webhook(id).await.expect("reads").last_refusal, "");
        assert!(w.store.set_first_proof(id, "first".into()).await.expect("sets"));
        assert_eq!(w.workspace.webhook(id).await.expect("reads").proof_sealed, "first");
        assert_eq!(w.workspace.remove_webhook(id).await.expect("removes"), "Main");
        assert!(w.store.webhook_for_post(id).await.expect("reads").is_none());
        assert!(!w.store.set_first_proof(id, "x".into()).await.expect("answers"));
    })
    .await;
}

#[tokio::test]
async fn there_is_a_most() {
    each(async |w: World| {
        for n in 0..MAX_WEBHOOKS {
            added(&w.workspace, &n.to_string()).await;
        }
        let more = w.workspace.add_webhook(new(Service::Ses, "more"), NOW).await.expect("answers");
        assert_eq!(more, AddedWebhook::TooMany);
    })
    .await;
}

#[tokio::test]
async fn events_are_kept_once_and_their_posts_counted() {
    each(async |w: World| {
        let (one, two) = (added(&w.workspace, "One").await, added(&w.workspace, "Two").await);
        let first = posts(&[(two, &["a", "b"]), (one, &["c"]), (two, &["a"]), (one, &[])]);
        assert_eq!(w.store.keep_posts(first.clone(), LATER).await.expect("keeps"), 3);
        assert_eq!(w.store.keep_posts(first, LATER).await.expect("keeps"), 0, "posted again");
        assert_eq!(w.store.unread_reports().await.expect("counts"), 3);
        let rows = w.workspace.webhooks().await.expect("lists");
        let counted: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.accepted, row.last_at_ms)).collect();
        assert_eq!(counted, [("One", 4, Some(LATER.0)), ("Two", 4, Some(LATER.0))]);
    })
    .await;
}

#[tokio::test]
async fn the_largest_post_is_one_transaction() {
    each(async |w: World| {
        let id = added(&w.workspace, "One").await;
        let events = (0..10_000).map(|n| event(&n.to_string(), 1)).collect();
        let largest = Arc::new(vec![TakenPost { webhook: id, events }]);
        assert_eq!(w.store.keep_posts(largest, LATER).await.expect("keeps"), 10_000);
        // One event that the database refuses takes its whole post with it.
        let mut bad = event("bad", 1);
        bad.source = "a NUL \0".into();
        bad.dedup_key = None;
        let events = vec![event("good", 1), bad];
        let kept = w.store.keep_posts(Arc::new(vec![TakenPost { webhook: id, events }]), LATER).await;
        let all = w.store.unread_reports().await.expect("counts");
        assert_eq!(all, if kept.is_ok() { 10_002 } else { 10_000 });
    })
    .await;
}

#[tokio::test]
async fn a_webhook_moves_no_delivery_of_another_workspace() {
    each(async |w: World| {
        w.list(1, 1..=2).await;
        let (campaign, jobs) = w.launched(1, &[1], &[]).await;
        w.intend(&[&jobs[0], &jobs[1]]).await;
        w.settle(jobs.iter().map(|job| outcome(job, Settled::Accepted, "250 ok")).collect()).await;
        let hard = LateNews::Bounce { class: BounceClass::BadAddress, end: DeliveryState::HardBounced };
        for (owner, what, effect) in [
            (2, hard, ReportEffect::NotOurs),
            (2, LateNews::Complaint, ReportEffect::NotOurs),
            (2, LateNews::Unsubscribe, ReportEffect::NotOurs),
            (1, hard, ReportEffect::Suppressed),
        ] {
            w.store.keep_reports(vec![event(&format!("{owner} {what:?}"), owner)]).await.expect("keeps");
            let report = w.store.begin_reading(1, LATER).await.expect("reads").pop().expect("it").id;
            let finding = Finding {
                report,
                delivery: Some(jobs[0].delivery),
                kind: ReportKind::Bounce,
                what,
                rule: String::new(),
                text: "550 5.1.1 no such user".into(),
                text_key: "550".into(),
                source: "postmark".into(),
                recipient: "whoever@example.org".into(),
            };
            assert_eq!(w.store.settle_reports(vec![finding], LATER).await.expect("settles"), [Some(effect)], "{owner}");
            let (row, _) = w.store.workspace(WorkspaceId(owner)).report(report).await.expect("reads").expect("is its");
            let tied = (row.delivery_id.is_some(), row.campaign_id.is_some(), row.subscriber_id.is_some());
            assert_eq!(tied, if owner == 1 { (true, true, true) } else { (false, false, false) });
            let bounced = w.number("SELECT COUNT(*) FROM suppressions").await;
            assert_eq!(bounced, i64::from(owner == 1), "{what:?}");
        }
        w.check_books(campaign).await;
    })
    .await;
}
