//! The circuit breaker of a route: when nothing gets through, the route rests as a whole, instead of every message finding out by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::UnixMs;

/// Failures of a relay in a row that open its breaker. One refused password is enough.
pub const RELAY_FAILURES: u32 = 3;
/// Providers of the table that a direct route could reach none of, in a row, that open its breaker. Receivers that nobody has heard of do
/// not count: the last deliveries of a campaign are often all for servers that are gone.
pub const SILENT_PROVIDERS: usize = 2;
/// An open breaker is tried after this long,
pub const FIRST_BACK_OFF: Duration = Duration::from_secs(60);
/// … twice as long after each try that failed, up to this.
pub const LONGEST_BACK_OFF: Duration = Duration::from_secs(30 * 60);
/// Failures so close together are one: they come from connections that were opened together.
pub const ONE_FAILURE: Duration = Duration::from_secs(2);
/// Who tries has this long for it; then another may.
pub const PROBE_TIME: Duration = Duration::from_secs(120);

/// How a route failed to get through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteFault {
    /// The relay refuses our name or password.
    Credentials,
    /// The relay does not answer, or not as a mail server.
    Relay,
    /// A direct route does not reach this provider, where the mail for this domain goes.
    Provider { name: String, domain: String },
}

/// What is known of a route's failures. No failures: there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaker {
    /// In a row, over all workers.
    pub failures: u32,
    /// Whom a direct route could not reach, each with a domain whose mail goes there.
    pub providers: BTreeMap<String, String>,
    pub failed_at: Option<UnixMs>,
    pub opened_at: Option<UnixMs>,
    /// From then on one may try.
    pub probe_at: Option<UnixMs>,
    /// Somebody tries, and has until then.
    pub probing_until: Option<UnixMs>,
    /// Tries since it opened that failed.
    pub probes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    /// Nothing goes this way before `until`.
    Open {
        until: UnixMs,
    },
    /// One connection may find out.
    HalfOpen,
    /// One connection is finding out.
    Probing,
}

impl Breaker {
    #[must_use]
    pub fn state(&self, now: UnixMs) -> BreakerState {
        if self.opened_at.is_none() {
            return BreakerState::Closed;
        }
        match (self.probing_until, self.probe_at) {
            (Some(until), _) if until > now => BreakerState::Probing,
            (_, Some(until)) if until > now => BreakerState::Open { until },
            _ => BreakerState::HalfOpen,
        }
    }

    /// After one more failure. What fails late, of connections that were open before, changes nothing of the wait.
    #[must_use]
    pub fn failed(mut self, fault: &RouteFault, now: UnixMs) -> Self {
        if self.failed_at.is_none_or(|at| now.since(at) >= ONE_FAILURE) {
            self.failures = self.failures.saturating_add(1);
            self.failed_at = Some(now);
        }
        if let RouteFault::Provider { name, domain } = fault
            && !name.starts_with("mx:")
            && self.providers.len() < SILENT_PROVIDERS
        {
            self.providers.insert(name.clone(), domain.clone());
        }
        if self.opened_at.is_none() && self.opens(fault) {
            self.opened_at = Some(now);
            self.probe_at = Some(now.plus(FIRST_BACK_OFF));
        } else if self.probing_until.take().is_some() {
            self.probes = self.probes.saturating_add(1);
            self.probe_at = Some(now.plus(self.back_off()));
        }
        self
    }

    fn opens(&self, fault: &RouteFault) -> bool {
        match fault {
            RouteFault::Credentials => true,
            RouteFault::Relay => self.failures >= RELAY_FAILURES,
            RouteFault::Provider { .. } => self.providers.len() >= SILENT_PROVIDERS,
        }
    }

    /// The next try, for whoever asks first. `None`: it is not the time.
    #[must_use]
    pub fn probed(self, now: UnixMs) -> Option<Self> {
        let may = self.state(now) == BreakerState::HalfOpen;
        may.then(|| Self { probing_until: Some(now.plus(PROBE_TIME)), ..self })
    }

