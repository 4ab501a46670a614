//! `tidings bench pause`: how long a pause takes to be felt when many workers send, and how long a new worker takes to be used. Processes
//! on PostgreSQL and Redis; the sink, in a process of its own, says when anybody last began a message.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tidings_domain::CampaignState;
use tidings_store::{CampaignId, Store, StoreOptions};
use tidings_worker::now;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::served::free_address;
use super::sink::SinkProcess;
use super::storm::{launch, prepare};
use crate::scene;

/// What is promised: from the pause's commit on, and from a worker's start on.
const PAUSE_WITHIN: Duration = Duration::from_secs(2);
const JOINS_WITHIN: Duration = Duration::from_secs(5);
/// Nothing that was begun before a pause takes so long.
const QUIET_AFTER: Duration = Duration::from_secs(4);
/// All workers send within this.
const SENDS_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const SENDS_BETWEEN_PAUSES: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub struct PauseArguments {
    /// A PostgreSQL database, empty and its own.
    #[arg(long)]
    database: String,
    /// A Redis, empty and its own.
    #[arg(long)]
    redis: String,
    /// Worker processes that send.
    #[arg(long, default_value_t = 8)]
    workers: usize,
    /// How often it is paused.
    #[arg(long, default_value_t = 5)]
    pauses: u32,
    /// What the relay takes in a second.
    #[arg(long, default_value_t = 400)]
    per_second: i32,
    /// Recipients: enough that it is not over before the end.
    #[arg(long, default_value_t = 40_000)]
    messages: u32,
}

pub async fn run(arguments: PauseArguments) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let mut sink = SinkProcess::start().await?;
    let store = Store::open(&arguments.database, StoreOptions::default()).await?;
    let (scene, list) = prepare(&store, folder.path(), &sink, arguments.messages, arguments.per_second).await?;
    let campaign = launch(&scene, list).await?;
    let _dispatcher = Process::start("dispatcher", folder.path(), &arguments)?;
    let mut workers = Vec::new();
    for _ in 0..arguments.workers {
        workers.push(Process::start("worker", folder.path(), &arguments)?);
    }
    for worker in &workers {
        worker.until_it_sends().await?;
    }
    println!("{} workers send, {} messages a second together", workers.len(), arguments.per_second);
    let mut slowest = Duration::ZERO;
    for number in 1..=arguments.pauses {
        let last = pause(&scene, campaign, &mut sink).await?;
        println!("pause {number}: the last message was begun {:.2} s after its commit", last.as_secs_f64());
        slowest = slowest.max(last);
    }
    let began = Instant::now();
    let newcomer = Process::start("worker", folder.path(), &arguments)?;
    newcomer.until_it_sends().await?;
    let joined = began.elapsed();
    println!("a new worker ended its first attempt {:.2} s after its start", joined.as_secs_f64());
    let active = store.active_campaigns().await?;
    let still = active.iter().any(|c| c.id == campaign && c.state == CampaignState::Sending);
    ensure!(still, "the campaign was over too soon: give it more --messages");
    let good = slowest <= PAUSE_WITHIN && joined <= JOINS_WITHIN;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How long after the commit of a pause somebody began a message. Resumes.
async fn pause(scene: &scene::Scene, campaign: CampaignId, sink: &mut SinkProcess) -> anyhow::Result<Duration> {
    tokio::time::sleep(SENDS_BETWEEN_PAUSES).await;
    scene.workspace.pause(campaign, scene::ACTOR, "bench", now()).await?;
    let committed = now().0;
    tokio::time::sleep(QUIET_AFTER).await;
    let last = sink.last_mail_unix_ms().await?;
    scene.workspace.resume(campaign, scene::ACTOR, now()).await?;
    ensure!(last > 0, "nobody sent anything before the pause");
    Ok(Duration::from_millis(u64::try_from(last - committed).unwrap_or(0)))
}

/// One process, which tells of itself by its metrics.
struct Process {
    _child: Child,
    metrics: SocketAddr,
}

impl Process {
    fn start(role: &str, data: &Path, arguments: &PauseArguments) -> anyhow::Result<Self> {
        let metrics = free_address()?;
        let child = Command::new(std::env::current_exe().context("where this program lies")?)
            .arg(role)
            .env("TIDINGS_DATA_DIR", data)
            .env("DATABASE_URL", &arguments.database)
            .env("REDIS_URL", &arguments.redis)
            .env("TIDINGS_METRICS_LISTEN", metrics.to_string())
            .env("TIDINGS_ALLOW_PRIVATE_TARGETS", "true")
            .env("TIDINGS_LOG", "warn")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting a {role}"))?;
        Ok(Self { _child: child, metrics })
    }

    async fn until_it_sends(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.attempted().await {
            ensure!(began.elapsed() < SENDS_WITHIN, "a worker sends nothing");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Whether it has ended an attempt. One that does not answer yet has not.
    async fn attempted(&self) -> bool {
        let text = self.read_metrics().await.unwrap_or_default();
        text.lines().any(|line| line.starts_with("tidings_attempts_total{"))
    }

    async fn read_metrics(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.metrics).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}
