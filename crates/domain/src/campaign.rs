use crate::word::words;

words! {
    /// Where a campaign stands. `paused` and `attention` lie across these; they are columns of their own.
    pub enum CampaignState {
        /// Editable; the ledger has no row of it.
        Draft = "draft",
        /// Will launch by itself at its time.
        Scheduled = "scheduled",
        /// Fan-out is writing ledger rows and jobs.
        Queuing = "queuing",
        /// All jobs exist, no attempt yet.
        Queued = "queued",
        /// The first attempt has begun.
        Sending = "sending",
        /// No row is pending, queued, sending or deferred. Derived from the ledger, never set because a queue ran dry.
        Done = "done",
        Cancelled = "cancelled",
    }
}

impl CampaignState {
    /// Those of a campaign under way.
    pub const ALL_ACTIVE: [Self; 3] = [Self::Queuing, Self::Queued, Self::Sending];

    /// Fan-out or sending is under way.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Queuing | Self::Queued | Self::Sending)
    }
}

/// Every legal move of a campaign; there is no other way to change its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignTransition {
    Launch,
    FinishQueuing,
    StartSending,
    Finish,
    /// Nothing is to be sent: the whole audience is skipped.
    FinishEmpty,
    CancelWhileQueuing,
    CancelWhileQueued,
    CancelWhileSending,
    /// Rows in doubt are sent again after the end.
    Reopen,
}

impl CampaignTransition {
    pub const ALL: &'static [Self] = &[
        Self::Launch,
        Self::FinishQueuing,
        Self::StartSending,
        Self::Finish,
        Self::FinishEmpty,
        Self::CancelWhileQueuing,
        Self::CancelWhileQueued,
        Self::CancelWhileSending,
        Self::Reopen,
    ];

    /// From and to.
    #[must_use]
    pub const fn edge(self) -> (CampaignState, CampaignState) {
        use CampaignState as S;
        match self {
            Self::Launch => (S::Draft, S::Queuing),
            Self::FinishQueuing => (S::Queuing, S::Queued),
            Self::StartSending => (S::Queued, S::Sending),
            Self::Finish => (S::Sending, S::Done),
            Self::FinishEmpty => (S::Queued, S::Done),
            Self::CancelWhileQueuing => (S::Queuing, S::Cancelled),
            Self::CancelWhileQueued => (S::Queued, S::Cancelled),
            Self::CancelWhileSending => (S::Sending, S::Cancelled),
            Self::Reopen => (S::Done, S::Sending),
        }
    }

    /// The move that cancels a campaign in this state, if it can be cancelled.
    #[must_use]
    pub const fn cancel_from(state: CampaignState) -> Option<Self> {
        match state {
            CampaignState::Queuing => Some(Self::CancelWhileQueuing),
            CampaignState::Queued => Some(Self::CancelWhileQueued),
            CampaignState::Sending => Some(Self::CancelWhileSending),
            _ => None,
        }
    }
}
