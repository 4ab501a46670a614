mod pace;
mod status;

use std::sync::Arc;

use super::bucket::{Bucket, Rate};
use super::clock::Nanos;
use super::history::History;
use super::knob::Turned;
use super::meter::Meter;
use super::window::{Calendar, Minute, Windows};
use crate::{Knob, Limit, Limits, Sent};

/// The lane for which a part of each budget is kept.
pub const TRANSACTIONAL: u8 = 0;

/// What a destination or a route allows, and what is in use of it.
#[derive(Debug)]
pub struct Allowance {
    pub limits: Limits,
    /// The limits are somebody's decision, not the default: never forgotten.
    pub own_limits: bool,
    pub connections: u32,
    /// The peer has just refused a connection as one too many: no other is opened before.
    full_until: Nanos,
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
            full_until: 0,
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
        if self.full_until > now {
            return Gate::Shut(Shut { by: Limit::Connections, until: Some(self.full_until) });
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

    pub fn sent(&mut self, sent: Sent, now: Nanos) {
        self.windows.at_least(now, sent);
    }

    /// Undoes the charge of messages claimed in these minutes.
    pub fn refund(&mut self, now: Nanos, charged: &[Minute]) {
        self.bucket.give_back(self.rate(), charged.len() as u32);
        charged.iter().for_each(|minute| self.windows.give_back(now, *minute));
        self.meter.add(now, -(charged.len() as f64));
    }

    /// Between two tokens; 0 where there is no rate.
    pub fn interval(&self) -> Nanos {
        self.rate().interval_or_none()
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

    /// More are open than may be. Those that the peer has just refused end by themselves: the ones that work are not to end in their place.
    pub fn has_surplus(&self, now: Nanos) -> bool {
        self.connections > self.connection_limit() && self.full_until <= now
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

    pub fn set_limits(&mut self, limits: Limits, now: Nanos) {
        let old = self.rate();
        self.limits = limits;
        self.own_limits = true;
        self.turned.iter_mut().for_each(|t| t.set_ceiling(limits));
        self.turned.retain(|t| !t.is_back());
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
