//! `tidings bench storm`: a hundred thousand bounces and one-click unsubscribes while a campaign is sent. The sending keeps its speed, and
//! nobody is sent to after he was taken off: compared with what a sink in a process of its own accepted, and when.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tidings_compose::{Keys, TokenKind};
use tidings_delivery::{Connection, Envelope, Offer, Session, Target, TlsClients, TlsPolicy};
use tidings_domain::{CampaignState, Outcome, RouteKind, RouteTls};
use tidings_sandbox::read_log;
use tidings_store::{CampaignDetails, CampaignId, ListId, NewRoute, Store, StoreOptions, SuppressionId, Workspace};
use tidings_worker::import::{FileImport, Importer, finish_import, start_from_file};
use tidings_worker::now;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::intake::{bounce, wait_until_read};
use super::send::{html, write_people};
use super::served::{BOUNCE_DOMAIN, Served};
use super::sink::SinkProcess;
use crate::instance::Instance;
use crate::scene;

/// A message that was on its way when its recipient was taken off has arrived within this.
const IN_FLIGHT_MS: u64 = 1_000;
const PAGE: i64 = 1_000;
const CLIENTS: usize = 12;
const END_WITHIN: Duration = Duration::from_secs(900);
/// The sending keeps this share of its speed.
const KEEPS_SPEED: f64 = 0.8;

#[derive(clap::Args)]
pub struct StormArguments {
    /// Recipients of each of the two campaigns.
    #[arg(long, default_value_t = 40_000)]
    messages: u32,
    /// Bounces and one-click posts, about one half of the recipients, during the second campaign.
    #[arg(long, default_value_t = 100_000)]
    news: usize,
    /// What the relay takes in a second: a campaign's speed is nearly always its receivers'. 0: as fast as it goes.
    #[arg(long, default_value_t = 500)]
    per_second: i32,
    /// A PostgreSQL database, empty and its own. Without it: SQLite.
    #[arg(long)]
    database: Option<String>,
}

pub async fn run(arguments: StormArguments) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let log = folder.path().join("accepted.log");
    let sink = SinkProcess::start_recording(&log).await?;
    let url = Served::database_url(folder.path(), arguments.database.as_deref());
    let store = Store::open(&url, StoreOptions::default()).await?;
    let (scene, list) = prepare(&store, folder.path(), &sink, arguments.messages, arguments.per_second).await?;
    let mut served = Served::start(folder.path(), arguments.database.as_deref()).await?;
    let keys = Keys::new(&Instance::share(folder.path(), None)?.key);

    let quiet = send(&store, &scene, list, || ()).await?;
    println!(
        "quiet: {} recipients in {:.1} s, {:.0} a second",
        quiet.dealt_with,
        quiet.took.as_secs_f64(),
        quiet.a_second()
    );
    let storm = Arc::new(Storm::of(&log, keys, &arguments, &served)?);
    let began = Instant::now();
    let mut clients = Vec::new();
    let stormy = send(&store, &scene, list, || {
        clients = (0..CLIENTS)
            .map(|_| {
                tokio::spawn({
                    let storm = Arc::clone(&storm);
                    async move { storm.blow().await }
                })
            })
            .collect();
    })
    .await?;
    let mut brought = 0;
    for client in clients {
        brought += client.await.context("a client")??;
    }
    let blown = began.elapsed();
    println!(
        "storm: {} recipients, {} of them sent to, in {:.1} s, {:.0} a second, while {brought} bounces and posts came in {:.1} s, {:.0} a second",
        stormy.dealt_with,
        stormy.accepted,
        stormy.took.as_secs_f64(),
        stormy.a_second(),
        blown.as_secs_f64(),
        brought as f64 / blown.as_secs_f64()
    );
    wait_until_read(&store).await?;
    let peak = served.peak_memory_mib()?;
    served.kill().await?;
    let late = late(&scene.workspace, &log, storm.first_seq).await?;
    let miscounts = store.miscounts(quiet.campaign).await?.len() + store.miscounts(stormy.campaign).await?.len();
    let errors = served.log()?.lines().filter(|line| line.contains("ERROR")).count();
    let kept = stormy.a_second() / quiet.a_second();
    println!(
        "kept {:.0} % of its speed; {} people were taken off; {} were sent to after that; {miscounts} counters are wrong; {errors} errors in the log; {peak:.0} MiB at most",
        kept * 100.0,
        late.taken_off,
        late.sent_after
    );
    sink.finish().await?;
    let good = kept >= KEEPS_SPEED && late.sent_after == 0 && miscounts == 0 && errors == 0 && late.taken_off > 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A workspace that sends to the sink as its relay, so many a second, and a list of so many.
