//! Measurements. Each prints what was on, our own CPU apart from the peer's, and a floor from the same run.

mod crash;
mod import;
mod process;
mod send;
mod sink;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub enum BenchCommand {
    /// Send a campaign to a sink on loopback: messages a second, CPU for each message, memory.
    Send(send::SendArguments),
    /// Import generated subscribers into SQLite, beside the sqlite3 shell.
    Import(import::ImportArguments),
    /// Kill the server in the middle of a campaign, many times, and compare the ledger with what was accepted.
    Crash(crash::CrashArguments),
    /// The sink that `bench send` starts for itself in a process of its own.
    #[command(hide = true)]
    Sink,
}

pub async fn run(command: BenchCommand) -> anyhow::Result<ExitCode> {
    match command {
        BenchCommand::Send(arguments) => send::run(arguments).await,
        BenchCommand::Import(arguments) => import::run(arguments).await,
        BenchCommand::Crash(arguments) => crash::run(arguments).await,
        BenchCommand::Sink => sink::run().await,
    }
}
