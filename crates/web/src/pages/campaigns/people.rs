//! `/campaigns/{id}/people`: each recipient with state, reply and time.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{DeliveryState, Word};
use tidings_store::{CampaignHead, DeliveryId, PeopleCursor, PeopleFilter, PeoplePage, ProviderId};

use super::draft::{address, encoded, id_of};
use super::wording;
use crate::WebState;
use crate::filters;
use crate::page::{Nav, Page, Show};
use crate::paging::{PAGE_ROWS, Pager};
use crate::problem::WebResult;

#[derive(Template)]
#[template(path = "campaigns/people.html")]
struct PeopleListPage {
    page: Page,
    head: CampaignHead,
    asked: Asked,
    states: Vec<(&'static str, &'static str)>,
    providers: Vec<(String, String)>,
    rows: Vec<Row>,
    pager: Pager,
    csv: String,
    /// Since when the rows are gone: the installation keeps them no longer.
    removed_at_ms: Option<i64>,
}

impl Show for PeopleListPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

struct Row {
    id: DeliveryId,
    recipient: String,
    provider: String,
    tone: &'static str,
    state: &'static str,
    reason: String,
    reply: String,
    at_ms: i64,
    next_at_ms: Option<i64>,
}

/// The filter as it stands in the query.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub provider: String,
    #[serde(default)]
    pub q: String,
    #[serde(default)]
    pub after: String,
}

impl Asked {
    /// Words that are none of ours filter nothing.
    pub fn filter(&self) -> PeopleFilter {
        PeopleFilter {
            state: DeliveryState::parse(&self.state).ok(),
            provider: self.provider.parse().ok().map(ProviderId),
            search: self.q.trim().to_owned(),
        }
    }

    fn query(&self) -> String {
        format!("state={}&provider={}&q={}", encoded(&self.state), encoded(&self.provider), encoded(&self.q))
    }

    fn is_empty(&self) -> bool {
        self.filter() == PeopleFilter::default()
    }
}

pub async fn people(
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
    asked: web::Query<Asked>,
) -> WebResult<HttpResponse> {
    let (id, data, asked) = (id_of(&path), page.data(&state)?, asked.into_inner());
    let head = data.campaign_head(id).await?;
    let found = data.people(id, asked.filter(), PeopleCursor::parse(&asked.after), PAGE_ROWS).await?;
    let providers = data.campaign_providers(id).await?;
    let path = format!("{}?{}&", address(id, "/people"), asked.query());
    PeopleListPage {
        page: page.titled(format!("People of {}", head.name), Nav::Campaigns),
        pager: Pager::new(&path, asked.after.is_empty(), found.next.map(|c| c.to_string())),
        csv: format!("{}?{}", address(id, "/people.csv"), asked.query()),
        removed_at_ms: found.removed_at_ms,
        rows: rows(found),
        states: DeliveryState::ALL.iter().map(|s| (s.as_str(), wording::state(*s))).collect(),
        providers: providers.into_iter().map(|(id, name)| (id.to_string(), wording::provider(&name))).collect(),
        head,
        asked,
    }
    .show()
}

/// Kept back by an operator, on the command line.
const HELD: &str = "Held";

fn rows(found: PeoplePage) -> Vec<Row> {
    let PeoplePage { people, providers, .. } = found;
    people
        .into_iter()
        .map(|p| Row {
            next_at_ms: p.due_at_ms(),
            state: if p.is_held() { HELD } else { wording::state(p.state) },
            id: p.id,
            provider: providers
                .get(&p.provider_id)
                .filter(|n| !n.is_empty())
                .map(|n| wording::provider(n))
                .unwrap_or_default(),
            recipient: p.recipient,
            tone: wording::state_tone(p.state),
            reason: p.reason.map(|r| wording::reason(p.state, &r)).unwrap_or_default(),
            reply: p.reply.unwrap_or_default(),
            at_ms: p.updated_at_ms,
        })
        .collect()
}
