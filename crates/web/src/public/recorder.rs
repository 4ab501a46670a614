use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidings_store::{Seen, Store};

/// Opens and clicks that wait to be written. Beyond it they are let go: a reader never waits for our counting.
const MAX_WAITING: usize = 50_000;
/// Rows of one transaction.
const BATCH_ROWS: usize = 500;

/// Counts what readers do, behind their backs: while one batch is being written the next one gathers, so that a wave of opens
/// costs a few commits and not one each.
pub struct Recorder {
    store: Store,
    waiting: Mutex<Vec<Seen>>,
    /// A task is on its way that will write what waits.
    is_coming: AtomicBool,
    writing: tokio::sync::Mutex<()>,
}

impl Recorder {
    pub fn new(store: Store) -> Self {
        Self {
            store,
            waiting: Mutex::default(),
            is_coming: AtomicBool::new(false),
            writing: tokio::sync::Mutex::new(()),
        }
    }

    /// Returns at once.
    pub fn add(self: &Arc<Self>, seen: Seen) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MAX_WAITING {
            tracing::warn!("opens and clicks come faster than they can be written; some are not counted");
            return;
        }
        waiting.push(seen);
        drop(waiting);
        if !self.is_coming.swap(true, Ordering::AcqRel) {
            let recorder = Arc::clone(self);
            tokio::spawn(async move { recorder.flush().await });
        }
    }

    /// Writes all that waits, after what is being written.
    pub async fn flush(&self) {
        let _turn = self.writing.lock().await;
        self.is_coming.store(false, Ordering::Release);
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for batch in waiting.chunks(BATCH_ROWS) {
            if let Err(error) = self.store.record_seen(batch.to_vec()).await {
                tracing::error!(%error, rows = batch.len(), "opens and clicks could not be written and are not counted");
            }
        }
    }
}
