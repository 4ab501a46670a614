//! `tidings bench send`: a whole campaign through the real engine, to a sink on loopback in a process of its own.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tidings_bounce::ProviderBook;
use tidings_compose::Keys;
use tidings_delivery::{
    Connection, Envelope, Offer, Resolver, ResolverOptions, Session, StsOptions, Target, TlsClients, TlsPolicy,
};
use tidings_domain::{CampaignState, Outcome, RouteKind, RouteTls, Shared, UnixMs};
use tidings_queue::Queue;
use tidings_store::{CampaignDetails, CampaignId, NewRoute, Store};
use tidings_worker::import::{FileImport, Importer, finish_import, start_from_file};
use tidings_worker::{
    Dispatcher, DispatcherOptions, Looping, Sender, SenderOptions, SenderParts, SiteOptions, Step, TargetOptions, now,
};
use tokio_util::sync::CancellationToken;

use super::dkim::Dkim;
use super::fan_out::{open_queue, open_store};
use super::far::Far;
use super::postfix;
use super::process::{cpu_time, peak_memory_mib};
use super::sink::SinkProcess;
use crate::scene;

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

/// Through PostgreSQL and Redis a message costs us at most so many times what it costs embedded.
const SERVERS_TARGET: f64 = 1.5;
/// Signed, it costs us at most so many times what a bare signature and the unsigned message cost.
const SIGNED_TARGET: f64 = 1.3;

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
    if let (Some(database), Some(redis)) = (&arguments.database, &arguments.redis) {
        let servers = Variant { servers: Some((database.as_str(), redis.as_str())), dkim: None };
        let through = campaign(&sink, &arguments, servers).await?;
        print!("{}", report_servers(&arguments, &sent.used, &through.used));
        rounds += 1;
    }
    let mut fastest = sent.used.a_second(arguments.messages);
    if let Some(kind) = arguments.dkim {
        let bare = kind.bare_signature().await?;
        let signed = campaign(&sink, &arguments, Variant { servers: None, dkim: Some(kind) }).await?;
        print!("{}", report_signed(&arguments, bare, &sent.used, &signed.used));
        fastest = signed.used.a_second(arguments.messages);
        rounds += 1;
    }
    peer(&arguments, fastest).await?;
    let accepted = sink.finish().await?;
    let expected = u64::from(arguments.messages) * rounds;
    println!("the sink accepted {accepted} of {expected} (floor and campaigns)");
    Ok(if accepted == expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    let bench = Bench::prepare(folder.path(), sink.address, arguments, variant).await?;
    let ready = peak_memory_mib()?;
    let used = bench.send().await?;
    Ok(Sent { used, ready, peak: peak_memory_mib()? })
}

async fn peer(arguments: &SendArguments, ours: f64) -> anyhow::Result<()> {
    let Some(Peer::Postfix) = arguments.peer else { return Ok(()) };
    let plan = postfix::Plan { messages: arguments.messages, signs: arguments.dkim.is_some(), tls: arguments.tls };
    let took = postfix::send(&plan, &bare_message()).await?;
    let theirs = f64::from(arguments.messages) / took.as_secs_f64();
    let name = if plan.signs { "Postfix with opendkim (RSA-2048)" } else { "Postfix" };
    println!("{name}: {theirs:.0} messages/s; ours {ours:.0}, {:.1} times as many", ours / theirs.max(0.001));
    Ok(())
}

/// What one side used.
struct Used {
    wall: Duration,
    cpu: Duration,
}

impl Used {
    fn cpu_ms_each(&self, messages: u32) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / f64::from(messages)
    }

    fn a_second(&self, messages: u32) -> f64 {
        f64::from(messages) / self.wall.as_secs_f64()
    }
}

