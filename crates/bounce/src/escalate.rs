use std::time::Duration;

use tidings_domain::{BounceClass, Consequence, Verdict};

/// "User unknown" by 4yz, for so long and over three attempts, is meant.
pub const BAD_ADDRESS_PERSISTS: Duration = Duration::from_secs(24 * 60 * 60);
const BAD_ADDRESS_ATTEMPTS: u32 = 3;

/// Ends a retry whose reason does not go away. `attempts` includes the one just made; `since_first` is the time from
/// the first of them, all of which are taken to have ended alike.
///
/// A domain that DNS does not know is not judged here: attempts that failed otherwise before would count as its silence. The sender
/// remembers what DNS said of each domain ([`Problem::DomainGone`](tidings_domain::Problem::DomainGone)).
#[must_use]
pub fn escalate(verdict: Verdict, attempts: u32, since_first: Duration) -> Verdict {
    let persists = attempts >= BAD_ADDRESS_ATTEMPTS && since_first >= BAD_ADDRESS_PERSISTS;
    let doubted = verdict.consequence == Consequence::Retry && verdict.class == BounceClass::ProbableBadAddress;
    if doubted && persists { Verdict { consequence: Consequence::HardBounce, ..verdict } } else { verdict }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{classify, classify_problem};
    use tidings_domain::{Phase, Problem, Reply};

    #[test]
    fn an_unknown_user_by_4yz_is_believed_in_time() {
        let reply = Reply::from_text("450 4.1.1 User unknown", 0);
        let at = |attempts, since| {
            escalate(classify(Phase::Rcpt, &reply, "mx:receiver.example"), attempts, since).consequence
        };
        assert_eq!(at(2, BAD_ADDRESS_PERSISTS), Consequence::Retry);
        assert_eq!(at(3, BAD_ADDRESS_PERSISTS - Duration::from_secs(1)), Consequence::Retry);
        assert_eq!(at(3, BAD_ADDRESS_PERSISTS), Consequence::HardBounce);
    }

    #[test]
    fn what_dns_says_never_ends_anything_by_the_number_of_attempts() {
        for problem in [Problem::DnsFailure, Problem::NoSuchDomain, Problem::NoMailHost] {
            let verdict = classify_problem(Phase::Dns, problem);
            assert_eq!(escalate(verdict.clone(), 99, Duration::from_secs(1_000_000)), verdict);
        }
    }
}
