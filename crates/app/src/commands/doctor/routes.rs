//! Routes: what does not get through, addresses that nobody has, and names in DNS that large receivers would not believe.

use std::net::IpAddr;
use std::sync::Arc;

use tidings_delivery::Resolver;
use tidings_domain::{ProviderTable, RouteKind, UnixMs};
use tidings_store::{Route, Store};
use tidings_worker::now;

use super::Finding;
use crate::config::Config;
use crate::runtime::resolver;

const NAME: &str = "routes";
/// A worker that was silent for longer has no addresses any more.
const WORKER_SILENT_MS: i64 = UnixMs::MINUTE;

pub async fn look(config: &Config, store: &Store, outside: bool, findings: &mut Vec<Finding>) {
    match standing(store).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(Finding::fail(NAME, error.to_string(), "see what is said of the database")),
    }
    let table = ProviderTable::builtin().map_err(anyhow::Error::from);
    if outside && let Ok(resolver) = table.and_then(|table| resolver(config, &Arc::new(table))) {
        for route in store.all_routes().await.unwrap_or_default() {
            for (ip, ehlo) in sources(config, &route) {
                findings.push(names(&resolver, &route, ip, &ehlo).await);
            }
        }
    }
}

async fn standing(store: &Store) -> anyhow::Result<Vec<Finding>> {
    let routes = store.all_routes().await?;
    let breakers = store.breakers().await?;
    let workers = store.route_workers(UnixMs(now().0 - WORKER_SILENT_MS)).await?;
    let mut findings = Vec::new();
    for route in routes.iter().filter(|route| route.enabled) {
        let broken = breakers.get(&route.id).filter(|known| known.breaker.opened_at.is_some());
        let has_worker = workers.iter().any(|worker| worker.route == route.id && worker.problem.is_empty());
        if let Some(known) = broken {
            let words = format!("{} does not get through: {}", route.name, known.why);
            findings.push(Finding::fail(NAME, words, "see its page under Settings, Sending, and check its connection"));
        } else if route.has_source() && !has_worker {
            let words = format!("no running worker has the address of {}", route.name);
            let mend = "give the machine of a worker that address, start a worker where it is, or change the route";
            findings.push(Finding::warn(NAME, words, mend));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(NAME, format!("{} known, none in trouble", routes.len())));
    }
    Ok(findings)
}

fn sources(config: &Config, route: &Route) -> Vec<(IpAddr, String)> {
    if route.kind != RouteKind::Direct || !route.enabled {
        return Vec::new();
    }
    let or = |name: &str, other: &str| if name.is_empty() { other.to_owned() } else { name.to_owned() };
    let v4_name = or(&route.ehlo_name, &config.ehlo_name);
    let v6_name = or(&route.ehlo_name_v6, &v4_name);
    let named = [(&route.source_v4, v4_name), (&route.source_v6, v6_name)];
    named.into_iter().filter_map(|(source, name)| Some((source.parse().ok()?, name))).collect()
}

/// Large receivers refuse an address whose name does not lead back to it.
async fn names(resolver: &Resolver, route: &Route, ip: IpAddr, ehlo: &str) -> Finding {
    let mend = format!("have the owner of the address set its PTR record to {ehlo}, and {ehlo} lead to {ip}");
    match resolver.reverse(ip).await {
        Err(failure) => Finding::warn(NAME, format!("{ip} of {}: {}", route.name, failure.detail), mend),
        Ok(found) if found.confirms(ehlo) => Finding::ok(NAME, format!("{ip} of {} is {ehlo} and back", route.name)),
        Ok(found) if found.confirmed.is_empty() => {
            let words = format!("{ip} of {} has no name in DNS that leads back to it", route.name);
            Finding::fail(NAME, words, mend)
        }
        Ok(found) => {
            let words = format!("{ip} of {} is {}, but says {ehlo} in EHLO", route.name, found.confirmed[0]);
            Finding::warn(NAME, words, mend)
        }
    }
}
