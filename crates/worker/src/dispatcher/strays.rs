//! The queue is an index of the ledger, and an index can lose entries: a process may be killed after it took jobs out and before it put
//! them back. When the queue knows no job of a campaign that has rows in its hands, the ledger is right. So it is when the queue holds a
//! campaign for paused: a leader that was frozen tells, once it wakes, what was true before.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tidings_domain::UnixMs;
use tidings_queue::{CampaignStatus, Health, Queue};
use tidings_store::{ActiveCampaign, CampaignId, QueuedJob, Store};

use crate::now;

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The queue has to know nothing of the campaign for this long. Whoever holds jobs outside it needs milliseconds.
const BARE_FOR: Duration = Duration::from_secs(20);
/// Rows found in one look.
const STRAYS_AT_ONCE: i64 = 10_000;
/// Cancelled campaigns looked at in one look.
const CANCELLED_CAMPAIGNS: i64 = 20;

pub struct Strays {
    store: Store,
    queue: Queue,
    looked: Instant,
    /// Since when the queue has known no job of it.
    bare: HashMap<CampaignId, (Instant, UnixMs)>,
}

impl Strays {
    pub fn new(store: Store, queue: Queue) -> Self {
        Self { store, queue, looked: Instant::now(), bare: HashMap::new() }
    }

    /// A queue that was lost and filled again knows nothing of the attempts that are still in flight.
    pub fn forget(&mut self) {
        self.bare.clear();
    }

    /// Jobs to be pushed again. Attempts whose job nobody holds are called in doubt on the way.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn find(&mut self, campaigns: &[ActiveCampaign]) -> anyhow::Result<Vec<QueuedJob>> {
        if self.looked.elapsed() < LOOK_EVERY || self.queue.health() != Health::Up {
            return Ok(Vec::new());
        }
        self.looked = Instant::now();
        let seen = self.queue.snapshot().await;
        for (campaign, paused) in wrongly_told(&seen.campaigns, campaigns) {
            tracing::warn!(campaign, paused, "the queue was told something else of a pause; it is told again");
            match paused {
                true => self.queue.pause_campaign(campaign).await,
                false => self.queue.resume_campaign(campaign).await,
            }
        }
        let holds =
            |id: CampaignId| seen.campaigns.iter().any(|c| c.campaign == id.0 && c.ready + c.delayed + c.leased > 0);
        let active: Vec<CampaignId> = campaigns.iter().map(|c| c.id).collect();
        // What is in flight of a cancelled campaign finishes, unless its process is gone.
        let cancelled = self.store.cancelled_in_flight(CANCELLED_CAMPAIGNS).await?;
        self.bare.retain(|id, _| (active.contains(id) || cancelled.contains(id)) && !holds(*id));
        let mut found = Vec::new();
        for id in active.iter().chain(&cancelled).copied().filter(|id| !holds(*id)) {
            let (since, at) = *self.bare.entry(id).or_insert_with(|| (Instant::now(), now()));
            if since.elapsed() < BARE_FOR {
                continue;
            }
            if active.contains(&id) {
                found.extend(self.store.stranded(id, at, STRAYS_AT_ONCE).await?);
            }
            self.store.lose_sight(Some(id), at, now()).await?;
            self.bare.remove(&id);
        }
        if !found.is_empty() {
            tracing::warn!(jobs = found.len(), "the queue had lost jobs; the ledger had not");
        }
        Ok(found)
    }
}

/// Campaigns that the queue takes for paused and the ledger does not, or the other way round, with what is right. One that is not active
/// any more is not paused either: its last jobs must come out of the queue.
fn wrongly_told(seen: &[CampaignStatus], active: &[ActiveCampaign]) -> Vec<(i64, bool)> {
    let is_paused = |id: i64| active.iter().any(|campaign| campaign.id.0 == id && campaign.paused);
    let told = seen.iter().map(|status| (status.campaign, status.paused, is_paused(status.campaign)));
    told.filter(|(_, told, right)| told != right).map(|(id, _, right)| (id, right)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_domain::CampaignState;
    use tidings_store::{RevisionId, WorkspaceId};

    #[test]
    fn the_ledger_is_right_about_pauses() {
        let active = |id, paused| ActiveCampaign {
            id: CampaignId(id),
            workspace: WorkspaceId(1),
            state: CampaignState::Sending,
            paused,
            route: None,
            pool: None,
            revision: RevisionId(1),
            fanned_out: true,
            deadline: None,
        };
        let seen = |campaign, paused| CampaignStatus { campaign, paused, ready: 6, delayed: 0, leased: 0 };
        let ledger = [active(1, false), active(2, true), active(3, true), active(4, false)];
        let queue = [seen(1, true), seen(2, false), seen(3, true), seen(4, false), seen(5, true), seen(6, false)];
        assert_eq!(wrongly_told(&queue, &ledger), [(1, false), (2, true), (5, false)]);
    }
}