    fn back_off(&self) -> Duration {
        FIRST_BACK_OFF.saturating_mul(1 << self.probes.min(16)).min(LONGEST_BACK_OFF)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMs = UnixMs(1_000_000);

    fn after(faults: &[RouteFault]) -> Breaker {
        let start = UnixMs(NOW.0 - 60 * UnixMs::HOUR);
        let at = |n: usize| if n + 1 == faults.len() { NOW } else { start.plus(ONE_FAILURE * n as u32) };
        faults.iter().enumerate().fold(Breaker::default(), |breaker, (n, fault)| breaker.failed(fault, at(n)))
    }

    fn provider(name: &str) -> RouteFault {
        RouteFault::Provider { name: name.to_owned(), domain: format!("{name}.example") }
    }

    #[test]
    fn a_refused_password_opens_at_once_and_silence_after_a_few() {
        let open = BreakerState::Open { until: NOW.plus(FIRST_BACK_OFF) };
        assert_eq!(after(&[RouteFault::Credentials]).state(NOW), open);
        assert_eq!(after(&[RouteFault::Relay, RouteFault::Relay]).state(NOW), BreakerState::Closed);
        assert_eq!(after(&[RouteFault::Relay, RouteFault::Relay, RouteFault::Relay]).state(NOW), open);
    }

    #[test]
    fn connections_that_fail_together_are_one_failure() {
        let together = (0..50).fold(Breaker::default(), |breaker, _| breaker.failed(&RouteFault::Relay, NOW));
        assert_eq!((together.failures, together.state(NOW)), (1, BreakerState::Closed));
    }

    #[test]
    fn servers_that_are_gone_say_nothing_of_a_direct_route() {
        let gone: Vec<_> = (0..500).map(|n| provider(&format!("mx:gone{n}.example"))).collect();
        assert_eq!(after(&gone).state(NOW), BreakerState::Closed);
        assert_eq!(
            after(&vec![provider("google"); 500]).state(NOW),
            BreakerState::Closed,
            "it is google that is silent"
        );
        assert_ne!(after(&[provider("google"), provider("yahoo")]).state(NOW), BreakerState::Closed);
    }

    #[test]
    fn one_tries_at_a_time_and_each_failure_doubles_the_wait() {
        let mut breaker = after(&[RouteFault::Credentials]);
        let mut now = NOW;
        for wait in [120, 240, 480, 960, 1_800, 1_800] {
            assert_eq!(breaker.clone().probed(now), None, "too early");
            now = breaker.probe_at.expect("a time");
            breaker = breaker.probed(now).expect("its turn");
            assert_eq!(breaker.clone().probed(now), None, "one tries already");
            breaker = breaker.failed(&RouteFault::Relay, now);
            assert_eq!(breaker.state(now), BreakerState::Open { until: now.plus(Duration::from_secs(wait)) });
        }
        let lost = breaker.clone().probed(now.plus(LONGEST_BACK_OFF)).expect("its turn");
        let later = now.plus(LONGEST_BACK_OFF + PROBE_TIME);
        assert_eq!(lost.state(later), BreakerState::HalfOpen, "who tried has vanished");
    }

    proptest! {
        #[test]
        fn an_open_breaker_is_always_tried_again(faults in prop::collection::vec(0..4_u8, 1..60)) {
            let mut breaker = Breaker::default();
            let mut now = NOW;
            for fault in faults {
                let fault = match fault {
                    0 => RouteFault::Credentials,
                    1 => RouteFault::Relay,
                    2 => provider("yahoo"),
                    _ => provider("google"),
                };
                breaker = breaker.failed(&fault, now);
                if let BreakerState::Open { until } = breaker.state(now) {
                    prop_assert!(until.since(now) <= LONGEST_BACK_OFF);
                    now = until;
                    breaker = breaker.probed(now).expect("its turn");
                }
            }
        }
    }
}
