//! `/unsent/confirm`: how many it would be, before anything is done to all that match.

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{Unsent, UnsentAct};

use super::asked::Asked;
use super::words::{ActWords, act_words, named};
use crate::WebState;
use crate::filters;
use crate::page::{Nav, Page, Show, shows};
use crate::problem::{WebError, WebResult};

/// With a filter on days or states the rows themselves are counted, and no further than this.
pub(super) const COUNTED_AT_MOST: i64 = 100_000;

shows!(ConfirmPage);

#[derive(Template)]
#[template(path = "unsent/confirm.html")]
struct ConfirmPage {
    page: Page,
    asked: Asked,
    act: UnsentAct,
    words: ActWords,
    total: i64,
    conditions: Vec<String>,
    back: String,
    back_text: &'static str,
    error: &'static str,
}

impl ConfirmPage {
    fn asks_reason(&self) -> bool {
        self.act == UnsentAct::Discard
    }
}

pub(super) async fn confirm(
    page: Page,
    state: web::Data<WebState>,
    asked: web::Query<Asked>,
) -> WebResult<HttpResponse> {
    let asked = asked.into_inner();
    let act = asked.act().ok_or_else(|| WebError::BadRequest("There is no such act.".to_owned()))?;
    page_of(page, &state, asked, act, "").await?.show()
}

/// Again, with what is wrong.
pub(super) async fn refused(
    page: Page,
    state: &WebState,
    asked: Asked,
    act: UnsentAct,
    error: &'static str,
) -> WebResult<HttpResponse> {
    page_of(page, state, asked, act, error).await?.show_errors()
}

async fn page_of(
    page: Page,
    state: &WebState,
    asked: Asked,
    act: UnsentAct,
    error: &'static str,
) -> WebResult<ConfirmPage> {
    let data = page.data(state)?;
    let filter = asked.filter(page.zone);
    let total = data.would_act(act, filter.clone(), COUNTED_AT_MOST, page.now).await?;
    let at_least = filter.looks_at_rows() && total >= COUNTED_AT_MOST;
    let campaign = match filter.campaign {
        Some(id) => Some(data.campaign_head(id).await?.name),
        None => None,
    };
    let (list, back_text, nav) = match act.side() {
        Unsent::Dead => ("/dead-letters", "Dead letters", Nav::DeadLetters),
        Unsent::Deferred => ("/deferred", "Deferred", Nav::Deferred),
    };
    Ok(ConfirmPage {
        words: act_words(act, &named(act, total, at_least)),
        conditions: asked.words(campaign.as_deref()),
        back: format!("{list}?{}", asked.query()),
        back_text,
        total,
        act,
        asked,
        error,
        page: page.titled("Are you sure?", nav),
    })
}
