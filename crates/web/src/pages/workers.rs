//! `/workers`: who of this installation lives, what it does now, and how to start another one.

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{CampaignState, ProcessRole, UnixMs, Word};
use tidings_store::Heartbeat;

use crate::filters;
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, shows};
use crate::problem::WebResult;
use crate::text::count_of;
use crate::waiting::{self, Reason, reasons_of_lanes};
use crate::{Ops, WebState};

pub(crate) const ROUTES: &[Entry] = &[Entry::page("/workers", || web::to(show)).with_access(Access::Admin)];

/// A process that has been silent for longer counts as gone.
const SILENT_MS: i64 = UnixMs::MINUTE;
/// Several times what one heartbeat may be late.
const LATE_MS: i64 = 10 * UnixMs::SECOND;
/// From this share of its connections on a worker is called busy, in percent.
const BUSY_PERCENT: i64 = 90;

shows!(WorkersPage);

#[derive(Template)]
#[template(path = "operations/workers.html")]
struct WorkersPage {
    page: Page,
    rows: Vec<Row>,
    advice: Advice,
    /// Who leads the dispatching; `None` where it is not chosen among several.
    leader: Option<Leader>,
    /// Of several processes on one queue.
    shares_queue: bool,
}

struct Row {
    beat: Heartbeat,
    tone: &'static str,
    state: String,
    does: String,
}

struct Leader {
    tone: &'static str,
    words: String,
}

/// What to do about the number of workers, if anything.
struct Advice {
    tone: &'static str,
    icon: &'static str,
    title: String,
    detail: String,
    /// To type after the detail; empty when there is nothing to do.
    command: &'static str,
}

async fn show(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let beats = state.store.workers().await?;
    let gauges = state.store.gauges(page.now).await?;
    let active: i64 = CampaignState::ALL_ACTIVE.iter().filter_map(|s| gauges.campaigns.get(s)).sum();
    let (facts, seen) = waiting::here(&state).await?;
    let starved: usize =
        seen.shards.iter().filter(|s| s.standing == tidings_queue::Standing::Free).map(|s| s.ready).sum();
    let shares_queue = state.ops.shares_queue();
    let lanes = reasons_of_lanes(facts, &seen.shards);
    let advice =
        lanes.into_iter().next().map_or_else(|| advice(&beats, page.now, active, starved, shares_queue), of_lane);
    let leader = if shares_queue { Some(leader(&state.ops).await) } else { None };
    let rows = beats.into_iter().map(|beat| row(beat, page.now)).collect();
    WorkersPage { page: page.titled("Workers", Nav::Workers), rows, advice, leader, shares_queue }.show()
}

fn row(beat: Heartbeat, now: UnixMs) -> Row {
    let silent = now.0 - beat.heartbeat_at_ms;
    let (tone, state) = match silent {
        ms if ms < LATE_MS => ("ok", "Alive".to_owned()),
        ms if ms < SILENT_MS => ("warn", "Late".to_owned()),
        _ => ("bad", "Gone".to_owned()),
    };
    let does = match ProcessRole::parse(&beat.role) {
        Ok(ProcessRole::Serve) => "Everything: pages, dispatching, sending".to_owned(),
        Ok(ProcessRole::Web) => "Pages, public links, imports".to_owned(),
        Ok(ProcessRole::Dispatcher) => "Fan-out, jobs, retries that are due".to_owned(),
        Ok(ProcessRole::Worker) if beat.lanes.is_empty() => "Sends".to_owned(),
        Ok(ProcessRole::Worker) => format!("Sends what is {}", beat.lanes),
        Ok(ProcessRole::Intake) => "Takes the mail that comes back".to_owned(),
        Err(_) => "A role of another version".to_owned(),
    };
    Row { beat, tone, state, does }
}

async fn leader(ops: &Ops) -> Leader {
    match ops.dispatcher_lease().await {
        Some((holder, true)) => Leader { tone: "ok", words: format!("{holder} leads the dispatching") },
        Some((holder, false)) => Leader {
            tone: "bad",
            words: format!("{holder} led the dispatching and is silent; no other has taken over"),
        },
        None => Leader { tone: "bad", words: "No dispatcher leads: campaigns do not move along".to_owned() },
    }
}

