//! The overview of a launched campaign, as one snapshot. The first page load and every live update render the same part.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{CampaignState, DeliveryState, UnixMs};
use tidings_store::{CampaignId, Overview};

use super::badge::Badge;
use super::live::{Look, fresh};
use super::pace::{self, Pace};
use super::providers::{self, ProviderRow};
use super::rate::{about, per_second};
use super::stuck::{self, Stuck};
use super::tally::{Segment, Tally, percent};
use super::wording;
use crate::WebState;
use crate::bounce_words::{self, ClassWords};
use crate::filters;
use crate::page::{Nav, Page, Show};
use crate::pages::providers::{EventRow, event_rows};
use crate::pages::sending::standing::RouteTrouble;
use crate::problem::WebResult;
use crate::text::{count_of, number};
use crate::waiting::HEARTBEAT_LIMIT;

#[derive(Template)]
#[template(path = "campaigns/overview.html")]
struct OverviewPage {
    page: Page,
    live: LiveView,
}

impl Show for OverviewPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

/// The parts that change, as one SSE message.
#[derive(Template)]
#[template(path = "campaigns/overview-update.html")]
struct Update<'a> {
    page: &'a Page,
    live: LiveView,
}

/// A step of the rail, with when it was entered.
pub struct Step {
    pub text: &'static str,
    /// `done`, `current` or `ahead`.
    pub state: &'static str,
    pub at_ms: Option<i64>,
}

/// One of the four large numbers.
pub struct Stat {
    pub label: &'static str,
    pub n: i64,
    pub note: String,
}

/// Refusals with the same meaning.
pub struct ErrorGroup {
    pub words: ClassWords,
    pub provider: String,
    pub code: String,
    pub sample: String,
    pub n: i64,
    pub first_at_ms: i64,
    pub last_at_ms: i64,
}

/// Everything on the page, ready to be shown.
pub struct LiveView {
    pub id: CampaignId,
    pub badge: Badge,
    pub lead: String,
    pub steps: Vec<Step>,
    pub segments: Vec<Segment>,
    pub total: i64,
    /// The sum of the segments is the audience that fan-out froze.
    pub is_complete: bool,
    pub progress_line: String,
    pub speed_line: String,
    pub stats: Vec<Stat>,
    pub pace: Option<Pace>,
    pub stuck: Option<Stuck>,
    pub troubles: Vec<RouteTrouble>,
    pub attention: String,
    pub in_doubt: i64,
    pub skipped: Vec<(String, i64)>,
    pub providers: Vec<ProviderRow>,
    /// What slowed or freed its destinations lately.
    pub turns: Vec<EventRow>,
    pub groups: Vec<ErrorGroup>,
    pub events: Vec<(i64, String, String)>,
    pub heartbeat: String,
    pub can_pause: bool,
    pub can_resume: bool,
    pub can_cancel: bool,
    /// Who will not get it when it is cancelled now.
    pub would_miss: i64,
    /// It goes on by itself, so the page listens.
    pub is_live: bool,
    pub unsubscribed: i64,
}

pub async fn show(page: Page, state: &web::Data<WebState>, id: CampaignId) -> WebResult<HttpResponse> {
    let data = page.data(state)?;
    let look = fresh(state, &data, id).await?;
    if !look.is_final() {
        // Its updater starts now, so that the rate is known by the time the page listens or reloads.
        drop(state.live.watch(state, data, id));
    }
    let page = page.titled(look.overview.head.name.clone(), Nav::Campaigns);
    OverviewPage { live: view(&look, &page), page }.show()
}

/// One message of the event stream.
///
/// # Errors
/// The template cannot be rendered.
pub fn update(look: &Look, page: &Page) -> WebResult<String> {
    Ok(Update { page, live: view(look, page) }.render()?)
}

pub fn view(look: &Look, page: &Page) -> LiveView {
    let overview = &look.overview;
    let head = &overview.head;
    let tally = Tally::new(overview.counts.clone());
    let clock = |at: UnixMs| page.clock(at);
    let is_paused = head.paused_at_ms.is_some() && head.state.is_active();
    LiveView {
        id: head.id,
        badge: Badge::of(head, &tally, page),
        lead: lead(overview),
        steps: steps(overview),
        segments: tally.segments(),
        total: tally.total(),
        is_complete: head.audience_total == Some(tally.total()),
        progress_line: progress_line(head.state, &tally),
        speed_line: speed_line(look, &tally, clock),
        stats: stats(overview, &tally),
        pace: pace::explain(look, clock),
        stuck: stuck::diagnose(look),
        troubles: look.troubles.clone(),
        attention: head.attention.clone(),
        in_doubt: tally.of(DeliveryState::InDoubt),
        skipped: overview.skipped.iter().map(|(reason, n)| (wording::skipped(reason).to_owned(), *n)).collect(),
        providers: providers::rows(look, page),
        turns: event_rows(&look.turns, &look.route_names, page),
        groups: groups(overview),
        events: overview.events.iter().map(|e| (e.at_ms, e.actor.clone(), wording::capitalised(&e.what))).collect(),
        heartbeat: heartbeat(overview, look.at),
        can_pause: head.state.is_active() && !is_paused,
        can_resume: is_paused,
        can_cancel: head.state.is_active(),
        would_miss: tally.open() - tally.of(DeliveryState::Sending),
        is_live: !look.is_final(),
        unsubscribed: overview.responses.unsubscribed,
    }
}

fn lead(overview: &Overview) -> String {
    let names = |included: bool| -> Vec<&str> {
        overview.lists.iter().filter(|l| l.is_included() == included).map(|l| l.list_name.as_str()).collect()
    };
    let without = match names(false) {
        excluded if excluded.is_empty() => String::new(),
        excluded => format!(", without {}", excluded.join(", ")),
    };
    let route = overview.route.as_ref().map(|route| format!(" · by {route}")).unwrap_or_default();
    format!("“{}” to {}{without}{route}", overview.head.subject, names(true).join(", "))
}