fn report(arguments: &SendArguments, floor: &Used, Sent { used: sent, ready, peak }: &Sent) -> String {
    let n = arguments.messages;
    let mut out = String::new();
    let _ = writeln!(out, "{:<28}{:>14}{:>22}", "", "messages/s", "our CPU ms/message");
    let _ =
        writeln!(out, "{:<28}{:>14.0}{:>22.3}", "bare loop, same transaction", floor.a_second(n), floor.cpu_ms_each(n));
    let _ = writeln!(out, "{:<28}{:>14.0}{:>22.3}", "campaign", sent.a_second(n), sent.cpu_ms_each(n));
    let _ = writeln!(out, "ratio to the floor: {:.2} in CPU", sent.cpu_ms_each(n) / floor.cpu_ms_each(n).max(0.001));
    if let Some(ms) = arguments.round_trip {
        let _ = writeln!(
            out,
            "{ms} ms away: {:.2} messages/s on each connection, {:.2} round trips for each message",
            sent.a_second(n) / f64::from(arguments.connections),
            sent.wall.as_secs_f64() * 1000.0 * f64::from(arguments.connections) / f64::from(n) / ms.max(1) as f64
        );
    }
    let _ = writeln!(out, "peak memory: {peak:.0} MiB ({ready:.0} MiB with {n} jobs queued, before sending)");
    out
}

fn report_servers(arguments: &SendArguments, embedded: &Used, servers: &Used) -> String {
    let n = arguments.messages;
    let ratio = servers.cpu_ms_each(n) / embedded.cpu_ms_each(n).max(0.001);
    format!(
        "{:<28}{:>14.0}{:>22.3}\nratio to the embedded campaign: {ratio:.2} in our CPU (at most {SERVERS_TARGET} is asked for; the servers' own is not in it)\n",
        "PostgreSQL and Redis",
        servers.a_second(n),
        servers.cpu_ms_each(n)
    )
}

/// Our CPU for a signed message beside what it is made of.
fn report_signed(arguments: &SendArguments, bare: Duration, unsigned: &Used, signed: &Used) -> String {
    let n = arguments.messages;
    let (bare, unsigned, ours) = (bare.as_secs_f64() * 1e3, unsigned.cpu_ms_each(n), signed.cpu_ms_each(n));
    let ratio = ours / (bare + unsigned).max(0.001);
    let cores = signed.cpu.as_secs_f64() / signed.wall.as_secs_f64();
    format!(
        "{:<28}{:>14.0}{ours:>22.3}\nratio to one bare signature by the same library ({bare:.3} ms) and the unsigned cost: {ratio:.2} in CPU \
         (at most {SIGNED_TARGET} is asked for); {cores:.2} cores used\n",
        "campaign, signed",
        signed.a_second(n)
    )
}

struct Bench {
    store: Store,
    queue: Queue,
    resolver: Resolver,
    book: Shared<ProviderBook>,
    campaign: CampaignId,
    connections: u16,
}

impl Bench {
    /// Everything up to Queued: not measured.
    async fn prepare(
        folder: &Path,
        peer: SocketAddr,
        arguments: &SendArguments,
        Variant { servers, dkim }: Variant<'_>,
    ) -> anyhow::Result<Self> {
        let store = open_store(folder, servers.map(|(database, _)| database)).await?;
        let file = folder.join("people.csv");
        write_people(&file, arguments.messages)?;
        let route = NewRoute {
            kind: RouteKind::Relay,
            host: peer.ip().to_string(),
            port: peer.port(),
            tls: if arguments.tls { RouteTls::Opportunistic } else { RouteTls::None },
            ehlo_name: "bench.example".to_owned(),
            max_connections: i32::from(arguments.connections),
            ..NewRoute::direct()
        };
        let sender = scene::Sender {
            organisation: "Bench",
            postal_address: "1 Test Road",
            from_name: "Bench",
            from_email: "bench@sender.example",
        };
        let scene = scene::set_up(&store, &sender, route).await?;
        if let Some(kind) = dkim {
            kind.publish(&store, &scene.workspace, &bench_keys(), "sender.example").await?;
        }
        let list = scene.workspace.create_list("Bench".to_owned(), String::new(), now()).await?;
        let import = FileImport {
            workspace: scene.workspace.id(),
            list,
            path: file,
            consent_source: "bench".to_owned(),
            created_by: scene::ACTOR.to_owned(),
        };
        let id = start_from_file(&store, import).await?;
        finish_import(Importer::new(store.clone(), "bench"), &store, id, |_| ()).await?;
        // No DNS in a benchmark: the one domain's provider is told.
        let later = UnixMs(now().0 + UnixMs::DAY);
        store.save_domain_providers(vec![("bench.example".to_owned(), "mx:bench.example".to_owned())], later).await?;
        let plan = scene::CampaignPlan { details: details(), html: html(arguments.html_bytes), track: arguments.track };
        let campaign = scene::draft(&scene.workspace, list, plan).await?;
        scene::launch(&scene, campaign, "Bench").await?;
        let book = ProviderBook::builtin();
        let resolver = Resolver::new(ResolverOptions::default(), Arc::clone(book.base()))?;
        let queue = open_queue(servers.map(|(_, redis)| redis), "bench-send").await?;
        let book = Shared::new(book);
        let bench = Self { store, queue, resolver, book, campaign, connections: arguments.connections };
        let mut dispatcher = bench.dispatcher();
        while bench.state().await? == CampaignState::Queuing {
            dispatcher.step().await?;
        }
        Ok(bench)
    }

