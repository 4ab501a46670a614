use std::sync::Arc;

use super::clock::{Nanos, between, nanos};
use crate::{Cut, Knob, Limits, QueueOptions, ReducedKnob, Signal, Turn};

/// A knob rises by this part of its ceiling.
const RAISE_PART: f64 = 1.0 / 16.0;
/// One message a minute.
const RATE_FLOOR: f64 = 1.0 / 60.0;
const COUNT_FLOOR: f64 = 1.0;
const SECONDS_A_MINUTE: f64 = 60.0;
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
    /// No clean interval begins before.
    rests_until: Nanos,
    /// The first job done since the last signal, or the last raise: a clean interval begins here.
    clean_from: Option<Nanos>,
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
    pub fn start(signal: &Signal, knob: Knob, limits: Limits, measured: Measured, now: Nanos) -> (Self, Turn) {
        let ceiling = match (ceiling(knob, limits), knob) {
            (set, _) if set > 0.0 => set,
            (_, Knob::Rate) => measured.per_second,
            (_, Knob::Connections) => f64::from(measured.connections),
            (_, Knob::MessagesPerConnection) => UNLIMITED_MESSAGES,
        };
        let value = cut(signal.cut, knob, ceiling);
        let ceiling = ceiling.max(value);
        let turned = Self {
            knob,
            now: value,
            ceiling,
            why: signal.why.as_str().into(),
            since: now,
            turned: now,
            rests_until: now.saturating_add(nanos(signal.stay)),
            clean_from: None,
            done: 0,
        };
        (turned, Turn { knob, from: ceiling, to: value })
    }

    /// Turns it down, unless the last turn has had no time to show.
    pub fn turn_down(&mut self, signal: &Signal, now: Nanos, options: &QueueOptions) -> Option<Turn> {
        self.rests_until = self.rests_until.max(now.saturating_add(nanos(signal.stay)));
        self.clean_from = None;
        self.done = 0;
        if now.saturating_sub(self.turned) < nanos(options.reaction_time) {
            return None;
        }
        self.turned = now;
        self.why = signal.why.as_str().into();
        let from = self.now;
        self.now = cut(signal.cut, self.knob, from);
        (self.now < from).then_some(Turn { knob: self.knob, from, to: self.now })
    }

    /// Counts a job done; the turn when the knob rose by that. `held_until`: no job done in a hold, or before it, proves anything.
    pub fn done(&mut self, held_until: Nanos, now: Nanos, options: &QueueOptions) -> Option<Turn> {
        let not_before = self.rests_until.max(held_until);
        if now < not_before {
            return None;
        }
        let from = match self.clean_from.filter(|from| *from >= not_before) {
            Some(from) => from,
            None => {
                self.done = 0;
                *self.clean_from.insert(now)
            }
        };
        self.done = self.done.saturating_add(1);
        let clean = now.saturating_sub(from) >= nanos(options.recovery_interval);
        if !clean || self.done < options.recovery_jobs {
            return None;
        }
        let from = self.now;
        self.now = (from + self.ceiling * RAISE_PART).min(self.ceiling);
        self.clean_from = Some(now);
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

    pub fn status(&self, held_until: Nanos, now: Nanos, options: &QueueOptions) -> ReducedKnob {
        let not_before = self.rests_until.max(held_until);
        let from = self.clean_from.filter(|from| *from >= not_before).unwrap_or_else(|| not_before.max(now));
        ReducedKnob {
            knob: self.knob,
            ceiling: self.ceiling,
            floor: floor(self.knob),
            now: self.now,
            why: self.why.to_string(),
            since: between(self.since, now),
            next_raise_in: (options.recovery_interval + between(now, from)).saturating_sub(between(from, now)),
        }
    }
}

fn cut(cut: Cut, knob: Knob, from: f64) -> f64 {
    let to = match (cut, knob) {
        (Cut::Part(part), _) => from / f64::from(part.max(2)),
        (Cut::AtMost(most), Knob::Rate) => f64::from(most) / SECONDS_A_MINUTE,
        (Cut::AtMost(most), _) => f64::from(most),
    };
    let to = if to < from { to } else { from / 2.0 };
    to.max(floor(knob))
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
