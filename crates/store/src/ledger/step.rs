use tidings_domain::{DeliveryKind, DeliveryState};

/// One legal move of one ledger row. It cannot be made without asking [`DeliveryState::may_become`], and every statement
/// that writes `deliveries.state` takes its two codes from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    from: DeliveryState,
    to: DeliveryState,
}

impl Step {
    pub(crate) const QUEUE: Self = Self::known(DeliveryState::Pending, DeliveryState::Queued);
    pub(crate) const START: Self = Self::known(DeliveryState::Queued, DeliveryState::Sending);
    pub(crate) const WAKE: Self = Self::known(DeliveryState::Deferred, DeliveryState::Queued);
    pub(crate) const LOSE_SIGHT: Self = Self::known(DeliveryState::Sending, DeliveryState::InDoubt);
    pub(crate) const SEND_AGAIN: Self = Self::known(DeliveryState::InDoubt, DeliveryState::Deferred);
    /// By an operator: the row leaves the queue and waits for its next try.
    pub(crate) const SET_ASIDE: Self = Self::known(DeliveryState::Queued, DeliveryState::Deferred);
    pub(crate) const RETRY: [Self; 2] = [
        Self::known(DeliveryState::SoftBounced, DeliveryState::Deferred),
        Self::known(DeliveryState::Failed, DeliveryState::Deferred),
    ];
    /// By a person.
    pub(crate) const GIVE_UP: Self = Self::known(DeliveryState::Deferred, DeliveryState::SoftBounced);
    /// The deadline passed before the first attempt.
    pub(crate) const MISS: [Self; 3] = [
        Self::known(DeliveryState::Pending, DeliveryState::Skipped),
        Self::known(DeliveryState::Queued, DeliveryState::Skipped),
        Self::known(DeliveryState::Deferred, DeliveryState::Skipped),
    ];
    /// The deadline passed after an attempt.
    pub(crate) const EXPIRE: [Self; 2] =
        [Self::known(DeliveryState::Queued, DeliveryState::SoftBounced), Self::GIVE_UP];
    pub(crate) const CANCEL: [Self; 3] = [
        Self::known(DeliveryState::Pending, DeliveryState::Cancelled),
        Self::known(DeliveryState::Queued, DeliveryState::Cancelled),
        Self::known(DeliveryState::Deferred, DeliveryState::Cancelled),
    ];
    pub(crate) const CANCEL_QUEUED: Self = Self::known(DeliveryState::Queued, DeliveryState::Cancelled);
    pub(crate) const CANCEL_DEFERRED: Self = Self::known(DeliveryState::Deferred, DeliveryState::Cancelled);
    pub(crate) const SKIP: Self = Self::known(DeliveryState::Queued, DeliveryState::Skipped);

    /// `None`: the state machine has no such edge.
    pub(crate) const fn new(from: DeliveryState, to: DeliveryState) -> Option<Self> {
        if from.may_become(to) { Some(Self { from, to }) } else { None }
    }

    /// Back to the acceptance, for a bounce whose report is read again: not an edge of the machine, but a mistake taken back.
    pub(crate) const fn correct(from: DeliveryState) -> Option<Self> {
        if from.is_bounce() { Some(Self { from, to: DeliveryState::Accepted }) } else { None }
    }

    /// For the edges above: an illegal one does not compile.
    const fn known(from: DeliveryState, to: DeliveryState) -> Self {
        assert!(from.may_become(to));
        Self { from, to }
    }

    pub(crate) const fn from(self) -> DeliveryState {
        self.from
    }

    pub(crate) const fn to(self) -> DeliveryState {
        self.to
    }
}

// What the SQL texts say in figures, because a partial index serves only a condition that it can read.
const _: () = {
    assert!(DeliveryState::Pending.code() == 0 && DeliveryState::Queued.code() == 1);
    assert!(DeliveryState::Deferred.code() == 3 && DeliveryState::InDoubt.code() == 14);
    assert!(DeliveryState::SoftBounced.code() == 12 && DeliveryState::Failed.code() == 13);
    assert!(DeliveryState::Skipped.code() == 15 && !DeliveryState::Deferred.is_terminal());
    assert!(DeliveryKind::Campaign.code() == 0 && DeliveryKind::Test.code() == 1);
};
