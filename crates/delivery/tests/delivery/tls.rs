//! STARTTLS, implicit TLS and AUTH: bad certificates, injections, wrong credentials.

use crate::support::*;
use tidings_delivery::{Connection, Credentials, Failure, Session, Target, TlsClients, TlsPolicy};
use tidings_domain::{Outcome, Phase, Problem, TlsResult, TlsUse, TlsVersion};
use tidings_testing::{Act, Certificate, SmtpScript, SmtpServer};

const HOST: &str = "mx.recipient.example";

/// Trusts `roots` beside the world's.
fn with_tls(tls: TlsPolicy, roots: &[&Certificate]) -> Session {
    let roots: Vec<_> = roots.iter().map(|c| c.root()).collect();
    Session { tls, tls_clients: TlsClients::new(&roots).unwrap(), ..session() }
}

async fn open_with(server: &SmtpServer, session: &Session) -> Result<Connection, Failure> {
    Connection::open(&target(server), session).await
}

async fn failure(server: &SmtpServer, session: &Session) -> Outcome {
    match open_with(server, session).await {
        Ok(_) => panic!("it must not open"),
        Err(failure) => failure.into(),
    }
}

#[tokio::test(start_paused = true)]
async fn mail_goes_through_verified_tls() {
    let certificate = Certificate::valid(HOST);
    let starttls = SmtpScript::new().starttls(certificate.clone());
    let implicit = SmtpScript::new().implicit_tls(certificate.clone());
    for (script, policy) in [(starttls, TlsPolicy::StartTls), (implicit, TlsPolicy::Implicit)] {
        let server = script.start().await;
        let mut connection = open_with(&server, &with_tls(policy, &[&certificate])).await.unwrap();
        assert_eq!(connection.peer().tls, TlsUse::Verified { version: TlsVersion::V1_3 });
        assert_accepted(&send(&mut connection).await);
        assert_accepted(&send(&mut connection).await);
        assert_eq!(server.messages().len(), 2);
        assert_eq!(server.messages()[1].data, MESSAGE);
    }
}

/// A body beyond one TLS record arrives whole.
#[tokio::test(start_paused = true)]
async fn a_large_body_goes_through_tls() {
    let certificate = Certificate::valid(HOST);
    let server = SmtpScript::new().starttls(certificate.clone()).start().await;
    let mut connection = open_with(&server, &with_tls(TlsPolicy::StartTls, &[&certificate])).await.unwrap();
    let message = [b".".repeat(70), b"\r\n".to_vec()].concat().repeat(5_000);
    assert_accepted(&send_message(&mut connection, &ENVELOPE, &message).await);
    assert!(server.messages()[0].data == message);
}

