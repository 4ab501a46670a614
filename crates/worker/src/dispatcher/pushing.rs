//! Jobs on their way to the queue: each gets its route and its shard, and the ledger is told when it was pushed.

use anyhow::Context;
use tidings_store::{ActiveCampaign, QueuedJob};

use super::Dispatcher;
use crate::now;

/// Deferred rows taken in one transaction.
const DUE_CHUNK_ROWS: i64 = 5_000;
/// Test messages taken in one step.
const TEST_CHUNK_ROWS: i64 = 100;

impl Dispatcher {
    /// What could not be sent stays for the next round.
    pub(super) async fn send_unsent(&mut self) -> anyhow::Result<()> {
        let placed = self.routing.place(self.unsent.clone()).await?;
        self.shards.push(&self.routing, &placed).await?;
        self.options.metrics.queued(self.unsent.len());
        let sent = std::mem::take(&mut self.unsent);
        Ok(self.store.pushed(&sent).await?)
    }

    pub(super) async fn queue_tests(&mut self) -> anyhow::Result<bool> {
        self.providers.resolve_for_tests().await?;
        let jobs = self.store.queue_tests(TEST_CHUNK_ROWS, now()).await?;
        let any = !jobs.is_empty();
        self.push(jobs).await?;
        Ok(any)
    }

    pub(super) async fn queue_due(&mut self) -> anyhow::Result<bool> {
        let jobs = self.store.take_due(now(), DUE_CHUNK_ROWS).await?;
        let any = !jobs.is_empty();
        self.push(jobs).await?;
        Ok(any)
    }

    pub(super) async fn push(&mut self, jobs: Vec<QueuedJob>) -> anyhow::Result<()> {
        self.options.metrics.queued(jobs.len());
        let batch = jobs.clone();
        self.route_and_push(jobs).await?;
        self.store.pushed(&batch).await?;
        Ok(())
    }

    pub(super) async fn route_and_push(&mut self, jobs: Vec<QueuedJob>) -> anyhow::Result<()> {
        let jobs = self.routing.place(jobs).await?;
        self.shards.push(&self.routing, &jobs).await
    }

    /// Routes that fail, recover or have a new day: limits follow, and rows that can leave by another way do.
    pub(super) async fn tend_routes(&mut self, campaigns: &[ActiveCampaign]) -> anyhow::Result<bool> {
        self.routing.look(campaigns).await.context("looking at the routes")?;
        self.shards.refresh(&self.routing).await.context("telling the limits of routes")?;
        let moved = self.routing.move_on().await.context("moving deliveries to another route")?;
        self.shards.push(&self.routing, &moved).await?;
        Ok(!moved.is_empty())
    }
}
