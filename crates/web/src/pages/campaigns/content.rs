//! `/campaigns/{id}/content`: the HTML, the text part that follows it, and what is tracked.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_compose::text_from_html;
use tidings_store::{CampaignBody, CampaignContent, CampaignId, Edited};

use super::details::Conflict;
use super::draft::{address, id_of, is_draft, not_a_draft};
use super::merge_fields::{self, MergeField};
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::page::{Nav, Page, Show, see_other};
use crate::problem::WebResult;

const MAX_HTML_OCTETS: usize = 1024 * 1024;
const MAX_TEXT_OCTETS: usize = 256 * 1024;
/// Gmail shows this much of an HTML part and hides the rest behind a link.
pub const GMAIL_CLIPS_AT_OCTETS: usize = 102 * 1024;

#[derive(Template)]
#[template(path = "campaigns/content.html")]
struct ContentPage {
    page: Page,
    id: CampaignId,
    version: i64,
    given: CampaignBody,
    errors: Errors,
    conflict: Option<Conflict>,
    fields: Vec<MergeField>,
    content_fields: Vec<MergeField>,
    octets: usize,
    clips_at: usize,
}

impl Show for ContentPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

#[derive(Deserialize)]
pub struct ContentForm {
    version: i64,
    html: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    track_opens: String,
    #[serde(default)]
    track_clicks: String,
    /// Which button: `save`, `stay` or `regenerate`.
    #[serde(default)]
    action: String,
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
    let (id, version) = (campaign.head.id, campaign.head.version);
    page_of(page, id, version, body_of(campaign.content), Errors::default(), None, fields).show()
}

pub async fn save(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
    given: web::Form<ContentForm>,
) -> WebResult<HttpResponse> {
    let (id, data, given) = (id_of(&path), page.data(&state)?, given.into_inner());
    let before = data.campaign(id).await?;
    if !is_draft(&before) {
        return Ok(not_a_draft(&request, id));
    }
    let (version, action) = (given.version, given.action.clone());
    let (body, errors) = checked(given, &before.content);
    if !errors.is_empty() {
        return page_of(page, id, version, body, errors, None, merge_fields::all(&data).await?).show_errors();
    }
    let by = page.who()?.name.clone();
    match data.save_content(id, version, body.clone(), &by, page.now).await? {
        Edited::Saved { .. } => Ok(saved(&request, id, &action)),
        Edited::NotDraft => Ok(not_a_draft(&request, id)),
        Edited::Conflict { by, current } => {
            let fields = merge_fields::all(&data).await?;
            let conflict = Some(Conflict { by });
            page_of(page, id, current.head.version, body, Errors::default(), conflict, fields).show_errors()
        }
    }
}

fn saved(request: &HttpRequest, id: CampaignId, action: &str) -> HttpResponse {
    let (text, rest) = match action {
        "regenerate" => ("The text part was made anew from the HTML.", "/content"),
        "stay" => ("The content is saved.", "/content"),
        "preview" => ("The content is saved.", "/preview"),
        _ => ("The content is saved.", ""),
    };
    flash(request, Tone::Ok, text);
    see_other(&address(id, rest))
}

fn page_of(
    page: Page,
    id: CampaignId,
    version: i64,
    given: CampaignBody,
    errors: Errors,
    conflict: Option<Conflict>,
    fields: Vec<MergeField>,
) -> ContentPage {
    ContentPage {
        page: page.titled("Content", Nav::Campaigns),
        id,
        version,
        octets: given.html.len(),
        given,
        errors,
        conflict,
        fields,
        content_fields: merge_fields::of_content(),
        clips_at: GMAIL_CLIPS_AT_OCTETS,
    }
}

fn body_of(content: CampaignContent) -> CampaignBody {
    CampaignBody {
        html: content.html,
        text: content.text,
        text_is_generated: content.text_is_generated,
        track_opens: content.track_opens,
        track_clicks: content.track_clicks,
    }
}

/// The text part follows the HTML until somebody writes in it; emptied, or at a click, it follows again.
fn checked(form: ContentForm, before: &CampaignContent) -> (CampaignBody, Errors) {
    let html = lines(&form.html);
    let text = lines(&form.text);
    let untouched = before.text_is_generated && text.trim() == before.text.trim();
    let text_is_generated = form.action == "regenerate" || text.trim().is_empty() || untouched;
    let text = if text_is_generated { text_from_html(&html) } else { text };
    let mut errors = Errors::default();
    for (name, part, max) in [("html", &html, MAX_HTML_OCTETS), ("text", &text, MAX_TEXT_OCTETS)] {
        if part.len() > max {
            errors
                .add(name, format!("This is larger than {} kB. Put images on a web server and link them.", max / 1024));
        }
        if part.contains('\0') {
            errors.add(name, "Remove the NUL characters.");
        }
    }
    let (track_opens, track_clicks) = (form.track_opens == "yes", form.track_clicks == "yes");
    (CampaignBody { html, text, text_is_generated, track_opens, track_clicks }, errors)
}

/// Browsers send CRLF from a text area; stored text has LF.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(text: &str, text_is_generated: bool) -> CampaignContent {
        CampaignContent {
            preview_text: String::new(),
            reply_to: String::new(),
            html: "<p>old</p>".into(),
            text: text.into(),
            text_is_generated,
            track_opens: true,
            track_clicks: true,
        }
    }

    fn form(text: &str, action: &str) -> ContentForm {
        ContentForm {
            version: 1,
            html: "<p>new</p>".into(),
            text: text.into(),
            track_opens: "yes".into(),
            track_clicks: String::new(),
            action: action.into(),
        }
    }

    #[test]
    fn the_text_part_follows_until_somebody_writes_in_it() {
        let follows = |form, before: &CampaignContent| checked(form, before).0.text_is_generated;
        assert!(follows(form("old\r\n", "save"), &before("old\n", true)), "untouched");
        assert!(!follows(form("mine", "save"), &before("old", true)), "written");
        assert!(!follows(form("mine", "save"), &before("mine", false)), "stays written");
        assert!(follows(form("mine", "regenerate"), &before("mine", false)), "asked for");
        assert!(follows(form(" ", "save"), &before("mine", false)), "emptied");
    }
}
