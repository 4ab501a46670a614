/// The arithmetic of an audience, before launch (a forecast) or after (frozen).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Audience {
    /// Active subscriptions on the included lists, each counted.
    pub subscriptions: i64,
    /// Of these, the same person again on another included list.
    pub duplicates: i64,
    /// People on an excluded list.
    pub excluded: i64,
    /// People whose address is suppressed.
    pub suppressed: i64,
}

impl Audience {
    /// Distinct people: the rows of the ledger.
    #[must_use]
    pub const fn people(&self) -> i64 {
        self.subscriptions - self.duplicates
    }

    /// How many will get the campaign.
    #[must_use]
    pub const fn recipients(&self) -> i64 {
        self.people() - self.excluded - self.suppressed
    }
}
