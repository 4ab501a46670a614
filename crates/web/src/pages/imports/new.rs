use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_store::ListWithCounts;

use crate::WebState;
use crate::filters;
use crate::form::Errors;
use crate::inventory::Entry;
use crate::page::{Nav, Page, Show};
use crate::problem::WebResult;

pub(crate) const ROUTES: &[Entry] = &[Entry::page("/imports/new", || web::to(form))];

/// Choice of the list that stands for one to be made.
pub(super) const NEW_LIST: &str = "new";

#[derive(serde::Deserialize)]
struct Query {
    list: Option<i64>,
}

#[derive(Template)]
#[template(path = "imports/new.html")]
struct NewPage {
    page: Page,
    lists: Vec<ListWithCounts>,
    typed: Typed,
    errors: Errors,
    steps: [(&'static str, &'static str); 3],
}

impl Show for NewPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

/// What a person filled in besides the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Typed {
    /// A list's id, or [`NEW_LIST`].
    pub list: String,
    pub list_name: String,
    pub consent_source: String,
    pub pasted: String,
}

async fn form(page: Page, query: web::Query<Query>, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let list = query.list.map_or_else(String::new, |id| id.to_string());
    show(page, &state, Typed { list, ..Typed::default() }, Errors::default()).await
}

/// The form, empty or with what was typed and what is wrong with it.
pub(super) async fn show(page: Page, state: &WebState, mut typed: Typed, errors: Errors) -> WebResult<HttpResponse> {
    let lists = page.data(state)?.lists().await?;
    if typed.list.is_empty() {
        typed.list = lists.first().map_or_else(|| NEW_LIST.to_owned(), |l| l.list.id.to_string());
    }
    let steps = super::show::steps(0);
    let is_wrong = !errors.is_empty();
    let page = NewPage { page: page.titled("Import subscribers", Nav::Imports), lists, typed, errors, steps };
    if is_wrong { page.show_errors() } else { page.show() }
}
