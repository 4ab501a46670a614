use crate::SkipReason;
use crate::word::words;

words! {
    /// Why an address must not be sent to. Ordered by strength: an entry is never replaced by a weaker one.
    pub enum SuppressionReason {
        OnHold = "on_hold",
        Unsubscribe = "unsubscribe",
        HardBounce = "hard_bounce",
        Blocklist = "blocklist",
        Complaint = "complaint",
    }
}

impl SuppressionReason {
    /// The reason that a delivery skipped for this suppression shows.
    #[must_use]
    pub const fn skip_reason(self) -> SkipReason {
        match self {
            Self::OnHold => SkipReason::OnHold,
            Self::Unsubscribe => SkipReason::Unsubscribed,
            Self::HardBounce => SkipReason::HardBounce,
            Self::Blocklist => SkipReason::Blocklist,
            Self::Complaint => SkipReason::Complaint,
        }
    }
}

words! {
    /// What a suppression names.
    pub enum SuppressionKind {
        Address = "address",
        Domain = "domain",
    }
}

words! {
    /// What is known of a subscriber's mailbox; subscriptions say which lists he wants.
    pub enum SubscriberStatus {
        Active = "active",
        Bounced = "bounced",
        Complained = "complained",
        OnHold = "on_hold",
    }
}
