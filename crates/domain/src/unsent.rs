use crate::DeliveryState;
use crate::word::words;

/// The two lists of what a refusal keeps from its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsent {
    /// Put off: tried again by itself.
    Deferred,
    /// Dead letters: soft bounced, failed.
    Dead,
}

impl Unsent {
    #[must_use]
    pub const fn holds(self, state: DeliveryState) -> bool {
        match self {
            Self::Deferred => matches!(state, DeliveryState::Deferred),
            Self::Dead => matches!(state, DeliveryState::SoftBounced | DeliveryState::Failed),
        }
    }
}

words! {
    /// What a person does to deliveries on one of these lists.
    pub enum UnsentAct {
        /// Dead letters are due now, with a new retry window.
        Retry = "retry",
        /// Dead letters leave the list; the ledger keeps their state.
        Discard = "discard",
        /// Deferred deliveries are due now.
        Flush = "flush",
        /// They wait until they are released.
        Hold = "hold",
        /// They are due when they would have been.
        Release = "release",
        /// They end as dead letters.
        GiveUp = "give_up",
    }
}

impl UnsentAct {
    /// The list that it is about.
    #[must_use]
    pub const fn side(self) -> Unsent {
        match self {
            Self::Retry | Self::Discard => Unsent::Dead,
            Self::Flush | Self::Hold | Self::Release | Self::GiveUp => Unsent::Deferred,
        }
    }
}
