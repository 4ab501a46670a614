//! What DNS said of domains that do not exist: one answer defers, a second one much later ends.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_delivery::DnsFailure;
use tidings_domain::{Outcome, Problem, UnixMs};
use tidings_store::Store;

use crate::now;

/// The two answers are at least an hour apart: another worker's may be an hour old when it is noted, because that long "no such domain"
/// is believed without asking again.
const PERSISTS: Duration = Duration::from_secs(2 * 60 * 60);
/// The database is told of a domain at most so often.
const NOTE_AGAIN: Duration = Duration::from_secs(5 * 60);
const MOST_DOMAINS: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Noted {
    first: UnixMs,
    last: UnixMs,
}

pub struct MissingDomains {
    store: Store,
    noted: Mutex<HashMap<String, Noted>>,
}

impl MissingDomains {
    pub fn new(store: Store) -> Self {
        Self { store, noted: Mutex::default() }
    }

    /// The outcome of a look-up that led nowhere.
    pub async fn outcome(&self, domain: &str, failure: DnsFailure) -> Outcome {
        let gone = match failure.problem {
            Problem::NoSuchDomain => Problem::DomainGone,
            Problem::NoMailHost => Problem::MailHostGone,
            _ => return failure.into(),
        };
        let since = self.note(domain).await;
        if since < PERSISTS {
            return failure.into();
        }
        let detail = format!("{}; DNS said so {} hours ago already", failure.detail, since.as_secs() / 3600);
        DnsFailure { problem: gone, detail }.into()
    }

    /// How long DNS has been saying it. When that cannot be read, it has only begun.
    async fn note(&self, domain: &str) -> Duration {
        let now = now();
        if let Some(known) = self.noted().get(domain).filter(|known| now.since(known.last) < NOTE_AGAIN) {
            return now.since(known.first);
        }
        match self.store.note_missing_domain(domain, now).await {
            Ok(since) => {
                let first = UnixMs(now.0 - i64::try_from(since.as_millis()).unwrap_or(0));
                let mut noted = self.noted();
                if noted.len() >= MOST_DOMAINS {
                    noted.clear();
                }
                noted.insert(domain.to_owned(), Noted { first, last: now });
                since
            }
            Err(error) => {
                tracing::warn!(%error, domain, "that a domain is missing could not be kept");
                Duration::ZERO
            }
        }
    }

    /// The domain is there, after all.
    pub async fn found(&self, domain: &str) {
        if self.noted().remove(domain).is_none() {
            return;
        }
        if let Err(error) = self.store.forget_missing_domain(domain).await {
            tracing::warn!(%error, domain, "that a domain was missing could not be forgotten");
        }
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<String, Noted>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
