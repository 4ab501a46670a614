//! One of the processes that `bench claims` starts: claims until nothing comes any more, and says when it got what.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use tidings_queue::{Lanes, Limits, More, Queue, QueueOptions, RedisOptions, Settle};

/// A claim that comes back with nothing within this ends the process, if it may not go on for longer.
const IDLE: Duration = Duration::from_secs(1);
/// Claims on one connection, as a sender makes them, when nothing limits it.
const CLAIMS_A_CONNECTION: usize = 5;

#[derive(clap::Args)]
pub struct ClaimantArguments {
    #[arg(long)]
    redis: String,
    #[arg(long)]
    prefix: String,
    #[arg(long)]
    batch: usize,
    /// Claims are begun for so long, and then until nothing is there.
    #[arg(long)]
    patience_ms: u64,
}

/// A claim: when, by the clock of Redis, and of how many jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub at_us: u64,
    pub jobs: u64,
}

/// # Errors
/// The queue cannot be opened.
pub async fn run(arguments: ClaimantArguments) -> anyhow::Result<ExitCode> {
    let queue = QueueOptions { default_limits: Limits::UNLIMITED, ..QueueOptions::default() };
    let options = RedisOptions { queue, prefix: arguments.prefix.clone(), ..RedisOptions::new(&arguments.redis) };
    let queue = Queue::redis(options).await.context("opening the queue")?;
    let end = Instant::now() + Duration::from_millis(arguments.patience_ms);
    let limited = arguments.patience_ms > IDLE.as_millis() as u64;
    while let Some(left) = end.checked_duration_since(Instant::now()).or((!limited).then_some(IDLE)) {
        let Some(grant) = queue.lease("bench", Lanes::ALL, arguments.batch, left.min(IDLE)).await else {
            if limited { continue } else { break }
        };
        let mut jobs = grant.jobs.clone();
        // A fence is the instant of its grant in microseconds, on the server's clock.
        println!("{} {}", grant.fence, jobs.len());
        for claim in 1.. {
            let settled: Vec<_> = jobs.iter().map(|job| (*job, Settle::Done)).collect();
            queue.settle(&grant, &settled).await;
            if limited || claim == CLAIMS_A_CONNECTION {
                break;
            }
            let More::Jobs(more) = queue.more(&grant, arguments.batch).await else { break };
            println!("{} {}", grant.fence, more.len());
            jobs = more;
        }
        queue.close(grant).await;
    }
    Ok(ExitCode::SUCCESS)
}

/// What such a process wrote.
///
/// # Errors
/// It is not what one writes.
pub fn read(output: &[u8]) -> anyhow::Result<Vec<Claim>> {
    let text = std::str::from_utf8(output).context("what a process that claims wrote")?;
    let claim = |line: &str| {
        let (at_us, jobs) = line.split_once(' ')?;
        Some(Claim { at_us: at_us.parse().ok()?, jobs: jobs.parse().ok()? })
    };
    text.lines().map(|line| claim(line).with_context(|| format!("not a claim: {line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_as_they_are_written() {
        let claims = read(b"1700000000000000 20\n1700000000000100 1\n").expect("two");
        assert_eq!(claims[1], Claim { at_us: 1_700_000_000_000_100, jobs: 1 });
        assert!(read(b"hello\n").is_err());
    }
}
