use std::time::Duration;

/// Sessions at once. Each holds at most [`KEPT_BYTES`](crate::KEPT_BYTES) of a mail, so this bounds the memory too.
const CONNECTIONS: usize = 500;
/// Sessions at once from one address (IPv6: from one /64, which is what one customer has).
const CONNECTIONS_PER_PEER: usize = 20;
/// Octets of a mail that are taken. Generous: servers return a large original whole, and its report must not be lost.
const MAIL_OCTETS: u64 = 64 * 1024 * 1024;
/// Octets that are read of a mail that is too large, so that the client hears why, before the connection is closed.
const DRAINED_OCTETS: u64 = 256 * 1024 * 1024;
/// Octets of one line of a mail. RFC 5321 §4.5.3.1.6 allows 1,000; originals that are returned are often less careful.
const TEXT_LINE_OCTETS: u64 = 1024 * 1024;
/// Recipients of one mail: what RFC 5321 §4.5.3.1.8 asks for.
const RECIPIENTS: usize = 100;
/// Commands from one kept mail to the next.
const COMMANDS: u32 = 1_000;
/// Refusals from one kept mail to the next.
const ERRORS: u32 = 20;
const MAILS_PER_CONNECTION: u32 = 10_000;
/// For one whole command (RFC 5321 §4.5.3.2.7).
const COMMAND_WAIT: Duration = Duration::from_mins(5);
/// For one whole command while three quarters of the connections are taken: those who are idle make room.
const CROWDED_WAIT: Duration = Duration::from_secs(10);
/// For any octet of a mail (RFC 5321 §4.5.3.2.5 gives three minutes for a block).
const BLOCK_WAIT: Duration = Duration::from_mins(3);
const DATA_WAIT: Duration = Duration::from_mins(10);
const TLS_WAIT: Duration = Duration::from_secs(30);
/// For the client to take our replies.
const WRITE_WAIT: Duration = Duration::from_mins(1);
/// For the mailroom. Clients wait ten minutes for the reply to the final dot (RFC 5321 §4.5.3.2.6).
const KEEP_WAIT: Duration = Duration::from_mins(2);
/// After it no further command is taken.
const SESSION_WAIT: Duration = Duration::from_hours(1);
/// For transactions in flight, when the server is to stop.
const DRAIN_WAIT: Duration = Duration::from_secs(30);
/// For the client to read our last words before the connection is closed on what it still sends.
const LINGER_WAIT: Duration = Duration::from_secs(2);

/// What one client, and all of them, may use. Sizes in octets.
#[derive(Debug, Clone)]
pub struct SmtpLimits {
    pub connections: usize,
    pub connections_per_peer: usize,
    pub mail_octets: u64,
    pub drained_octets: u64,
    pub text_line_octets: u64,
    pub recipients: usize,
    pub commands: u32,
    pub errors: u32,
    pub mails_per_connection: u32,
    pub command_wait: Duration,
    pub crowded_wait: Duration,
    pub block_wait: Duration,
    pub data_wait: Duration,
    pub tls_wait: Duration,
    pub write_wait: Duration,
    pub keep_wait: Duration,
    pub session_wait: Duration,
    pub drain_wait: Duration,
    pub linger_wait: Duration,
}

impl Default for SmtpLimits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            connections_per_peer: CONNECTIONS_PER_PEER,
            mail_octets: MAIL_OCTETS,
            drained_octets: DRAINED_OCTETS,
            text_line_octets: TEXT_LINE_OCTETS,
            recipients: RECIPIENTS,
            commands: COMMANDS,
            errors: ERRORS,
            mails_per_connection: MAILS_PER_CONNECTION,
            command_wait: COMMAND_WAIT,
            crowded_wait: CROWDED_WAIT,
            block_wait: BLOCK_WAIT,
            data_wait: DATA_WAIT,
            tls_wait: TLS_WAIT,
            write_wait: WRITE_WAIT,
            keep_wait: KEEP_WAIT,
            session_wait: SESSION_WAIT,
            drain_wait: DRAIN_WAIT,
            linger_wait: LINGER_WAIT,
        }
    }
}

/// How the server presents itself.
#[derive(Debug, Clone)]
pub struct SmtpOptions {
    /// Its name in the greeting: the MX host.
    pub host_name: String,
    pub limits: SmtpLimits,
}

impl SmtpOptions {
    #[must_use]
    pub fn new(host_name: &str) -> Self {
        Self { host_name: host_name.to_owned(), limits: SmtpLimits::default() }
    }
}
