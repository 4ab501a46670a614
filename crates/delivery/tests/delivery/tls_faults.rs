//! Servers whose TLS hangs or lies, at each step: whatever they do, it ends in its time, and nothing is sent that should not be.

use crate::support::*;
use tidings_delivery::{Connection, Failure, Session, TlsPolicy};
use tidings_domain::{Outcome, Phase, Problem};
use tidings_testing::{Act, Certificate, SmtpScript, SmtpServer};
use tokio::time::Instant;

const HOST: &str = "mx.recipient.example";

/// Must be encrypted, by any certificate.
fn encrypted() -> Session {
    Session { tls: TlsPolicy::Encrypted, ..session() }
}

async fn server(step: &str, act: Act) -> SmtpServer {
    SmtpScript::new().starttls(Certificate::valid(HOST)).on(step, act).start().await
}

async fn failure(server: &SmtpServer) -> Failure {
    Connection::open(&target(server), &encrypted()).await.map(|_| ()).expect_err("it must not open")
}

#[tokio::test(start_paused = true)]
async fn the_starttls_dialogue() {
    for (act, problem) in [
        (Act::Silence, Problem::Timeout),
        (Act::Drop, Problem::ConnectionLost),
        (Act::Bytes(b"\x16\x03\x01\x00\x00\r\n".to_vec()), Problem::Garbage),
        (Act::Endless, Problem::Garbage),
        (Act::reply("354 go on"), Problem::Garbage),
    ] {
        let outcome = failure(&server("STARTTLS", act).await).await.into();
        assert_broken(&outcome, Phase::StartTls, problem);
    }
    for (reply, code) in [("454 4.7.0 not now", 454), ("502 5.5.1 what", 502), ("421 4.3.2 bye", 421)] {
        let outcome = failure(&server("STARTTLS", Act::reply(reply)).await).await.into();
        assert_refused(&outcome, Phase::StartTls, code);
    }
}

/// After "220 go" no handshake, or another protocol's.
#[tokio::test(start_paused = true)]
async fn the_handshake() {
    // A fatal alert, and the head of a record that promises more than there is.
    let alert = vec![0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];
    let promise = vec![0x16, 0x03, 0x03, 0x40, 0x00];
    let acts = [
        Act::Drop,
        Act::Silence,
        Act::Endless,
        Act::Bytes(b"250 what?\r\n".to_vec()),
        Act::Bytes(alert),
        Act::Bytes(promise),
        Act::Drip("220 slow".to_owned(), std::time::Duration::from_secs(50)),
    ];
    for act in acts {
        let server = server("TLS", act.clone()).await;
        let begun = Instant::now();
        let failure = failure(&server).await;
        assert!(matches!(failure, Failure::Tls { .. }), "{act:?}: {failure:?}");
        assert!(begun.elapsed() <= 2 * session().timeouts.tls_handshake, "{act:?}: {:?}", begun.elapsed());
        assert_eq!(server.commands(), ["EHLO sender.example", "STARTTLS"], "nothing followed in plain text");
    }
}

/// Inside TLS a server can do all that it can do outside.
#[tokio::test(start_paused = true)]
async fn behind_the_handshake() {
    for (act, problem) in [
        (Act::Silence, Problem::Timeout),
        (Act::Drop, Problem::ConnectionLost),
        (Act::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Problem::Garbage),
        (Act::Endless, Problem::Garbage),
    ] {
        let server = SmtpScript::new()
            .starttls(Certificate::valid(HOST))
            .once("EHLO", Act::reply("250 mx\n250 STARTTLS"))
            .on("EHLO", act)
            .start()
            .await;
        assert_broken(&failure(&server).await.into(), Phase::Ehlo, problem);
    }
    for (verb, phase) in [("MAIL", Phase::Mail), ("RCPT", Phase::Rcpt), ("DATA", Phase::Data), ("DOT", Phase::Dot)] {
        let server = server(verb, Act::Drop).await;
        let mut connection = Connection::open(&target(&server), &encrypted()).await.unwrap();
        let outcome = send(&mut connection).await;
        match phase {
            Phase::Dot => assert_in_doubt(&outcome, Problem::ConnectionLost),
            phase => assert_broken(&outcome, phase, Problem::ConnectionLost),
        }
    }
}

/// Each step within its own limit, all of them too slow.
#[tokio::test(start_paused = true)]
async fn a_tarpit_is_left_when_its_whole_time_is_over() {
    let almost = |reply: &str| Act::After(std::time::Duration::from_secs(290), Box::new(Act::reply(reply)));
    let opening = SmtpScript::new()
        .on("GREETING", almost("220 hello"))
        .on("EHLO", almost("502 what"))
        .on("HELO", almost("250 hello"))
        .start()
        .await;
    let begun = Instant::now();
    assert_broken(&open(&opening).await.map(|_| ()).unwrap_err().into(), Phase::Ehlo, Problem::Timeout);
    assert_eq!(begun.elapsed().as_secs(), session().timeouts.opening.as_secs());

    let slow = Session {
        timeouts: tidings_delivery::Timeouts { transaction: std::time::Duration::from_secs(600), ..session().timeouts },
        ..session()
    };
    let server = SmtpScript::new()
        .capabilities(&[])
        .on("MAIL", almost("250 ok"))
        .on("RCPT", almost("250 ok"))
        .on("DATA", Act::After(std::time::Duration::from_secs(110), Box::new(Act::reply("354 go"))))
        .start()
        .await;
    let mut connection = Connection::open(&target(&server), &slow).await.unwrap();
    let begun = Instant::now();
    let outcome = send(&mut connection).await;
    assert!(matches!(outcome, Outcome::Broken { problem: Problem::Timeout, .. }), "{outcome:?}");
    assert_eq!(begun.elapsed().as_secs(), 600);
    assert!(!connection.is_reusable(), "what came of it is not known");
    assert!(server.messages().is_empty());
}

/// Direct mail to a host that is ourselves would come back for ever.
#[tokio::test(start_paused = true)]
async fn a_server_with_our_own_name_is_a_loop() {
    let us = || SmtpScript::new().on("EHLO", Act::reply("250 Sender.Example at your service\n250 PIPELINING"));
    let server = us().start().await;
    let direct = Session { refuses_itself: true, ..session() };
    let failure = Connection::open(&target(&server), &direct).await.map(|_| ()).unwrap_err();
    assert_broken(&failure.into(), Phase::Ehlo, Problem::MailLoop);
    let relay = us().start().await;
    assert_accepted(&send(&mut connected(&relay).await).await);
}
