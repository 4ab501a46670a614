use std::process::ExitCode;

use anyhow::Context;
use tidings_store::Store;
use tidings_worker::now;

use crate::config::Config;
use crate::runtime::{Running, Tuning};

/// How long the set-up link works.
const SETUP_LINK_MS: i64 = 24 * 3600 * 1000;

pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    start_logging(&config);
    let running = Running::start(&config, Tuning::world()?).await?;
    println!("Tidings {} is at {}", env!("CARGO_PKG_VERSION"), running.public_url);
    if let Some(token) = setup_token(&running.store).await? {
        println!("First run: set it up at {}/setup/{token}", running.public_url);
        println!("(the link works once, for 24 hours; start again for a new one)");
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

/// A new one-time link while there is no user yet.
async fn setup_token(store: &Store) -> anyhow::Result<Option<String>> {
    if store.has_users().await? {
        return Ok(None);
    }
    let token = tidings_web::new_setup_token(store, now().0 + SETUP_LINK_MS).await?;
    Ok(Some(token))
}

pub fn start_logging(config: &Config) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|error| {
        eprintln!("tidings: the log filter {:?} is not valid ({error}); using info", config.log);
        EnvFilter::new("info")
    });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
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
