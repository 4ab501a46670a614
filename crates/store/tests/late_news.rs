//! Reports that come back after the acceptance move their row once, mark one person, and nobody else.

mod ledger_world;

use ledger_world::*;
use tidings_store::*;

fn news(delivery: DeliveryId, what: LateKind) -> LateNews {
    let (reason, text) = ("bad_address".to_owned(), "550 5.1.1 no such user".to_owned());
    LateNews { delivery, what, reason, text, source: "bounce mail" }
}

/// Two accepted deliveries of three, with their ids.
async fn world(w: &World) -> (CampaignId, Vec<QueuedJob>) {
    w.list(1, 1..=3).await;
    let (campaign, jobs) = w.launched(1, &[1], &[]).await;
    w.intend(&[&jobs[0], &jobs[1]]).await;
    w.sql(&format!("UPDATE deliveries SET state = 10 WHERE id IN ({}, {})", jobs[0].delivery, jobs[1].delivery)).await;
    w.sql("UPDATE delivery_counts SET state = 10 WHERE state = 2").await;
    (campaign, jobs)
}

#[tokio::test]
async fn a_bounce_that_comes_late_counts_once() {
    each(async |w: World| {
        let (campaign, jobs) = world(&w).await;
        let late = |job: &QueuedJob, what| w.store.record_late(news(job.delivery, what), LATER);
        let moved = late(&jobs[0], LateKind::HardBounce).await.expect("records");
        assert!(matches!(moved, LateAnswer::Moved { .. }), "{moved:?}");
        w.check_books(campaign).await;
        let again = late(&jobs[0], LateKind::HardBounce).await.expect("records");
        assert_eq!(again, LateAnswer::StandsStill(tidings_domain::DeliveryState::HardBounced));
        let early = late(&jobs[2], LateKind::HardBounce).await.expect("records");
        assert_eq!(
            early,
            LateAnswer::StandsStill(tidings_domain::DeliveryState::Queued),
            "never accepted: a forgery or a mix-up"
        );
        let nobody = w.store.record_late(news(DeliveryId(9_999), LateKind::HardBounce), LATER).await.expect("records");
        assert_eq!(nobody, LateAnswer::NoSuchDelivery);
        w.check_books(campaign).await;
        assert_eq!(w.number("SELECT COUNT(*) FROM subscribers WHERE status = 'bounced'").await, 1);
        assert_eq!(
            w.number("SELECT COUNT(*) FROM suppressions WHERE reason = 'hard_bounce' AND source = 'bounce mail'").await,
            1
        );
        assert_eq!(w.row(jobs[0].delivery).await.reason.as_deref(), Some("bad_address"));
    })
    .await;
}

#[tokio::test]
async fn a_complaint_is_stronger_than_a_bounce() {
    each(async |w: World| {
        let (campaign, jobs) = world(&w).await;
        let email = w
            .value(&format!("SELECT recipient AS v FROM deliveries WHERE id = {}", jobs[1].delivery))
            .await
            .expect("it");
        w.suppress("address", &email, "hard_bounce", None).await;
        let moved = w.store.record_late(news(jobs[1].delivery, LateKind::Complaint), LATER).await.expect("records");
        assert_eq!(moved, LateAnswer::Moved { recipient: email });
        assert_eq!(w.number("SELECT COUNT(*) FROM suppressions WHERE reason = 'complaint'").await, 1);
        assert_eq!(w.number("SELECT COUNT(*) FROM subscribers WHERE status = 'complained'").await, 1);
        w.check_books(campaign).await;
    })
    .await;
}
