//! A route's budget, which its destinations are charged to besides their own.
//!
//! Lines that it stops wait at it, so that hundreds of destinations of one route do not all look for each of its
//! tokens: when there is room, one is listed, and whoever served it or found nothing in it lists the next.

use std::collections::VecDeque;
use std::sync::Arc;

use super::allowance::{Allowance, Gate};
use super::budget::{Budget, LANES};
use super::clock::{NEVER, Nanos};
use super::state::{LineId, State};
use crate::job::route_of;
use crate::{Limits, RouteStatus, Sent};

#[derive(Debug)]
pub struct Route {
    pub key: Arc<str>,
    pub allowance: Allowance,
    /// Lines that wait for it, by lane.
    pub parked: [VecDeque<LineId>; LANES],
    pub alarm: Nanos,
}

impl State {
    pub fn route_of(&self, budget: &Budget) -> Option<&Route> {
        budget.route.map(|route| &self.routes[route as usize])
    }

    pub fn set_route_limits(&mut self, key: &str, limits: Limits, now: Nanos) {
        let route = self.by_route.get(key).copied().unwrap_or_else(|| self.add_route(key, now));
        self.routes[route as usize].allowance.set_limits(limits, now);
        self.look_after_route(Some(route), now);
    }

    pub fn sent_by_route(&mut self, key: &str, sent: Sent, now: Nanos) {
        if let Some(route) = self.by_route.get(key) {
            self.routes[*route as usize].allowance.sent(sent, now);
        }
    }

    fn add_route(&mut self, key: &str, now: Nanos) -> u32 {
        let key: Arc<str> = key.into();
        let index = self.routes.len() as u32;
        let mut allowance = Allowance::new(Limits::UNLIMITED, self.calendar, now);
        for budget in self.budgets.iter_mut().filter(|b| route_of(&b.name) == &*key) {
            budget.route = Some(index);
            // What is open already counts, so that each closing finds what it takes off.
            allowance.connections += budget.allowance.connections;
        }
        self.routes.push(Route { key: Arc::clone(&key), allowance, parked: Default::default(), alarm: NEVER });
        self.by_route.insert(key, index);
        index
    }

    /// Lets a line wait until its route has room.
    pub fn park(&mut self, id: LineId, until: Option<Nanos>) {
        let Some(route) = self.budget(id.budget).route else { return };
        self.line(id).parked = true;
        self.routes[route as usize].parked[usize::from(id.lane)].push_back(id);
        if let Some(at) = until {
            self.set_route_alarm(route, at);
        }
    }

    /// The route may have room: lists the first line that waits for it, or sets the alarm for when there is some.
    pub fn look_after_route(&mut self, route: Option<u32>, now: Nanos) {
        let Some(index) = route else { return };
        let route = &mut self.routes[index as usize];
        let Some(lane) = route.parked.iter().position(|lines| !lines.is_empty()) else { return };
        match route.allowance.gate(lane as u8, now) {
            Gate::Open(_) => self.list_parked(index, lane),
            Gate::Shut(shut) => {
                if let Some(at) = shut.until {
                    self.set_route_alarm(index, at);
                }
            }
        }
    }

    /// Lists the first of them that still has jobs.
    fn list_parked(&mut self, route: u32, lane: usize) {
        while let Some(id) = self.routes[route as usize].parked[lane].pop_front() {
            self.line(id).parked = false;
            self.list(id);
            if self.line(id).listed {
                return;
            }
        }
    }

    /// A line of a lower lane waits for the route of this one.
    pub fn lower_lane_waits_for_route(&self, id: LineId) -> bool {
        let route = self.route_of(&self.budgets[id.budget as usize]);
        route.is_some_and(|r| r.parked[..usize::from(id.lane)].iter().any(|lines| !lines.is_empty()))
    }

    pub fn route_statuses(&self, now: Nanos) -> Vec<RouteStatus> {
        let status = |route: &Route| RouteStatus {
            route: route.key.to_string(),
            limits: route.allowance.limits,
            connections: route.allowance.connection_gauge(),
            rate: route.allowance.rate_gauge(now),
            messages_per_connection: route.allowance.messages_per_connection(),
            windows: route.allowance.window_statuses(now),
            waiting: route.parked.iter().map(VecDeque::len).sum(),
        };
        self.routes.iter().map(status).collect()
    }
}
