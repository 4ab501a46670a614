//! What the ledger needs now and then: parts for the months to come, and room where campaigns ended long ago.

use std::time::{Duration, Instant};

use tidings_store::{Retention, Store};

use crate::now;

const LOOK_EVERY: Duration = Duration::from_secs(3_600);

pub struct Chores {
    store: Store,
    /// Months for which rows are kept after that of their launch; 0: always.
    keep_months: u32,
    looked: Option<Instant>,
}

impl Chores {
    pub fn new(store: Store, keep_months: u32) -> Self {
        Self { store, keep_months, looked: None }
    }

    /// One bounded step. Returns whether there is more to do at once.
    pub async fn step(&mut self) -> anyhow::Result<bool> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(false);
        }
        self.store.prepare_months(now()).await?;
        self.store.forget_commit_marks(now()).await?;
        let removal = match self.keep_months {
            0 => Retention::Nothing,
            months => self.store.remove_old_rows(months, now()).await?,
        };
        if let Retention::Removed(campaigns) = removal {
            tracing::info!(campaigns, "removed the ledger's rows of campaigns that ended long ago");
        }
        if removal == Retention::Nothing {
            self.looked = Some(Instant::now());
        }
        Ok(removal != Retention::Nothing)
    }
}
