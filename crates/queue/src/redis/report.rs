//! Reading what the functions report. The order of values is that of `lua/report.lua`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;

use redis::Value;

use super::Shared;
use super::call::{Call, Patience};
use super::reply::{self, Odd};
use crate::{
    CampaignStatus, Gauge, HoldStatus, Job, Knob, Limits, ReducedKnob, Shard, ShardStatus, SignalStatus, Snapshot,
    Standing,
};

pub const LAST_LANE: u8 = 2;
/// Destinations, or campaigns, in one call.
const STEP: &str = "1000";
const ROW_VALUES: usize = 22;
const KNOB_VALUES: usize = 6;

pub const fn letter(knob: Knob) -> &'static str {
    match knob {
        Knob::Rate => "r",
        Knob::Connections => "c",
        Knob::MessagesPerConnection => "m",
    }
}

impl Shared {
    pub async fn report(&self, patience: Patience) -> Option<Snapshot> {
        let mut shards = BTreeMap::new();
        let mut campaigns = BTreeMap::<i64, CampaignStatus>::new();
        let mut waiting = self.waiting.load(SeqCst);
        for partition in 0..self.partitions.len() {
            for row in self.pages(partition, "report", patience).await?.0 {
                let status = read_row(row).map_err(|odd| tracing::error!(%odd, "a report cannot be read")).ok()?;
                shards.insert(status.shard.clone(), status);
            }
            let (rows, others_waiting) = self.pages(partition, "report_campaigns", patience).await?;
            for row in rows {
                let part = read_campaign(row).map_err(|odd| tracing::error!(%odd, "a report cannot be read")).ok()?;
                campaigns.entry(part.campaign).and_modify(|sum| add(sum, part)).or_insert(part);
            }
            if partition == 0 {
                waiting += others_waiting;
            }
        }
        let (shards, campaigns) = (shards.into_values().collect(), campaigns.into_values().collect());
        Some(Snapshot { shards, campaigns, waiting_workers: waiting })
    }

    /// All rows, and the number behind them.
    async fn pages(&self, partition: usize, function: &'static str, patience: Patience) -> Option<(Vec<Value>, usize)> {
        let mut rows = Vec::new();
        let mut cursor = String::from("0");
        loop {
            let call = Call { partition, function, args: vec![cursor, STEP.into()], once: false };
            let (_, reply) = self.call(&call, patience).await.ok()?;
            let mut values = reply.into_iter();
            cursor = reply::text(&values.next()?).ok()?;
            rows.extend(reply::list(values.next()?).ok()?);
            if cursor == "0" {
                let behind = values.next().map_or(Ok(0), |v| reply::number(&v));
                return Some((rows, behind.unwrap_or(0)));
            }
        }
    }
}

fn add(sum: &mut CampaignStatus, part: CampaignStatus) {
    sum.paused |= part.paused;
    sum.ready += part.ready;
    sum.delayed += part.delayed;
    sum.leased += part.leased;
}

fn read_row(row: Value) -> Result<ShardStatus, Odd> {
    let v = reply::list(row)?;
    if v.len() < ROW_VALUES {
        return Err(Odd::new(&v));
    }
    let hold_remaining = reply::micros(&v[17])?;
    let signals = reply::number(&v[20])?;
    Ok(ShardStatus {
        shard: Shard { lane: reply::number(&v[0])?, name: reply::text(&v[1])?.into() },
        ready: reply::number(&v[2])?,
        delayed: reply::number(&v[3])?,
        leased: reply::number(&v[4])?,
        next_due_in: reply::micros(&v[5])?,
        connections: Gauge { now: reply::number(&v[6])?, limit: reply::number(&v[7])? },
        rate: Gauge { now: reply::number(&v[8])?, limit: reply::number(&v[9])? },
        messages_per_connection: reply::number(&v[10])?,
        limits: Limits {
            per_second: reply::number(&v[11])?,
            burst: reply::number(&v[12])?,
            connections: reply::number(&v[13])?,
            messages_per_connection: reply::number(&v[14])?,
        },
        hold: match hold_remaining {
            None => None,
            Some(remaining) => Some(HoldStatus {
                why: reply::text(&v[15])?,
                since: reply::micros(&v[16])?.unwrap_or_default(),
                remaining,
            }),
        },
        last_signal: (signals > 0).then_some(SignalStatus {
            why: reply::text(&v[18])?,
            ago: reply::micros(&v[19])?.unwrap_or_default(),
            count: signals,
        }),
        standing: read_standing(&reply::text(&v[21])?),
        reduced: v[ROW_VALUES..].chunks_exact(KNOB_VALUES).map(read_knob).collect::<Result<_, _>>()?,
    })
}

fn read_standing(word: &str) -> Standing {
    match word {
        "idle" => Standing::Idle,
        "retry" => Standing::WaitsForRetry,
        "paused" => Standing::Paused,
        "held" => Standing::Held,
        "tokens" => Standing::RateLimited,
        "connections" => Standing::ConnectionLimited,
        _ => Standing::Free,
    }
}

fn read_knob(v: &[Value]) -> Result<ReducedKnob, Odd> {
    Ok(ReducedKnob {
        knob: match reply::text(&v[0])?.as_str() {
            "r" => Knob::Rate,
            "c" => Knob::Connections,
            _ => Knob::MessagesPerConnection,
        },
        ceiling: reply::number(&v[1])?,
        now: reply::number(&v[2])?,
        why: reply::text(&v[3])?,
        since: reply::micros(&v[4])?.unwrap_or_default(),
        next_raise_in: reply::micros(&v[5])?.unwrap_or_default(),
    })
}

fn read_campaign(row: Value) -> Result<CampaignStatus, Odd> {
    let v = reply::list(row)?;
    let [campaign, paused, ready, delayed, leased] = &v[..] else { return Err(Odd::new(&v)) };
    Ok(CampaignStatus {
        campaign: reply::number(campaign)?,
        paused: reply::text(paused)? == "1",
        ready: reply::number(ready)?,
        delayed: reply::number(delayed)?,
        leased: reply::number(leased)?,
    })
}

/// Jobs of leases that ran out, and whether there are more.
pub fn expired(reply: Vec<Value>) -> Result<(Vec<(Shard, Job)>, bool), Odd> {
    let mut values = reply.into_iter();
    let (Some(more), Some(flat)) = (values.next(), values.next()) else { return Ok(Default::default()) };
    let flat = reply::list(flat)?;
    let jobs = flat.chunks_exact(5).map(|v| {
        let shard = Shard { lane: reply::number(&v[0])?, name: reply::text(&v[1])?.into() };
        let job =
            Job { campaign: reply::number(&v[2])?, delivery: reply::number(&v[3])?, attempt: reply::number(&v[4])? };
        Ok((shard, job))
    });
    Ok((jobs.collect::<Result<_, _>>()?, reply::text(&more)? == "1"))
}
