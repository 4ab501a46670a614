//! A person's whole story in one list, newest first: lists, messages, opens and clicks, what came back, what was suppressed and why.

use tidings_domain::{BounceLimits, DeliveryState, SubscriptionStatus, SuppressionReason, UnixMs, Word};
use tidings_store::{
    BounceStanding, EngagementRow, OnList, ReportNames, SentTo, SubscriberId, SuppressedAt, SuppressionEvent,
    TimelinePiece, Workspace,
};

use super::bounces::{ReportLine, plain};
use super::campaigns::{delivery_reason, delivery_state, delivery_tone};
use crate::page::Page;
use crate::problem::WebResult;
use crate::text::count_of;
use crate::words::Label;

/// Changes of the suppression list that a story tells.
const EVENTS: i64 = 50;

/// One entry.
pub(crate) struct Moment {
    pub at_ms: i64,
    /// A tone of the badge.
    pub tone: &'static str,
    pub title: String,
    pub detail: String,
    /// The server's words, verbatim.
    pub reply: String,
    /// Where there is more, and the words of that link.
    pub link: Option<(String, &'static str)>,
}

/// A piece of it, with the way to the one before.
pub(crate) struct Story {
    pub moments: Vec<Moment>,
    pub older: Option<String>,
    pub is_newest: bool,
    /// What is counted against the address, and what it takes until it has consequences.
    pub standing: Vec<String>,
}

pub(crate) async fn story(
    page: &Page,
    data: &Workspace,
    id: SubscriberId,
    email: &str,
    before: Option<i64>,
) -> WebResult<Story> {
    let piece = data.timeline(id, before.map(UnixMs)).await?;
    let names = data.report_names(&piece.reports).await?;
    let events = data.suppression_events(Some(email.to_owned()), None, EVENTS).await?;
    let limits = data.bounce_rules().await?.limits;
    let standing = standing_words(page, &data.bounce_standing(id).await?, &limits);
    let older = piece.older.map(|at| format!("/subscribers/{id}?before={at}"));
    Ok(Story { moments: moments(&piece, &names, &events), older, is_newest: before.is_none(), standing })
}

/// Nothing, when nothing is counted.
pub(crate) fn standing_words(page: &Page, standing: &BounceStanding, limits: &BounceLimits) -> Vec<String> {
    let day = |at: i64| page.when(&at).relative;
    let mut words = Vec::new();
    if standing.soft_bounces > 0 {
        let n = count_of(i64::from(standing.soft_bounces), "soft bounce", "soft bounces in a row");
        let since = standing.soft_since_ms.map(|at| format!(", the first {}", day(at))).unwrap_or_default();
        words.push(match limits.hold_after {
            0 => format!("{n}{since}. They are only counted."),
            most => format!(
                "{n}{since}. Put on hold at {most} over at least {}; a delivered message or a click begins anew.",
                count_of(i64::from(limits.hold_over_days), "day", "days")
            ),
        });
    }
    if let Some(at) = standing.doubted_at_ms {
        let days = count_of(i64::from(limits.second_within_days), "day", "days");
        words.push(format!("Doubted {}: one more such refusal within {days} suppresses the address.", day(at)));
    }
    words
}

fn moments(piece: &TimelinePiece, names: &ReportNames, events: &[SuppressionEvent]) -> Vec<Moment> {
    let mut all = vec![simple(piece.added_at_ms, "info", "Added as a subscriber".to_owned(), String::new())];
    all.extend(piece.lists.iter().flat_map(on_list));
    all.extend(piece.suppressions.iter().map(suppressed));
    all.extend(events.iter().filter_map(event));
    all.retain(|moment| piece.covers(moment.at_ms));
    all.extend(piece.reports.iter().map(|row| report(&ReportLine::of(row, names), &row.words)));
    for sent in &piece.sent {
        let is_told = piece.reports.iter().any(|row| row.delivery_id == Some(sent.delivery));
        all.push(message(sent, is_told));
        all.extend(sent.engagements.iter().map(|response| engaged(sent, response)));
    }
    all.sort_by_key(|moment| std::cmp::Reverse(moment.at_ms));
    all
}

const fn simple(at_ms: i64, tone: &'static str, title: String, detail: String) -> Moment {
    Moment { at_ms, tone, title, detail, reply: String::new(), link: None }
}

/// Coming on, and the last change.
fn on_list(row: &OnList) -> Vec<Moment> {
    let link = Some((format!("/lists/{}", row.list), "List"));
    let (tone, title) = match row.status {
        SubscriptionStatus::Subscribed => ("ok", format!("Subscribed to {}", row.list_name)),
        SubscriptionStatus::Unsubscribed => ("warn", format!("Unsubscribed from {}", row.list_name)),
    };
    let mut told = vec![Moment { link: link.clone(), ..simple(row.updated_at_ms, tone, title, row.source.clone()) }];
    if row.created_at_ms < row.updated_at_ms {
        let title = format!("Came on the list {}", row.list_name);
        told.push(Moment { link, ..simple(row.created_at_ms, "info", title, String::new()) });
    }
    told
}

/// Its evidence stands with the entry itself, beside the story.
fn suppressed(entry: &SuppressedAt) -> Moment {
    let reason = SuppressionReason::parse(&entry.reason).map_or("", |reason| reason.label());
    simple(entry.at_ms, "bad", format!("Suppressed: {}", reason.to_lowercase()), entry.source.clone())
}

/// What people did with the suppression list. Entries that stand tell of themselves.
fn event(event: &SuppressionEvent) -> Option<Moment> {
    let title = match event.action.as_str() {
        "removed" => format!("Suppression removed by {}", event.who),
        "added" => format!("Suppression added by {}", event.who),
        _ => return None,
    };
    Some(simple(event.at_ms, "info", title, event.note.clone()))
}

fn report(line: &ReportLine, words: &str) -> Moment {
    let campaign = line.campaign.as_ref().map(|(_, name)| format!(" · {name}")).unwrap_or_default();
    Moment {
        at_ms: line.at_ms,
        tone: line.tone,
        title: format!("{}: {}", line.title, line.effect.to_lowercase()),
        detail: format!("{}{campaign}", line.effect_meaning),
        reply: plain(words),
        link: Some((format!("/bounces/{}", line.id), "Report")),
    }
}

fn message(sent: &SentTo, is_told: bool) -> Moment {
    let is_fine = sent.state == DeliveryState::Accepted;
    let reason = sent.reason.as_deref().map(|reason| delivery_reason(sent.state, reason)).unwrap_or_default();
    let reply = sent.reply.as_deref().filter(|_| !is_fine && !is_told).map(plain).unwrap_or_default();
    Moment {
        at_ms: sent.at_ms,
        tone: delivery_tone(sent.state),
        title: format!("{}: {}", delivery_state(sent.state), sent.campaign_name),
        detail: reason,
        reply,
        link: Some((format!("/campaigns/{}/people/{}", sent.campaign, sent.delivery), "Delivery")),
    }
}

fn engaged(sent: &SentTo, response: &EngagementRow) -> Moment {
    let title = match response.kind.as_str() {
        "open" => format!("Opened: {}", sent.campaign_name),
        _ => format!("Clicked link {}: {}", response.link + 1, sent.campaign_name),
    };
    let detail = if response.n > 1 { count_of(response.n, "time", "times") } else { String::new() };
    simple(response.first_at_ms, "info", title, detail)
}
