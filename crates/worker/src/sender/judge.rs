//! From what happened to what follows: pure, so that the whole table can be tested.

use std::time::Duration;

use tidings_bounce::{RuleBook, classify_problem, escalate, normalise, retry_after};
use tidings_domain::{
    Asked, Attempt, BounceClass, Consequence, Outcome, Peer, Phase, Problem, RetryPolicy, RetryVerdict, Tries, UnixMs,
    Verdict,
};
use tidings_store::{AttemptFacts, OutcomeRecord, ReplyRecord, Settled, Work};

/// A snoozed delivery comes back after this long at the least, when the reply names no hold of its own.
const SNOOZE: Duration = Duration::from_secs(60);
/// Snoozed deliveries come back spread over this share of their wait.
const SNOOZE_SPREAD: f64 = 0.2;

/// What follows from one attempt.
#[derive(Debug)]
pub struct Judgement {
    /// What the ledger is told; `None` when the row stays as it is (our own withdrawal).
    pub record: Option<OutcomeRecord>,
    /// For the provider's budget.
    pub verdict: Option<Verdict>,
}

/// Everything that a judgement needs to know besides the attempt.
pub struct Bench<'a> {
    pub work: &'a Work,
    pub retry: &'a RetryPolicy,
    /// What replies mean.
    pub rules: &'a RuleBook,
    /// No hold lasts longer. Only a sandbox, where time is short, sets less than days.
    pub longest_hold: Duration,
    pub now: UnixMs,
    /// Random, 0 to 1.
    pub jitter: f64,
}

pub fn judge(bench: &Bench<'_>, attempt: &Attempt) -> Judgement {
    match &attempt.outcome {
        Outcome::Accepted { reply } => {
            let words = ReplyRecord::of(reply, String::new());
            Judgement {
                record: Some(record(bench, attempt, Phase::Dot, Settled::Accepted, None, words)),
                verdict: None,
            }
        }
        Outcome::InDoubt { problem, detail } => in_doubt(bench, attempt, *problem, detail),
        Outcome::Broken { problem: Problem::Withdrawn, .. } => Judgement { record: None, verdict: None },
        Outcome::Refused { phase, reply } => {
            let verdict = bench.rules.classify(*phase, reply, &bench.work.provider);
            let words = ReplyRecord::of(reply, normalise(&reply.to_string()));
            follow(bench, attempt, *phase, verdict, words)
        }
        Outcome::Broken { phase, problem, detail } => {
            let words = ReplyRecord { code: None, enhanced: None, text: detail.clone(), key: normalise(detail) };
            follow(bench, attempt, *phase, classify_problem(*phase, *problem), words)
        }
    }
}

fn in_doubt(bench: &Bench<'_>, attempt: &Attempt, problem: Problem, detail: &str) -> Judgement {
    let text = format!("No reply after the message was handed over: {detail}");
    let words = ReplyRecord { code: None, enhanced: None, key: normalise(&text), text };
    let record = record(bench, attempt, Phase::Dot, Settled::InDoubt, Some(problem.to_string()), words);
    Judgement { record: Some(record), verdict: None }
}

fn follow(bench: &Bench<'_>, attempt: &Attempt, phase: Phase, verdict: Verdict, words: ReplyRecord) -> Judgement {
    let mut verdict = escalate(verdict, attempts(bench), bench.now.since(first_attempt(bench)));
    let asked = asked_time(&attempt.outcome).map(|time| time.min(bench.longest_hold));
    if verdict.consequence == Consequence::Snooze {
        // The peer knows best how long it wants to be left alone.
        verdict.hold = verdict.hold.map(|hold| asked.map_or(hold, |asked| asked.max(hold)));
    }
    verdict.hold = verdict.hold.map(|hold| hold.min(bench.longest_hold));
    let settled = match verdict.consequence {
        Consequence::HardBounce => Settled::HardBounced,
        Consequence::SoftBounce => Settled::SoftBounced,
        Consequence::Fail => Settled::Failed,
        Consequence::Retry => retry_or_end(bench, attempt, &verdict, asked),
        Consequence::Snooze => snooze_or_end(bench, verdict.hold.or(asked)),
    };
    let (settled, class) = match settled {
        Settled::SoftBounced if verdict.consequence != Consequence::SoftBounce => gave_up(bench, verdict.class),
        settled => (settled, verdict.class),
    };
    let record = record(bench, attempt, phase, settled, Some(class.to_string()), words);
    let meaning = (class != verdict.class).then(|| verdict.class.to_string());
    Judgement { record: Some(OutcomeRecord { meaning, ..record }), verdict: Some(verdict) }
}

