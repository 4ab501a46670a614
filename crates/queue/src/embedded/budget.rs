use std::sync::Arc;

use super::bucket::{Bucket, Rate};
use super::clock::{NEVER, Nanos, between, nanos};
use super::knob::{Measured, Turned};
use super::line::Line;
use super::meter::Meter;
use crate::{HoldStatus, Knob, Limits, QueueOptions, Signal, SignalStatus};

/// Lanes 0, 1 and 2.
pub const LANES: usize = 3;

/// One destination: what it allows, what is in use, and the lanes of jobs for it.
#[derive(Debug)]
pub struct Budget {
    pub name: Arc<str>,
    pub limits: Limits,
    /// The limits are somebody's decision, not the default: never forgotten.
    pub own_limits: bool,
    pub connections: u32,
    pub lanes: [Line; LANES],
    /// When the alarm rings that makes its lanes be looked at again.
    pub alarm: Nanos,
    pub used_at: Nanos,
    bucket: Bucket,
    meter: Meter,
    /// At most one for each knob; nearly always none.
    turned: Vec<Turned>,
    hold: Option<Box<Hold>>,
    last_signal: Option<Box<LastSignal>>,
}

#[derive(Debug)]
struct Hold {
    why: Arc<str>,
    since: Nanos,
    until: Nanos,
}

#[derive(Debug)]
struct LastSignal {
    why: Arc<str>,
    at: Nanos,
    count: u64,
}

/// May a new connection be opened now?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Yes, for so many messages.
    Open(u32),
    HeldUntil(Nanos),
    NoConnection,
    NoTokenUntil(Nanos),
}

impl Budget {
    pub fn new(name: Arc<str>, limits: Limits, now: Nanos) -> Self {
        Self {
            name,
            limits,
            own_limits: false,
            connections: 0,
            lanes: Default::default(),
            alarm: NEVER,
            used_at: now,
            bucket: Bucket::default(),
            meter: Meter::new(now),
            turned: Vec::new(),
            hold: None,
            last_signal: None,
        }
    }

    pub fn gate(&self, now: Nanos) -> Gate {
        if let Some(until) = self.held_until(now) {
            return Gate::HeldUntil(until);
        }
        if self.connections >= self.connection_limit() {
            return Gate::NoConnection;
        }
        match self.tokens(now) {
            0 => Gate::NoTokenUntil(self.next_token_at(now)),
            tokens => Gate::Open(tokens.min(self.message_limit())),
        }
    }

    pub fn held_until(&self, now: Nanos) -> Option<Nanos> {
        self.hold.as_ref().map(|h| h.until).filter(|until| *until > now)
    }

    pub fn tokens(&self, now: Nanos) -> u32 {
        self.bucket.available(now, self.rate())
    }

    pub fn next_token_at(&self, now: Nanos) -> Nanos {
        self.bucket.next_at(now, self.rate())
    }

    pub fn charge(&mut self, now: Nanos, messages: u32) {
        self.bucket.take(now, self.rate(), messages);
        self.meter.add(now, f64::from(messages));
        self.used_at = now;
    }

    pub fn refund(&mut self, now: Nanos, messages: u32) {
        self.bucket.give_back(self.rate(), messages);
        self.meter.add(now, -f64::from(messages));
    }

    pub fn rate(&self) -> Rate {
        match self.turned(Knob::Rate) {
            None => Rate { per_second: self.limits.per_second, burst: self.limits.burst },
            // A provider that is slowed down is not to be met with the old burst.
            Some(at) => Rate { per_second: at, burst: slowed_burst(self.limits, at) },
        }
    }

    /// `u32::MAX` is none.
    pub fn connection_limit(&self) -> u32 {
        whole(self.turned(Knob::Connections), self.limits.connections)
    }

    /// `u32::MAX` is none.
    pub fn message_limit(&self) -> u32 {
        whole(self.turned(Knob::MessagesPerConnection), self.limits.messages_per_connection)
    }

    pub fn measured_rate(&self, now: Nanos) -> f64 {
        self.meter.per_second(now)
    }

    fn turned(&self, knob: Knob) -> Option<f64> {
        self.turned.iter().find(|t| t.knob == knob).map(|t| t.now)
    }

    pub fn signal(&mut self, signal: &Signal, now: Nanos, options: &QueueOptions) {
        let why: Arc<str> = signal.why.as_str().into();
        let count = self.last_signal.as_ref().map_or(0, |s| s.count);
        self.last_signal = Some(Box::new(LastSignal { why: Arc::clone(&why), at: now, count: count + 1 }));
        if let Some(duration) = signal.hold {
            self.hold_for(nanos(duration), Arc::clone(&why), now);
        }
        if let Some(knob) = signal.knob {
            self.turn_down(knob, why, now, options);
        }
    }

    fn hold_for(&mut self, duration: Nanos, why: Arc<str>, now: Nanos) {
        let until = now.saturating_add(duration);
        let standing = self.hold.take().filter(|h| h.until > now);
        self.hold = Some(match standing {
            Some(hold) if hold.until >= until => hold,
            Some(hold) => Box::new(Hold { why, until, since: hold.since }),
            None => Box::new(Hold { why, until, since: now }),
        });
    }

    fn turn_down(&mut self, knob: Knob, why: Arc<str>, now: Nanos, options: &QueueOptions) {
        let measured = Measured { per_second: self.meter.per_second(now), connections: self.connections };
        let old = self.rate();
        match self.turned.iter_mut().find(|t| t.knob == knob) {
            Some(turned) => turned.turn_down(why, now, options),
            None => self.turned.push(Turned::start(knob, self.limits, measured, why, now)),
        }
        self.bucket.rescale(now, old, self.rate());
    }

    /// Counts a job done. True when a knob rose, so that more may be allowed than before.
    pub fn done(&mut self, now: Nanos, options: &QueueOptions) -> bool {
        if self.turned.is_empty() {
            return false;
        }
        let old = self.rate();
        let mut rose = false;
        for turned in &mut self.turned {
            rose |= turned.done(now, options);
        }
        if rose {
            self.turned.retain(|t| !t.is_back());
            self.bucket.rescale(now, old, self.rate());
        }
        rose
    }

    pub fn set_limits(&mut self, limits: Limits, now: Nanos) {
        let old = self.rate();
        self.limits = limits;
        self.own_limits = true;
        self.turned.iter_mut().for_each(|t| t.set_ceiling(limits));
        self.turned.retain(|t| !t.is_back());
        self.bucket.rescale(now, old, self.rate());
    }

    /// Nothing would be lost by forgetting it.
    pub fn is_forgettable(&self, now: Nanos, options: &QueueOptions) -> bool {
        !self.own_limits
            && self.connections == 0
            && self.turned.is_empty()
            && self.held_until(now).is_none()
            && self.lanes.iter().all(Line::is_blank)
            && now.saturating_sub(self.used_at) >= nanos(options.forget_after)
            && self.bucket.available(now, self.rate()) >= self.rate().burst.max(1)
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

    pub fn turned_knobs(&self) -> &[Turned] {
        &self.turned
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the burst")]
fn slowed_burst(limits: Limits, per_second: f64) -> u32 {
    if limits.per_second <= 0.0 {
        return 1;
    }
    (f64::from(limits.burst) * per_second / limits.per_second).max(1.0) as u32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a knob is at least 1")]
fn whole(turned: Option<f64>, limit: u32) -> u32 {
    match (turned, limit) {
        (Some(at), _) => (at as u32).max(1),
        (None, 0) => u32::MAX,
        (None, limit) => limit,
    }
}
