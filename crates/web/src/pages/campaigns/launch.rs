//! `/campaigns/{id}/launch`: the last look before it goes out.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_compose::freeze;
use tidings_store::{Campaign, CampaignId, Launch, Launched, Workspace};

use super::deadline;
use super::draft::{address, content_of, frozen_row, id_of, is_draft};
use super::readiness::Readiness;
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::page::{Nav, Page, Show, see_other};
use crate::problem::WebResult;
use crate::text::count_of;

/// Above so many recipients the number is typed, not only clicked.
const TYPED_ABOVE_RECIPIENTS: i64 = 50_000;

#[derive(Template)]
#[template(path = "campaigns/launch.html")]
struct LaunchPage {
    page: Page,
    campaign: Campaign,
    readiness: Readiness,
    /// `9,871 people`
    people: String,
    must_type: bool,
    gives_up: String,
    error: &'static str,
}

impl Show for LaunchPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

#[derive(Deserialize)]
pub struct LaunchForm {
    version: i64,
    #[serde(default)]
    confirm: String,
}

pub async fn review(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let campaign = data.campaign(id_of(&path)).await?;
    if !is_draft(&campaign) {
        return Ok(already_launched(&request, campaign.head.id));
    }
    page_of(page, &data, campaign, "").await?.show()
}

/// Freezes the draft and launches it. Of two at once exactly one wins; the other sees the overview.
pub async fn launch(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
    given: web::Form<LaunchForm>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let campaign = data.campaign(id_of(&path)).await?;
    let id = campaign.head.id;
    if !is_draft(&campaign) {
        return Ok(already_launched(&request, id));
    }
    if campaign.head.version != given.version {
        return Ok(edited_meanwhile(&request, id));
    }
    let readiness = Readiness::of(&data, &campaign, page.now).await?;
    let people = readiness.audience.recipients();
    if people > TYPED_ABOVE_RECIPIENTS && digits(&given.confirm) != people.to_string() {
        return page_of(page, &data, campaign, "Type the number of recipients, as it stands above.")
            .await?
            .show_errors();
    }
    let frozen = freeze(&content_of(&campaign, &readiness.workspace, &readiness.lists));
    let (Ok(frozen), true) = (frozen, readiness.can_launch()) else {
        return page_of(page, &data, campaign, "It cannot be launched yet: see what is missing.").await?.show_errors();
    };
    let by = page.who()?.name.clone();
    let launch = Launch { content: frozen_row(frozen)?, route: None, expected_version: given.version, by };
    match data.launch(id, launch, page.now).await? {
        Launched::Yes { .. } => {
            flash(
                &request,
                Tone::Ok,
                format!("Launched to {}. This page follows it live.", count_of(people, "person", "people")),
            );
            Ok(see_other(&address(id, "")))
        }
        Launched::LostRace => Ok(already_launched(&request, id)),
        Launched::Stale => Ok(edited_meanwhile(&request, id)),
    }
}

fn already_launched(request: &HttpRequest, id: CampaignId) -> HttpResponse {
    flash(request, Tone::Info, "This campaign is launched already, once. Nothing was sent twice.");
    see_other(&address(id, ""))
}

fn edited_meanwhile(request: &HttpRequest, id: CampaignId) -> HttpResponse {
    flash(request, Tone::Warn, "The campaign was edited since you opened this page. Look at it again, then launch.");
    see_other(&address(id, "/launch"))
}

async fn page_of(page: Page, data: &Workspace, campaign: Campaign, error: &'static str) -> WebResult<LaunchPage> {
    let readiness = Readiness::of(data, &campaign, page.now).await?;
    let recipients = readiness.audience.recipients();
    Ok(LaunchPage {
        gives_up: deadline::words(campaign.head.deadline(), page.zone),
        page: page.titled(format!("Launch {}", campaign.head.name), Nav::Campaigns),
        people: count_of(recipients, "person", "people"),
        must_type: recipients > TYPED_ABOVE_RECIPIENTS,
        campaign,
        readiness,
        error,
    })
}

/// `61,204`, `61 204` and `61204` are the same number.
fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn a_number_is_the_same_however_it_is_grouped() {
        for typed in ["61204", "61,204", " 61 204 ", "61.204", "61\u{202f}204"] {
            assert_eq!(digits(typed), "61204", "{typed:?}");
        }
        assert_eq!(digits("yes"), "");
    }
}
