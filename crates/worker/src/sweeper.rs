//! Mends what stands still: leases whose holder is gone. And shows that this process lives.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_domain::UnixMs;
use tidings_queue::{Job, Queue};
use tidings_store::{CampaignId, DeliveryId, Heartbeat, LedgerBatch, OutcomeRecord, ReplyRecord, Settled, Store};
use tokio_util::sync::CancellationToken;

use crate::sender::SenderStats;
use crate::{Looping, Step, now, run_until_stopped};

const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);
/// A process that was silent for so long is not shown any more.
const FORGET_AFTER_MS: i64 = UnixMs::DAY;
/// The peer may take 10 minutes for its reply to the final dot (RFC 5321 §4.5.3.2.6); an attempt that shows nothing for longer than that
/// and a margin has nobody who could still read it.
const SILENT_AFTER_MS: i64 = 15 * UnixMs::MINUTE;

pub struct Sweeper {
    pub store: Store,
    pub queue: Queue,
    pub stats: Arc<SenderStats>,
    /// This process: its id, roles, host, version.
    pub identity: Heartbeat,
    pub mends: Mends,
    pub pace: Pace,
}

/// What this process looks after besides its own heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mends {
    Nothing,
    /// Leases that ran out. At its start the only process of an installation has called all attempts in doubt.
    Leases,
    /// And attempts that are silent for too long: their process, and the queue that knew of them, may both be gone.
    LeasesAndSilence,
}

impl Sweeper {
    pub async fn run(mut self, stop: CancellationToken) {
        run_until_stopped(&mut self, &stop, HEARTBEAT_EVERY).await;
        if let Err(error) = self.store.remove_worker(&self.identity.id).await {
            tracing::warn!(%error, "this process's heartbeat stays behind");
        }
    }

    /// Jobs of holders that vanished: a row still `queued` was never handed over and is queued again; one in `sending` is in doubt. The ledger
    /// is told first: if this process dies on the way, the queue hands the jobs over again, and what was recorded stays as it is.
    async fn reconcile_expired(&self) -> anyhow::Result<()> {
        let expired = self.queue.expired().await;
        if expired.is_empty() {
            return Ok(());
        }
        let jobs = || expired.iter().flat_map(|lease| &lease.jobs);
        tracing::warn!(leases = expired.len(), jobs = jobs().count(), "leases ran out; asking the ledger about them");
        let ids = jobs().map(|job| DeliveryId(job.delivery)).collect();
        let queued = self.store.load_work(ids).await?;
        let queued: HashSet<(i64, i16)> = queued.iter().map(|w| (w.delivery.0, w.attempt)).collect();
        let waits = |job: &Job| queued.contains(&(job.delivery, job.attempt));
        let outcomes: Vec<OutcomeRecord> = jobs().filter(|job| !waits(job)).map(|job| vanished(*job)).collect();
        self.stats.metrics.interrupted(outcomes.len() as u64);
        // The guard of the ledger decides: only a row that still stands in `sending` at this attempt becomes in doubt.
        self.store.commit(LedgerBatch { outcomes, ..LedgerBatch::default() }, now()).await?;
        for lease in &expired {
            let again: Vec<Job> = lease.jobs.iter().copied().filter(waits).collect();
            self.queue.recovered(lease, &again).await;
        }
        Ok(())
    }
}

/// Attempts of the last minute, from the counts at each heartbeat.
#[derive(Debug, Default)]
pub struct Pace {
    seen: VecDeque<(UnixMs, i64)>,
}

impl Pace {
    fn over_a_minute(&mut self, now: UnixMs, attempts: i64) -> i64 {
        self.seen.push_back((now, attempts));
        // The first count kept is the last one that is a minute old.
        while self.seen.get(1).is_some_and(|(at, _)| now.0 - at.0 >= UnixMs::MINUTE) {
            self.seen.pop_front();
        }
        let Some((since, first)) = self.seen.front() else { return 0 };
        match now.0 - since.0 {
            0 => 0,
            ms => (attempts - first) * UnixMs::MINUTE / ms,
        }
    }
}

impl Looping for Sweeper {
    const NAME: &'static str = "sweeper";

    async fn step(&mut self) -> anyhow::Result<Step> {
        let now = now();
        let attempts = count(&self.stats.attempts);
        self.store
            .beat(Heartbeat {
                heartbeat_at_ms: now.0,
                connections: count(&self.stats.connections),
                attempts,
                attempts_per_minute: self.pace.over_a_minute(now, attempts),
                ..self.identity.clone()
            })
            .await?;
        self.store.forget_silent_workers(UnixMs(now.0 - FORGET_AFTER_MS)).await?;
        if self.mends != Mends::Nothing {
            self.reconcile_expired().await?;
        }
        if self.mends == Mends::LeasesAndSilence {
            let silent = self.store.lose_sight(None, UnixMs(now.0 - SILENT_AFTER_MS), now).await?;
            self.stats.metrics.interrupted(u64::try_from(silent.in_doubt).unwrap_or(0));
        }
        Ok(Step::Idle)
    }
}

fn vanished(job: Job) -> OutcomeRecord {
    let text = "The process that was sending this message vanished before it could read the reply.".to_owned();
    OutcomeRecord {
        delivery: DeliveryId(job.delivery),
        campaign: CampaignId(job.campaign),
        attempt: job.attempt,
        settled: Settled::InDoubt,
        reason: Some("interrupted".to_owned()),
        meaning: None,
        reply: Some(ReplyRecord { code: None, enhanced: None, key: text.clone(), text }),
        route: None,
        protection: None,
        facts: None,
    }
}

fn count(value: &std::sync::atomic::AtomicU64) -> i64 {
    i64::try_from(value.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_minute() {
        let mut pace = Pace::default();
        assert_eq!(pace.over_a_minute(UnixMs(0), 0), 0);
        assert_eq!(pace.over_a_minute(UnixMs(2_000), 10), 300, "after two seconds it is a guess");
        for second in (4..=120).step_by(2) {
            pace.over_a_minute(UnixMs(second * 1_000), 10);
        }
        assert_eq!(pace.over_a_minute(UnixMs(122_000), 10), 0, "the burst is forgotten");
        assert!(pace.seen.len() <= 32, "{}", pace.seen.len());
    }
}
