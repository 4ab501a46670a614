//! One subscriber: who he is, what he gets, and why he got nothing.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{SubscriptionStatus, Word};
use tidings_store::{
    Choice, ListId, ListWithCounts, Scope, SubscriberDetails, SubscriberEdit, SubscriberId, Suppression,
};

use super::subscribers::MAX_NAME;
use super::suppressions::shown;
use super::timeline::{Story, story};
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::inventory::Entry;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::{WebError, WebResult};
use crate::why_not::Verdict;
use crate::words::Label;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/subscribers/{id}", || web::to(show)),
    Entry::action("/subscribers/{id}", || web::to(save)),
    Entry::action("/subscribers/{id}/lists", || web::to(choose)),
    Entry::action("/subscribers/{id}/delete", || web::to(delete)),
];

/// A value of an attribute, in characters.
const MAX_VALUE: usize = 1_000;

shows!(SubscriberPage);

#[derive(Template)]
#[template(path = "subscribers/show.html")]
struct SubscriberPage {
    page: Page,
    details: SubscriberDetails,
    attributes: BTreeMap<String, String>,
    /// Lists that he does not stand on.
    other_lists: Vec<ListWithCounts>,
    verdict: Verdict,
    story: Story,
    errors: Errors,
}

#[derive(Deserialize)]
struct At {
    id: i64,
}

/// An older piece of the story.
#[derive(Deserialize)]
struct Older {
    before: Option<i64>,
}

#[derive(Deserialize)]
struct Wish {
    list: i64,
    status: String,
}

async fn show(
    page: Page,
    state: web::Data<WebState>,
    at: web::Path<At>,
    older: web::Query<Older>,
) -> WebResult<HttpResponse> {
    subscriber(page, &state, SubscriberId(at.id), older.before, Errors::default()).await?.show()
}

async fn subscriber(
    page: Page,
    state: &WebState,
    id: SubscriberId,
    before: Option<i64>,
    errors: Errors,
) -> WebResult<SubscriberPage> {
    let data = page.data(state)?;
    let details = data.subscriber(id, state.now()).await?;
    let mut other_lists = data.lists().await?;
    other_lists.retain(|row| details.subscriptions.iter().all(|known| known.list_id != row.list.id));
    let attributes = serde_json::from_str(&details.subscriber.attributes).unwrap_or_default();
    let email = details.subscriber.email.clone();
    let verdict = Verdict::of(&email, &data.why_not(email.clone(), None, state.now()).await?);
    let story = story(&page, &data, id, &email, before).await?;
    let page = page.titled(details.subscriber.email.clone(), Nav::Subscribers);
    Ok(SubscriberPage { page, details, attributes, other_lists, verdict, story, errors })
}

/// Names and the attributes that he has (fields `attribute:…`); a value that is emptied is removed.
async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    at: web::Path<At>,
    form: web::Form<BTreeMap<String, String>>,
) -> WebResult<HttpResponse> {
    let (id, mut errors) = (SubscriberId(at.id), Errors::default());
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let first_name = errors.text("first_name", field("first_name"), MAX_NAME, "").to_owned();
    let last_name = errors.text("last_name", field("last_name"), MAX_NAME, "").to_owned();
    let given = form.iter().filter_map(|(name, value)| Some((name.strip_prefix("attribute:")?, value.trim())));
    let attributes: BTreeMap<&str, &str> = given.filter(|(_, value)| !value.is_empty()).collect();
    if attributes.values().any(|value| value.chars().count() > MAX_VALUE) {
        errors.add("attributes", format!("A value has at most {MAX_VALUE} characters."));
    }
    if !errors.is_empty() {
        return subscriber(page, &state, id, None, errors).await?.show_errors();
    }
    let attributes = serde_json::to_string(&attributes).map_err(|e| WebError::Internal(e.to_string()))?;
    let edit = SubscriberEdit { first_name, last_name, attributes };
    page.data(&state)?.save_subscriber(id, edit, state.now()).await?;
    flash(&request, Tone::Ok, "Subscriber saved.");
    Ok(see_other(&format!("/subscribers/{id}")))
}

async fn choose(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    at: web::Path<At>,
    wish: web::Form<Wish>,
) -> WebResult<HttpResponse> {
    let status = SubscriptionStatus::parse(&wish.status).map_err(|e| WebError::BadRequest(e.to_string()))?;
    let source = format!("by hand, {}", page.who()?.name);
    let choice = Choice { list: ListId(wish.list), status, source };
    let changed = page.data(&state)?.choose(SubscriberId(at.id), choice, state.now()).await?;
    let said = match (changed, status) {
        (false, _) => "It stood so already; nothing was changed.",
        (true, SubscriptionStatus::Subscribed) => "Subscribed.",
        (true, SubscriptionStatus::Unsubscribed) => "Unsubscribed. Mail of this list that is still queued is skipped.",
    };
    flash(&request, Tone::Ok, said);
    Ok(see_other(&format!("/subscribers/{}", at.id)))
}

async fn delete(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    at: web::Path<At>,
) -> WebResult<HttpResponse> {
    let by = page.who()?.name.clone();
    page.data(&state)?.delete_subscriber(SubscriberId(at.id), by, state.now()).await?;
    flash(&request, Tone::Ok, "Subscriber deleted. Suppressions of the address go on to hold, without showing it.");
    Ok(see_other("/subscribers"))
}

impl SubscriberPage {
    fn shown(&self, entry: &Suppression) -> String {
        shown(entry)
    }

    fn about(&self, entry: &Suppression) -> &'static str {
        match (entry.is_global(), entry.scope()) {
            (true, Scope::All) => "All mail, by the installation's list",
            (true, _) => "One kind of mail, by the installation's list",
            (false, Scope::All) => "All mail",
            (false, Scope::Lane(_)) => "One kind of mail",
            (false, Scope::List(_)) => "One list",
        }
    }

    /// Some entry stops everything.
    fn is_suppressed(&self) -> bool {
        self.details.suppressions.iter().any(|entry| entry.scope() == Scope::All)
    }
}
