//! The steps from a TCP connection to a session that takes mail.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ProtocolVersion};
use rustls_pki_types::ServerName;
use tidings_domain::{Phase, Problem, Reply, ReplyClass, TlsResult, TlsUse, TlsVersion};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::capabilities::Capabilities;
use super::failure::Failure;
use super::session::{Session, Target, TlsPolicy};
use super::tls_result::tls_result;
use super::wire::{Stream, Wire, WireError};

/// "Service not available, closing transmission channel".
const CLOSING: u16 = 421;

impl WireError {
    pub(super) fn at(self, phase: Phase) -> Failure {
        Failure::Broken { phase, problem: self.problem, detail: self.detail }
    }
}

/// Sends one line and reads its reply, whatever it says.
pub(super) async fn command(wire: &mut Wire, phase: Phase, line: &str, within: Duration) -> Result<Reply, Failure> {
    wire.send(format!("{line}\r\n").as_bytes(), within).await.map_err(|e| e.at(phase))?;
    wire.reply(within).await.map_err(|e| e.at(phase))
}

/// A refusal ends the session; a 3yz where none belongs is not SMTP.
pub(super) fn expect_positive(phase: Phase, reply: Reply) -> Result<Reply, Failure> {
    match reply.class() {
        ReplyClass::Positive => Ok(reply),
        ReplyClass::Intermediate => Err(Failure::broken(phase, Problem::Garbage, format!("unexpected reply: {reply}"))),
        ReplyClass::Transient | ReplyClass::Permanent => Err(Failure::Refused { phase, reply }),
    }
}

pub(super) async fn connect(target: &Target, within: Duration) -> Result<TcpStream, Failure> {
    let failed = |error: io::Error| connect_failure(target, &error);
    let connecting = async {
        let socket = if target.addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(source) = target.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(target.addr).await?;
        // Without it the final dot waits for a delayed ACK, 40 ms.
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    match timeout(within, connecting).await {
        Ok(connected) => connected.map_err(failed),
        Err(_) => Err(failed(io::ErrorKind::TimedOut.into())),
    }
}

fn connect_failure(target: &Target, error: &io::Error) -> Failure {
    let problem = match error.kind() {
        io::ErrorKind::ConnectionRefused => Problem::ConnectionRefused,
        io::ErrorKind::TimedOut => Problem::Timeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Problem::ConnectionLost,
        // No route, no such network, or our own source address is not on this machine.
        _ => Problem::Unreachable,
    };
    let from = target.source.map(|ip| format!(" from {ip}")).unwrap_or_default();
    Failure::broken(Phase::Connect, problem, format!("{} ({}){from}: {error}", target.host, target.addr))
}

/// EHLO, and HELO for a server that does not know EHLO (RFC 5321 §3.2).
pub(super) async fn hello(wire: &mut Wire, name: &str, within: Duration) -> Result<Capabilities, Failure> {
    let reply = command(wire, Phase::Ehlo, &format!("EHLO {name}"), within).await?;
    if matches!(reply.code, 500..=504 | 550) {
        let reply = command(wire, Phase::Ehlo, &format!("HELO {name}"), within).await?;
        return expect_positive(Phase::Ehlo, reply).map(|_| Capabilities::default());
    }
    expect_positive(Phase::Ehlo, reply).map(|reply| Capabilities::parse(&reply))
}

/// Whether the STARTTLS dialogue ended in a go.
pub(super) async fn ask_for_tls(wire: &mut Wire, session: &Session, offered: bool) -> Result<bool, Failure> {
    let optional = session.tls.allows_plain();
    if !offered {
        let none = Failure::no_tls(TlsResult::StartTlsNotSupported, "the server does not offer STARTTLS");
        return if optional { Ok(false) } else { Err(none) };
    }
    let reply = command(wire, Phase::StartTls, "STARTTLS", session.timeouts.command).await?;
    if optional && reply.code != CLOSING && matches!(reply.class(), ReplyClass::Transient | ReplyClass::Permanent) {
        return Ok(false);
    }
    expect_positive(Phase::StartTls, reply)?;
    if wire.has_leftover() {
        // Whoever sits between could have put it there; taken into the TLS session it would pass for the server's.
        let detail = "the server sent plaintext after its STARTTLS reply";
        return Err(Failure::no_tls(TlsResult::ValidationFailure, detail));
    }
    Ok(true)
}

/// A connection's TLS, and what a report says of it.
pub(super) struct Secured {
    pub stream: Stream,
    pub tls: TlsUse,
    pub result: TlsResult,
}

/// The TLS handshake, and the check of the certificate that the policy asks for.
pub(super) async fn secure(tcp: TcpStream, target: &Target, session: &Session) -> Result<Secured, Failure> {
    let failed = |result, detail: String| Failure::Tls { result, in_handshake: true, detail };
    let config = config(session).map_err(|error| failed(TlsResult::ValidationFailure, error.to_string()))?;
    let host = target.host.trim_end_matches('.').to_owned();
    let name = match ServerName::try_from(host) {
        Ok(name) => name,
        // A name that no certificate can carry matters only where one is checked.
        Err(_) if checks_nothing(&session.tls) => ServerName::from(target.addr.ip()),
        Err(_) => {
            let detail = format!("{:?} is not a name that a certificate can carry", target.host);
            return Err(failed(TlsResult::CertificateHostMismatch, detail));
        }
    };
    let within = session.timeouts.tls_handshake;
    let handshake = timeout(within, TlsConnector::from(config).connect(name.clone(), tcp));
    let stream = handshake
        .await
        .map_err(|_| {
            let detail = format!("no TLS handshake within {} s", within.as_secs_f32());
            failed(TlsResult::ValidationFailure, detail)
        })?
        .map_err(|error| failed(tls_result(&error).unwrap_or(TlsResult::ValidationFailure), error.to_string()))?;
    let tls = stream.get_ref().1;
    let version = match tls.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => TlsVersion::V1_3,
        _ => TlsVersion::V1_2,
    };
    let result = match session.tls {
        TlsPolicy::Tested => session.tls_clients.verify(tls.peer_certificates().unwrap_or_default(), &name),
        _ => TlsResult::Success,
    };
    let is_verified = !checks_nothing(&session.tls) && result == TlsResult::Success;
    let tls = if is_verified { TlsUse::Verified { version } } else { TlsUse::Unverified { version } };
    Ok(Secured { stream: Stream::Tls(Box::new(stream)), tls, result })
}

