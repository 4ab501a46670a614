//! `/campaigns/{id}`: the checklist of a draft, or the overview of what was launched.

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_store::Campaign;

use super::badge::Badge;
use super::checklist::{self, Row};
use super::draft::{id_of, is_draft};
use super::overview;
use super::readiness::Readiness;
use super::tally::Tally;
use crate::WebState;
use crate::filters;
use crate::page::{Nav, Page, Show};
use crate::problem::WebResult;

#[derive(Template)]
#[template(path = "campaigns/checklist.html")]
struct ChecklistPage {
    page: Page,
    campaign: Campaign,
    badge: Badge,
    rows: Vec<Row>,
    readiness: Readiness,
    left: String,
}

impl Show for ChecklistPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

pub async fn show(page: Page, state: web::Data<WebState>, path: web::Path<i64>) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let campaign = data.campaign(id_of(&path)).await?;
    if !is_draft(&campaign) {
        return overview::show(page, &state, campaign.head.id).await;
    }
    let readiness = Readiness::of(&data, &campaign, page.now).await?;
    let page = page.titled(campaign.head.name.clone(), Nav::Campaigns);
    ChecklistPage {
        badge: Badge::of(&campaign.head, &Tally::default(), &page),
        rows: checklist::rows(&campaign, &readiness),
        left: checklist::left_to_do(readiness.blockers()),
        campaign,
        readiness,
        page,
    }
    .show()
}
