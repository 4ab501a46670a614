use super::budget::{Budget, Gate, LANES};
use super::clock::{Nanos, between};
use super::line::Line;
use super::state::State;
use crate::{CampaignStatus, Gauge, Shard, ShardStatus, Standing};

impl State {
    /// The lines of some destinations that have something to say. `None` behind the last destination.
    pub fn shard_statuses(&self, from: usize, count: usize, now: Nanos) -> Option<Vec<ShardStatus>> {
        let budgets = self.budgets.get(from..)?.iter().take(count);
        let statuses: Vec<_> = budgets.flat_map(|budget| self.lines_of(budget, now)).collect();
        (from < self.budgets.len()).then_some(statuses)
    }

    fn lines_of(&self, budget: &Budget, now: Nanos) -> Vec<ShardStatus> {
        let mut speaking: Vec<usize> = (0..LANES).filter(|lane| budget.lanes[*lane].has_jobs()).collect();
        let news = budget.connections > 0 || budget.held_until(now).is_some() || !budget.turned_knobs().is_empty();
        if speaking.is_empty() && news {
            // A slowed destination without jobs is shown once, where campaigns are.
            speaking.push(LANES - 1);
        }
        speaking.into_iter().map(|lane| self.status(budget, lane, now)).collect()
    }

    fn status(&self, budget: &Budget, lane: usize, now: Nanos) -> ShardStatus {
        let line = &budget.lanes[lane];
        ShardStatus {
            shard: Shard { lane: lane as u8, name: budget.name.clone() },
            ready: line.ready,
            delayed: line.delayed,
            next_due_in: line.later.peek().filter(|_| line.delayed > 0).map(|later| between(now, later.0.due)),
            leased: line.leased,
            connections: Gauge { now: budget.connections, limit: zero_if_none(budget.connection_limit()) },
            rate: Gauge { now: budget.measured_rate(now), limit: budget.rate().per_second },
            messages_per_connection: zero_if_none(budget.message_limit()),
            limits: budget.limits,
            hold: budget.hold_status(now),
            reduced: budget.turned_knobs().iter().map(|t| t.status(now, &self.options)).collect(),
            last_signal: budget.signal_status(now),
            standing: self.standing(budget, line, now),
        }
    }

    fn standing(&self, budget: &Budget, line: &Line, now: Nanos) -> Standing {
        if line.ready == 0 {
            return match line.delayed {
                0 => Standing::Idle,
                _ => Standing::WaitsForRetry,
            };
        }
        if !line.ring.iter().any(|slot| self.campaigns.get(slot).is_some_and(|c| !c.paused)) {
            return Standing::Paused;
        }
        match budget.gate(now) {
            Gate::HeldUntil(_) => Standing::Held,
            Gate::NoTokenUntil(_) => Standing::RateLimited,
            // With every connection open and the tokens used up, the rate decides.
            Gate::NoConnection if budget.tokens(now) == 0 => Standing::RateLimited,
            Gate::NoConnection => Standing::ConnectionLimited,
            Gate::Open(_) => Standing::Free,
        }
    }

    pub fn campaign_statuses(&self) -> Vec<CampaignStatus> {
        let status = |c: &super::campaigns::Campaign| CampaignStatus {
            campaign: c.id,
            paused: c.paused,
            ready: c.ready,
            delayed: c.delayed,
            leased: c.leased,
        };
        self.campaigns.values().map(status).collect()
    }
}

const fn zero_if_none(limit: u32) -> u32 {
    if limit == u32::MAX { 0 } else { limit }
}
