//! The table by provider: who takes the mail, how it goes there, and the last words of each.

use std::time::Duration;

use tidings_domain::{DeliveryState, Destination, Lane};
use tidings_queue::{ShardStatus, Standing};
use tidings_store::{LastReply, ProviderId};

use super::live::Look;
use super::rate::{about, per_second};
use super::tally::{Counts, Tally, percent};
use super::wording;
use crate::page::Page;
use crate::text::count_of;

/// One provider of the table.
pub struct ProviderRow {
    /// `None`: the row that sums up the small ones.
    pub id: Option<ProviderId>,
    pub name: String,
    pub waiting: i64,
    pub accepted: i64,
    pub deferred: i64,
    pub bounced: i64,
    pub bounced_percent: String,
    /// `at most 20/s · 4 connections`; empty while nothing is sent there.
    pub limit: String,
    pub tone: &'static str,
    pub state: String,
    pub reply: String,
    pub reply_when: String,
}

pub fn rows(look: &Look, page: &Page) -> Vec<ProviderRow> {
    let overview = &look.overview;
    let is_active = overview.head.state.is_active();
    let mut rows: Vec<ProviderRow> = overview
        .providers
        .iter()
        // Skipped people were never looked up: their row would say nothing.
        .filter(|p| p.id.0 != 0 || p.counts.keys().any(|state| !state.is_terminal()))
        .map(|p| {
            let shard = shard_of(look, &p.name);
            row(Some(p.id), wording::provider(&p.name), &p.counts, shard, p.last_reply.as_ref(), page, is_active)
        })
        .collect();
    if let Some((n, counts)) = &overview.smaller_providers {
        let name = count_of(*n, "other provider", "other providers");
        rows.push(row(None, name, counts, None, None, page, is_active));
    }
    rows
}

/// The provider's own shard, or the relay's through which all goes.
fn shard_of<'a>(look: &'a Look, provider: &str) -> Option<&'a ShardStatus> {
    let bulk = |s: &&ShardStatus| i16::from(s.shard.lane) == Lane::Bulk.code();
    let ours = |s: &&ShardStatus| Destination::of(&s.shard.name).provider() == Some(provider);
    // Of several routes the one with most to do.
    look.queue.shards.iter().filter(bulk).filter(ours).max_by_key(|s| s.ready + s.leased)
}

fn row(
    id: Option<ProviderId>,
    name: String,
    counts: &Counts,
    shard: Option<&ShardStatus>,
    reply: Option<&LastReply>,
    page: &Page,
    is_active: bool,
) -> ProviderRow {
    let tally = Tally::new(counts.clone());
    let (tone, state) = state(&tally, shard, is_active);
    ProviderRow {
        id,
        name,
        waiting: tally.ahead(),
        accepted: tally.accepted(),
        deferred: tally.of(DeliveryState::Deferred),
        bounced: tally.bounced(),
        bounced_percent: percent(tally.bounced(), tally.settled()),
        limit: shard.filter(|_| tally.open() > 0).map(|shard| limit(shard, page)).unwrap_or_default(),
        tone,
        state,
        reply: reply.map(|r| r.text.clone()).unwrap_or_default(),
        reply_when: reply.map(|r| page.when(&r.at_ms).relative).unwrap_or_default(),
    }
}

fn limit(shard: &ShardStatus, page: &Page) -> String {
    let mut parts = Vec::new();
    if shard.rate.limit > 0.0 {
        parts.push(per_second(shard.rate.limit));
    }
    match shard.connections.limit {
        0 => {}
        n => parts.push(count_of(i64::from(n), "connection", "connections")),
    }
    let limit = if parts.is_empty() { "no limit".to_owned() } else { format!("at most {}", parts.join(" · ")) };
    match shard.reduced.iter().map(|knob| knob.next_raise_in).min() {
        Some(rest) => format!("{limit}, next raise {}", page.clock(page.now.plus(rest))),
        None => limit,
    }
}

fn state(tally: &Tally, shard: Option<&ShardStatus>, is_active: bool) -> (&'static str, String) {
    if tally.open() == 0 {
        return ("ok", "Finished".to_owned());
    }
    if !is_active {
        return ("neutral", "Stopped".to_owned());
    }
    if tally.ahead() == 0 {
        return ("warn", "Trying again".to_owned());
    }
    let Some(shard) = shard else { return ("info", "In line".to_owned()) };
    match shard.standing {
        Standing::Held => {
            let left = shard.hold.as_ref().map_or(Duration::ZERO, |hold| hold.remaining);
            ("warn", format!("Waits {}", about(left)))
        }
        _ if !shard.reduced.is_empty() => ("warn", "Slowed down".to_owned()),
        Standing::RateLimited | Standing::ConnectionLimited => ("info", "At its limit".to_owned()),
        Standing::Paused => ("neutral", "Paused".to_owned()),
        Standing::WaitsForRetry => ("warn", "Trying again".to_owned()),
        Standing::Idle | Standing::Free => ("info", "Under way".to_owned()),
    }
}
