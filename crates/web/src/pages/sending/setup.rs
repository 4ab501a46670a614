//! The last step of the set-up: who sends, and the first route.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::form::{Fill, RouteForm, SenderForm};
use crate::WebState;
use crate::filters;
use crate::form::Errors;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::WebResult;
use crate::words::Label;

shows!(SendingStep);

#[derive(Template)]
#[template(path = "setup/sending.html")]
struct SendingStep {
    page: Page,
    sender: SenderForm,
    form: RouteForm,
    has_password: bool,
    errors: Errors,
}

/// Both forms in one.
#[derive(Deserialize)]
pub struct StepForm {
    #[serde(flatten)]
    sender: SenderForm,
    #[serde(flatten)]
    route: RouteForm,
}

pub async fn step(page: Page, state: web::Data<WebState>, fill: web::Query<Fill>) -> WebResult<HttpResponse> {
    let route = page.data(&state)?.route().await?;
    let has_password = route.as_ref().is_some_and(|route| !route.password_sealed.is_empty());
    let form = route.as_ref().map_or_else(RouteForm::empty, RouteForm::of).filled_for(&fill);
    let sender = SenderForm::of(&page.who()?.workspace);
    let page = page.titled("How mail leaves", Nav::None);
    SendingStep { page, sender, form, has_password, errors: Errors::default() }.show()
}

pub async fn save(page: Page, state: web::Data<WebState>, form: web::Form<StepForm>) -> WebResult<HttpResponse> {
    let StepForm { sender, route: form } = form.into_inner();
    let mut errors = Errors::default();
    let from = sender.check(&mut errors);
    let (Some((name, email)), Some(given)) = (from, form.check(false, &mut errors)) else {
        let page = page.titled("How mail leaves", Nav::None);
        return SendingStep { page, sender, form, has_password: false, errors }.show_errors();
    };
    let data = page.data(&state)?;
    data.save_sender(name, email).await?;
    data.save_route(given.sealed(&state, data.id()).1, page.now).await?;
    Ok(see_other("/"))
}
