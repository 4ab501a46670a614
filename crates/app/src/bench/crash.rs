//! `tidings bench crash`: kills processes again and again in the middle of a campaign, and compares the ledger with what a sandbox in
//! a process of its own really accepted. Without servers it kills `serve`; with PostgreSQL and Redis two dispatchers and three workers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidings_domain::CampaignState;
use tidings_sandbox::read_log;
use tidings_store::{CampaignId, Store, StoreOptions};
use tidings_worker::import::{FileImport, Importer, finish_import, start_from_file};
use tidings_worker::now;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::comparison::{Comparison, Strictness};
use crate::{sandbox_world, scene};

/// A life of the process between two kills.
const SHORTEST_LIFE_MS: u64 = 150;
/// After the last kill the campaign has to end within this.
const END_WITHIN: Duration = Duration::from_secs(300);

#[derive(clap::Args)]
pub struct CrashArguments {
    #[arg(long, default_value_t = 5_000)]
    subscribers: u64,
    /// How often the process is ended with SIGKILL.
    #[arg(long, default_value_t = 10)]
    kills: u32,
    /// Decides when; printed, so that a failure can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// The longest time between two kills, in milliseconds.
    #[arg(long, default_value_t = 1_500)]
    longest_life_ms: u64,
    /// What the processes log.
    #[arg(long, default_value = "error")]
    log: String,
    /// A PostgreSQL database, empty and its own, for the roles in processes of their own.
    #[arg(long, requires = "redis")]
    database: Option<String>,
    /// The Redis that they share.
    #[arg(long, requires = "database")]
    redis: Option<String>,
}

/// What is started, and killed, when the roles run apart.
const APART: &[&str] = &["dispatcher", "dispatcher", "worker", "worker", "worker"];
const TOGETHER: &[&str] = &["serve"];

pub async fn run(arguments: CrashArguments) -> anyhow::Result<ExitCode> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed {seed}: {} kills in a campaign of {}", arguments.kills, arguments.subscribers);
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let log = folder.path().join("accepted.log");
    let sandbox = Sandbox::start(&log, arguments.subscribers).await?;
    let data = folder.path().join("data");
    let prepared = prepare(&data, &arguments).await?;
    let roles = if arguments.redis.is_some() { APART } else { TOGETHER };
    let mut fleet = Fleet { sandbox: &sandbox, data: &data, arguments: &arguments, members: Vec::new() };
    for role in roles {
        fleet.members.push((role, fleet.start(role)?));
    }
    let mut random = StdRng::seed_from_u64(seed);
    for number in 1..=arguments.kills {
        let life = random.random_range(SHORTEST_LIFE_MS..=arguments.longest_life_ms.max(SHORTEST_LIFE_MS));
        tokio::time::sleep(Duration::from_millis(life)).await;
        let role = fleet.kill_and_restart(random.random_range(0..roles.len())).await?;
        println!("kill {number:>3} after {life:>5} ms, a {role}: {}", state(&prepared).await?);
    }
    wait_until_done(&prepared).await?;
    for (_, child) in &mut fleet.members {
        child.kill().await.context("ending the last processes")?;
    }
    let workspace = prepared.store.first_workspace().await?.context("the workspace")?;
    let workspace = prepared.store.workspace(workspace.id);
    let found = Comparison::of(&workspace, prepared.campaign, copies(&log)?, Strictness::Guarantee).await?;
    Ok(found.report())
}

struct Prepared {
    store: Store,
    campaign: CampaignId,
}

/// Import and launch, before the first process starts.
async fn prepare(data: &Path, arguments: &CrashArguments) -> anyhow::Result<Prepared> {
    std::fs::create_dir_all(data).context("the data folder")?;
    let file = data.join("tidings.sqlite3").to_string_lossy().into_owned();
    let url = arguments.database.clone().unwrap_or(file);
    let store = Store::open(&url, StoreOptions::default()).await?;
    let scene = scene::set_up(&store, &sandbox_world::sender(), sandbox_world::direct_route()).await?;
    let list = scene.workspace.create_list("Crash".to_owned(), String::new(), now()).await?;
    let file = FileImport {
        workspace: scene.workspace.id(),
        list,
        path: sandbox_world::audience_file(data, arguments.subscribers)?,
        consent_source: "crash test".to_owned(),
        created_by: scene::ACTOR.to_owned(),
    };
    let id = start_from_file(&store, file).await?;
    finish_import(Importer::new(store.clone(), "crash"), &store, id, |_| ()).await?;
    let campaign = scene::draft(&scene.workspace, list, sandbox_world::campaign()).await?;
    scene::launch(&scene, campaign, "Crash").await?;
    Ok(Prepared { store, campaign })
}

async fn state(prepared: &Prepared) -> anyhow::Result<CampaignState> {
    let active = prepared.store.active_campaigns().await?;
    Ok(active.iter().find(|c| c.id == prepared.campaign).map_or(CampaignState::Done, |c| c.state))
}

async fn wait_until_done(prepared: &Prepared) -> anyhow::Result<()> {
    let began = Instant::now();
    while state(prepared).await? != CampaignState::Done {
        ensure!(began.elapsed() < END_WITHIN, "the campaign did not end within {END_WITHIN:?} after the last kill");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn copies(log: &Path) -> anyhow::Result<HashMap<String, u32>> {
    let mut copies = HashMap::new();
    read_log(log, |entry| *copies.entry(entry.recipient).or_default() += 1).context("reading the sandbox's record")?;
    Ok(copies)
}

/// The world in a process of its own: it outlives the kills.
struct Sandbox {
    _child: Child,
    environment: Vec<(String, String)>,
}

impl Sandbox {
    async fn start(log: &Path, subscribers: u64) -> anyhow::Result<Self> {
        let mut child = Command::new(this_program()?)
            .args(["sandbox", "--subscribers", &subscribers.to_string(), "--log"])
            .arg(log)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the sandbox")?;
        let mut lines = BufReader::new(child.stdout.take().context("the sandbox's output")?).lines();
        let mut environment = Vec::new();
        while environment.len() < 3 {
            let line = lines.next_line().await?.context("the sandbox ended at its start")?;
            let (name, value) = line.split_once('=').context("the sandbox's settings")?;
            environment.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self { _child: child, environment })
    }
}

/// The processes under test.
struct Fleet<'a> {
    sandbox: &'a Sandbox,
    data: &'a Path,
    arguments: &'a CrashArguments,
    members: Vec<(&'static str, Child)>,
}

impl Fleet<'_> {
    fn start(&self, role: &str) -> anyhow::Result<Child> {
        let servers = [("DATABASE_URL", &self.arguments.database), ("REDIS_URL", &self.arguments.redis)];
        Command::new(this_program()?)
            .args([role, "--sandbox-audience", &self.arguments.subscribers.to_string()])
            .env("TIDINGS_DATA_DIR", self.data)
            .env("TIDINGS_LISTEN", "127.0.0.1:0")
            .env("TIDINGS_LOG", &self.arguments.log)
            .envs(servers.into_iter().filter_map(|(name, url)| Some((name, url.clone()?))))
            .envs(self.sandbox.environment.iter().cloned())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting a {role}"))
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    async fn kill_and_restart(&mut self, number: usize) -> anyhow::Result<&'static str> {
        let (role, child) = self.members.get_mut(number).context("a member")?;
        let role = *role;
        child.kill().await.context("killing the process")?;
        let again = self.start(role)?;
        self.members[number].1 = again;
        Ok(role)
    }
}

fn this_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("where this program lies")
}
