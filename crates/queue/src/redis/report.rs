//! Reading what the functions report. The order of values is that of `lua/report.lua`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;

use redis::Value;

use super::Shared;
use super::call::{Call, Patience};
use super::reply::{self, Odd};
use crate::{
    BudgetKind, CampaignStatus, ExpiredLease, Gauge, Health, HoldStatus, Job, Knob, Limit, Limits, PastTurn,
    ReducedKnob, RouteStatus, Shard, ShardStatus, SignalStatus, Snapshot, Standing, StoppedBy, StreamStatus, Turn,
    Window, WindowStatus,
};

pub const LAST_LANE: u8 = 2;
/// Destinations, or campaigns, in one call.
const STEP: &str = "1000";

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
        let mut routes = BTreeMap::new();
        let mut campaigns = BTreeMap::<i64, CampaignStatus>::new();
        let mut waiting = self.waiting.load(SeqCst);
        for partition in 0..self.partitions.len() {
            for row in self.pages(partition, "report", patience).await?.0 {
                let status = read_row(row).map_err(|odd| tracing::error!(%odd, "a report cannot be read")).ok()?;
                shards.insert(status.shard.clone(), status);
            }
            for row in self.pages(partition, "report_routes", patience).await?.0 {
                let status = read_route(row).map_err(|odd| tracing::error!(%odd, "a report cannot be read")).ok()?;
                routes.insert(status.route.clone(), status);
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
        let (shards, routes) = (shards.into_values().collect(), routes.into_values().collect());
        let campaigns = campaigns.into_values().collect();
        Some(Snapshot { shards, routes, campaigns, waiting_workers: waiting, health: Health::Up })
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
    let [lane, name, ready, delayed, leased, due, gauges @ .., hold, knobs, history, signal, streams, standing, stop] =
        &v[..]
    else {
        return Err(Odd::new(&v));
    };
    let (connections, rate, messages_per_connection, limits, windows) = read_gauges(gauges)?;
    Ok(ShardStatus {
        shard: Shard::new(reply::number(lane)?, reply::text(name)?),
        ready: reply::number(ready)?,
        delayed: reply::number(delayed)?,
        leased: reply::number(leased)?,
        next_due_in: reply::micros(due)?,
        connections,
        rate,
        messages_per_connection,
        limits,
        windows,
        hold: read_hold(hold)?,
        reduced: read_each(knobs, read_knob)?,
        history: read_each(history, read_past_turn)?,
        last_signal: read_signal(signal)?,
        streams: read_streams(streams)?,
        standing: read_standing(&reply::text(standing)?),
        stopped_by: read_stop(stop)?,
    })
}

fn read_streams(value: &Value) -> Result<Vec<StreamStatus>, Odd> {
    let mut streams = read_each(value, read_stream)?;
    streams.sort_by(|a, b| a.stream.cmp(&b.stream));
    Ok(streams)
}

fn read_stream(v: &[Value]) -> Result<StreamStatus, Odd> {
    let [stream, measured, per_second, hold, knobs, history, signal, waiting] = v else { return Err(Odd::new(&v)) };
    Ok(StreamStatus {
        stream: reply::text(stream)?,
        rate: Gauge { now: reply::number(measured)?, limit: reply::number(per_second)? },
        hold: read_hold(hold)?,
        reduced: read_each(knobs, read_knob)?,
        history: read_each(history, read_past_turn)?,
        last_signal: read_signal(signal)?,
        waiting: reply::number(waiting)?,
    })
}

fn read_route(row: Value) -> Result<RouteStatus, Odd> {
    let v = reply::list(row)?;
    let [route, gauges @ .., waiting] = &v[..] else { return Err(Odd::new(&v)) };
    let (connections, rate, messages_per_connection, limits, windows) = read_gauges(gauges)?;
    Ok(RouteStatus {
        route: reply::text(route)?,
        limits,
        connections,
        rate,
        messages_per_connection,
        windows,
        waiting: reply::number(waiting)?,
    })
}

type Gauges = (Gauge<u32>, Gauge<f64>, u32, Limits, Vec<WindowStatus>);

/// What `Q.gauges` gives.
fn read_gauges(v: &[Value]) -> Result<Gauges, Odd> {
    let [open, connections, measured, per_second, messages, limits, windows] = v else { return Err(Odd::new(&v)) };
    Ok((
        Gauge { now: reply::number(open)?, limit: reply::number(connections)? },
        Gauge { now: reply::number(measured)?, limit: reply::number(per_second)? },
        reply::number(messages)?,
        read_limits(limits)?,
        read_each(windows, read_window)?,
    ))
}

/// In the order of `Q.LIMITS`.
fn read_limits(value: &Value) -> Result<Limits, Odd> {
    let v = reply::list(value.clone())?;
    let [per_second, burst, minute, hour, day, connections, messages] = &v[..] else { return Err(Odd::new(&v)) };
    Ok(Limits {
        per_second: reply::number(per_second)?,
        burst: reply::number(burst)?,
        per_minute: reply::number(minute)?,
        per_hour: reply::number(hour)?,
        per_day: reply::number(day)?,
        connections: reply::number(connections)?,
        messages_per_connection: reply::number(messages)?,
    })
}

fn read_each<T>(value: &Value, read: fn(&[Value]) -> Result<T, Odd>) -> Result<Vec<T>, Odd> {
    reply::list(value.clone())?.into_iter().map(|row| read(&reply::list(row)?)).collect()
}

fn read_window(v: &[Value]) -> Result<WindowStatus, Odd> {
    let [minutes, began, used, limit, reserved, ends] = v else { return Err(Odd::new(&v)) };
    let minutes: u64 = reply::number(minutes)?;
    Ok(WindowStatus {
        window: Window::ALL.into_iter().find(|w| w.minutes() == minutes).ok_or_else(|| Odd::new(&v))?,
        began: reply::number(began)?,
        used: reply::number(used)?,
        limit: reply::number(limit)?,
        reserved: reply::number(reserved)?,
        ends_in: reply::micros(ends)?.unwrap_or_default(),
    })
}

fn read_hold(value: &Value) -> Result<Option<HoldStatus>, Odd> {
    let v = reply::list(value.clone())?;
    let [why, since, remaining] = &v[..] else { return Ok(None) };
    Ok(Some(HoldStatus {
        why: reply::text(why)?,
        since: reply::micros(since)?.unwrap_or_default(),
        remaining: reply::micros(remaining)?.unwrap_or_default(),
    }))
}

fn read_signal(value: &Value) -> Result<Option<SignalStatus>, Odd> {
    let v = reply::list(value.clone())?;
    let [why, ago, count] = &v[..] else { return Ok(None) };
    Ok(Some(SignalStatus {
        why: reply::text(why)?,
        ago: reply::micros(ago)?.unwrap_or_default(),
        count: reply::number(count)?,
    }))
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

fn read_stop(value: &Value) -> Result<Option<StoppedBy>, Odd> {
    let v = reply::list(value.clone())?;
    let [budget, limit, frees] = &v[..] else { return Ok(None) };
    Ok(Some(StoppedBy {
        budget: match reply::text(budget)?.as_str() {
            "route" => BudgetKind::Route,
            "stream" => BudgetKind::Stream,
            _ => BudgetKind::Destination,
        },
        limit: match reply::text(limit)?.as_str() {
            "held" => Limit::Hold,
            "connections" => Limit::Connections,
            "minute" => Limit::Window(Window::Minute),
            "hour" => Limit::Window(Window::Hour),
            "day" => Limit::Window(Window::Day),
            _ => Limit::Rate,
        },
        frees_in: reply::micros(frees)?,
    }))
}

fn read_knob_letter(value: &Value) -> Result<Knob, Odd> {
    Ok(match reply::text(value)?.as_str() {
        "r" => Knob::Rate,
        "c" => Knob::Connections,
        _ => Knob::MessagesPerConnection,
    })
}

fn read_knob(v: &[Value]) -> Result<ReducedKnob, Odd> {
    let [knob, ceiling, floor, now, why, since, next_raise] = v else { return Err(Odd::new(&v)) };
    Ok(ReducedKnob {
        knob: read_knob_letter(knob)?,
        ceiling: reply::number(ceiling)?,
        floor: reply::number(floor)?,
        now: reply::number(now)?,
        why: reply::text(why)?,
        since: reply::micros(since)?.unwrap_or_default(),
        next_raise_in: reply::micros(next_raise)?.unwrap_or_default(),
    })
}

fn read_past_turn(v: &[Value]) -> Result<PastTurn, Odd> {
    let [turn @ .., ago, why] = v else { return Err(Odd::new(&v)) };
    Ok(PastTurn {
        turn: self::turn(turn)?.ok_or_else(|| Odd::new(&v))?,
        ago: reply::micros(ago)?.unwrap_or_default(),
        why: reply::text(why)?,
    })
}

/// A knob, from and to; nothing when none moved.
pub fn turn(v: &[Value]) -> Result<Option<Turn>, Odd> {
    let [knob, from, to] = v else { return Ok(None) };
    Ok(Some(Turn { knob: read_knob_letter(knob)?, from: reply::number(from)?, to: reply::number(to)? }))
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

/// Leases that ran out, and whether there are more.
pub fn expired(reply: Vec<Value>) -> Result<(Vec<ExpiredLease>, bool), Odd> {
    let [more, rows] = &reply[..] else { return Err(Odd::new(&reply)) };
    Ok((read_each(rows, read_expired)?, reply::text(more)? == "1"))
}

fn read_expired(v: &[Value]) -> Result<ExpiredLease, Odd> {
    let [fence, worker, lane, name, jobs @ ..] = v else { return Err(Odd::new(&v)) };
    let job = |v: &[Value]| {
        let (campaign, delivery) = (reply::number(&v[0])?, reply::number(&v[1])?);
        Ok(Job { campaign, delivery, attempt: reply::number(&v[2])? })
    };
    Ok(ExpiredLease {
        fence: reply::number(fence)?,
        worker: reply::text(worker)?,
        shard: Shard::new(reply::number(lane)?, reply::text(name)?),
        jobs: jobs.chunks_exact(3).map(job).collect::<Result<_, _>>()?,
    })
}
