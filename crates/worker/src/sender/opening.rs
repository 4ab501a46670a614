//! From a spot to an open connection: the one more try in plain text, what is remembered of a host's TLS, and what reports count.

use std::time::Instant;

use tidings_delivery::{Connection, Failure, Session, TlsPolicy};
use tidings_domain::{Outcome, Phase, Problem, TlsDemand, TlsResult, TlsUse};

use super::targets::{Spot, Targets};
use super::tls_reports::SeenSession;

impl Targets {
    /// Connects and greets. Where the policy allows plain text and only TLS failed, a second time without it.
    pub async fn open(&self, spot: &Spot) -> Result<Connection, Outcome> {
        let session = self.session(spot)?;
        let opened = Connection::open(&spot.target, &session).await;
        self.count(spot, &session, &opened);
        match opened {
            Ok(connection) => {
                if connection.peer().tls != TlsUse::None {
                    self.memory.worked(&spot.target.host);
                }
                Ok(connection)
            }
            Err(Failure::Tls { in_handshake, .. }) if session.tls.allows_plain() => {
                if in_handshake {
                    self.memory.failed(&spot.target.host, Instant::now());
                }
                let session = Session { tls: TlsPolicy::None, ..session };
                Connection::open(&spot.target, &session).await.map_err(Outcome::from)
            }
            Err(failure) => Err(explain(spot, failure)),
        }
    }

    /// Sessions that got as far as the question of TLS, with mail hosts of recipients.
    fn count(&self, spot: &Spot, session: &Session, opened: &Result<Connection, Failure>) {
        let Some(domain) = &spot.domain else { return };
        // The host's TLS is known to be broken: what failed was counted then.
        if session.tls == TlsPolicy::None {
            return;
        }
        let (result, detail) = match opened {
            Ok(_) if spot.held.is_unnamed => (TlsResult::ValidationFailure, "the policy does not name this host"),
            Ok(connection) => (connection.tls_result(), ""),
            Err(Failure::Tls { result, detail, .. }) => (*result, detail.as_str()),
            Err(Failure::Refused { phase: Phase::StartTls, .. }) => {
                (TlsResult::StartTlsNotSupported, "the server refuses STARTTLS")
            }
            Err(_) => return,
        };
        self.reports.note(&SeenSession {
            domain,
            policy: spot.held.demand.policy_type(),
            policy_text: &spot.held.words,
            result,
            mx_host: &spot.target.host,
            sending_ip: spot.target.source,
            receiving_ip: Some(spot.target.addr.ip()),
            detail,
        });
    }
}

/// A failure of TLS says who asked for it.
fn explain(spot: &Spot, failure: Failure) -> Outcome {
    let domain = spot.domain.as_deref().unwrap_or(&spot.target.host);
    let who = match spot.held.demand {
        TlsDemand::Dane => format!("the TLSA records of {} demand TLS (DANE)", spot.target.host),
        TlsDemand::Sts => format!("the MTA-STS policy of {domain} demands TLS with a valid certificate"),
        TlsDemand::Required => format!("TLS is required for {domain}"),
        TlsDemand::Relay => format!("the settings of the relay {domain} demand TLS"),
        TlsDemand::None | TlsDemand::Opportunistic | TlsDemand::StsTesting => return failure.into(),
    };
    match failure.into() {
        Outcome::Broken { phase, problem: Problem::Tls, detail } => {
            Outcome::Broken { phase, problem: Problem::Tls, detail: format!("{who}: {detail}") }
        }
        other => other,
    }
}
