use std::sync::Arc;

use super::clock::{Nanos, between, nanos};
use crate::{Knob, Limits, QueueOptions, ReducedKnob, Turn};

/// A knob rises by this part of its ceiling.
const RAISE_PART: f64 = 1.0 / 16.0;
/// One message a minute.
const RATE_FLOOR: f64 = 1.0 / 60.0;
const COUNT_FLOOR: f64 = 1.0;
/// Where the first signal finds messages for each connection that had no limit.
const UNLIMITED_MESSAGES: f64 = 100.0;

/// A knob below its ceiling: additive increase, multiplicative decrease.
#[derive(Debug, Clone)]
pub struct Turned {
    pub knob: Knob,
    pub now: f64,
    ceiling: f64,
    why: Arc<str>,
    since: Nanos,
    /// Last turned down.
    turned: Nanos,
    /// Last signal or raise: a clean interval begins here.
    moved: Nanos,
    /// Jobs done since then.
    done: u32,
}

/// What a knob without a ceiling starts from.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub per_second: f64,
    pub connections: u32,
}

impl Turned {
    pub fn start(knob: Knob, limits: Limits, measured: Measured, why: Arc<str>, now: Nanos) -> (Self, Turn) {
        let ceiling = match (ceiling(knob, limits), knob) {
            (set, _) if set > 0.0 => set,
            (_, Knob::Rate) => measured.per_second,
            (_, Knob::Connections) => f64::from(measured.connections),
            (_, Knob::MessagesPerConnection) => UNLIMITED_MESSAGES,
        };
        let value = (ceiling / 2.0).max(floor(knob));
        let ceiling = ceiling.max(value);
        let turned = Self { knob, now: value, ceiling, why, since: now, turned: now, moved: now, done: 0 };
        (turned, Turn { knob, from: ceiling, to: value })
    }

    /// Halves it, unless the last turn has had no time to show.
    pub fn turn_down(&mut self, why: &Arc<str>, now: Nanos, options: &QueueOptions) -> Option<Turn> {
        self.moved = now;
        self.done = 0;
        if now.saturating_sub(self.turned) < nanos(options.reaction_time) {
            return None;
        }
        self.turned = now;
        self.why = Arc::clone(why);
        let from = self.now;
        self.now = (from / 2.0).max(floor(self.knob));
        (self.now < from).then_some(Turn { knob: self.knob, from, to: self.now })
    }

    /// Counts a job done; the turn when the knob rose by that.
    pub fn done(&mut self, now: Nanos, options: &QueueOptions) -> Option<Turn> {
        self.done = self.done.saturating_add(1);
        let clean = now.saturating_sub(self.moved) >= nanos(options.recovery_interval);
        if !clean || self.done < options.recovery_jobs {
            return None;
        }
        let from = self.now;
        self.now = (from + self.ceiling * RAISE_PART).min(self.ceiling);
        self.moved = now;
        self.done = 0;
        Some(Turn { knob: self.knob, from, to: self.now })
    }

    pub const fn to_ceiling(&self) -> Turn {
        Turn { knob: self.knob, from: self.now, to: self.ceiling }
    }

    pub fn is_back(&self) -> bool {
        self.now >= self.ceiling
    }

    pub fn set_ceiling(&mut self, limits: Limits) {
        let set = ceiling(self.knob, limits);
        if set > 0.0 {
            self.ceiling = set;
        }
    }

    pub fn status(&self, now: Nanos, options: &QueueOptions) -> ReducedKnob {
        ReducedKnob {
            knob: self.knob,
            ceiling: self.ceiling,
            floor: floor(self.knob),
            now: self.now,
            why: self.why.to_string(),
            since: between(self.since, now),
            next_raise_in: options.recovery_interval.saturating_sub(between(self.moved, now)),
        }
    }
}

fn ceiling(knob: Knob, limits: Limits) -> f64 {
    match knob {
        Knob::Rate => limits.per_second,
        Knob::Connections => f64::from(limits.connections),
        Knob::MessagesPerConnection => f64::from(limits.messages_per_connection),
    }
}

const fn floor(knob: Knob) -> f64 {
    match knob {
        Knob::Rate => RATE_FLOOR,
        Knob::Connections | Knob::MessagesPerConnection => COUNT_FLOOR,
    }
}
