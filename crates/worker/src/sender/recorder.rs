//! The group commit: intents and outcomes of all connections share transactions.
//!
//! An intent waits for its commit, because the final dot must not leave before it. An outcome does not wait: the ledger's row stays
//! `sending` until the commit, and a crash in between leaves it in doubt, which is the truth. When the database refuses, nothing is
//! answered any more: sending stops by itself until outcomes can be recorded again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidings_store::{Intent, IntentAnswer, LedgerBatch, OutcomeRecord, Store};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::SenderStats;
use crate::now;

/// Entries in one transaction, at most.
const BATCH_ENTRIES: usize = 512;
/// Entries that wait for the committer, at most; then connections wait.
const WAITING_ENTRIES: usize = 4096;
/// How long the first entry of a batch waits for company.
const LINGER: Duration = Duration::from_millis(4);
const FIRST_RETRY_WAIT: Duration = Duration::from_millis(100);
const LONGEST_RETRY_WAIT: Duration = Duration::from_secs(5);

enum Entry {
    Intent(Intent, oneshot::Sender<IntentAnswer>),
    Outcome(Box<OutcomeRecord>),
}

#[derive(Clone)]
pub struct Recorder {
    entries: mpsc::Sender<Entry>,
    /// Connections that are between two entries: the committer lingers only while more can come.
    busy: Arc<AtomicUsize>,
}

/// The committer has ended: the process is stopping.
#[derive(Debug, thiserror::Error)]
#[error("the ledger's committer has stopped")]
pub struct Stopped;

impl Recorder {
    /// Starts the committer; it ends when the last clone of the recorder is dropped and everything is written.
    #[must_use]
    pub fn start(store: Store, stats: Arc<SenderStats>) -> (Self, tokio::task::JoinHandle<()>) {
        let (entries, waiting) = mpsc::channel(WAITING_ENTRIES);
        let busy = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(commit_all(store, stats, waiting, Arc::clone(&busy)));
        (Self { entries, busy }, task)
    }

    /// Commits the intent to send the final dot. Only `Go` allows it.
    ///
    /// # Errors
    /// [`Stopped`]: the dot must not be sent.
    pub async fn intent(&self, intent: Intent) -> Result<IntentAnswer, Stopped> {
        let (answer, verdict) = oneshot::channel();
        self.entries.send(Entry::Intent(intent, answer)).await.map_err(|_| Stopped)?;
        verdict.await.map_err(|_| Stopped)
    }

    /// Hands an outcome over for the next commit.
    ///
    /// # Errors
    /// [`Stopped`]: the row stays as it was, and recovery finds it.
    pub async fn outcome(&self, outcome: OutcomeRecord) -> Result<(), Stopped> {
        self.entries.send(Entry::Outcome(Box::new(outcome))).await.map_err(|_| Stopped)
    }

    /// Counts a connection in while it makes attempts.
    #[must_use]
    pub fn enter(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.busy))
    }
}

/// A connection at work; counted out when dropped.
pub struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn commit_all(store: Store, stats: Arc<SenderStats>, mut waiting: mpsc::Receiver<Entry>, busy: Arc<AtomicUsize>) {
    while let Some(first) = waiting.recv().await {
        let batch = gather(first, &mut waiting, &busy).await;
        let (entries, began) = (batch.len(), Instant::now());
        commit(&store, &stats, batch).await;
        stats.metrics.committed(entries, began.elapsed());
    }
}

/// The first entry and those that come while it lingers. Half of the connections at work is company enough: the others are reading
/// replies, and waiting for them would only slow everyone.
async fn gather(first: Entry, waiting: &mut mpsc::Receiver<Entry>, busy: &AtomicUsize) -> Vec<Entry> {
    let mut batch = vec![first];
    let until = Instant::now() + LINGER;
    loop {
        while batch.len() < BATCH_ENTRIES {
            match waiting.try_recv() {
                Ok(entry) => batch.push(entry),
                Err(_) => break,
            }
        }
        let intents = batch.iter().filter(|e| matches!(e, Entry::Intent(..))).count();
        if batch.len() >= BATCH_ENTRIES || 2 * intents >= busy.load(Ordering::Relaxed) {
            return batch;
        }
        match tokio::time::timeout_at(until, waiting.recv()).await {
            Ok(Some(entry)) => batch.push(entry),
            Ok(None) | Err(_) => return batch,
        }
    }
}

async fn commit(store: &Store, stats: &SenderStats, batch: Vec<Entry>) {
    let mut answers = Vec::new();
    let mut work = LedgerBatch::default();
    for entry in batch {
        match entry {
            Entry::Intent(intent, answer) => {
                work.intents.push(intent);
                answers.push(answer);
            }
            Entry::Outcome(outcome) => work.outcomes.push(*outcome),
        }
    }
    let verdicts = commit_until_done(store, stats, work).await;
    for (answer, verdict) in answers.into_iter().zip(verdicts) {
        if answer.send(verdict).is_err() && verdict == IntentAnswer::Go {
            tracing::warn!("a connection ended while its intent was committed: recovery will find the delivery");
        }
    }
}

/// Tries until the batch is written. A batch that the database refuses for what stands in it is written entry by entry, so that one bad
/// row cannot stop the others.
async fn commit_until_done(store: &Store, stats: &SenderStats, work: LedgerBatch) -> Vec<IntentAnswer> {
    let mut wait = FIRST_RETRY_WAIT;
    loop {
        match store.commit(work.clone(), now()).await {
            Ok(report) => return report.intents,
            Err(error) if error.is_about_content() && work.intents.len() + work.outcomes.len() > 1 => {
                tracing::error!(%error, "a ledger batch was refused; writing it entry by entry");
                return one_by_one(store, stats, work).await;
            }
            Err(error) if error.is_about_content() => {
                stats.metrics.commit_failed();
                tracing::error!(%error, ?work, "a ledger entry was refused and is left to recovery");
                return vec![IntentAnswer::Lost; work.intents.len()];
            }
            Err(error) => {
                stats.metrics.commit_failed();
                tracing::error!(%error, "outcomes cannot be recorded: sending waits until the database takes them");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_RETRY_WAIT);
            }
        }
    }
}

async fn one_by_one(store: &Store, stats: &SenderStats, work: LedgerBatch) -> Vec<IntentAnswer> {
    let mut verdicts = Vec::with_capacity(work.intents.len());
    // Outcomes first: they free rows that intents of the same delivery do not need.
    for outcome in work.outcomes {
        let single = LedgerBatch { intents: Vec::new(), outcomes: vec![outcome] };
        Box::pin(commit_until_done(store, stats, single)).await;
    }
    for intent in work.intents {
        let single = LedgerBatch { intents: vec![intent], outcomes: Vec::new() };
        verdicts.extend(Box::pin(commit_until_done(store, stats, single)).await);
    }
    verdicts
}
