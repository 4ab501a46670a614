//! Streams: the mail of one sending domain to a destination. It shares the destination's budget, and may be held or
//! slowed by itself when a reply names the domain. A hold of the destination holds its streams too: none of them shows clean work in it.
//! Campaigns of a stream that has no room wait at it.

use std::sync::Arc;

use super::allowance::{Allowance, Gate, Shut};
use super::clock::{Nanos, nanos};
use super::line::Slot;
use super::state::{LineId, State};
use crate::{Knob, Limits, Scope, Shard, Signal, StreamStatus, Turn};

#[derive(Debug)]
pub struct Stream {
    pub allowance: Allowance,
    /// Campaigns that wait for it, each in its lane.
    pub parked: Vec<(u8, Slot)>,
    pub used_at: Nanos,
}

impl State {
    /// What stops a campaign's stream at this destination.
    pub fn stream_stop(&self, id: LineId, slot: Slot, now: Nanos) -> Option<Shut> {
        let stream = self.stream(id.budget, slot)?;
        match stream.allowance.gate(id.lane, now) {
            Gate::Open(_) => None,
            Gate::Shut(shut) => Some(shut),
        }
    }

    /// Messages that the campaign's stream has room for.
    pub fn stream_room(&self, id: LineId, slot: Slot, now: Nanos) -> u32 {
        self.stream(id.budget, slot).map_or(u32::MAX, |s| s.allowance.room(id.lane, now))
    }

    fn stream(&self, budget: u32, slot: Slot) -> Option<&Stream> {
        let name = &self.campaigns.get(&slot)?.stream;
        self.budgets[budget as usize].streams.get(name)
    }

    /// Does something to the allowance of a campaign's stream, if it has one.
    pub fn on_stream(&mut self, budget: u32, slot: Slot, now: Nanos, act: impl FnOnce(&mut Allowance)) {
        let Some(name) = self.campaigns.get(&slot).map(|c| Arc::clone(&c.stream)) else { return };
        if !name.is_empty() {
            act(&mut self.stream_or_new(budget, &name, now).allowance);
        }
    }

    fn stream_or_new(&mut self, budget: u32, name: &Arc<str>, now: Nanos) -> &mut Stream {
        let calendar = self.calendar;
        let new =
            || Stream { allowance: Allowance::new(Limits::UNLIMITED, calendar, now), parked: Vec::new(), used_at: now };
        let stream = self.budgets[budget as usize].streams.entry(Arc::clone(name)).or_insert_with(new);
        stream.used_at = now;
        stream
    }

    /// Lets a campaign just taken out of the ring wait until its stream has room.
    pub fn park_at_stream(&mut self, id: LineId, slot: Slot, shut: Shut) {
        let Some(name) = self.campaigns.get(&slot).map(|c| Arc::clone(&c.stream)) else { return };
        let Some(pile) = self.piles.get_mut(&(id.number(), slot)) else { return };
        pile.in_ring = false;
        pile.at_stream = true;
        if let Some(stream) = self.budget(id.budget).streams.get_mut(&name) {
            stream.parked.push((id.lane, slot));
        }
        if let Some(at) = shut.until {
            self.set_budget_alarm(id.budget, at);
        }
    }

    /// Streams of a destination may have room: offers the campaigns that wait for them, or sets the alarm.
    pub fn look_after_streams(&mut self, budget: u32, now: Nanos) {
        let mut open = Vec::new();
        let mut soonest = None;
        for stream in self.budgets[budget as usize].streams.values_mut().filter(|s| !s.parked.is_empty()) {
            match stream.allowance.gate(0, now) {
                Gate::Open(_) => open.append(&mut stream.parked),
                Gate::Shut(shut) => soonest = soonest.into_iter().chain(shut.until).min(),
            }
        }
        for (lane, slot) in open {
            let id = LineId { budget, lane };
            if let Some(pile) = self.piles.get_mut(&(id.number(), slot)) {
                pile.at_stream = false;
                self.offer(id, slot);
            }
        }
        if let Some(at) = soonest {
            self.set_budget_alarm(budget, at);
        }
    }

    pub fn signal(&mut self, shard: &Shard, signal: &Signal, now: Nanos) -> Option<Turn> {
        let budget = self.line_id(shard, now).budget;
        if signal.scope == Scope::Destination || shard.stream.is_empty() {
            return self.budgets[budget as usize].allowance.signal(signal, now, &self.options);
        }
        // A stream has a rate of its own, but no connections.
        let is_rate = signal.knob == Some(Knob::Rate);
        let own = Signal { knob: signal.knob.filter(|_| is_rate), ..signal.clone() };
        let options = self.options.clone();
        let turn = self.stream_or_new(budget, &shard.stream, now).allowance.signal(&own, now, &options);
        if is_rate || signal.knob.is_none() {
            return turn;
        }
        let others = Signal { hold: None, ..signal.clone() };
        self.budgets[budget as usize].allowance.signal(&others, now, &self.options)
    }

    /// Lifts the hold of a destination, or of one of its streams, and lets its knobs return to their ceilings.
    pub fn release_budget(&mut self, shard: &Shard, why: &str, now: Nanos) {
        let budget = self.line_id(shard, now).budget;
        let place = self.budget(budget);
        if shard.stream.is_empty() {
            place.allowance.release(why, now);
        } else if let Some(stream) = place.streams.get_mut(&shard.stream) {
            stream.allowance.release(why, now);
        }
        self.room_again(budget, now);
    }

    /// The stream that keeps campaigns of this line waiting, the one that is free first.
    pub fn stopped_by_stream(&self, id: LineId, now: Nanos) -> Option<Shut> {
        let budget = &self.budgets[id.budget as usize];
        let in_ring = |name: &Arc<str>| {
            let campaigns =
                budget.lanes[usize::from(id.lane)].ring.slots().filter_map(|slot| self.campaigns.get(&slot));
            campaigns.into_iter().any(|c| !c.paused && c.stream == *name)
        };
        let concerned = |(name, stream): &(&Arc<str>, &Stream)| {
            stream.parked.iter().any(|(lane, _)| *lane == id.lane) || in_ring(name)
        };
        let shut = budget.streams.iter().filter(concerned).filter_map(|(_, s)| match s.allowance.gate(id.lane, now) {
            Gate::Open(_) => None,
            Gate::Shut(shut) => Some(shut),
        });
        shut.min_by_key(|shut| shut.until)
    }

    pub fn stream_statuses(&self, budget: u32, now: Nanos) -> Vec<StreamStatus> {
        let place = &self.budgets[budget as usize];
        let held_until = place.allowance.last_hold_end();
        let slowed = place.streams.iter().filter(|(_, s)| s.allowance.is_slowed(now));
        let status = |(name, stream): (&Arc<str>, &Stream)| StreamStatus {
            stream: name.to_string(),
            rate: stream.allowance.rate_gauge(now),
            hold: stream.allowance.hold_status(now),
            reduced: stream.allowance.reduced_knobs(held_until, now, &self.options),
            history: stream.allowance.past_turns(now),
            last_signal: stream.allowance.signal_status(now),
            waiting: stream.parked.len(),
        };
        let mut statuses: Vec<_> = slowed.map(status).collect();
        statuses.sort_by(|a, b| a.stream.cmp(&b.stream));
        statuses
    }

    pub fn forget_streams(&mut self, budget: u32, now: Nanos) {
        let idle = nanos(self.options.forget_after);
        self.budget(budget)
            .streams
            .retain(|_, s| !s.parked.is_empty() || !s.allowance.is_blank(now) || now.saturating_sub(s.used_at) < idle);
    }
}
