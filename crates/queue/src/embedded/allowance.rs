use std::sync::Arc;

use super::bucket::{Bucket, Rate};
use super::clock::{Nanos, between, nanos};
use super::history::History;
use super::knob::{Measured, Turned};
use super::meter::Meter;
use super::window::{Calendar, Minute, Windows};
use crate::{
    Gauge, HoldStatus, Knob, Limit, Limits, PastTurn, QueueOptions, ReducedKnob, Signal, SignalStatus, Turn,
    WindowStatus,
};

/// The lane for which a part of each budget is kept.
const TRANSACTIONAL: u8 = 0;

/// What a destination or a route allows, and what is in use of it.
#[derive(Debug)]
pub struct Allowance {
    pub limits: Limits,
    /// The limits are somebody's decision, not the default: never forgotten.
    pub own_limits: bool,
    pub connections: u32,
    bucket: Bucket,
    windows: Windows,
    meter: Meter,
    /// At most one for each knob; nearly always none.
    turned: Vec<Turned>,
    history: History,
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
    Shut(Shut),
}

/// What forbids it, and until when: `None` until a connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shut {
    pub by: Limit,
    pub until: Option<Nanos>,
}

impl Allowance {
    pub fn new(limits: Limits, calendar: Calendar, now: Nanos) -> Self {
        Self {
            limits,
            own_limits: false,
            connections: 0,
            bucket: Bucket::default(),
            windows: Windows::new(calendar),
            meter: Meter::new(now),
            turned: Vec::new(),
            history: History::default(),
            hold: None,
            last_signal: None,
        }
    }

    pub fn gate(&self, lane: u8, now: Nanos) -> Gate {
        if let Some(until) = self.held_until(now) {
            return Gate::Shut(Shut { by: Limit::Hold, until: Some(until) });
        }
        if self.connections >= self.connections_for(lane) {
            return Gate::Shut(Shut { by: Limit::Connections, until: None });
        }
        match self.room(lane, now) {
            0 => Gate::Shut(self.no_room(lane, now)),
            room => Gate::Open(room.min(self.message_limit())),
        }
    }

    pub fn held_until(&self, now: Nanos) -> Option<Nanos> {
        self.hold.as_ref().map(|h| h.until).filter(|until| *until > now)
    }

    /// Messages that the rate and all windows have room for, whatever the connections.
    pub fn room(&self, lane: u8, now: Nanos) -> u32 {
        let rate = self.rate();
        let tokens = self.bucket.available(now, rate, kept(rate, lane));
        tokens.min(self.windows.room(now, &self.limits, lane != TRANSACTIONAL))
    }

    /// What makes the room 0, and when there is some again.
    fn no_room(&self, lane: u8, now: Nanos) -> Shut {
        let rate = self.rate();
        let token_at = self.bucket.next_at(now, rate, kept(rate, lane));
        match self.windows.full(now, &self.limits, lane != TRANSACTIONAL) {
            Some((window, end)) if end >= token_at => Shut { by: Limit::Window(window), until: Some(end) },
            _ => Shut { by: Limit::Rate, until: Some(token_at) },
        }
    }

    pub fn room_at(&self, lane: u8, now: Nanos) -> Nanos {
        if self.room(lane, now) > 0 { now } else { self.no_room(lane, now).until.unwrap_or(now) }
    }

    pub fn charge(&mut self, now: Nanos, messages: u32) {
        self.bucket.take(now, self.rate(), messages);
        self.windows.charge(now, messages);
        self.meter.add(now, f64::from(messages));
    }

    /// Undoes the charge of messages claimed in these minutes.
    pub fn refund(&mut self, now: Nanos, charged: &[Minute]) {
        self.bucket.give_back(self.rate(), charged.len() as u32);
        charged.iter().for_each(|minute| self.windows.give_back(now, *minute));
        self.meter.add(now, -(charged.len() as f64));
    }

