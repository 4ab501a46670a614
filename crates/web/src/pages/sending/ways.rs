//! The ways that mail can leave by, as forms and sentences name them.

use std::collections::HashMap;

use tidings_domain::RouteKind;
use tidings_store::{CampaignHead, Pool, PoolId, Route, RouteId, Way, Workspace};

use super::route::way;
use crate::problem::WebResult;

/// One way in a list to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayChoice {
    /// Its value in the form.
    pub word: String,
    pub label: String,
}

/// How a campaign leaves when it is launched now.
#[derive(Debug, Clone)]
pub struct Leaving {
    pub sentence: String,
    /// At least one of its routes is switched on.
    pub is_on: bool,
    /// One of its routes: of a pool one that goes straight to the receivers, if there is any.
    pub route: Route,
}

/// Pools first.
///
/// # Errors
/// The database's own.
pub async fn choices(data: &Workspace) -> WebResult<Vec<WayChoice>> {
    let choice = |way: Way, label: String| WayChoice { word: word_of(way), label };
    let pools = data.pools().await?.into_iter().map(|pool| choice(Way::Pool(pool.id), format!("Pool {}", pool.name)));
    let routes = data.routes().await?.into_iter().map(|route| choice(Way::Route(route.id), route.name));
    Ok(pools.chain(routes).collect())
}

/// `None`: the workspace has no route yet.
///
/// # Errors
/// The database's own.
pub async fn leaving(data: &Workspace, head: &CampaignHead) -> WebResult<Option<Leaving>> {
    let way = match Way::of(head.route_id, head.pool_id) {
        None => data.default_way().await?,
        chosen => chosen,
    };
    let routes = data.routes().await?;
    Ok(match way {
        None => None,
        Some(Way::Route(id)) => routes.iter().find(|route| route.id == id).map(by_route),
        Some(Way::Pool(id)) => {
            let pool = data.pools().await?.into_iter().find(|pool| pool.id == id);
            pool.and_then(|pool| by_pool(&pool, &routes))
        }
    })
}

fn by_route(route: &Route) -> Leaving {
    Leaving { sentence: format!("{} · {}", route.name, way(route)), is_on: route.enabled, route: route.clone() }
}

/// `None`: a pool without routes cannot be made.
fn by_pool(pool: &Pool, routes: &[Route]) -> Option<Leaving> {
    let names = routes.iter().map(|route| (route.id, route.name.as_str())).collect();
    let ours = || routes.iter().filter(|route| pool.shares.iter().any(|(id, _)| *id == route.id));
    let direct = ours().find(|route| route.kind == RouteKind::Direct);
    Some(Leaving {
        sentence: format!("Pool {} · {}", pool.name, shares_of(pool, &names)),
        is_on: ours().any(|route| route.enabled),
        route: direct.or(ours().next())?.clone(),
    })
}

/// `A 75 % · B 25 %`
pub fn shares_of(pool: &Pool, names: &HashMap<RouteId, &str>) -> String {
    let all: i32 = pool.shares.iter().map(|(_, weight)| weight).sum();
    let share = |(id, weight): &(RouteId, i32)| {
        let percent = (i64::from(*weight) * 100 + i64::from(all) / 2) / i64::from(all.max(1));
        format!("{} {percent} %", names.get(id).copied().unwrap_or_default())
    };
    pool.shares.iter().map(share).collect::<Vec<_>>().join(" · ")
}

/// A way in a form: `route:3`, `pool:2`. Anything else is none.
pub fn way_of(word: &str) -> Option<Way> {
    let (kind, id) = word.split_once(':')?;
    let id = id.parse().ok()?;
    match kind {
        "route" => Some(Way::Route(RouteId(id))),
        "pool" => Some(Way::Pool(PoolId(id))),
        _ => None,
    }
}

pub fn word_of(way: Way) -> String {
    match way {
        Way::Route(id) => format!("route:{id}"),
        Way::Pool(id) => format!("pool:{id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_comes_back_from_its_word() {
        for way in [Way::Route(RouteId(3)), Way::Pool(PoolId(12))] {
            assert_eq!(way_of(&word_of(way)), Some(way));
        }
        for wrong in ["", "route", "route:", "route:x", "relay:3", "pool:9999999999999999999"] {
            assert_eq!(way_of(wrong), None, "{wrong}");
        }
    }
}