/// "Try again in 300 seconds."
fn asked_time(outcome: &Outcome) -> Option<Duration> {
    match outcome {
        Outcome::Refused { reply, .. } => retry_after(reply),
        _ => None,
    }
}

/// The window is over. A domain that did not exist in all of it is no passing trouble.
fn gave_up(bench: &Bench<'_>, class: BounceClass) -> (Settled, BounceClass) {
    if class == BounceClass::BadDomain && attempts(bench) > 1 {
        (Settled::HardBounced, class)
    } else {
        (Settled::SoftBounced, BounceClass::Expired)
    }
}

/// With the one just made.
fn attempts(bench: &Bench<'_>) -> u32 {
    u32::try_from(bench.work.attempt).unwrap_or(0) + 1
}

fn first_attempt(bench: &Bench<'_>) -> UnixMs {
    bench.work.first_attempt_at.unwrap_or(bench.now)
}

/// Whether the try used up one of the delivery's own. Who refuses to be spoken to at all refuses everybody: that says nothing of
/// this delivery.
fn costs_attempt(outcome: &Outcome) -> bool {
    let phase = match outcome {
        Outcome::Refused { phase, .. } | Outcome::Broken { phase, .. } => *phase,
        Outcome::Accepted { .. } | Outcome::InDoubt { .. } => return true,
    };
    !matches!(phase, Phase::Connect | Phase::Greeting)
}

fn retry_or_end(bench: &Bench<'_>, attempt: &Attempt, verdict: &Verdict, asked: Option<Duration>) -> Settled {
    let costs_attempt = costs_attempt(&attempt.outcome);
    let tries = Tries {
        attempts: costs_attempt.then(|| attempts(bench)),
        first_attempt: first_attempt(bench),
        deadline: bench.work.deadline,
        now: bench.now,
        jitter: bench.jitter,
    };
    let first_wait = bench.retry.waits.first().copied();
    let asked = match (asked, verdict.hold) {
        (Some(time), hold) => Asked::In(time.max(hold.unwrap_or_default())),
        (None, Some(hold)) => Asked::NotBefore(hold),
        // A greylist wants to see the same sender again after some minutes, and not before.
        (None, None) if verdict.class == BounceClass::Greylist => first_wait.map_or(Asked::Nothing, Asked::In),
        (None, None) => Asked::Nothing,
    };
    match window(bench).next(&tries, asked) {
        RetryVerdict::At(until) => Settled::Deferred { until, costs_attempt },
        RetryVerdict::GiveUp => Settled::SoftBounced,
    }
}

fn window(bench: &Bench<'_>) -> RetryPolicy {
    bench.retry.clone().within(bench.work.window)
}

/// A throttle delays; it ends a delivery only when the whole window is over.
fn snooze_or_end(bench: &Bench<'_>, hold: Option<Duration>) -> Settled {
    let first_wait = bench.retry.waits.first().copied().unwrap_or(SNOOZE);
    let wait = hold.unwrap_or(SNOOZE).min(first_wait);
    let until = bench.now.plus(wait.mul_f64(1.0 + SNOOZE_SPREAD * bench.jitter));
    if until > window(bench).end(first_attempt(bench), bench.work.deadline) {
        Settled::SoftBounced
    } else {
        Settled::Deferred { until, costs_attempt: false }
    }
}

