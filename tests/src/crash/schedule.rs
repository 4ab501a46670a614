//! A seed decides what happens when: kills, other faults, and what people do meanwhile, in one order.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::ground::SetUp;

/// Longer than the lease of a sandbox's workers (6 s) and of the leading dispatcher (10 s): what a frozen process held has gone to others
/// when it wakes up.
pub const FROZEN_FOR: Duration = Duration::from_secs(13);
/// A network that is slow or silent is so for this long.
pub const BAD_NETWORK_FOR: Duration = Duration::from_millis(1_500);
pub const DISK_FULL_FOR: Duration = Duration::from_secs(3);
const SHORTEST_REST_MS: u64 = 60;

/// A server that a proxy stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Postgres,
    Redis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// SIGKILL of a process with this role.
    Kill(&'static str),
    RedisDies,
    RedisFailsOver,
    PostgresCrashes,
    Freeze(&'static str),
    RedisWiped,
    /// A transaction is committed and nobody is told.
    CommitCut,
    /// A function of the queue is done and nobody is told.
    ReplyLost,
    Slow(Server),
    Silent(Server),
    Cut(Server),
    HalfClosed(Server),
    DiskFull,
    /// A second process on the same data.
    Double,
    Launch(usize),
    Pause,
    Resume,
    Cancel,
    DeleteList,
    Unsubscribe,
    Suppress,
    DeleteSubscriber,
    SendAgain,
}

impl Event {
    /// Something is ended in the middle of what it does.
    #[must_use]
    pub const fn is_kill(self) -> bool {
        matches!(self, Self::Kill(_) | Self::RedisDies | Self::RedisFailsOver | Self::PostgresCrashes)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub after: Duration,
    pub event: Event,
}

/// Out of a hundred kills.
const KILLS_APART: &[(u32, Event)] = &[
    (44, Event::Kill("worker")),
    (20, Event::Kill("dispatcher")),
    (15, Event::Kill("web")),
    (8, Event::PostgresCrashes),
    (8, Event::RedisDies),
    (5, Event::RedisFailsOver),
];
const KILLS_ALONE: &[(u32, Event)] = &[(100, Event::Kill("serve"))];

/// What else goes wrong in each round.
const FAULTS_APART: &[Event] = &[
    Event::Freeze("worker"),
    Event::Freeze("dispatcher"),
    Event::Freeze("web"),
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

/// What people do in each round, in any order. The first campaigns are launched before.
const ACTS: &[(usize, Event)] = &[
    (1, Event::Launch(2)),
    (1, Event::Launch(3)),
    (2, Event::Pause),
    (2, Event::Resume),
    (1, Event::Cancel),
    (1, Event::DeleteList),
    (8, Event::Unsubscribe),
    (6, Event::Suppress),
    (4, Event::DeleteSubscriber),
    (1, Event::SendAgain),
];

/// One round: exactly so many kills. `longest_rest`: between two events.
pub fn schedule(random: &mut StdRng, set_up: SetUp, kills: u32, longest_rest: Duration) -> Vec<Step> {
    let (ways, faults) = match set_up {
        SetUp::Apart => (KILLS_APART, FAULTS_APART),
        SetUp::Alone => (KILLS_ALONE, FAULTS_ALONE),
    };
    let mut events: Vec<Event> = (0..kills).map(|_| one_of(random, ways)).collect();
    events.extend(faults);
    events.extend(ACTS.iter().flat_map(|(times, event)| std::iter::repeat_n(*event, *times)));
    events.shuffle(random);
    let longest = u64::try_from(longest_rest.as_millis()).unwrap_or(u64::MAX).max(SHORTEST_REST_MS);
    let mut steps = vec![Step { after: Duration::ZERO, event: Event::Launch(0) }];
    steps.push(Step { after: Duration::ZERO, event: Event::Launch(1) });
    steps.extend(events.into_iter().map(|event| {
        let after = Duration::from_millis(random.random_range(SHORTEST_REST_MS..=longest));
        Step { after, event }
    }));
    steps
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

    #[test]
    fn a_seed_is_a_schedule() {
        let of = |seed| schedule(&mut StdRng::seed_from_u64(seed), SetUp::Apart, 25, Duration::from_millis(500));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        let kills = of(1).iter().filter(|step| step.event.is_kill()).count();
        assert_eq!(kills, 25);
        assert!(of(1).iter().all(|step| step.after <= Duration::from_millis(500)));
        let launches = |steps: &[Step]| steps.iter().filter(|step| matches!(step.event, Event::Launch(_))).count();
        assert_eq!(launches(&of(3)), 4, "every campaign, once");
    }

    #[test]
    fn alone_there_are_no_servers_to_kill() {
        let steps = schedule(&mut StdRng::seed_from_u64(1), SetUp::Alone, 9, Duration::from_millis(500));
        let alone = |step: &&Step| step.event == Event::Kill("serve");
        assert_eq!(steps.iter().filter(alone).count(), 9);
        assert!(!steps.iter().any(|step| matches!(step.event, Event::RedisWiped | Event::PostgresCrashes)));
    }
}
