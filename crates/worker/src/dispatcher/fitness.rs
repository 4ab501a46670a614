//! Whether a route can be used, as far as this can be known before trying.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tidings_domain::Destination;
use tidings_queue::Snapshot;
use tidings_store::{Route, RouteBreaker, RouteId, RouteWorker};

/// A receiver that holds a route for longer is better reached by another one.
const LONG_HOLD: Duration = Duration::from_secs(10 * 60);

pub struct Fitness {
    pub route: Route,
    /// Why nothing can leave by it now.
    pub unfit: Option<String>,
}

/// Why nothing can leave by the route. An open breaker keeps it out until somebody has found that it gets through again.
pub fn unfit(route: &Route, breakers: &HashMap<RouteId, RouteBreaker>, workers: &[RouteWorker]) -> Option<String> {
    if !route.enabled {
        return Some("it is switched off".to_owned());
    }
    if let Some(open) = breakers.get(&route.id).filter(|known| known.breaker.opened_at.is_some()) {
        return Some(format!("it does not get through: {}", open.why));
    }
    let has_worker = || workers.iter().any(|worker| worker.route == route.id && worker.problem.is_empty());
    (route.has_source() && !has_worker()).then(|| "no worker has its address".to_owned())
}

/// Which provider holds which route for long, and what it said.
pub fn held_for_long(seen: &Snapshot) -> BTreeMap<(RouteId, String), String> {
    let holds = seen.shards.iter().filter_map(|shard| {
        let hold = shard.hold.as_ref().filter(|hold| hold.remaining >= LONG_HOLD)?;
        match Destination::of(&shard.shard.name) {
            Destination::Direct { provider, route: Some(route) } => {
                Some(((RouteId(route), provider.to_owned()), hold.why.clone()))
            }
            _ => None,
        }
    });
    holds.collect()
}
