//! `tidings bench fan-out`: from Queuing to Queued through the real dispatcher, beside the floor of the same run: one bare statement
//! that writes the same rows, and the same jobs pushed into a queue.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tidings_bounce::ProviderBook;
use tidings_delivery::{Resolver, ResolverOptions};
use tidings_domain::{CampaignState, Lane, Shared, UnixMs};
use tidings_queue::{Job, Queue, QueueOptions, RedisOptions, Shard};
use tidings_store::{BENCH_DOMAINS, CampaignDetails, CampaignId, ListId, NewRoute, Store, StoreOptions, bench_domain};
use tidings_worker::{Dispatcher, DispatcherOptions, Looping, now};

use crate::scene;

/// People made in one transaction.
const PEOPLE_AT_ONCE: i64 = 50_000;
/// Jobs of one push of the floor: as many as the dispatcher pushes.
const JOBS_AT_ONCE: usize = 10_000;
/// The domains share so many providers.
const PROVIDERS: i64 = 8;
/// Fan-out takes at most so many times the floor.
const TARGET: f64 = 2.0;

#[derive(clap::Args)]
pub struct FanOutArguments {
    /// Recipients of the campaign.
    #[arg(long, default_value_t = 1_000_000)]
    subscribers: i64,
    /// A PostgreSQL database, empty and its own. Without it: SQLite.
    #[arg(long, requires = "redis")]
    database: Option<String>,
    /// A Redis of its own. Without it: the queue inside the process.
    #[arg(long, requires = "database")]
    redis: Option<String>,
}