pub async fn prepare(
    store: &Store,
    folder: &Path,
    sink: &SinkProcess,
    messages: u32,
    per_second: i32,
) -> anyhow::Result<(scene::Scene, ListId)> {
    let route = NewRoute {
        kind: RouteKind::Relay,
        host: sink.address.ip().to_string(),
        port: sink.address.port(),
        tls: RouteTls::None,
        ehlo_name: "bench.example".to_owned(),
        max_connections: 32,
        max_per_second: per_second,
        ..NewRoute::direct()
    };
    let sender = scene::Sender {
        organisation: "Bench",
        postal_address: "1 Test Road",
        from_name: "Bench",
        from_email: "bench@sender.example",
    };
    let scene = scene::set_up(store, &sender, route).await?;
    let list = scene.workspace.create_list("Bench".to_owned(), String::new(), now()).await?;
    let file = folder.join("people.csv");
    write_people(&file, messages)?;
    let import = FileImport {
        workspace: scene.workspace.id(),
        list,
        path: file,
        consent_source: "bench".to_owned(),
        created_by: scene::ACTOR.to_owned(),
    };
    let id = start_from_file(store, import).await?;
    finish_import(Importer::new(store.clone(), "bench"), store, id, |_| ()).await?;
    let later = tidings_domain::UnixMs(now().0 + tidings_domain::UnixMs::DAY);
    store.save_domain_providers(vec![("bench.example".to_owned(), "mx:bench.example".to_owned())], later).await?;
    Ok((scene, list))
}

/// How one campaign went.
struct Sent {
    campaign: CampaignId,
    /// Recipients that were dealt with: sent to, or left out because they were taken off since. Either uses the relay's budget.
    dealt_with: i64,
    accepted: i64,
    took: Duration,
}

impl Sent {
    fn a_second(&self) -> f64 {
        self.dealt_with as f64 / self.took.as_secs_f64()
    }
}

/// From the first attempt to Done. `begun` is called at the first attempt.
async fn send(store: &Store, scene: &scene::Scene, list: ListId, begun: impl FnOnce()) -> anyhow::Result<Sent> {
    let campaign = launch(scene, list).await?;
    wait(store, campaign, |state| state != CampaignState::Queuing && state != CampaignState::Queued).await?;
    let began = Instant::now();
    begun();
    wait(store, campaign, |state| state == CampaignState::Done).await?;
    let took = began.elapsed();
    let overview = scene.workspace.overview(campaign).await?;
    let dealt_with = overview.counts.values().sum();
    let accepted = overview.counts.get(&tidings_domain::DeliveryState::Accepted).copied().unwrap_or(0);
    Ok(Sent { campaign, dealt_with, accepted, took })
}

/// A letter of two kilobytes to the list.
pub async fn launch(scene: &scene::Scene, list: ListId) -> anyhow::Result<CampaignId> {
    let details = CampaignDetails {
        name: "Bench".to_owned(),
        from_name: "Bench".to_owned(),
        from_email: "bench@sender.example".to_owned(),
        subject: "News".to_owned(),
        ..CampaignDetails::default()
    };
    let plan = scene::CampaignPlan { details, html: html(2_000), track: false };
    let campaign = scene::draft(&scene.workspace, list, plan).await?;
    scene::launch(scene, campaign, "Bench").await?;
    Ok(campaign)
}

