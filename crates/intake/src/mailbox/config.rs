use std::fmt;
use std::path::PathBuf;

use super::MailboxError;

/// A mailbox to which reports come.
#[derive(Debug, Clone)]
pub struct MailboxConfig {
    /// Its name here, for example its id. It is a part of the keys of its mails, so it must stay the same.
    pub name: String,
    pub place: Place,
    pub after: After,
}

#[derive(Debug, Clone)]
pub enum Place {
    Imap {
        account: Account,
        folder: String,
    },
    Pop3(Account),
    /// A directory with `new/` and `cur/` in it.
    Maildir(PathBuf),
}

/// Where, and as whom, to log in.
#[derive(Debug, Clone)]
pub struct Account {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub user: String,
    pub password: Password,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first octet: port 993 or 995.
    Tls,
    /// Port 143 or 110. Without TLS no password is sent.
    StartTls,
    /// Everything, the password too, can be read on the way. For a server on the same machine.
    Plaintext,
}

/// What becomes of a mail that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    Delete,
    Keep,
    /// Into another folder of the same mailbox, which must exist. Not with POP3, which has no folders.
    MoveTo(String),
}

/// A password that no log shows.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    #[must_use]
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl MailboxConfig {
    /// # Errors
    /// When it asks for something that cannot be done, or a value could end a protocol line.
    pub(super) fn check(&self) -> Result<(), MailboxError> {
        let (account, folder) = match &self.place {
            Place::Imap { account, folder } => (Some(account), folder.as_str()),
            Place::Pop3(account) => (Some(account), ""),
            Place::Maildir(_) => (None, ""),
        };
        let target = match &self.after {
            After::MoveTo(_) if matches!(self.place, Place::Pop3(_)) => {
                return Err(MailboxError::Configuration("POP3 has no folders: choose to delete mails or to keep them"));
            }
            After::MoveTo(target) => target,
            After::Delete | After::Keep => "",
        };
        if !target.is_empty() && target == folder {
            return Err(MailboxError::Configuration("mails cannot be moved into the folder where they are"));
        }
        let mut words = vec![folder, target];
        words.extend(account.iter().flat_map(|a| [a.user.as_str(), a.password.reveal()]));
        if words.iter().any(|word| word.contains(['\r', '\n', '\0'])) {
            return Err(MailboxError::Configuration("user, password and folders must be single lines"));
        }
        Ok(())
    }
}
