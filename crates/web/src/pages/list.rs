//! One list: its members, its name, its end.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_store::{DeletedList, ListId, ListWithCounts, SubscriberRow};

use super::lists::{ListForm, name_taken};
use super::subscribers::{Search, rows_and_pager};
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::inventory::Entry;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::paging::Pager;
use crate::problem::WebResult;
use crate::words::Label;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/lists/{id}", || web::to(show)),
    Entry::page("/lists/{id}/edit", || web::to(edit)),
    Entry::action("/lists/{id}", || web::to(save)),
    Entry::action("/lists/{id}/delete", || web::to(delete)),
];

shows!(ListPage, EditListPage);

#[derive(Template)]
#[template(path = "lists/show.html")]
struct ListPage {
    page: Page,
    row: ListWithCounts,
    members: Vec<SubscriberRow>,
    pager: Pager,
    q: String,
}

#[derive(Template)]
#[template(path = "lists/edit.html")]
struct EditListPage {
    page: Page,
    id: ListId,
    form: ListForm,
    errors: Errors,
}

#[derive(Deserialize)]
struct At {
    id: i64,
}

async fn show(
    page: Page,
    state: web::Data<WebState>,
    at: web::Path<At>,
    search: web::Query<Search>,
) -> WebResult<HttpResponse> {
    let (id, data) = (ListId(at.id), page.data(&state)?);
    let row = data.list(id).await?;
    let (members, pager) = rows_and_pager(&data, Some(id), &search, &format!("/lists/{id}")).await?;
    let q = search.into_inner().q;
    ListPage { page: page.titled(row.list.name.clone(), Nav::Lists), row, members, pager, q }.show()
}

async fn edit(page: Page, state: web::Data<WebState>, at: web::Path<At>) -> WebResult<HttpResponse> {
    let list = page.data(&state)?.list(ListId(at.id)).await?.list;
    let form = ListForm { name: list.name, description: list.description };
    EditListPage { page: page.titled("Edit list", Nav::Lists), id: list.id, form, errors: Errors::default() }.show()
}

async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    at: web::Path<At>,
    form: web::Form<ListForm>,
) -> WebResult<HttpResponse> {
    let (id, form) = (ListId(at.id), form.into_inner());
    let saved = match form.check() {
        Ok((name, description)) => name_taken(page.data(&state)?.save_list(id, name, description).await)?,
        Err(errors) => Err(errors),
    };
    match saved {
        Ok(()) => {
            flash(&request, Tone::Ok, "List saved.");
            Ok(see_other(&format!("/lists/{id}")))
        }
        Err(errors) => EditListPage { page: page.titled("Edit list", Nav::Lists), id, form, errors }.show_errors(),
    }
}

async fn delete(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    at: web::Path<At>,
) -> WebResult<HttpResponse> {
    let (id, data) = (ListId(at.id), page.data(&state)?);
    let name = data.list(id).await?.list.name;
    match data.delete_list(id).await? {
        DeletedList::Deleted => {
            flash(&request, Tone::Ok, format!("List “{name}” deleted. Its subscribers are still there."));
            Ok(see_other("/lists"))
        }
        DeletedList::BeingRead(campaigns) => {
            let names = campaigns.join("”, “");
            let why =
                format!("“{names}” is reading its recipients from this list just now. Try again when it is queued.");
            flash(&request, Tone::Warn, why);
            Ok(see_other(&format!("/lists/{id}")))
        }
    }
}
