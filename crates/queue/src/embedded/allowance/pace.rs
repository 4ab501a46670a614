//! What slows an allowance, and what lets it recover.

use std::sync::Arc;

use super::{Allowance, Hold, LastSignal};
use crate::embedded::clock::{Nanos, nanos};
use crate::embedded::knob::{Measured, Turned};
use crate::{Knob, QueueOptions, Signal, Turn};

impl Allowance {
    pub fn signal(&mut self, signal: &Signal, now: Nanos, options: &QueueOptions) -> Option<Turn> {
        let why: Arc<str> = signal.why.as_str().into();
        let count = self.last_signal.as_ref().map_or(0, |s| s.count);
        self.last_signal = Some(Box::new(LastSignal { why: Arc::clone(&why), at: now, count: count + 1 }));
        if let Some(duration) = signal.hold {
            self.hold_for(nanos(duration), Arc::clone(&why), now);
        }
        if signal.knob == Some(Knob::Connections) {
            self.full_until = now.saturating_add(nanos(options.reaction_time));
        }
        signal.knob.and_then(|knob| self.turn_down(knob, signal, why, now, options))
    }

    /// Of the hold that stands, or of the last one.
    pub fn last_hold_end(&self) -> Nanos {
        self.hold.as_ref().map_or(0, |hold| hold.until)
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

    fn turn_down(
        &mut self,
        knob: Knob,
        signal: &Signal,
        why: Arc<str>,
        now: Nanos,
        options: &QueueOptions,
    ) -> Option<Turn> {
        let measured = Measured { per_second: self.meter.per_second(now), connections: self.connections };
        let old = self.rate();
        let turn = match self.turned.iter_mut().find(|t| t.knob == knob) {
            Some(turned) => turned.turn_down(signal, now, options)?,
            None => {
                let (turned, turn) = Turned::start(signal, knob, self.limits, measured, now);
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

    /// Counts a job done. True when a knob rose, so that more may be allowed than before. `held_until`: what it shares holds with.
    pub fn done(&mut self, held_until: Nanos, now: Nanos, options: &QueueOptions) -> bool {
        if self.turned.is_empty() {
            return false;
        }
        let old = self.rate();
        let held_until = held_until.max(self.last_hold_end());
        let turns: Vec<Turn> = self.turned.iter_mut().filter_map(|t| t.done(held_until, now, options)).collect();
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

    /// Lifts the hold and lets every knob return to its ceiling at once.
    pub fn release(&mut self, why: &str, now: Nanos) {
        self.hold = None;
        let old = self.rate();
        for turned in self.turned.drain(..) {
            self.history.add(turned.to_ceiling(), why.into(), now);
        }
        self.bucket.rescale(now, old, self.rate());
    }
}
