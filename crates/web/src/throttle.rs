//! Slows down guessing of passwords: by network and by account. Nobody is locked out for good; the wait is seconds.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

const PER_NETWORK_BURST: NonZeroU32 = NonZeroU32::new(20).unwrap();
const PER_NETWORK_EVERY: Duration = Duration::from_secs(3);
const PER_ACCOUNT_BURST: NonZeroU32 = NonZeroU32::new(8).unwrap();
const PER_ACCOUNT_EVERY: Duration = Duration::from_secs(15);
/// Keys that are kept before those at rest are dropped.
const KEYS_KEPT: usize = 20_000;

pub struct SignInThrottle {
    networks: DefaultKeyedRateLimiter<IpAddr>,
    accounts: DefaultKeyedRateLimiter<String>,
}

impl Default for SignInThrottle {
    fn default() -> Self {
        Self {
            networks: RateLimiter::keyed(quota(PER_NETWORK_EVERY, PER_NETWORK_BURST)),
            accounts: RateLimiter::keyed(quota(PER_ACCOUNT_EVERY, PER_ACCOUNT_BURST)),
        }
    }
}

fn quota(every: Duration, burst: NonZeroU32) -> Quota {
    // `None` only for a zero duration, and ours are constants above zero.
    Quota::with_period(every).unwrap_or(Quota::per_second(burst)).allow_burst(burst)
}

impl SignInThrottle {
    /// Counts one try. `Err` says how long to wait before the next.
    pub fn check(&self, ip: IpAddr, account: &str) -> Result<(), Duration> {
        self.tidy();
        let now = DefaultClock::default().now();
        self.networks.check_key(&network(ip)).map_err(|not_until| not_until.wait_time_from(now))?;
        self.accounts.check_key(&account.to_lowercase()).map_err(|not_until| not_until.wait_time_from(now))
    }

    fn tidy(&self) {
        if self.networks.len() + self.accounts.len() > KEYS_KEPT {
            self.networks.retain_recent();
            self.accounts.retain_recent();
        }
    }
}

/// One household has a whole /64 of IPv6, so that is what is counted.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_slowed_from_any_network_and_a_network_for_any_account() {
        let throttle = SignInThrottle::default();
        let from = |n: u8| IpAddr::from([192, 0, 2, n]);
        let tries = (0..50).filter(|n| throttle.check(from(*n), "Ana@example.org").is_ok()).count();
        assert_eq!(tries, 8);
        let tries = (0..50).filter(|n| throttle.check(from(200), &format!("{n}@example.org")).is_ok()).count();
        assert_eq!(tries, 20);
        assert!(throttle.check(from(201), "bo@example.org").is_ok());
    }

    #[test]
    fn a_household_is_one_network() {
        let one: IpAddr = "2001:db8:1:2::1".parse().expect("an address");
        let other: IpAddr = "2001:db8:1:2:ffff::9".parse().expect("an address");
        assert_eq!(network(one), network(other));
    }
}
