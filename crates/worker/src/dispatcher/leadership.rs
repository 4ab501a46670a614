use std::time::{Duration, Instant};

use tidings_store::Store;

use crate::now;

const NAME: &str = "dispatcher";
/// A leader that was silent for so long is replaced.
const LEASE: Duration = Duration::from_secs(10);
/// How often the leader speaks, and a standby looks.
const RENEW_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Leads,
    /// Since this look.
    TookOver,
    StandsBy,
}

/// One dispatcher works for all. Two at once would do no harm, since every row is guarded by its state: they would only do the same twice.
pub struct Leadership {
    store: Store,
    name: String,
    leads: bool,
    looked: Option<Instant>,
}

impl Leadership {
    pub fn new(store: Store, name: String) -> Self {
        Self { store, name, leads: false, looked: None }
    }

    /// # Errors
    /// The database cannot be asked; whoever led stands by until it can.
    pub async fn check(&mut self) -> anyhow::Result<Standing> {
        if self.looked.is_some_and(|at| at.elapsed() < RENEW_EVERY) {
            return Ok(if self.leads { Standing::Leads } else { Standing::StandsBy });
        }
        let (led, ttl_ms) = (self.leads, i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX));
        self.leads = false;
        let holds = self.store.hold_lease(NAME, &self.name, ttl_ms, now()).await?;
        self.leads = holds;
        self.looked = Some(Instant::now());
        match (led, holds) {
            (true, true) => Ok(Standing::Leads),
            (false, true) => {
                tracing::info!("this process leads the dispatching now");
                Ok(Standing::TookOver)
            }
            (_, false) => Ok(Standing::StandsBy),
        }
    }

    pub async fn resign(&mut self) {
        if self.leads
            && let Err(error) = self.store.release_lease(NAME, &self.name).await
        {
            tracing::warn!(%error, "another dispatcher takes over when the lease has run out");
        }
        self.leads = false;
    }
}
