use std::time::Duration;

use serde::Serialize;
use tidings_domain::Lane;
use tidings_queue::{BudgetKind, Knob, Limit, ShardStatus, Standing, StoppedBy};

use super::warm_up::{WarmUp, is_stopped_by_warm_up, of_destination};
use crate::pages::campaigns::wording;
use crate::pages::route_names::RouteNames;

/// Until a window of a budget ends, which is at a full minute. The queue's clock was read before the page's, and a moment too early would
/// be told as the minute before.
pub fn window_end(frees_in: Duration) -> Duration {
    frees_in + Duration::from_secs(1)
}

/// A lane of a provider, or of a relay, as the queue sees it.
#[derive(Debug, Clone)]
pub struct Destination {
    /// In the middle of a sentence: `Gmail and Google Workspace`, `the relay “mx”`.
    pub who: String,
    pub status: ShardStatus,
    /// The warm-up that keeps it back now.
    pub warm_up: Option<WarmUp>,
}

impl Destination {
    pub fn new(status: ShardStatus, names: &RouteNames) -> Self {
        let who = match tidings_domain::Destination::of(&status.shard.name) {
            tidings_domain::Destination::Direct { provider, .. } => wording::provider(provider),
            tidings_domain::Destination::Relay { route } => format!("the relay “{}”", names.of(route)),
        };
        Self { who, status, warm_up: None }
    }

    /// The same, with the warm-up that stops it, if one does.
    #[must_use]
    pub fn among(self, warm_ups: &[WarmUp]) -> Self {
        let warm_up = of_destination(warm_ups, &self.status.shard.name).filter(|_| is_stopped_by_warm_up(&self.status));
        Self { warm_up: warm_up.cloned(), ..self }
    }

    pub fn is_in(&self, lane: Lane) -> bool {
        i16::from(self.status.shard.lane) == lane.code()
    }

    /// Jobs that would go at once if nothing kept them back.
    pub fn ready(&self) -> i64 {
        i64::try_from(self.status.ready).unwrap_or(i64::MAX)
    }

    /// Jobs that are here now: ready and in flight.
    pub fn waiting(&self) -> i64 {
        i64::try_from(self.status.ready + self.status.leased).unwrap_or(i64::MAX)
    }

    pub fn hold_left(&self) -> Duration {
        self.status.hold.as_ref().map_or(Duration::ZERO, |hold| hold.remaining)
    }

    /// The reply that turned the knob down, if one did.
    pub fn turned_by(&self, knob: Knob) -> String {
        let reduced = self.status.reduced.iter().find(|reduced| reduced.knob == knob);
        reduced.map(|reduced| reduced.why.clone()).unwrap_or_default()
    }

    /// Whose budget stops it: its own, or that of the route that it shares with others.
    pub fn limited_by(&self) -> String {
        match self.status.stopped_by {
            Some(StoppedBy { budget: BudgetKind::Route, .. }) => {
                format!("the route's own budget, on the way to {}", self.who)
            }
            _ => self.who.clone(),
        }
    }

    /// Until the next message may go.
    pub fn next_token(&self) -> Duration {
        if let Some(StoppedBy { limit, frees_in: Some(time), .. }) = self.status.stopped_by {
            return if matches!(limit, Limit::Window(_)) { window_end(time) } else { time };
        }
        match (self.status.standing, self.status.rate.limit) {
            (Standing::RateLimited, limit) if limit > 0.0 => Duration::from_secs_f64((1.0 / limit).min(86_400.0)),
            (Standing::Held, _) => self.hold_left(),
            _ => Duration::ZERO,
        }
    }

    /// How long what is here takes at the rate that is allowed.
    pub fn takes(&self) -> Option<Duration> {
        let limit = self.status.rate.limit;
        #[allow(clippy::cast_precision_loss)] // an estimate
        (limit > 0.0).then(|| Duration::from_secs_f64((self.waiting() as f64 / limit).min(1e7)))
    }

    /// For programs.
    pub fn json(&self) -> DestinationJson {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let status = &self.status;
        DestinationJson {
            name: status.shard.name.to_string(),
            lane: status.shard.lane,
            ready: status.ready,
            delayed: status.delayed,
            in_flight: status.leased,
            rate_now: status.rate.now,
            rate_limit: status.rate.limit,
            connections_now: status.connections.now,
            connections_limit: status.connections.limit,
            next_token_in_ms: ms(self.next_token()),
            held_for_ms: status.hold.as_ref().map(|hold| ms(hold.remaining)),
            held_by: status.hold.as_ref().map(|hold| hold.why.clone()),
        }
    }
}

/// Limits of 0 are none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DestinationJson {
    pub name: String,
    pub lane: u8,
    pub ready: usize,
    pub delayed: usize,
    pub in_flight: usize,
    pub rate_now: f64,
    pub rate_limit: f64,
    pub connections_now: u32,
    pub connections_limit: u32,
    pub next_token_in_ms: i64,
    pub held_for_ms: Option<i64>,
    pub held_by: Option<String>,
}
