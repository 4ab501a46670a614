use crate::Habit;
use crate::habit::DropAt;
use crate::provider::{BROKEN_DNS, provider_of};

/// What must have become of a recipient once a campaign has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Expectation {
    /// At the first try, unless the provider throttles.
    Accepted,
    /// Refused or cut off at the first try.
    AcceptedAfterRetry,
    /// No such mailbox, or no such domain.
    HardBounce,
    /// No room, or a name server that never answers: given up at last.
    SoftBounce,
    /// The connection ends between the final dot and its reply.
    InDoubt {
        /// The copy was kept all the same.
        kept: bool,
    },
}

impl Expectation {
    /// How many copies the world accepts, when nothing is sent again after an outcome in doubt.
    #[must_use]
    pub const fn copies(self) -> u32 {
        match self {
            Self::Accepted | Self::AcceptedAfterRetry | Self::InDoubt { kept: true } => 1,
            Self::HardBounce | Self::SoftBounce | Self::InDoubt { kept: false } => 0,
        }
    }
}

/// Whether and why a mailbox takes nothing. Holds at every provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mailbox {
    Open,
    Unknown,
    /// For now, it says.
    Full,
    /// For good, it says.
    OverQuota,
}

impl Mailbox {
    pub fn of(local: &str) -> Self {
        match local.split_once('.').map(|(word, _)| word) {
            Some("unknown") => Self::Unknown,
            Some("full") => Self::Full,
            Some("quota") => Self::OverQuota,
            _ => Self::Open,
        }
    }
}

/// What the world does with a recipient, by its address in canonical form.
#[must_use]
pub fn expected(recipient: &str) -> Expectation {
    let Some((local, domain)) = recipient.rsplit_once('@') else { return Expectation::HardBounce };
    let Some(provider) = provider_of(domain) else {
        return if domain == BROKEN_DNS { Expectation::SoftBounce } else { Expectation::HardBounce };
    };
    match (Mailbox::of(local), provider.habit) {
        (Mailbox::Unknown, _) => Expectation::HardBounce,
        (Mailbox::Full | Mailbox::OverQuota, _) => Expectation::SoftBounce,
        (Mailbox::Open, Habit::Greylists) => Expectation::AcceptedAfterRetry,
        (Mailbox::Open, Habit::Drops) => match DropAt::of(recipient) {
            DropAt::Never => Expectation::Accepted,
            DropAt::Recipient | DropAt::Data => Expectation::AcceptedAfterRetry,
            DropAt::AfterAccepting => Expectation::InDoubt { kept: true },
            DropAt::InsteadOfAccepting => Expectation::InDoubt { kept: false },
        },
        (Mailbox::Open, _) => Expectation::Accepted,
    }
}
