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
mod recovery;
mod report;
mod ring;
mod route;
mod settle;
mod state;
mod stream;
mod window;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::budget::LANES;
use self::claim::Found;
use self::clock::{Clock, Nanos};
use self::state::State;
use self::window::Calendar;
use crate::{
    ExpiredLease, Grant, Health, Job, Lanes, LeaseState, Limits, More, QueueOptions, Sent, Settle, Shard, Signal,
    Snapshot, Turn,
};

/// Jobs pushed, or destinations reported on, before others may have the lock.
const STEP: usize = 1_000;

#[derive(Clone)]
pub struct Embedded(Arc<Shared>);

struct Shared {
    epoch: u64,
    clock: Clock,
    state: Mutex<State>,
    /// Something was listed in this lane.
    work: [Notify; LANES],
    /// The soonest alarm moved forward: only the timekeeper listens.
    alarm_moved: Notify,
    has_timekeeper: AtomicBool,
    /// Calls of `lease`, and of these the ones that serve each lane.
    waiting: AtomicUsize,
    waiting_for: [AtomicUsize; LANES],
}

impl Embedded {
    pub fn new(options: QueueOptions) -> Self {
        let clock = Clock::start();
        Self(Arc::new(Shared {
            epoch: rand::random(),
            clock,
            state: Mutex::new(State::new(options, Calendar::start(clock.now()))),
            work: Default::default(),
            alarm_moved: Notify::new(),
            has_timekeeper: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            waiting_for: Default::default(),
        }))
    }

    /// Each process begins with an empty queue.
    pub fn epoch(&self) -> u64 {
        self.0.epoch
    }

    pub const fn health(&self) -> Health {
        Health::Up
    }

    pub fn push(&self, shard: &Shard, workspace: i64, jobs: &[Job]) {
        for part in jobs.chunks(STEP) {
            self.0.with(|state, now| state.push(shard, workspace, part, now));
        }
    }

    pub fn push_delayed(&self, shard: &Shard, workspace: i64, jobs: &[(Job, Duration)]) {
        for part in jobs.chunks(STEP) {
            self.0.with(|state, now| state.push_delayed(shard, workspace, part, now));
        }
    }

    pub async fn lease(&self, worker: &str, lanes: Lanes, max_jobs: usize, wait: Duration) -> Option<Grant> {
        let shared = &*self.0;
        let deadline = Instant::now() + wait;
        shared.with(|state, _| state.told_to_close = state.told_to_close.saturating_sub(1));
        let mut waiter = Waiter::new(shared, lanes);
        loop {
            let [first, second, third] = shared.work.each_ref().map(Notify::notified);
            match shared.with(|state, now| state.lease(worker, lanes, max_jobs, now)) {
                Found::Grant(grant) => return Some(grant),
                Found::More => tokio::task::yield_now().await,
                Found::Nothing(_) if Instant::now() >= deadline => return None,
                Found::Nothing(alarm) => {
                    waiter.count();
                    let alarm = alarm.filter(|_| waiter.is_timekeeper()).map(|at| shared.clock.instant(at));
                    tokio::select! {
                        () = first, if lanes.contains(0) => {}
                        () = second, if lanes.contains(1) => {}
                        () = third, if lanes.contains(2) => {}
                        () = shared.alarm_moved.notified(), if waiter.is_timekeeper() => {}
                        () = sleep_until(alarm.map_or(deadline, |at| at.min(deadline))) => {}
                    }
                }
            }
        }
    }

    pub fn more(&self, grant: &Grant, max_jobs: usize) -> More {
        let idle = self.0.waiting_for.each_ref().map(|count| count.load(SeqCst));
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

    pub fn sent(&self, shard: &Shard, sent: Sent) {
        self.0.with(|state, now| state.sent(shard, sent, now));
    }

    pub fn sent_by_route(&self, route: &str, sent: Sent) {
        self.0.with(|state, now| state.sent_by_route(route, sent, now));
    }

    pub fn bar_routes(&self, routes: &[String]) {
        self.0.with(|state, _| state.bar_routes(routes));
    }

    pub fn set_route_limits(&self, route: &str, limits: Limits) {
        self.0.with(|state, now| state.set_route_limits(route, limits, now));
    }

    pub fn release(&self, shard: &Shard, why: &str) {
        self.0.with(|state, now| state.release_budget(shard, why, now));
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

    pub fn expired(&self) -> Vec<ExpiredLease> {
        self.0.with(State::expired)
    }

    pub fn recovered(&self, lease: &ExpiredLease, again: &[Job]) {
        self.0.with(|state, now| state.recovered(lease.fence, again, now));
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
        Snapshot { shards, routes, campaigns, waiting_workers: self.0.waiting.load(SeqCst), health: Health::Up }
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
        for (lane, listed) in listed.into_iter().enumerate().filter(|(_, listed)| *listed > 0) {
            // One permit stays for who is just about to wait.
            let waiting = self.waiting_for[lane].load(SeqCst);
            (0..listed.min(waiting).max(1)).for_each(|_| self.work[lane].notify_one());
        }
        if alarm_moved {
            self.alarm_moved.notify_one();
        }
        result
    }

    fn listed(&self) -> [bool; LANES] {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.listed.each_ref().map(|list| !list.is_empty())
    }
}

/// Somebody inside `lease`. When it leaves, however it does, what it kept goes to the next.
struct Waiter<'a> {
    shared: &'a Shared,
    lanes: Lanes,
    counted: bool,
    timekeeper: bool,
}

impl<'a> Waiter<'a> {
    const fn new(shared: &'a Shared, lanes: Lanes) -> Self {
        Self { shared, lanes, counted: false, timekeeper: false }
    }

    fn count(&mut self) {
        if !self.counted {
            self.counted = true;
            self.shared.waiting.fetch_add(1, SeqCst);
            self.of_lanes(|waiting| {
                waiting.fetch_add(1, SeqCst);
            });
        }
    }

    fn of_lanes(&self, act: impl Fn(&AtomicUsize)) {
        self.lanes.iter().for_each(|lane| act(&self.shared.waiting_for[usize::from(lane)]));
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
            self.of_lanes(|waiting| {
                waiting.fetch_sub(1, SeqCst);
            });
        }
        if self.timekeeper {
            self.shared.has_timekeeper.store(false, SeqCst);
        }
        if self.shared.waiting.load(SeqCst) == 0 {
            return;
        }
        let office_is_free = !self.shared.has_timekeeper.load(SeqCst);
        for (lane, listed) in self.shared.listed().into_iter().enumerate() {
            if (office_is_free || listed) && self.shared.waiting_for[lane].load(SeqCst) > 0 {
                self.shared.work[lane].notify_one();
            }
        }
    }
}
