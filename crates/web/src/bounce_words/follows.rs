//! What follows from a bounce: what a rule does, and what came of a report.

use tidings_domain::{BounceAction, BounceLimits, ReportEffect};

use crate::text::count_of;

/// What an action does, in a few words.
pub const fn action(of: BounceAction) -> &'static str {
    match of {
        BounceAction::Suppress => "Suppress at once",
        BounceAction::SecondTime => "Suppress 2nd time",
        BounceAction::Count => "Count; then hold",
        BounceAction::Nothing => "Leave alone",
    }
}

/// What an action does with a person, as a sentence.
pub fn action_sentence(of: BounceAction, limits: &BounceLimits) -> String {
    let days = |n: u16| count_of(i64::from(n), "day", "days");
    match of {
        BounceAction::Suppress => "The person is marked as bounced and the address suppressed, at once.".to_owned(),
        BounceAction::SecondTime => format!(
            "The first one only raises a doubt; a second one within {}, with nothing delivered in between, suppresses the address.",
            days(limits.second_within_days)
        ),
        BounceAction::Count if limits.hold_after == 0 => "It is counted, and nothing else follows.".to_owned(),
        BounceAction::Count => format!(
            "It is counted. {} in a row over at least {} put the address on hold; a delivered message or a click begins anew.",
            limits.hold_after,
            days(limits.hold_over_days)
        ),
        BounceAction::Nothing => "The person is left alone.".to_owned(),
    }
}

/// What followed: tone of the badge, a few words, a sentence.
pub const fn effect(of: ReportEffect) -> (&'static str, &'static str, &'static str) {
    use ReportEffect as E;
    match of {
        E::Suppressed => ("bad", "Suppressed", "The person is marked as bounced and the address is suppressed."),
        E::OnHold => ("warn", "On hold", "One soft bounce too many in a row: the address is put on hold."),
        E::Counted => ("warn", "Counted", "One more soft bounce in a row is counted."),
        E::Doubted => ("warn", "Doubted", "The first doubt about this address: a second one suppresses it."),
        E::Recorded => ("info", "Left alone", "The message has ended; the person is not touched."),
        E::Complained => ("bad", "Complained", "Unsubscribed from all lists, and suppressed for good."),
        E::Unsubscribed => ("info", "Unsubscribed", "The person asked for it by mail, and is off the lists."),
        E::Nothing => ("neutral", "No consequence", "It says nothing that would change anything."),
        E::Known => (
            "neutral",
            "Known already",
            "The message had ended before, or was never handed over: this changes nothing.",
        ),
        E::Test => ("neutral", "Test message", "It is about a test message: nobody is marked for it."),
        E::NotOurs => ("neutral", "Not ours", "No signed token of ours is in it, or a forged one: nothing follows."),
        E::Gone => ("neutral", "Not in the ledger", "Its message is not in the ledger any more."),
        E::TooLate => ("neutral", "Too late", "It came so long after the message that it is not believed."),
        E::SetAside => ("warn", "Set aside", "Reading it failed again and again. It is kept, and holds up nobody."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_told_with_the_limits_in_force() {
        let limits = BounceLimits { second_within_days: 1, hold_after: 5, ..BounceLimits::default() };
        assert!(action_sentence(BounceAction::SecondTime, &limits).contains("within 1 day,"));
        assert!(action_sentence(BounceAction::Count, &limits).contains("5 in a row over at least 30 days"));
        let never = BounceLimits { hold_after: 0, ..limits };
        assert_eq!(action_sentence(BounceAction::Count, &never), "It is counted, and nothing else follows.");
    }
}
