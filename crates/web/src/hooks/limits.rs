use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tidings_store::WebhookId;

use crate::throttle::network;

/// Services that post one event at a time post a large campaign's events as fast as they come, from few addresses.
const POSTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(2_000).unwrap();
/// The bucket holds what this many seconds give.
const BURST_SECONDS: u32 = 5;
/// Keys that are kept before those at rest are dropped.
const KEYS_KEPT: usize = 20_000;

/// How often one network may come, and how often one webhook is posted to. What is over it is answered 429, and the service posts again.
pub struct Limits {
    networks: DefaultKeyedRateLimiter<IpAddr>,
    webhooks: DefaultKeyedRateLimiter<WebhookId>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { networks: limiter(), webhooks: limiter() }
    }
}

fn limiter<K: Hash + Eq + Clone>() -> DefaultKeyedRateLimiter<K> {
    let burst = POSTS_PER_SECOND.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECONDS - 1));
    RateLimiter::keyed(Quota::per_second(POSTS_PER_SECOND).allow_burst(burst))
}

impl Limits {
    pub fn network(&self, ip: IpAddr) -> bool {
        check(&self.networks, &network(ip))
    }

    pub fn webhook(&self, id: WebhookId) -> bool {
        check(&self.webhooks, &id)
    }
}

fn check<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> bool {
    if limiter.len() > KEYS_KEPT {
        limiter.retain_recent();
    }
    limiter.check_key(key).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_webhook_cannot_take_the_place_of_all() {
        let limits = Limits::default();
        let taken = (0..20_000).filter(|_| limits.webhook(WebhookId(1))).count();
        assert!((10_000..=11_000).contains(&taken), "{taken}");
        assert!(limits.webhook(WebhookId(2)) && limits.network(IpAddr::from([192, 0, 2, 1])));
    }
}
