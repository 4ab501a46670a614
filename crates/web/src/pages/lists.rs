//! All lists, and making a new one.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_store::{ListWithCounts, StoreError};

use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::inventory::Entry;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::WebResult;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/lists", || web::to(index)),
    Entry::page("/lists/new", || web::to(new)),
    Entry::action("/lists", || web::to(create)),
];

const MAX_NAME: usize = 120;
const MAX_DESCRIPTION: usize = 400;

shows!(ListsPage, NewListPage);

#[derive(Template)]
#[template(path = "lists/index.html")]
struct ListsPage {
    page: Page,
    lists: Vec<ListWithCounts>,
}

#[derive(Template)]
#[template(path = "lists/new.html")]
struct NewListPage {
    page: Page,
    form: ListForm,
    errors: Errors,
}

/// Name and description, of a new list and of one that changes.
#[derive(Deserialize, Default)]
pub(super) struct ListForm {
    pub name: String,
    pub description: String,
}

impl ListForm {
    /// The trimmed name and description.
    pub fn check(&self) -> Result<(String, String), Errors> {
        let mut errors = Errors::default();
        let name = errors.text("name", &self.name, MAX_NAME, "Give the list a name.").to_owned();
        let description = errors.text("description", &self.description, MAX_DESCRIPTION, "").to_owned();
        if errors.is_empty() { Ok((name, description)) } else { Err(errors) }
    }
}

/// What to say when the name is taken; any other failure goes on.
pub(super) fn name_taken<T>(result: Result<T, StoreError>) -> WebResult<Result<T, Errors>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(StoreError::Exists(_)) => {
            let mut errors = Errors::default();
            errors.add("name", "There is a list with this name already.");
            Ok(Err(errors))
        }
        Err(other) => Err(other.into()),
    }
}

async fn index(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let lists = page.data(&state)?.lists().await?;
    ListsPage { page: page.titled("Lists", Nav::Lists), lists }.show()
}

async fn new(page: Page) -> WebResult<HttpResponse> {
    let page = page.titled("New list", Nav::Lists);
    NewListPage { page, form: ListForm::default(), errors: Errors::default() }.show()
}

async fn create(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<ListForm>,
) -> WebResult<HttpResponse> {
    let form = form.into_inner();
    let made = match form.check() {
        Ok((name, description)) => name_taken(page.data(&state)?.create_list(name, description, state.now()).await)?,
        Err(errors) => Err(errors),
    };
    match made {
        Ok(id) => {
            flash(&request, Tone::Ok, "List created. Now fill it: import a file, or add people one by one.");
            Ok(see_other(&format!("/lists/{id}")))
        }
        Err(errors) => NewListPage { page: page.titled("New list", Nav::Lists), form, errors }.show_errors(),
    }
}
