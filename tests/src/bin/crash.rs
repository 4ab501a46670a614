//! The long form of the crash harness; `tests/run` has the short one. It starts its own servers and leaves nothing behind.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tidings_tests::crash::{SetUp, Trial, run};

/// Kills everything in the middle of campaigns, and checks that no promise was broken.
#[derive(Parser)]
struct Arguments {
    /// How often something is ended in the middle of what it does.
    #[arg(long, default_value_t = 300)]
    kills: u32,
    #[arg(long, value_enum, default_value_t = Form::Apart)]
    set_up: Form,
    /// Decides what happens when; printed, so that a failure can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// Kills of one round; after each, everything is checked.
    #[arg(long, default_value_t = 25)]
    kills_a_round: u32,
    /// Recipients of one round.
    #[arg(long, default_value_t = 4_000)]
    recipients: usize,
    /// Messages a second to each destination, so that a round lasts as long as its faults.
    #[arg(long, default_value_t = 25)]
    per_second: u32,
    /// The longest time between two events, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    longest_rest_ms: u64,
    /// Tell only the rounds.
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// PostgreSQL and Redis; web ×2, dispatcher ×2, worker ×3, intake.
    Apart,
    /// SQLite; one process.
    Alone,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let trial = Trial {
        set_up: match arguments.set_up {
            Form::Apart => SetUp::Apart,
            Form::Alone => SetUp::Alone,
        },
        seed,
        kills: arguments.kills,
        kills_a_round: arguments.kills_a_round,
        recipients: arguments.recipients,
        per_second: arguments.per_second,
        longest_rest: Duration::from_millis(arguments.longest_rest_ms),
        patient: true,
        loud: !arguments.quiet,
    };
    let verdict = tokio::select! {
        verdict = run(&trial) => verdict?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            return Ok(ExitCode::FAILURE);
        }
    };
    if let Some(words) = &verdict.skipped {
        println!("{words}");
    }
    println!("each kind of event, and how often it met mail that was being sent:\n{}", verdict.tally.words());
    println!("what was held after a round:\n{}", verdict.held());
    println!("{} kills: {}", verdict.kills, verdict.words());
    let idle = verdict.tally.never_met();
    if verdict.is_good() && idle.is_empty() {
        println!("every promise was kept");
        return Ok(ExitCode::SUCCESS);
    }
    if !idle.is_empty() {
        println!("NOT TRIED  these met nothing: {}", idle.join(", "));
    }
    println!("what happened before:\n{}", verdict.recent.join("\n"));
    verdict.violations.iter().for_each(|violation| println!("BROKEN  {}: {}", violation.check, violation.words));
    println!("seed {seed}");
    Ok(ExitCode::FAILURE)
}
