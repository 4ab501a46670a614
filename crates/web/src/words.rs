//! The product's words as people read them, and the tone of their badge.

use tidings_domain::{SubscriberStatus, SubscriptionStatus, SuppressionReason};

/// A word on a badge.
pub trait Label {
    fn label(&self) -> &'static str;
    /// `neutral`, `info`, `live`, `ok`, `warn` or `bad`.
    fn tone(&self) -> &'static str;
}

impl Label for SuppressionReason {
    fn label(&self) -> &'static str {
        match self {
            Self::OnHold => "On hold",
            Self::Unsubscribe => "Unsubscribed",
            Self::HardBounce => "Hard bounce",
            Self::Blocklist => "Blocked by hand",
            Self::Complaint => "Complaint",
        }
    }

    fn tone(&self) -> &'static str {
        match self {
            Self::OnHold => "warn",
            Self::Unsubscribe => "neutral",
            Self::HardBounce | Self::Complaint => "bad",
            Self::Blocklist => "info",
        }
    }
}

impl Label for SubscriberStatus {
    fn label(&self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Bounced => "Bounced",
            Self::Complained => "Complained",
            Self::OnHold => "On hold",
        }
    }

    fn tone(&self) -> &'static str {
        match self {
            Self::Active => "ok",
            Self::Bounced | Self::Complained => "bad",
            Self::OnHold => "warn",
        }
    }
}

impl Label for SubscriptionStatus {
    fn label(&self) -> &'static str {
        match self {
            Self::Subscribed => "Subscribed",
            Self::Unsubscribed => "Unsubscribed",
        }
    }

    fn tone(&self) -> &'static str {
        match self {
            Self::Subscribed => "ok",
            Self::Unsubscribed => "neutral",
        }
    }
}
