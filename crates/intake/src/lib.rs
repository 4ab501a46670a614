//! Everything that brings mail in: an SMTP server of our own, and a reader of mailboxes (IMAP, POP3, Maildir).
//!
//! What arrives is an [`Arrival`]; where it goes is a [`Mailroom`], which the program ties to its database. Nothing here
//! understands a mail or knows a table. The one promise that all ways in share stands in their order: a mail is
//! answered with 250, or removed from its mailbox, only after [`Mailroom::keep`] has returned `Ok`. A crash in between
//! brings the same mail a second time, never none.

mod arrival;
mod dotted;
pub mod mailbox;
mod mailroom;
pub mod smtp;
mod tls;

pub use arrival::{Arrival, ArrivalSource, KEPT_BYTES};
pub use mailroom::{Mailroom, RecipientVerdict, Trouble};
pub use tls::{TlsError, client_tls, server_tls};
