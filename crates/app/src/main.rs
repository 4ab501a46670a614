//! The only binary of Tidings. It reads the environment, wires the rooms together by hand, and nothing else.

mod bench;
mod commands;
mod comparison;
mod config;
mod ground;
mod instance;
mod intake;
mod intake_metrics;
mod mailbox_url;
mod runtime;
mod sandbox_world;
mod savings;
mod scene;
mod stop_signals;
mod table;
mod telemetry;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use config::Config;
use tidings_domain::ProcessRole;

/// Self-hosted e-mail campaigns with exact accounting.
#[derive(Parser)]
#[command(name = "tidings", version, about, long_about = None)]
struct Arguments {
    /// Configuration file (TOML). The environment wins over it; see deploy/env.example.
    #[arg(long, global = true, env = "TIDINGS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything in one process: web, dispatcher, sender, importer.
    Serve(commands::serve::ServeArguments),
    /// Run only the pages, public links and imports. With `dispatcher` and `worker`, on PostgreSQL and Redis.
    Web(commands::serve::ServeArguments),
    /// Run only the dispatcher: fan-out, jobs, due retries. One leads, others stand by.
    Dispatcher(commands::serve::ServeArguments),
    /// Run only a worker: attempts. As many as you like, on any machine.
    Worker(commands::serve::ServeArguments),
    /// Run only the intake: bounces, complaints and unsubscribe mails by SMTP and from mailboxes.
    Intake(commands::serve::ServeArguments),
    /// Show the whole job on a sandbox of mail providers: nothing leaves this machine.
    Demo(commands::demo::DemoArguments),
    /// Import a CSV of subscribers into a list.
    Import(commands::import::ImportArguments),
    /// Take a mail that came back from standard input: a delivery report or a complaint. For the mail server of the bounce domain.
    Bounce,
    /// Print a one-time link that signs a user in: for when the password is lost.
    SignInLink(commands::sign_in_link::SignInLinkArguments),
    /// Show every process that is alive: role, host, version, connections, attempts.
    Workers(commands::workers::WorkersArguments),
    /// See what waits to be sent and why, and hold, release, retry, move or delete it.
    #[command(subcommand)]
    Queue(commands::queue::QueueCommand),
    /// See the mailbox providers: limits, rules for replies, what slowed them; check a file of changes, hold one, lift a hold.
    #[command(subcommand)]
    Providers(commands::providers::ProvidersCommand),
    /// Look at everything that the installation stands on, and say how to mend what is wrong.
    Doctor(commands::doctor::DoctorArguments),
    /// Copy the database, the key and waiting uploads into a new folder, while everything runs.
    Backup(commands::backup::BackupArguments),
    /// Set an empty installation up from a backup. Sending is locked until a person unlocks it.
    Restore(commands::restore::RestoreArguments),
    /// Let a restored installation send.
    UnlockSending,
    /// Bring the database to this version, or with --check only say whether it is.
    Migrate(commands::migrate::MigrateArguments),
    /// List every option of the configuration, with its variable and default.
    Options,
    /// Run the sandbox of mail providers alone, to point `serve` at.
    Sandbox(commands::sandbox::SandboxArguments),
    /// Measure.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tidings: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tidings: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = Config::load(arguments.config.as_deref());
    match arguments.command {
        // Its exit code speaks to a mail server, whatever went wrong.
        Command::Bounce => Ok(commands::bounce::run(config).await),
        Command::Serve(arguments) => commands::serve::run(arguments, config?, ProcessRole::Serve).await,
        Command::Web(arguments) => commands::serve::run(arguments, config?, ProcessRole::Web).await,
        Command::Dispatcher(arguments) => commands::serve::run(arguments, config?, ProcessRole::Dispatcher).await,
        Command::Worker(arguments) => commands::serve::run(arguments, config?, ProcessRole::Worker).await,
        Command::Intake(arguments) => commands::serve::run(arguments, config?, ProcessRole::Intake).await,
        Command::Demo(arguments) => commands::demo::run(arguments, &config?).await,
        Command::Import(arguments) => commands::import::run(arguments, config?).await,
        Command::SignInLink(arguments) => commands::sign_in_link::run(arguments, config?).await,
        Command::Workers(arguments) => commands::workers::run(arguments, config?).await,
        Command::Queue(command) => commands::queue::run(command, config?).await,
        Command::Providers(command) => commands::providers::run(command, config?).await,
        Command::Doctor(arguments) => commands::doctor::run(arguments, config?).await,
        Command::Backup(arguments) => commands::backup::run(arguments, config?).await,
        Command::Restore(arguments) => commands::restore::run(arguments, config?).await,
        Command::UnlockSending => commands::unlock_sending::run(config?).await,
        Command::Migrate(arguments) => commands::migrate::run(arguments, config?).await,
        Command::Options => {
            config::print_options();
            Ok(ExitCode::SUCCESS)
        }
        Command::Sandbox(arguments) => commands::sandbox::run(arguments).await,
        Command::Bench(command) => bench::run(command).await,
    }
}
