//! What a message costs in round trips: counted, not timed.

use crate::support::*;
use tidings_delivery::{Connection, Session, TlsPolicy};
use tidings_testing::{Act, Certificate, SmtpScript, SmtpServer};

async fn connect(server: &SmtpServer, tls: TlsPolicy) -> Connection {
    Connection::open(&target(server), &Session { tls, ..session() }).await.unwrap()
}

/// MAIL, RCPT and DATA in one flight, the body and its dot in the other.
#[tokio::test]
async fn a_message_on_an_open_connection_costs_two() {
    for tls in [TlsPolicy::None, TlsPolicy::Encrypted] {
        let server = SmtpScript::new().starttls(Certificate::valid("mx.recipient.example")).start().await;
        let mut connection = connect(&server, tls.clone()).await;
        assert_accepted(&send(&mut connection).await);
        let mut before = server.turns();
        for _ in 0..5 {
            assert_accepted(&send(&mut connection).await);
            assert_eq!(server.turns() - before, 2, "{tls:?}");
            before = server.turns();
        }
        assert_eq!(server.connections(), 1);
    }
}

/// A refused recipient costs none more: RSET goes with the next message's commands.
#[tokio::test]
async fn a_refusal_costs_the_next_message_nothing() {
    let server = SmtpScript::new().once("RCPT", Act::reply("550 5.1.1 no such user")).start().await;
    let mut connection = connect(&server, TlsPolicy::None).await;
    assert_refused(&send(&mut connection).await, tidings_domain::Phase::Rcpt, 550);
    let before = server.turns();
    assert_accepted(&send(&mut connection).await);
    assert_eq!(server.turns() - before, 2);
}

#[tokio::test]
async fn without_pipelining_it_costs_four() {
    let server = SmtpScript::new().capabilities(&["8BITMIME"]).start().await;
    let mut connection = connect(&server, TlsPolicy::None).await;
    assert_accepted(&send(&mut connection).await);
    let before = server.turns();
    assert_accepted(&send(&mut connection).await);
    assert_eq!(server.turns() - before, 4);
}
