//! Makes attempts: leases a connection's worth of jobs, speaks to the peer, records what came of it.

mod ahead;
mod content;
mod context;
mod demands;
mod judge;
mod line;
mod missing;
mod opening;
mod pace;
mod recorder;
#[cfg(test)]
pub mod samples;
mod signers;
mod signing;
mod sts_policies;
mod targets;
mod tls_memory;
mod tls_reports;
mod tls_required;
#[cfg(test)]
mod transport_tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_domain::{Lane, RetryPolicy};
use tidings_queue::Lanes;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use content::SiteOptions;
pub use context::{Parts, SenderStats};
pub(crate) use pace::{pace_of, word as knob_word};
pub use targets::{TargetOptions, Targets};

use crate::routes::RouteKeeper;
use context::SenderContext;
use line::serve;
use recorder::Recorder;

/// How long one call waits for a lease before it looks whether it should stop.
const LEASE_WAIT: Duration = Duration::from_secs(2);

/// Jobs taken with a connection that is still to be opened, which takes a while: the more were charged, the more may have to go back.
const JOBS_TO_OPEN_WITH: usize = 5;

/// At the end, for the last counts of TLS sessions.
const LAST_COUNTS_WAIT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct SenderOptions {
    /// Names this process in leases and heartbeats.
    pub worker_id: String,
    /// What it takes from the queue.
    pub lanes: Lanes,
    /// SMTP connections at one time.
    pub max_connections: usize,
    /// Jobs taken in one claim.
    pub jobs_a_claim: usize,
    /// A connection without work is kept open this long for the next job.
    pub keep_idle: Duration,
    /// After the order to stop, what is in flight may take this long. RFC 5321 allows 10 minutes for the reply to the final dot; what has no
    /// reply by then stays `sending` and is found in doubt.
    pub drain: Duration,
    pub retry: fn(Lane) -> RetryPolicy,
    /// A lease shows life this often: several times before it would run out.
    pub extend_every: Duration,
    /// No hold of a provider lasts longer. Only a sandbox, where time is short, sets less than days.
    pub longest_hold: Duration,
}

impl SenderOptions {
    #[must_use]
    pub fn new(worker_id: String, max_connections: usize) -> Self {
        Self {
            worker_id,
            lanes: Lanes::ALL,
            max_connections,
            jobs_a_claim: 25,
            keep_idle: Duration::from_secs(2),
            drain: Duration::from_secs(30),
            retry: RetryPolicy::for_lane,
            extend_every: Duration::from_secs(15),
            longest_hold: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

pub struct Sender {
    context: Arc<SenderContext>,
    keeper: RouteKeeper,
    committer: tokio::task::JoinHandle<()>,
}

impl Sender {
    /// Starts the committer; [`Sender::run`] starts the connections.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let stats = Arc::<SenderStats>::default();
        let (recorder, committer) = Recorder::start(parts.store.clone(), Arc::clone(&stats));
        let (context, keeper) = SenderContext::new(parts, recorder, stats);
        Self { context: Arc::new(context), keeper, committer }
    }

    #[must_use]
    pub fn stats(&self) -> Arc<SenderStats> {
        Arc::clone(&self.context.stats)
    }

    /// On a restored backup no intent is granted until a person unlocks sending; till then nothing is taken from the queue either. Only a
    /// start can find the lock, because a restore needs the processes stopped.
    async fn wait_for_unlock(&self, stop: &CancellationToken) {
        let mut told = false;
        while !stop.is_cancelled() {
            match self.context.store.sending_lock().await {
                Ok(None) => return,
                Ok(Some(why)) if !told => {
                    tracing::warn!(
                        why,
                        "sending is locked: unlock it on the home page or with `tidings unlock-sending`"
                    );
                    told = true;
                }
                Ok(Some(_)) => {}
                Err(error) => tracing::error!(%error, "whether sending is locked cannot be read; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LEASE_WAIT) => {}
            }
        }
    }

    /// Runs until stopped, then finishes what is in flight within the drain time and writes every outcome.
    pub async fn run(mut self, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.context.options.max_connections));
        let lines = TaskTracker::new();
        let reported = CancellationToken::new();
        let reports = self.context.targets.reports.clone();
        let reporting = tokio::spawn(reports.run(self.context.store.clone(), reported.clone()));
        self.wait_for_unlock(&stop).await;
        // Before the first job is taken: a route that is switched off is off from the start.
        if let Err(error) = self.keeper.look().await {
            tracing::error!(%error, "the routes cannot be read yet; what is known of them follows");
        }
        let keeper = tokio::spawn(self.keeper.run(stop.clone()));
        while !stop.is_cancelled() {
            let Some(slot) = free_slot(&slots, &stop).await else { break };
            let options = &self.context.options;
            self.context.queue.bar_routes(&self.context.watch.barred());
            let jobs = options.jobs_a_claim.min(JOBS_TO_OPEN_WITH);
            let lease = self.context.queue.lease(&options.worker_id, options.lanes, jobs, LEASE_WAIT);
            let Some(grant) = lease.await else { continue };
            let (context, stop) = (Arc::clone(&self.context), stop.clone());
            lines.spawn(async move {
                context.stats.connections.fetch_add(1, Ordering::Relaxed);
                context.stats.metrics.opened();
                serve(&context, grant, &stop).await;
                context.stats.connections.fetch_sub(1, Ordering::Relaxed);
                context.stats.metrics.closed();
                drop(slot);
            });
        }
        lines.close();
        // It may be in the middle of a wait; what it does is read again at the next start.
        keeper.abort();
        if tokio::time::timeout(self.context.options.drain, lines.wait()).await.is_err() {
            tracing::warn!("stopping with messages in flight: their deliveries will be in doubt");
        }
        reported.cancel();
        if tokio::time::timeout(LAST_COUNTS_WAIT, reporting).await.is_err() {
            tracing::warn!("stopping before the last counts of TLS sessions were written");
        }
        // The last recorder is in the context; without it the committer writes what it has and ends.
        drop(self.context);
        if tokio::time::timeout(Duration::from_secs(10), self.committer).await.is_err() {
            tracing::error!("stopping although outcomes could not be written: their deliveries will be in doubt");
        }
    }
}

async fn free_slot(slots: &Arc<Semaphore>, stop: &CancellationToken) -> Option<tokio::sync::OwnedSemaphorePermit> {
    tokio::select! {
        () = stop.cancelled() => None,
        permit = Arc::clone(slots).acquire_owned() => permit.ok(),
    }
}
