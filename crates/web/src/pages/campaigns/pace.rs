//! What limits the speed now, in one sentence: every wait explains itself.

use std::time::Duration;

use tidings_domain::{CampaignState, DeliveryState, ProcessRole, UnixMs, Word};
use tidings_queue::{Knob, Limit, ShardStatus, Snapshot, Standing, StoppedBy};
use tidings_store::{Overview, WorkerBeat};

use super::rate::{about, per_second};
use super::tally::Tally;
use super::wording;
use crate::text::number;

/// The queue's lane of campaigns (`tidings_domain::Lane::Bulk`).
const BULK_LANE: u8 = 2;
/// A worker that was silent for longer is taken for dead.
pub const HEARTBEAT_LIMIT: Duration = Duration::from_secs(60);

/// The sentence, and the peer's own words where they are the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pace {
    pub sentence: String,
    pub reply: Option<String>,
}

impl Pace {
    fn says(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), reply: None }
    }
}

/// A process that can do what the campaign's state asks for has spoken recently enough to count on.
pub fn has_worker(overview: &Overview, now: UnixMs) -> bool {
    let alive = |w: &WorkerBeat| now.since(UnixMs(w.heartbeat_at_ms)) < HEARTBEAT_LIMIT;
    overview.workers.iter().any(|w| alive(w) && wanted(overview)(w))
}

/// Whom the campaign waits for: fan-out is the dispatcher's.
pub fn wanted(overview: &Overview) -> fn(&WorkerBeat) -> bool {
    match overview.head.state {
        CampaignState::Queuing => |w| ProcessRole::parse(&w.role).is_ok_and(ProcessRole::dispatches),
        _ => sends,
    }
}

pub fn sends(worker: &WorkerBeat) -> bool {
    ProcessRole::parse(&worker.role).is_ok_and(ProcessRole::sends)
}

/// `clock` shows an instant in the reader's zone.
pub fn explain(overview: &Overview, queue: &Snapshot, now: UnixMs, clock: impl Fn(UnixMs) -> String) -> Option<Pace> {
    let tally = Tally::new(overview.counts.clone());
    if !overview.head.state.is_active() {
        return None;
    }
    if let Some(at) = overview.head.paused_at_ms {
        return Some(paused(overview, &tally, &clock(UnixMs(at))));
    }
    if !has_worker(overview, now) {
        return Some(Pace::says("Nothing moves: no worker is running."));
    }
    if tally.ahead() == 0 && tally.of(DeliveryState::Deferred) > 0 {
        return Some(all_deferred(overview, &tally, now, clock));
    }
    if let Some(pace) = busiest(overview, queue, &tally) {
        return Some(pace);
    }
    Some(match overview.head.state {
        CampaignState::Queuing => {
            Pace::says("Preparing: each recipient gets a row in the ledger, and a reason if skipped.")
        }
        _ if tally.ahead() == 0 => Pace::says("All done; the campaign closes in a moment."),
        _ => Pace::says("The next messages are on their way into the queue."),
    })
}

fn paused(overview: &Overview, tally: &Tally, at: &str) -> Pace {
    let head = &overview.head;
    let waiting = number(tally.open() - tally.of(DeliveryState::Sending));
    let reason = if head.pause_reason.is_empty() { String::new() } else { format!(": {}", head.pause_reason) };
    let flight = match tally.of(DeliveryState::Sending) {
        0 => String::new(),
        n => format!(" {} already on the wire will finish.", number(n)),
    };
    Pace::says(format!(
        "Paused by {} at {at}{reason}. {waiting} are waiting; no new attempt begins.{flight}",
        head.paused_by
    ))
}

fn all_deferred(overview: &Overview, tally: &Tally, now: UnixMs, clock: impl Fn(UnixMs) -> String) -> Pace {
    let n = tally.of(DeliveryState::Deferred);
    let what = if n == 1 { "The last one was".to_owned() } else { format!("All {} that are left were", number(n)) };
    let next = match overview.next_due_at_ms.map(UnixMs) {
        Some(due) if due > now => format!("the next try is at {} (in {})", clock(due), about(due.since(now))),
        _ => "the next try begins now".to_owned(),
    };
    Pace::says(format!("{what} put off by the receiver: {next}."))
}

/// The shard of this campaign that has the most to do decides when the campaign ends.
fn busiest(overview: &Overview, queue: &Snapshot, tally: &Tally) -> Option<Pace> {
    let mut working: Vec<&ShardStatus> = queue
        .shards
        .iter()
        .filter(|s| s.shard.lane == BULK_LANE && s.ready + s.leased > 0 && is_ours(overview, s))
        .collect();
    working.sort_by_key(|s| std::cmp::Reverse(s.ready + s.leased));
    let first = working.first()?;
    let mut pace = speed_of(first, overview, tally);
    let held: Vec<&&ShardStatus> = working.iter().skip(1).filter(|s| s.standing == Standing::Held).collect();
    if let (Some(other), Standing::RateLimited | Standing::ConnectionLimited | Standing::Free) =
        (held.first(), first.standing)
    {
        pace.sentence.push_str(&format!(" {} waits {} more, as it asked.", name(other, overview), hold_left(other)));
    }
    Some(pace)
}

fn is_ours(overview: &Overview, status: &ShardStatus) -> bool {
    let name = &*status.shard.name;
    let relay = overview.head.route_id.is_some_and(|route| name == format!("relay:{route}"));
    relay || overview.providers.iter().any(|p| p.name == name) || overview.smaller_providers.is_some()
}

