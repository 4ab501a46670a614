//! "Why is it waiting?" for a campaign, for one recipient and for a provider: a page, and the same as JSON.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::UnixMs;
use tidings_store::{CampaignId, DeliveryId};

use crate::WebState;
use crate::filters;
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, shows};
use crate::pages::campaigns::rate::per_second;
use crate::problem::WebResult;
use crate::text::number;
use crate::waiting::{self, Answer, Destination, Facts, Reason};

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/campaigns/{id}/why", || web::to(campaign)),
    Entry::page("/campaigns/{id}/why.json", || web::to(campaign_json)),
    Entry::page("/campaigns/{id}/people/{delivery}/why", || web::to(delivery)),
    Entry::page("/campaigns/{id}/people/{delivery}/why.json", || web::to(delivery_json)),
    Entry::page("/queues/why", || web::to(provider)).with_access(Access::Admin),
    Entry::page("/queues/why.json", || web::to(provider_json)).with_access(Access::Admin),
];

shows!(WhyPage);

#[derive(Template)]
#[template(path = "operations/why.html")]
struct WhyPage {
    page: Page,
    about: String,
    /// Back to what it is about.
    back: (String, String),
    json: String,
    /// Where what is put off is listed.
    deferred: String,
    counts: Vec<(&'static str, i64)>,
    /// There is something that can still move.
    facts_wait: bool,
    reasons: Vec<Line>,
    destinations: Vec<Row>,
}

/// A reason with its instants.
struct Line {
    reason: Reason,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
}

struct Row {
    who: String,
    waiting: i64,
    in_flight: i64,
    rate: String,
    connections: String,
    next: String,
}

/// What a page is about, read.
struct Asked {
    about: String,
    back: (String, String),
    json: String,
    deferred: String,
    facts: Facts,
}

#[derive(Deserialize)]
struct OfProvider {
    #[serde(default)]
    provider: String,
}

async fn campaign(page: Page, state: web::Data<WebState>, path: web::Path<i64>) -> WebResult<HttpResponse> {
    let asked = of_campaign(&page, &state, CampaignId(path.into_inner())).await?;
    show(page, asked, Nav::Campaigns)
}

async fn campaign_json(page: Page, state: web::Data<WebState>, path: web::Path<i64>) -> WebResult<HttpResponse> {
    let asked = of_campaign(&page, &state, CampaignId(path.into_inner())).await?;
    Ok(json(&page, &asked))
}

async fn delivery(page: Page, state: web::Data<WebState>, path: web::Path<(i64, i64)>) -> WebResult<HttpResponse> {
    let asked = of_delivery(&page, &state, path.into_inner()).await?;
    show(page, asked, Nav::Campaigns)
}

async fn delivery_json(page: Page, state: web::Data<WebState>, path: web::Path<(i64, i64)>) -> WebResult<HttpResponse> {
    let asked = of_delivery(&page, &state, path.into_inner()).await?;
    Ok(json(&page, &asked))
}

async fn provider(page: Page, state: web::Data<WebState>, given: web::Query<OfProvider>) -> WebResult<HttpResponse> {
    let asked = of_provider(&state, &given.provider).await?;
    show(page, asked, Nav::Queues)
}

async fn provider_json(
    page: Page,
    state: web::Data<WebState>,
    given: web::Query<OfProvider>,
) -> WebResult<HttpResponse> {
    let asked = of_provider(&state, &given.provider).await?;
    Ok(json(&page, &asked))
}

async fn of_campaign(page: &Page, state: &WebState, id: CampaignId) -> WebResult<Asked> {
    let overview = page.data(state)?.overview(id).await?;
    let (facts, seen) = waiting::here(state).await?;
    let moved_at = state.live.last_look(id).and_then(|look| look.moved_at);
    Ok(Asked {
        about: overview.head.name.clone(),
        back: (format!("/campaigns/{id}"), overview.head.name.clone()),
        json: format!("/campaigns/{id}/why.json"),
        deferred: format!("/deferred?campaign={id}"),
        facts: waiting::of_overview(Facts { moved_at, ..facts }, &overview, &seen),
    })
}

async fn of_delivery(page: &Page, state: &WebState, (campaign, id): (i64, i64)) -> WebResult<Asked> {
    let (data, campaign) = (page.data(state)?, CampaignId(campaign));
    let overview = data.overview(campaign).await?;
    let history = data.delivery(campaign, DeliveryId(id)).await?;
    let (facts, seen) = waiting::here(state).await?;
    let recipient = history.person.recipient.clone();
    Ok(Asked {
        back: (format!("/campaigns/{campaign}/people/{id}"), recipient.clone()),
        about: recipient,
        json: format!("/campaigns/{campaign}/people/{id}/why.json"),
        deferred: String::new(),
        facts: waiting::of_delivery(facts, &overview, &history, &seen),
    })
}

async fn of_provider(state: &WebState, provider: &str) -> WebResult<Asked> {
    let (facts, seen) = waiting::here(state).await?;
    let facts = waiting::of_provider(facts, &state.store, provider, seen).await?;
    let is_relay = tidings_domain::Destination::of(provider).is_relay();
    let about = facts.route_names.owner(provider);
    let query = crate::pages::campaigns::encoded(provider);
    Ok(Asked {
        about,
        back: ("/queues".to_owned(), "Queues".to_owned()),
        json: format!("/queues/why.json?provider={query}"),
        deferred: if is_relay { String::new() } else { format!("/deferred?provider={query}") },
        facts,
    })
}

fn json(page: &Page, asked: &Asked) -> HttpResponse {
    HttpResponse::Ok().json(Answer::new(asked.about.clone(), &asked.facts, &|at| page.clock(at)))
}

fn show(page: Page, asked: Asked, nav: Nav) -> WebResult<HttpResponse> {
    let facts = &asked.facts;
    let reasons = waiting::explain(facts, &|at: UnixMs| page.clock(at));
    let ms = |at: Option<UnixMs>| at.map(|at| at.0);
    let line = |reason: Reason| Line { since_ms: ms(reason.since), until_ms: ms(reason.until), reason };
    WhyPage {
        counts: counts(facts),
        facts_wait: waits(facts),
        destinations: facts.destinations.iter().map(|found| Row::of(found, facts, &page)).collect(),
        reasons: reasons.into_iter().map(line).collect(),
        about: asked.about,
        back: asked.back,
        json: asked.json,
        deferred: asked.deferred,
        page: page.titled("Why is it waiting?", nav),
    }
    .show()
}

fn waits(facts: &Facts) -> bool {
    match &facts.delivery {
        Some(delivery) => !delivery.state.is_terminal(),
        None => facts.left.open() > 0 || facts.destinations.iter().any(|there| there.waiting() > 0),
    }
}

fn counts(facts: &Facts) -> Vec<(&'static str, i64)> {
    let left = &facts.left;
    let all = [
        ("Being prepared", left.pending),
        ("In the queue", left.queued),
        ("In flight", left.in_flight),
        ("Put off", left.deferred),
    ];
    // Of one recipient there is nothing to count.
    if facts.delivery.is_some() { Vec::new() } else { all.to_vec() }
}

impl Row {
    fn of(destination: &Destination, facts: &Facts, page: &Page) -> Self {
        let status = &destination.status;
        let limited = |now: String, limit: Option<String>| match limit {
            Some(limit) => format!("{now} of {limit}"),
            None => format!("{now}, no limit"),
        };
        let next = destination.next_token();
        Self {
            who: facts.route_names.destination(&status.shard.name),
            waiting: i64::try_from(status.ready + status.delayed).unwrap_or(i64::MAX),
            in_flight: i64::try_from(status.leased).unwrap_or(i64::MAX),
            rate: limited(
                per_second(status.rate.now),
                (status.rate.limit > 0.0).then(|| per_second(status.rate.limit)),
            ),
            connections: limited(
                number(status.connections.now.into()),
                (status.connections.limit > 0).then(|| number(status.connections.limit.into())),
            ),
            next: if next.as_secs() < 2 { "now".to_owned() } else { page.clock(page.now.plus(next)) },
        }
    }
}
