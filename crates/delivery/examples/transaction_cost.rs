//! Prints what one message costs: `cargo run --release -p tidings-delivery --example transaction_cost`.
//!
//! The sink runs in a thread of its own and is not counted: the figure is the processor time of this thread, user and
//! system, over a loopback connection that is reused.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tidings_delivery::{Connection, Envelope, Offer, Session, Target, TlsClients, TlsPolicy};
use tidings_domain::Outcome;

const MESSAGES: u32 = 50_000;
const MESSAGE_OCTETS: usize = 10_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    std::thread::spawn(move || listener.incoming().flatten().try_for_each(sink));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(addr))
}

async fn measure(addr: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let line = [b"x".repeat(76), b"\r\n".to_vec()].concat();
    let message = line.repeat(MESSAGE_OCTETS / line.len());
    let target = Target { host: "localhost".to_owned(), addr, source: None };
    let session = Session { tls: TlsPolicy::None, ..Session::new("bench.example", TlsClients::new(&[])?) };
    let mut connection = Connection::open(&target, &session).await.map_err(|f| format!("{f:?}"))?;
    let envelope = Envelope { mail_from: "b-0@bounce.example", rcpt_to: "ana@example.org", smtputf8: false };
    let (before, start) = (thread_cpu()?, Instant::now());
    for _ in 0..MESSAGES {
        let Offer::AwaitsDot = connection.offer(&envelope, &message).await else { return Err("refused".into()) };
        let Outcome::Accepted { .. } = connection.finish().await else { return Err("not accepted".into()) };
    }
    let (cpu, wall) = (thread_cpu()? - before, start.elapsed());
    println!("{MESSAGES} messages of {} octets", message.len());
    println!("{:?} of processor time each, {:.0} a second", cpu / MESSAGES, f64::from(MESSAGES) / wall.as_secs_f64());
    Ok(())
}

/// User and system time of this thread, from the scheduler, in nanoseconds.
fn thread_cpu() -> Result<Duration, Box<dyn std::error::Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(text.split(' ').next().unwrap_or_default().parse()?))
}

/// Takes everything, understands little.
fn sink(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    writer.write_all(b"220 sink\r\n")?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        match line.get(..4) {
            Some(b"EHLO") => writer.write_all(b"250-sink\r\n250 PIPELINING\r\n")?,
            Some(b"DATA") => {
                writer.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n")?;
                while line != b".\r\n" {
                    line.clear();
                    reader.read_until(b'\n', &mut line)?;
                }
                writer.write_all(b"250 ok\r\n")?;
            }
            _ => {}
        }
    }
}
