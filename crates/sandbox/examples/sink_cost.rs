//! What the fast sink costs: sends messages of 10 kB to a sink in a child process and prints the child's CPU for each.
//! `cargo run --release -p tidings-sandbox --example sink_cost`

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use tidings_sandbox::FastSink;

const MESSAGES: u32 = 20_000;
const CONNECTIONS: u32 = 8;
/// Linux counts a process's time in these (`getconf CLK_TCK`).
const TICKS_PER_SECOND: f64 = 100.0;

fn main() -> std::io::Result<()> {
    if std::env::args().any(|a| a == "sink") { sink() } else { measure() }
}

/// Prints its address and stays until its standard input ends.
fn sink() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let sink = FastSink::start(None).await?;
        println!("{}", sink.address());
        tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await??;
        Ok(())
    })
}

fn measure() -> std::io::Result<()> {
    let mut child =
        Command::new(std::env::current_exe()?).arg("sink").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut address = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut address)?;
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let address = address.trim().to_owned();
            std::thread::spawn(move || send(&address))
        })
        .collect();
    for sender in senders {
        sender.join().expect("no panic")?;
    }
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let ticks: f64 = stat.split(' ').skip(13).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    let each = ticks / TICKS_PER_SECOND / f64::from(MESSAGES) * 1e6;
    println!(
        "{each:.1} µs of the sink's CPU for each message of 10 kB ({MESSAGES} messages, {CONNECTIONS} connections)"
    );
    drop(child.stdin.take());
    child.wait().map(drop)
}

/// Two round trips before the text and one after it, as our sender does.
fn send(address: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let text = "This is a line of sixty-two characters, as letters often have.\r\n".repeat(160);
    let mut buffer = [0; 4_096];
    let mut ask = |what: &[u8]| {
        stream.write_all(what)?;
        stream.read(&mut buffer)
    };
    ask(b"EHLO bench.example\r\n")?;
    for _ in 0..MESSAGES / CONNECTIONS {
        ask(b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n")?;
        ask(format!("{text}.\r\n").as_bytes())?;
    }
    ask(b"QUIT\r\n").map(drop)
}
