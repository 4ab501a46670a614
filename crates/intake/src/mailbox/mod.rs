//! Mailboxes that are emptied: IMAP, POP3, Maildir.
//!
//! A round ([`MailboxReader::fetch_once`]) looks at what lies there, keeps what was not kept before, and only then
//! removes it. Servers are believed nothing: every line, literal, list and wait has a bound, so that a hostile or broken
//! one costs a round and no more.

mod batch;
mod config;
mod connect;
mod error;
mod imap;
mod key;
mod limits;
mod maildir;
mod pop3;
mod wire;

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::time::timeout;

pub use config::{Account, After, MailboxConfig, Password, Place, Security};
pub use error::MailboxError;
pub use limits::{BATCH_MAILS, MailboxLimits, PAGE_MAILS};

use crate::Mailroom;

/// What a round came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Mails that lay there and were looked at.
    pub seen: u64,
    /// Stored by this round.
    pub kept: u64,
    /// Removed or moved, of those that this round or one before has stored.
    pub removed: u64,
    /// Left where they are: kept before and to stay, too large, unreadable, or gone before they were fetched.
    pub skipped: u64,
    /// The round was full: another one, at once, will find more.
    pub more: bool,
}

/// Reads mailboxes. One serves all of them.
#[derive(Clone)]
pub struct MailboxReader {
    pub limits: MailboxLimits,
    tls: Arc<ClientConfig>,
}

impl MailboxReader {
    /// With the authorities that are trusted ([`client_tls`](crate::client_tls)).
    #[must_use]
    pub fn new(tls: Arc<ClientConfig>) -> Self {
        Self { limits: MailboxLimits::default(), tls }
    }

    /// One round: connects, fetches each mail that the mailroom does not know, in the order of the mailbox, and removes
    /// what is kept, if the configuration says so.
    ///
    /// A mail that somebody else removes meanwhile is no error. After an error whatever was kept is kept, and the next
    /// round removes it.
    ///
    /// # Errors
    /// In words that tell the operator what to do.
    pub async fn fetch_once<M: Mailroom>(&self, config: &MailboxConfig, mailroom: &M) -> Result<Fetched, MailboxError> {
        config.check()?;
        let round = async {
            match &config.place {
                Place::Imap { account, folder } => imap::round(self, config, account, folder, mailroom).await,
                Place::Pop3(account) => pop3::round(self, config, account, mailroom).await,
                Place::Maildir(path) => maildir::round(self, config, path, mailroom).await,
            }
        };
        let within = self.limits.round_wait;
        timeout(within, round).await.unwrap_or(Err(MailboxError::Timeout { during: "the round".to_owned(), within }))
    }
}

impl fmt::Debug for MailboxReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailboxReader").field("limits", &self.limits).finish_non_exhaustive()
    }
}
