//! The first page: what to do next, or how things stand.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::filters;
use crate::inventory::Entry;
use crate::page::{Nav, Page, Show};
use crate::problem::WebResult;

pub(crate) const ROUTES: &[Entry] = &[Entry::page("/", || web::to(home))];

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    page: Page,
}

impl Show for HomePage {
    fn page(&self) -> &Page {
        &self.page
    }
}

async fn home(page: Page) -> WebResult<HttpResponse> {
    HomePage { page: page.titled("Home", Nav::Home) }.show()
}
