use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::ImportState;
use tidings_store::{Import, ImportId};

use crate::WebState;
use crate::filters;
use crate::inventory::Entry;
use crate::page::{Nav, Page, Show};
use crate::paging::{PAGE_ROWS, Pager};
use crate::problem::WebResult;

pub(crate) const ROUTES: &[Entry] = &[Entry::page("/imports", || web::to(history))];

#[derive(Deserialize)]
struct Query {
    after: Option<i64>,
}

#[derive(Template)]
#[template(path = "imports/history.html")]
struct HistoryPage {
    page: Page,
    imports: Vec<Row>,
    pager: Pager,
}

impl Show for HistoryPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

struct Row {
    import: Import,
    tone: &'static str,
    state: &'static str,
}

async fn history(page: Page, query: web::Query<Query>, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let imports = page.data(&state)?.imports(query.after.map(ImportId)).await?;
    let is_full = i64::try_from(imports.len()).is_ok_and(|n| n >= PAGE_ROWS);
    let next = imports.last().filter(|_| is_full).map(|import| import.id.to_string());
    let pager = Pager::new("/imports?", query.after.is_none(), next);
    let imports = imports.into_iter().map(Row::of).collect();
    HistoryPage { page: page.titled("Imports", Nav::Imports), imports, pager }.show()
}

impl Row {
    fn of(import: Import) -> Self {
        let (tone, state) = badge(import.state);
        Self { import, tone, state }
    }
}

/// The tone and the words of a state's badge.
pub(super) fn badge(state: ImportState) -> (&'static str, &'static str) {
    match state {
        ImportState::Uploaded => ("live", "Reading"),
        ImportState::Review => ("warn", "Waiting for you"),
        ImportState::Ready => ("info", "Waiting"),
        ImportState::Running => ("live", "Importing"),
        ImportState::Done => ("ok", "Done"),
        ImportState::Failed => ("bad", "Failed"),
        ImportState::Cancelled => ("neutral", "Cancelled"),
    }
}
