use tidings_domain::{BounceClass, Consequence, Phase, Verdict};

use super::judge::ended;
use crate::consequence::verdict;

/// What a service that sent for us calls a failure, in a word of ours.
///
/// A service's word is second-hand: the remote server's own words stand before it, and it turns no knob and holds no
/// provider, since it tells nothing of the moment at which the server spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A server was asked. Taken where its words say nothing; and where the service says that the sender is at fault,
    /// no word of the server makes the address bad at once.
    Beside(BounceClass),
    /// No server was asked: the service dropped the message by a rule or list of its own, and whatever words come with
    /// it are the service's.
    Instead(BounceClass),
}

impl Claim {
    /// Between what the words say, by `found`, and what the service says.
    pub(super) fn weigh(self, found: impl FnOnce() -> Verdict) -> Verdict {
        match self {
            Self::Instead(class) => claimed(class),
            Self::Beside(class) => {
                let (found, claimed) = (found(), claimed(class));
                if says_nothing(&found) {
                    claimed
                } else if found.consequence == Consequence::HardBounce && claimed.consequence == Consequence::Fail {
                    verdict(BounceClass::ProbableBadAddress, true, Phase::Rcpt, &found.rule)
                } else {
                    found
                }
            }
        }
    }
}

fn claimed(class: BounceClass) -> Verdict {
    let found = ended(verdict(class, true, Phase::Rcpt, &format!("service-{class}")));
    Verdict { knob: None, hold: None, pause_campaign: false, ..found }
}

/// Only the basic code decided, by the phase it is taken to have come in.
fn says_nothing(found: &Verdict) -> bool {
    found.class == BounceClass::Undetermined || (found.rule.starts_with("code-") && found.rule.contains("-at-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_domain::Word;

    fn said(class: BounceClass, rule: &str) -> Verdict {
        ended(verdict(class, true, Phase::Rcpt, rule))
    }

    #[test]
    fn a_servers_words_stand_before_the_services_word() {
        use BounceClass as B;
        let found = Claim::Beside(B::RemoteSystem).weigh(|| said(B::BadAddress, "unknown-user"));
        assert_eq!((found.class, found.consequence), (B::BadAddress, Consequence::HardBounce));
        let found = Claim::Beside(B::BadAddress).weigh(|| said(B::Policy, "code-554-at-rcpt"));
        assert_eq!((found.class, found.rule.as_str()), (B::BadAddress, "service-bad_address"));
        let found = Claim::Instead(B::Protocol).weigh(|| said(B::BadAddress, "unknown-user"));
        assert_eq!(found.consequence, Consequence::Fail);
    }

    /// "Blocked" is about the sender: then "user unknown" is counted, and believed when it comes again.
    #[test]
    fn the_senders_fault_makes_no_address_bad_at_once() {
        for &class in BounceClass::ALL {
            let found = Claim::Beside(class).weigh(|| said(BounceClass::BadAddress, "unknown-user"));
            let fault = said(class, "").consequence == Consequence::Fail;
            assert_eq!(found.consequence == Consequence::HardBounce, !fault, "{class}");
        }
    }

    #[test]
    fn a_services_word_turns_no_knob() {
        for &class in BounceClass::ALL {
            let found = Claim::Instead(class).weigh(|| said(class, ""));
            assert_eq!((found.knob, found.hold, found.pause_campaign), (None, None, false), "{class}");
        }
    }
}
