//! Warm-ups whose day is used up: a route that is being warmed up may send only so many messages a day to a provider.

use std::collections::HashMap;

use tidings_domain::{Destination as Name, WarmUpPlan};
use tidings_queue::{BudgetKind, Limit, ShardStatus, StoppedBy, Window};
use tidings_store::{Route, RouteId, Store, StoreResult, WarmUpStanding};

/// Where a route's warm-up stands with one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmUp {
    pub provider: String,
    pub route: RouteId,
    pub route_name: String,
    /// The plan's day, from 1.
    pub day: u32,
    /// What its next day allows; `None`: it is warm then.
    pub next_cap: Option<u32>,
    /// Why the plan did not go on from the day before; empty when it did.
    pub stays: String,
}

/// The warm-ups that keep something of these back now. Nothing is read while there is none.
///
/// # Errors
/// The database's own.
pub async fn warm_ups(store: &Store, shards: &[ShardStatus]) -> StoreResult<Vec<WarmUp>> {
    if !shards.iter().any(is_stopped_by_warm_up) {
        return Ok(Vec::new());
    }
    let routes = store.all_routes().await?.into_iter().map(|route| (route.id, route));
    let routes: HashMap<RouteId, Route> = routes.collect();
    let of = |standing: WarmUpStanding| {
        let route = routes.get(&standing.route)?;
        Some(warm_up(standing, route, &route.warm_up()?))
    };
    Ok(store.warm_ups().await?.into_iter().filter_map(of).collect())
}

/// A day's limit of one provider on one route is nothing but the cap of a warm-up; a route's own limit is the budget of the route.
pub fn is_stopped_by_warm_up(status: &ShardStatus) -> bool {
    let by_day = matches!(
        status.stopped_by,
        Some(StoppedBy { budget: BudgetKind::Destination, limit: Limit::Window(Window::Day), .. })
    );
    by_day && !Name::of(&status.shard.name).is_relay()
}

fn warm_up(standing: WarmUpStanding, route: &Route, plan: &WarmUpPlan) -> WarmUp {
    WarmUp {
        provider: standing.provider,
        route: standing.route,
        route_name: route.name.clone(),
        day: standing.day,
        next_cap: plan.cap(standing.day.saturating_add(1)),
        stays: standing.stays,
    }
}

/// The one of this destination.
pub fn of_destination<'a>(warm_ups: &'a [WarmUp], name: &str) -> Option<&'a WarmUp> {
    let Name::Direct { provider, route: Some(route) } = Name::of(name) else { return None };
    warm_ups.iter().find(|warm_up| warm_up.route == RouteId(route) && warm_up.provider == provider)
}
