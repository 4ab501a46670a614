//! `tidings bench claims`: what the queue in Redis holds to and what it costs. Eight processes share one rate; then they claim all they
//! can; then a million jobs are weighed.

mod claimant;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use tidings_queue::{Job, Limits, Queue, QueueOptions, RESERVED_ONE_IN, RedisOptions, Shard};
use tokio::process::Command;

pub use claimant::{ClaimantArguments, run as run_claimant};

use claimant::Claim;
use server::Server;

/// Jobs in one push.
const PUSH: i64 = 1_000;
/// A second message may go within one tick of a timer, as `tidings_queue::Limits` says.
const TICK_S: f64 = 0.001;
/// Ids of an installation that has sent some billion messages, and the largest that a double holds.
const WEIGHED_FROM: [i64; 2] = [5_000_000_000, (1 << 53) - 10_000_000];
/// What a shard of a real campaign is: some providers that take most, and many small ones.
const DESTINATIONS: i64 = 200;
const MOST_OFF: f64 = 0.01;

#[derive(clap::Args)]
pub struct ClaimsArguments {
    /// An empty Redis of its own. Without it, `redis-server` is started.
    #[arg(long)]
    redis: Option<String>,
    /// Processes that claim.
    #[arg(long, default_value_t = 8)]
    workers: usize,
    /// Messages a second that they share.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    #[arg(long, default_value_t = 50)]
    burst: u32,
    /// How long the rate is watched.
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Jobs weighed, and half as many claimed as fast as it goes.
    #[arg(long, default_value_t = 1_000_000)]
    jobs: i64,
    /// Jobs in one claim when as fast as it goes.
    #[arg(long, default_value_t = 100)]
    batch: usize,
}

