//! Who leads, and what a new leader, or a queue that is new or was lost, has to be told from the ledger.

use tidings_store::{DeliveryId, QueuedJob};

use super::Dispatcher;
use crate::leadership::Standing;

/// Rows read in one page when the queue is filled again.
const REFILL_PAGE_ROWS: i64 = 20_000;
/// The installation's fact that names the queue which the ledger filled last.
pub const QUEUE_FACT: &str = "queue_epoch";
/// Its value during a refill: a kill in the middle makes the next leader fill again.
const FILLING: &str = "filling";

impl Dispatcher {
    /// Whether this process is the one to act. A new leader knows nothing of what the last one told the queue.
    pub(super) async fn leads(&mut self) -> anyhow::Result<bool> {
        let Some(leadership) = &mut self.leadership else { return Ok(true) };
        match leadership.check().await? {
            Standing::StandsBy => Ok(false),
            Standing::Leads => Ok(true),
            Standing::TookOver => {
                self.epoch = None;
                self.takes_over = true;
                Ok(true)
            }
        }
    }

    /// A queue that is not the one the ledger last filled has lost every job, limit and pause.
    pub(super) async fn tell_anew(&mut self) -> anyhow::Result<()> {
        let epoch = self.queue.epoch();
        if self.epoch == Some(epoch) {
            return Ok(());
        }
        self.paused.clear();
        self.shards.forget();
        self.routing.forget();
        self.strays.forget();
        // Before the refill: a second loss in its middle is seen as one more change.
        self.epoch = Some(epoch);
        let known = self.store.replace_fact(QUEUE_FACT, FILLING.to_owned()).await?;
        if known.as_deref() != Some(&epoch.to_string()) {
            let jobs = self.refill().await?;
            tracing::info!(jobs, "the queue was new or had been emptied; filled it from the ledger");
        }
        self.store.replace_fact(QUEUE_FACT, epoch.to_string()).await?;
        Ok(())
    }

    /// What the last leader committed and may not have pushed.
    pub(super) async fn push_unpushed(&mut self) -> anyhow::Result<()> {
        while let Some((batch, jobs)) = self.store.unpushed().await? {
            self.route_and_push(jobs).await?;
            self.store.forget_unpushed(batch).await?;
        }
        Ok(())
    }

    /// Fills an empty queue from the ledger: after a start, or when the queue was lost. Deferred rows need no job: they are taken when due.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(super) async fn refill(&mut self) -> anyhow::Result<u64> {
        let campaigns = self.store.active_campaigns().await?;
        self.tell_pauses(&campaigns).await;
        let (mut after, mut total) = (DeliveryId(0), 0);
        loop {
            let page = self.store.open_jobs(after, REFILL_PAGE_ROWS).await?;
            let Some(last) = page.last() else { return Ok(total) };
            after = last.job.delivery;
            let ready: Vec<QueuedJob> =
                page.into_iter().filter(|open| open.due.is_none()).map(|open| open.job).collect();
            total += ready.len() as u64;
            self.push(ready).await?;
        }
    }
}
