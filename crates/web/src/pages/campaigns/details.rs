//! `/campaigns/{id}/details`: name, sender, subject, preview text, and when it gives up.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::EmailAddress;
use tidings_store::{Campaign, CampaignDetails, CampaignId, Edited, Way};

use super::deadline::DeadlineForm;
use super::draft::{address, id_of, is_draft, not_a_draft};
use super::merge_fields::{self, MergeField};
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::page::{Nav, Page, Show, see_other};
use crate::pages::sending::ways::{self, WayChoice};
use crate::problem::WebResult;

pub const MAX_NAME_CHARS: usize = 200;
const MAX_SENDER_CHARS: usize = 100;
/// A header may be longer, but no inbox shows more.
const MAX_SUBJECT_CHARS: usize = 250;
const MAX_PREVIEW_CHARS: usize = 250;

/// Somebody saved in between; nothing that was typed is lost.
#[derive(Debug, Clone)]
pub struct Conflict {
    pub by: String,
}

#[derive(Template)]
#[template(path = "campaigns/details.html")]
struct DetailsPage {
    page: Page,
    id: CampaignId,
    version: i64,
    given: CampaignDetails,
    errors: Errors,
    conflict: Option<Conflict>,
    fields: Vec<MergeField>,
    deadline: DeadlineForm,
    ways: Vec<WayChoice>,
    /// As the form says it; empty: the workspace's.
    way: String,
}

impl Show for DetailsPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

#[derive(Deserialize)]
pub struct DetailsForm {
    version: i64,
    name: String,
    from_name: String,
    from_email: String,
    reply_to: String,
    subject: String,
    preview_text: String,
    #[serde(flatten)]
    deadline: DeadlineForm,
    #[serde(default)]
    way: String,
}

pub async fn form(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let campaign = data.campaign(id_of(&path)).await?;
    if !is_draft(&campaign) {
        return Ok(not_a_draft(&request, campaign.head.id));
    }
    let fields = merge_fields::all(&data).await?;
    let deadline = DeadlineForm::of(campaign.head.deadline(), page.zone);
    let (id, version, given) = (campaign.head.id, campaign.head.version, details_of(campaign));
    DetailsPage {
        deadline,
        page: page.titled("Sender and subject", Nav::Campaigns),
        id,
        version,
        ways: ways::choices(&data).await?,
        way: given.way.map(ways::word_of).unwrap_or_default(),
        given,
        errors: Errors::default(),
        conflict: None,
        fields,
    }
    .show()
}

pub async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
    given: web::Form<DetailsForm>,
) -> WebResult<HttpResponse> {
    let (id, data, version) = (id_of(&path), page.data(&state)?, given.version);
    let given = given.into_inner();
    let deadline = given.deadline.clone();
    let (given, errors) = checked(given, &page);
    let ways = ways::choices(&data).await?;
    let back = |page: Page, version, errors, conflict, fields| DetailsPage {
        deadline: deadline.clone(),
        ways,
        way: given.way.map(ways::word_of).unwrap_or_default(),
        page: page.titled("Sender and subject", Nav::Campaigns),
        id,
        version,
        given: given.clone(),
        errors,
        conflict,
        fields,
    };
    if !errors.is_empty() {
        return back(page, version, errors, None, merge_fields::all(&data).await?).show_errors();
    }
    let by = page.who()?.name.clone();
    match data.save_details(id, version, given.clone(), &by, page.now).await? {
        Edited::Saved { .. } => {
            flash(&request, Tone::Ok, "Sender and subject are saved.");
            Ok(see_other(&address(id, "")))
        }
        Edited::NotDraft => Ok(not_a_draft(&request, id)),
        Edited::Conflict { by, current } => {
            let fields = merge_fields::all(&data).await?;
            back(page, current.head.version, Errors::default(), Some(Conflict { by }), fields).show_errors()
        }
    }
}

fn details_of(campaign: Campaign) -> CampaignDetails {
    let Campaign { head, content } = campaign;
    CampaignDetails {
        deadline: head.deadline(),
        name: head.name,
        from_name: head.from_name,
        from_email: head.from_email,
        reply_to: content.reply_to,
        subject: head.subject,
        preview_text: content.preview_text,
        way: Way::of(head.route_id, head.pool_id),
    }
}

/// Cleaned, with what is wrong. Sender and subject may be left open in a draft; what stands there must be good.
fn checked(form: DetailsForm, page: &Page) -> (CampaignDetails, Errors) {
    let mut errors = Errors::default();
    let given = CampaignDetails {
        deadline: form.deadline.checked(&mut errors, page.now, page.zone),
        name: errors.text("name", &form.name, MAX_NAME_CHARS, "Give it a name.").to_owned(),
        from_name: line(&mut errors, "from_name", &form.from_name, MAX_SENDER_CHARS),
        from_email: mailbox(&mut errors, "from_email", &form.from_email),
        reply_to: mailbox(&mut errors, "reply_to", &form.reply_to),
        subject: line(&mut errors, "subject", &form.subject, MAX_SUBJECT_CHARS),
        preview_text: line(&mut errors, "preview_text", &form.preview_text, MAX_PREVIEW_CHARS),
        way: ways::way_of(&form.way),
    };
    (given, errors)
}

/// One line: a line break would begin a new header (RFC 5322 §2.2).
fn line(errors: &mut Errors, name: &'static str, text: &str, max: usize) -> String {
    let text = errors.text(name, text, max, "");
    if text.contains(['\r', '\n']) {
        errors.add(name, "Use one line.");
    }
    text.to_owned()
}

fn mailbox(errors: &mut Errors, name: &'static str, text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let parsed = errors.take(name, EmailAddress::parse(text));
    parsed.map_or_else(|| text.to_owned(), |address| address.to_string())
}
