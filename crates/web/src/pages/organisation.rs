//! The organisation: its name, its postal address (the law wants it in every campaign) and its time zone. In the settings, and as
//! the second step of the set-up.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono_tz::Tz;
use serde::Deserialize;
use tidings_store::Organisation;

use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::WebResult;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/settings", || web::to(show)),
    Entry::action("/settings", || web::to(save)).with_access(Access::Admin),
    Entry::page("/setup/organisation", || web::to(step)).with_access(Access::Admin),
    Entry::action("/setup/organisation", || web::to(save_step)).with_access(Access::Admin),
];

const MAX_NAME: usize = 120;
const MAX_ADDRESS: usize = 500;

shows!(OrganisationPage, OrganisationStep);

#[derive(Template)]
#[template(path = "settings/organisation.html")]
struct OrganisationPage {
    page: Page,
    form: Form,
    errors: Errors,
}

#[derive(Template)]
#[template(path = "setup/organisation.html")]
struct OrganisationStep {
    page: Page,
    form: Form,
    errors: Errors,
}

#[derive(Deserialize)]
struct Form {
    name: String,
    postal_address: String,
    time_zone: String,
}

impl Form {
    fn check(&self) -> Result<Organisation, Errors> {
        let mut errors = Errors::default();
        let name = errors.text("name", &self.name, MAX_NAME, "Your readers should know who writes: give a name.");
        let address = errors.text("postal_address", &self.postal_address, MAX_ADDRESS, "");
        let zone = self.time_zone.trim();
        if zone.parse::<Tz>().is_err() {
            errors.add("time_zone", "Choose a zone from the list, like Europe/Amsterdam.");
        }
        let postal_address = address.replace("\r\n", "\n");
        let organisation = Organisation { name: name.to_owned(), postal_address, time_zone: zone.to_owned() };
        if errors.is_empty() { Ok(organisation) } else { Err(errors) }
    }

    fn of(page: &Page) -> WebResult<Self> {
        let now = &page.who()?.workspace;
        Ok(Self {
            name: now.name.clone(),
            postal_address: now.postal_address.clone(),
            time_zone: now.time_zone.clone(),
        })
    }
}

async fn show(page: Page) -> WebResult<HttpResponse> {
    let form = Form::of(&page)?;
    OrganisationPage { page: page.titled("Organisation", Nav::Settings), form, errors: Errors::default() }.show()
}

async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<Form>,
) -> WebResult<HttpResponse> {
    let form = form.into_inner();
    match form.check() {
        Ok(organisation) => {
            page.data(&state)?.save_organisation(organisation).await?;
            flash(&request, Tone::Ok, "Organisation saved.");
            Ok(see_other("/settings"))
        }
        Err(errors) => {
            OrganisationPage { page: page.titled("Organisation", Nav::Settings), form, errors }.show_errors()
        }
    }
}

async fn step(page: Page) -> WebResult<HttpResponse> {
    let form = Form::of(&page)?;
    OrganisationStep { page: page.titled("Your organisation", Nav::None), form, errors: Errors::default() }.show()
}

async fn save_step(page: Page, state: web::Data<WebState>, form: web::Form<Form>) -> WebResult<HttpResponse> {
    let form = form.into_inner();
    match form.check() {
        Ok(organisation) => {
            page.data(&state)?.save_organisation(organisation).await?;
            Ok(see_other("/setup/sending"))
        }
        Err(errors) => {
            OrganisationStep { page: page.titled("Your organisation", Nav::None), form, errors }.show_errors()
        }
    }
}
