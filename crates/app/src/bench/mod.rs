//! Measurements. Each prints what was on, our own CPU apart from the peer's, and a floor from the same run.

mod bounces;
mod claims;
mod dkim;
mod fan_out;
mod far;
mod import;
mod intake;
mod limits;
mod pages;
mod pause;
mod postfix;
mod process;
mod send;
mod served;
mod sink;
mod storm;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub enum BenchCommand {
    /// Send a campaign to a sink on loopback: messages a second, CPU for each message, memory.
    Send(send::SendArguments),
    /// Claim from Redis with several processes: whether they keep one rate, claims a second, memory for each job.
    Claims(claims::ClaimsArguments),
    /// Import generated subscribers into SQLite, beside the sqlite3 shell.
    Import(import::ImportArguments),
    /// Make the rows and jobs of a campaign: how long from Queuing to Queued, beside the floor of the same run.
    FanOut(fan_out::FanOutArguments),
    /// Build millions of subscribers and deliveries in PostgreSQL, and measure the pages over HTTP.
    Pages(pages::PagesArguments),
    /// Pause a campaign that many workers send, and let another worker join: how long each takes to be felt.
    Pause(pause::PauseArguments),
    /// Bring bounces in by SMTP, with or without kills: mails a second, memory, and that nothing answered with 250 is lost.
    Intake(intake::IntakeArguments),
    /// Send to people that a real mail server cannot deliver to, and see whether its reports come back.
    Bounces(bounces::BouncesArguments),
    /// Bounces and one-click unsubscribes while a campaign is sent.
    Storm(storm::StormArguments),
    /// A process that claims, started by `bench claims`.
    #[command(hide = true)]
    Claimant(claims::ClaimantArguments),
    /// Send to a sandbox whose providers have limits: whether any is broken, and how much of them is used.
    Limits(limits::LimitsArguments),
    /// The sink that the benches start for themselves in a process of its own.
    #[command(hide = true)]
    Sink(sink::SinkArguments),
}

pub async fn run(command: BenchCommand) -> anyhow::Result<ExitCode> {
    match command {
        BenchCommand::Send(arguments) => send::run(arguments).await,
        BenchCommand::Claims(arguments) => claims::run(arguments).await,
        BenchCommand::Claimant(arguments) => claims::run_claimant(arguments).await,
        BenchCommand::Import(arguments) => import::run(arguments).await,
        BenchCommand::FanOut(arguments) => fan_out::run(arguments).await,
        BenchCommand::Pages(arguments) => pages::run(arguments).await,
        BenchCommand::Pause(arguments) => pause::run(arguments).await,
        BenchCommand::Intake(arguments) => intake::run(arguments).await,
        BenchCommand::Bounces(arguments) => bounces::run(arguments).await,
        BenchCommand::Storm(arguments) => storm::run(arguments).await,
        BenchCommand::Limits(arguments) => limits::run(arguments).await,
        BenchCommand::Sink(arguments) => sink::run(arguments).await,
    }
}
