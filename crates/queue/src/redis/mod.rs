//! The queue in Redis: shared by all workers of an installation.
//!
//! # Where things lie
//!
//! Destinations are divided into a fixed number of *partitions* by a hash of their name. All keys of a partition begin
//! with `{<prefix>:q<n>}`, so that they lie in one hash slot and one call may use any of them, on a cluster too. Inside
//! a partition everything is as in the embedded engine, and so are the names: the functions in `lua/` are its twin.
//! A single server has one partition, and therefore exactly one order over all destinations. A cluster has several:
//! there a claim asks the partition first that was last heard to have the lowest lane.
//!
//! What concerns a campaign (pause, resume, drop) is written once into each partition: a few small writes, however many
//! jobs and destinations it has.
//!
//! # Lost replies
//!
//! Every call is asked until it is answered. Those that must not happen twice carry a request id ([`channels`]), so the
//! server gives the same answer again; the others change nothing the second time.

mod background;
mod call;
mod channels;
mod lease;
mod library;
mod open;
mod options;
mod reply;
mod report;
mod trouble;
mod wire;
mod words;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use self::call::{Call, GaveUp, Patience, micros};
use self::channels::Channels;
use self::reply::Header;
use self::wire::Wire;
use crate::{Grant, Health, Job, LeaseState, Limits, QueueOptions, Settle, Shard, Signal, Snapshot, Trouble};

pub use self::open::OpenError;
pub use self::options::{RedisClock, RedisOptions};

/// Jobs in one call: some hundred microseconds of the server's time.
const STEP: usize = 1_000;
/// Calls that are made while a peer waits for us give up after so long, and say what is safe.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);
/// Nobody looks at a page longer than that.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);
/// Expired jobs in one call, and destinations it looks at for being long idle.
const EXPIRED_STEP: usize = 500;
const FORGET_STEP: usize = 500;

#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
    _tasks: Arc<background::Tasks>,
}

pub struct Shared {
    wire: Wire,
    prefix: String,
    /// This process, as the functions know it.
    client: String,
    options: QueueOptions,
    clock: RedisClock,
    partitions: Vec<Partition>,
    channels: Channels,
    /// Something was listed.
    work: Notify,
    /// An alarm moved forward: only the timekeeper listens.
    alarm_moved: Notify,
    waiting: AtomicUsize,
    /// Partitions take turns in being asked first.
    turn: AtomicUsize,
    last_snapshot: Mutex<Snapshot>,
}

/// What was last heard from a partition.
#[derive(Default)]
struct Partition {
    epoch: AtomicU64,
    state: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    lowest: u8,
    alarm: Option<Instant>,
    down: Option<(Instant, Trouble, String)>,
}

impl Redis {
    fn start(shared: Shared, listener: Option<redis::Client>) -> Self {
        let shared = Arc::new(shared);
        let tasks = Arc::new(background::Tasks::start(&shared, listener));
        Self { shared, _tasks: tasks }
    }

    pub async fn push(&self, shard: &Shard, jobs: &[Job]) {
        for part in jobs.chunks(STEP) {
            let mut args = self.shared.line(shard);
            for run in part.chunk_by(|a, b| a.campaign == b.campaign) {
                args.extend([run[0].campaign.to_string(), run.len().to_string()]);
                args.extend(run.iter().map(|job| words::word(*job)));
            }
            self.shared.surely(self.shared.partition(&shard.name), "push", args, true).await;
        }
    }

    pub async fn push_delayed(&self, shard: &Shard, jobs: &[(Job, Duration)]) {
        for part in jobs.chunks(STEP) {
            let mut args = self.shared.line(shard);
            for (job, delay) in part {
                args.extend([job.campaign.to_string(), words::word(*job), micros(*delay)]);
            }
            self.shared.surely(self.shared.partition(&shard.name), "push_delayed", args, true).await;
        }
    }

    pub async fn settle(&self, grant: &Grant, settled: &[(Job, Settle)]) -> LeaseState {
        let mut state = LeaseState::Held;
        let mut parts = settled.chunks(STEP);
        // An empty one is a sign of life all the same.
        let mut part = parts.next().or(Some(&[]));
        while let Some(jobs) = part {
            let mut args = vec![grant.fence.to_string()];
            for (job, how) in jobs {
                args.extend([job.campaign.to_string(), job.delivery.to_string(), job.attempt.to_string()]);
                args.push(match how {
                    Settle::Done => "done".into(),
                    Settle::Release => "release".into(),
                    Settle::RetryIn(delay) => micros(*delay),
                });
            }
            let reply = self.shared.surely(self.shared.partition(&grant.shard.name), "settle", args, false).await;
            state = lease_state(&reply);
            part = parts.next();
        }
        state
    }

    /// While the server is away the lease is taken as held: what this holder does is guarded by the ledger.
    pub async fn extend(&self, grant: &Grant) -> LeaseState {
        let call = Call {
            partition: self.shared.partition(&grant.shard.name),
            function: "extend",
            args: vec![grant.fence.to_string()],
            once: false,
        };
        match self.shared.call(&call, Patience::Until(Instant::now() + SHORT_PATIENCE)).await {
            Ok((_, reply)) => lease_state(&reply),
            Err(GaveUp) => LeaseState::Held,
        }
    }

    pub async fn close(&self, grant: &Grant) {
        let partition = self.shared.partition(&grant.shard.name);
        self.shared.surely(partition, "close", vec![grant.fence.to_string()], false).await;
    }

