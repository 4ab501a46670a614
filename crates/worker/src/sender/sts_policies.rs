//! MTA-STS policies of recipient domains (RFC 8461): in memory, behind it the database, behind it DNS and HTTPS.
//!
//! The first mail to a domain waits for its record, and for its policy if it has one. From then on what is known serves, and is renewed
//! behind its back. A policy that could not be renewed holds until it expires: an attacker who hides the record gains nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_delivery::{StsClient, StsFault, StsPolicy};
use tidings_domain::{TlsPolicyType, UnixMs};
use tidings_store::{Store, StsPolicyRow};
use tokio::time::Instant;

use super::tls_reports::{SeenSession, TlsReports};
use crate::now;

/// How long the record is believed, whatever its TTL says.
const LOOK_AGAIN: std::ops::Range<Duration> = Duration::from_secs(5 * 60)..Duration::from_secs(24 * 3600);
/// After a failure (RFC 8461 §3.3 asks for no less than five minutes).
const LOOK_AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(5 * 60);
/// What was known this long ago serves while it is renewed.
const SERVES_STALE: Duration = Duration::from_secs(3600);
/// A policy is fetched anew once a day, also under the same id (RFC 8461 §5.1 advises it), so that it does not run out.
const FETCH_AGAIN_MS: i64 = UnixMs::DAY;
const MOST_DOMAINS: usize = 100_000;

/// A policy in force.
#[derive(Debug, PartialEq, Eq)]
pub struct StsInForce {
    pub policy: StsPolicy,
    /// As it was served, for reports.
    pub text: String,
    expires_at: UnixMs,
}

struct Known {
    policy: Option<Arc<StsInForce>>,
    look_again: Instant,
}

impl Known {
    fn in_force(&self) -> Option<Arc<StsInForce>> {
        self.policy.clone().filter(|policy| now() < policy.expires_at)
    }
}

type Slot = Arc<tokio::sync::Mutex<Option<Known>>>;

#[derive(Clone)]
pub struct StsPolicies {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    client: StsClient,
    reports: TlsReports,
    slots: Mutex<HashMap<String, Slot>>,
}

impl StsPolicies {
    pub fn new(store: Store, client: StsClient, reports: TlsReports) -> Self {
        Self { inner: Arc::new(Inner { store, client, reports, slots: Mutex::default() }) }
    }

    /// The policy that holds for a domain now, if any.
    pub async fn of(&self, domain: &str) -> Option<Arc<StsInForce>> {
        let slot = self.inner.slot(domain);
        let mut held = slot.lock().await;
        let now = Instant::now();
        match held.as_mut() {
            Some(known) if now < known.look_again => known.in_force(),
            Some(known) if now < known.look_again + SERVES_STALE => {
                // One renews it; the others go on meanwhile.
                known.look_again = now + LOOK_AGAIN_AFTER_FAILURE;
                self.renew(domain.to_owned(), Arc::clone(&slot));
                known.in_force()
            }
            _ => {
                let found = self.inner.look_up(domain).await;
                let policy = found.in_force();
                *held = Some(found);
                policy
            }
        }
    }

    fn renew(&self, domain: String, slot: Slot) {
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let found = inner.look_up(&domain).await;
            *slot.lock().await = Some(found);
        });
    }
}

impl Inner {
    fn slot(&self, domain: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST_DOMAINS && !slots.contains_key(domain) {
            // The database knows the policies; the rest is a question to DNS.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(domain.to_owned()).or_default())
    }

    async fn look_up(&self, domain: &str) -> Known {
        let later = |wait| Instant::now() + wait;
        let kept = match self.store.sts_policy(domain.to_owned(), now()).await {
            Ok(row) => row,
            Err(error) => {
                tracing::warn!(%error, domain, "a policy cannot be read");
                None
            }
        };
        let known = |row: Option<StsPolicyRow>, wait| Known { policy: row.and_then(in_force), look_again: later(wait) };
        let record = match self.client.record(domain).await {
            Ok(record) => record,
            Err(failure) => {
                tracing::debug!(%failure, "whether a domain has a policy is not known");
                return known(kept, LOOK_AGAIN_AFTER_FAILURE);
            }
        };
        let wait = record.ttl.clamp(LOOK_AGAIN.start, LOOK_AGAIN.end);
        // Without a record a policy of before holds until it expires (RFC 8461 §2).
        let Some(id) = record.id else { return known(kept, wait) };
        if kept.as_ref().is_some_and(|row| row.policy_id == id && now().0 - row.fetched_at_ms < FETCH_AGAIN_MS) {
            return known(kept, wait);
        }
        match self.client.fetch(domain).await {
            Ok((text, policy)) => known(Some(self.keep(domain, id, text, &policy).await), wait),
            Err(fault) => {
                self.report(domain, &fault);
                known(kept, LOOK_AGAIN_AFTER_FAILURE)
            }
        }
    }

    async fn keep(&self, domain: &str, policy_id: String, text: String, policy: &StsPolicy) -> StsPolicyRow {
        let now = now();
        let row = StsPolicyRow {
            domain: domain.to_owned(),
            policy_id,
            policy: text,
            fetched_at_ms: now.0,
            expires_at_ms: now.plus(policy.max_age).0,
        };
        if let Err(error) = self.store.save_sts_policy(row.clone()).await {
            tracing::warn!(%error, domain, "a policy cannot be kept; it holds in this process");
        }
        row
    }

    fn report(&self, domain: &str, fault: &StsFault) {
        tracing::info!(domain, %fault, "a policy could not be fetched");
        self.reports.note(&SeenSession {
            domain,
            policy: TlsPolicyType::Sts,
            policy_text: "",
            result: fault.result,
            mx_host: "",
            sending_ip: None,
            receiving_ip: None,
            detail: &fault.detail,
        });
    }
}

/// What is kept was a policy when it was written.
fn in_force(row: StsPolicyRow) -> Option<Arc<StsInForce>> {
    let policy = StsPolicy::parse(&row.policy).ok()?;
    Some(Arc::new(StsInForce { policy, text: row.policy, expires_at: UnixMs(row.expires_at_ms) }))
}
