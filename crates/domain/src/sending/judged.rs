use crate::word::words;

words! {
    /// What a record is for.
    pub enum RecordKind {
        Dkim = "dkim",
        Spf = "spf",
        Dmarc = "dmarc",
        BounceMx = "bounce_mx",
    }
}

words! {
    /// How a record stands.
    pub enum RecordState {
        /// Not looked for yet, or DNS gave no answer: nothing is known.
        Unknown = "unknown",
        Good = "good",
        Missing = "missing",
        /// One is there, and it is not what it should be.
        Wrong = "wrong",
        /// One is there that nobody can read.
        Broken = "broken",
        /// More than one is there: receivers take none of them.
        Several = "several",
    }
}

/// What was found, in a word and in a sentence for the person who publishes it. The sentence is empty when there is nothing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub state: RecordState,
    pub detail: String,
}

impl Judged {
    #[must_use]
    pub fn good() -> Self {
        Self { state: RecordState::Good, detail: String::new() }
    }

    #[must_use]
    pub fn good_but(detail: impl Into<String>) -> Self {
        Self { state: RecordState::Good, detail: detail.into() }
    }

    #[must_use]
    pub fn missing(detail: impl Into<String>) -> Self {
        Self { state: RecordState::Missing, detail: detail.into() }
    }

    #[must_use]
    pub fn wrong(detail: impl Into<String>) -> Self {
        Self { state: RecordState::Wrong, detail: detail.into() }
    }

    #[must_use]
    pub fn broken(detail: impl Into<String>) -> Self {
        Self { state: RecordState::Broken, detail: detail.into() }
    }

    #[must_use]
    pub fn several(detail: impl Into<String>) -> Self {
        Self { state: RecordState::Several, detail: detail.into() }
    }

    /// Nobody answered: `why` in words.
    #[must_use]
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { state: RecordState::Unknown, detail: why.into() }
    }
}

impl RecordState {
    /// DNS has answered, and not well.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Missing | Self::Wrong | Self::Broken | Self::Several)
    }
}
