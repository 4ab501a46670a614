//! `/campaigns/{id}/people/{delivery}`: one recipient's whole history.

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::DeliveryState;
use tidings_store::{CampaignHead, CampaignId, DeliveryHistory, DeliveryId};

use super::wording;
use crate::WebState;
use crate::bounce_words;
use crate::filters;
use crate::page::{Nav, Page, Show};
use crate::problem::WebResult;
use crate::text::count_of;

#[derive(Template)]
#[template(path = "campaigns/delivery.html")]
struct DeliveryPage {
    page: Page,
    head: CampaignHead,
    history: DeliveryHistory,
    tone: &'static str,
    state: &'static str,
    meaning: &'static str,
    reason: String,
    provider: String,
    timeline: Vec<Moment>,
}

impl Show for DeliveryPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

/// One entry of the timeline.
struct Moment {
    at_ms: i64,
    /// A tone of the badge.
    tone: &'static str,
    title: String,
    detail: String,
    /// The peer's words, verbatim.
    reply: String,
}

pub async fn delivery(page: Page, state: web::Data<WebState>, path: web::Path<(i64, i64)>) -> WebResult<HttpResponse> {
    let (campaign, id) = path.into_inner();
    let (campaign, data) = (CampaignId(campaign), page.data(&state)?);
    let head = data.campaign_head(campaign).await?;
    let history = data.delivery(campaign, DeliveryId(id)).await?;
    let person = &history.person;
    DeliveryPage {
        page: page.titled(person.recipient.clone(), Nav::Campaigns),
        tone: wording::state_tone(person.state),
        state: wording::state(person.state),
        meaning: wording::state_meaning(person.state),
        reason: person.reason.as_deref().map(|r| wording::reason(person.state, r)).unwrap_or_default(),
        provider: wording::provider(&history.provider),
        timeline: timeline(&head, &history),
        head,
        history,
    }
    .show()
}

/// The latest first.
fn timeline(head: &CampaignHead, history: &DeliveryHistory) -> Vec<Moment> {
    let mut moments = Vec::new();
    if let Some(at_ms) = head.queuing_at_ms {
        moments.push(Moment {
            at_ms,
            tone: "neutral",
            title: "Campaign launched".into(),
            detail: String::new(),
            reply: String::new(),
        });
    }
    for attempt in &history.attempts {
        let place = [attempt.host.as_str(), attempt.ip.as_str()]
            .into_iter()
            .filter(|p| !p.is_empty())
            .collect::<Vec<_>>()
            .join(" · ");
        moments.push(Moment {
            at_ms: attempt.at_ms,
            tone: "warn",
            title: format!(
                "Attempt {}: {}",
                attempt.number,
                bounce_words::explain(&attempt.class).title.to_lowercase()
            ),
            detail: format!(
                "{place} · {} · at {} · {} ms",
                if attempt.tls == "none" { "no TLS" } else { &attempt.tls },
                attempt.phase.to_uppercase(),
                attempt.duration_ms
            ),
            reply: attempt.reply.clone(),
        });
    }
    moments.extend(last_word(history));
    for response in &history.engagements {
        let title =
            if response.kind == "open" { "Opened".to_owned() } else { format!("Clicked link {}", response.link + 1) };
        let times = count_of(response.n, "time", "times");
        moments.push(Moment { at_ms: response.first_at_ms, tone: "info", title, detail: times, reply: String::new() });
    }
    moments.sort_by_key(|m| std::cmp::Reverse(m.at_ms));
    moments
}

/// What an attempt row does not say: acceptance, and ends without an attempt.
fn last_word(history: &DeliveryHistory) -> Option<Moment> {
    let person = &history.person;
    let told = history.attempts.iter().any(|a| Some(&a.reply) == person.reply.as_ref());
    if !person.state.is_terminal() || (told && person.state != DeliveryState::Accepted) {
        return None;
    }
    Some(Moment {
        at_ms: person.updated_at_ms,
        tone: wording::state_tone(person.state),
        title: wording::state(person.state).to_owned(),
        detail: person.reason.as_deref().map(|r| wording::reason(person.state, r)).unwrap_or_default(),
        reply: person.reply.clone().unwrap_or_default(),
    })
}
