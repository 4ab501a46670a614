use std::fmt;
use std::net::IpAddr;

/// Of a longer mail only so many octets are kept: what a report has to say stands before the original that it returns.
///
/// Less than `tidings_bounce` would read, because a kept mail lies in memory for each connection and then in the database.
pub const KEPT_BYTES: usize = 256 * 1024;

const _: () = assert!(KEPT_BYTES <= tidings_bounce::MAX_BYTES, "what is kept must be what is read");

/// Where a mail came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArrivalSource {
    /// Our SMTP server; the address of the client.
    Smtp(IpAddr),
    /// A mailbox, by the name that its configuration gives it.
    Imap(String),
    Pop3(String),
    Maildir(String),
    /// Standard input.
    Pipe,
}

/// A mail that arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct Arrival {
    pub source: ArrivalSource,
    /// The same mail fetched twice has the same key, and no other mail ever has it. `None` by SMTP and pipe, where a
    /// mail that comes twice cannot be told from two mails.
    pub key: Option<String>,
    /// The reverse path without its brackets; empty is the null reverse path, and a mailbox knows none.
    pub mail_from: String,
    /// As the client wrote them, without brackets, each accepted by [`Mailroom::verdict`](crate::Mailroom::verdict);
    /// empty for mailboxes.
    pub rcpt_to: Vec<String>,
    /// The first [`KEPT_BYTES`] octets as received, lines ended by CRLF.
    pub data: Vec<u8>,
    /// Octets of the whole mail; more than `data` has when it was cut.
    pub size: u64,
}

impl Arrival {
    /// Whether the end of the mail was not kept.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.size > self.data.len() as u64
    }
}

/// A mail is somebody's words: logs see its size only.
impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("source", &self.source)
            .field("key", &self.key)
            .field("mail_from", &self.mail_from)
            .field("rcpt_to", &self.rcpt_to)
            .field("kept", &self.data.len())
            .field("size", &self.size)
            .finish()
    }
}