/// Workers there are, and yet not enough.
fn of_lane(lane: Reason) -> Advice {
    Advice { tone: "bad", icon: "triangle-alert", title: lane.sentence, detail: lane.more, command: lane.command }
}

/// `starved`: ready jobs that no limit of their provider keeps back.
fn advice(beats: &[Heartbeat], now: UnixMs, active: i64, starved: usize, shares_queue: bool) -> Advice {
    let command = if shares_queue { "tidings worker" } else { "tidings serve" };
    let senders: Vec<&Heartbeat> = beats
        .iter()
        .filter(|b| now.0 - b.heartbeat_at_ms < SILENT_MS)
        .filter(|b| ProcessRole::parse(&b.role).is_ok_and(ProcessRole::sends))
        .collect();
    let (used, of) = senders.iter().fold((0, 0), |(u, o), b| (u + b.connections, o + b.max_connections));
    if senders.is_empty() {
        let detail = match active {
            0 => "Nothing waits now. A campaign that is launched waits until one runs. Start one:".to_owned(),
            n => format!("{} until one runs. Start one:", count_of(n, "campaign waits", "campaigns wait")),
        };
        let title = "No worker is running".to_owned();
        return Advice { tone: "bad", icon: "triangle-alert", title, detail, command };
    }
    if starved > 0 && of > 0 && used * 100 >= of * BUSY_PERCENT {
        let start = if shares_queue { " Start one:" } else { "" };
        let detail = format!(
            "{} that no provider keeps back, and {used} of {of} connections are in use.{start}",
            count_of(i64::try_from(starved).unwrap_or(i64::MAX), "message waits", "messages wait")
        );
        let title = "Another worker would send sooner".to_owned();
        let command = if shares_queue { command } else { "" };
        return Advice { tone: "info", icon: "gauge", title, detail, command };
    }
    let title = format!("{} enough", count_of(senders.len() as i64, "worker is", "workers are"));
    let detail = match of {
        0 => "Nothing that could be sent now waits for one.".to_owned(),
        of => {
            format!("{used} of {of} connections are in use; what waits, waits for its provider and not for a worker.")
        }
    };
    Advice { tone: "ok", icon: "circle-check", title, detail, command: "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(role: &str, at: i64, connections: i64) -> Heartbeat {
        Heartbeat {
            id: "a".into(),
            role: role.into(),
            host: "h".into(),
            version: "1".into(),
            started_at_ms: 0,
            heartbeat_at_ms: at,
            connections,
            attempts: 0,
            max_connections: 100,
            attempts_per_minute: 0,
            lanes: String::new(),
        }
    }

    #[test]
    fn the_advice_names_what_is_missing() {
        let now = UnixMs(UnixMs::HOUR);
        let say = |beats: &[Heartbeat], starved, shares| advice(beats, now, 2, starved, shares);
        let none = say(&[beat("dispatcher", now.0, 0), beat("worker", 0, 0)], 0, true);
        assert_eq!((none.title.as_str(), none.command), ("No worker is running", "tidings worker"));
        assert!(none.detail.contains("2 campaigns wait"), "{}", none.detail);
        assert_eq!(say(&[], 0, false).command, "tidings serve");
        let busy = say(&[beat("worker", now.0, 95)], 7, true);
        assert!(busy.title.contains("Another worker") && busy.detail.contains("95 of 100"), "{}", busy.detail);
        let idle = say(&[beat("worker", now.0, 10)], 7, true);
        assert_eq!((idle.tone, idle.command), ("ok", ""));
    }

    #[test]
    fn life_has_three_grades() {
        let now = UnixMs(UnixMs::HOUR);
        let state = |silent: i64| row(beat("worker", now.0 - silent, 0), now).state;
        assert_eq!(
            (state(2_000), state(20_000), state(UnixMs::MINUTE)),
            ("Alive".into(), "Late".into(), "Gone".into())
        );
    }
}
