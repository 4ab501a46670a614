//! `/campaigns/{id}/people/{delivery}`: one recipient's whole history.

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{DeliveryState, UnixMs};
use tidings_store::{ACCEPTED, AttemptRow, CampaignHead, CampaignId, DeliveryHistory, DeliveryId, Discard, Person};

use super::wording;
use crate::WebState;
use crate::bounce_words;
use crate::filters;
use crate::page::{Nav, Page, Show};
use crate::problem::WebResult;
use crate::text::count_of;
use crate::tls_words;

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
    /// How the last connection was protected, and why so.
    transport: Option<(String, &'static str)>,
    timeline: Vec<Moment>,
    /// It has not ended.
    waits: bool,
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
    let discard = data.discard_of(DeliveryId(id)).await?;
    let person = &history.person;
    let timeline = timeline(&head, &history, discard, &page);
    DeliveryPage {
        waits: !person.state.is_terminal(),
        page: page.titled(person.recipient.clone(), Nav::Campaigns),
        tone: wording::state_tone(person.state),
        state: wording::state(person.state),
        meaning: wording::state_meaning(person.state),
        reason: person.reason.as_deref().map(|r| wording::reason(person.state, r)).unwrap_or_default(),
        provider: wording::provider(&history.provider),
        transport: person.protection().map(|p| (tls_words::used(p.used), tls_words::demand(p))),
        timeline,
        head,
        history,
    }
    .show()
}

/// The latest first.
fn timeline(head: &CampaignHead, history: &DeliveryHistory, discard: Option<Discard>, page: &Page) -> Vec<Moment> {
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
    moments.extend(history.attempts.iter().map(|attempt| of_attempt(attempt, history, page)));
    moments.extend(discard.map(discarded));
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

fn of_attempt(attempt: &AttemptRow, history: &DeliveryHistory, page: &Page) -> Moment {
    let is_accepted = attempt.class == ACCEPTED;
    let what =
        if is_accepted { "accepted".to_owned() } else { bounce_words::explain(&attempt.class).title.to_lowercase() };
    let route = attempt.route_id.map(|route| match history.routes.get(&route) {
        Some(name) => format!("by {name}"),
        None => format!("by route {route}, which is deleted"),
    });
    let tls = if attempt.tls == "none" { "no TLS" } else { attempt.tls.as_str() };
    let facts = [
        route.unwrap_or_default(),
        attempt.host.clone(),
        attempt.ip.clone(),
        if attempt.host.is_empty() { String::new() } else { tls.to_owned() },
        format!("at {}", attempt.phase.to_uppercase()),
        format!("{} ms", attempt.duration_ms),
        repeated(attempt, page),
    ];
    Moment {
        at_ms: attempt.at_ms,
        tone: if is_accepted { "ok" } else { "warn" },
        title: format!("Attempt {}: {what}", attempt.number),
        detail: facts.into_iter().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(" · "),
        reply: attempt.reply.clone(),
    }
}

/// Tries that cost nothing share a number: only the last one's words are kept.
fn repeated(attempt: &AttemptRow, page: &Page) -> String {
    match attempt.first_at_ms {
        Some(first) if attempt.times > 1 => {
            let times = count_of(attempt.times.into(), "time", "times");
            format!("{times} since {}, none of which used up a retry", page.clock(UnixMs(first)))
        }
        _ => String::new(),
    }
}

fn discarded(discard: Discard) -> Moment {
    Moment {
        at_ms: discard.at_ms,
        tone: "neutral",
        title: format!("Taken off the list of dead letters by {}", discard.actor),
        detail: discard.reason,
        reply: String::new(),
    }
}

/// What an attempt row does not say: acceptance, and ends without an attempt.
fn last_word(history: &DeliveryHistory) -> Option<Moment> {
    let person = &history.person;
    let told = history.attempts.iter().any(|a| Some(&a.reply) == person.reply.as_ref());
    if !person.state.is_terminal() || told {
        return None;
    }
    let route = person.route_id.and_then(|route| history.routes.get(&route)).filter(|_| is_attempted(person));
    Some(Moment {
        at_ms: person.updated_at_ms,
        tone: wording::state_tone(person.state),
        title: wording::state(person.state).to_owned(),
        detail: match person.reason.as_deref() {
            Some(reason) => wording::reason(person.state, reason),
            None => route.map(|route| format!("by {route}")).unwrap_or_default(),
        },
        reply: person.reply.clone().unwrap_or_default(),
    })
}

fn is_attempted(person: &Person) -> bool {
    person.state == DeliveryState::Accepted
}
