//! Opens, clicks and leaving, on both backends.

use crate::ledger_world::{LATER, NOW, World, each};
use tidings_domain::{DeliveryKind, SkipReason};
use tidings_store::*;

fn open(delivery: DeliveryId) -> Seen {
    Seen { delivery, what: Engaged::Open, at: NOW }
}

fn click(delivery: DeliveryId, link: u16) -> Seen {
    Seen { delivery, what: Engaged::Click(link), at: LATER }
}

async fn responses(world: &World) -> Option<String> {
    world
        .value("SELECT opened_unique || '/' || clicked_unique || '/' || unsubscribed AS v FROM campaign_responses WHERE campaign_id = 1")
        .await
}

async fn subscriptions(world: &World, subscriber: i64) -> i64 {
    world
        .number(&format!(
            "SELECT COUNT(*) FROM subscriptions WHERE subscriber_id = {subscriber} AND status = 'subscribed'"
        ))
        .await
}

/// The incremental counts equal the rows.
async fn check_list_counts(world: &World) {
    let wrong = "SELECT COUNT(*) FROM list_counts c WHERE c.n <> (SELECT COUNT(*) FROM subscriptions s WHERE s.list_id = c.list_id AND s.status = c.status)";
    assert_eq!(world.number(wrong).await, 0);
}

async fn with_counts(world: &World) {
    world
        .sql("INSERT INTO list_counts (list_id, status, workspace_id, n) SELECT list_id, status, 1, COUNT(*) FROM subscriptions GROUP BY list_id, status")
        .await;
}

fn subscribed(leaver: &Leaver) -> Vec<(&str, bool)> {
    leaver.lists.iter().map(|(name, on)| (name.as_str(), *on)).collect()
}

#[tokio::test]
async fn a_person_counts_once_and_each_of_his_acts_is_kept() {
    each(async |world: World| {
        world.list(1, [1, 2]).await;
        let (_, jobs) = world.launched(1, &[1], &[]).await;
        let (one, two) = (jobs[0].delivery, jobs[1].delivery);
        world
            .store
            .record_seen(vec![open(one), click(one, 3), open(one), click(one, 0), open(DeliveryId(999))])
            .await
            .expect("writes");
        assert_eq!(responses(&world).await.as_deref(), Some("1/1/0"));
        world.store.record_seen(vec![open(two), click(one, 3)]).await.expect("writes");
        assert_eq!(responses(&world).await.as_deref(), Some("2/1/0"));
        let opens = format!("SELECT n FROM engagements WHERE kind = 'open' AND delivery_id = {}", one.0);
        assert_eq!(world.number(&opens).await, 2);
        assert_eq!(world.number("SELECT n FROM engagements WHERE kind = 'click' AND link = 3").await, 2);
        assert_eq!(world.number("SELECT COUNT(*) FROM engagements").await, 4);
        world.store.record_seen(Vec::new()).await.expect("nothing");
    })
    .await;
}

#[tokio::test]
async fn batches_at_the_same_time_lose_nothing() {
    each(async |world: World| {
        world.list(1, 1..=20).await;
        let (_, jobs) = world.launched(1, &[1], &[]).await;
        let all = |link: u16| jobs.iter().map(move |job| click(job.delivery, link));
        let batches = (0..4).map(|link| {
            let (store, batch) = (world.store.clone(), all(link).collect());
            tokio::spawn(async move { store.record_seen(batch).await })
        });
        for written in batches.collect::<Vec<_>>() {
            written.await.expect("no panic").expect("writes");
        }
        assert_eq!(responses(&world).await.as_deref(), Some("0/20/0"));
        assert_eq!(world.number("SELECT COUNT(*) FROM engagements").await, 80);
    })
    .await;
}

#[tokio::test]
async fn one_click_leaves_the_lists_of_the_campaign_and_no_other() {
    each(async |world: World| {
        world.list(1, [1, 2]).await;
        world.list(2, [1]).await;
        world.list(3, [1]).await;
        with_counts(&world).await;
        let (_, jobs) = world.launched(1, &[1, 2], &[]).await;
        let before = world.store.leaver(jobs[0].delivery, NOW).await.expect("reads").expect("known");
        assert_eq!(subscribed(&before), [("L1", true), ("L2", true)]);
        for _ in 0..3 {
            let after =
                world.store.unsubscribe(jobs[0].delivery, Leaving::Lists, NOW).await.expect("writes").expect("known");
            assert_eq!(subscribed(&after), [("L1", false), ("L2", false)]);
            assert!(!after.is_suppressed);
        }
        assert_eq!((subscriptions(&world, 1).await, subscriptions(&world, 2).await), (1, 1));
        assert_eq!(responses(&world).await.as_deref(), Some("0/0/1"));
        check_list_counts(&world).await;
        // Suppression wins: his row is queued, and does not go.
        let answers = world.intend(&[&jobs[0], &jobs[1]]).await;
        assert_eq!(answers, [IntentAnswer::Skipped(SkipReason::Unsubscribed), IntentAnswer::Go]);
    })
    .await;
}

