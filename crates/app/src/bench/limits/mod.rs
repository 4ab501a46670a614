//! `tidings bench limits`: are the receivers' limits kept, over all workers, and used? A sandbox in which every provider limits connections,
//! messages for each connection and messages a second counts every breach; with `--storm` one of them refuses everything for a while, and
//! the others shall not feel it.

mod report;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tidings_domain::CampaignState;
use tidings_sandbox::{Storm, Strict, World, WorldOptions, providers};
use tidings_store::{CampaignId, Store, StoreOptions};
use tidings_worker::import::{FileImport, Importer, finish_import, start_from_file};
use tidings_worker::now;
use tokio::process::{Child, Command};

use crate::{sandbox_world, scene};
use report::{Sample, report};

/// Our limits are this part of theirs: what is in flight when a second turns must fit too.
const OUR_SHARE: f64 = 0.95;
const CONNECTIONS: u32 = 6;
const MESSAGES_A_CONNECTION: u32 = 50;
const STORMS: &str = "bigmail.example";
const TICK: Duration = Duration::from_millis(250);
/// Longer than the limits ask by this factor, and it hangs.
const PATIENCE: f64 = 4.0;
const START_WITHIN: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct LimitsArguments {
    #[arg(long, default_value_t = 100_000)]
    messages: u64,
    /// Messages a second that all providers together take. A third of them goes to one provider, whose few connections each wait for a
    /// commit between two messages: far above the default it is they that limit, and not the rate.
    #[arg(long, default_value_t = 300.0)]
    per_second: f64,
    /// Worker processes. Without --database and --redis it is one process with everything.
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// In the middle, one provider answers everything with 421 for a fifth of the time.
    #[arg(long)]
    storm: bool,
    /// A PostgreSQL database, empty and its own.
    #[arg(long, requires = "redis")]
    database: Option<String>,
    /// The Redis of the workers, empty and its own.
    #[arg(long, requires = "database")]
    redis: Option<String>,
    /// What the processes log.
    #[arg(long, default_value = "error")]
    log: String,
}

impl LimitsArguments {
    /// How long the limits make it last.
    fn seconds(&self) -> f64 {
        self.messages as f64 / (self.per_second * OUR_SHARE)
    }

    fn storm(&self) -> Option<Storm> {
        let at = |share: f64| Duration::from_secs_f64(self.seconds() * share);
        self.storm.then(|| Storm { provider: STORMS, begins: at(0.4), ends: at(0.6) })
    }
}

pub async fn run(arguments: LimitsArguments) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let strict = Strict {
        per_second: arguments.per_second,
        connections: CONNECTIONS,
        messages_per_connection: MESSAGES_A_CONNECTION,
        storm: None,
    };
    let (store, campaign) = prepare(folder.path(), &arguments).await?;
    // The storm is told by the world's own clock, which starts when all is prepared.
    let strict = Strict { storm: arguments.storm(), ..strict };
    let world = World::start(WorldOptions { strict: Some(strict), ..WorldOptions::default() }).await?;
    let table = folder.path().join("providers.toml");
    std::fs::write(&table, provider_file(&strict)).context("writing the providers' limits")?;
    let _processes = start(folder.path(), &table, &world, &arguments)?;
    let samples = watch(&world, &store, campaign, &arguments).await?;
    Ok(if report(&samples, &world.breaches(), &strict, &arguments) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn prepare(data: &Path, arguments: &LimitsArguments) -> anyhow::Result<(Store, CampaignId)> {
    let file = data.join("tidings.sqlite3").to_string_lossy().into_owned();
    let store = Store::open(&arguments.database.clone().unwrap_or(file), StoreOptions::default()).await?;
    let scene = scene::set_up(&store, &sandbox_world::sender(), sandbox_world::direct_route()).await?;
    let list = scene.workspace.create_list("Limits".to_owned(), String::new(), now()).await?;
    let file = FileImport {
        workspace: scene.workspace.id(),
        list,
        path: sandbox_world::audience_file(data, arguments.messages)?,
        consent_source: "bench".to_owned(),
        created_by: scene::ACTOR.to_owned(),
    };
    let id = start_from_file(&store, file).await?;
    finish_import(Importer::new(store.clone(), "bench"), &store, id, |_| ()).await?;
    let campaign = scene::draft(&scene.workspace, list, sandbox_world::campaign()).await?;
    scene::launch(&scene, campaign, "Limits").await?;
    Ok((store, campaign))
}

/// The operator's file, as `TIDINGS_PROVIDERS_FILE` has it.
fn provider_file(strict: &Strict) -> String {
    let mut text = String::new();
    for provider in providers() {
        let name = provider.name.split('.').next().unwrap_or(provider.name);
        let _ = write!(
            text,
            "[[provider]]\nname = \"{name}\"\nconnections = {CONNECTIONS}\nmessages_per_connection = {MESSAGES_A_CONNECTION}\n\
             per_second = {:?}\n\n",
            strict.rate_of(provider) * OUR_SHARE,
        );
    }
    text
}

fn start(data: &Path, table: &Path, world: &World, arguments: &LimitsArguments) -> anyhow::Result<Vec<Child>> {
    let mut roles = vec!["serve"];
    if arguments.redis.is_some() {
        roles = vec!["dispatcher"];
        roles.extend(std::iter::repeat_n("worker", arguments.workers));
    }
    let servers = [("DATABASE_URL", &arguments.database), ("REDIS_URL", &arguments.redis)];
    let mut processes = Vec::new();
    for role in roles {
        let process = Command::new(std::env::current_exe().context("where this program lies")?)
            .args([role, "--sandbox-audience", &arguments.messages.to_string()])
            .env("TIDINGS_DATA_DIR", data)
            .env("TIDINGS_LISTEN", "127.0.0.1:0")
            .env("TIDINGS_LOG", &arguments.log)
            .env("TIDINGS_NAMESERVERS", world.dns().to_string())
            .env("TIDINGS_SMTP_PORT", world.smtp_port().to_string())
            .env("TIDINGS_ALLOW_PRIVATE_TARGETS", "true")
            .env("TIDINGS_PROVIDERS_FILE", table)
            .envs(servers.iter().filter_map(|(name, url)| Some((*name, url.as_deref()?))))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting a {role}"))?;
        processes.push(process);
    }
    Ok(processes)
}

async fn watch(
    world: &World,
    store: &Store,
    campaign: CampaignId,
    arguments: &LimitsArguments,
) -> anyhow::Result<Vec<Sample>> {
    let began = Instant::now();
    let longest = START_WITHIN + Duration::from_secs_f64(arguments.seconds() * PATIENCE);
    let mut samples = Vec::new();
    loop {
        samples.push(Sample { at: began.elapsed(), reports: world.report() });
        let active = store.active_campaigns().await?;
        if !active.iter().any(|c| c.id == campaign && c.state != CampaignState::Done) {
            return Ok(samples);
        }
        ensure!(began.elapsed() < longest, "the campaign did not end within {} s", longest.as_secs());
        tokio::time::sleep(TICK).await;
    }
}
