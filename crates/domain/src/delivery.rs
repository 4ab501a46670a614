use crate::word::words;

words! {
    /// Where one delivery stands: one ledger row is in exactly one of these.
    pub enum DeliveryState {
        /// In the audience, not yet queued.
        Pending = "pending",
        /// Its job exists.
        Queued = "queued",
        /// The intent is committed: the final dot may have been sent.
        Sending = "sending",
        /// Refused for now; tried again at `next_at`.
        Deferred = "deferred",
        /// 2xx after the final dot.
        Accepted = "accepted",
        /// Permanent, about the recipient.
        HardBounced = "hard_bounced",
        /// Gave up after the retry window, or a full mailbox: a dead letter.
        SoftBounced = "soft_bounced",
        /// About us or the content: a dead letter.
        Failed = "failed",
        /// The dot was sent and no reply was read.
        InDoubt = "in_doubt",
        /// Suppressed or unsubscribed: never attempted, with its reason.
        Skipped = "skipped",
        Cancelled = "cancelled",
        /// Accepted, and complained about later.
        Complained = "complained",
    }
}

impl DeliveryState {
    /// The state's number in the ledger. Below 10 a row can still move by itself; from 10 on it has ended.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Queued => 1,
            Self::Sending => 2,
            Self::Deferred => 3,
            Self::Accepted => 10,
            Self::HardBounced => 11,
            Self::SoftBounced => 12,
            Self::Failed => 13,
            Self::InDoubt => 14,
            Self::Skipped => 15,
            Self::Cancelled => 16,
            Self::Complained => 17,
        }
    }

    #[must_use]
    pub const fn from_code(code: i16) -> Option<Self> {
        Some(match code {
            0 => Self::Pending,
            1 => Self::Queued,
            2 => Self::Sending,
            3 => Self::Deferred,
            10 => Self::Accepted,
            11 => Self::HardBounced,
            12 => Self::SoftBounced,
            13 => Self::Failed,
            14 => Self::InDoubt,
            15 => Self::Skipped,
            16 => Self::Cancelled,
            17 => Self::Complained,
            _ => return None,
        })
    }

    /// Nothing moves it any more but a late bounce, a late complaint, or a person.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        self.code() >= 10
    }

    /// The ends that a bounce can have. When a report is read again by better rules, its delivery moves from one to another of these.
    #[must_use]
    pub const fn is_bounce(self) -> bool {
        matches!(self, Self::HardBounced | Self::SoftBounced | Self::Failed)
    }

    /// The one list of edges. A refusal before the final dot leaves `Queued` directly: no intent was written.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use DeliveryState as S;
        match self {
            S::Pending => matches!(next, S::Queued | S::Skipped | S::Cancelled),
            S::Queued => matches!(
                next,
                S::Sending | S::Deferred | S::HardBounced | S::SoftBounced | S::Failed | S::Skipped | S::Cancelled
            ),
            S::Sending => {
                matches!(next, S::Accepted | S::Deferred | S::HardBounced | S::SoftBounced | S::Failed | S::InDoubt)
            }
            S::Deferred => matches!(next, S::Queued | S::SoftBounced | S::Skipped | S::Cancelled),
            // What the receiver took may come back: undeliverable for good, given up on, or refused for what is in it.
            S::Accepted => matches!(next, S::HardBounced | S::SoftBounced | S::Failed | S::Complained),
            // Evidence may come late; or a person decides to send it again, and it becomes due at once.
            S::InDoubt => {
                matches!(next, S::Accepted | S::HardBounced | S::SoftBounced | S::Failed | S::Complained | S::Deferred)
            }
            // A person lets a dead letter be tried again.
            S::SoftBounced | S::Failed => matches!(next, S::Deferred),
            S::HardBounced | S::Skipped | S::Cancelled | S::Complained => false,
        }
    }
}

words! {
    /// Why a member of the audience is not attempted.
    pub enum SkipReason {
        /// On a list that the campaign excludes.
        Excluded = "excluded",
        /// No subscription to an included list is active any more.
        Unsubscribed = "unsubscribed",
        HardBounce = "hard_bounce",
        Complaint = "complaint",
        OnHold = "on_hold",
        Blocklist = "blocklist",
        /// The subscriber was deleted between launch and attempt.
        Deleted = "deleted",
        /// The campaign's deadline passed before the first attempt.
        Deadline = "deadline",
    }
}

/// What a ledger row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryKind {
    Campaign,
    /// A test message of a draft: never counted in the campaign's sums.
    Test,
}

impl DeliveryKind {
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Campaign => 0,
            Self::Test => 1,
        }
    }

    #[must_use]
    pub const fn from_code(code: i16) -> Option<Self> {
        match code {
            0 => Some(Self::Campaign),
            1 => Some(Self::Test),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Word;

    #[test]
    fn codes_are_a_bijection_and_terminal_starts_at_ten() {
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::from_code(state.code()), Some(*state));
        }
        assert_eq!((-2..40).filter_map(DeliveryState::from_code).count(), DeliveryState::ALL.len());
    }

    #[test]
    fn only_late_evidence_or_a_person_moves_what_has_ended() {
        for from in DeliveryState::ALL.iter().filter(|s| s.is_terminal()) {
            for to in DeliveryState::ALL {
                let late = matches!(from, DeliveryState::Accepted | DeliveryState::InDoubt);
                let dead = matches!(from, DeliveryState::SoftBounced | DeliveryState::Failed);
                let by_hand = dead && *to == DeliveryState::Deferred;
                assert!(late || by_hand || !from.may_become(*to), "{from} -> {to}");
            }
        }
    }

    #[test]
    fn every_open_state_can_end() {
        for from in DeliveryState::ALL.iter().filter(|s| !s.is_terminal()) {
            assert!(DeliveryState::ALL.iter().any(|to| to.is_terminal() && from.may_become(*to)), "{from}");
        }
    }
}
