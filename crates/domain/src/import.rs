use std::fmt;

use crate::merge_tag;
use crate::word::words;

words! {
    /// Where an import stands.
    pub enum ImportState {
        /// The file is here; the importer has yet to look at it.
        Uploaded = "uploaded",
        /// A person checks what was recognised.
        Review = "review",
        Ready = "ready",
        Running = "running",
        Done = "done",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

impl ImportState {
    /// Nothing will change any more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// The importer has work with it now.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Uploaded | Self::Ready | Self::Running)
    }
}

/// Every legal move of an import; there is no other way to change its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportTransition {
    /// The file was looked at; a person is asked.
    Recognise,
    /// A person says that the file is to be read another way.
    Reread,
    /// The columns are settled.
    Approve,
    Start,
    Finish,
    Fail,
    Cancel,
}

impl ImportTransition {
    /// The states that this move may leave.
    #[must_use]
    pub const fn from(self) -> &'static [ImportState] {
        use ImportState as S;
        match self {
            Self::Recognise => &[S::Uploaded],
            Self::Reread => &[S::Review],
            Self::Approve => &[S::Uploaded, S::Review],
            Self::Start => &[S::Ready],
            Self::Finish => &[S::Running],
            Self::Fail => &[S::Uploaded, S::Ready, S::Running],
            Self::Cancel => &[S::Uploaded, S::Review, S::Ready, S::Running],
        }
    }

    #[must_use]
    pub const fn to(self) -> ImportState {
        match self {
            Self::Recognise => ImportState::Review,
            Self::Reread => ImportState::Uploaded,
            Self::Approve => ImportState::Ready,
            Self::Start => ImportState::Running,
            Self::Finish => ImportState::Done,
            Self::Fail => ImportState::Failed,
            Self::Cancel => ImportState::Cancelled,
        }
    }
}

words! {
    /// Why a row of the file did not become a subscriber of its own.
    pub enum RejectKind {
        /// An earlier row has the same address; this one's values were used.
        Duplicate = "duplicate",
        Invalid = "invalid",
        /// Suppressed, or unsubscribed from this list: never subscribed again by an import.
        Suppressed = "suppressed",
    }
}

/// What a column of the file becomes. Its text form stands in mappings and forms: `email`, `attribute:plan_type`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnTarget {
    Email,
    FirstName,
    LastName,
    /// A merge field of this name.
    Attribute(String),
    Ignore,
}

impl ColumnTarget {
    /// Reads the text form; whatever follows `attribute:` is made a proper name. `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "email" => Some(Self::Email),
            "first_name" => Some(Self::FirstName),
            "last_name" => Some(Self::LastName),
            "ignore" => Some(Self::Ignore),
            _ => text.strip_prefix("attribute:").map(|name| Self::Attribute(merge_tag(name))),
        }
    }
}

impl fmt::Display for ColumnTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email => f.write_str("email"),
            Self::FirstName => f.write_str("first_name"),
            Self::LastName => f.write_str("last_name"),
            Self::Ignore => f.write_str("ignore"),
            Self::Attribute(name) => write!(f, "attribute:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_stays_over() {
        use ImportTransition as T;
        for t in [T::Recognise, T::Reread, T::Approve, T::Start, T::Finish, T::Fail, T::Cancel] {
            assert!(!t.from().iter().any(|state| state.is_over()), "{t:?}");
            assert!(!t.from().contains(&t.to()), "{t:?}");
        }
    }

    #[test]
    fn a_target_is_its_text() {
        for text in ["email", "first_name", "last_name", "ignore", "attribute:plan_type"] {
            assert_eq!(ColumnTarget::parse(text).map(|t| t.to_string()).as_deref(), Some(text));
        }
        assert_eq!(ColumnTarget::parse("attribute:Plan {{type}}"), Some(ColumnTarget::Attribute("plan_type".into())));
        assert_eq!(ColumnTarget::parse("password"), None);
    }
}