fn name(status: &ShardStatus, overview: &Overview) -> String {
    match (&overview.route, status.shard.name.strip_prefix("relay:")) {
        (Some(route), Some(_)) => format!("the relay “{route}”"),
        (None, Some(_)) => "the relay".to_owned(),
        _ => wording::provider(&status.shard.name),
    }
}

fn hold_left(status: &ShardStatus) -> String {
    about(status.hold.as_ref().map_or(Duration::ZERO, |h| h.remaining))
}

fn speed_of(status: &ShardStatus, overview: &Overview, tally: &Tally) -> Pace {
    let who = name(status, overview);
    let left = i64::try_from(status.ready + status.leased).unwrap_or(i64::MAX);
    match status.standing {
        Standing::Held => Pace {
            sentence: format!(
                "{} asked us to wait: {} more until the next try.",
                wording::capitalised(&who),
                hold_left(status)
            ),
            reply: status.hold.as_ref().map(|h| h.why.clone()),
        },
        Standing::RateLimited => rate_limited(status, &who, left),
        Standing::ConnectionLimited => connection_limited(status, &who, left),
        Standing::Paused => Pace::says("Other campaigns are paused; this one is waiting for its turn."),
        Standing::Idle | Standing::WaitsForRetry | Standing::Free => {
            Pace::says(format!("Nothing holds it back: {} left, as fast as this machine can.", number(tally.ahead())))
        }
    }
}

fn rate_limited(status: &ShardStatus, who: &str, left: i64) -> Pace {
    if let Some(StoppedBy { limit: Limit::Window(window), frees_in: Some(rest), .. }) = status.stopped_by {
        let next = about(rest);
        let sentence = format!(
            "Limited by {who}: the messages of this {window} are used up, more in {next} ({} left there).",
            number(left)
        );
        return Pace { sentence, reply: None };
    }
    #[allow(clippy::cast_precision_loss)] // an estimate
    let span = match status.rate.limit {
        limit if limit > 0.0 => format!(", {}", about(Duration::from_secs_f64((left as f64 / limit).min(1e7)))),
        _ => String::new(),
    };
    Pace {
        sentence: format!(
            "Limited by {who}: at most {} ({} left there{span}).",
            per_second(status.rate.limit),
            number(left)
        ),
        reply: why(status, Knob::Rate),
    }
}

fn connection_limited(status: &ShardStatus, who: &str, left: i64) -> Pace {
    let connections = match status.connections.limit {
        1 => "the one connection it allows is".to_owned(),
        n => format!("all {n} connections are"),
    };
    Pace {
        sentence: format!(
            "Limited by {who}: {connections} in use, so its own speed decides ({} left there).",
            number(left)
        ),
        reply: why(status, Knob::Connections),
    }
}

/// The reply that turned the knob down, if one did.
fn why(status: &ShardStatus, knob: Knob) -> Option<String> {
    status.reduced.iter().find(|r| r.knob == knob).map(|r| r.why.clone())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{NOW, overview, shard};
    use super::*;

    fn says(overview: &Overview, shards: Vec<ShardStatus>) -> Pace {
        let queue = Snapshot { shards, ..Snapshot::default() };
        explain(overview, &queue, NOW, |at| format!("@{}", at.0 - NOW.0)).expect("a reason")
    }

    #[test]
    fn the_shard_with_the_most_to_do_decides() {
        use DeliveryState as S;
        let overview = overview(&[(S::Queued, 9_200), (S::Accepted, 5)]);
        let mut google = shard("google", 9_100, Standing::RateLimited);
        google.rate.limit = 20.0;
        let mut held = shard("microsoft", 100, Standing::Held);
        held.hold = Some(tidings_queue::HoldStatus {
            why: "421 slow".into(),
            since: Duration::from_secs(1),
            remaining: Duration::from_secs(42),
        });
        let pace = says(&overview, vec![held.clone(), google, shard("yahoo", 50_000, Standing::Free)]);
        assert_eq!(
            pace.sentence,
            "Limited by Gmail and Google Workspace: at most 20/s (9,100 left there, about 8 min). Microsoft waits about 45 s more, as it asked."
        );

        let alone = says(&overview, vec![held]);
        assert_eq!(alone.sentence, "Microsoft asked us to wait: about 45 s more until the next try.");
        assert_eq!(alone.reply.as_deref(), Some("421 slow"), "in the peer's own words");
    }

    #[test]
    fn waits_say_until_when() {
        use DeliveryState as S;
        let mut deferred = overview(&[(S::Deferred, 312), (S::Accepted, 9)]);
        deferred.next_due_at_ms = Some(NOW.0 + 90_000);
        let pace = says(&deferred, vec![]);
        assert_eq!(
            pace.sentence,
            "All 312 that are left were put off by the receiver: the next try is at @90000 (in about 2 min)."
        );

        let mut paused = overview(&[(S::Queued, 7), (S::Sending, 2)]);
        paused.head.paused_at_ms = Some(NOW.0 - 5);
        paused.head.paused_by = "Mia".into();
        assert_eq!(
            says(&paused, vec![]).sentence,
            "Paused by Mia at @-5. 7 are waiting; no new attempt begins. 2 already on the wire will finish."
        );

        let mut silent = overview(&[(S::Queued, 7)]);
        silent.workers[0].heartbeat_at_ms = NOW.0 - 61_000;
        assert_eq!(says(&silent, vec![]).sentence, "Nothing moves: no worker is running.");
    }
}
