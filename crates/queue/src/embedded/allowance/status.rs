//! What is told of an allowance.

use super::Allowance;
use crate::embedded::clock::{Nanos, between};
use crate::{Gauge, HoldStatus, PastTurn, QueueOptions, ReducedKnob, SignalStatus, WindowStatus};

impl Allowance {
    pub fn connection_gauge(&self) -> Gauge<u32> {
        Gauge { now: self.connections, limit: zero_if_none(self.connection_limit()) }
    }

    pub fn rate_gauge(&self, now: Nanos) -> Gauge<f64> {
        Gauge { now: self.meter.per_second(now), limit: self.rate().per_second }
    }

    pub fn messages_per_connection(&self) -> u32 {
        zero_if_none(self.message_limit())
    }

    pub fn window_statuses(&self, now: Nanos) -> Vec<WindowStatus> {
        self.windows.statuses(now, &self.limits)
    }

    pub fn hold_status(&self, now: Nanos) -> Option<HoldStatus> {
        self.hold.as_ref().filter(|h| h.until > now).map(|h| HoldStatus {
            why: h.why.to_string(),
            since: between(h.since, now),
            remaining: between(now, h.until),
        })
    }

    pub fn signal_status(&self, now: Nanos) -> Option<SignalStatus> {
        self.last_signal.as_ref().map(|s| SignalStatus {
            why: s.why.to_string(),
            ago: between(s.at, now),
            count: s.count,
        })
    }

    /// `held_until`: what it shares holds with.
    pub fn reduced_knobs(&self, held_until: Nanos, now: Nanos, options: &QueueOptions) -> Vec<ReducedKnob> {
        let held_until = held_until.max(self.last_hold_end());
        self.turned.iter().map(|t| t.status(held_until, now, options)).collect()
    }

    pub fn past_turns(&self, now: Nanos) -> Vec<PastTurn> {
        self.history.seen(now)
    }
}

const fn zero_if_none(limit: u32) -> u32 {
    if limit == u32::MAX { 0 } else { limit }
}
