//! A campaign's way through the ledger: its rows are written, get their provider and become jobs; what is left of it ends.

use std::time::{Duration, Instant};

use tidings_domain::{CampaignState, CampaignTransition};
use tidings_store::{ActiveCampaign, CampaignId, FanOut};

use super::Dispatcher;
use crate::now;

/// Subscribers of one fan-out transaction. SQLite's one writer is not kept from others for longer than a tenth of a second or so.
const FANOUT_CHUNK_ROWS: i64 = 25_000;
const FANOUT_CHUNK_ROWS_EMBEDDED: i64 = 10_000;
/// One campaign's fan-out goes on for so long before the others have their turn.
const FANOUT_TURN: Duration = Duration::from_secs(1);
/// Ledger rows that become jobs in one transaction.
const QUEUE_CHUNK_ROWS: i64 = 10_000;
/// Rows of a cancelled campaign ended in one transaction.
const CANCEL_CHUNK_ROWS: i64 = 10_000;
/// Rows of a campaign whose deadline has passed ended in one transaction.
const DEADLINE_CHUNK_ROWS: i64 = 10_000;
/// Cancelled campaigns whose rows are ended in one step.
const CANCELLED_CAMPAIGNS: i64 = 20;

impl Dispatcher {
    /// Returns whether there may be more to do at once.
    pub(super) async fn move_along(&mut self, campaign: &ActiveCampaign) -> anyhow::Result<bool> {
        match campaign.state {
            CampaignState::Queuing => self.fan_out(campaign).await,
            CampaignState::Queued | CampaignState::Sending => {
                // Rows in doubt that a person sends again are pending once more.
                let queued = self.queue_pending(campaign).await?;
                self.store.finish_if_drained(campaign.id, now()).await?;
                Ok(queued)
            }
            _ => Ok(false),
        }
    }

    /// What was not sent by the deadline ends. The queue forgets its jobs first: they would only use up what others may send.
    pub(super) async fn end_at_deadline(&mut self, campaign: &ActiveCampaign) -> anyhow::Result<bool> {
        if campaign.deadline.is_none_or(|at| at > now()) {
            return Ok(false);
        }
        if self.over.insert(campaign.id) {
            self.queue.drop_campaign(campaign.id.0).await;
            // It forgets a pause with the jobs.
            self.paused.remove(&campaign.id);
        }
        Ok(self.store.end_at_deadline(campaign.id, DEADLINE_CHUNK_ROWS, now()).await? > 0)
    }

    /// Some chunks of ledger rows, and jobs: at once for those whose provider is known, for the others as soon as it is.
    pub(super) async fn fan_out(&mut self, campaign: &ActiveCampaign) -> anyhow::Result<bool> {
        let began = Instant::now();
        let mut written = self.write_chunk(campaign.id).await?;
        while matches!(written, FanOut::Chunk { .. }) && began.elapsed() < FANOUT_TURN {
            written = self.write_chunk(campaign.id).await?;
        }
        self.send_unsent().await?;
        let queued = self.queue_pending(campaign).await?;
        match written {
            FanOut::Chunk { .. } => Ok(true),
            FanOut::NotQueuing => Ok(false),
            FanOut::Finished { .. } if queued => Ok(true),
            FanOut::Finished { .. } => {
                // All jobs exist. `LostRace` means that somebody cancelled meanwhile: nothing to do.
                self.store.apply(campaign.id, CampaignTransition::FinishQueuing, now()).await?;
                Ok(true)
            }
        }
    }

    /// The jobs of the chunk before travel to the queue while this one is written.
    pub(super) async fn write_chunk(&mut self, campaign: CampaignId) -> anyhow::Result<FanOut> {
        let rows = if self.store.is_embedded() { FANOUT_CHUNK_ROWS_EMBEDDED } else { FANOUT_CHUNK_ROWS };
        let store = self.store.clone();
        let (written, sent) = tokio::join!(store.fan_out(campaign, rows, now()), self.send_unsent());
        let (written, jobs) = written?;
        self.unsent.extend(jobs);
        sent?;
        Ok(written)
    }

    pub(super) async fn queue_pending(&mut self, campaign: &ActiveCampaign) -> anyhow::Result<bool> {
        self.providers.resolve_for(campaign.id).await?;
        let jobs = self.store.queue_pending(campaign.id, QUEUE_CHUNK_ROWS, now()).await?;
        let any = !jobs.is_empty();
        self.push(jobs).await?;
        Ok(any)
    }

    pub(super) async fn end_cancelled(&mut self) -> anyhow::Result<bool> {
        let mut any = false;
        for campaign in self.store.cancelled_with_rows(CANCELLED_CAMPAIGNS).await? {
            self.queue.drop_campaign(campaign.0).await;
            any |= self.store.cancel_rows(campaign, CANCEL_CHUNK_ROWS, now()).await? > 0;
        }
        Ok(any)
    }
}
