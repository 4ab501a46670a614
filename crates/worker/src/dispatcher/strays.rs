//! The queue is an index of the ledger, and an index can lose entries: a process may be killed after it took jobs out and before it put
//! them back. When the queue knows no job of a campaign that has rows in its hands, the ledger is right.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tidings_domain::UnixMs;
use tidings_queue::{Health, Queue};
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