    fn dispatcher(&self) -> Dispatcher {
        Dispatcher::new(
            self.store.clone(),
            self.queue.clone(),
            self.resolver.clone(),
            self.book.clone(),
            DispatcherOptions::default(),
        )
    }

    async fn state(&self) -> anyhow::Result<CampaignState> {
        let active = self.store.active_campaigns().await?;
        Ok(active.iter().find(|c| c.id == self.campaign).map_or(CampaignState::Done, |c| c.state))
    }

    /// From Queued to Done, dispatcher and sender together.
    async fn send(self) -> anyhow::Result<Used> {
        let stop = CancellationToken::new();
        let mut dispatcher = self.dispatcher();
        let sender = Sender::new(SenderParts {
            store: self.store.clone(),
            queue: self.queue.clone(),
            resolver: self.resolver.clone(),
            keys: Arc::new(bench_keys()),
            book: self.book.clone(),
            site: SiteOptions { public_url: "https://bench.example".to_owned(), bounce_domain: None },
            targets: TargetOptions {
                ehlo_name: "bench.example".to_owned(),
                source_ip: None,
                tls: TlsClients::new(&[])?,
                sts: StsOptions::default(),
            },
            options: SenderOptions::new("bench".to_owned(), usize::from(self.connections)),
        });
        let (began, cpu) = (Instant::now(), cpu_time()?);
        let sending = tokio::spawn(sender.run(stop.clone()));
        while self.state().await? != CampaignState::Done {
            if dispatcher.step().await? == Step::Idle {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let used = Used { wall: began.elapsed(), cpu: cpu_time()? - cpu };
        stop.cancel();
        sending.await?;
        Ok(used)
    }
}

fn bench_keys() -> Keys {
    Keys::new(&[7; 32])
}

/// The same messages by a bare loop: connections that only offer and finish, one message made beforehand.
async fn floor(sink: SocketAddr, arguments: &SendArguments) -> anyhow::Result<Used> {
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

pub(super) async fn bare_loop(sink: SocketAddr, messages: u32, message: &[u8], tls: TlsPolicy) -> anyhow::Result<()> {
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

fn bare_message() -> Vec<u8> {
    let mut message = b"From: bench@sender.example\r\nSubject: floor\r\n\r\n".to_vec();
    while message.len() < 10_000 {
        message.extend_from_slice(b"The quick brown fox jumps over the lazy dog, and then does it once more.\r\n");
    }
    message
}

fn details() -> CampaignDetails {
    CampaignDetails {
        name: "Bench".to_owned(),
        from_name: "Bench".to_owned(),
        from_email: "bench@sender.example".to_owned(),
        subject: "News for {{ first_name | default(\"you\") }}".to_owned(),
        preview_text: "A message of ten kilobytes".to_owned(),
        ..CampaignDetails::default()
    }
}

/// About so many bytes, with ten merge tags and ten links.
pub fn html(bytes: usize) -> String {
    let mut html = String::from(
        "<!doctype html><html><body><p>Dear {{ first_name | default(\"friend\") }} {{ last_name }} of {{ city }},</p>",
    );
    for number in 0..10 {
        let _ = write!(
            html,
            "<p><a href=\"https://shop.example/offer/{number}\">Offer {number} for {{{{ plan }}}}</a></p>"
        );
    }
    while html.len() < bytes {
        html.push_str(
            "<p>The quick brown fox jumps over the lazy dog, and then does it once more for good measure.</p>\n",
        );
    }
    html.push_str("<p><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a> {{ postal_address }}</p></body></html>");
    html
}

pub fn write_people(file: &Path, count: u32) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    writeln!(out, "email,first_name,last_name,city,plan")?;
    for number in 0..count {
        writeln!(out, "person{number}@bench.example,Ana{number},Silva,Lisbon,gold")?;
    }
    out.flush()?;
    Ok(())
}
