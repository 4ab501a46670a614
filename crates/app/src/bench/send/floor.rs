//! The least that the same messages cost: bare connections with one message made beforehand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tidings_delivery::{Connection, Envelope, Offer, Session, Target, TlsClients, TlsPolicy};
use tidings_domain::Outcome;

use super::SendArguments;
use super::message::bare_message;
use super::report::Used;
use crate::bench::process::cpu_time;

/// The same messages by a bare loop: connections that only offer and finish, one message made beforehand.
pub async fn floor(sink: SocketAddr, arguments: &SendArguments) -> anyhow::Result<Used> {
    let (connections, messages) = (arguments.connections, arguments.messages);
    let tls = if arguments.tls { TlsPolicy::Opportunistic } else { TlsPolicy::None };
    let message: Arc<[u8]> = bare_message().into();
    let (began, cpu) = (Instant::now(), cpu_time()?);
    let mut tasks = Vec::new();
    for index in 0..u32::from(connections) {
        let share = messages / u32::from(connections) + u32::from(index < messages % u32::from(connections));
        let (message, tls) = (Arc::clone(&message), tls.clone());
        tasks.push(tokio::spawn(async move { bare_loop(sink, share, &message, tls).await }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(Used { wall: began.elapsed(), cpu: cpu_time()? - cpu })
}

pub async fn bare_loop(sink: SocketAddr, messages: u32, message: &[u8], tls: TlsPolicy) -> anyhow::Result<()> {
    let target = Target { host: sink.ip().to_string(), addr: sink, source: None };
    let session = Session { tls, ..Session::new("bench.example", TlsClients::new(&[])?) };
    let mut connection = Connection::open(&target, &session).await.map_err(|f| anyhow::anyhow!("{f:?}"))?;
    for number in 0..messages {
        let rcpt_to = format!("floor{number}@bench.example");
        let envelope = Envelope { mail_from: "bench@sender.example", rcpt_to: &rcpt_to, smtputf8: false };
        let outcome = match connection.offer(&envelope, message).await {
            Offer::AwaitsDot => connection.finish().await,
            Offer::Ended(outcome) => outcome,
        };
        anyhow::ensure!(matches!(outcome, Outcome::Accepted { .. }), "the sink said {outcome:?}");
    }
    connection.quit().await;
    Ok(())
}
