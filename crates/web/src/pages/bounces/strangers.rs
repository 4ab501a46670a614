//! `/bounces/strangers`: reports of nobody's mail, for admins. They belong to no workspace, and nothing followed from them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_store::{ReportId, ReportNames};

use super::raw::attachment;
use super::report::ReportPage;
use super::row::ReportLine;
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::paging::{PAGE_ROWS, Pager};
use crate::problem::{WebError, WebResult};

/// Counted so far; from there on it is "more than".
const MOST_COUNTED: i64 = 1_000;

shows!(StrangersPage);

#[derive(Template)]
#[template(path = "bounces/strangers.html")]
struct StrangersPage {
    page: Page,
    count: String,
    rows: Vec<ReportLine>,
    pager: Pager,
}

#[derive(Deserialize)]
pub(super) struct At {
    after: Option<i64>,
}

pub(super) async fn index(page: Page, state: web::Data<WebState>, at: web::Query<At>) -> WebResult<HttpResponse> {
    let mut rows = state.store.strangers_reports(at.after.map(ReportId), PAGE_ROWS + 1).await?;
    let has_more = rows.len() > PAGE_ROWS as usize;
    rows.truncate(PAGE_ROWS as usize);
    let next = rows.last().filter(|_| has_more).map(|row| row.id.to_string());
    let counted = state.store.count_strangers(MOST_COUNTED + 1).await?;
    let none = ReportNames::default();
    StrangersPage {
        page: page.titled("Not ours", Nav::Bounces),
        count: counted_words(i64::try_from(counted).unwrap_or(i64::MAX)),
        rows: rows.iter().map(|row| ReportLine::of(row, &none)).collect(),
        pager: Pager::new("/bounces/strangers?", at.after.is_none(), next),
    }
    .show()
}

fn counted_words(n: i64) -> String {
    match n {
        n if n > MOST_COUNTED => format!("more than {} reports", crate::text::number(MOST_COUNTED)),
        n => crate::text::count_of(n, "report", "reports"),
    }
}

pub(super) async fn show(page: Page, state: web::Data<WebState>, id: web::Path<i64>) -> WebResult<HttpResponse> {
    let found = state.store.strangers_report(ReportId(id.into_inner())).await?;
    let (row, octets) = found.ok_or(WebError::NotFound)?;
    ReportPage::new(page, row, &octets, ReportNames::default(), None)?.show()
}

pub(super) async fn raw(page: Page, state: web::Data<WebState>, id: web::Path<i64>) -> WebResult<HttpResponse> {
    page.who()?;
    attachment(state.store.strangers_report(ReportId(id.into_inner())).await?)
}

pub(super) async fn again(
    request: HttpRequest,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let id = ReportId(id.into_inner());
    state.store.strangers_report(id).await?.ok_or(WebError::NotFound)?;
    match state.store.read_stranger_again(id).await? {
        true => flash(
            &request,
            Tone::Ok,
            "It is read again by the rules of now. If it is somebody's after all, it moves to his log.",
        ),
        false => flash(&request, Tone::Info, "It cannot be read again: its text is not kept any more."),
    }
    Ok(see_other("/bounces/strangers"))
}
