use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tidings_domain::TlsDemand;

use super::{Dane, TlsClients};

/// Where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The MX host or relay as named by DNS or by configuration; a certificate is checked against this name.
    pub host: String,
    pub addr: SocketAddr,
    /// Our own address to send from, of the same family as `addr`; the system chooses when absent.
    pub source: Option<IpAddr>,
}

/// How a connection is made, the same for all messages of a route.
#[derive(Debug, Clone)]
pub struct Session {
    /// What we call ourselves in EHLO: our host name, the same for every connection of a source address (some
    /// providers defer an address that changes its name).
    pub ehlo_name: String,
    pub tls: TlsPolicy,
    /// Why `tls` is what it is; it goes into the connection's [`Peer`](tidings_domain::Peer) and changes nothing else.
    pub demand: TlsDemand,
    pub tls_clients: TlsClients,
    pub auth: Option<Credentials>,
    /// A peer that calls itself what we call ourselves is us: the mail would go round for ever.
    pub refuses_itself: bool,
    /// Send credentials without TLS to a peer that is not on loopback. Off, but for a relay on a private wire.
    pub allow_plaintext_auth: bool,
    pub timeouts: Timeouts,
}

impl Session {
    /// Opportunistic TLS, no credentials, the time-outs of RFC 5321.
    #[must_use]
    pub fn new(ehlo_name: impl Into<String>, tls_clients: TlsClients) -> Self {
        Self {
            ehlo_name: ehlo_name.into(),
            tls: TlsPolicy::Opportunistic,
            demand: TlsDemand::Opportunistic,
            tls_clients,
            auth: None,
            refuses_itself: false,
            allow_plaintext_auth: false,
            timeouts: Timeouts::default(),
        }
    }
}

/// What a connection is held to. Connections are shared only where it is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsPolicy {
    /// Never.
    None,
    /// STARTTLS where it is offered, whatever the certificate says (RFC 7435): better than plaintext, no promise.
    /// When the handshake fails the caller may connect once more with [`TlsPolicy::None`].
    Opportunistic,
    /// As [`TlsPolicy::Opportunistic`]. What [`TlsPolicy::StartTls`] would have said is found out and stands in
    /// [`Connection::tls_result`](super::Connection::tls_result) (RFC 8461 §5, "testing").
    Tested,
    /// STARTTLS or nothing, whatever the certificate says.
    Encrypted,
    /// STARTTLS, with a certificate that is valid for the host's name, or nothing.
    StartTls,
    /// TLS from the first byte (RFC 8314 §3.3), with a valid certificate.
    Implicit,
    /// STARTTLS, with a certificate that DNS names, or nothing (RFC 7672).
    Dane(Dane),
}

impl TlsPolicy {
    /// When TLS cannot be had, mail goes in plain text.
    #[must_use]
    pub const fn allows_plain(&self) -> bool {
        matches!(self, Self::None | Self::Opportunistic | Self::Tested)
    }
}

/// A relay's user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

/// The password stays out of logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How long each step may take, from our command until the last line of its reply: a peer that drips one byte at a
/// time does not win time. Defaults from RFC 5321 §4.5.3.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first packet until MAIL may follow: a peer that uses up each step's time holds a connection no longer.
    pub opening: Duration,
    /// From MAIL to the body's last octet before the dot, likewise.
    pub transaction: Duration,
    /// TCP handshake. RFC 5321 names none; a minute is what most MTAs wait.
    pub connect: Duration,
    pub greeting: Duration,
    /// EHLO, STARTTLS, AUTH and RSET: "an SMTP server" leaves them unnamed, five minutes are those of MAIL.
    pub command: Duration,
    pub tls_handshake: Duration,
    pub mail: Duration,
    pub rcpt: Duration,
    pub data: Duration,
    /// One block of the body: the longest wait without the peer taking a byte.
    pub block: Duration,
    /// The whole body, so that a peer which takes a byte every other minute ends too.
    pub body: Duration,
    /// After the final dot. Less than ten minutes makes duplicates.
    pub dot: Duration,
    /// QUIT's reply is worth nothing to us.
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            opening: Duration::from_secs(10 * MINUTE),
            transaction: Duration::from_secs(40 * MINUTE),
            connect: Duration::from_secs(MINUTE),
            greeting: Duration::from_secs(5 * MINUTE),
            command: Duration::from_secs(5 * MINUTE),
            tls_handshake: Duration::from_secs(MINUTE),
            mail: Duration::from_secs(5 * MINUTE),
            rcpt: Duration::from_secs(5 * MINUTE),
            data: Duration::from_secs(2 * MINUTE),
            block: Duration::from_secs(3 * MINUTE),
            body: Duration::from_secs(30 * MINUTE),
            dot: Duration::from_secs(10 * MINUTE),
            quit: Duration::from_secs(1),
        }
    }
}
