//! The queue inside this process: one lock, held for microseconds, and no task of its own.
//!
//! Nobody polls. Who finds nothing waits to be told that something was listed; one of the waiters, the *timekeeper*,
//! also waits for the next alarm, and hands the office on when it leaves.

mod alarms;
mod allowance;
mod bucket;
mod budget;
mod campaigns;
mod claim;
mod clock;
mod fifo;
mod hash;
mod history;
mod knob;
mod line;
mod meter;
mod report;
mod route;
mod settle;
mod state;
mod window;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::claim::Found;
use self::clock::{Clock, Nanos};
use self::state::State;
use self::window::Calendar;
use crate::{Grant, Health, Job, LeaseState, Limits, More, QueueOptions, Settle, Shard, Signal, Snapshot, Turn};

/// Jobs pushed, or destinations reported on, before others may have the lock.
const STEP: usize = 1_000;

#[derive(Clone)]
pub struct Embedded(Arc<Shared>);

struct Shared {
    epoch: u64,
    clock: Clock,
    state: Mutex<State>,
    /// Something was listed.
    work: Notify,
    /// The soonest alarm moved forward: only the timekeeper listens.
    alarm_moved: Notify,
    has_timekeeper: AtomicBool,
    waiting: AtomicUsize,
}

impl Embedded {
    pub fn new(options: QueueOptions) -> Self {
        let clock = Clock::start();
        Self(Arc::new(Shared {
            epoch: rand::random(),
            clock,
            state: Mutex::new(State::new(options, Calendar::start(clock.now()))),
            work: Notify::new(),
            alarm_moved: Notify::new(),
            has_timekeeper: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
        }))
    }

    /// Each process begins with an empty queue.
    pub fn epoch(&self) -> u64 {
        self.0.epoch
    }

    pub const fn health(&self) -> Health {
        Health::Up
    }

    pub fn push(&self, shard: &Shard, jobs: &[Job]) {
        for part in jobs.chunks(STEP) {
            self.0.with(|state, now| state.push(shard, part, now));
        }
    }

    pub fn push_delayed(&self, shard: &Shard, jobs: &[(Job, Duration)]) {
        for part in jobs.chunks(STEP) {
            self.0.with(|state, now| state.push_delayed(shard, part, now));
        }
    }

    pub async fn lease(&self, worker: &str, max_jobs: usize, wait: Duration) -> Option<Grant> {
        let shared = &*self.0;
        let deadline = Instant::now() + wait;
        shared.with(|state, _| state.told_to_close = state.told_to_close.saturating_sub(1));
        let mut waiter = Waiter::new(shared);
        loop {
            let listed = shared.work.notified();
            match shared.with(|state, now| state.lease(worker, max_jobs, now)) {
                Found::Grant(grant) => return Some(grant),
                Found::More => tokio::task::yield_now().await,
                Found::Nothing(_) if Instant::now() >= deadline => return None,
                Found::Nothing(alarm) => {
                    waiter.count();
                    let alarm = alarm.filter(|_| waiter.is_timekeeper()).map(|at| shared.clock.instant(at));
                    tokio::select! {
                        () = listed => {}
                        () = shared.alarm_moved.notified(), if waiter.is_timekeeper() => {}
                        () = sleep_until(alarm.map_or(deadline, |at| at.min(deadline))) => {}
                    }
                }
            }
        }
    }

    pub fn more(&self, grant: &Grant, max_jobs: usize) -> More {
        let idle = self.0.waiting.load(SeqCst);
        self.0.with(|state, now| state.more(grant, max_jobs, idle, now))
    }

    pub fn settle(&self, grant: &Grant, settled: &[(Job, Settle)]) -> LeaseState {
        self.0.with(|state, now| state.settle(grant, settled, now))
    }

    pub fn extend(&self, grant: &Grant) -> LeaseState {
        self.0.with(|state, now| state.extend(grant, now))
    }

