use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tidings_sandbox::{World, WorldOptions};

use crate::stop_signals::StopSignals;

#[derive(clap::Args)]
pub struct SandboxArguments {
    /// Append every accepted copy to this file, before its 250.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Size of the audience that the habits are scaled for.
    #[arg(long, default_value_t = 10_000)]
    subscribers: u64,
}

/// Runs until Ctrl-C. What it prints is what `tidings serve` has to be told.
pub async fn run(arguments: SandboxArguments) -> anyhow::Result<ExitCode> {
    let mut signals = StopSignals::listen()?;
    let options = WorldOptions { log: arguments.log, ..WorldOptions::for_audience(arguments.subscribers) };
    let world = World::start(options).await.context("starting the sandbox")?;
    say(&format!("TIDINGS_NAMESERVERS={}", world.dns()));
    say(&format!("TIDINGS_SMTP_PORT={}", world.smtp_port()));
    say("TIDINGS_ALLOW_PRIVATE_TARGETS=true");
    signals.next().await;
    for report in world.report() {
        say(&format!("{}: {} accepted, {} refused", report.provider.name, report.accepted, report.refused));
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for whoever still reads: one who took the settings and closed the pipe does not end the sandbox.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