fn steps(overview: &Overview) -> Vec<Step> {
    use CampaignState as S;
    let head = &overview.head;
    let reached = match head.state {
        S::Draft | S::Scheduled => 0,
        S::Queuing => 1,
        S::Queued => 2,
        S::Sending => 3,
        S::Done => 4,
        S::Cancelled => [head.queuing_at_ms, head.queued_at_ms, head.sending_at_ms].iter().flatten().count(),
    };
    let stations = [
        (S::Draft, Some(head.created_at_ms)),
        (S::Queuing, head.queuing_at_ms),
        (S::Queued, head.queued_at_ms),
        (S::Sending, head.sending_at_ms),
        if head.state == S::Cancelled { (S::Cancelled, head.cancelled_at_ms) } else { (S::Done, head.done_at_ms) },
    ];
    let is_over = matches!(head.state, S::Done | S::Cancelled);
    let step = |(at, (state, at_ms)): (usize, (CampaignState, Option<i64>))| Step {
        text: wording::campaign_state(state),
        state: match at {
            4 if is_over => "current",
            at if at < reached || (is_over && at == reached && at_ms.is_some()) => "done",
            at if at == reached && !is_over => "current",
            _ => "ahead",
        },
        at_ms,
    };
    stations.into_iter().enumerate().map(step).collect()
}

fn progress_line(state: CampaignState, tally: &Tally) -> String {
    match state {
        CampaignState::Queuing => format!("{} people prepared so far", number(tally.total())),
        _ => format!("{} of {} handled", number(tally.to_send() - tally.open()), number(tally.to_send())),
    }
}

/// `1,204/s now · 1,180/s over the last minute · about 4 min left, done at 14:32`.
fn speed_line(look: &Look, tally: &Tally, clock: impl Fn(UnixMs) -> String) -> String {
    let head = &look.overview.head;
    if let (Some(from), Some(to)) = (head.queuing_at_ms, head.done_at_ms) {
        return whole_run(tally, UnixMs(to).since(UnixMs(from)));
    }
    if !head.state.is_active() || head.paused_at_ms.is_some() {
        return String::new();
    }
    let mut parts = Vec::new();
    if let Some(now) = look.rate.now.filter(|_| head.sending_at_ms.is_some()) {
        parts.push(format!("{} now", per_second(now)));
    }
    if let Some(minute) = look.rate.minute.filter(|rate| *rate > 0.0) {
        parts.push(format!("{} in the last minute", per_second(minute)));
        if tally.ahead() > 0 {
            #[allow(clippy::cast_precision_loss)] // an estimate
            let left = Duration::from_secs_f64((tally.ahead() as f64 / minute).min(1e8));
            let retries = if tally.of(DeliveryState::Deferred) > 0 { ", plus retries" } else { "" };
            parts.push(format!("{} left, done about {}{retries}", about(left), clock(look.at.plus(left))));
        }
    }
    parts.join(" · ")
}

fn whole_run(tally: &Tally, took: Duration) -> String {
    let took_s = took.as_secs_f64();
    #[allow(clippy::cast_precision_loss)] // an average
    let average = if took_s >= 1.0 {
        format!(" · {} on average", per_second(tally.settled() as f64 / took_s))
    } else {
        String::new()
    };
    format!("Took {}{average}", about(took).trim_start_matches("about "))
}

fn stats(overview: &Overview, tally: &Tally) -> Vec<Stat> {
    let (accepted, settled) = (tally.accepted(), tally.settled());
    let responses = overview.responses;
    vec![
        Stat {
            label: "Accepted",
            n: accepted,
            note: format!("{} of {} attempted", percent(accepted, settled), number(settled)),
        },
        Stat {
            label: "Opened",
            n: responses.opened_unique,
            note: format!("{} of accepted · an estimate", percent(responses.opened_unique, accepted)),
        },
        Stat {
            label: "Clicked",
            n: responses.clicked_unique,
            note: format!("{} of accepted", percent(responses.clicked_unique, accepted)),
        },
        Stat {
            label: "Bounced",
            n: tally.bounced(),
            note: format!("{} of attempted", percent(tally.bounced(), settled)),
        },
    ]
}

fn groups(overview: &Overview) -> Vec<ErrorGroup> {
    let group = |g: &tidings_store::ReplyGroup| ErrorGroup {
        words: bounce_words::explain(&g.class),
        provider: wording::provider(&g.provider),
        code: g.enhanced.clone().unwrap_or_default(),
        sample: g.sample.clone(),
        n: g.n,
        first_at_ms: g.first_at_ms,
        last_at_ms: g.last_at_ms,
    };
    overview.groups.iter().map(group).collect()
}

fn heartbeat(overview: &Overview, now: UnixMs) -> String {
    let limit = i64::try_from(HEARTBEAT_LIMIT.as_millis()).unwrap_or(i64::MAX);
    let senders = || overview.workers.iter().filter(|w| pace::sends(w));
    let alive = senders().filter(|w| now.0 - w.heartbeat_at_ms < limit).count();
    let Some(latest) = senders().next() else { return "No worker has reported yet".to_owned() };
    let ago = now.since(UnixMs(latest.heartbeat_at_ms)).as_secs();
    let ago = if ago < 90 { format!("{ago} s ago") } else { format!("{} ago", about(Duration::from_secs(ago))) };
    let workers = count_of(i64::try_from(alive).unwrap_or(0), "worker", "workers");
    format!("{workers} alive · last heartbeat {ago} from {}", latest.host)
}
