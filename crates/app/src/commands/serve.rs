use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use tidings_domain::ProcessRole;
use tidings_sandbox::WorldOptions;

use crate::config::Config;
use crate::runtime::{Running, Tuning};
use crate::sandbox_world;

#[derive(clap::Args)]
pub struct ServeArguments {
    /// Send to `tidings sandbox` started for an audience of this size: its providers, and seconds for hours.
    #[arg(long, value_name = "SUBSCRIBERS")]
    sandbox_audience: Option<u64>,
}

/// The same for every role: start, say where, wait for the order to stop, stop.
pub async fn run(arguments: ServeArguments, config: Config, role: ProcessRole) -> anyhow::Result<ExitCode> {
    start_logging(&config);
    let tuning = match arguments.sandbox_audience {
        Some(subscribers) => sandbox_world::tuning(WorldOptions::for_audience(subscribers).throttle_per_second)?,
        None => Tuning::world()?,
    };
    let running = Running::start(&config, tuning, role).await?;
    if role.serves_pages() {
        greet(&running, &config).await?;
    } else {
        println!("Tidings {} runs as a {role}", env!("CARGO_PKG_VERSION"));
    }
    tokio::select! {
        signal = stop_signal() => {
            println!("{} received: finishing what is in flight", signal?);
        }
        () = running.stopped() => {}
    }
    running.stop().await;
    println!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn greet(running: &Running, config: &Config) -> anyhow::Result<()> {
    println!("Tidings {} is at {}", env!("CARGO_PKG_VERSION"), running.public_url);
    let link = tidings_web::setup_link(&running.web_state(config)).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    if let Some(link) = link {
        println!("First run: set it up at {link}");
        println!("(the link works once, for a week; start again for a new one)");
    }
    Ok(())
}

pub fn start_logging(config: &Config) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|error| {
        eprintln!("tidings: the log filter {:?} is not valid ({error}); using info", config.log);
        EnvFilter::new("info")
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = if config.json_logs { builder.json().try_init() } else { builder.try_init() };
    if let Err(error) = started {
        eprintln!("tidings: no log: {error}");
    }
}

pub async fn stop_signal() -> anyhow::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("Ctrl-C"),
    }
}
