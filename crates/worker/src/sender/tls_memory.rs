//! Hosts whose TLS is broken: under opportunistic TLS they are spoken to in plain text for a while, instead of failing a handshake first
//! with every connection.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After each failure in a row the handshake is tried again later: what is broken for an hour is mended soon, what is broken for a day is
/// broken. (KumoMTA remembers for three days at once.)
const PLAIN_FOR: [Duration; 4] = [hours(1), hours(6), hours(24), hours(72)];
const MOST_HOSTS: usize = 10_000;

const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

#[derive(Debug, Clone, Copy)]
struct Broken {
    until: Instant,
    /// In a row.
    failures: usize,
}

#[derive(Default)]
pub struct TlsMemory {
    hosts: Mutex<HashMap<String, Broken>>,
}

impl TlsMemory {
    pub fn is_plain(&self, host: &str, now: Instant) -> bool {
        self.hosts().get(host).is_some_and(|broken| now < broken.until)
    }

    /// A handshake failed. What was said before it does not belong here: it may be another word the next time.
    pub fn failed(&self, host: &str, now: Instant) {
        let mut hosts = self.hosts();
        if hosts.len() >= MOST_HOSTS {
            make_room(&mut hosts);
        }
        let known = hosts.entry(host.to_owned()).or_insert(Broken { until: now, failures: 0 });
        known.until = now + PLAIN_FOR[known.failures.min(PLAIN_FOR.len() - 1)];
        known.failures += 1;
    }

    pub fn worked(&self, host: &str) {
        self.hosts().remove(host);
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Broken>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the half that would be tried again first.
fn make_room(hosts: &mut HashMap<String, Broken>) {
    let mut ends: Vec<Instant> = hosts.values().map(|broken| broken.until).collect();
    ends.sort_unstable();
    let middle = ends[ends.len() / 2];
    hosts.retain(|_, broken| broken.until > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_host_is_tried_again_later_and_later() {
        let (memory, start) = (TlsMemory::default(), Instant::now());
        assert!(!memory.is_plain("mx.example", start));
        let mut now = start;
        for plain_for in [hours(1), hours(6), hours(24), hours(72), hours(72)] {
            memory.failed("mx.example", now);
            assert!(memory.is_plain("mx.example", now + plain_for - Duration::from_secs(1)));
            now += plain_for;
            assert!(!memory.is_plain("mx.example", now), "tried again after {plain_for:?}");
        }
        memory.worked("mx.example");
        memory.failed("mx.example", now);
        assert!(!memory.is_plain("mx.example", now + hours(1)), "a success begins the count anew");
    }

    #[test]
    fn it_stays_within_its_bound() {
        let (memory, start) = (TlsMemory::default(), Instant::now());
        for n in 0..=2 * MOST_HOSTS as u64 {
            memory.failed(&n.to_string(), start + Duration::from_secs(n));
        }
        assert!(memory.hosts().len() <= MOST_HOSTS);
    }
}
