//! Lanes that nobody sends from: a worker may be started for some of them alone (`--lanes`).

use tidings_domain::{Lane, ProcessRole, UnixMs, Word};
use tidings_queue::ShardStatus;
use tidings_store::WorkerBeat;

use super::cause::{Cause, Process};
use super::destination::Destination;
use super::facts::{Facts, does, is_alive, no_process};
use super::words::{Reason, reason};

/// The lanes that no living worker serves. None while no worker lives at all, which is another cause and stops them all.
pub fn unserved(workers: &[WorkerBeat], now: UnixMs) -> Vec<Lane> {
    let alive = || workers.iter().filter(|worker| does(Process::Worker, worker) && is_alive(worker, now));
    let is_served = |lane: &Lane| alive().next().is_none() || alive().any(|worker| lane.is_among(&worker.lanes));
    Lane::ALL.iter().copied().filter(|lane| !is_served(lane)).collect()
}

/// An installation of one process has never seen any other.
pub(super) fn is_one(workers: &[WorkerBeat]) -> bool {
    !workers.iter().any(|worker| worker.role != ProcessRole::Serve.as_str())
}

/// A campaign lies in the lane of campaigns; what is about a destination, or about all of them, in those in which something waits.
pub fn causes_of_lanes(facts: &Facts) -> Vec<Cause> {
    let is_one = is_one(&facts.workers);
    let waiting = |lane: Lane| match &facts.campaign {
        Some(_) if lane == Lane::Bulk => facts.left.open() - facts.left.in_flight,
        Some(_) => 0,
        None => facts.destinations.iter().filter(|there| there.is_in(lane)).map(Destination::ready).sum(),
    };
    let cause = |lane| Cause::LaneUnserved { lane, waiting: waiting(lane), is_one };
    unserved(&facts.workers, facts.now).into_iter().filter(|lane| waiting(*lane) > 0).map(cause).collect()
}

/// The same over all that is in the queue, in words.
pub fn reasons_of_lanes(facts: Facts, shards: &[ShardStatus]) -> Vec<Reason> {
    let facts = of_all(facts, shards);
    in_words(&causes_of_lanes(&facts), &facts)
}

/// Whether something waits for a worker that is not there: for any, or for one that serves its lane.
pub fn reasons_of_workers(facts: Facts, shards: &[ShardStatus]) -> Vec<Reason> {
    let facts = of_all(facts, shards);
    let waits = facts.destinations.iter().any(|there| there.ready() > 0);
    let mut found = no_process(&facts);
    found.retain(|cause| waits && matches!(cause, Cause::NoProcess { process: Process::Worker, .. }));
    found.extend(causes_of_lanes(&facts));
    in_words(&found, &facts)
}

fn of_all(facts: Facts, shards: &[ShardStatus]) -> Facts {
    let destinations = shards.iter().map(|status| Destination::new(status.clone(), &facts.route_names)).collect();
    Facts { campaign: None, destinations, ..facts }
}

/// None of these words names an instant.
fn in_words(causes: &[Cause], facts: &Facts) -> Vec<Reason> {
    causes.iter().map(|cause| reason(cause, facts, &|_| String::new())).collect()
}

/// What starts a worker for it.
pub const fn command_for(lane: Lane) -> &'static str {
    match lane {
        Lane::Transactional => "tidings worker --lanes transactional",
        Lane::Automation => "tidings worker --lanes automation",
        Lane::Bulk => "tidings worker --lanes bulk",
    }
}