pub async fn run(arguments: FanOutArguments) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let bench = Bench::prepare(folder.path(), &arguments).await?;
    let before = bench.floor().await?;
    let (took, jobs) = bench.fan_out().await?;
    // Measured on both sides of what is compared: the machine is not alone, and what was read once is read faster.
    let after = bench.floor().await?;
    let people = arguments.subscribers;
    let rows = (before.rows + after.rows) / 2;
    let push = (before.push + after.push) / 2;
    let floor = rows + push;
    let ratio = took.as_secs_f64() / floor.as_secs_f64();
    println!("{people} recipients, {}", bench.engines());
    println!("{:<44}{:>8.2} s", "floor: the same rows by one statement", rows.as_secs_f64());
    println!("{:<44}{:>8.2} s", "floor: the same jobs pushed", push.as_secs_f64());
    println!("{:<44}{:>8.2} s", "Queuing to Queued, by the dispatcher", took.as_secs_f64());
    println!("{ratio:.2} times the floor (at most {TARGET:.1} is asked for); {jobs} jobs in the queue");
    let complete = i64::try_from(jobs).is_ok_and(|jobs| jobs == people);
    ensure!(complete, "the queue has {jobs} jobs for {people} recipients");
    Ok(if ratio <= TARGET { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Floor {
    rows: Duration,
    push: Duration,
}

struct Bench {
    store: Store,
    queue: Queue,
    /// Of the floor's jobs.
    other_queue: Queue,
    list: ListId,
    campaign: CampaignId,
    people: i64,
}

impl Bench {
    async fn prepare(folder: &Path, arguments: &FanOutArguments) -> anyhow::Result<Self> {
        let store = open_store(folder, arguments.database.as_deref()).await?;
        let scene = scene::set_up(&store, &sender(), route()).await?;
        let list = scene.workspace.create_list("Bench".to_owned(), String::new(), now()).await?;
        let people = arguments.subscribers;
        for first in (1..=people).step_by(PEOPLE_AT_ONCE as usize) {
            let last = (first + PEOPLE_AT_ONCE - 1).min(people);
            scene.workspace.bench_people(list, first, last, now()).await?;
        }
        store.save_domain_providers(domains(), UnixMs(now().0 + UnixMs::DAY)).await?;
        let plan = scene::CampaignPlan { details: details(), html: super::send::html(1_000), track: false };
        let campaign = scene::draft(&scene.workspace, list, plan).await?;
        scene::launch(&scene, campaign, "Bench").await?;
        let queue = open_queue(arguments.redis.as_deref(), "bench").await?;
        let other_queue = open_queue(arguments.redis.as_deref(), "bench-floor").await?;
        Ok(Self { store, queue, other_queue, list, campaign, people })
    }

    fn engines(&self) -> &'static str {
        if self.store.is_embedded() { "SQLite and the queue inside the process" } else { "PostgreSQL and Redis" }
    }

    async fn floor(&self) -> anyhow::Result<Floor> {
        let (rows, took) = self.store.bench_floor(self.campaign, self.list, now()).await?;
        ensure!(i64::try_from(rows).is_ok_and(|rows| rows == self.people), "the floor wrote {rows} rows");
        let began = Instant::now();
        for first in (0..self.people).step_by(JOBS_AT_ONCE) {
            let last = (first + JOBS_AT_ONCE as i64).min(self.people);
            self.push(first..last).await;
        }
        let push = began.elapsed();
        self.other_queue.drop_campaign(self.campaign.0).await;
        Ok(Floor { rows: took, push })
    }

    /// By provider, as the dispatcher's are.
    async fn push(&self, numbers: std::ops::Range<i64>) {
        for provider in 0..PROVIDERS {
            let shard = Shard::new(u8::try_from(Lane::Bulk.code()).unwrap_or(0), provider_name(provider));
            let own = numbers.clone().filter(|number| number % PROVIDERS == provider);
            let job = |number| Job { delivery: (1 << 46) + number, campaign: self.campaign.0, attempt: 0 };
            self.other_queue.push(&shard, 1, &own.map(job).collect::<Vec<_>>()).await;
        }
    }

    /// From Queuing to Queued. Also returns how many jobs the queue has then.
    async fn fan_out(&self) -> anyhow::Result<(Duration, usize)> {
        let book = ProviderBook::builtin();
        let resolver = Resolver::new(ResolverOptions::default(), Arc::clone(book.base()))?;
        let options = DispatcherOptions::default();
        let mut dispatcher =
            Dispatcher::new(self.store.clone(), self.queue.clone(), resolver, Shared::new(book), options);
        let began = Instant::now();
        while self.state().await? == Some(CampaignState::Queuing) {
            dispatcher.step().await?;
        }
        let took = began.elapsed();
        let jobs = self.queue.snapshot().await.shards.iter().map(|shard| shard.ready).sum();
        Ok((took, jobs))
    }

    async fn state(&self) -> anyhow::Result<Option<CampaignState>> {
        let active = self.store.active_campaigns().await?;
        Ok(active.iter().find(|campaign| campaign.id == self.campaign).map(|campaign| campaign.state))
    }
}

/// An SQLite file in the folder, or the empty database of PostgreSQL that was named.
///
/// # Errors
/// The database cannot be opened, or it has tables already.
pub async fn open_store(folder: &Path, database: Option<&str>) -> anyhow::Result<Store> {
    let Some(url) = database else {
        let file = folder.join("bench.sqlite3");
        return Ok(Store::open(&file.to_string_lossy(), StoreOptions::default()).await?);
    };
    ensure!(Store::is_empty(url).await?, "the benchmark fills the database: name one that is empty and its own");
    Ok(Store::open(url, StoreOptions { has_shared_queue: true, ..StoreOptions::default() }).await?)
}

/// The queue inside this process, or the one in Redis under this prefix.
///
/// # Errors
/// Redis cannot be used.
pub async fn open_queue(redis: Option<&str>, prefix: &str) -> anyhow::Result<Queue> {
    let Some(url) = redis else { return Ok(Queue::embedded(QueueOptions::default())) };
    let mut options = RedisOptions::new(url);
    prefix.clone_into(&mut options.prefix);
    Queue::redis(options).await.context("opening the queue")
}

fn provider_name(number: i64) -> String {
    format!("mx:p{number}.bench.example")
}

/// No DNS in a benchmark: each domain's provider is told.
pub fn domains() -> Vec<(String, String)> {
    (0..BENCH_DOMAINS).map(|number| (bench_domain(number), provider_name(number % PROVIDERS))).collect()
}

pub fn sender() -> scene::Sender<'static> {
    scene::Sender {
        organisation: "Bench",
        postal_address: "1 Test Road",
        from_name: "Bench",
        from_email: "bench@sender.example",
    }
}

pub fn route() -> NewRoute {
    NewRoute { ehlo_name: "bench.example".to_owned(), ..NewRoute::direct() }
}

pub fn details() -> CampaignDetails {
    CampaignDetails {
        name: "Bench".to_owned(),
        from_name: "Bench".to_owned(),
        from_email: "bench@sender.example".to_owned(),
        subject: "News".to_owned(),
        ..CampaignDetails::default()
    }
}
