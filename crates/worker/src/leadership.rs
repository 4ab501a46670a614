use std::time::{Duration, Instant};

use tidings_store::Store;

use crate::now;

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

/// One process works for all. Two at once would do no harm, since every row is guarded by its state: they would only do the same twice.
pub struct Leadership {
    store: Store,
    /// Of what.
    what: String,
    name: String,
    leads: bool,
    looked: Option<Instant>,
}

impl Leadership {
    /// `what` is led by one process at a time, and this one is called `name`.
    pub fn of(what: &str, store: Store, name: String) -> Self {
        Self { store, what: what.to_owned(), name, leads: false, looked: None }
    }

    /// # Errors
    /// The database cannot be asked; whoever led stands by until it can.
    pub async fn check(&mut self) -> anyhow::Result<Standing> {
        if self.looked.is_some_and(|at| at.elapsed() < RENEW_EVERY) {
            return Ok(if self.leads { Standing::Leads } else { Standing::StandsBy });
        }
        let (led, ttl_ms) = (self.leads, i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX));
        self.leads = false;
        let holds = self.store.hold_lease(&self.what, &self.name, ttl_ms, now()).await?;
        self.leads = holds;
        self.looked = Some(Instant::now());
        match (led, holds) {
            (true, true) => Ok(Standing::Leads),
            (false, true) => {
                tracing::info!(what = self.what, "this process leads now");
                Ok(Standing::TookOver)
            }
            (_, false) => Ok(Standing::StandsBy),
        }
    }

    pub async fn resign(&mut self) {
        if self.leads
            && let Err(error) = self.store.release_lease(&self.what, &self.name).await
        {
            tracing::warn!(%error, "another process takes over when the lease has run out");
        }
        self.leads = false;
    }
}
