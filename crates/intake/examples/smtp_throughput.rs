//! How many mails a second the SMTP server takes, with a mailroom that only counts: the cost of the protocol.
//!
//! `cargo run --release -p tidings-intake --example smtp_throughput [connections] [mails]`

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;
use tidings_intake::smtp::{SmtpOptions, SmtpServer};
use tidings_intake::{Arrival, Mailroom, RecipientVerdict, Trouble};
use tokio::io::{self, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// About as long as most delivery reports.
const MAIL_OCTETS: usize = 4 * 1024;

struct Counting;

impl Mailroom for Counting {
    async fn keep(&self, _arrival: Arrival) -> Result<(), Trouble> {
        Ok(())
    }

    async fn known(&self, _keys: Vec<String>) -> Result<HashSet<String>, Trouble> {
        Ok(HashSet::new())
    }

    fn verdict(&self, _rcpt: &str) -> RecipientVerdict {
        RecipientVerdict::Ours
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|n| n.parse::<usize>().ok());
    let (connections, mails) = (numbers.next().unwrap_or(20), numbers.next().unwrap_or(200_000));
    let mut options = SmtpOptions::new("mx.example");
    options.limits.connections_per_peer = connections;
    options.limits.mails_per_connection = u32::MAX;
    let server = Arc::new(SmtpServer::new(options, Arc::new(Counting), None));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    let (stop, counters) = (CancellationToken::new(), server.counters());
    let running = tokio::spawn(server.run(vec![listener], stop.clone()));

    let began = Instant::now();
    try_join_all((0..connections).map(|_| tokio::spawn(client(addr, mails / connections)))).await?;
    let seconds = began.elapsed().as_secs_f64();
    println!("{} mails of {MAIL_OCTETS} octets on {connections} connections in {seconds:.2} s", counters.kept());
    println!("{:.0} mails/s, client and server together", counters.kept() as f64 / seconds);
    stop.cancel();
    running.await?;
    Ok(())
}

async fn client(addr: std::net::SocketAddr, mails: usize) -> io::Result<()> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let line = format!("{}\r\n", "x".repeat(78));
    let mail = format!("Subject: report\r\n\r\n{}.\r\n", line.repeat(MAIL_OCTETS / line.len()));
    replies(&mut stream, 1).await?;
    stream.write_all(b"EHLO client.example\r\n").await?;
    replies(&mut stream, 1).await?;
    for _ in 0..mails {
        stream.write_all(b"MAIL FROM:<>\r\nRCPT TO:<b-1@bounce.example>\r\nDATA\r\n").await?;
        replies(&mut stream, 3).await?;
        stream.write_all(mail.as_bytes()).await?;
        replies(&mut stream, 1).await?;
    }
    stream.write_all(b"QUIT\r\n").await?;
    replies(&mut stream, 1).await
}

/// Reads so many replies, of any number of lines, all positive.
async fn replies(stream: &mut BufReader<TcpStream>, count: usize) -> io::Result<()> {
    let (mut line, mut seen) = (String::new(), 0);
    while seen < count {
        line.clear();
        if stream.read_line(&mut line).await? == 0 || !line.starts_with(['2', '3']) {
            return Err(io::Error::other(format!("unexpected reply: {line:?}")));
        }
        seen += usize::from(line.as_bytes().get(3) != Some(&b'-'));
    }
    Ok(())
}
