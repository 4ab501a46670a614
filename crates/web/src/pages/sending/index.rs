//! `/settings/sending`: who sends, the routes with how they stand, the pools, and what mail leaves by that says nothing else.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_store::{Pool, PoolId, RouteId};

use super::form::SenderForm;
use super::route::{limits, way};
use super::standing::{RouteFacts, Standing};
use super::ways::{shares_of, way_of, word_of};
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::WebResult;

shows!(SendingPage);

#[derive(Template)]
#[template(path = "settings/sending.html")]
struct SendingPage {
    page: Page,
    sender: SenderForm,
    errors: Errors,
    routes: Vec<RouteRow>,
    pools: Vec<PoolRow>,
    /// As the form says it.
    default_way: String,
}

struct RouteRow {
    id: RouteId,
    name: String,
    way: String,
    limits: String,
    standing: Standing,
}

struct PoolRow {
    id: PoolId,
    name: String,
    shares: String,
}

#[derive(Deserialize)]
pub struct SendingForm {
    #[serde(flatten)]
    sender: SenderForm,
    #[serde(default)]
    way: String,
}

pub async fn show(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let sender = SenderForm::of(&page.who()?.workspace);
    page_of(page, &state, sender, Errors::default()).await?.show()
}

pub async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<SendingForm>,
) -> WebResult<HttpResponse> {
    let (SendingForm { sender, way }, mut errors) = (form.into_inner(), Errors::default());
    let Some((name, email)) = sender.check(&mut errors) else {
        return page_of(page, &state, sender, errors).await?.show_errors();
    };
    let data = page.data(&state)?;
    if let Some(way) = way_of(&way)
        && !data.choose_default_way(way).await?
    {
        errors.add("way", "It is not there any more. Choose another.");
        return page_of(page, &state, sender, errors).await?.show_errors();
    }
    data.save_sender(name, email).await?;
    flash(&request, Tone::Ok, "Saved. Campaigns launched from now on leave this way, unless they chose another.");
    Ok(see_other("/settings/sending"))
}

async fn page_of(page: Page, state: &WebState, sender: SenderForm, errors: Errors) -> WebResult<SendingPage> {
    let data = page.data(state)?;
    let facts = RouteFacts::read(state, &data, page.now).await?;
    let names: HashMap<RouteId, &str> = facts.routes.iter().map(|route| (route.id, route.name.as_str())).collect();
    let pools = data.pools().await?.into_iter().map(|pool| pool_row(pool, &names)).collect();
    let routes = facts
        .routes
        .iter()
        .map(|route| RouteRow {
            id: route.id,
            name: route.name.clone(),
            way: way(route),
            limits: limits(route).join(" · "),
            standing: facts.standing(route, page.now),
        })
        .collect();
    let default_way = data.default_way().await?.map(word_of).unwrap_or_default();
    Ok(SendingPage { page: page.titled("Sending", Nav::Settings), sender, errors, routes, pools, default_way })
}

fn pool_row(pool: Pool, names: &HashMap<RouteId, &str>) -> PoolRow {
    PoolRow { id: pool.id, shares: shares_of(&pool, names), name: pool.name }
}
