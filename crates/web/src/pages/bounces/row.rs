//! One report as a line: of the log, of nobody's reports, of a person's story.

use tidings_domain::{ReportEffect, ReportKind, Word};
use tidings_store::{CampaignId, DeliveryId, ReportId, ReportNames, ReportRow, SubscriberId};

use crate::bounce_words;
use crate::pages::campaigns::provider_name;

/// Of a server's words, in a line.
const LINE_CHARS: usize = 240;

pub(crate) struct ReportLine {
    pub id: ReportId,
    pub at_ms: i64,
    pub recipient: String,
    pub subscriber: Option<SubscriberId>,
    pub campaign: Option<(CampaignId, String)>,
    pub delivery: Option<DeliveryId>,
    pub provider: String,
    /// The class or the kind, in words.
    pub title: &'static str,
    /// What that means.
    pub meaning: &'static str,
    pub tone: &'static str,
    /// What followed.
    pub effect: &'static str,
    pub effect_meaning: &'static str,
    /// The first line of the server's words.
    pub words: String,
}

impl ReportLine {
    pub(crate) fn of(row: &ReportRow, names: &ReportNames) -> Self {
        let (title, meaning) = headline(row);
        let (tone, effect, effect_meaning) = outcome(row);
        let campaign = row.campaign_id.and_then(|id| Some((id, names.campaigns.get(&id)?.clone())));
        let provider = names.providers.get(&row.provider_id).filter(|name| !name.is_empty());
        Self {
            id: row.id,
            at_ms: row.received_at_ms,
            recipient: row.recipient.clone(),
            subscriber: row.subscriber_id,
            delivery: row.delivery_id.filter(|_| campaign.is_some()),
            campaign,
            provider: provider.map(|name| provider_name(name)).unwrap_or_default(),
            title,
            meaning,
            tone,
            effect,
            effect_meaning,
            words: first_line(&row.words),
        }
    }
}

/// A bounce is named by its class, all else by its kind.
pub(super) fn headline(row: &ReportRow) -> (&'static str, &'static str) {
    if !row.class.is_empty() {
        let words = bounce_words::explain(&row.class);
        return (words.title, words.meaning);
    }
    match ReportKind::parse(&row.kind) {
        Ok(kind) => (bounce_words::kind(kind), ""),
        Err(_) => ("Not read yet", ""),
    }
}

/// What followed, or why nothing has followed yet.
pub(super) fn outcome(row: &ReportRow) -> (&'static str, &'static str, &'static str) {
    match (row.state.as_str(), ReportEffect::parse(&row.effect)) {
        ("stored", _) => ("live", "Being read", "It is kept and waits to be read."),
        ("again", _) => {
            ("live", "Being read again", "What followed from it is taken back, and done anew by the rules of now.")
        }
        ("waiting", _) => ("info", "Waits", "It came before its message had ended. It is looked at again until then."),
        (_, Ok(effect)) => bounce_words::effect(effect),
        (_, Err(_)) => ("neutral", "Unknown", "A newer version wrote this."),
    }
}

/// Text from the world for a page: what draws nothing, or turns the direction of writing, is shown as the mark of what cannot be shown.
/// The template escapes the rest.
pub(crate) fn plain(text: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.replace("\r\n", "\n").chars().map(|c| if hidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

pub(crate) fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let cut: String = line.chars().take(LINE_CHARS).collect();
    plain(&if cut.len() < line.len() { cut + "…" } else { cut })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_deceive_the_eye_is_marked() {
        assert_eq!(plain("a\u{202e}b\0c\r\nd\te\u{7f}"), "a\u{fffd}b\u{fffd}c\nd\te\u{fffd}");
        assert_eq!(first_line("\r\n  550 no \r\n more"), "550 no");
        assert_eq!(first_line(&"x".repeat(300)).chars().count(), LINE_CHARS + 1);
    }
}
