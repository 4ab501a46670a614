//! Reads the facts. Only sums and single rows are read, never a campaign's rows.

use std::collections::BTreeMap;

use tidings_domain::{DeliveryKind, DeliveryState, Destination as Name, Lane, UnixMs};
use tidings_queue::{Health, ShardStatus, Snapshot};
use tidings_store::{CampaignHead, DeliveryHistory, Overview, ProviderId, RouteId, Store, StoreResult, WorkerBeat};

use super::destination::Destination;
use super::facts::{CampaignFacts, DeliveryFacts, Facts, Left};
use super::warm_up::warm_ups;
use crate::pages::campaigns::wording;
use crate::pages::route_names::RouteNames;
use crate::{WebState, disk};

/// What holds for the whole installation; the rest is empty.
///
/// # Errors
/// The database's own.
pub async fn process_facts(store: &Store, queue: Health, now: UnixMs) -> StoreResult<Facts> {
    let mut workers: Vec<WorkerBeat> = store.workers().await?.into_iter().map(WorkerBeat::from).collect();
    workers.sort_by_key(|worker| std::cmp::Reverse(worker.heartbeat_at_ms));
    Ok(Facts {
        now,
        lock: store.sending_lock().await?,
        disk_free: None,
        queue,
        workers,
        campaign: None,
        delivery: None,
        left: Left::default(),
        destinations: Vec::new(),
        route_names: RouteNames::read(store).await?,
        warm_ups: Vec::new(),
        moved_at: None,
    })
}

/// Only a ledger in a file of ours shares its disk with the uploads.
fn low_disk(state: &WebState) -> Option<u64> {
    state.store.is_embedded().then(|| disk::low(&state.config.spool_dir)).flatten()
}

/// The installation as this process sees it.
///
/// # Errors
/// The database's own.
pub(crate) async fn here(state: &WebState) -> StoreResult<(Facts, Snapshot)> {
    let facts = process_facts(&state.store, state.queue.health(), state.now()).await?;
    let seen = state.queue.snapshot().await;
    let warm_ups = warm_ups(&state.store, &seen.shards).await?;
    Ok((Facts { disk_free: low_disk(state), warm_ups, ..facts }, seen))
}

/// The same from what was read already.
pub fn of_overview(facts: Facts, overview: &Overview, seen: &Snapshot) -> Facts {
    let campaign = campaign(&overview.head);
    let replies = overview.providers.iter().filter_map(|p| p.last_reply.as_ref()).map(|reply| UnixMs(reply.at_ms));
    let moved_at = replies.chain([campaign.since]).chain(facts.moved_at).max();
    Facts {
        moved_at,
        campaign: Some(campaign),
        left: left(overview),
        destinations: destinations(overview, &seen.shards, &facts),
        ..facts
    }
}

fn campaign(head: &CampaignHead) -> CampaignFacts {
    let reached = [head.sending_at_ms, head.queued_at_ms, head.queuing_at_ms];
    let since = head.done_at_ms.or(head.cancelled_at_ms).or_else(|| reached.into_iter().flatten().next());
    CampaignFacts {
        name: head.name.clone(),
        state: head.state,
        since: UnixMs(since.unwrap_or(head.updated_at_ms)),
        paused: head.paused_at_ms.map(|at| (UnixMs(at), head.paused_by.clone(), head.pause_reason.clone())),
        attention: head.attention.clone(),
        deadline: head.deadline_at_ms.map(UnixMs),
    }
}

fn left(overview: &Overview) -> Left {
    let unknown = overview.providers.iter().find(|provider| provider.id == ProviderId(0));
    Left {
        unknown_provider: unknown.and_then(|p| p.counts.get(&DeliveryState::Pending).copied()).unwrap_or(0),
        first_try: overview.next_due_at_ms.map(UnixMs),
        ..of_counts(&overview.counts)
    }
}

fn of_counts(counts: &BTreeMap<DeliveryState, i64>) -> Left {
    let of = |state| counts.get(&state).copied().unwrap_or(0);
    Left {
        pending: of(DeliveryState::Pending),
        queued: of(DeliveryState::Queued),
        in_flight: of(DeliveryState::Sending),
        deferred: of(DeliveryState::Deferred),
        ..Left::default()
    }
}

/// Where this campaign's deliveries go. Of a campaign with many small providers every such destination counts, for their names are
/// not read.
fn destinations(overview: &Overview, shards: &[ShardStatus], facts: &Facts) -> Vec<Destination> {
    let is_ours = |status: &Destination| {
        let there = match Name::of(&status.status.shard.name) {
            // What a pool has given to a relay stands in no campaign's row.
            Name::Relay { route } => overview.head.pool_id.is_some() || overview.head.route_id == Some(RouteId(route)),
            Name::Direct { provider, .. } => overview.providers.iter().any(|known| known.name == provider),
        };
        there || overview.smaller_providers.is_some()
    };
    in_lane(Lane::Bulk, shards, facts).into_iter().filter(is_ours).collect()
}

fn in_lane(lane: Lane, shards: &[ShardStatus], facts: &Facts) -> Vec<Destination> {
    let of_lane = shards.iter().map(|status| Destination::new(status.clone(), &facts.route_names));
    of_lane.filter(|there| there.is_in(lane)).map(|there| there.among(&facts.warm_ups)).collect()
}

/// Of one recipient of a campaign, or of one test message, which waits for no campaign and in a lane of its own.
pub fn of_delivery(facts: Facts, overview: &Overview, history: &DeliveryHistory, seen: &Snapshot) -> Facts {
    let facts = match history.person.kind {
        DeliveryKind::Campaign => of_overview(facts, overview, seen),
        DeliveryKind::Test => Facts { destinations: in_lane(Lane::Transactional, &seen.shards, &facts), ..facts },
    };
    let own = history.person.route_id.map(|route| route.0);
    let goes_there = |there: &Destination| match Name::of(&there.status.shard.name) {
        Name::Relay { route } => own.or(overview.head.route_id.map(|route| route.0)) == Some(route),
        Name::Direct { provider, route } => provider == history.provider && (own.is_none() || route == own),
    };
    let destinations = facts.destinations.iter().filter(|there| goes_there(there)).cloned().collect();
    Facts { destinations, delivery: Some(delivery(history)), ..facts }
}

fn delivery(history: &DeliveryHistory) -> DeliveryFacts {
    let person = &history.person;
    let how = person.reason.as_deref().map(|reason| wording::reason(person.state, reason));
    DeliveryFacts {
        state: person.state,
        reason: how.unwrap_or_else(|| wording::state(person.state).to_owned()),
        is_held: person.is_held(),
        due: person.due_at_ms().map(UnixMs),
        reply: person.reply.clone().unwrap_or_default(),
        is_dns: history.attempts.last().is_some_and(|attempt| attempt.phase == "dns"),
    }
}

/// Of one provider, over all campaigns under way.
///
/// # Errors
/// The database's own.
pub async fn of_provider(facts: Facts, store: &Store, provider: &str, seen: Snapshot) -> StoreResult<Facts> {
    let ours = seen.shards.into_iter().filter(|status| Name::owner_of(&status.shard.name) == provider);
    let destinations = ours.map(|status| Destination::new(status, &facts.route_names).among(&facts.warm_ups)).collect();
    let left = of_counts(&store.provider_left(provider).await?);
    // Their next try is not looked for: it is on the page of what is put off.
    let left = Left { first_try: (left.deferred > 0).then_some(facts.now), ..left };
    Ok(Facts { left, destinations, ..facts })
}
