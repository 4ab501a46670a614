//! The queue in Redis: shared by all workers of an installation.
//!
//! # Where things lie
//!
//! Destinations are divided into a fixed number of *partitions* by a hash of the part of their name that names the route,
//! so that one call can charge a destination's budget and its route's. All keys of a partition begin
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
mod shared;
mod trouble;
mod wire;
mod words;

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use self::call::{Call, GaveUp, Patience, micros};
use self::shared::{Partition, Shared};
use crate::{
    Cut, ExpiredLease, Grant, Health, Job, LeaseState, Limits, Scope, Sent, Settle, Shard, Signal, Snapshot, Turn,
    Window,
};

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

impl Redis {
    fn start(shared: Shared, listener: Option<redis::Client>) -> Self {
        let shared = Arc::new(shared);
        let tasks = Arc::new(background::Tasks::start(&shared, listener));
        Self { shared, _tasks: tasks }
    }

    pub async fn push(&self, shard: &Shard, workspace: i64, jobs: &[Job]) {
        for part in jobs.chunks(STEP) {
            let mut args = self.shared.origin(shard, workspace);
            for run in part.chunk_by(|a, b| a.campaign == b.campaign) {
                args.extend([run[0].campaign.to_string(), run.len().to_string()]);
                args.extend(run.iter().map(|job| words::word(*job)));
            }
            self.shared.surely(self.shared.partition(&shard.name), "push", args, true).await;
        }
    }

    pub async fn push_delayed(&self, shard: &Shard, workspace: i64, jobs: &[(Job, Duration)]) {
        for part in jobs.chunks(STEP) {
            let mut args = self.shared.origin(shard, workspace);
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
                    Settle::Void => "void".into(),
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

    pub async fn signal(&self, shard: &Shard, signal: &Signal) -> Option<Turn> {
        let knob = signal.knob.map_or("", report::letter);
        let hold = signal.hold.map_or_else(String::new, micros);
        let stream = if signal.scope == Scope::Stream { shard.stream.to_string() } else { String::new() };
        let (cut, count) = match signal.cut {
            Cut::Part(part) => ("part", part),
            Cut::AtMost(most) => ("most", most),
        };
        let cut = [cut.to_owned(), count.to_string(), micros(signal.stay)];
        let mut args = vec![shard.name.to_string(), stream, knob.into(), hold, signal.why.clone()];
        args.extend(cut);
        let reply = self.shared.surely(self.shared.partition(&shard.name), "signal", args, true).await;
        report::turn(&reply).unwrap_or_else(|odd| {
            tracing::error!(%odd, "the answer to a signal cannot be read");
            None
        })
    }

    pub async fn release(&self, shard: &Shard, why: &str) {
        let args = vec![shard.name.to_string(), shard.stream.to_string(), why.to_owned()];
        self.shared.surely(self.shared.partition(&shard.name), "release", args, true).await;
    }

    pub async fn set_limits(&self, shard: &Shard, limits: Limits) {
        self.tell_limits("set_limits", &shard.name, limits).await;
    }

    pub async fn sent(&self, shard: &Shard, sent: Sent) {
        self.tell_sent(&shard.name, shard.name.to_string(), sent).await;
    }

    pub async fn sent_by_route(&self, route: &str, sent: Sent) {
        self.tell_sent(route, format!("@{route}"), sent).await;
    }

    async fn tell_sent(&self, place: &str, budget: String, sent: Sent) {
        let counts = Window::ALL.map(|window| sent.in_window(window).to_string());
        let args = [vec![budget, sent.minute.to_string()], counts.to_vec()].concat();
        self.shared.surely(self.shared.partition(place), "sent", args, false).await;
    }

    pub fn bar_routes(&self, routes: &[String]) {
        let barred = routes.join(",");
        let mut known = self.shared.barred.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != barred {
            *known = barred;
            self.shared.wake(self.shared.waiting.load(SeqCst));
        }
    }

    pub async fn set_route_limits(&self, route: &str, limits: Limits) {
        self.tell_limits("set_route_limits", route, limits).await;
    }

    async fn tell_limits(&self, function: &'static str, name: &str, limits: Limits) {
        let mut args = vec![name.to_owned()];
        args.extend(call::limits(limits));
        self.shared.surely(self.shared.partition(name), function, args, false).await;
    }

    /// `function` is `pause`, `resume` or `drop`.
    pub async fn tell_campaign(&self, function: &'static str, campaign: i64) {
        for partition in 0..self.shared.partitions.len() {
            self.shared.surely(partition, function, vec![campaign.to_string()], false).await;
        }
    }

    /// Passes over what does not answer: what it handed over is handed over again.
    pub async fn expired(&self) -> Vec<ExpiredLease> {
        let mut leases = Vec::new();
        for partition in 0..self.shared.partitions.len() {
            while self.shared.partitions[partition].heard().answers() {
                let Ok((some, more)) = self.shared.expired_in(partition).await else { break };
                leases.extend(some);
                if !more {
                    break;
                }
            }
        }
        leases
    }

    pub async fn recovered(&self, lease: &ExpiredLease, again: &[Job]) {
        let mut args = vec![lease.fence.to_string()];
        args.extend(again.iter().flat_map(|job| [job.campaign.to_string(), job.delivery.to_string()]));
        self.shared.surely(self.shared.partition(&lease.shard.name), "recovered", args, false).await;
    }

    /// The last one known when the server is away.
    pub async fn snapshot(&self) -> Snapshot {
        let shared = &self.shared;
        let begun_before = shared.reports.load(SeqCst);
        let mut last = shared.last_report.lock().await;
        // Who had to wait may take what was begun after it came: many viewers cost no more than one.
        if last.0 <= begun_before {
            let number = shared.reports.fetch_add(1, SeqCst) + 1;
            if let Some(seen) = shared.report(Patience::Until(Instant::now() + REPORT_PATIENCE)).await {
                *last = (number, seen);
            }
        }
        Snapshot { health: self.health(), ..last.1.clone() }
    }

    pub async fn memory_bytes(&self) -> Option<u64> {
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        let nodes = match self.shared.wire.ask(&command).await.ok()? {
            redis::Value::Map(nodes) => nodes.into_iter().map(|(_, info)| info).collect(),
            one => vec![one],
        };
        let used = |info: &redis::Value| {
            let text = reply::text(info).ok()?;
            text.lines().find_map(|line| line.strip_prefix("used_memory:"))?.trim().parse::<u64>().ok()
        };
        nodes.iter().map(used).sum()
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

fn lease_state(reply: &[redis::Value]) -> LeaseState {
    match reply.first().map(reply::text) {
        Some(Ok(word)) if word == "held" => LeaseState::Held,
        _ => LeaseState::Lost,
    }
}
