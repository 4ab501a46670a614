//! What the pages of a draft share.

use actix_web::{HttpRequest, HttpResponse, web};
use tidings_compose::Content;
use tidings_domain::CampaignState;
use tidings_store::{Campaign, CampaignId, CampaignList, FrozenContent, WorkspaceRow};

use crate::flash::{Tone, flash};
use crate::page::see_other;
use crate::problem::{WebError, WebResult};

/// The campaign of a path.
pub fn id_of(path: &web::Path<i64>) -> CampaignId {
    CampaignId(**path)
}

/// The address of a campaign's page: `address(id, "/content")`.
pub fn address(id: CampaignId, rest: &str) -> String {
    format!("/campaigns/{id}{rest}")
}

/// For a value in a query.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A launched campaign has no editors: its overview says so.
pub fn not_a_draft(request: &HttpRequest, id: CampaignId) -> HttpResponse {
    flash(
        request,
        Tone::Info,
        "This campaign was launched, so its content is frozen. Duplicate it to change something.",
    );
    see_other(&address(id, ""))
}

pub fn is_draft(campaign: &Campaign) -> bool {
    campaign.head.state == CampaignState::Draft
}

/// The draft as `compose` checks, previews and freezes it.
pub fn content_of(campaign: &Campaign, workspace: &WorkspaceRow, lists: &[CampaignList]) -> Content {
    let Campaign { head, content } = campaign;
    Content {
        subject: head.subject.clone(),
        preview_text: content.preview_text.clone(),
        from_name: head.from_name.clone(),
        from_email: head.from_email.clone(),
        reply_to: content.reply_to.clone(),
        html: content.html.clone(),
        text: if content.text_is_generated { String::new() } else { content.text.clone() },
        track_opens: content.track_opens,
        track_clicks: content.track_clicks,
        postal_address: workspace.postal_address.clone(),
        list_name: list_name(workspace, lists),
    }
}

/// The name that recipients see in List-Id and the footer: the list's own when there is one, else the organisation's.
fn list_name(workspace: &WorkspaceRow, lists: &[CampaignList]) -> String {
    let mut included = lists.iter().filter(|l| l.is_included());
    match (included.next(), included.next()) {
        (Some(only), None) => only.list_name.clone(),
        _ => workspace.name.clone(),
    }
}

/// # Errors
/// The links cannot be written as JSON, which cannot happen to text.
pub fn frozen_row(frozen: tidings_compose::Frozen) -> WebResult<FrozenContent> {
    let tidings_compose::Frozen { content, links } = frozen;
    let links = serde_json::to_string(&links).map_err(|e| WebError::Internal(e.to_string()))?;
    Ok(FrozenContent {
        subject: content.subject,
        preview_text: content.preview_text,
        from_name: content.from_name,
        from_email: content.from_email,
        reply_to: content.reply_to,
        html: content.html,
        text: content.text,
        track_opens: content.track_opens,
        track_clicks: content.track_clicks,
        postal_address: content.postal_address,
        list_name: content.list_name,
        links,
    })
}

/// A frozen revision, back in the form that `compose` works on.
pub fn thawed(row: FrozenContent) -> tidings_compose::Frozen {
    let links = serde_json::from_str(&row.links).unwrap_or_default();
    let content = Content {
        subject: row.subject,
        preview_text: row.preview_text,
        from_name: row.from_name,
        from_email: row.from_email,
        reply_to: row.reply_to,
        html: row.html,
        text: row.text,
        track_opens: row.track_opens,
        track_clicks: row.track_clicks,
        postal_address: row.postal_address,
        list_name: row.list_name,
    };
    tidings_compose::Frozen { content, links }
}

/// Octets as people read them: `41 kB`.
pub fn kilobytes(octets: usize) -> String {
    match octets {
        0..=999 => format!("{octets} bytes"),
        _ => format!("{} kB", octets.div_ceil(1_000)),
    }
}
