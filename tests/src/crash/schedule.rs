//! A seed decides what happens when: kills, other faults, and what people do meanwhile, in one order. What people do stands where it finds
//! a campaign that is sending: all are launched early, and each act has its part of the round.

use std::ops::Range;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::event::{Event, Server};
use super::ground::SetUp;

/// Longer than the lease of a sandbox's workers (6 s) and of the leading dispatcher (10 s): what a frozen process held has gone to others
/// when it wakes up.
pub const FROZEN_FOR: Duration = Duration::from_secs(13);
/// A network that is slow or silent is so for this long.
pub const BAD_NETWORK_FOR: Duration = Duration::from_millis(1_500);
pub const DISK_FULL_FOR: Duration = Duration::from_secs(3);
const SHORTEST_REST_MS: u64 = 60;
/// The first kill of whoever fans out follows a launch so closely.
const FAN_OUT_LASTS_MS: u64 = 150;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub after: Duration,
    pub event: Event,
}

/// Each kind once in a round that has room for all, and the rest by these weights.
const KILLS_APART: &[(u32, Event)] = &[
    (40, Event::Kill("worker")),
    (18, Event::Kill("dispatcher")),
    (12, Event::Kill("web")),
    (10, Event::Kill("intake")),
    (7, Event::PostgresCrashes),
    (8, Event::RedisDies),
    (5, Event::RedisFailsOver),
];
const KILLS_ALONE: &[(u32, Event)] = &[(100, Event::Kill("serve"))];

/// What else goes wrong in each round.
const FAULTS_APART: &[Event] = &[
    Event::Freeze("worker"),
    Event::Freeze("dispatcher"),
    Event::Freeze("web"),
    Event::Freeze("intake"),
    Event::RedisWiped,
    Event::CommitCut,
    Event::CommitCut,
    Event::CommitCut,
    Event::ReplyLost,
    Event::ReplyLost,
    Event::Slow(Server::Postgres),
    Event::Slow(Server::Redis),
    Event::Silent(Server::Postgres),
    Event::Silent(Server::Redis),
    Event::Cut(Server::Postgres),
    Event::Cut(Server::Redis),
    Event::HalfClosed(Server::Postgres),
    Event::HalfClosed(Server::Redis),
    Event::DiskFull,
];
const FAULTS_ALONE: &[Event] = &[Event::Freeze("serve"), Event::DiskFull, Event::Double];

/// Kills and faults come in this part of the round: after the first launches.
const TROUBLE: Range<f64> = 0.05..1.0;
/// A worker freezes while there is much to send, and what it held is sent again in doubt before it wakes up and tells how it ended.
const FREEZES: Range<f64> = 0.1..0.4;
const SENT_AGAIN_AFTER: Duration = Duration::from_millis(8_500);

/// How often people do what in each round, and in which part of it. The first two campaigns are launched before.
const ACTS: &[(usize, Event, Range<f64>)] = &[
    (1, Event::Launch(2), 0.0..0.05),
    (1, Event::Launch(3), 0.0..0.1),
    (1, Event::Pause, 0.12..0.24),
    (1, Event::Resume, 0.26..0.36),
    (1, Event::Pause, 0.38..0.48),
    (1, Event::Resume, 0.5..0.6),
    (1, Event::Cancel, 0.25..0.5),
    (1, Event::DeleteList, 0.25..0.5),
    (8, Event::Unsubscribe, 0.1..0.7),
    (6, Event::Suppress, 0.1..0.7),
    (4, Event::DeleteSubscriber, 0.1..0.7),
    (3, Event::SendAgain, 0.3..0.95),
];

