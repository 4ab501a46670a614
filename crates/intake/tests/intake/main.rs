//! Bounces as they come in: over SMTP, and out of mailboxes.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod mailbox_dovecot;
mod mailbox_imap;
mod mailbox_maildir;
mod mailbox_pop3;
mod smtp_dialogue;
mod smtp_limits;
mod smtp_smuggling;
mod smtp_tls;
mod support;
