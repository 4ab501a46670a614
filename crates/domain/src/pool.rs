//! Which route of a pool a delivery takes.

/// A route with its share of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolShare {
    pub route: i64,
    /// Against the others' weights; 0 takes nothing.
    pub weight: u32,
}

/// The route for a delivery, the same at every call. Over many deliveries each route gets its weight's share, and when a route drops out,
/// only its own deliveries go elsewhere: each keeps what it would have chosen next (weighted rendezvous hashing).
#[must_use]
pub fn pick_route(delivery: i64, shares: &[PoolShare]) -> Option<i64> {
    let willing = shares.iter().filter(|share| share.weight > 0);
    willing.min_by(|a, b| wait(delivery, a).total_cmp(&wait(delivery, b))).map(|share| share.route)
}

/// Of several waits that are exponential with the weights as their rates, each is the shortest in proportion to its weight.
fn wait(delivery: i64, share: &PoolShare) -> f64 {
    let number = mix(mix(delivery.cast_unsigned()) ^ share.route.cast_unsigned());
    // 53 bits, in (0, 1]: never 0, whose logarithm is infinite.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let uniform = ((number >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    -uniform.ln() / f64::from(share.weight)
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn shares(weights: &[u32]) -> Vec<PoolShare> {
        weights.iter().zip(1..).map(|(&weight, route)| PoolShare { route, weight }).collect()
    }

    #[test]
    fn nobody_willing_is_no_route() {
        assert_eq!(pick_route(1, &[]), None);
        assert_eq!(pick_route(1, &shares(&[0, 0])), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn each_route_gets_its_share(weights in prop::collection::vec(1..20_u32, 1..6), first in 0..i64::MAX / 2) {
            const DELIVERIES: i64 = 20_000;
            let shares = shares(&weights);
            let mut taken = BTreeMap::<i64, f64>::new();
            for delivery in first..first + DELIVERIES {
                *taken.entry(pick_route(delivery, &shares).expect("one")).or_default() += 1.0;
            }
            let all = f64::from(weights.iter().sum::<u32>());
            for share in &shares {
                let wanted = f64::from(share.weight) / all * DELIVERIES as f64;
                let got = taken.get(&share.route).copied().unwrap_or(0.0);
                // Six standard deviations.
                prop_assert!((got - wanted).abs() < 6.0 * wanted.sqrt(), "{share:?}: {got} of {wanted}");
            }
        }

        #[test]
        fn a_route_that_drops_out_moves_only_its_own(delivery: i64, weights in prop::collection::vec(1..20_u32, 2..6), out in 0..6_usize) {
            let all = shares(&weights);
            let before = pick_route(delivery, &all);
            let gone = all[out % all.len()].route;
            let left: Vec<PoolShare> = all.into_iter().filter(|share| share.route != gone).collect();
            let after = pick_route(delivery, &left);
            prop_assert!(after != Some(gone));
            if before != Some(gone) {
                prop_assert_eq!(before, after);
            }
        }
    }
}
