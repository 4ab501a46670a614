/// What a pre-flight check has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// A stable name of the check, like `no-unsubscribe-link`.
    pub code: &'static str,
    pub title: String,
    /// What to do, in a sentence or two.
    pub detail: String,
    /// The field of [`Content`](crate::Content) it is about: where a "Fix" link leads.
    pub field: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The campaign cannot be launched.
    Block,
    Warn,
    Info,
}

impl Level {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }
}
