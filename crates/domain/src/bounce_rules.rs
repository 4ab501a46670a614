//! What follows for a subscriber from a bounce of his: by class, by what a workspace chose, and by what was before.

use std::collections::BTreeMap;

use crate::word::words;
use crate::{BounceClass, DeliveryState};

words! {
    /// What a bounce of one class does to the subscriber.
    pub enum BounceAction {
        /// Marked as bounced and suppressed, at once.
        Suppress = "suppress",
        /// Suppressed when a second message bounces so within [`BounceLimits::second_within_days`] and none was delivered between.
        SecondTime = "second_time",
        /// Counted; put on hold when [`BounceLimits::hold_after`] come in a row.
        Count = "count",
        /// Left alone.
        Nothing = "nothing",
    }
}

words! {
    /// What followed from a report or a refusal, as it is shown.
    pub enum ReportEffect {
        /// The subscriber is marked as bounced, the address suppressed.
        Suppressed = "suppressed",
        /// So many soft bounces in a row that the address is put on hold.
        OnHold = "on_hold",
        /// One more soft bounce in a row.
        Counted = "counted",
        /// The first doubt about the address: a second one suppresses it.
        Doubted = "doubted",
        /// The delivery has ended; the subscriber is left alone.
        Recorded = "recorded",
        /// Unsubscribed and suppressed for good.
        Complained = "complained",
        Unsubscribed = "unsubscribed",
        /// It says nothing that changes anything.
        Nothing = "nothing",
        /// The delivery had ended so before, or never got so far.
        Known = "known",
        /// About a test message: nobody is marked for it.
        Test = "test",
        /// No signed token of ours is in it, or a forged one.
        NotOurs = "not_ours",
        /// The delivery is not in the ledger (any more).
        Gone = "gone",
        /// A bounce that comes so late that it is not believed.
        TooLate = "too_late",
        /// Reading it failed again and again; it is kept for a person.
        SetAside = "set_aside",
    }
}

/// When counted bounces have consequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BounceLimits {
    /// Two doubts within so many days prove each other.
    pub second_within_days: u16,
    /// Soft bounces in a row that put an address on hold…
    pub hold_after: u16,
    /// …if the first of them is at least so many days old.
    pub hold_over_days: u16,
    /// A campaign is paused above this share of hard bounces in a window, in parts of 10,000. 0: never.
    pub pause_hard_bounces: u16,
    /// The same for complaints.
    pub pause_complaints: u16,
    /// A campaign asks for attention above this share of complaints.
    pub warn_complaints: u16,
}

impl Default for BounceLimits {
    fn default() -> Self {
        Self {
            second_within_days: 30,
            hold_after: 3,
            hold_over_days: 30,
            pause_hard_bounces: 500,
            pause_complaints: 30,
            warn_complaints: 10,
        }
    }
}

/// One workspace's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BounceRules {
    /// Only what differs from [`BounceClass::default_action`].
    pub chosen: BTreeMap<BounceClass, BounceAction>,
    pub limits: BounceLimits,
}

impl BounceRules {
    /// What a bounce of this class does. A class that is the sender's own fault does nothing, whatever was chosen.
    #[must_use]
    pub fn action(&self, class: BounceClass) -> BounceAction {
        if !class.is_editable() {
            return BounceAction::Nothing;
        }
        self.chosen.get(&class).copied().unwrap_or_else(|| class.default_action())
    }

    /// What follows for the subscriber of a delivery that ended like this. A deferral that went on for days ends as a hard bounce
    /// though its class alone is only a doubt: unless the workspace chose otherwise, it is meant.
    #[must_use]
    pub fn action_at_end(&self, end: DeliveryState, class: BounceClass) -> BounceAction {
        let meant = end == DeliveryState::HardBounced && class.is_editable() && !self.chosen.contains_key(&class);
        match end {
            _ if meant => BounceAction::Suppress,
            DeliveryState::HardBounced | DeliveryState::SoftBounced => self.action(class),
            _ => BounceAction::Nothing,
        }
    }
}

impl BounceClass {
    /// What the class says of the address, when a workspace has no other opinion.
    #[must_use]
    pub const fn default_action(self) -> BounceAction {
        match self {
            Self::BadAddress | Self::BadDomain | Self::NullMx | Self::Moved => BounceAction::Suppress,
            Self::ProbableBadAddress | Self::NoMailHost | Self::MailboxDisabled => BounceAction::SecondTime,
            _ if self.is_senders_fault() => BounceAction::Nothing,
            _ => BounceAction::Count,
        }
    }

    /// How a delivery ends that comes back with this class.
    #[must_use]
    pub const fn end(self) -> DeliveryState {
        match self.default_action() {
            BounceAction::Suppress => DeliveryState::HardBounced,
            BounceAction::Nothing => DeliveryState::Failed,
            BounceAction::SecondTime | BounceAction::Count => DeliveryState::SoftBounced,
        }
    }

    /// About us, our content or our pace: no subscriber is ever touched for it.
    #[must_use]
    pub const fn is_senders_fault(self) -> bool {
        matches!(
            self,
            Self::TooBig
                | Self::Protocol
                | Self::SessionLimit
                | Self::ContentEncoding
                | Self::Smtputf8Unsupported
                | Self::IpBlocked
                | Self::ContentBlocked
                | Self::Throttled
                | Self::TooManyConnections
                | Self::Greylist
                | Self::Ptr
                | Self::Authentication
                | Self::TlsRequired
                | Self::RelayAuth
                | Self::Render
        )
    }

    /// A workspace may choose what follows.
    #[must_use]
    pub const fn is_editable(self) -> bool {
        !self.is_senders_fault()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Word;

    #[test]
    fn no_choice_makes_a_subscriber_pay_for_the_senders_fault() {
        for class in BounceClass::ALL.iter().filter(|class| class.is_senders_fault()) {
            let rules = BounceRules { chosen: [(*class, BounceAction::Suppress)].into(), ..BounceRules::default() };
            for end in DeliveryState::ALL {
                assert_eq!(rules.action_at_end(*end, *class), BounceAction::Nothing, "{class} at {end}");
            }
        }
    }

    #[test]
    fn a_long_deferral_that_ended_hard_is_meant_unless_chosen_otherwise() {
        let class = BounceClass::ProbableBadAddress;
        let built_in = BounceRules::default();
        assert_eq!(built_in.action_at_end(DeliveryState::SoftBounced, class), BounceAction::SecondTime);
        assert_eq!(built_in.action_at_end(DeliveryState::HardBounced, class), BounceAction::Suppress);
        let lenient = BounceRules { chosen: [(class, BounceAction::Count)].into(), ..built_in };
        assert_eq!(lenient.action_at_end(DeliveryState::HardBounced, class), BounceAction::Count);
    }

    #[test]
    fn what_never_arrived_for_our_own_reasons_touches_nobody() {
        assert_eq!(
            BounceRules::default().action_at_end(DeliveryState::Failed, BounceClass::BadAddress),
            BounceAction::Nothing
        );
    }
}
