//! What the tests of the sender begin with.

use std::sync::Arc;

use tidings_domain::{DeliveryKind, Lane};
use tidings_store::{CampaignId, DeliveryId, RevisionId, Work, WorkspaceId};

pub fn work() -> Work {
    Work {
        delivery: DeliveryId(1),
        attempt: 0,
        lane: Lane::Bulk,
        kind: DeliveryKind::Campaign,
        workspace: WorkspaceId(1),
        campaign: CampaignId(1),
        revision: RevisionId(1),
        route: None,
        provider: Arc::from("mx:receiver.example"),
        recipient: "ana@receiver.example".to_owned(),
        subscriber: None,
        first_attempt_at: None,
        window: None,
        deadline: None,
    }
}
