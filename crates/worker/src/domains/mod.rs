//! Looks after the sending domains of all workspaces: asks DNS whether what should stand there does, and lets the store draw the
//! consequences. Pages only wish for a look and show what it brought.

mod leaving;
mod look;

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tidings_delivery::Resolver;
use tidings_domain::{KEY_MISSED_FOR, SendingDomainState, UnixMs};
use tidings_store::{DomainDetails, KeySeen, Store};
use tokio_util::sync::CancellationToken;

use crate::leadership::{Leadership, Standing};
use crate::{Looping, Step, now, run_until_stopped};
use leaving::Leaving;

/// How soon a wish is noticed.
const IDLE: Duration = Duration::from_secs(1);
/// Domains looked at side by side.
const DOMAINS_A_ROUND: i64 = 8;
/// A domain in order is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(24 * 3600);
/// One that somebody is about to mend, or has to: its key was made or lost not long ago.
const LOOK_AGAIN: Duration = Duration::from_secs(10 * 60);
/// A key that nobody has published for so long is waited for no more closely than others.
const AWAITED_MS: i64 = 3 * UnixMs::DAY;

/// What the operator has said of this installation, as far as DNS has to say it too.
#[derive(Debug, Clone, Default)]
pub struct SendingFacts {
    /// Where bounces come back to; `None`: return paths stay within the From address's domain.
    pub bounce_domain: Option<String>,
    /// The name of the server that takes bounces and greets others.
    pub server: String,
    /// Public addresses that mail leaves from by routes that name none of their own, where they are known.
    pub addresses: Vec<IpAddr>,
}

pub struct DomainKeeper {
    store: Store,
    resolver: Resolver,
    facts: SendingFacts,
    leadership: Option<Leadership>,
}

impl DomainKeeper {
    /// `stands_as`: this process's name, when there may be others.
    #[must_use]
    pub fn new(store: Store, resolver: Resolver, facts: SendingFacts, stands_as: Option<String>) -> Self {
        let leadership = stands_as.map(|name| Leadership::of("domains", store.clone(), name));
        Self { store, resolver, facts, leadership }
    }

    pub async fn run(mut self, stop: CancellationToken) {
        run_until_stopped(&mut self, &stop, IDLE).await;
        if let Some(leadership) = &mut self.leadership {
            leadership.resign().await;
        }
    }

    async fn look_at(&self, details: DomainDetails) -> anyhow::Result<()> {
        let began_at = now();
        let (name, before) = (details.domain.name.clone(), details.domain.state);
        let routes = self.store.workspace(details.domain.workspace_id).routes().await?;
        let leaving = Leaving::by(&routes, &self.facts.addresses);
        let mut check = look::look(&self.resolver, &self.facts, &details, &leaving, began_at).await;
        check.next_check_at = next_look(&details, &check.keys, began_at);
        let after = self.store.settle_domain_check(check, now()).await?;
        match after {
            Some(SendingDomainState::Failing) if before != SendingDomainState::Failing => {
                tracing::error!(
                    domain = name,
                    "no DKIM key of a sending domain stands in DNS any more: its mail waits"
                );
            }
            Some(state) if state != before => tracing::info!(domain = name, %state, "a sending domain has changed"),
            _ => {}
        }
        Ok(())
    }
}

/// Very soon when a key in use was missed: a second look decides. Soon while one is awaited or lost, else tomorrow.
fn next_look(details: &DomainDetails, seen: &[(tidings_store::DkimKeyId, KeySeen)], now: UnixMs) -> UnixMs {
    let is_there = |id| seen.iter().any(|(key, seen)| *key == id && *seen == KeySeen::Published);
    let is_new = |at: i64| now.0 - at < AWAITED_MS;
    let was_missed =
        |id| seen.iter().any(|(key, seen)| *key == id && matches!(seen, KeySeen::NotPublished | KeySeen::Withdrawn));
    if details.keys.iter().any(|key| key.is_living() && key.published_at_ms.is_some() && was_missed(key.id)) {
        return now.plus(KEY_MISSED_FOR);
    }
    let awaited = details.keys.iter().filter(|key| key.is_living() && !is_there(key.id));
    let soon = details.domain.state == SendingDomainState::Failing
        || awaited.into_iter().any(|key| is_new(key.created_at_ms) || key.published_at_ms.is_some());
    now.plus(if soon { LOOK_AGAIN } else { LOOK_EVERY })
}

impl Looping for DomainKeeper {
    const NAME: &'static str = "domains";

    async fn step(&mut self) -> anyhow::Result<Step> {
        if let Some(leadership) = &mut self.leadership
            && leadership.check().await? == Standing::StandsBy
        {
            return Ok(Step::Idle);
        }
        let due = self.store.domains_due(now(), DOMAINS_A_ROUND).await?;
        let looked = join_all(due.into_iter().map(|details| self.look_at(details))).await;
        let any = !looked.is_empty();
        looked.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(if any { Step::DidWork } else { Step::Idle })
    }
}
