//! Counts TLS sessions in memory and adds them to the database every few seconds. A killed process loses those of its last seconds: they
//! are statistics, and no delivery waits for them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidings_domain::{TlsPolicyType, TlsResult};
use tidings_store::{Store, StoreResult, TlsSessions, day_of};
use tokio_util::sync::CancellationToken;

use crate::now;

const WRITE_EVERY: Duration = Duration::from_secs(5);
const TIDY_EVERY: Duration = Duration::from_secs(3600);
/// Different counts that wait to be written, at most; further ones are not counted until then.
const MOST_WAITING: usize = 20_000;

type Key = (i32, String, TlsPolicyType, TlsResult, String);

/// One session that ended, well or not.
#[derive(Debug, Clone)]
pub struct SeenSession<'a> {
    /// The recipient's.
    pub domain: &'a str,
    pub policy: TlsPolicyType,
    pub policy_text: &'a str,
    pub result: TlsResult,
    /// Empty where the policy itself failed.
    pub mx_host: &'a str,
    pub sending_ip: Option<IpAddr>,
    pub receiving_ip: Option<IpAddr>,
    /// What was wrong; empty when nothing was.
    pub detail: &'a str,
}

#[derive(Clone, Default)]
pub struct TlsReports {
    waiting: Arc<Mutex<HashMap<Key, TlsSessions>>>,
}

impl TlsReports {
    pub fn note(&self, seen: &SeenSession<'_>) {
        let now = now();
        let ip = |ip: Option<IpAddr>| ip.map_or_else(String::new, |ip| ip.to_string());
        self.add(TlsSessions {
            day: day_of(now),
            domain: seen.domain.to_owned(),
            policy: seen.policy,
            result: seen.result,
            mx_host: seen.mx_host.to_owned(),
            n: 1,
            sending_ip: ip(seen.sending_ip),
            receiving_ip: ip(seen.receiving_ip),
            policy_text: seen.policy_text.to_owned(),
            detail: seen.detail.to_owned(),
            last_at_ms: now.0,
        });
    }

    /// Writes until stopped, and once more then.
    pub async fn run(self, store: Store, stop: CancellationToken) {
        let mut tidied: Option<Instant> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(WRITE_EVERY) => {}
            }
            self.write(&store).await;
            if tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
                tidied = Some(Instant::now());
                if let Err(error) = tidy(&store).await {
                    tracing::warn!(%error, "what is out of date about TLS stays for another hour");
                }
            }
        }
        self.write(&store).await;
    }

    pub(super) async fn write(&self, store: &Store) {
        let sessions: Vec<TlsSessions> = self.waiting().drain().map(|(_, sessions)| sessions).collect();
        if sessions.is_empty() {
            return;
        }
        if let Err(error) = store.add_tls_sessions(sessions.clone()).await {
            tracing::warn!(%error, "counts of TLS sessions cannot be written yet");
            sessions.into_iter().for_each(|again| self.add(again));
        }
    }

    fn add(&self, sessions: TlsSessions) {
        let key = (sessions.day, sessions.domain.clone(), sessions.policy, sessions.result, sessions.mx_host.clone());
        let mut waiting = self.waiting();
        if let Some(known) = waiting.get_mut(&key) {
            *known = TlsSessions { n: known.n + sessions.n, ..sessions };
        } else if waiting.len() < MOST_WAITING {
            waiting.insert(key, sessions);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Key, TlsSessions>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes what counts no more.
async fn tidy(store: &Store) -> StoreResult<()> {
    store.forget_old_tls_sessions(now()).await?;
    store.forget_expired_sts_policies(now()).await?;
    store.forget_old_missing_domains(now()).await?;
    Ok(())
}
