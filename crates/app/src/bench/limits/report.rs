//! What the trial of the limits found: how far each provider's limits were used, which were broken and when, and what a storm at one of
//! them did to the others.

use std::time::Duration;

use tidings_sandbox::{Breach, ProviderReport, Strict};

use super::{LimitsArguments, OUR_SHARE, STORMS};

/// Of what the limits allow, so much must have been used.
const USED_AT_LEAST: f64 = 0.90;
/// While one provider storms, the others keep so much of their speed.
const KEPT_AT_LEAST: f64 = 0.95;
/// The speed is measured from here on, and to here: what comes before and after is start and tail.
const MEASURED_FROM: f64 = 0.1;
const MEASURED_TO: f64 = 0.9;
/// Breaches of which the moment is printed.
const SHOWN_BREACHES: usize = 20;

/// What the providers saw, at one moment.
pub struct Sample {
    pub at: Duration,
    pub reports: Vec<ProviderReport>,
}

impl Sample {
    /// Messages dealt with by one provider: taken, or refused for the mailbox's sake.
    fn messages(&self, number: usize) -> u64 {
        self.reports[number].accepted + self.reports[number].refused
    }

    fn all(&self) -> u64 {
        (0..self.reports.len()).map(|number| self.messages(number)).sum()
    }
}

/// True when all that is promised was kept.
pub fn report(samples: &[Sample], breaches: &[Breach], strict: &Strict, arguments: &LimitsArguments) -> bool {
    let Some(last) = samples.last() else { return false };
    println!(
        "{} messages by {} in {:.1} s; the limits allow {} a second, ours are {:.0} % of them",
        last.all(),
        if arguments.redis.is_some() { format!("{} workers", arguments.workers) } else { "one process".to_owned() },
        last.at.as_secs_f64(),
        arguments.per_second,
        OUR_SHARE * 100.0,
    );
    let mut good = true;
    for (number, found) in last.reports.iter().enumerate() {
        let allowed = strict.rate_of(found.provider);
        let is_stormy = arguments.storm && found.provider.name == STORMS;
        let speed = speed(samples, number, MEASURED_FROM, MEASURED_TO);
        let breaches = found.over_connections + found.over_rate + found.over_messages;
        let is_good = breaches == 0 && (is_stormy || speed >= allowed * USED_AT_LEAST);
        good &= is_good;
        println!(
            "{:24} {:>8.1} of {allowed:>7.1}/s ({:>3.0} %), at most {} in one second and {} connections; breaches: {} of connections, \
             {} of messages a connection, {} of rate{}",
            found.provider.name,
            speed,
            speed / allowed * 100.0,
            found.most_in_a_second,
            found.most_open,
            found.over_connections,
            found.over_messages,
            found.over_rate,
            if is_good { "" } else { "  <-- not good" },
        );
    }
    for breach in breaches.iter().take(SHOWN_BREACHES) {
        println!("{} at {:.3} s: {:?}", breach.provider, breach.at.as_secs_f64(), breach.what);
    }
    let is_calm = report_storm(samples, arguments);
    good && is_calm
}

/// True also when there was none.
fn report_storm(samples: &[Sample], arguments: &LimitsArguments) -> bool {
    let Some(storm) = arguments.storm() else { return true };
    let others = || (0..samples[0].reports.len()).filter(|number| samples[0].reports[*number].provider.name != STORMS);
    let rate = |from: Duration, to: Duration| others().map(|number| between(samples, number, from, to)).sum::<f64>();
    let length = storm.ends - storm.begins;
    let before = rate(storm.begins.saturating_sub(length), storm.begins);
    let during = rate(storm.begins, storm.ends);
    let kept = during / before.max(f64::EPSILON);
    println!(
        "while {STORMS} refused everything the others kept {:.1} % of their speed ({during:.0}/s, before {before:.0}/s)",
        kept * 100.0
    );
    kept >= KEPT_AT_LEAST
}

/// Messages a second of one provider between the moments at which it had dealt with these shares of its own.
fn speed(samples: &[Sample], number: usize, from: f64, to: f64) -> f64 {
    let Some(total) = samples.last().map(|last| last.messages(number) as f64) else { return 0.0 };
    let reached = |share: f64| samples.iter().find(|sample| sample.messages(number) as f64 >= total * share);
    match (reached(from), reached(to)) {
        (Some(a), Some(b)) if b.at > a.at => {
            (b.messages(number) - a.messages(number)) as f64 / (b.at - a.at).as_secs_f64()
        }
        _ => 0.0,
    }
}

fn between(samples: &[Sample], number: usize, from: Duration, to: Duration) -> f64 {
    let first = samples.iter().find(|sample| sample.at >= from);
    let last = samples.iter().rev().find(|sample| sample.at <= to);
    match (first, last) {
        (Some(a), Some(b)) if b.at > a.at => {
            (b.messages(number) - a.messages(number)) as f64 / (b.at - a.at).as_secs_f64()
        }
        _ => 0.0,
    }
}
