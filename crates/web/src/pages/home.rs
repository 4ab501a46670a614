//! The first page: what to do next, and how the latest campaigns stand.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{CampaignState, DeliveryState, UnixMs};
use tidings_queue::Health;
use tidings_store::{CampaignHead, CampaignRow, CampaignTab, DomainNotice, DomainTrouble, SetupProgress, WorkerBeat};

use super::campaigns::wording;
use super::providers::{Alert, alerts};
use super::route_names::RouteNames;
use crate::WebState;
use crate::chart::StackedBar;
use crate::filters;
use crate::inventory::Entry;
use crate::page::{Nav, Page, Show, shows};
use crate::pages::sending::standing::{RouteFacts, RouteTrouble};
use crate::problem::WebResult;
use crate::text::{When, count_of, number};
use crate::waiting::{self, Process, Reason, does, reasons_of_lanes};

pub(crate) const ROUTES: &[Entry] =
    &[Entry::page("/", || web::to(home)), Entry::page("/home/campaigns", || web::to(campaigns))];

const CAMPAIGNS_SHOWN: i64 = 5;
const ALERTS_SHOWN: i64 = 10;
/// A campaign that ended so long ago is not told of any more.
const ALERT_FOR_MS: i64 = 7 * UnixMs::DAY;
/// A worker that has been silent for longer counts as gone.
const SILENT_MS: i64 = UnixMs::MINUTE;

shows!(HomePage);

#[derive(Template)]
#[template(path = "home.html", blocks = ["latest"])]
struct HomePage {
    page: Page,
    progress: SetupProgress,
    latest: Vec<Latest>,
    worker: Option<WorkerNotice>,
    /// Lanes in which something waits and that no worker serves.
    lanes: Vec<Reason>,
    /// The queue's server is away: what is wrong, and what that means.
    away: Option<(String, String)>,
    /// Why nothing is sent at all.
    lock: Option<String>,
    /// Providers that block us, for who can do something about it.
    blocks: Vec<Alert>,
    /// Routes that do not get through.
    troubles: Vec<RouteTrouble>,
    /// Campaigns that wait for a person.
    attention: Vec<CampaignHead>,
    /// Sending domains that do.
    domains: Vec<DomainNotice>,
}

/// A campaign of the last few.
struct Latest {
    head: CampaignHead,
    bar: StackedBar,
    sub: String,
}

/// Nobody sends just now.
struct WorkerNotice {
    title: String,
    /// When the last one was heard of, and where.
    last: Option<(When, String)>,
}

async fn home(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    read(page, &state).await?.show()
}

/// The latest campaigns alone: the page asks for them again while one is being sent.
async fn campaigns(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let home = read(page, &state).await?;
    crate::page::fragment(&home.as_latest())
}

async fn read(page: Page, state: &WebState) -> WebResult<HomePage> {
    let data = page.data(state)?;
    let progress = data.setup_progress().await?;
    let rows = data.campaigns(CampaignTab::All, "", None, CAMPAIGNS_SHOWN).await?;
    let attention = data.campaigns_needing_attention(UnixMs(page.now.0 - ALERT_FOR_MS), ALERTS_SHOWN).await?;
    let (facts, seen) = waiting::here(state).await?;
    let waiting = rows.iter().find(|row| row.head.state.is_active()).map(|row| row.head.name.as_str());
    let worker = worker_notice(&page, &facts.workers, waiting);
    let latest = rows.into_iter().map(Latest::new).collect();
    let lock = facts.lock.clone();
    let lanes = reasons_of_lanes(facts, &seen.shards);
    let blocks = match page.who()?.is_admin() {
        true => {
            let names = RouteNames::read(&state.store).await?;
            alerts(state.store.standing_blocks(page.now).await?, &names, &page)
        }
        false => Vec::new(),
    };
    let domains = data.domain_notices(page.now).await?;
    let troubles = RouteFacts::read(state, &data, page.now).await?.troubles(page.now);
    Ok(HomePage {
        page: page.titled("Home", Nav::Home),
        troubles,
        progress,
        latest,
        worker,
        lanes,
        away: away(&state.queue.health()),
        lock,
        blocks,
        attention,
        domains,
    })
}

