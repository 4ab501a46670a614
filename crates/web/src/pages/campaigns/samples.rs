//! A campaign and its queue, for the tests of what the overview says of them.

use tidings_domain::{CampaignState, DeliveryState, UnixMs};
use tidings_queue::{Gauge, Limits, Shard, ShardStatus, Snapshot, Standing};
use tidings_store::{CampaignHead, CampaignId, Overview, ProviderId, ProviderProgress, Responses, WorkerBeat};

use super::live::Look;
use super::rate::Rate;

pub const NOW: UnixMs = UnixMs(1_795_426_445_000);

/// Sending since a second, with a live worker, to Gmail and Microsoft.
pub fn overview(counts: &[(DeliveryState, i64)]) -> Overview {
    let provider = |id, name: &str| ProviderProgress {
        id: ProviderId(id),
        name: name.into(),
        counts: counts.iter().copied().collect(),
        last_reply: None,
    };
    Overview {
        head: head(),
        lists: vec![],
        route: None,
        duplicates: 0,
        counts: counts.iter().copied().collect(),
        skipped: Default::default(),
        providers: vec![provider(1, "google"), provider(2, "microsoft")],
        smaller_providers: None,
        groups: vec![],
        responses: Responses::default(),
        events: vec![],
        workers: vec![WorkerBeat {
            id: "w".into(),
            role: "serve".into(),
            host: "mx-1".into(),
            heartbeat_at_ms: NOW.0,
            lanes: String::new(),
        }],
        next_due_at_ms: None,
    }
}

fn head() -> CampaignHead {
    CampaignHead {
        id: CampaignId(1),
        name: "Spring".into(),
        subject: String::new(),
        from_name: String::new(),
        from_email: String::new(),
        state: CampaignState::Sending,
        paused_at_ms: None,
        paused_by: String::new(),
        pause_reason: String::new(),
        attention: String::new(),
        revision_id: None,
        route_id: None,
        pool_id: None,
        audience_total: None,
        version: 1,
        created_by: String::new(),
        created_at_ms: 0,
        updated_at_ms: 0,
        queuing_at_ms: Some(NOW.0 - 1_000),
        queued_at_ms: Some(NOW.0 - 1_000),
        sending_at_ms: Some(NOW.0 - 1_000),
        done_at_ms: None,
        cancelled_at_ms: None,
        deadline_hours: None,
        deadline_at_ms: None,
    }
}

/// As a page sees it, without an updater.
pub fn look(overview: Overview, queue: Snapshot) -> Look {
    Look {
        overview,
        queue,
        turns: vec![],
        route_names: Default::default(),
        rate: Rate::default(),
        moved_at: None,
        disk: None,
        lock: None,
        troubles: vec![],
        warm_ups: vec![],
        at: NOW,
    }
}

/// A shard of the bulk lane.
pub fn shard(name: &str, ready: usize, standing: Standing) -> ShardStatus {
    ShardStatus {
        shard: Shard::new(2, name),
        ready,
        delayed: 0,
        next_due_in: None,
        leased: 0,
        connections: Gauge { now: 0, limit: 4 },
        rate: Gauge { now: 0.0, limit: 0.0 },
        messages_per_connection: 100,
        limits: Limits::default(),
        windows: vec![],
        hold: None,
        reduced: vec![],
        history: vec![],
        last_signal: None,
        streams: vec![],
        standing,
        stopped_by: None,
    }
}
