use std::cmp::Reverse;
use std::time::Duration;

use tidings_domain::{CampaignState, DeliveryState, ProcessRole, UnixMs, Word};
use tidings_queue::{Health, Standing};
use tidings_store::WorkerBeat;

use super::cause::{Cause, Process};
use super::destination::Destination;
use super::lanes::{causes_of_lanes, is_one};
use super::limits::{held, slow};
use super::warm_up::WarmUp;
use crate::pages::route_names::RouteNames;
use crate::text::number;

/// A worker that was silent for longer is taken for dead.
pub const HEARTBEAT_LIMIT: Duration = Duration::from_secs(60);
/// With a live process something moves within this, or nothing explains the wait.
const WITHOUT_PROGRESS: Duration = Duration::from_secs(5 * 60);

/// All that is known of what waits, read at one moment.
#[derive(Debug, Clone)]
pub struct Facts {
    pub now: UnixMs,
    /// Why the whole installation sends nothing.
    pub lock: Option<String>,
    /// Bytes left, when they are too few to record anything.
    pub disk_free: Option<u64>,
    pub queue: Health,
    /// The latest sign of life first.
    pub workers: Vec<WorkerBeat>,
    /// `None` when it is about a provider.
    pub campaign: Option<CampaignFacts>,
    /// `None` unless it is about one recipient.
    pub delivery: Option<DeliveryFacts>,
    pub left: Left,
    /// Where the waiting deliveries go.
    pub destinations: Vec<Destination>,
    pub route_names: RouteNames,
    /// Warm-ups that keep something back now.
    pub warm_ups: Vec<WarmUp>,
    /// When a number last changed, as far as this process saw.
    pub moved_at: Option<UnixMs>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignFacts {
    pub name: String,
    pub state: CampaignState,
    /// When it came into this state.
    pub since: UnixMs,
    pub paused: Option<(UnixMs, String, String)>,
    pub attention: String,
    pub deadline: Option<UnixMs>,
}

/// One recipient's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFacts {
    pub state: DeliveryState,
    /// Why it stands there, in words.
    pub reason: String,
    pub is_held: bool,
    pub due: Option<UnixMs>,
    /// The last words of the receiver.
    pub reply: String,
    /// Its last try failed in the DNS.
    pub is_dns: bool,
}

/// How many stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    pub unknown_provider: i64,
    pub pending: i64,
    pub queued: i64,
    pub in_flight: i64,
    pub deferred: i64,
    /// Of the deferred: the first and the last next try that are not held by hand.
    pub first_try: Option<UnixMs>,
    pub last_try: Option<UnixMs>,
}

impl Left {
    /// Waits for its first try, or its next one in the queue.
    pub const fn ahead(&self) -> i64 {
        self.pending + self.queued
    }

    pub const fn open(&self) -> i64 {
        self.ahead() + self.in_flight + self.deferred
    }
}

/// Everything that holds now, the most important first. Never empty.
pub fn causes(facts: &Facts) -> Vec<Cause> {
    let mut found = Vec::new();
    found.extend(facts.lock.clone().map(|why| Cause::SendingLocked { why }));
    found.extend(facts.disk_free.map(|free_bytes| Cause::DiskFull { free_bytes }));
    if let Health::Down { since, trouble, why } = &facts.queue {
        found.push(Cause::QueueAway { trouble: trouble.to_string(), why: why.clone(), since: *since });
    }
    if let Some(over) = over(facts) {
        // Nothing else matters to what has ended or not begun.
        return vec![over];
    }
    if let Some(campaign) = &facts.campaign {
        of_campaign(facts, campaign, &mut found);
    }
    found.extend(no_process(facts));
    found.extend(causes_of_lanes(facts));
    match &facts.delivery {
        Some(delivery) => of_delivery(facts, delivery, &mut found),
        None => of_many(facts, &mut found),
    }
    if !found.iter().any(Cause::stops) {
        found.extend(standstill(facts));
    }
    if let Some(campaign) = &facts.campaign {
        let why = campaign.attention.clone();
        found.extend((!why.is_empty()).then_some(Cause::Attention { why }));
        found.extend(campaign.deadline.filter(|at| *at > facts.now).map(|at| Cause::Deadline { at }));
    }
    found
}

fn over(facts: &Facts) -> Option<Cause> {
    if let Some(delivery) = facts.delivery.as_ref().filter(|delivery| delivery.state.is_terminal()) {
        return Some(Cause::Settled { how: delivery.reason.clone() });
    }
    let campaign = facts.campaign.as_ref()?;
    match campaign.state {
        CampaignState::Draft | CampaignState::Scheduled => Some(Cause::NotLaunched),
        CampaignState::Done | CampaignState::Cancelled if facts.left.open() == 0 => {
            Some(Cause::Ended { state: campaign.state, at: Some(campaign.since) })
        }
        _ => None,
    }
}

fn of_campaign(facts: &Facts, campaign: &CampaignFacts, found: &mut Vec<Cause>) {
    if let Some(at) = campaign.deadline.filter(|at| *at <= facts.now) {
        found.push(Cause::DeadlinePassed { at });
    }
    if let Some((at, by, why)) = campaign.paused.clone().filter(|_| campaign.state.is_active()) {
        let in_flight = facts.left.in_flight;
        found.push(Cause::Paused { by, at, why, waiting: facts.left.open() - in_flight, in_flight });
    }
}