async fn wait(store: &Store, campaign: CampaignId, until: impl Fn(CampaignState) -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let active = store.active_campaigns().await?;
        let state = active.iter().find(|c| c.id == campaign).map_or(CampaignState::Done, |c| c.state);
        if until(state) {
            return Ok(());
        }
        ensure!(began.elapsed() < END_WITHIN, "the campaign stands at {state} since {END_WITHIN:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The news: about every second recipient of the first campaign, several times over.
struct Storm {
    keys: Keys,
    deliveries: Vec<i64>,
    news: usize,
    next: AtomicUsize,
    smtp: SocketAddr,
    http: SocketAddr,
    /// What the sink accepted from here on belongs to the second campaign.
    first_seq: u64,
}

impl Storm {
    fn of(log: &Path, keys: Keys, arguments: &StormArguments, served: &Served) -> anyhow::Result<Self> {
        let (mut deliveries, mut last) = (Vec::new(), 0);
        read_log(log, |entry| {
            let local = entry.message_id.trim_start_matches('<').split('@').next().unwrap_or_default();
            if entry.seq.is_multiple_of(2) {
                deliveries.extend(keys.open(TokenKind::MessageId, local));
            }
            last = entry.seq;
        })?;
        ensure!(!deliveries.is_empty(), "the sink recorded nothing of ours");
        let (smtp, http) = (served.smtp, served.http);
        Ok(Self { keys, deliveries, news: arguments.news, next: AtomicUsize::new(0), smtp, http, first_seq: last + 1 })
    }

    /// One client: two bounces by SMTP for each post.
    async fn blow(&self) -> anyhow::Result<usize> {
        let target = Target { host: self.smtp.ip().to_string(), addr: self.smtp, source: None };
        let session = Session { tls: TlsPolicy::None, ..Session::new("bench.example", TlsClients::new(&[])?) };
        let mut connection = None;
        let mut brought = 0;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.news {
                return Ok(brought);
            }
            // Far apart, so that no two clients speak of the same person at once by plan alone; the rounds do.
            let delivery = self.deliveries[number.wrapping_mul(7_919) % self.deliveries.len()];
            let arrived = if number.is_multiple_of(3) {
                self.post(number, delivery).await?
            } else {
                let open = match connection.take() {
                    Some(open) => open,
                    None => Connection::open(&target, &session).await.map_err(|f| anyhow::anyhow!("{f:?}"))?,
                };
                let (open, accepted) = self.bounce(open, delivery).await;
                connection = open;
                accepted
            };
            brought += usize::from(arrived);
        }
    }

    async fn bounce(&self, mut open: Connection, delivery: i64) -> (Option<Connection>, bool) {
        let path = format!("b-{}@{BOUNCE_DOMAIN}", self.keys.seal(TokenKind::Bounce, delivery));
        let envelope = Envelope { mail_from: "", rcpt_to: &path, smtputf8: false };
        let outcome = match open.offer(&envelope, bounce(&path).as_bytes()).await {
            Offer::AwaitsDot => open.finish().await,
            Offer::Ended(outcome) => outcome,
        };
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        (open.is_reusable().then_some(open), accepted)
    }

    async fn post(&self, number: usize, delivery: i64) -> anyhow::Result<bool> {
        let token = self.keys.seal(TokenKind::Unsubscribe, delivery);
        let [a, b, c] = [number >> 16, number >> 8, number].map(|part| part & 0xff);
        let request = format!(
            "POST /u/{token} HTTP/1.1\r\nHost: bench.example\r\nX-Forwarded-For: 10.{a}.{b}.{c}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 26\r\n\r\nList-Unsubscribe=One-Click"
        );
        let mut stream = TcpStream::connect(self.http).await.context("connecting to the web server")?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    }
}

struct Late {
    taken_off: usize,
    sent_after: usize,
}

/// Compares when each person was taken off with what the sink accepted for him of the second campaign.
async fn late(workspace: &Workspace, log: &Path, first_seq: u64) -> anyhow::Result<Late> {
    let mut since: HashMap<String, i64> = HashMap::new();
    let mut before: Option<SuppressionId> = None;
    loop {
        let page = workspace.suppressions("", before, PAGE).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        since.extend(page.into_iter().map(|entry| (entry.value, entry.created_at_ms)));
    }
    let mut sent_after = 0;
    read_log(log, |entry| {
        let taken_off = since.get(&entry.recipient).and_then(|at| u64::try_from(*at).ok());
        let is_late = taken_off.is_some_and(|at| entry.seq >= first_seq && entry.unix_ms > at + IN_FLIGHT_MS);
        sent_after += usize::from(is_late);
    })?;
    Ok(Late { taken_off: since.len(), sent_after })
}
