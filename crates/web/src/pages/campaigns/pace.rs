//! What limits the speed now, in one sentence: the one of all reasons that decides when the campaign is done.

use tidings_domain::UnixMs;
use tidings_store::WorkerBeat;

use super::live::Look;
use super::stuck::{facts, is_missed};
use crate::waiting::{Cause, Facts, Process, causes, does, reason};

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

pub fn sends(worker: &WorkerBeat) -> bool {
    does(Process::Worker, worker)
}

/// `clock` shows an instant in the reader's zone.
pub fn explain(look: &Look, clock: impl Fn(UnixMs) -> String) -> Option<Pace> {
    if !look.overview.head.state.is_active() {
        return None;
    }
    let facts = facts(look);
    let found = causes(&facts);
    let words = |cause: &Cause| {
        let words = reason(cause, &facts, &clock);
        Pace { sentence: words.sentence, reply: Some(words.reply).filter(|reply| !reply.is_empty()) }
    };
    if let Some(paused) = found.iter().find(|cause| matches!(cause, Cause::Paused { .. })) {
        return Some(words(paused));
    }
    if let Some(missing) = found.iter().find(|cause| is_missed(cause, &facts)) {
        // The notice above tells the rest.
        let title = reason(missing, &facts, &clock).title;
        return Some(Pace::says(format!("Nothing moves: {}.", title.to_lowercase())));
    }
    let decides = busiest(&found).or_else(|| found.iter().find(|cause| is_rest(cause, &facts)));
    Some(match decides {
        Some(cause) => {
            let mut pace = words(cause);
            pace.sentence.push_str(&others_wait(cause, &found));
            pace
        }
        None => Pace::says("All done; the campaign closes in a moment."),
    })
}

/// The destination that has the most to do decides when the campaign ends.
fn busiest(found: &[Cause]) -> Option<&Cause> {
    // Of equals the first: it is the more important one.
    found.iter().rev().filter(|cause| cause.waiting().is_some_and(|n| n > 0)).max_by_key(|cause| cause.waiting())
}

/// What can be said when no destination works.
fn is_rest(cause: &Cause, facts: &Facts) -> bool {
    match cause {
        Cause::PutOff { .. } | Cause::HeldByHand => facts.left.ahead() == 0,
        Cause::Preparing | Cause::Queueing { .. } | Cause::LookingUp { .. } => true,
        _ => false,
    }
}

/// ` Microsoft waits about 45 s more, as it asked.`
fn others_wait(decides: &Cause, found: &[Cause]) -> String {
    if matches!(decides, Cause::Held { .. }) {
        return String::new();
    }
    let held = found.iter().find_map(|cause| match cause {
        Cause::Held { who, left, waiting, .. } if *waiting > 0 => Some((who, left)),
        _ => None,
    });
    held.map_or_else(String::new, |(who, left)| {
        format!(" {who} waits {} more, as it asked.", super::rate::about(*left))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_domain::DeliveryState;
    use tidings_queue::{ShardStatus, Snapshot, Standing};
    use tidings_store::Overview;

    use super::super::samples::{NOW, look, overview, shard};
    use super::*;

    fn says(overview: &Overview, shards: Vec<ShardStatus>) -> Pace {
        let queue = Snapshot { shards, ..Snapshot::default() };
        explain(&look(overview.clone(), queue), |at| format!("@{}", at.0 - NOW.0)).expect("a reason")
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
