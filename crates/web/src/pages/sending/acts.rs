//! What is done with a route by a button.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tidings_store::{DeletedRoute, RouteId, RouteUse};

use crate::WebState;
use crate::flash::{Tone, flash};
use crate::page::{Page, see_other};
use crate::problem::WebResult;

#[derive(Deserialize)]
pub struct Switch {
    #[serde(default)]
    enabled: String,
}

fn back(id: i64) -> HttpResponse {
    see_other(&format!("/settings/sending/routes/{id}"))
}

pub async fn enable(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
    form: web::Form<Switch>,
) -> WebResult<HttpResponse> {
    let on = form.enabled == "yes";
    page.data(&state)?.enable_route(RouteId(*id), on, page.now).await?;
    tracing::info!(user = page.who()?.id.0, route = *id, on, "a route was switched");
    let said = match on {
        true => "Switched on. What waits for it goes on within seconds.",
        false => "Switched off. What has not been sent takes the other routes of its pool, or waits.",
    };
    flash(&request, Tone::Ok, said);
    Ok(back(*id))
}

pub async fn check(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    page.data(&state)?.ask_route_check(RouteId(*id), page.now).await?;
    flash(&request, Tone::Info, "A worker checks the connection. What it finds appears below.");
    Ok(back(*id))
}

/// The breaker is closed by hand: the next message finds out.
pub async fn retry(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    page.data(&state)?.reset_breaker(RouteId(*id)).await?;
    flash(&request, Tone::Ok, "It is tried again now.");
    Ok(back(*id))
}

pub async fn restart_warm_up(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    page.data(&state)?.restart_warm_up(RouteId(*id)).await?;
    flash(&request, Tone::Ok, "The warm-up begins again on its first day, with every provider.");
    Ok(back(*id))
}

pub async fn delete(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    match page.data(&state)?.delete_route(RouteId(*id)).await? {
        DeletedRoute::Yes => {
            tracing::info!(user = page.who()?.id.0, route = *id, "a route was deleted");
            flash(&request, Tone::Ok, "The route is deleted.");
            Ok(see_other("/settings/sending"))
        }
        DeletedRoute::InUse(used) => {
            flash(&request, Tone::Bad, in_use(&used));
            Ok(back(*id))
        }
    }
}

fn in_use(used: &RouteUse) -> String {
    let mut needs = Vec::new();
    if used.is_default {
        needs.push("it is what mail leaves by that says nothing else".to_owned());
    }
    if !used.pools.is_empty() {
        needs.push(format!("it is in {}", used.pools.join(", ")));
    }
    if !used.campaigns.is_empty() {
        needs.push(format!("it is the way of {}", used.campaigns.join(", ")));
    }
    format!("It cannot be deleted: {}.", needs.join("; "))
}
