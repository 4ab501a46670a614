//! The whole job on a sandbox: import, launch, send, and a comparison of the ledger with what the world really accepted.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use tidings_domain::{CampaignState, DeliveryState, ProcessRole};
use tidings_sandbox::{SHIPPED_ROWS, World, WorldOptions};
use tidings_store::{CampaignId, ListId, Overview, Workspace};
use tidings_worker::import::{FileImport, start_from_file};
use tidings_worker::now;

use crate::comparison::Comparison;
use crate::config::Config;
use crate::runtime::Running;
use crate::stop_signals::StopSignals;
use crate::{sandbox_world, scene, telemetry};

const LIST_NAME: &str = "Newsletter";
/// How often the terminal is told.
const TICK: Duration = Duration::from_millis(250);

#[derive(clap::Args)]
pub struct DemoArguments {
    /// How many subscribers; 10,000 is the shipped file, other sizes are generated.
    #[arg(long, default_value_t = SHIPPED_ROWS)]
    subscribers: u64,
    /// End when the campaign is done, instead of staying up for the browser.
    #[arg(long)]
    exit: bool,
    /// Address of the web server; port 0 takes a free one.
    #[arg(long, default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))]
    listen: SocketAddr,
}

pub async fn run(arguments: DemoArguments, base: &Config) -> anyhow::Result<ExitCode> {
    let mut signals = StopSignals::listen()?;
    telemetry::start_log(&Config { log: quieter(&base.log), ..base.clone() });
    let folder = tempfile::tempdir().context("a throw-away data folder")?;
    let options = WorldOptions::for_audience(arguments.subscribers);
    let throttled = options.throttle_per_second;
    let world = World::start(options).await.context("starting the sandbox")?;
    let config = sandbox_world::config(folder.path().to_owned(), arguments.listen, &world)?;
    let running = Running::start(&config, sandbox_world::tuning(throttled)?, ProcessRole::Serve).await?;
    let scene = scene::set_up(&running.store, &sandbox_world::sender(), sandbox_world::direct_route()).await?;
    let link = tidings_web::sign_in_link(&running.web_state(&config), scene.admin)
        .await
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    println!("Tidings is at {}", running.public_url);
    println!("Sign in (once): {link}\n");
    let code = tokio::select! {
        played = play(&running, &scene, &world, folder.path(), arguments.subscribers) => played?,
        signal = signals.next() => { println!("\n{signal} received"); ExitCode::FAILURE }
    };
    if !arguments.exit && code == ExitCode::SUCCESS {
        println!("\nStill up for your browser; Ctrl-C ends it and removes {}.", folder.path().display());
        signals.next().await;
    }
    running.stop().await;
    Ok(code)
}

async fn play(
    running: &Running,
    scene: &scene::Scene,
    world: &World,
    folder: &Path,
    subscribers: u64,
) -> anyhow::Result<ExitCode> {
    let list = scene.workspace.create_list(LIST_NAME.to_owned(), String::new(), now()).await?;
    let file = sandbox_world::audience_file(folder, subscribers)?;
    import(running, &scene.workspace, list, file).await?;
    let campaign = scene::draft(&scene.workspace, list, sandbox_world::campaign()).await?;
    scene::launch(scene, campaign, LIST_NAME).await?;
    println!("launched “Autumn letter”: watch it at {}/campaigns/{campaign}", running.public_url);
    watch(&scene.workspace, campaign).await?;
    let overview = scene.workspace.overview(campaign).await?;
    print_ledger(&overview);
    let copies = world.recorder().accepted_by_recipient();
    let found = Comparison::of(&scene.workspace, campaign, copies).await?;
    Ok(found.report())
}

