//! Measurements. Each prints what was on, our own CPU apart from the peer's, and a floor from the same run.

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
    Import(ImportArguments),
    /// The sink that `bench send` starts for itself in a process of its own.
    #[command(hide = true)]
    Sink,
}

#[derive(clap::Args)]
pub struct ImportArguments {
    /// Rows of the generated file.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
}

pub async fn run(command: BenchCommand) -> anyhow::Result<ExitCode> {
    match command {
        BenchCommand::Send(arguments) => send::run(arguments).await,
        BenchCommand::Import(arguments) => {
            let report = tidings_worker::import::bench_import(arguments.rows).await?;
            println!("{report}");
            Ok(ExitCode::SUCCESS)
        }
        BenchCommand::Sink => sink::run().await,
    }
}
