//! `/campaigns`: all campaigns, newest first.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::CampaignState;
use tidings_store::{CampaignId, CampaignRow, CampaignTab};

use super::badge::Badge;
use super::tally::{Segment, Tally, percent};
use crate::WebState;
use crate::filters;
use crate::page::{Nav, Page, Show};
use crate::paging::Pager;
use crate::problem::WebResult;

const CAMPAIGNS_PER_PAGE: i64 = 25;

#[derive(Deserialize)]
pub struct Query {
    #[serde(default)]
    tab: String,
    #[serde(default)]
    q: String,
    after: Option<i64>,
}

#[derive(Template)]
#[template(path = "campaigns/index.html")]
struct IndexPage {
    page: Page,
    /// Word, label and whether it is the open one.
    tabs: Vec<(&'static str, &'static str, bool)>,
    q: String,
    rows: Vec<Row>,
    pager: Pager,
    /// The workspace has no campaign at all, as opposed to none that fits.
    is_new: bool,
}

struct Row {
    id: CampaignId,
    name: String,
    subject: String,
    badge: Badge,
    is_draft: bool,
    segments: Vec<Segment>,
    recipients: i64,
    accepted: i64,
    accepted_percent: String,
    bounced: i64,
}

impl Show for IndexPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

const TABS: [(&str, &str, CampaignTab); 4] = [
    ("", "All", CampaignTab::All),
    ("draft", "Draft", CampaignTab::Draft),
    ("sending", "Sending", CampaignTab::Sending),
    ("done", "Done", CampaignTab::Done),
];

pub async fn index(page: Page, state: web::Data<WebState>, query: web::Query<Query>) -> WebResult<HttpResponse> {
    let Query { tab, q, after } = query.into_inner();
    let (word, _, tab) = TABS.into_iter().find(|(word, _, _)| *word == tab).unwrap_or(TABS[0]);
    let data = page.data(&state)?;
    let mut found = data.campaigns(tab, &q, after.map(CampaignId), CAMPAIGNS_PER_PAGE + 1).await?;
    let has_more = found.len() > usize::try_from(CAMPAIGNS_PER_PAGE).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(CAMPAIGNS_PER_PAGE).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| has_more).map(|row| row.head.id.to_string());
    let path = format!("/campaigns?tab={word}&q={}&", super::draft::encoded(&q));
    let page = page.titled("Campaigns", Nav::Campaigns);
    IndexPage {
        tabs: TABS.map(|(w, label, _)| (w, label, w == word)).to_vec(),
        is_new: found.is_empty() && q.is_empty() && after.is_none() && tab == CampaignTab::All,
        rows: found.into_iter().map(|row| self::row(row, &page)).collect(),
        pager: Pager::new(&path, after.is_none(), next),
        q,
        page,
    }
    .show()
}

fn row(row: CampaignRow, page: &Page) -> Row {
    let CampaignRow { head, counts } = row;
    let tally = Tally::new(counts);
    Row {
        id: head.id,
        badge: Badge::of(&head, &tally, page),
        is_draft: head.state == CampaignState::Draft,
        segments: tally.segments(),
        recipients: tally.to_send(),
        accepted: tally.accepted(),
        accepted_percent: percent(tally.accepted(), tally.settled()),
        bounced: tally.bounced(),
        name: head.name,
        subject: head.subject,
    }
}
