//! What the wire tests share.

use tidings_delivery::{Connection, Envelope, Failure, Offer, Session, Target, TlsClients, TlsPolicy};
use tidings_domain::{Outcome, Phase, Problem};
use tidings_testing::SmtpServer;

pub const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nOne line.\r\n.A dot.\r\n";

pub const ENVELOPE: Envelope<'static> =
    Envelope { mail_from: "b-1@bounce.example", rcpt_to: "ana@recipient.example", smtputf8: false };

pub fn target(server: &SmtpServer) -> Target {
    Target { host: "mx.recipient.example".to_owned(), addr: server.addr, source: None }
}

/// The time-outs of RFC 5321; tests run under paused time, where waiting costs nothing.
pub fn session() -> Session {
    Session { tls: TlsPolicy::None, ..Session::new("sender.example", TlsClients::new(&[]).unwrap()) }
}

pub async fn open(server: &SmtpServer) -> Result<Connection, Failure> {
    Connection::open(&target(server), &session()).await
}

pub async fn connected(server: &SmtpServer) -> Connection {
    open(server).await.unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// Offer and finish.
pub async fn send(connection: &mut Connection) -> Outcome {
    send_message(connection, &ENVELOPE, MESSAGE).await
}

pub async fn send_message(connection: &mut Connection, envelope: &Envelope<'_>, message: &[u8]) -> Outcome {
    match connection.offer(envelope, message).await {
        Offer::AwaitsDot => connection.finish().await,
        Offer::Ended(outcome) => outcome,
    }
}

#[track_caller]
pub fn assert_accepted(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
}

#[track_caller]
pub fn assert_refused(outcome: &Outcome, at: Phase, with: u16) {
    assert!(matches!(outcome, Outcome::Refused { phase, reply } if *phase == at && reply.code == with), "{outcome:?}");
}

#[track_caller]
pub fn assert_broken(outcome: &Outcome, at: Phase, why: Problem) {
    assert!(
        matches!(outcome, Outcome::Broken { phase, problem, .. } if *phase == at && *problem == why),
        "expected {why} at {at}: {outcome:?}"
    );
}

#[track_caller]
pub fn assert_in_doubt(outcome: &Outcome, why: Problem) {
    assert!(matches!(outcome, Outcome::InDoubt { problem, .. } if *problem == why), "expected {why}: {outcome:?}");
}
