//! Finds the provider of every recipient domain before its deliveries are queued.

use std::net::IpAddr;

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

    /// What the addresses of a domain without MX are called, one name for each; none when an address has no name of its own. Its mail
    /// reaches the same machines as that of the domains whose MX they are, and stands under the same budget.
    async fn names_of(&self, domain: &str) -> Vec<String> {
        let addresses = self.resolver.addresses(domain).await.unwrap_or_default();
        let mut names = Vec::with_capacity(addresses.len());
        for address in addresses {
            let found = self.resolver.reverse(address).await.unwrap_or_default();
            let Some(name) = found.confirmed.into_iter().find(|name| !is_numbered(name, address)) else {
                return Vec::new();
            };
            names.push(name);
        }
        names
    }

    /// The domain, its provider, and whether DNS said so. A domain that DNS does not know still gets a group: the attempt will say what is
    /// wrong with it, and the ledger will show it.
    async fn look_up(&self, domain: String) -> (String, String, bool) {
        match self.resolver.mail_hosts(&domain).await {
            Ok(hosts) => {
                let confirmed = if hosts.is_implicit { self.names_of(&domain).await } else { Vec::new() };
                let provider = provider_of(&hosts, &confirmed, &self.book.current().table);
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

/// By the table of this moment: what the resolver remembers may be of an older one. `confirmed`: the names of the addresses of a domain
/// without MX. If they are one operator's, it is his.
fn provider_of(found: &MailHosts, confirmed: &[String], table: &ProviderTable) -> String {
    let mut operators: Vec<String> = confirmed.iter().map(|name| table.group(&[name]).to_string()).collect();
    operators.dedup();
    if let [operator] = &mut operators[..] {
        return std::mem::take(operator);
    }
    let best = found.hosts.iter().map(|host| host.preference).min();
    let names: Vec<&str> =
        found.hosts.iter().filter(|host| Some(host.preference) == best).map(|host| host.name.as_str()).collect();
    table.group(&names).to_string()
}

/// `static.7.113.0.203.hoster.example`: a name made of the address is the network's, and says nothing of who operates the machine.
fn is_numbered(name: &str, address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else { return false };
    let numbers: Vec<u8> = name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    address.octets().iter().all(|octet| numbers.contains(octet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_delivery::MxHost;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

    fn group(confirmed: &[&str]) -> String {
        let host = MxHost { name: "old.example".to_owned(), preference: 0 };
        let found = MailHosts { provider: "".into(), hosts: vec![host], is_secure: false, is_implicit: true };
        let confirmed: Vec<String> = confirmed.iter().map(|name| (*name).to_owned()).collect();
        provider_of(&found, &confirmed, &ProviderTable::builtin().expect("a table"))
    }

    #[test]
    fn a_domain_without_mx_is_of_the_operator_of_its_addresses() {
        assert_eq!(group(&["aspmx.l.google.com"]), "google");
        assert_eq!(group(&["mx1.hoster.example", "mx2.hoster.example"]), "mx:hoster.example");
        assert_eq!(group(&["mx1.hoster.example", "mx1.other.example"]), "mx:old.example", "they do not agree");
        assert_eq!(group(&[]), "mx:old.example");
    }

    #[test]
    fn a_name_made_of_the_address_says_nothing() {
        for name in ["static.7.113.0.203.hoster.example", "h203-0-113-7.hoster.example"] {
            assert!(is_numbered(name, ADDRESS), "{name}");
        }
        for name in ["mx1.hoster.example", "mail-203-7.hoster.example"] {
            assert!(!is_numbered(name, ADDRESS), "{name}");
        }
    }
}