    pub async fn signal(&self, shard: &Shard, signal: &Signal) {
        let knob = signal.knob.map_or("", report::letter);
        let hold = signal.hold.map_or_else(String::new, micros);
        let args = vec![shard.name.to_string(), knob.into(), hold, signal.why.clone()];
        self.shared.surely(self.shared.partition(&shard.name), "signal", args, true).await;
    }

    pub async fn set_limits(&self, shard: &Shard, limits: Limits) {
        let args = vec![
            shard.name.to_string(),
            limits.per_second.to_string(),
            limits.burst.to_string(),
            limits.connections.to_string(),
            limits.messages_per_connection.to_string(),
        ];
        self.shared.surely(self.shared.partition(&shard.name), "set_limits", args, false).await;
    }

    /// `function` is `pause`, `resume` or `drop`.
    pub async fn tell_campaign(&self, function: &'static str, campaign: i64) {
        for partition in 0..self.shared.partitions.len() {
            self.shared.surely(partition, function, vec![campaign.to_string()], false).await;
        }
    }

    /// Gives what it has when the server goes away meanwhile: the next call brings the rest.
    pub async fn expired(&self) -> Vec<(Shard, Job)> {
        let mut jobs = Vec::new();
        let patience = Patience::Until(Instant::now() + SHORT_PATIENCE);
        for partition in 0..self.shared.partitions.len() {
            loop {
                let args = vec![EXPIRED_STEP.to_string(), FORGET_STEP.to_string()];
                let call = Call { partition, function: "expired", args, once: true };
                let Ok((_, reply)) = self.shared.call(&call, patience).await else { return jobs };
                let (some, more) = report::expired(reply).unwrap_or_else(|odd| {
                    tracing::error!(%odd, "expired leases cannot be read");
                    Default::default()
                });
                jobs.extend(some);
                if !more {
                    break;
                }
            }
        }
        jobs
    }

    /// The last one known when the server is away.
    pub async fn snapshot(&self) -> Snapshot {
        let seen = self.shared.report(Patience::Until(Instant::now() + REPORT_PATIENCE)).await;
        let mut last = self.shared.last_snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen {
            *last = seen;
        }
        last.clone()
    }

    pub fn epoch(&self) -> u64 {
        let mixed = |hash: u64, p: &Partition| (hash ^ p.epoch.load(SeqCst)).wrapping_mul(0x0100_0000_01b3);
        self.shared.partitions.iter().fold(0, mixed)
    }

    pub fn health(&self) -> Health {
        let down = self.shared.partitions.iter().find_map(|p| p.heard().down.clone());
        down.map_or(Health::Up, |(since, trouble, why)| Health::Down { since: since.elapsed(), trouble, why })
    }
}

impl Partition {
    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// FNV-1a over the name: the same in every process and release.
    fn partition(&self, name: &str) -> usize {
        let hash =
            name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        usize::try_from(hash % self.partitions.len() as u64).unwrap_or(0)
    }

    /// What the keys of a partition begin with.
    fn base(&self, partition: usize) -> String {
        open::base(&self.prefix, partition)
    }

    fn line(&self, shard: &Shard) -> Vec<String> {
        vec![shard.lane.min(report::LAST_LANE).to_string(), shard.name.to_string()]
    }

    async fn surely(
        &self,
        partition: usize,
        function: &'static str,
        args: Vec<String>,
        once: bool,
    ) -> Vec<redis::Value> {
        let call = Call { partition, function, args, once };
        // Endless patience does not give up.
        self.call(&call, Patience::Endless).await.map(|(_, reply)| reply).unwrap_or_default()
    }

    /// Takes in what a reply says besides its answer, and wakes whom it concerns.
    fn note(&self, partition: usize, header: Header) {
        let place = &self.partitions[partition];
        let before = place.epoch.swap(header.epoch, SeqCst);
        if before != 0 && before != header.epoch {
            tracing::warn!(partition, "the queue in Redis was emptied; it has to be filled from the ledger");
        }
        let mut heard = place.heard();
        if let Some((since, trouble, _)) = heard.down.take() {
            tracing::info!(%trouble, seconds = since.elapsed().as_secs(), "Redis serves again");
        }
        heard.lowest = header.lowest;
        let old = std::mem::replace(&mut heard.alarm, header.due_in.map(|due| Instant::now() + due));
        let sooner = heard.alarm.is_some_and(|new| old.is_none_or(|old| new < old));
        drop(heard);
        if sooner {
            self.alarm_moved.notify_one();
        }
        if header.newly_listed > 0 {
            self.wake(header.newly_listed);
        }
    }

    fn note_trouble(&self, partition: usize, trouble: Trouble, why: String) {
        let mut heard = self.partitions[partition].heard();
        let since = heard.down.as_ref().map(|(since, ..)| *since);
        if since.is_none() {
            tracing::warn!(%trouble, why, "Redis does not serve; trying again");
        }
        heard.down = Some((since.unwrap_or_else(Instant::now), trouble, why));
    }

    fn wake(&self, lines: usize) {
        // One permit stays for who is just about to wait.
        (0..lines.min(self.waiting.load(SeqCst)).max(1)).for_each(|_| self.work.notify_one());
    }
}

fn lease_state(reply: &[redis::Value]) -> LeaseState {
    match reply.first().map(reply::text) {
        Some(Ok(word)) if word == "held" => LeaseState::Held,
        _ => LeaseState::Lost,
    }
}