fn record(
    bench: &Bench<'_>,
    attempt: &Attempt,
    phase: Phase,
    settled: Settled,
    reason: Option<String>,
    words: ReplyRecord,
) -> OutcomeRecord {
    let facts = AttemptFacts {
        at: attempt.at,
        duration: attempt.duration,
        host: attempt.peer.as_ref().map_or_else(String::new, |p| p.host.clone()),
        ip: attempt.peer.as_ref().and_then(|p| p.ip).map_or_else(String::new, |ip| ip.to_string()),
        tls: attempt.peer.as_ref().map_or_else(String::new, |p| p.tls.label()),
        phase: phase.to_string(),
    };
    OutcomeRecord {
        delivery: bench.work.delivery,
        campaign: bench.work.campaign,
        attempt: bench.work.attempt,
        settled,
        reason,
        meaning: None,
        reply: Some(words),
        route: bench.work.route,
        protection: attempt.peer.as_ref().map(Peer::protection),
        facts: (settled != Settled::Accepted || bench.work.first_attempt_at.is_some()).then_some(facts),
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::Lane;

    use super::super::samples::work;
    use super::*;

    const NOW: UnixMs = UnixMs(1_000_000_000_000);

    fn judged(work: &Work, outcome: Outcome) -> Judgement {
        let retry = RetryPolicy::for_lane(Lane::Bulk);
        let attempt = Attempt { at: NOW, duration: Duration::from_millis(5), peer: None, outcome };
        let rules = RuleBook::builtin();
        judge(
            &Bench { work, retry: &retry, rules: &rules, longest_hold: Duration::MAX, now: NOW, jitter: 0.5 },
            &attempt,
        )
    }

    fn refused(phase: Phase, text: &str) -> Outcome {
        Outcome::Refused { phase, reply: tidings_domain::Reply::from_text(text, 0) }
    }

    fn settled(outcome: Outcome) -> Settled {
        judged(&work(), outcome).record.expect("recorded").settled
    }

    #[test]
    fn each_outcome_ends_where_it_should() {
        assert_eq!(settled(refused(Phase::Rcpt, "550 5.1.1 User unknown")), Settled::HardBounced);
        assert_eq!(settled(refused(Phase::Rcpt, "552 5.2.2 Mailbox full")), Settled::SoftBounced);
        assert_eq!(settled(Outcome::InDoubt { problem: Problem::Timeout, detail: String::new() }), Settled::InDoubt);
        let retried = settled(refused(Phase::Rcpt, "451 4.3.0 Try again later"));
        assert!(matches!(retried, Settled::Deferred { costs_attempt: true, .. }), "{retried:?}");
    }

    #[test]
    fn a_throttle_costs_no_attempt_and_turns_a_knob() {
        let judgement = judged(&work(), refused(Phase::Mail, "421 4.7.28 unusual rate of mail"));
        let record = judgement.record.expect("recorded");
        assert!(matches!(record.settled, Settled::Deferred { costs_attempt: false, .. }), "{:?}", record.settled);
        assert!(judgement.verdict.expect("a verdict").knob.is_some());
    }

    #[test]
    fn the_senders_fault_never_bounces_a_subscriber() {
        for text in [
            "550 5.7.1 Our blocklist has your IP",
            "550 5.7.26 Unauthenticated mail",
            "554 5.7.1 Message looks like spam",
        ] {
            for phase in [Phase::Greeting, Phase::Mail, Phase::Rcpt, Phase::Dot] {
                assert_ne!(settled(refused(phase, text)), Settled::HardBounced, "{phase}: {text}");
            }
        }
    }

    #[test]
    fn our_own_withdrawal_is_no_outcome() {
        let outcome = Outcome::Broken { phase: Phase::Body, problem: Problem::Withdrawn, detail: String::new() };
        assert!(judged(&work(), outcome).record.is_none());
    }

    fn broken(phase: Phase, problem: Problem) -> Outcome {
        Outcome::Broken { phase, problem, detail: String::new() }
    }

    /// What uses up a try and what does not: the whole table.
    #[test]
    fn only_what_is_about_the_delivery_costs_an_attempt() {
        let free = [
            ("a throttle", refused(Phase::Mail, "421 4.7.28 unusual rate of mail")),
            ("too many connections", refused(Phase::Greeting, "421 too many connections from your host")),
            ("messages for each connection", refused(Phase::Mail, "421 Max message per connection reached")),
            ("a block of our IP", refused(Phase::Rcpt, "550 5.7.1 Your IP 192.0.2.1 has been blocked")),
            ("a relay that refuses our password", refused(Phase::Auth, "535 5.7.8 Authentication failed")),
            ("a connection refused", broken(Phase::Connect, Problem::ConnectionRefused)),
            ("a connection that never opens", broken(Phase::Connect, Problem::Timeout)),
            ("no greeting", broken(Phase::Greeting, Problem::ConnectionLost)),
            ("a greeting that says no", refused(Phase::Greeting, "554 5.3.2 no service here")),
        ];
        let dear = [
            ("greylisting", refused(Phase::Rcpt, "450 4.2.0 Greylisted")),
            ("a passing trouble", refused(Phase::Rcpt, "451 4.3.0 Try again later")),
            ("a trouble after the message", refused(Phase::Dot, "451 4.3.0 Try again later")),
            ("a full mailbox, for now", refused(Phase::Rcpt, "452 4.2.2 Mailbox full")),
            ("DNS that does not answer", broken(Phase::Dns, Problem::DnsFailure)),
            ("a connection lost in the middle", broken(Phase::Rcpt, Problem::ConnectionLost)),
            ("TLS that fails", broken(Phase::StartTls, Problem::Tls)),
        ];
        let cost = |outcome: Outcome| match settled(outcome) {
            Settled::Deferred { costs_attempt, .. } => Some(costs_attempt),
            _ => None,
        };
        for (what, outcome) in free {
            assert_eq!(cost(outcome), Some(false), "{what}");
        }
        for (what, outcome) in dear {
            assert_eq!(cost(outcome), Some(true), "{what}");
        }
    }

    fn wait(outcome: Outcome) -> i64 {
        match settled(outcome) {
            Settled::Deferred { until, .. } => (until.0 - NOW.0) / UnixMs::SECOND,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_time_that_a_reply_names_is_met() {
        assert_eq!(wait(refused(Phase::Rcpt, "450 4.2.0 Greylisted, try again in 120 seconds")), 132);
        assert_eq!(wait(refused(Phase::Rcpt, "450 4.2.0 Greylisted")), 330, "five minutes, and never less");
        assert_eq!(wait(refused(Phase::Rcpt, "451 4.3.0 Try again later")), 300, "jitter goes both ways");
        let asked = judged(&work(), refused(Phase::Mail, "421 4.7.0 throttled, retry after 1 hour"));
        assert_eq!(
            asked.verdict.expect("a verdict").hold,
            Some(Duration::from_secs(3600)),
            "the destination rests so long"
        );
    }

    #[test]
    fn nothing_is_tried_beyond_the_deadline() {
        let mut work = work();
        work.deadline = Some(UnixMs(NOW.0 + UnixMs::MINUTE));
        let record = judged(&work, refused(Phase::Rcpt, "450 4.2.0 Greylisted")).record.expect("recorded");
        assert_eq!((record.settled, record.reason.as_deref()), (Settled::SoftBounced, Some("expired")));
        assert_eq!(record.meaning.as_deref(), Some("greylist"), "what was said is still known");
        let throttled =
            judged(&work, refused(Phase::Mail, "421 4.7.28 unusual rate of mail")).record.expect("recorded");
        assert_eq!(throttled.settled, Settled::SoftBounced, "a throttle too");
    }

    #[test]
    fn a_workspaces_window_holds_instead_of_the_lanes() {
        let mut work = work();
        (work.attempt, work.window) = (9, Some(Duration::from_secs(3600 * 100)));
        work.first_attempt_at = Some(UnixMs(NOW.0 - 80 * UnixMs::HOUR));
        let record = judged(&work, refused(Phase::Rcpt, "451 4.3.0 Try again later")).record.expect("recorded");
        assert!(matches!(record.settled, Settled::Deferred { .. }), "{:?}", record.settled);
    }

    #[test]
    fn a_late_acceptance_is_kept_with_its_history_and_a_first_one_is_cheap() {
        let accepted = || Outcome::Accepted { reply: tidings_domain::Reply::from_text("250 ok", 0) };
        assert!(judged(&work(), accepted()).record.expect("recorded").facts.is_none());
        let retried = Work { first_attempt_at: Some(NOW), ..work() };
        assert!(judged(&retried, accepted()).record.expect("recorded").facts.is_some());
    }

    #[test]
    fn retries_end_with_the_window() {
        let mut work = work();
        work.attempt = 9;
        work.first_attempt_at = Some(UnixMs(NOW.0 - 80 * UnixMs::HOUR));
        let record = judged(&work, refused(Phase::Rcpt, "451 4.3.0 Try again later")).record.expect("recorded");
        assert_eq!((record.settled, record.reason.as_deref()), (Settled::SoftBounced, Some("expired")));
    }
}
