//! What this process knows of the routes, read anew every second and shared by all its connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidings_domain::{BreakerState, Destination, RouteKind};
use tidings_store::{Route, RouteBreaker, RouteId};

use crate::now;

/// One route, as it was last read.
#[derive(Debug, Clone)]
pub struct Watched {
    pub route: Route,
    pub breaker: Option<RouteBreaker>,
    /// Why this process cannot take its source addresses; empty: it can.
    pub problem: String,
}

#[derive(Debug, Default)]
pub struct RouteWatch {
    known: Mutex<HashMap<RouteId, Watched>>,
}

impl Watched {
    fn may_send(&self) -> bool {
        let is_closed = self.breaker.as_ref().is_none_or(|known| known.breaker.state(now()) == BreakerState::Closed);
        self.route.enabled && self.problem.is_empty() && is_closed
    }

    /// As the queue names it in its shards.
    fn queue_name(&self) -> String {
        match self.route.kind {
            RouteKind::Relay => Destination::Relay { route: self.route.id.0 }.to_string(),
            RouteKind::Direct => self.route.id.to_string(),
        }
    }
}

impl RouteWatch {
    pub fn replace(&self, routes: Vec<Watched>) {
        *self.lock() = routes.into_iter().map(|watched| (watched.route.id, watched)).collect();
    }

    /// Routes that this process takes no jobs of, as the queue names them, in order.
    pub fn barred(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.lock().values().filter(|watched| !watched.may_send()).map(Watched::queue_name).collect();
        names.sort_unstable();
        names
    }

    /// `true` for routes that nothing is known of: whoever made them may have been quicker than the last look.
    pub fn may_send(&self, id: RouteId) -> bool {
        self.lock().get(&id).is_none_or(Watched::may_send)
    }

    pub fn route(&self, id: RouteId) -> Option<Route> {
        self.lock().get(&id).map(|watched| watched.route.clone())
    }

    pub fn has_failed(&self, id: RouteId) -> bool {
        self.lock().get(&id).is_some_and(|watched| watched.breaker.is_some())
    }

    /// What this process learned itself holds at once, not after the next look.
    pub fn learn(&self, id: RouteId, breaker: Option<RouteBreaker>) {
        if let Some(watched) = self.lock().get_mut(&id) {
            watched.breaker = breaker;
        }
    }

    /// The addresses of a route may be gone: looks.
    pub fn look_at_source(&self, id: RouteId) -> bool {
        let Some(route) = self.route(id) else { return true };
        let problem = super::why_not_here(&route);
        let is_here = problem.is_empty();
        if let Some(watched) = self.lock().get_mut(&id) {
            watched.problem = problem;
        }
        is_here
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RouteId, Watched>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shared by the keeper and the connections.
pub type SharedWatch = Arc<RouteWatch>;