    fn rate(&self) -> Rate {
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

    fn connections_for(&self, lane: u8) -> u32 {
        match self.connection_limit() {
            limit if limit == u32::MAX || limit < 2 => limit,
            limit if lane != TRANSACTIONAL => limit - 1,
            limit => limit,
        }
    }

    /// `u32::MAX` is none.
    pub fn message_limit(&self) -> u32 {
        whole(self.turned(Knob::MessagesPerConnection), self.limits.messages_per_connection)
    }

    fn turned(&self, knob: Knob) -> Option<f64> {
        self.turned.iter().find(|t| t.knob == knob).map(|t| t.now)
    }

    pub fn signal(&mut self, signal: &Signal, now: Nanos, options: &QueueOptions) -> Option<Turn> {
        let why: Arc<str> = signal.why.as_str().into();
        let count = self.last_signal.as_ref().map_or(0, |s| s.count);
        self.last_signal = Some(Box::new(LastSignal { why: Arc::clone(&why), at: now, count: count + 1 }));
        if let Some(duration) = signal.hold {
            self.hold_for(nanos(duration), Arc::clone(&why), now);
        }
        signal.knob.and_then(|knob| self.turn_down(knob, why, now, options))
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

    fn turn_down(&mut self, knob: Knob, why: Arc<str>, now: Nanos, options: &QueueOptions) -> Option<Turn> {
        let measured = Measured { per_second: self.meter.per_second(now), connections: self.connections };
        let old = self.rate();
        let turn = match self.turned.iter_mut().find(|t| t.knob == knob) {
            Some(turned) => turned.turn_down(&why, now, options)?,
            None => {
                let (turned, turn) = Turned::start(knob, self.limits, measured, Arc::clone(&why), now);
                self.turned.push(turned);
                turn
            }
        };
        if turn.to >= turn.from {
            return None;
        }
        self.history.add(turn, why, now);
        self.bucket.rescale(now, old, self.rate());
        Some(turn)
    }

    /// Counts a job done. True when a knob rose, so that more may be allowed than before.
    pub fn done(&mut self, now: Nanos, options: &QueueOptions) -> bool {
        if self.turned.is_empty() {
            return false;
        }
        let old = self.rate();
        let turns: Vec<Turn> = self.turned.iter_mut().filter_map(|t| t.done(now, options)).collect();
        if turns.is_empty() {
            return false;
        }
        for turn in &turns {
            let clean = options.recovery_interval.as_secs();
            self.history.add(*turn, format!("no signal for {clean} s, and mail went out").into(), now);
        }
        self.turned.retain(|t| !t.is_back());
        self.bucket.rescale(now, old, self.rate());
        true
    }

    pub fn set_limits(&mut self, limits: Limits, now: Nanos) {
        let old = self.rate();
        self.limits = limits;
        self.own_limits = true;
        self.turned.iter_mut().for_each(|t| t.set_ceiling(limits));
        self.turned.retain(|t| !t.is_back());
        self.bucket.rescale(now, old, self.rate());
    }

    /// Lifts the hold and lets every knob return to its ceiling at once.
    pub fn release(&mut self, why: &str, now: Nanos) {
        self.hold = None;
        let old = self.rate();
        for turned in self.turned.drain(..) {
            self.history.add(turned.to_ceiling(), why.into(), now);
        }
        self.bucket.rescale(now, old, self.rate());
    }

    /// In use of nothing, by nobody's decision: as good as a new one.
    pub fn is_blank(&self, now: Nanos) -> bool {
        !self.own_limits
            && self.connections == 0
            && self.turned.is_empty()
            && self.held_until(now).is_none()
            && self.bucket.available(now, self.rate(), 0) >= self.rate().burst.max(1)
    }

    /// It is slower than its limits.
    pub fn is_slowed(&self, now: Nanos) -> bool {
        self.held_until(now).is_some() || !self.turned.is_empty()
    }

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

    pub fn reduced_knobs(&self, now: Nanos, options: &QueueOptions) -> Vec<ReducedKnob> {
        self.turned.iter().map(|t| t.status(now, options)).collect()
    }

    pub fn past_turns(&self, now: Nanos) -> Vec<PastTurn> {
        self.history.seen(now)
    }
}

fn kept(rate: Rate, lane: u8) -> u32 {
    if lane == TRANSACTIONAL { 0 } else { rate.reserve() }
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

const fn zero_if_none(limit: u32) -> u32 {
    if limit == u32::MAX { 0 } else { limit }
}