/// Whom the campaign waits for: fan-out is the dispatcher's, and so are retries.
fn wanted(facts: &Facts) -> Vec<Process> {
    match facts.campaign.as_ref().map(|campaign| campaign.state) {
        Some(CampaignState::Queuing) => vec![Process::Dispatcher, Process::Worker],
        _ => vec![Process::Worker, Process::Dispatcher],
    }
}

pub fn does(process: Process, worker: &WorkerBeat) -> bool {
    let does = match process {
        Process::Worker => ProcessRole::sends,
        Process::Dispatcher => ProcessRole::dispatches,
    };
    ProcessRole::parse(&worker.role).is_ok_and(does)
}

pub fn is_alive(worker: &WorkerBeat, now: UnixMs) -> bool {
    now.since(UnixMs(worker.heartbeat_at_ms)) < HEARTBEAT_LIMIT
}

pub(super) fn no_process(facts: &Facts) -> Vec<Cause> {
    let is_one = is_one(&facts.workers);
    let missing = |process: &Process| !facts.workers.iter().any(|w| does(*process, w) && is_alive(w, facts.now));
    let since = facts.campaign.as_ref().map_or(facts.now, |campaign| campaign.since);
    let cause = |process| {
        let last = facts.workers.iter().find(|w| does(process, w));
        let last = last.map(|w| (w.host.clone(), UnixMs(w.heartbeat_at_ms)));
        let since = last.as_ref().map_or(since, |(_, at)| (*at).max(since));
        Cause::NoProcess { process, is_one, last, since }
    };
    let mut found: Vec<Cause> = wanted(facts).into_iter().filter(missing).map(cause).collect();
    if is_one {
        // One process does both.
        found.truncate(1);
    }
    found
}

fn of_delivery(facts: &Facts, delivery: &DeliveryFacts, found: &mut Vec<Cause>) {
    match delivery.state {
        DeliveryState::Pending => found.push(Cause::LookingUp { n: 1 }),
        DeliveryState::Queued => of_destinations(facts, found),
        DeliveryState::Sending => found.push(Cause::InFlight { n: 1 }),
        DeliveryState::Deferred if delivery.is_held => found.push(Cause::HeldByHand),
        DeliveryState::Deferred => {
            if delivery.is_dns {
                found.push(Cause::DnsTrouble { said: delivery.reply.clone(), next: delivery.due });
            }
            let (first, last) = (delivery.due, delivery.due);
            found.push(Cause::PutOff { n: 1, first, last, reply: delivery.reply.clone(), is_all: true });
            found.extend(facts.destinations.iter().filter_map(held));
        }
        _ => {}
    }
}

fn of_many(facts: &Facts, found: &mut Vec<Cause>) {
    let left = &facts.left;
    of_destinations(facts, found);
    let state = facts.campaign.as_ref().map(|campaign| campaign.state);
    let nothing_said = !found.iter().any(|cause| cause.waiting().is_some());
    if left.unknown_provider > 0 {
        found.push(Cause::LookingUp { n: left.unknown_provider });
    }
    if left.deferred > 0 {
        let (first, last, is_all) = (left.first_try, left.last_try, left.ahead() == 0);
        // Without a next try, all of them are kept back.
        found.push(match first {
            None => Cause::HeldByHand,
            Some(_) => Cause::PutOff { n: left.deferred, first, last, reply: String::new(), is_all },
        });
    }
    if state == Some(CampaignState::Queuing) {
        found.push(Cause::Preparing);
    } else if left.ahead() > 0 && nothing_said && left.unknown_provider == 0 {
        found.push(Cause::Queueing { n: left.ahead() });
    }
    if left.in_flight > 0 {
        found.push(Cause::InFlight { n: left.in_flight });
    }
}

/// Those with most to do first: they decide when all is done.
fn of_destinations(facts: &Facts, found: &mut Vec<Cause>) {
    let mut working: Vec<&Destination> = facts.destinations.iter().filter(|d| d.waiting() > 0).collect();
    working.sort_by_key(|destination| Reverse(destination.waiting()));
    found.extend(working.iter().copied().filter_map(held));
    found.extend(working.iter().copied().filter_map(slow));
    let free: i64 =
        working.iter().filter(|d| d.status.standing == Standing::Free && slow(d).is_none()).map(|d| d.waiting()).sum();
    if free > 0 {
        found.push(Cause::OwnSpeed { waiting: free });
    }
}

fn standstill(facts: &Facts) -> Option<Cause> {
    let moved = facts.moved_at?;
    let host = facts.workers.iter().find(|w| does(Process::Worker, w)).map(|w| w.host.clone());
    let slow = facts.destinations.iter().any(|d| slow(d).is_some());
    let stuck = facts.now.since(moved) >= WITHOUT_PROGRESS && facts.left.ahead() > 0 && !slow;
    stuck.then(|| Cause::Standstill { since: moved, host: host.unwrap_or_default() })
}

/// `1,204`: for the words.
pub fn counted(n: i64) -> String {
    number(n)
}
