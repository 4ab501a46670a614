//! Finds the provider of every recipient domain before its deliveries are queued.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tidings_delivery::{ProviderTable, Resolver};
use tidings_domain::Problem;
use tidings_store::{CampaignId, Store};

use super::expiry;
use crate::now;

/// Domains looked up in one round.
const DOMAINS_A_ROUND: i64 = 2_000;
/// Look-ups at one time.
const LOOKUPS_AT_ONCE: usize = 64;

pub struct Providers {
    store: Store,
    resolver: Resolver,
    table: Arc<ProviderTable>,
}

impl Providers {
    pub fn new(store: Store, resolver: Resolver, table: Arc<ProviderTable>) -> Self {
        Self { store, resolver, table }
    }

    /// Looks up what the campaign's pending rows need and what is not known yet.
    pub async fn resolve_for(&self, campaign: CampaignId) -> anyhow::Result<()> {
        loop {
            let domains = self.store.domains_to_resolve(campaign, DOMAINS_A_ROUND, now()).await?;
            if domains.is_empty() {
                return Ok(());
            }
            self.resolve(domains).await?;
        }
    }

    pub async fn resolve_for_tests(&self) -> anyhow::Result<()> {
        let domains = self.store.test_domains_to_resolve(DOMAINS_A_ROUND, now()).await?;
        if domains.is_empty() { Ok(()) } else { self.resolve(domains).await }
    }

    async fn resolve(&self, domains: Vec<String>) -> anyhow::Result<()> {
        let found: Vec<(String, String, bool)> =
            stream::iter(domains).map(|domain| self.look_up(domain)).buffer_unordered(LOOKUPS_AT_ONCE).collect().await;
        for known in [true, false] {
            let part: Vec<_> = found.iter().filter(|f| f.2 == known).map(|f| (f.0.clone(), f.1.clone())).collect();
            if !part.is_empty() {
                self.store.save_domain_providers(part, expiry(now(), known)).await?;
            }
        }
        Ok(())
    }

    /// The domain, its provider, and whether DNS said so. A domain that DNS does not know still gets a group: the attempt will say what is
    /// wrong with it, and the ledger will show it.
    async fn look_up(&self, domain: String) -> (String, String, bool) {
        match self.resolver.mail_hosts(&domain).await {
            Ok(hosts) => {
                let provider = hosts.provider.to_string();
                (domain, provider, true)
            }
            Err(failure) => {
                let provider =
                    self.table.of_recipient_domain(&domain).map_or_else(|| format!("mx:{domain}"), |p| p.to_string());
                let known = matches!(failure.problem, Problem::NoSuchDomain | Problem::NoMailHost | Problem::NullMx);
                (domain, provider, known)
            }
        }
    }
}
