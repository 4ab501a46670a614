//! The domains that an operator wants TLS for, read again every few seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_store::Store;
use tokio::sync::Mutex;

/// A change on the page acts within this.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Whether the certificate has to be valid, by domain.
type Required = Arc<HashMap<String, bool>>;

pub struct RequiredDomains {
    store: Store,
    read: Mutex<Option<(Instant, Required)>>,
}

impl RequiredDomains {
    pub fn new(store: Store) -> Self {
        Self { store, read: Mutex::default() }
    }

    /// `None`: nobody asks for TLS. Else whether its certificate has to be valid.
    ///
    /// # Errors
    /// The list cannot be read, and never was: nobody knows what it would say.
    pub async fn of(&self, domain: &str) -> Result<Option<bool>, tidings_store::StoreError> {
        let mut read = self.read.lock().await;
        if let Some((at, required)) = read.as_ref()
            && at.elapsed() < FRESH_FOR
        {
            return Ok(required.get(domain).copied());
        }
        match (self.store.tls_required_domains().await, read.as_ref()) {
            (Ok(rows), _) => {
                let required: HashMap<_, _> = rows.into_iter().map(|row| (row.domain, row.is_verified)).collect();
                let found = required.get(domain).copied();
                *read = Some((Instant::now(), Arc::new(required)));
                Ok(found)
            }
            (Err(error), Some((_, old))) => {
                tracing::warn!(%error, "the domains that need TLS cannot be read; what was read before holds");
                Ok(old.get(domain).copied())
            }
            (Err(error), None) => Err(error),
        }
    }
}
