//! STARTTLS: what was said in the clear is forgotten, and what was slipped in behind it is never read.

use std::sync::Arc;

use crate::support::{Client, OURS, Room, Running, options, running};
use rustls_pki_types::ServerName;
use tidings_intake::smtp::{Refused, SmtpServer};
use tidings_intake::{TlsError, client_tls, server_tls};
use tidings_testing::Certificate;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HOST: &str = "mx.bounce.example";

async fn secure(room: &Arc<Room>, certificate: &Certificate) -> Running {
    let tls = server_tls(certificate.pem().as_bytes(), certificate.key_pem().as_bytes()).unwrap();
    running(SmtpServer::new(options(), Arc::clone(room), Some(tls))).await
}

async fn handshake(
    client: Client<TcpStream>,
    certificate: &Certificate,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let connector = TlsConnector::from(client_tls(&[certificate.root()]).unwrap());
    let name = ServerName::try_from(HOST).unwrap();
    Ok(Client::new(connector.connect(name, client.stream).await?))
}

#[tokio::test]
async fn a_mail_comes_over_tls_and_the_session_begins_anew() {
    let (room, certificate) = (Arc::new(Room::default()), Certificate::valid(HOST));
    let running = secure(&room, &certificate).await;
    let mut client = running.connect().await;
    client.expect("220").await;
    assert!(client.ask("EHLO client.example", "250").await.contains("250-STARTTLS\r\n"));
    client.ask("MAIL FROM:<said@in.the.clear>", "250").await;
    client.ask("STARTTLS now", "501").await;
    client.ask("STARTTLS", "220").await;
    let mut client = handshake(client, &certificate).await.unwrap();
    client.ask("RCPT TO:<b-1@bounce.example>", "503").await;
    client.ask("MAIL FROM:<>", "503").await;
    assert!(!client.ask("EHLO client.example", "250").await.contains("STARTTLS"));
    client.ask("STARTTLS", "502").await;
    client.open_data().await;
    client.ask("secret\r\n.", "250").await;
    client.ask("QUIT", "221").await;
    client.expect_closed().await;
    assert_eq!((room.texts(), &room.kept()[0].mail_from[..]), (vec!["secret\r\n".to_owned()], ""));
}

#[tokio::test]
async fn what_stands_behind_starttls_in_the_clear_is_never_a_command() {
    let (room, certificate) = (Arc::new(Room::default()), Certificate::valid(HOST));
    let running = secure(&room, &certificate).await;
    let injected = format!("EHLO evil\r\nMAIL FROM:<>\r\nRCPT TO:<{OURS}>\r\nDATA\r\nevil\r\n.\r\n");
    for injected in [injected.as_str(), "N", "\r\n"] {
        let mut client = running.connect().await;
        client.expect("220").await;
        client.ask("EHLO client.example", "250").await;
        client.send(format!("STARTTLS\r\n{injected}")).await;
        client.expect("554 5.5.0").await;
        client.expect_closed().await;
    }
    assert_eq!(running.server.counters().refused(Refused::EarlyTalk), 3);
    assert!(room.kept().is_empty());
}

#[tokio::test]
async fn who_speaks_no_tls_after_all_is_let_go() {
    let (room, certificate) = (Arc::new(Room::default()), Certificate::valid(HOST));
    let running = secure(&room, &certificate).await;
    let mut client = running.connect().await;
    client.expect("220").await;
    client.ask("EHLO client.example", "250").await;
    client.ask("STARTTLS", "220").await;
    client.send("MAIL FROM:<>\r\n").await;
    let mut rest = Vec::new();
    let _ended = tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest).await;
    assert!(!rest.starts_with(b"250"), "a command in the clear was obeyed");
    while running.server.counters().refused(Refused::TlsFailed) == 0 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_certificate_that_cannot_be_used_says_why() {
    let (one, other) = (Certificate::valid(HOST), Certificate::valid(HOST));
    assert!(matches!(server_tls(b"", one.key_pem().as_bytes()), Err(TlsError::Certificate(_))));
    assert!(matches!(server_tls(one.pem().as_bytes(), b"no key"), Err(TlsError::Key(_))));
    let mixed = server_tls(one.pem().as_bytes(), other.key_pem().as_bytes());
    assert!(matches!(mixed, Err(TlsError::Pair(_))), "{mixed:?}");
}
