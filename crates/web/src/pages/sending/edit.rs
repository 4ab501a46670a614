//! A new route, and the form of one that is there.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use tidings_domain::Service;
use tidings_store::{MAX_ROUTES, RouteId, SavedRoute};

use super::form::{Fill, RouteForm};
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::WebResult;
use crate::words::Label;

shows!(EditPage);

#[derive(Template)]
#[template(path = "settings/route-edit.html")]
struct EditPage {
    page: Page,
    /// `None`: it is new.
    id: Option<RouteId>,
    form: RouteForm,
    has_password: bool,
    errors: Errors,
}

impl EditPage {
    fn of(page: Page, id: Option<RouteId>, form: RouteForm, has_password: bool, errors: Errors) -> Self {
        let title = if id.is_some() { "Edit the route" } else { "New route" };
        Self { page: page.titled(title, Nav::Settings), id, form, has_password, errors }
    }
}

pub async fn new(page: Page, fill: web::Query<Fill>) -> WebResult<HttpResponse> {
    EditPage::of(page, None, RouteForm::empty().filled_for(&fill), false, Errors::default()).show()
}

pub async fn add(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<RouteForm>,
) -> WebResult<HttpResponse> {
    let (form, mut errors) = (form.into_inner(), Errors::default());
    let Some(given) = form.check(true, &mut errors) else {
        return EditPage::of(page, None, form, false, errors).show_errors();
    };
    let data = page.data(&state)?;
    let service = Service::of_relay(&given.route.host);
    let (name, route) = given.sealed(&state, data.id());
    match data.add_route(name.clone(), route, page.now).await? {
        SavedRoute::Yes(id) => {
            flash(&request, Tone::Ok, format!("The route {name} is added. Check its connection before you use it."));
            advise_webhook(&request, &page, &state, service).await?;
            return Ok(see_other(&format!("/settings/sending/routes/{id}")));
        }
        SavedRoute::NameTaken => errors.add("name", "Another route has this name."),
        SavedRoute::TooMany => errors.add("name", format!("There are {MAX_ROUTES} routes, which is the most.")),
    }
    EditPage::of(page, None, form, false, errors).show_errors()
}

pub async fn form(
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
    fill: web::Query<Fill>,
) -> WebResult<HttpResponse> {
    let route = page.data(&state)?.route_of(RouteId(*id)).await?;
    let form = RouteForm::of(&route).filled_for(&fill);
    EditPage::of(page, Some(route.id), form, !route.password_sealed.is_empty(), Errors::default()).show()
}

pub async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
    form: web::Form<RouteForm>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let stored = data.route_of(RouteId(*id)).await?;
    let has_password = !stored.password_sealed.is_empty();
    let (form, mut errors) = (form.into_inner(), Errors::default());
    let Some(given) = form.check(true, &mut errors) else {
        return EditPage::of(page, Some(stored.id), form, has_password, errors).show_errors();
    };
    let service = Service::of_relay(&given.route.host);
    let (name, route) = given.sealed(&state, data.id());
    if data.change_route(stored.id, name, route, page.now).await? == SavedRoute::NameTaken {
        errors.add("name", "Another route has this name.");
        return EditPage::of(page, Some(stored.id), form, has_password, errors).show_errors();
    }
    tracing::info!(user = page.who()?.id.0, route = stored.id.0, "a route was changed");
    flash(&request, Tone::Ok, "Route saved. Workers use it like this within seconds.");
    advise_webhook(&request, &page, &state, service).await?;
    Ok(see_other(&format!("/settings/sending/routes/{id}")))
}

/// A service gets the bounces and complaints itself.
async fn advise_webhook(
    request: &HttpRequest,
    page: &Page,
    state: &WebState,
    service: Option<Service>,
) -> WebResult<()> {
    let Some(service) = service else { return Ok(()) };
    let webhooks = page.data(state)?.webhooks().await?;
    if webhooks.iter().all(|webhook| webhook.service != service) {
        let name = service.label();
        let advice = format!("{name} keeps bounces and complaints to itself until you add a webhook, under Webhooks.");
        flash(request, Tone::Info, advice);
    }
    Ok(())
}
