use std::path::PathBuf;
use std::time::Duration;

use crate::Trouble;

/// How much of a server's words is shown.
const MAX_SAID_CHARS: usize = 200;

/// Why a round ended early, and what the operator can do about it.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    #[error("the mailbox's settings cannot work: {0}")]
    Configuration(&'static str),
    #[error("{host} port {port} cannot be reached: {detail}. Check the host name, the port and the firewall")]
    Unreachable { host: String, port: u16, detail: String },
    #[error(
        "TLS with {host} failed: {detail}. Check that the host name is the one in its certificate, and that the port is one for TLS"
    )]
    Tls { host: String, detail: String },
    #[error("the server offers no STARTTLS on this port. Choose TLS with port 993 (IMAP) or 995 (POP3)")]
    NoStartTls,
    #[error(
        "the server takes no password over this connection. Choose TLS or STARTTLS; if it is on, the server wants another way to log in: make an app password there"
    )]
    NoPasswordLogin,
    #[error("the server refused user {user}: {reply}. Check user and password; many providers want an app password")]
    WrongPassword { user: String, reply: String },
    #[error("there is no folder {folder:?}; there are: {}", folders.join(", "))]
    NoFolder { folder: String, folders: Vec<String> },
    #[error(
        "the folder {folder:?} is read-only for this user, so mails cannot be removed. Give the user the right to, or choose to keep them"
    )]
    ReadOnly { folder: String },
    #[error("the POP3 server has no UIDL, without which mails cannot be told apart. Use IMAP")]
    NoUidl,
    #[error("the server refused {command}: {reply}")]
    Refused { command: &'static str, reply: String },
    #[error(
        "the server's answer to {command} was not understood: {detail}. Check that the port is the one of this protocol"
    )]
    NotUnderstood { command: &'static str, detail: String },
    #[error("no answer within {} s during {during}; it will be tried again", within.as_secs_f32())]
    Timeout { during: String, within: Duration },
    #[error("the connection was lost: {detail}; it will be tried again")]
    Lost { detail: String },
    #[error("the server sends more than there can be: {what}")]
    TooMuch { what: &'static str },
    #[error("{path}: {detail}")]
    Directory { path: PathBuf, detail: String },
    /// The mails stay where they are.
    #[error("mails cannot be stored now: {0}; they stay in the mailbox")]
    Storage(#[from] Trouble),
}

/// A server's words, fit to be shown: bounded, and without control characters.
pub(super) fn said(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(&octets[..octets.len().min(4 * MAX_SAID_CHARS)]).into_owned();
    text.chars().filter(|c| !c.is_control()).take(MAX_SAID_CHARS).collect::<String>().trim().to_owned()
}

/// The same, for replies to a password: a server could echo it.
pub(super) fn said_without(octets: &[u8], secret: &str) -> String {
    let text = said(octets);
    if secret.is_empty() { text } else { text.replace(secret, "(hidden)") }
}
