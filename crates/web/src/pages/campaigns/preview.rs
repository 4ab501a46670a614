//! `/campaigns/{id}/preview`: the message as one person will see it, in a frame where nothing runs.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_compose::{Frozen, Mailer, Origin, Preview, Recipient, Site};
use tidings_store::{Campaign, PreviewPerson, SubscriberId, Workspace};

use super::draft::{content_of, encoded, id_of, is_draft, thawed};
use crate::WebState;
use crate::envelope::MAIL_FRAME_CSP;
use crate::filters;
use crate::page::{Nav, Page, Show};
use crate::problem::{WebError, WebResult};

/// People that the picker offers at once.
const PEOPLE_OFFERED: i64 = 8;

#[derive(Template)]
#[template(path = "campaigns/preview.html")]
struct PreviewPage {
    page: Page,
    campaign: Campaign,
    from: String,
    asked: Asked,
    person: Recipient,
    offered: Vec<PreviewPerson>,
    preview: Result<Preview, String>,
    /// The frame's address.
    frame: String,
    /// The query that keeps everything but the part that a link changes.
    person_query: String,
    is_draft: bool,
}

impl Show for PreviewPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

#[derive(Template)]
#[template(path = "campaigns/preview-error.html")]
struct FrameError {
    error: String,
}

/// What to look at, and how.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Asked {
    /// The subscriber's id; none: a sample person.
    #[serde(rename = "as")]
    subscriber: Option<i64>,
    #[serde(default)]
    q: String,
    /// `phone`, else desktop.
    #[serde(default)]
    width: String,
    /// `text`, else HTML.
    #[serde(default)]
    part: String,
}

pub async fn preview(
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
    asked: web::Query<Asked>,
) -> WebResult<HttpResponse> {
    let (data, asked) = (page.data(&state)?, asked.into_inner());
    let campaign = data.campaign(id_of(&path)).await?;
    let person = person(&data, asked.subscriber).await?;
    let preview = rendered(&state, &page, &data, &campaign, &person).await?;
    let person_query = asked.subscriber.map(|id| format!("as={id}&")).unwrap_or_default();
    let head = &campaign.head;
    PreviewPage {
        from: if head.from_name.is_empty() { head.from_email.clone() } else { head.from_name.clone() },
        frame: format!("/campaigns/{}/preview/frame?{person_query}", head.id),
        offered: offered(&data, &asked).await?,
        is_draft: is_draft(&campaign),
        page: page.titled(format!("Preview of {}", head.name), Nav::Campaigns),
        campaign,
        asked,
        person,
        preview,
        person_query,
    }
    .show()
}

/// Who can be chosen; the chosen one among them.
async fn offered(data: &Workspace, asked: &Asked) -> WebResult<Vec<PreviewPerson>> {
    let mut people = data.preview_people(&asked.q, PEOPLE_OFFERED).await?;
    if let Some(chosen) = asked.subscriber.filter(|id| !people.iter().any(|p| p.id.0 == *id)) {
        people.insert(0, data.preview_person(SubscriberId(chosen)).await?);
    }
    Ok(people)
}

/// The message alone, for the frame: its own policy lets styles and images in, and nothing run.
pub async fn frame(
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
    asked: web::Query<Asked>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let campaign = data.campaign(id_of(&path)).await?;
    let person = person(&data, asked.subscriber).await?;
    let html = match rendered(&state, &page, &data, &campaign, &person).await? {
        Ok(preview) => preview.html,
        Err(error) => FrameError { error }.render()?,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, MAIL_FRAME_CSP))
        .insert_header((header::X_FRAME_OPTIONS, "SAMEORIGIN"))
        .body(html))
}

async fn person(data: &Workspace, id: Option<i64>) -> WebResult<Recipient> {
    let Some(id) = id else { return Ok(sample()) };
    let person = data.preview_person(SubscriberId(id)).await?;
    Ok(Recipient {
        delivery: 0,
        email: person.email,
        first_name: person.first_name,
        last_name: person.last_name,
        attributes: person.attributes,
    })
}

/// Someone for when there is no subscriber yet; without attributes, so that fallbacks show.
fn sample() -> Recipient {
    Recipient {
        delivery: 0,
        email: "ana.silva@example.org".to_owned(),
        first_name: "Ana".to_owned(),
        last_name: "Silva".to_owned(),
        attributes: String::new(),
    }
}

/// The message as `compose` makes it, or why it cannot be made.
async fn rendered(
    state: &WebState,
    page: &Page,
    data: &Workspace,
    campaign: &Campaign,
    person: &Recipient,
) -> WebResult<Result<Preview, String>> {
    let head = &campaign.head;
    let frozen = match head.revision_id {
        Some(revision) => {
            let row = state.store.revision(revision).await?.ok_or(WebError::NotFound)?;
            thawed(row.content)
        }
        None => {
            let lists = data.campaign_lists(head.id).await?;
            Frozen::untracked(content_of(campaign, &page.who()?.workspace, &lists))
        }
    };
    let origin = Origin { workspace: page.who()?.workspace.id.0, campaign: head.id.0 };
    let mailer = match Mailer::compile(&frozen, origin, &site(state), Arc::clone(&state.keys)) {
        Ok(mailer) => mailer,
        Err(findings) => {
            let first = findings.into_iter().next();
            return Ok(Err(first.map_or_else(String::new, |f| format!("{}: {}", f.title, f.detail))));
        }
    };
    Ok(mailer.preview(person).map_err(|error| error.to_string()))
}

/// Tokens of a preview lead nowhere, so only the shape of the addresses matters.
fn site(state: &WebState) -> Site {
    let host = state.config.public_url.split("://").nth(1).unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default().to_owned();
    Site {
        public_url: state.config.public_url.clone(),
        bounce_domain: host.clone(),
        takes_unsubscribe_mails: false,
        list_id_host: host,
    }
}

impl Asked {
    fn is_phone(&self) -> bool {
        self.width == "phone"
    }

    fn is_text(&self) -> bool {
        self.part == "text"
    }

    fn is_as(&self, id: &SubscriberId) -> bool {
        self.subscriber == Some(id.0)
    }

    fn search(&self) -> String {
        encoded(&self.q)
    }
}