/// Through the running importer, as an upload would go.
async fn import(running: &Running, workspace: &Workspace, list: ListId, path: PathBuf) -> anyhow::Result<()> {
    let file = FileImport {
        workspace: workspace.id(),
        list,
        path,
        consent_source: "Demo data".to_owned(),
        created_by: scene::ACTOR.to_owned(),
    };
    let id = start_from_file(&running.store, file).await?;
    let bar = ProgressBar::new(1).with_style(ProgressStyle::with_template("importing  {bar:40} {msg}")?);
    let began = Instant::now();
    let done = loop {
        let import = workspace.import(id).await?;
        bar.set_length(u64::try_from(import.bytes_total).unwrap_or(1).max(1));
        bar.set_position(u64::try_from(import.bytes_done).unwrap_or(0));
        bar.set_message(format!("{} rows", import.counts.read));
        if import.state.is_over() {
            break import;
        }
        tokio::time::sleep(TICK).await;
    };
    bar.finish_and_clear();
    anyhow::ensure!(done.error.is_empty(), "the import failed: {}", done.error);
    let c = done.counts;
    println!(
        "imported {} rows in {:.1} s: {} new, {} duplicates, {} invalid",
        c.read,
        began.elapsed().as_secs_f64(),
        c.created,
        c.duplicate,
        c.invalid
    );
    Ok(())
}

async fn watch(workspace: &Workspace, campaign: CampaignId) -> anyhow::Result<()> {
    let bar =
        ProgressBar::new(1).with_style(ProgressStyle::with_template("{prefix:8}   {bar:40} {pos}/{len} · {msg}")?);
    let began = Instant::now();
    let mut last = (began, 0);
    let mut rate = 0.0;
    loop {
        let overview = workspace.overview(campaign).await?;
        let state = overview.head.state;
        let (total, ended) = (sum(&overview.counts, |_| true), sum(&overview.counts, DeliveryState::is_terminal));
        let since = last.0.elapsed().as_secs_f64();
        if since > 0.9 {
            rate = (ended - last.1) as f64 / since;
            last = (Instant::now(), ended);
        }
        bar.set_prefix(state.to_string());
        bar.set_length(u64::try_from(total).unwrap_or(0).max(1));
        bar.set_position(u64::try_from(ended).unwrap_or(0));
        bar.set_message(format!("{rate:.0}/s · {}", words(&overview.counts)));
        if matches!(state, CampaignState::Done | CampaignState::Cancelled) {
            bar.finish_and_clear();
            println!("{state} after {:.1} s", began.elapsed().as_secs_f64());
            return Ok(());
        }
        tokio::time::sleep(TICK).await;
    }
}

fn sum(counts: &BTreeMap<DeliveryState, i64>, of: impl Fn(DeliveryState) -> bool) -> i64 {
    counts.iter().filter(|(state, _)| of(**state)).map(|(_, n)| n).sum()
}

fn words(counts: &BTreeMap<DeliveryState, i64>) -> String {
    let shown =
        counts.iter().filter(|(_, n)| **n > 0).map(|(state, n)| format!("{} {n}", state.to_string().replace('_', " ")));
    shown.collect::<Vec<_>>().join(", ")
}

fn print_ledger(overview: &Overview) {
    println!("\nThe ledger");
    for (state, n) in overview.counts.iter().filter(|(_, n)| **n > 0) {
        println!("  {:<14}{n:>10}", state.to_string().replace('_', " "));
    }
    let total = sum(&overview.counts, |_| true);
    println!("  {:<14}{total:>10}   = the audience of {}", "sum", overview.head.audience_total.unwrap_or(0));
    println!("\nBy provider");
    for provider in &overview.providers {
        let last = provider.last_reply.as_ref().map_or("", |r| r.text.lines().last().unwrap_or(""));
        println!(
            "  {:<16}{:>8}   {}",
            provider.name,
            sum(&provider.counts, |_| true),
            last.chars().take(90).collect::<String>()
        );
    }
}

/// The progress bar is the log of a demo; warnings still show.
fn quieter(log: &str) -> String {
    if log == "info" { "error".to_owned() } else { log.to_owned() }
}