#[tokio::test(start_paused = true)]
async fn a_bad_certificate_stops_what_must_be_verified_and_nothing_else() {
    let bad = [Certificate::expired(HOST), Certificate::valid("elsewhere.example")];
    for certificate in &bad {
        for policy in [TlsPolicy::StartTls, TlsPolicy::Implicit, TlsPolicy::Opportunistic] {
            let script = SmtpScript::new();
            let script = match policy {
                TlsPolicy::Implicit => script.implicit_tls(certificate.clone()),
                _ => script.starttls(certificate.clone()),
            };
            let server = script.start().await;
            let session = with_tls(policy.clone(), &[certificate]);
            if policy == TlsPolicy::Opportunistic {
                let mut connection = open_with(&server, &session).await.unwrap();
                assert_eq!(connection.peer().tls, TlsUse::Unverified { version: TlsVersion::V1_3 });
                assert_accepted(&send(&mut connection).await);
            } else {
                assert_broken(&failure(&server, &session).await, Phase::StartTls, Problem::Tls);
                assert!(server.messages().is_empty());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_authority_is_not_trusted() {
    let server = SmtpScript::new().starttls(Certificate::valid(HOST)).start().await;
    assert_broken(&failure(&server, &with_tls(TlsPolicy::StartTls, &[])).await, Phase::StartTls, Problem::Tls);
}

#[tokio::test(start_paused = true)]
async fn without_starttls_the_policy_decides() {
    let server = SmtpScript::new().start().await;
    assert_broken(&failure(&server, &with_tls(TlsPolicy::StartTls, &[])).await, Phase::StartTls, Problem::Tls);
    let mut plain = open_with(&server, &with_tls(TlsPolicy::Opportunistic, &[])).await.unwrap();
    assert_eq!(plain.peer().tls, TlsUse::None);
    assert_accepted(&send(&mut plain).await);

    let refuses =
        SmtpScript::new().starttls(Certificate::valid(HOST)).on("STARTTLS", Act::reply("454 4.7.0 no")).start().await;
    assert_refused(&failure(&refuses, &with_tls(TlsPolicy::StartTls, &[])).await, Phase::StartTls, 454);
    let mut plain = open_with(&refuses, &with_tls(TlsPolicy::Opportunistic, &[])).await.unwrap();
    assert_accepted(&send(&mut plain).await);
}

/// A failed handshake is told apart, so that the caller can go on in plaintext on a new connection.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_or_hangs_is_a_tls_problem() {
    for act in [Act::Drop, Act::Bytes(b"250 what?\r\n".to_vec()), Act::Silence] {
        let server = SmtpScript::new().starttls(Certificate::valid(HOST)).on("TLS", act).start().await;
        let failed = open_with(&server, &with_tls(TlsPolicy::Opportunistic, &[])).await.err().unwrap();
        assert!(matches!(failed, Failure::Tls { .. }), "{failed:?}");
        let mut plain = open_with(&server, &with_tls(TlsPolicy::None, &[])).await.unwrap();
        assert_accepted(&send(&mut plain).await);
        assert_eq!(server.connections(), 2);
    }
}

/// Each policy against each server: what it comes to, and what a report says.
#[tokio::test(start_paused = true)]
async fn policies_differ_in_what_they_take() {
    use TlsResult as R;
    let good = Certificate::valid(HOST);
    let (verified, unverified) =
        (TlsUse::Verified { version: TlsVersion::V1_3 }, TlsUse::Unverified { version: TlsVersion::V1_3 });
    for (policy, certificate, expected) in [
        (TlsPolicy::Tested, Some(good.clone()), Ok((verified, R::Success))),
        (TlsPolicy::Tested, Some(Certificate::expired(HOST)), Ok((unverified, R::CertificateExpired))),
        (TlsPolicy::Tested, Some(Certificate::valid("x.example")), Ok((unverified, R::CertificateHostMismatch))),
        (TlsPolicy::Tested, None, Ok((TlsUse::None, R::StartTlsNotSupported))),
        (TlsPolicy::Encrypted, Some(Certificate::expired(HOST)), Ok((unverified, R::Success))),
        (TlsPolicy::Encrypted, None, Err(R::StartTlsNotSupported)),
        (TlsPolicy::Opportunistic, None, Ok((TlsUse::None, R::StartTlsNotSupported))),
        (TlsPolicy::StartTls, Some(Certificate::expired(HOST)), Err(R::CertificateExpired)),
        (TlsPolicy::StartTls, Some(Certificate::valid("x.example")), Err(R::CertificateHostMismatch)),
        (TlsPolicy::StartTls, None, Err(R::StartTlsNotSupported)),
    ] {
        let script = SmtpScript::new();
        let roots: Vec<_> = certificate.iter().collect();
        let server = match &certificate {
            Some(certificate) => script.starttls(certificate.clone()).start().await,
            None => script.start().await,
        };
        let found = match open_with(&server, &with_tls(policy.clone(), &roots)).await {
            Ok(connection) => Ok((connection.peer().tls, connection.tls_result())),
            Err(Failure::Tls { result, .. }) => Err(result),
            Err(other) => panic!("{policy:?}: {other:?}"),
        };
        assert_eq!(found, expected, "{policy:?}");
    }
    let stranger = SmtpScript::new().starttls(good).start().await;
    let failed = open_with(&stranger, &with_tls(TlsPolicy::StartTls, &[])).await.err().unwrap();
    assert!(matches!(failed, Failure::Tls { result: R::CertificateNotTrusted, .. }), "{failed:?}");
}

/// CVE-2011-0411 and its kin: what follows the 220 in plaintext is anybody's.
#[tokio::test(start_paused = true)]
async fn plaintext_behind_the_starttls_reply_is_refused() {
    let injected = Act::Bytes(b"220 go\r\n250-mx.example\r\n250 AUTH PLAIN\r\n".to_vec());
    for policy in [TlsPolicy::StartTls, TlsPolicy::Opportunistic] {
        let server = SmtpScript::new().capabilities(&["STARTTLS"]).on("STARTTLS", injected.clone()).start().await;
        let outcome = failure(&server, &with_tls(policy, &[])).await;
        assert_broken(&outcome, Phase::StartTls, Problem::Tls);
        assert!(matches!(&outcome, Outcome::Broken { detail, .. } if detail.contains("plaintext")), "{outcome:?}");
    }
}

/// RFC 3207 §4.2: what was offered in plaintext is forgotten.
#[tokio::test(start_paused = true)]
async fn capabilities_are_read_anew_inside_tls() {
    let certificate = Certificate::valid(HOST);
    let server = SmtpScript::new()
        .starttls(certificate.clone())
        .once("EHLO", Act::reply("250 mx\n250 STARTTLS\n250 SIZE 1\n250 AUTH PLAIN"))
        .once("EHLO", Act::reply("250 mx\n250 PIPELINING"))
        .start()
        .await;
    let mut connection = open_with(&server, &with_tls(TlsPolicy::StartTls, &[&certificate])).await.unwrap();
    assert_accepted(&send(&mut connection).await);
    let signed_in = Session { auth: Some(credentials()), ..with_tls(TlsPolicy::StartTls, &[&certificate]) };
    assert_broken(&failure(&server, &signed_in).await, Phase::Auth, Problem::AuthUnavailable);
}

fn credentials() -> Credentials {
    Credentials { user: "ana".to_owned(), password: "s3cret\u{e9}".to_owned() }
}

fn signing_in() -> Session {
    Session { auth: Some(credentials()), ..session() }
}

#[tokio::test(start_paused = true)]
async fn plain_and_login_sign_in() {
    for (offer, commands) in [
        ("AUTH LOGIN PLAIN", &["AUTH PLAIN AGFuYQBzM2NyZXTDqQ=="][..]),
        ("AUTH LOGIN", &["AUTH LOGIN", "YW5h", "czNjcmV0w6k="]),
    ] {
        let server = SmtpScript::new().capabilities(&["PIPELINING", offer]).start().await;
        let mut connection = open_with(&server, &signing_in()).await.unwrap();
        assert_accepted(&send(&mut connection).await);
        assert_eq!(server.commands()[1..=commands.len()], *commands);
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_a_refusal() {
    for (offer, verb) in [("AUTH PLAIN", "AUTH"), ("AUTH LOGIN", "AUTH"), ("AUTH LOGIN", "SECRET")] {
        let server =
            SmtpScript::new().capabilities(&[offer]).on(verb, Act::reply("535 5.7.8 bad credentials")).start().await;
        assert_refused(&failure(&server, &signing_in()).await, Phase::Auth, 535);
    }
    for (offer, act, problem) in [
        ("AUTH CRAM-MD5", Act::Silence, Problem::AuthUnavailable),
        ("AUTH PLAIN", Act::Drop, Problem::ConnectionLost),
        ("AUTH PLAIN", Act::reply("334 more"), Problem::Garbage),
    ] {
        let server = SmtpScript::new().capabilities(&[offer]).on("AUTH", act).start().await;
        assert_broken(&failure(&server, &signing_in()).await, Phase::Auth, problem);
    }
}

/// Credentials are not sent to the world in plaintext. Any address of this machine but loopback will do.
#[tokio::test]
async fn credentials_need_tls() {
    let Some(ours) = own_address() else { return };
    let listener = tokio::net::TcpListener::bind((ours, 0)).await.unwrap();
    let target = Target { host: HOST.to_owned(), addr: listener.local_addr().unwrap(), source: None };
    let serve = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 hi\r\n").await.unwrap();
        let mut heard = [0; 1024];
        let read = stream.read(&mut heard).await.unwrap();
        stream.write_all(b"250-hi\r\n250 AUTH PLAIN\r\n").await.unwrap();
        let mut heard = heard[..read].to_vec();
        stream.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let (opened, heard) = tokio::join!(async { Connection::open(&target, &signing_in()).await.map(drop) }, serve);
    assert_broken(&opened.unwrap_err().into(), Phase::Auth, Problem::AuthUnavailable);
    assert_eq!(heard, b"EHLO sender.example\r\n");
}

/// The address that packets to elsewhere would leave from; none is sent.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}
