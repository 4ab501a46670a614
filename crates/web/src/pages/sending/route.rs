//! One route: how it stands, what it may send, its warm-up, and the check of its connection.

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{DayFigures, RouteKind, Service, UnixMs, WarmUpPlan};
use tidings_store::{Route, RouteCheck, RouteId, RouteWorker, WarmUpStanding};

use super::standing::{RouteFacts, Standing, today};
use crate::WebState;
use crate::filters;
use crate::page::{Nav, Page, Show, shows};
use crate::pages::campaigns::wording;
use crate::problem::WebResult;
use crate::text::number;
use crate::words::Label;

/// Days of figures on the page.
const DAYS_SHOWN: i64 = 14;

shows!(RoutePage);

#[derive(Template)]
#[template(path = "settings/route.html")]
struct RoutePage {
    page: Page,
    route: Route,
    standing: Standing,
    way: String,
    limits: Vec<String>,
    workers: Vec<RouteWorker>,
    check: Option<RouteCheck>,
    plan: Option<WarmUpPlan>,
    warm_up: Vec<WarmUpRow>,
    days: Vec<DayRow>,
    /// The newest draft: what a test message can be made of.
    draft: Option<i64>,
}

struct WarmUpRow {
    provider: String,
    day: u32,
    today: String,
    stays: String,
}

struct DayRow {
    date: String,
    figures: DayFigures,
}

pub async fn show(page: Page, state: web::Data<WebState>, id: web::Path<i64>) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let route = data.route_of(RouteId(*id)).await?;
    let facts = RouteFacts::read(&state, &data, page.now).await?;
    let check = data.route_check(route.id).await?;
    let warm_up = data.warm_up_of(route.id).await?;
    let days = data.route_days(route.id, page.now.utc_date() - DAYS_SHOWN).await?;
    let drafts = data.campaigns(tidings_store::CampaignTab::Draft, "", None, 1).await?;
    RoutePage {
        standing: facts.standing(&route, page.now),
        way: way(&route),
        limits: limits(&route),
        workers: facts.workers.into_iter().filter(|worker| worker.route == route.id).collect(),
        check,
        plan: route.warm_up(),
        warm_up: warm_up.iter().map(|standing| row(&route, standing)).collect(),
        days: days.into_iter().rev().map(|(date, figures)| DayRow { date: date_of(date), figures }).collect(),
        draft: drafts.first().map(|row| row.head.id.0),
        page: page.titled(route.name.clone(), Nav::Settings),
        route,
    }
    .show()
}

impl RoutePage {
    fn is_checking(&self) -> bool {
        self.check.as_ref().is_some_and(|check| check.done_at_ms.is_none())
    }

    fn is_broken(&self) -> bool {
        self.standing.word == "Broken"
    }
}

/// Where it leads, in a line.
pub fn way(route: &Route) -> String {
    match route.kind {
        RouteKind::Relay => {
            let service = Service::of_relay(&route.host).map(|service| format!("{}, ", service.label()));
            format!("Through the relay {}{}:{}", service.unwrap_or_default(), route.host, route.port)
        }
        RouteKind::Direct => {
            let sources: Vec<&str> =
                [route.source_v4.as_str(), route.source_v6.as_str()].into_iter().filter(|s| !s.is_empty()).collect();
            match sources.is_empty() {
                true => "Directly, from whichever address the machine takes".to_owned(),
                false => format!("Directly, from {}", sources.join(" and ")),
            }
        }
    }
}

/// Each limit that is set, in words.
pub fn limits(route: &Route) -> Vec<String> {
    let limits = [
        (route.max_connections, "connections at once"),
        (route.max_per_second, "a second"),
        (route.max_per_minute, "a minute"),
        (route.max_per_hour, "an hour"),
        (route.max_per_day, "a day"),
    ];
    limits.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", number(n.into()))).collect()
}

fn row(route: &Route, standing: &WarmUpStanding) -> WarmUpRow {
    WarmUpRow {
        provider: wording::provider(&standing.provider),
        day: standing.day,
        today: today(route, standing),
        stays: if standing.stays.is_empty() { String::new() } else { format!("{}.", standing.stays) },
    }
}

fn date_of(date: i64) -> String {
    let at = UnixMs::of_utc_date(date);
    chrono::DateTime::from_timestamp_millis(at.0).map_or_else(String::new, |at| at.format("%Y-%m-%d").to_string())
}
