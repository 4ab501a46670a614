//! Finds the provider of every recipient domain before its deliveries are queued.

use futures_util::{StreamExt, stream};
use tidings_bounce::ProviderBook;
use tidings_delivery::{MailHosts, Resolver};
use tidings_domain::{Problem, ProviderTable, Shared};
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
    book: Shared<ProviderBook>,
}

impl Providers {
    pub fn new(store: Store, resolver: Resolver, book: Shared<ProviderBook>) -> Self {
        Self { store, resolver, book }
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
                let provider = provider_of(&hosts, &self.book.current().table);
                (domain, provider, true)
            }
            Err(failure) => {
                let table = &self.book.current().table;
                let provider =
                    table.of_recipient_domain(&domain).map_or_else(|| format!("mx:{domain}"), |p| p.to_string());
                let known = matches!(failure.problem, Problem::NoSuchDomain | Problem::NoMailHost | Problem::NullMx);
                (domain, provider, known)
            }
        }
    }
}

/// By the table of this moment: what the resolver remembers may be of an older one.
fn provider_of(found: &MailHosts, table: &ProviderTable) -> String {
    let best = found.hosts.iter().map(|host| host.preference).min();
    let names: Vec<&str> =
        found.hosts.iter().filter(|host| Some(host.preference) == best).map(|host| host.name.as_str()).collect();
    table.group(&names).to_string()
}