    pub fn close(&self, grant: &Grant) {
        self.0.with(|state, now| state.close(grant, now));
    }

    pub fn signal(&self, shard: &Shard, signal: &Signal) -> Option<Turn> {
        self.0.with(|state, now| state.signal(shard, signal, now))
    }

    pub fn set_limits(&self, shard: &Shard, limits: Limits) {
        self.0.with(|state, now| state.set_limits(shard, limits, now));
    }

    pub fn set_route_limits(&self, route: &str, limits: Limits) {
        self.0.with(|state, now| state.set_route_limits(route, limits, now));
    }

    pub fn pause_campaign(&self, campaign: i64) {
        self.0.with(|state, _| state.pause_campaign(campaign));
    }

    pub fn resume_campaign(&self, campaign: i64) {
        self.0.with(|state, _| state.resume_campaign(campaign));
    }

    pub fn drop_campaign(&self, campaign: i64) {
        self.0.with(|state, _| state.drop_campaign(campaign));
    }

    pub fn expired(&self) -> Vec<(Shard, Job)> {
        self.0.with(State::expired)
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut shards = Vec::new();
        let mut from = 0;
        while let Some(part) = self.0.with(|state, now| {
            state.do_chores();
            state.ring_alarms(now);
            state.shard_statuses(from, STEP, now)
        }) {
            shards.extend(part);
            from += STEP;
        }
        let (mut routes, mut campaigns) =
            self.0.with(|state, now| (state.route_statuses(now), state.campaign_statuses()));
        shards.sort_by(|a, b| a.shard.cmp(&b.shard));
        routes.sort_by(|a, b| a.route.cmp(&b.route));
        campaigns.sort_by_key(|c| c.campaign);
        Snapshot { shards, routes, campaigns, waiting_workers: self.0.waiting.load(SeqCst) }
    }
}

impl Shared {
    /// Runs `f` under the lock, then wakes whom it concerns and frees what it threw away.
    fn with<T>(&self, f: impl FnOnce(&mut State, Nanos) -> T) -> T {
        let now = self.clock.now();
        // A panic under the lock is a bug of ours; the index stays usable, and the ledger is the truth.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = f(&mut state, now);
        let listed = std::mem::take(&mut state.newly_listed);
        let alarm_moved = std::mem::take(&mut state.alarm_moved);
        let garbage = std::mem::take(&mut state.garbage);
        drop(state);
        drop(garbage);
        if listed > 0 {
            // One permit stays for who is just about to wait.
            (0..listed.min(self.waiting.load(SeqCst)).max(1)).for_each(|_| self.work.notify_one());
        }
        if alarm_moved {
            self.alarm_moved.notify_one();
        }
        result
    }

    fn has_listed(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.listed.iter().any(|list| !list.is_empty())
    }
}

/// Somebody inside `lease`. When it leaves, however it does, what it kept goes to the next.
struct Waiter<'a> {
    shared: &'a Shared,
    counted: bool,
    timekeeper: bool,
}

impl<'a> Waiter<'a> {
    const fn new(shared: &'a Shared) -> Self {
        Self { shared, counted: false, timekeeper: false }
    }

    fn count(&mut self) {
        if !self.counted {
            self.counted = true;
            self.shared.waiting.fetch_add(1, SeqCst);
        }
    }

    /// Takes the office if it is free.
    fn is_timekeeper(&mut self) -> bool {
        self.timekeeper |= !self.shared.has_timekeeper.swap(true, SeqCst);
        self.timekeeper
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.counted {
            self.shared.waiting.fetch_sub(1, SeqCst);
        }
        if self.timekeeper {
            self.shared.has_timekeeper.store(false, SeqCst);
        }
        let others_wait = self.shared.waiting.load(SeqCst) > 0;
        if others_wait && (!self.shared.has_timekeeper.load(SeqCst) || self.shared.has_listed()) {
            self.shared.work.notify_one();
        }
    }
}
