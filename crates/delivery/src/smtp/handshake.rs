//! The steps from a TCP connection to a session that takes mail.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ProtocolVersion};
use rustls_pki_types::ServerName;
use tidings_domain::{Phase, Problem, Reply, ReplyClass, TlsUse, TlsVersion};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::capabilities::Capabilities;
use super::failure::Failure;
use super::session::{Session, Target, TlsPolicy};
use super::wire::{Stream, Wire, WireError};

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
    let optional = session.tls == TlsPolicy::Opportunistic;
    if !offered {
        let none = Failure::broken(Phase::StartTls, Problem::Tls, "the server does not offer STARTTLS");
        return if optional { Ok(false) } else { Err(none) };
    }
    let reply = command(wire, Phase::StartTls, "STARTTLS", session.timeouts.command).await?;
    if optional && reply.code != 421 && matches!(reply.class(), ReplyClass::Transient | ReplyClass::Permanent) {
        return Ok(false);
    }
    expect_positive(Phase::StartTls, reply)?;
    if wire.has_leftover() {
        // Whoever sits between could have put it there; taken into the TLS session it would pass for the server's.
        let detail = "the server sent plaintext after its STARTTLS reply";
        return Err(Failure::broken(Phase::StartTls, Problem::Tls, detail));
    }
    Ok(true)
}

/// The TLS handshake. Verified, but under the opportunistic policy.
pub(super) async fn secure(tcp: TcpStream, target: &Target, session: &Session) -> Result<(Stream, TlsUse), Failure> {
    let broken = |detail: String| Failure::broken(Phase::StartTls, Problem::Tls, detail);
    let verify = session.tls != TlsPolicy::Opportunistic;
    let config: &Arc<ClientConfig> =
        if verify { &session.tls_clients.verified } else { &session.tls_clients.unverified };
    let host = target.host.trim_end_matches('.').to_owned();
    let name = match ServerName::try_from(host) {
        Ok(name) => name,
        // A name that no certificate can carry matters only where one is checked.
        Err(_) if !verify => ServerName::from(target.addr.ip()),
        Err(_) => return Err(broken(format!("{:?} is not a name that a certificate can carry", target.host))),
    };
    let within = session.timeouts.tls_handshake;
    let handshake = timeout(within, TlsConnector::from(Arc::clone(config)).connect(name, tcp));
    let stream = handshake
        .await
        .map_err(|_| broken(format!("no TLS handshake within {} s", within.as_secs_f32())))?
        .map_err(|error| broken(error.to_string()))?;
    let version = match stream.get_ref().1.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => TlsVersion::V1_3,
        _ => TlsVersion::V1_2,
    };
    let tls = if verify { TlsUse::Verified { version } } else { TlsUse::Unverified { version } };
    Ok((Stream::Tls(Box::new(stream)), tls))
}

/// Credentials travel only where nobody can listen.
pub(super) fn may_sign_in(session: &Session, tls: &TlsUse, peer: IpAddr) -> Result<(), Failure> {
    if *tls != TlsUse::None || peer.is_loopback() || session.allow_plaintext_auth {
        return Ok(());
    }
    let detail = "the connection is not encrypted, and credentials are never sent in plaintext";
    Err(Failure::broken(Phase::Auth, Problem::AuthUnavailable, detail))
}
