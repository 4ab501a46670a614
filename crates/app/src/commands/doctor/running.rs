//! What runs: Redis, the processes, the dispatcher, and campaigns that stand still.

use std::time::Instant;

use tidings_domain::{CampaignState, ProcessRole, UnixMs, Word};
use tidings_queue::{Queue, RedisOptions};
use tidings_store::Store;
use tidings_worker::now;

use super::Finding;
use crate::config::Config;
use crate::table::about;

const SILENT_MS: i64 = UnixMs::MINUTE;
/// A delivery that waits longer than this in a queue without a pause is worth a look.
const LONG_WAIT_MS: i64 = UnixMs::HOUR;

/// Opening the queue checks the address, password, permissions, version, eviction policy, prefix and release of it.
pub async fn redis(config: &Config, findings: &mut Vec<Finding>) {
    const NAME: &str = "Redis";
    let Some(url) = &config.redis_url else {
        findings.push(Finding::ok(NAME, "not used: the queue is inside the process"));
        return;
    };
    let mut options = RedisOptions::new(url);
    options.prefix.clone_from(&config.redis_prefix);
    let began = Instant::now();
    findings.push(match Queue::redis(options).await {
        Ok(queue) => {
            let opened = began.elapsed();
            queue.snapshot().await;
            let words =
                format!("fit for use, opened in {:.0} ms, prefix {}", opened.as_secs_f64() * 1e3, config.redis_prefix);
            Finding::ok(NAME, words)
        }
        Err(error) => {
            let mend = "the words above say what to change; nothing is lost, the queue is filled from the database";
            Finding::fail(NAME, error.to_string(), mend)
        }
    });
}

pub async fn look(config: &Config, store: &Store, deep: bool, findings: &mut Vec<Finding>) {
    match processes(config, store).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(Finding::fail("processes", error.to_string(), "look at the database first")),
    }
    match campaigns(store, deep).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(Finding::fail("campaigns", error.to_string(), "look at the database first")),
    }
}

async fn processes(config: &Config, store: &Store) -> anyhow::Result<Vec<Finding>> {
    let (beats, at) = (store.workers().await?, now());
    let alive: Vec<_> = beats.iter().filter(|b| at.0 - b.heartbeat_at_ms < SILENT_MS).collect();
    let sends = alive.iter().filter(|b| ProcessRole::parse(&b.role).is_ok_and(ProcessRole::sends)).count();
    let command = if config.redis_url.is_some() { "tidings worker" } else { "tidings serve" };
    let mut found = vec![match sends {
        0 => Finding::warn("workers", "none is alive: nothing is sent", format!("start one: {command}")),
        n => Finding::ok("workers", format!("{n} alive")),
    }];
    let ours = env!("CARGO_PKG_VERSION");
    let others: Vec<&str> = alive.iter().map(|b| b.version.as_str()).filter(|version| *version != ours).collect();
    if !others.is_empty() {
        let words = format!("{} of other versions than {ours} run ({})", others.len(), others.join(", "));
        found.push(Finding::warn("versions", words, "well during an upgrade; otherwise upgrade them too"));
    }
    if config.redis_url.is_some() {
        let lease = store.lease_holder("dispatcher").await?.filter(|lease| lease.until > at);
        found.push(match lease {
            Some(lease) => Finding::ok("dispatcher", format!("{} leads", lease.holder)),
            None => {
                Finding::fail("dispatcher", "none leads: campaigns do not move along", "start one: tidings dispatcher")
            }
        });
    }
    Ok(found)
}

async fn campaigns(store: &Store, deep: bool) -> anyhow::Result<Vec<Finding>> {
    const NAME: &str = "campaigns";
    let (gauges, at) = (store.gauges(now()).await?, now());
    let mut found = Vec::new();
    let active: i64 = CampaignState::ALL_ACTIVE.iter().filter_map(|state| gauges.campaigns.get(state)).sum();
    let waited = gauges.oldest_queued.values().map(|since| at.since(*since)).max().unwrap_or_default();
    if i64::try_from(waited.as_millis()).unwrap_or(i64::MAX) > LONG_WAIT_MS {
        let words = format!("{active} under way; the first delivery has waited for {}", about(waited));
        found.push(Finding::warn(NAME, words, "the Queues page says what limits it; `tidings queue ls` lists it"));
    } else {
        found.push(Finding::ok(NAME, format!("{active} under way, {} paused", gauges.paused)));
    }
    if gauges.attention > 0 {
        let words = format!("{} need a person's attention", gauges.attention);
        found.push(Finding::warn(NAME, words, "open them: the reason stands at their top"));
    }
    if deep {
        for campaign in store.active_campaigns().await? {
            let wrong = store.miscounts(campaign.id).await?.len();
            if wrong > 0 {
                let words =
                    format!("campaign {}: {wrong} counters differ from the ledger (or moved meanwhile)", campaign.id);
                found.push(Finding::warn(
                    NAME,
                    words,
                    "run it again while the campaign is paused; if it stays, report it",
                ));
            }
        }
    }
    Ok(found)
}
