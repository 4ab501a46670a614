use std::cmp::Reverse;

use super::clock::{NEVER, Nanos};
use super::line::Later;
use super::state::{LineId, State};

/// Delayed jobs and alarms that one call takes care of.
const ALARM_STEPS: usize = 512;

/// When to look at something again. One that was set anew since rings for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alarm {
    pub at: Nanos,
    pub rings_for: RingsFor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RingsFor {
    /// A hold has ended or a token is there.
    Budget(u32),
    /// A route has room again for a line that waits for it.
    Route(u32),
    /// A delayed job is due.
    Line(LineId),
}

impl State {
    /// Does what is due, a bounded part of it. True when more is due.
    pub fn ring_alarms(&mut self, now: Nanos) -> bool {
        let mut steps = ALARM_STEPS;
        while let Some(Reverse(alarm)) = self.alarms.peek().copied().filter(|a| a.0.at <= now) {
            if steps == 0 {
                return true;
            }
            self.alarms.pop();
            steps -= 1;
            match alarm.rings_for {
                RingsFor::Budget(budget) if self.budget(budget).alarm == alarm.at => {
                    self.budget(budget).alarm = NEVER;
                    self.list_all(budget);
                    self.look_after_streams(budget, now);
                }
                RingsFor::Route(route) if self.routes[route as usize].alarm == alarm.at => {
                    self.routes[route as usize].alarm = NEVER;
                    self.look_after_route(Some(route), now);
                }
                RingsFor::Line(id) if self.line(id).alarm == alarm.at => {
                    self.line(id).alarm = NEVER;
                    self.promote(id, now, &mut steps);
                }
                RingsFor::Budget(_) | RingsFor::Route(_) | RingsFor::Line(_) => {}
            }
        }
        false
    }

    pub fn next_alarm(&self) -> Option<Nanos> {
        self.alarms.peek().map(|a| a.0.at)
    }

    fn promote(&mut self, id: LineId, now: Nanos, steps: &mut usize) {
        while *steps > 0 {
            let line = self.line(id);
            let Some(Reverse(later)) = line.later.peek().copied().filter(|l| l.0.due <= now) else { break };
            line.later.pop();
            *steps -= 1;
            self.make_ready(id, later);
        }
        self.set_line_alarm(id);
    }

    fn make_ready(&mut self, id: LineId, later: Later) {
        let (Some(campaign), Some(pile)) =
            (self.campaigns.get_mut(&later.slot), self.piles.get_mut(&(id.number(), later.slot)))
        else {
            return;
        };
        campaign.delayed -= 1;
        campaign.ready += 1;
        pile.delayed -= 1;
        pile.ready.push_back(later.job);
        let line = self.line(id);
        line.delayed -= 1;
        line.ready += 1;
        self.offer(id, later.slot);
    }

    /// Sees to it that the soonest delayed job of a line has its alarm.
    pub fn set_line_alarm(&mut self, id: LineId) {
        let line = self.line(id);
        let due = line.later.peek().map_or(NEVER, |l| l.0.due);
        if due < line.alarm {
            line.alarm = due;
            self.set_alarm(Alarm { at: due, rings_for: RingsFor::Line(id) });
        }
    }

    /// Sees to it that a destination's lanes are looked at again at `at`, or before.
    pub fn set_budget_alarm(&mut self, budget: u32, at: Nanos) {
        if at < self.budget(budget).alarm {
            self.budget(budget).alarm = at;
            self.set_alarm(Alarm { at, rings_for: RingsFor::Budget(budget) });
        }
    }

    pub fn set_route_alarm(&mut self, route: u32, at: Nanos) {
        if at < self.routes[route as usize].alarm {
            self.routes[route as usize].alarm = at;
            self.set_alarm(Alarm { at, rings_for: RingsFor::Route(route) });
        }
    }

    fn set_alarm(&mut self, alarm: Alarm) {
        self.alarm_moved |= self.next_alarm().is_none_or(|next| alarm.at < next);
        self.alarms.push(Reverse(alarm));
    }
}
