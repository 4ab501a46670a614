//! What an operator orders: hold a provider, lift what holds it. The dispatcher finds the order within a second.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tidings_store::{PaceCommand, PaceOf, RouteId};

use super::show::check_name;
use super::{newest, page_of};
use crate::WebState;
use crate::flash::{Tone, flash};
use crate::page::{Page, see_other};
use crate::pages::campaigns::{rate, wording};
use crate::problem::{WebError, WebResult};

/// No hold lasts longer: a week.
const MOST_MINUTES: u64 = 7 * 24 * 60;
const MAX_REASON: usize = 300;

#[derive(Deserialize)]
pub(super) struct HoldForm {
    minutes: String,
    reason: String,
    /// Empty: on every route.
    #[serde(default)]
    route: String,
}

#[derive(Deserialize)]
pub(super) struct LiftForm {
    #[serde(default)]
    route: String,
}

fn of(provider: &str, route: &str) -> WebResult<PaceOf> {
    let route = match route.trim() {
        "" => None,
        id => Some(RouteId(id.parse().map_err(|_| WebError::BadRequest("There is no such route.".to_owned()))?)),
    };
    Ok(PaceOf { provider: provider.to_owned(), route, stream: String::new() })
}

pub(super) async fn hold(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    name: web::Path<String>,
    form: web::Form<HoldForm>,
) -> WebResult<HttpResponse> {
    check_name(&newest(&state).await?, &name)?;
    let minutes = form.minutes.trim().parse::<u64>().ok().filter(|n| (1..=MOST_MINUTES).contains(n));
    let reason: String = form.reason.trim().chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
    let (Some(minutes), false) = (minutes, reason.is_empty()) else {
        let said = format!("A hold needs a reason, and minutes from 1 to {MOST_MINUTES}, which is a week.");
        flash(&request, Tone::Bad, said);
        return Ok(see_other(&page_of(&name)));
    };
    let length = Duration::from_secs(60 * minutes);
    let (by, now) = (&page.who()?.name, state.now());
    state.store.order_pace(of(&name, &form.route)?, PaceCommand::HoldUntil(now.plus(length)), by, &reason, now).await?;
    tracing::info!(user = page.who()?.id.0, provider = name.as_str(), minutes, "a provider was held by hand");
    let said = format!("{} is held for {}.", wording::provider(&name), rate::about(length));
    flash(&request, Tone::Ok, said);
    Ok(see_other(&page_of(&name)))
}

pub(super) async fn lift(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    name: web::Path<String>,
    form: web::Form<LiftForm>,
) -> WebResult<HttpResponse> {
    check_name(&newest(&state).await?, &name)?;
    let (by, now) = (&page.who()?.name, state.now());
    state.store.order_pace(of(&name, &form.route)?, PaceCommand::Lift, by, "", now).await?;
    tracing::info!(user = page.who()?.id.0, provider = name.as_str(), "a provider's holds were lifted");
    flash(&request, Tone::Ok, "Lifted: sending goes on within a second, as fast as the limits allow.");
    Ok(see_other(&page_of(&name)))
}
