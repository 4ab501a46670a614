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
    /// What a suppression names. Ordered from the most to the least exact: of several, the first explains the silence.
    pub enum SuppressionKind {
        Address = "address",
        /// An address that is kept as a keyed hash of ours, because its person was erased.
        Hash = "hash",
        /// A list of another platform: MD5 of the address in lower case, in hex.
        Md5 = "md5",
        /// The same by SHA-256.
        Sha256 = "sha256",
        Domain = "domain",
        /// A glob over the whole address, as [`crate::AddressPattern`] reads it.
        Pattern = "pattern",
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