fn config(session: &Session) -> Result<Arc<ClientConfig>, rustls::Error> {
    let clients = &session.tls_clients;
    Ok(match &session.tls {
        TlsPolicy::None | TlsPolicy::Opportunistic | TlsPolicy::Tested | TlsPolicy::Encrypted => {
            Arc::clone(&clients.unverified)
        }
        TlsPolicy::StartTls | TlsPolicy::Implicit => Arc::clone(&clients.verified),
        TlsPolicy::Dane(dane) => clients.by_dane(dane)?,
    })
}

const fn checks_nothing(policy: &TlsPolicy) -> bool {
    matches!(policy, TlsPolicy::None | TlsPolicy::Opportunistic | TlsPolicy::Encrypted)
}

/// A server that greets us with our own name is ourselves (RFC 5321 §4.1.1.1 asks for its own name there).
pub(super) fn refuse_itself(session: &Session, offered: &Capabilities) -> Result<(), Failure> {
    if session.refuses_itself && offered.name.eq_ignore_ascii_case(&session.ehlo_name) {
        let detail = format!("the server calls itself {}, as we do: the mail would come back to us", offered.name);
        return Err(Failure::broken(Phase::Ehlo, Problem::MailLoop, detail));
    }
    Ok(())
}

/// Credentials travel only where nobody can listen.
pub(super) fn may_sign_in(session: &Session, tls: &TlsUse, peer: IpAddr) -> Result<(), Failure> {
    if *tls != TlsUse::None || peer.is_loopback() || session.allow_plaintext_auth {
        return Ok(());
    }
    let detail = "the connection is not encrypted, and credentials are never sent in plaintext";
    Err(Failure::broken(Phase::Auth, Problem::AuthUnavailable, detail))
}