fn away(health: &Health) -> Option<(String, String)> {
    match health {
        Health::Up => None,
        Health::Down { since, trouble, why } => {
            Some((trouble.to_string(), format!("{} It said: {why}", wording::queue_is_away(*since))))
        }
    }
}

fn worker_notice(page: &Page, workers: &[WorkerBeat], waiting: Option<&str>) -> Option<WorkerNotice> {
    let sends = |worker: &&WorkerBeat| does(Process::Worker, worker);
    let last = workers.iter().filter(sends).max_by_key(|worker| worker.heartbeat_at_ms);
    if last.is_some_and(|worker| page.now.0 - worker.heartbeat_at_ms < SILENT_MS) {
        return None;
    }
    let title = match waiting {
        Some(name) => format!("“{name}” is waiting: no worker is running"),
        None => "No worker is running".to_owned(),
    };
    Some(WorkerNotice { title, last: last.map(|worker| (page.when(&worker.heartbeat_at_ms), worker.host.clone())) })
}

impl HomePage {
    fn is_live(&self) -> bool {
        self.latest.iter().any(|row| row.head.state.is_active())
    }

    fn steps_done(&self) -> usize {
        let p = &self.progress;
        let done = [true, p.has_organisation, p.has_route, p.has_subscribers, p.has_campaign, p.has_launched];
        done.into_iter().filter(|done| *done).count()
    }
}

impl Latest {
    fn new(row: CampaignRow) -> Self {
        let bar = bar(&row.counts);
        let sub = sub_line(&row);
        Self { head: row.head, bar, sub }
    }

    fn badge(&self) -> (&'static str, &'static str) {
        match self.head.state {
            _ if !self.head.attention.is_empty() => ("bad", "Needs attention"),
            state if state.is_active() && self.head.paused_at_ms.is_some() => ("warn", "Paused"),
            CampaignState::Draft => ("neutral", "Draft"),
            CampaignState::Scheduled => ("info", "Scheduled"),
            CampaignState::Queuing => ("live", "Queuing"),
            CampaignState::Queued => ("info", "Queued"),
            CampaignState::Sending => ("live", "Sending"),
            CampaignState::Done => ("ok", "Done"),
            CampaignState::Cancelled => ("neutral", "Cancelled"),
        }
    }
}

fn bar(counts: &BTreeMap<DeliveryState, i64>) -> StackedBar {
    use DeliveryState as S;
    let of = |states: &[S]| states.iter().map(|state| counts.get(state).copied().unwrap_or(0)).sum::<i64>();
    let parts = [
        ("ok", "Accepted", of(&[S::Accepted])),
        ("bad", "Bounced or failed", of(&[S::HardBounced, S::SoftBounced, S::Failed, S::Complained])),
        ("doubt", "In doubt", of(&[S::InDoubt])),
        ("muted", "Skipped or cancelled", of(&[S::Skipped, S::Cancelled])),
        ("warn", "Deferred", of(&[S::Deferred])),
        ("live", "Sending", of(&[S::Sending])),
        ("rest", "Waiting", of(&[S::Pending, S::Queued])),
    ];
    StackedBar::new(counts.values().sum(), parts.map(|(class, label, n)| (class, label.to_owned(), n)))
}

fn sub_line(row: &CampaignRow) -> String {
    let accepted = row.counts.get(&DeliveryState::Accepted).copied().unwrap_or(0);
    match (row.head.state, row.head.audience_total) {
        (CampaignState::Draft, _) if row.head.subject.is_empty() => "No subject yet".to_owned(),
        (CampaignState::Draft, _) => row.head.subject.clone(),
        (CampaignState::Queuing, _) => format!("Preparing, {} so far", number(row.counts.values().sum())),
        (_, Some(total)) => format!("{} of {} accepted", number(accepted), count_of(total, "recipient", "recipients")),
        (_, None) => row.head.subject.clone(),
    }
}
