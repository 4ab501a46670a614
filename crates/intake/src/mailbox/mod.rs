//! Mailboxes that are emptied: IMAP, POP3, Maildir.

/// Mails that are kept at the same time.
pub const BATCH_MAILS: usize = 20;

/// Mails that are looked at, and asked about, in one go.
pub const PAGE_MAILS: usize = 500;
