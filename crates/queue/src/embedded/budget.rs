use std::collections::HashMap;
use std::sync::Arc;

use super::allowance::{Allowance, Gate, Shut};
use super::clock::{NEVER, Nanos, nanos};
use super::line::Line;
use super::state::{LineId, State};
use super::stream::Stream;
use crate::{BudgetKind, QueueOptions};

/// Lanes 0, 1 and 2.
pub const LANES: usize = 3;

/// One destination: what it allows, and the lanes of jobs for it.
#[derive(Debug)]
pub struct Budget {
    pub name: Arc<str>,
    pub allowance: Allowance,
    pub lanes: [Line; LANES],
    /// When the alarm rings that makes its lanes be looked at again.
    pub alarm: Nanos,
    pub used_at: Nanos,
    /// The token that an open connection was last told to come back for.
    pub told: Nanos,
    /// The route's budget, if it has one.
    pub route: Option<u32>,
    /// What its streams allow beside it, by their name.
    pub streams: HashMap<Arc<str>, Stream>,
}

/// Why a line cannot be served now.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    pub budget: BudgetKind,
    pub shut: Shut,
}

impl Budget {
    pub fn new(name: Arc<str>, allowance: Allowance, now: Nanos) -> Self {
        Self {
            name,
            allowance,
            lanes: Default::default(),
            alarm: NEVER,
            used_at: now,
            told: 0,
            route: None,
            streams: HashMap::new(),
        }
    }

    /// Nothing would be lost by forgetting it.
    pub fn is_forgettable(&self, now: Nanos, options: &QueueOptions) -> bool {
        self.lanes.iter().all(Line::is_blank)
            && self.streams.is_empty()
            && now.saturating_sub(self.used_at) >= nanos(options.forget_after)
            && self.allowance.is_blank(now)
    }
}

impl State {
    /// Whether a connection may be opened for this line, and for how many messages: its destination and its route must
    /// both allow it.
    pub fn gate(&self, id: LineId, now: Nanos) -> Result<u32, Stop> {
        let budget = &self.budgets[id.budget as usize];
        let open = |allowance: &Allowance, budget| match allowance.gate(id.lane, now) {
            Gate::Open(messages) => Ok(messages),
            Gate::Shut(shut) => Err(Stop { budget, shut }),
        };
        let messages = open(&budget.allowance, BudgetKind::Destination)?;
        match self.route_of(budget) {
            Some(route) => Ok(messages.min(open(&route.allowance, BudgetKind::Route)?)),
            None => Ok(messages),
        }
    }

    /// Messages that both budgets have room for.
    pub fn room(&self, id: LineId, now: Nanos) -> u32 {
        self.allowances(id).map(|a| a.room(id.lane, now)).min().unwrap_or(0)
    }

    /// When both have some.
    pub fn room_at(&self, id: LineId, now: Nanos) -> Nanos {
        self.allowances(id).map(|a| a.room_at(id.lane, now)).max().unwrap_or(now)
    }

    /// `u32::MAX` is none.
    pub fn message_limit(&self, id: LineId) -> u32 {
        self.allowances(id).map(Allowance::message_limit).min().unwrap_or(u32::MAX)
    }

    pub fn allowances(&self, id: LineId) -> impl Iterator<Item = &Allowance> {
        let budget = &self.budgets[id.budget as usize];
        std::iter::once(&budget.allowance).chain(self.route_of(budget).map(|r| &r.allowance))
    }

    /// Does the same to the destination's and the route's.
    pub fn on_allowances(&mut self, budget: u32, mut act: impl FnMut(&mut Allowance)) {
        let place = &mut self.budgets[budget as usize];
        act(&mut place.allowance);
        if let Some(route) = place.route {
            act(&mut self.routes[route as usize].allowance);
        }
    }
}
