//! Where a workspace's mail leaves from: every address of every route that is switched on, because a pool, a failover or the next campaign
//! may take any of them.

use std::net::{IpAddr, Ipv4Addr};

use tidings_domain::RouteKind;
use tidings_store::Route;

/// Addresses that are told by name; a record that lacks more is written anew anyway.
const MOST_TOLD: usize = 10;

/// An address, and the route that uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub ip: IpAddr,
    route: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leaving {
    /// Each address once.
    pub sources: Vec<Source>,
    /// Names of direct routes of which no public address is known.
    unknown: Vec<String>,
    relays: usize,
}

impl Leaving {
    /// `addresses`: of a route that names none itself.
    pub fn by(routes: &[Route], addresses: &[IpAddr]) -> Self {
        let mut leaving = Self::default();
        for route in routes.iter().filter(|route| route.enabled) {
            if route.kind == RouteKind::Relay {
                leaving.relays += 1;
            } else {
                leaving.add(route, addresses);
            }
        }
        leaving
    }

    fn add(&mut self, route: &Route, addresses: &[IpAddr]) {
        let own = [&route.source_v4, &route.source_v6].into_iter().filter_map(|source| source.parse().ok());
        let used: Vec<IpAddr> = if route.has_source() { own.collect() } else { addresses.to_vec() };
        // Behind a translation receivers see another address than the machine has.
        let public: Vec<IpAddr> = used.into_iter().filter(|ip| is_seen_outside(*ip)).collect();
        if public.is_empty() {
            self.unknown.push(route.name.clone());
        }
        for ip in public {
            if !self.sources.iter().any(|known| known.ip == ip) {
                self.sources.push(Source { ip, route: route.name.clone() });
            }
        }
    }

    pub fn addresses(&self) -> Vec<IpAddr> {
        self.sources.iter().map(|source| source.ip).collect()
    }

    pub fn is_relayed_only(&self) -> bool {
        self.relays > 0 && self.sources.is_empty() && self.unknown.is_empty()
    }

    /// Of addresses that the record does not name.
    pub fn words_for_missing(&self, missing: &[&Source]) -> String {
        let name = |source: &&Source| match self.sources.len() {
            1 => source.ip.to_string(),
            _ => format!("{} (route “{}”)", source.ip, source.route),
        };
        let told: Vec<String> = missing.iter().take(MOST_TOLD).map(name).collect();
        let more = missing.len().saturating_sub(MOST_TOLD);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("The record does not let {}{more} send.", told.join(", "))
    }

    /// What cannot be looked at from here.
    pub fn open_question(&self) -> Option<String> {
        if self.is_relayed_only() {
            return Some("Make sure that it includes what your relay asks for.".to_owned());
        }
        if self.sources.is_empty() {
            return Some(
                "Whether it names this server could not be looked at: its public address is not set.".to_owned(),
            );
        }
        let mut words = Vec::new();
        if !self.unknown.is_empty() {
            words.push(format!(
                "It names every address that is known, but no public address is set for “{}”.",
                self.unknown.join("”, “")
            ));
        }
        if self.relays > 0 {
            words.push("Make sure that it also includes what your relay asks for.".to_owned());
        }
        (!words.is_empty()).then(|| words.join(" "))
    }
}

/// Whether receivers may see this address: it is not one of the network's own, and not one that providers share between customers (RFC 6598).
fn is_seen_outside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let is_shared = (u32::from(ip) & 0xffc0_0000) == u32::from(Ipv4Addr::new(100, 64, 0, 0));
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || is_shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}
