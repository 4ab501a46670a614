//! `tidings bench send`: a whole campaign through the real engine, to a sink on loopback in a process of its own.

mod floor;
mod message;
mod prepared;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use self::floor::floor;
use self::message::bare_message;
use self::prepared::Prepared;
use self::report::{Used, Verdict, report, report_peer, report_servers, report_signed};
use super::dkim::Dkim;
use super::far::Far;
use super::postfix;
use super::process::peak_memory_mib;
use super::sink::SinkProcess;

pub use self::floor::bare_loop;
pub use self::message::{html, write_people};

#[derive(clap::Args)]
pub struct SendArguments {
    /// Recipients of the campaign.
    #[arg(long, default_value_t = 20_000)]
    messages: u32,
    /// SMTP connections at one time.
    #[arg(long, default_value_t = 32)]
    connections: u16,
    /// Size of the HTML part, in bytes.
    #[arg(long, default_value_t = 9_000)]
    html_bytes: usize,
    /// Rewrite links and add the open pixel.
    #[arg(long)]
    track: bool,
    /// Send the same once more through PostgreSQL (a database, empty and its own) and Redis, and compare.
    #[arg(long, requires = "redis")]
    database: Option<String>,
    /// A Redis of its own.
    #[arg(long, requires = "database")]
    redis: Option<String>,
    /// Put the sink so many milliseconds away (there and back). Take few messages and `--connections 1`.
    #[arg(long, value_name = "MS")]
    round_trip: Option<u64>,
    /// Send it once more with DKIM signatures, and compare with the bare signature and the unsigned cost.
    #[arg(long, value_enum)]
    dkim: Option<Dkim>,
    /// The sink offers STARTTLS, and it is used.
    #[arg(long)]
    tls: bool,
    /// Have another mail server send as many messages to such a sink; with --dkim, signed by opendkim.
    #[arg(long, value_enum)]
    peer: Option<Peer>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Peer {
    /// From Debian's packages postfix, opendkim and openssl; needs root.
    Postfix,
}

/// In what a campaign differs from the embedded, unsigned one.
#[derive(Default)]
struct Variant<'a> {
    servers: Option<(&'a str, &'a str)>,
    dkim: Option<Dkim>,
}

pub async fn run(arguments: SendArguments) -> anyhow::Result<ExitCode> {
    let mut sink = if arguments.tls { SinkProcess::start_with_tls().await? } else { SinkProcess::start().await? };
    let far = match arguments.round_trip {
        Some(ms) => Some(Far::start(sink.address, Duration::from_millis(ms)).await?),
        None => None,
    };
    if let Some(far) = &far {
        sink.address = far.address;
    }
    println!("{}", heading(&arguments));
    let floor = floor(sink.address, &arguments).await?;
    let sent = campaign(&sink, &arguments, Variant::default()).await?;
    print!("{}", report(&arguments, &floor, &sent));
    let mut rounds = 2;
    let mut kept = true;
    if let (Some(database), Some(redis)) = (&arguments.database, &arguments.redis) {
        let servers = Variant { servers: Some((database.as_str(), redis.as_str())), dkim: None };
        let through = campaign(&sink, &arguments, servers).await?;
        kept &= report_servers(&arguments, &sent.used, &through.used).print();
        rounds += 1;
    }
    let mut last = sent.used.a_second(arguments.messages);
    if let Some(kind) = arguments.dkim {
        let bare = kind.bare_signature().await?;
        let signed = campaign(&sink, &arguments, Variant { servers: None, dkim: Some(kind) }).await?;
        kept &= report_signed(&arguments, bare, &sent.used, &signed.used).print();
        last = signed.used.a_second(arguments.messages);
        rounds += 1;
    }
    if let Some(Peer::Postfix) = arguments.peer {
        kept &= peer(&arguments, last).await?.print();
    }
    let accepted = sink.finish().await?;
    let expected = u64::from(arguments.messages) * rounds;
    println!("the sink accepted {accepted} of {expected} (floor and campaigns)");
    Ok(if kept && accepted == expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn heading(arguments: &SendArguments) -> String {
    let signed = arguments.dkim.map_or_else(|| "unsigned".to_owned(), |kind| format!("unsigned, then signed ({kind})"));
    let wire = if arguments.tls { "SMTP with STARTTLS" } else { "plain SMTP" };
    format!(
        "{} messages of about 10 kB, personalised, {signed}, {wire} on loopback, {} connections; SQLite with WAL and synchronous=FULL",
        arguments.messages, arguments.connections
    )
}

/// One whole campaign, and the memory before and after it was sent, in MiB.
struct Sent {
    used: Used,
    ready: f64,
    peak: f64,
}

/// In a database of its own.
async fn campaign(sink: &SinkProcess, arguments: &SendArguments, variant: Variant<'_>) -> anyhow::Result<Sent> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let prepared = Prepared::new(folder.path(), sink.address, arguments, variant).await?;
    let ready = peak_memory_mib()?;
    let used = prepared.send().await?;
    Ok(Sent { used, ready, peak: peak_memory_mib()? })
}

/// Another server sends as many messages to a sink of its own.
async fn peer(arguments: &SendArguments, ours: f64) -> anyhow::Result<Verdict> {
    let plan = postfix::Plan { messages: arguments.messages, signs: arguments.dkim.is_some(), tls: arguments.tls };
    let took = postfix::send(&plan, &bare_message()).await?;
    Ok(report_peer(f64::from(arguments.messages) / took.as_secs_f64(), ours, plan.signs))
}
