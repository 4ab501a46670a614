//! What the program as it runs tells Prometheus.

use anyhow::Context;
use tidings_tests::binary::Server;
use tidings_tests::mail_servers::free_address;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[tokio::test]
async fn what_the_intake_refuses_is_counted_by_reason() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let intake = free_address();
    let listen = intake.to_string();
    let options = [("TIDINGS_BOUNCE_DOMAIN", "bounces.harbour.example"), ("TIDINGS_INTAKE_LISTEN", listen.as_str())];
    let server = Server::start(folder.path(), &options).await;
    let mut client = BufReader::new(TcpStream::connect(intake).await?);
    let mut reply = String::new();
    client.read_line(&mut reply).await?;
    for (line, code) in [
        ("HELO stranger.example", "250"),
        ("MAIL FROM:<a@stranger.example>", "250"),
        ("RCPT TO:<b@elsewhere.example>", "550 5.7.1"),
        ("RCPT TO:<nobody@bounces.harbour.example>", "550 5.1.1"),
        ("RCPT TO:<nobody-else@bounces.harbour.example>", "550 5.1.1"),
    ] {
        client.write_all(format!("{line}\r\n").as_bytes()).await?;
        reply.clear();
        client.read_line(&mut reply).await?;
        anyhow::ensure!(reply.starts_with(code), "{line} was answered with {reply}");
    }
    let text = reqwest::get(format!("{}/metrics", server.url)).await?.text().await?;
    for line in [
        "tidings_intake_refused_total{reason=\"relay\"} 1",
        "tidings_intake_refused_total{reason=\"unknown_recipient\"} 2",
        "tidings_intake_refused_total{reason=\"trouble\"} 0",
        "tidings_intake_connections_total 1",
        "tidings_intake_sessions 1",
        "tidings_intake_mails_total 0",
    ] {
        text.lines().find(|found| *found == line).with_context(|| format!("{line} is not in\n{text}"))?;
    }
    drop(client);
    assert_eq!(server.stop().await, Some(0));
    Ok(())
}
