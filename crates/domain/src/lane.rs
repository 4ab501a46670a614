use crate::word::words;

words! {
    /// A queue that never waits for a lower one.
    pub enum Lane {
        /// Test messages and API messages: somebody waits for them.
        Transactional = "transactional",
        Automation = "automation",
        /// Campaigns.
        Bulk = "bulk",
    }
}

impl Lane {
    /// The lane's place in the ledger and in the order of service; the lowest is served first.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Transactional => 0,
            Self::Automation => 1,
            Self::Bulk => 2,
        }
    }

    #[must_use]
    pub const fn from_code(code: i16) -> Option<Self> {
        match code {
            0 => Some(Self::Transactional),
            1 => Some(Self::Automation),
            2 => Some(Self::Bulk),
            _ => None,
        }
    }
}
