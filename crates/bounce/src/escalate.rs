use std::time::Duration;

use tidings_domain::{BounceClass, Consequence, Verdict};

/// A domain that does not exist, or has no mail host, for so long and over two attempts is gone.
pub const BAD_DOMAIN_PERSISTS: Duration = Duration::from_secs(60 * 60);
/// "User unknown" by 4yz, for so long and over three attempts, is meant.
pub const BAD_ADDRESS_PERSISTS: Duration = Duration::from_secs(24 * 60 * 60);
const BAD_DOMAIN_ATTEMPTS: u32 = 2;
const BAD_ADDRESS_ATTEMPTS: u32 = 3;

/// Ends a retry whose reason does not go away. `attempts` includes the one just made; `since_first` is the time from
/// the first of them, all of which are taken to have ended alike.
#[must_use]
pub fn escalate(verdict: Verdict, attempts: u32, since_first: Duration) -> Verdict {
    if verdict.consequence != Consequence::Retry {
        return verdict;
    }
    let persists = |least: u32, time: Duration| attempts >= least && since_first >= time;
    let consequence = match verdict.class {
        BounceClass::BadDomain if persists(BAD_DOMAIN_ATTEMPTS, BAD_DOMAIN_PERSISTS) => Consequence::HardBounce,
        BounceClass::NoMailHost if persists(BAD_DOMAIN_ATTEMPTS, BAD_DOMAIN_PERSISTS) => Consequence::SoftBounce,
        BounceClass::ProbableBadAddress if persists(BAD_ADDRESS_ATTEMPTS, BAD_ADDRESS_PERSISTS) => {
            Consequence::HardBounce
        }
        _ => return verdict,
    };
    Verdict { consequence, ..verdict }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify_problem;
    use tidings_domain::{Phase, Problem};

    #[test]
    fn a_missing_domain_is_believed_the_second_time_an_hour_later() {
        let at = |attempts, since| {
            escalate(classify_problem(Phase::Dns, Problem::NoSuchDomain), attempts, since).consequence
        };
        assert_eq!(at(1, BAD_DOMAIN_PERSISTS), Consequence::Retry);
        assert_eq!(at(5, Duration::from_secs(3599)), Consequence::Retry);
        assert_eq!(at(2, BAD_DOMAIN_PERSISTS), Consequence::HardBounce);
    }

    #[test]
    fn a_broken_resolver_never_ends_anything() {
        let verdict = classify_problem(Phase::Dns, Problem::DnsFailure);
        assert_eq!(escalate(verdict.clone(), 99, Duration::from_secs(1_000_000)), verdict);
    }
}