#[tokio::test]
async fn everything_leaves_all_lists_and_suppresses_the_address() {
    each(async |world: World| {
        world.list(1, [1]).await;
        world.list(2, [1]).await;
        with_counts(&world).await;
        let (_, jobs) = world.launched(1, &[1], &[]).await;
        world.store.unsubscribe(jobs[0].delivery, Leaving::Lists, NOW).await.expect("writes");
        let after =
            world.store.unsubscribe(jobs[0].delivery, Leaving::Everything, NOW).await.expect("writes").expect("known");
        assert!(after.is_suppressed);
        assert_eq!(subscriptions(&world, 1).await, 0);
        assert_eq!(responses(&world).await.as_deref(), Some("0/0/1"), "one person, once");
        let entry = "SELECT reason || ' ' || campaign_id || ' ' || value AS v FROM suppressions";
        assert_eq!(world.value(entry).await.as_deref(), Some("unsubscribe 1 p1@d1.example"));
        check_list_counts(&world).await;
    })
    .await;
}

#[tokio::test]
async fn a_stronger_suppression_keeps_its_reason() {
    each(async |world: World| {
        world.list(1, [1]).await;
        let (_, jobs) = world.launched(1, &[1], &[]).await;
        world.suppress("address", "p1@d1.example", "complaint", None).await;
        world.store.unsubscribe(jobs[0].delivery, Leaving::Everything, NOW).await.expect("writes");
        assert_eq!(world.value("SELECT reason AS v FROM suppressions").await.as_deref(), Some("complaint"));
    })
    .await;
}

#[tokio::test]
async fn leaving_works_when_list_campaign_or_subscriber_are_gone() {
    each(async |world: World| {
        world.list(1, [1, 2]).await;
        world.list(2, [2]).await;
        let (_, jobs) = world.launched(1, &[1], &[]).await;
        let (one, two) = (jobs[0].delivery, jobs[1].delivery);

        // Deleted and imported again: another row, the same person.
        world.sql("UPDATE deliveries SET subscriber_id = NULL WHERE subscriber_id = 1").await;
        let after = world.store.unsubscribe(one, Leaving::Lists, NOW).await.expect("writes").expect("known");
        assert_eq!(subscribed(&after), [("L1", false)]);

        world.sql("DELETE FROM lists WHERE id = 1").await;
        let after = world.store.unsubscribe(two, Leaving::Lists, NOW).await.expect("writes").expect("known");
        assert!(after.is_suppressed && after.lists.is_empty());
        assert_eq!(subscriptions(&world, 2).await, 0);
        assert_eq!(responses(&world).await.as_deref(), Some("0/0/2"));

        world.sql("DELETE FROM suppressions; DELETE FROM subscribers; DELETE FROM campaigns").await;
        let after = world.store.unsubscribe(two, Leaving::Lists, NOW).await.expect("writes").expect("known");
        assert!(after.is_suppressed);
    })
    .await;
}

#[tokio::test]
async fn clicks_at_the_same_time_leave_once() {
    each(async |world: World| {
        world.list(1, [1]).await;
        with_counts(&world).await;
        let (_, jobs) = world.launched(1, &[1], &[]).await;
        let clicks = (0..8).map(|n| {
            let (store, delivery) = (world.store.clone(), jobs[0].delivery);
            let leaving = if n % 2 == 0 { Leaving::Lists } else { Leaving::Everything };
            tokio::spawn(async move { store.unsubscribe(delivery, leaving, NOW).await })
        });
        for left in clicks.collect::<Vec<_>>() {
            left.await.expect("no panic").expect("writes");
        }
        assert_eq!(responses(&world).await.as_deref(), Some("0/0/1"));
        check_list_counts(&world).await;
    })
    .await;
}

#[tokio::test]
async fn a_test_message_changes_nothing() {
    each(async |world: World| {
        world.list(1, [1]).await;
        let (_, jobs) = world.launched(1, &[1], &[]).await;
        world.sql("UPDATE deliveries SET kind = 1").await;
        let delivery = jobs[0].delivery;
        let after = world.store.unsubscribe(delivery, Leaving::Everything, NOW).await.expect("writes").expect("known");
        assert_eq!((after.kind, after.is_suppressed, subscriptions(&world, 1).await), (DeliveryKind::Test, false, 1));
        world.store.record_seen(vec![open(delivery), click(delivery, 0)]).await.expect("writes");
        assert_eq!(world.number("SELECT COUNT(*) FROM engagements").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_token_speaks_of_one_delivery() {
    each(async |world: World| {
        world.list(1, [1]).await;
        world.sql("UPDATE subscribers SET first_name = 'Ana', attributes = '{\"city\":\"Oslo\"}'").await;
        let (campaign, jobs) = world.launched(1, &[1], &[]).await;
        let sent = world.store.sent(jobs[0].delivery).await.expect("reads").expect("known");
        assert_eq!((sent.campaign, sent.workspace, sent.kind), (campaign, WorkspaceId(1), DeliveryKind::Campaign));
        assert_eq!((sent.recipient.as_str(), sent.first_name.as_str()), ("p1@d1.example", "Ana"));
        assert_eq!(sent.attributes, "{\"city\":\"Oslo\"}");
        assert_eq!(world.store.sent(DeliveryId(77)).await.expect("reads"), None);
        assert_eq!(world.store.leaver(DeliveryId(77), NOW).await.expect("reads"), None);
        assert_eq!(world.store.unsubscribe(DeliveryId(77), Leaving::Lists, NOW).await.expect("reads"), None);
    })
    .await;
}
