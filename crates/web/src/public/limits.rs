use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::throttle::network;

/// Image proxies of large providers open for millions from few addresses.
const LOOKS_PER_SECOND: NonZeroU32 = NonZeroU32::new(500).unwrap();
/// Providers leave for their users from few addresses too.
const LEAVINGS_PER_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// A view renders a message.
const VIEWS_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// The bucket holds what this many seconds give.
const BURST_SECONDS: u32 = 10;
/// Keys that are kept before those at rest are dropped.
const KEYS_KEPT: usize = 20_000;

/// How often one network may come. What is over the limit is answered cheaply, and a reader is still led where he wants to go.
pub struct Limits {
    looks: DefaultKeyedRateLimiter<IpAddr>,
    leavings: DefaultKeyedRateLimiter<IpAddr>,
    views: DefaultKeyedRateLimiter<IpAddr>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            looks: limiter(LOOKS_PER_SECOND),
            leavings: limiter(LEAVINGS_PER_SECOND),
            views: limiter(VIEWS_PER_SECOND),
        }
    }
}

fn limiter(per_second: NonZeroU32) -> DefaultKeyedRateLimiter<IpAddr> {
    RateLimiter::keyed(
        Quota::per_second(per_second)
            .allow_burst(per_second.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECONDS - 1))),
    )
}

impl Limits {
    /// An open or a click may be counted.
    pub fn look(&self, ip: IpAddr) -> bool {
        check(&self.looks, ip)
    }

    pub fn leave(&self, ip: IpAddr) -> bool {
        check(&self.leavings, ip)
    }

    pub fn view(&self, ip: IpAddr) -> bool {
        check(&self.views, ip)
    }
}

fn check(limiter: &DefaultKeyedRateLimiter<IpAddr>, ip: IpAddr) -> bool {
    if limiter.len() > KEYS_KEPT {
        limiter.retain_recent();
    }
    limiter.check_key(&network(ip)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_cannot_take_the_place_of_all() {
        let limits = Limits::default();
        let ip = IpAddr::from([192, 0, 2, 1]);
        let views = (0..1000).filter(|_| limits.view(ip)).count();
        assert!((100..=110).contains(&views), "{views}");
        assert!(limits.view(IpAddr::from([192, 0, 2, 2])));
        assert!(limits.leave(ip) && limits.look(ip));
    }
}
