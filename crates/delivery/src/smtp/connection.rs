use tidings_domain::{Peer, Phase, Problem, TlsResult, TlsUse};
use tokio::time::timeout;

use super::auth::sign_in;
use super::capabilities::Capabilities;
use super::failure::Failure;
use super::handshake::{ask_for_tls, connect, expect_positive, hello, may_sign_in, refuse_itself, secure};
use super::session::{Session, Target, Timeouts, TlsPolicy};
use super::wire::{Stream, Wire};

/// One SMTP session with one host, for message after message.
///
/// A future of it that is dropped half-way leaves the connection unusable, never half-used: the state says `Lost` while
/// anything is under way.
pub struct Connection {
    pub(super) wire: Wire,
    pub(super) offered: Capabilities,
    pub(super) timeouts: Timeouts,
    pub(super) state: State,
    peer: Peer,
    tls_result: TlsResult,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// MAIL may follow.
    Ready,
    /// A transaction was refused: RSET goes before the next MAIL (RFC 5321 §4.1.1.5).
    NeedsReset,
    /// The body lies with the peer, without its dot.
    AwaitsDot,
    /// Closed, or not understood: nothing may follow.
    Lost,
}

impl Connection {
    /// Connects, greets, encrypts and signs in as `session` says.
    ///
    /// # Errors
    /// The step that failed, with the peer's reply where it gave one.
    pub async fn open(target: &Target, session: &Session) -> Result<Self, Failure> {
        let within = session.timeouts.opening;
        timeout(within, Self::open_slowly(target, session)).await.unwrap_or_else(|_| {
            let detail = format!("no session within {} s", within.as_secs());
            Err(Failure::broken(Phase::Ehlo, Problem::Timeout, detail))
        })
    }

    async fn open_slowly(target: &Target, session: &Session) -> Result<Self, Failure> {
        let timeouts = &session.timeouts;
        let tcp = connect(target, timeouts.connect).await?;
        let (mut tls, mut tls_result) = (TlsUse::None, TlsResult::StartTlsNotSupported);
        let mut wire = if session.tls == TlsPolicy::Implicit {
            let secured = secure(tcp, target, session).await?;
            (tls, tls_result) = (secured.tls, secured.result);
            Wire::new(secured.stream)
        } else {
            Wire::new(Stream::Plain(tcp))
        };
        let greeting = wire.reply(timeouts.greeting).await.map_err(|e| e.at(Phase::Greeting))?;
        expect_positive(Phase::Greeting, greeting)?;
        let mut offered = hello(&mut wire, &session.ehlo_name, timeouts.command).await?;
        refuse_itself(session, &offered)?;

        let wants_tls = !matches!(session.tls, TlsPolicy::None | TlsPolicy::Implicit);
        if wants_tls
            && ask_for_tls(&mut wire, session, offered.starttls).await?
            && let Stream::Plain(tcp) = wire.stream
        {
            let secured = secure(tcp, target, session).await?;
            (tls, tls_result) = (secured.tls, secured.result);
            wire = Wire::new(secured.stream);
            // What was said in plaintext may have been anybody's word (RFC 3207 §4.2).
            offered = hello(&mut wire, &session.ehlo_name, timeouts.command).await?;
        }
        if let Some(credentials) = &session.auth {
            may_sign_in(session, &tls, target.addr.ip())?;
            sign_in(&mut wire, &offered, credentials, timeouts).await?;
        }
        let peer = Peer { host: target.host.clone(), ip: Some(target.addr.ip()), tls, demand: session.demand };
        Ok(Self { wire, offered, timeouts: timeouts.clone(), state: State::Ready, peer, tls_result })
    }

    /// Another message may be offered.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        matches!(self.state, State::Ready | State::NeedsReset)
    }

    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// How TLS came about, as a report counts it: also why it did not where the policy allows plain text.
    #[must_use]
    pub fn tls_result(&self) -> TlsResult {
        self.tls_result
    }

    /// Says goodbye where that is possible, without waiting long, and closes. It changes no result.
    pub async fn quit(mut self) {
        if self.is_reusable() && self.wire.send(b"QUIT\r\n", self.timeouts.quit).await.is_ok() {
            // A polite peer closes after its 221; whether it answers is its own affair.
            let _ = self.wire.reply(self.timeouts.quit).await;
        }
    }
}
