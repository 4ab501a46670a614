use super::budget::{Budget, LANES, Stop};
use super::clock::{Nanos, between};
use super::line::{Line, Slot};
use super::state::{LineId, State};
use crate::{BudgetKind, CampaignStatus, Limit, Shard, ShardStatus, Standing, StoppedBy};

impl State {
    /// The lines of some destinations that have something to say. `None` behind the last destination.
    pub fn shard_statuses(&self, from: usize, count: usize, now: Nanos) -> Option<Vec<ShardStatus>> {
        let budgets = self.budgets.get(from..)?.iter().enumerate().take(count);
        let statuses: Vec<_> = budgets.flat_map(|(n, budget)| self.lines_of((from + n) as u32, budget, now)).collect();
        (from < self.budgets.len()).then_some(statuses)
    }

    fn lines_of(&self, index: u32, budget: &Budget, now: Nanos) -> Vec<ShardStatus> {
        let mut speaking: Vec<usize> = (0..LANES).filter(|lane| budget.lanes[*lane].has_jobs()).collect();
        let slowed = budget.allowance.is_slowed(now) || budget.streams.values().any(|s| s.allowance.is_slowed(now));
        let news = budget.allowance.connections > 0 || slowed;
        if speaking.is_empty() && news {
            // A slowed destination without jobs is shown once, where campaigns are.
            speaking.push(LANES - 1);
        }
        speaking.into_iter().map(|lane| self.status(LineId { budget: index, lane: lane as u8 }, now)).collect()
    }

    fn status(&self, id: LineId, now: Nanos) -> ShardStatus {
        let budget = &self.budgets[id.budget as usize];
        let (line, allowance) = (&budget.lanes[usize::from(id.lane)], &budget.allowance);
        let (standing, stopped_by) = self.standing(id, line, now);
        ShardStatus {
            shard: Shard::new(id.lane, budget.name.clone()),
            ready: line.ready,
            delayed: line.delayed,
            next_due_in: line.later.peek().filter(|_| line.delayed > 0).map(|later| between(now, later.0.due)),
            leased: line.leased,
            connections: allowance.connection_gauge(),
            rate: allowance.rate_gauge(now),
            messages_per_connection: allowance.messages_per_connection(),
            limits: allowance.limits,
            windows: allowance.window_statuses(now),
            hold: allowance.hold_status(now),
            reduced: allowance.reduced_knobs(0, now, &self.options),
            history: allowance.past_turns(now),
            last_signal: allowance.signal_status(now),
            streams: self.stream_statuses(id.budget, now),
            standing,
            stopped_by,
        }
    }

    fn standing(&self, id: LineId, line: &Line, now: Nanos) -> (Standing, Option<StoppedBy>) {
        if line.ready == 0 {
            return match line.delayed {
                0 => (Standing::Idle, None),
                _ => (Standing::WaitsForRetry, None),
            };
        }
        let goes_on = |slot: Slot| self.campaigns.get(&slot).is_some_and(|c| !c.paused);
        if !line.ring.slots().any(|slot| goes_on(slot) && self.stream_stop(id, slot, now).is_none()) {
            return match self.stopped_by_stream(id, now) {
                Some(shut) => self.stopped(id, Stop { budget: BudgetKind::Stream, shut }, now),
                None => (Standing::Paused, None),
            };
        }
        match self.gate(id, now) {
            Ok(_) => (Standing::Free, None),
            Err(stop) => self.stopped(id, stop, now),
        }
    }

    fn stopped(&self, id: LineId, stop: Stop, now: Nanos) -> (Standing, Option<StoppedBy>) {
        let frees_in = stop.shut.until.map(|until| between(now, until));
        let stopped_by = StoppedBy { budget: stop.budget, limit: stop.shut.by, frees_in };
        let standing = match stop.shut.by {
            Limit::Hold => Standing::Held,
            // With every connection open and the tokens used up, the rate decides.
            Limit::Connections if self.room(id, now) > 0 => Standing::ConnectionLimited,
            Limit::Connections | Limit::Rate | Limit::Window(_) => Standing::RateLimited,
        };
        (standing, Some(stopped_by))
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
