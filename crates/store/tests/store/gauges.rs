//! The sums that operators watch agree with the ledger.

use crate::ledger_world::*;
use tidings_domain::{CampaignState, DeliveryState, Lane, UnixMs};
use tidings_store::*;

#[tokio::test]
async fn gauges_are_sums_over_the_ledger() {
    each(async |w: World| {
        w.list(1, 1..=4).await;
        let (campaign, jobs) = w.launched(1, &[1], &[]).await;
        w.intend(&[&jobs[0]]).await;
        w.settle(vec![outcome(&jobs[0], Settled::Accepted, "250 ok")]).await;
        let gauges = w.store.gauges(LATER).await.expect("reads");
        assert_eq!(gauges.campaigns[&CampaignState::Sending], 1);
        assert_eq!((gauges.deliveries[&DeliveryState::Accepted], gauges.deliveries[&DeliveryState::Queued]), (1, 3));
        assert_eq!(gauges.oldest_queued.get(&Lane::Bulk), Some(&NOW));
        w.workspace.pause(campaign, "ana", "", LATER).await.expect("pauses");
        let gauges = w.store.gauges(LATER).await.expect("reads");
        assert_eq!((gauges.paused, gauges.oldest_queued.len()), (1, 0), "a pause is no delay");

        w.sql(&format!("UPDATE campaigns SET state = 'done', done_at_ms = {}, paused_at_ms = NULL", LATER.0)).await;
        assert_eq!(w.store.gauges(LATER).await.expect("reads").deliveries[&DeliveryState::Accepted], 1);
        let much_later = UnixMs(LATER.0 + ENDED_COUNT_FOR_MS + 1);
        assert!(w.store.gauges(much_later).await.expect("reads").deliveries.is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_database_answers_and_says_who_leads() {
    each(async |w: World| {
        w.store.ping().await.expect("answers");
        assert!(w.store.pool().connections > 0);
        assert_eq!(w.store.lease_holder("dispatcher").await.expect("reads"), None);
        w.store.hold_lease("dispatcher", "a", 10, UnixMs(100)).await.expect("takes");
        let held = LeaseHolder { holder: "a".into(), until: UnixMs(110) };
        assert_eq!(w.store.lease_holder("dispatcher").await.expect("reads"), Some(held));
    })
    .await;
}
