//! `/campaigns/new`: a name is enough; everything else has a good beginning.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_compose::text_from_html;
use tidings_store::{CampaignBody, CampaignDetails, NewCampaign};

use super::details::MAX_NAME_CHARS;
use super::draft::address;
use crate::WebState;
use crate::filters;
use crate::form::Errors;
use crate::page::{Nav, Page, Show, see_other};
use crate::problem::WebResult;

/// What a new campaign begins with: complete, responsive, with everything that a launch asks for.
const STARTER_HTML: &str = include_str!("../../../../../templates/campaigns/starter.html");

#[derive(Template)]
#[template(path = "campaigns/new.html")]
struct NewPage {
    page: Page,
    given_name: String,
    errors: Errors,
}

impl Show for NewPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

#[derive(Deserialize)]
pub struct Named {
    #[serde(default)]
    name: String,
}

pub async fn form(page: Page) -> WebResult<HttpResponse> {
    let page = page.titled("New campaign", Nav::Campaigns);
    NewPage { page, given_name: String::new(), errors: Errors::default() }.show()
}

pub async fn create(page: Page, state: web::Data<WebState>, given: web::Form<Named>) -> WebResult<HttpResponse> {
    let Named { name } = given.into_inner();
    let mut errors = Errors::default();
    errors.text("name", &name, MAX_NAME_CHARS, "Give it a name. Only you and your team see it.");
    if !errors.is_empty() {
        let page = page.titled("New campaign", Nav::Campaigns);
        return NewPage { page, given_name: name, errors }.show_errors();
    }
    let who = page.who()?;
    let details = CampaignDetails {
        name: name.trim().to_owned(),
        from_name: who.workspace.from_name.clone(),
        from_email: who.workspace.from_email.clone(),
        ..CampaignDetails::default()
    };
    let content = CampaignBody {
        html: STARTER_HTML.to_owned(),
        text: text_from_html(STARTER_HTML),
        text_is_generated: true,
        track_opens: true,
        track_clicks: true,
    };
    let id = page.data(&state)?.create_campaign(NewCampaign { details, content }, &who.name, page.now).await?;
    Ok(see_other(&address(id, "")))
}