/// # Errors
/// Redis cannot be had, or a process ended badly.
pub async fn run(arguments: ClaimsArguments) -> anyhow::Result<ExitCode> {
    let server = Server::of(arguments.redis.clone()).await?;
    println!("Redis at {}, {} processes", server.url, arguments.workers);
    let is_kept = one_rate(&server, &arguments).await?;
    all_they_can(&server, &arguments).await?;
    for first in WEIGHED_FROM {
        weigh(&server, &arguments, first).await?;
    }
    Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A queue under a prefix of its own.
async fn open(server: &Server, prefix: &str) -> anyhow::Result<Queue> {
    let queue = QueueOptions { default_limits: Limits::UNLIMITED, ..QueueOptions::default() };
    let options = RedisOptions { queue, prefix: prefix.into(), ..RedisOptions::new(&server.url) };
    Queue::redis(options).await.context("opening the queue")
}

async fn fill(queue: &Queue, jobs: i64, first: i64, destinations: i64) {
    let each = jobs / destinations;
    for destination in 0..destinations {
        let shard = Shard::new(2, format!("mx:destination-{destination}.example@1"));
        for from in (0..each).step_by(PUSH as usize) {
            let ids = (from..(from + PUSH).min(each)).map(|n| first + destination * each + n);
            let part: Vec<Job> = ids.map(|delivery| Job { delivery, campaign: 12_345, attempt: 1 }).collect();
            queue.push(&shard, 1, &part).await;
        }
    }
}

/// Whether the processes kept to the one rate that they share.
async fn one_rate(server: &Server, arguments: &ClaimsArguments) -> anyhow::Result<bool> {
    let (rate, seconds) = (f64::from(arguments.rate), f64::from(arguments.seconds));
    let queue = open(server, "rate").await?;
    let shard = Shard::new(2, "google@1");
    let limits = Limits { per_second: rate, burst: arguments.burst, ..Limits::UNLIMITED };
    queue.set_limits(&shard, limits).await;
    let jobs: Vec<Job> = (0..(rate * seconds * 1.5) as i64 + i64::from(arguments.burst))
        .map(|delivery| Job { delivery, campaign: 1, attempt: 1 })
        .collect();
    queue.push(&shard, 1, &jobs).await;
    let mut claims = claim(server, "rate", arguments, 20, Duration::from_secs(arguments.seconds.into())).await?;
    claims.sort_unstable_by_key(|claim| claim.at_us);
    let count: u64 = claims.iter().map(|claim| claim.jobs).sum();
    let from = claims.first().map_or(0, |claim| claim.at_us);
    let span = claims.last().map_or(0.0, |claim| (claim.at_us - from) as f64 / 1e6);
    // The bucket is full at the start, so its burst comes on top of the rate; without what is kept for the first lane.
    let due = rate * span + f64::from(arguments.burst - arguments.burst / RESERVED_ONE_IN);
    let busiest = busiest_second(&claims);
    let most = rate * (1.0 + TICK_S) + f64::from(arguments.burst);
    let off = count as f64 / due - 1.0;
    println!("\none budget of {rate}/s with a burst of {}, over {span:.1} s by Redis's clock", arguments.burst);
    println!("  claimed           {count:>9}   {due:.0} are due: {:+.2} %", off * 100.0);
    println!("  busiest second    {busiest:>9}   at most {most:.0} are allowed");
    let is_kept = off.abs() <= MOST_OFF && busiest as f64 <= most;
    println!("  {}", if is_kept { "kept" } else { "NOT KEPT" });
    Ok(is_kept)
}

/// The most jobs in any one second.
fn busiest_second(claims: &[Claim]) -> u64 {
    let (mut behind, mut sum, mut most) = (0, 0, 0);
    for claim in claims {
        sum += claim.jobs;
        while claims[behind].at_us + 1_000_000 <= claim.at_us {
            sum -= claims[behind].jobs;
            behind += 1;
        }
        most = most.max(sum);
    }
    most
}

async fn all_they_can(server: &Server, arguments: &ClaimsArguments) -> anyhow::Result<()> {
    let jobs = arguments.jobs / 2 / DESTINATIONS * DESTINATIONS;
    let queue = open(server, "all").await?;
    fill(&queue, jobs, WEIGHED_FROM[0], DESTINATIONS).await;
    let mut claims = claim(server, "all", arguments, arguments.batch, Duration::from_secs(1)).await?;
    claims.sort_unstable_by_key(|claim| claim.at_us);
    let count: u64 = claims.iter().map(|claim| claim.jobs).sum();
    ensure!(count == jobs as u64, "{count} jobs were claimed of {jobs}");
    let (Some(first), Some(last)) = (claims.first(), claims.last()) else { return Ok(()) };
    let a_second = count as f64 / ((last.at_us - first.at_us) as f64 / 1e6).max(1e-6);
    println!("\n{count} jobs of {DESTINATIONS} destinations claimed and settled in batches of {}", arguments.batch);
    println!("  claimed a second  {a_second:>9.0}");
    Ok(())
}

async fn weigh(server: &Server, arguments: &ClaimsArguments, first: i64) -> anyhow::Result<()> {
    let jobs = arguments.jobs / DESTINATIONS * DESTINATIONS;
    let prefix = format!("weigh-{first}");
    let queue = open(server, &prefix).await?;
    let before = queue.memory_bytes().await.context("asking Redis for its memory")?;
    fill(&queue, jobs, first, DESTINATIONS).await;
    let after = queue.memory_bytes().await.context("asking Redis for its memory")?;
    let each = after.saturating_sub(before) as f64 / jobs as f64;
    println!("\n{jobs} jobs with ids from {first}: {each:.1} bytes of Redis's memory for each");
    queue.drop_campaign(12_345).await;
    Ok(())
}

/// Starts the processes and gathers what they claimed.
async fn claim(
    server: &Server,
    prefix: &str,
    arguments: &ClaimsArguments,
    batch: usize,
    patience: Duration,
) -> anyhow::Result<Vec<Claim>> {
    let program = std::env::current_exe().context("the name of this program")?;
    let mut processes = Vec::new();
    for _ in 0..arguments.workers {
        let mut command = Command::new(&program);
        command.args(["bench", "claimant", "--redis", &server.url, "--prefix", prefix]);
        command.args(["--batch", &batch.to_string(), "--patience-ms", &patience.as_millis().to_string()]);
        command.stdout(std::process::Stdio::piped()).kill_on_drop(true);
        processes.push(command.spawn().context("starting a process that claims")?);
    }
    let mut claims = Vec::new();
    for process in processes {
        let output = process.wait_with_output().await.context("waiting for a process that claims")?;
        ensure!(output.status.success(), "a process that claims ended with {}", output.status);
        claims.extend(claimant::read(&output.stdout)?);
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_second_is_found_wherever_it_begins() {
        let claim = |ms: u64, jobs| Claim { at_us: ms * 1_000, jobs };
        let claims = [claim(0, 5), claim(900, 4), claim(1_100, 6), claim(1_899, 3), claim(5_000, 9)];
        assert_eq!(busiest_second(&claims), 13);
        assert_eq!(busiest_second(&[]), 0);
    }
}
