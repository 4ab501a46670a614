use std::collections::HashSet;
use std::future::Future;

use crate::Arrival;

/// Nothing can be stored at the moment. SMTP answers 451 and a mailbox keeps its mail; both come again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(pub String);

/// What is to be said to a recipient at SMTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientVerdict {
    /// A signed bounce address, or one for feedback, unsubscribes, postmaster.
    Ours,
    /// The domain is ours, the address is not, or its signature is wrong: 550 5.1.1.
    Unknown,
    /// The domain is not ours: 550 5.7.1, for we relay nothing.
    Foreign,
}

/// Where arrivals go.
///
/// Many calls of [`keep`](Self::keep) wait at the same time, one for each connection and up to
/// [`BATCH_MAILS`](crate::mailbox::BATCH_MAILS) for a mailbox, so that a mailroom can gather them into one transaction.
pub trait Mailroom: Send + Sync + 'static {
    /// Returns `Ok` only after the mail is stored durably. A mail whose key is already there is stored: it came twice.
    ///
    /// The future may be dropped while it waits (a client or the process goes away); it is then as good whether the
    /// mail was stored or not, since nobody was told that it was.
    fn keep(&self, arrival: Arrival) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Which of these keys belong to mails that were kept before. At most
    /// [`PAGE_MAILS`](crate::mailbox::PAGE_MAILS) keys in one call.
    fn known(&self, keys: Vec<String>) -> impl Future<Output = Result<HashSet<String>, Trouble>> + Send;

    /// Whether mail for this address is taken. Asked for each RCPT, with the address as the client wrote it and without
    /// brackets (`postmaster` may stand without a domain, RFC 5321 §4.5.1); so it must not wait for anything.
    fn verdict(&self, rcpt: &str) -> RecipientVerdict;
}