/// One round: exactly so many kills. `longest_rest`: between two events.
pub fn schedule(random: &mut StdRng, set_up: SetUp, kills: u32, longest_rest: Duration) -> Vec<Step> {
    let (ways, faults) = match set_up {
        SetUp::Apart => (KILLS_APART, FAULTS_APART),
        SetUp::Alone => (KILLS_ALONE, FAULTS_ALONE),
    };
    let mut placed: Vec<(f64, Event)> = Vec::new();
    for number in 0..kills as usize {
        // The first of each kind, where there are so many.
        let kill = ways.get(number).filter(|_| kills as usize >= ways.len()).map(|(_, event)| *event);
        let kill = kill.unwrap_or_else(|| one_of(random, ways));
        placed.push((random.random_range(TROUBLE), kill));
    }
    for (times, act, part) in ACTS {
        placed.extend((0..*times).map(|_| (random.random_range(part.clone()), *act)));
    }
    let lasts = longest_rest.mul_f64((placed.len() + faults.len()) as f64 / 2.0);
    for fault in faults {
        let is_freeze = *fault == Event::Freeze("worker");
        let place = random.random_range(if is_freeze { FREEZES } else { TROUBLE });
        placed.push((place, *fault));
        placed.extend(is_freeze.then(|| (place + SENT_AGAIN_AFTER.div_duration_f64(lasts), Event::SendAgain)));
    }
    kill_in_fan_out(&mut placed);
    placed.sort_by(|one, other| one.0.total_cmp(&other.0));
    let longest = u64::try_from(longest_rest.as_millis()).unwrap_or(u64::MAX).max(SHORTEST_REST_MS);
    let mut steps: Vec<Step> = [0, 1].map(|number| Step { after: Duration::ZERO, event: Event::Launch(number) }).into();
    for (_, event) in placed {
        let in_fan_out = fans_out(event) && steps.last().is_some_and(|last| last.event == Event::Launch(2));
        let rest = if in_fan_out { 0..=FAN_OUT_LASTS_MS } else { SHORTEST_REST_MS..=longest };
        steps.push(Step { after: Duration::from_millis(random.random_range(rest)), event });
    }
    steps
}

const fn fans_out(event: Event) -> bool {
    matches!(event, Event::Kill(role) if matches!(role.as_bytes(), b"dispatcher" | b"serve"))
}

fn kill_in_fan_out(placed: &mut [(f64, Event)]) {
    let launch = placed.iter().find(|(_, event)| *event == Event::Launch(2)).map(|(place, _)| *place);
    if let (Some(launch), Some(kill)) = (launch, placed.iter_mut().find(|(_, event)| fans_out(*event))) {
        kill.0 = launch.next_up();
    }
}

fn one_of(random: &mut StdRng, ways: &[(u32, Event)]) -> Event {
    let mut lot = random.random_range(0..ways.iter().map(|(weight, _)| weight).sum());
    for (weight, event) in ways {
        if lot < *weight {
            return *event;
        }
        lot -= weight;
    }
    ways[0].1
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn of(seed: u64) -> Vec<Step> {
        schedule(&mut StdRng::seed_from_u64(seed), SetUp::Apart, 25, Duration::from_millis(500))
    }

    #[test]
    fn a_seed_is_a_schedule() {
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        let kills = of(1).iter().filter(|step| step.event.is_kill()).count();
        assert_eq!(kills, 25);
        assert!(of(1).iter().all(|step| step.after <= Duration::from_millis(500)));
        let launches = |steps: &[Step]| steps.iter().filter(|step| matches!(step.event, Event::Launch(_))).count();
        assert_eq!(launches(&of(3)), 4, "every campaign, once");
    }

    #[test]
    fn every_kind_of_kill_is_in_a_round_and_every_act_finds_its_campaign_launched() {
        for seed in 0..50 {
            let steps = of(seed);
            let at = |event: Event| steps.iter().position(|step| step.event == event).expect("it is in every round");
            assert!(KILLS_APART.iter().all(|(_, kill)| steps.iter().any(|step| step.event == *kill)), "seed {seed}");
            assert!(at(Event::Launch(2)) < at(Event::Cancel) && at(Event::Launch(3)) < at(Event::DeleteList));
            assert!(at(Event::Pause) < at(Event::Resume));
            assert!(fans_out(steps[at(Event::Launch(2)) + 1].event), "seed {seed}");
            let latest = steps.iter().rposition(|step| step.event == Event::Unsubscribe).expect("some unsubscribe");
            assert!(latest + 3 < steps.len(), "seed {seed}: not when all is sent");
        }
    }

    #[test]
    fn alone_there_are_no_servers_to_kill() {
        let steps = schedule(&mut StdRng::seed_from_u64(1), SetUp::Alone, 9, Duration::from_millis(500));
        let alone = |step: &&Step| step.event == Event::Kill("serve");
        assert_eq!(steps.iter().filter(alone).count(), 9);
        assert!(!steps.iter().any(|step| matches!(step.event, Event::RedisWiped | Event::PostgresCrashes)));
    }
}
