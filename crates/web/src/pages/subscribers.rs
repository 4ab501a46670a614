//! All subscribers, the search over them, and adding one by hand.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::EmailAddress;
use tidings_store::{
    Added, ListId, ListWithCounts, NewSubscriber, SubscriberId, SubscriberKey, SubscriberRow, Workspace,
};

use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::inventory::Entry;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::paging::{PAGE_ROWS, Pager};
use crate::problem::WebResult;
use crate::words::Label;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/subscribers", || web::to(index)),
    Entry::page("/subscribers/new", || web::to(new)),
    Entry::action("/subscribers", || web::to(add)),
];

pub(super) const MAX_NAME: usize = 120;
const MAX_SOURCE: usize = 200;

shows!(SubscribersPage, NewSubscriberPage);

#[derive(Template)]
#[template(path = "subscribers/index.html")]
struct SubscribersPage {
    page: Page,
    rows: Vec<SubscriberRow>,
    pager: Pager,
    q: String,
}

#[derive(Template)]
#[template(path = "subscribers/new.html")]
struct NewSubscriberPage {
    page: Page,
    lists: Vec<ListWithCounts>,
    form: NewForm,
    errors: Errors,
}

/// What stands in the address of a table of subscribers.
#[derive(Deserialize, Default)]
pub(super) struct Search {
    #[serde(default)]
    pub q: String,
    #[serde(default)]
    pub after: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NewForm {
    email: String,
    first_name: String,
    last_name: String,
    list: String,
    source: String,
}

impl NewForm {
    fn check(&self) -> Result<NewSubscriber, Errors> {
        let mut errors = Errors::default();
        let email = errors.take("email", EmailAddress::parse(&self.email));
        let first_name = errors.text("first_name", &self.first_name, MAX_NAME, "").to_owned();
        let last_name = errors.text("last_name", &self.last_name, MAX_NAME, "").to_owned();
        let why = "Say how this person agreed, for example: asked at the counter.";
        let source = errors.text("source", &self.source, MAX_SOURCE, why).to_owned();
        let lists = self.list.parse().map(ListId).into_iter().collect();
        match email.filter(|_| errors.is_empty()) {
            Some(email) => Ok(NewSubscriber { email, first_name, last_name, lists, source }),
            None => Err(errors),
        }
    }
}

/// A page of rows: newest first, or by address when searched. One row more than shown is read, to know whether there is a next page.
pub(super) async fn rows_and_pager(
    data: &Workspace,
    list: Option<ListId>,
    search: &Search,
    path: &str,
) -> WebResult<(Vec<SubscriberRow>, Pager)> {
    let is_search = !search.q.trim().is_empty();
    let after = match (search.after.as_str(), is_search) {
        ("", _) => None,
        (email, true) => Some(SubscriberKey::Email(email.to_owned())),
        (id, false) => id.parse().ok().map(|id| SubscriberKey::Id(SubscriberId(id))),
    };
    let is_first = after.is_none();
    let mut rows = data.subscribers(list, &search.q, after, PAGE_ROWS + 1).await?;
    let has_more = rows.len() > PAGE_ROWS as usize;
    rows.truncate(PAGE_ROWS as usize);
    let key = |row: &SubscriberRow| match is_search {
        true => encoded(&row.subscriber.email),
        false => row.subscriber.id.to_string(),
    };
    let next = rows.last().filter(|_| has_more).map(key);
    let path = if is_search { format!("{path}?q={}&", encoded(search.q.trim())) } else { format!("{path}?") };
    Ok((rows, Pager::new(&path, is_first, next)))
}

/// Text as it may stand in a query (RFC 3986 §2).
fn encoded(text: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~@".contains(&octet);
    text.bytes()
        .map(|octet| if plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") })
        .collect()
}

async fn index(page: Page, state: web::Data<WebState>, search: web::Query<Search>) -> WebResult<HttpResponse> {
    let (rows, pager) = rows_and_pager(&page.data(&state)?, None, &search, "/subscribers").await?;
    let q = search.into_inner().q;
    SubscribersPage { page: page.titled("Subscribers", Nav::Subscribers), rows, pager, q }.show()
}

/// `?list=3` chooses the list beforehand.
async fn new(page: Page, state: web::Data<WebState>, form: web::Query<NewForm>) -> WebResult<HttpResponse> {
    let lists = page.data(&state)?.lists().await?;
    let page = page.titled("Add a subscriber", Nav::Subscribers);
    NewSubscriberPage { page, lists, form: form.into_inner(), errors: Errors::default() }.show()
}

async fn add(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<NewForm>,
) -> WebResult<HttpResponse> {
    let (form, data) = (form.into_inner(), page.data(&state)?);
    let new = match form.check() {
        Ok(new) => new,
        Err(errors) => {
            let (page, lists) = (page.titled("Add a subscriber", Nav::Subscribers), data.lists().await?);
            return NewSubscriberPage { page, lists, form, errors }.show_errors();
        }
    };
    let id = match data.add_subscriber(new, state.now()).await? {
        Added::Created(id) => {
            flash(&request, Tone::Ok, "Subscriber added.");
            id
        }
        Added::Exists(id) => {
            flash(&request, Tone::Info, "This person was here already; nothing was changed. Set the lists below.");
            id
        }
    };
    Ok(see_other(&format!("/subscribers/{id}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_person_types_stays_inside_its_parameter() {
        assert_eq!(super::encoded("ana+x&after=1@example.org"), "ana%2Bx%26after%3D1@example.org");
        assert_eq!(super::encoded("josé"), "jos%C3%A9");
    }
}
