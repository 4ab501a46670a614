//! A pool: its name, and how much of the work each route takes.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_store::{DeletedPool, MAX_POOLS, MAX_WEIGHT, NewPool, Pool, PoolId, Route, RouteId, SavedPool};

use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::WebResult;

const MAX_NAME: usize = 100;

shows!(PoolPage);

#[derive(Template)]
#[template(path = "settings/pool.html")]
struct PoolPage {
    page: Page,
    /// `None`: it is new.
    id: Option<PoolId>,
    name: String,
    rows: Vec<ShareRow>,
    errors: Errors,
}

/// A route with the weight that stands in its field; empty: it is not in the pool.
struct ShareRow {
    route: Route,
    weight: String,
}

/// `weight_3=2` for each route.
#[derive(Deserialize)]
pub struct PoolForm {
    #[serde(default)]
    name: String,
    #[serde(flatten)]
    weights: HashMap<String, String>,
}

impl PoolForm {
    fn weight(&self, id: RouteId) -> &str {
        self.weights.get(&format!("weight_{id}")).map_or("", |typed| typed.trim())
    }

    fn check(&self, routes: &[Route], errors: &mut Errors) -> NewPool {
        let name = errors.text("name", &self.name, MAX_NAME, "Give it a name.").to_owned();
        let mut shares = Vec::new();
        for route in routes.iter().filter(|route| !self.weight(route.id).is_empty()) {
            match self.weight(route.id).parse::<i32>() {
                Ok(0) => {}
                Ok(weight) if (1..=MAX_WEIGHT).contains(&weight) => shares.push((route.id, weight)),
                _ => errors.add("weights", format!("A weight is a number from 1 to {MAX_WEIGHT}: see {}.", route.name)),
            }
        }
        if shares.is_empty() {
            errors.add("weights", "Give at least one route a weight.");
        }
        NewPool { name, shares }
    }
}

impl PoolPage {
    fn of(page: Page, id: Option<PoolId>, name: String, rows: Vec<ShareRow>, errors: Errors) -> Self {
        let title = if id.is_some() { "Edit the pool" } else { "New pool" };
        Self { page: page.titled(title, Nav::Settings), id, name, rows, errors }
    }
}

fn stored_rows(routes: Vec<Route>, pool: &Pool) -> Vec<ShareRow> {
    let weight =
        |route: &Route| pool.shares.iter().find(|(id, _)| *id == route.id).map(|(_, weight)| weight.to_string());
    routes.into_iter().map(|route| ShareRow { weight: weight(&route).unwrap_or_default(), route }).collect()
}

fn typed_rows(routes: Vec<Route>, form: &PoolForm) -> Vec<ShareRow> {
    routes.into_iter().map(|route| ShareRow { weight: form.weight(route.id).to_owned(), route }).collect()
}

pub async fn new(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let routes = page.data(&state)?.routes().await?;
    let rows = routes.into_iter().map(|route| ShareRow { weight: "1".to_owned(), route }).collect();
    PoolPage::of(page, None, String::new(), rows, Errors::default()).show()
}

pub async fn form(page: Page, state: web::Data<WebState>, id: web::Path<i64>) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let pool = data.pool(PoolId(*id)).await?;
    let rows = stored_rows(data.routes().await?, &pool);
    PoolPage::of(page, Some(pool.id), pool.name, rows, Errors::default()).show()
}

pub async fn add(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<PoolForm>,
) -> WebResult<HttpResponse> {
    keep(&request, page, &state, None, form.into_inner()).await
}

pub async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
    form: web::Form<PoolForm>,
) -> WebResult<HttpResponse> {
    keep(&request, page, &state, Some(PoolId(*id)), form.into_inner()).await
}

async fn keep(
    request: &HttpRequest,
    page: Page,
    state: &WebState,
    id: Option<PoolId>,
    form: PoolForm,
) -> WebResult<HttpResponse> {
    let (data, mut errors) = (page.data(state)?, Errors::default());
    let routes = data.routes().await?;
    let pool = form.check(&routes, &mut errors);
    if errors.is_empty() {
        match data.save_pool(id, pool, page.now).await? {
            SavedPool::Yes(_) => {
                flash(request, Tone::Ok, "Pool saved. What is queued from now on is shared out like this.");
                return Ok(see_other("/settings/sending"));
            }
            SavedPool::NameTaken => errors.add("name", "Another pool has this name."),
            SavedPool::NoRoutes => errors.add("weights", "Give at least one route a weight."),
            SavedPool::TooMany => errors.add("name", format!("There are {MAX_POOLS} pools, which is the most.")),
        }
    }
    let rows = typed_rows(routes, &form);
    PoolPage::of(page, id, form.name, rows, errors).show_errors()
}

pub async fn delete(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let (tone, said) = match page.data(&state)?.delete_pool(PoolId(*id)).await? {
        DeletedPool::Yes => (Tone::Ok, "The pool is deleted. Its routes are still there.".to_owned()),
        DeletedPool::IsDefault => {
            (Tone::Bad, "It cannot be deleted: it is what mail leaves by that says nothing else.".to_owned())
        }
        DeletedPool::InUse(names) => {
            (Tone::Bad, format!("It cannot be deleted: it is the way of {}.", names.join(", ")))
        }
    };
    flash(&request, tone, said);
    Ok(see_other("/settings/sending"))
}
