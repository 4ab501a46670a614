use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{SuppressionKind, SuppressionReason, Word};
use tidings_store::{Scope, SuppressionEvent};

use super::owner::{ListNames, Owner, kind_label, label, list_names};
use crate::WebState;
use crate::filters;
use crate::page::{Nav, Page, Show, shows};
use crate::paging::{PAGE_ROWS, Pager};
use crate::problem::WebResult;
use crate::words::Label;

shows!(HistoryPage);

#[derive(Template)]
#[template(path = "suppressions/history.html")]
struct HistoryPage {
    page: Page,
    events: Vec<SuppressionEvent>,
    pager: Pager,
    lists: ListNames,
    base: &'static str,
}

#[derive(Deserialize)]
pub(super) struct After {
    after: Option<i64>,
}

pub(super) async fn history(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    asked: web::Query<After>,
) -> WebResult<HttpResponse> {
    let owner = Owner::of(&request, &page, &state)?;
    let lists = list_names(&page, &state, owner.is_global).await?;
    let mut events = owner.list.suppression_events(None, asked.after, PAGE_ROWS + 1).await?;
    let has_more = events.len() > PAGE_ROWS as usize;
    events.truncate(PAGE_ROWS as usize);
    let next = events.last().filter(|_| has_more).map(|event| event.id.to_string());
    let pager = Pager::new(&format!("{}/history?", owner.base), asked.after.is_none(), next);
    let page = page.titled("History of the suppression list", Nav::Suppressions);
    HistoryPage { page, events, pager, lists, base: owner.base }.show()
}

impl HistoryPage {
    fn badge(&self, event: &SuppressionEvent) -> (&'static str, &'static str) {
        match event.action.as_str() {
            "added" => ("info", "Added"),
            "imported" => ("info", "Imported"),
            "removed" => ("warn", "Removed"),
            _ => ("neutral", "Erased"),
        }
    }

    fn what(&self, event: &SuppressionEvent) -> String {
        match SuppressionKind::parse(&event.kind) {
            Ok(SuppressionKind::Hash) => kind_label(SuppressionKind::Hash).to_owned(),
            Ok(_) => event.value.clone(),
            Err(_) => "Many entries".to_owned(),
        }
    }

    fn about(&self, event: &SuppressionEvent) -> String {
        let scope = Scope::parse(&event.scope).map(|scope| label(scope, &self.lists)).unwrap_or_default();
        let reason = SuppressionReason::parse(&event.reason).map(|reason| reason.label()).unwrap_or_default();
        format!("{reason} · {scope}")
    }
}
