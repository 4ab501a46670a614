//! "Try it on this reply": which rule would fire, and what would follow.

use std::fmt::Write as _;

use tidings_bounce::ProviderBook;
use tidings_domain::{Consequence, Cut, Knob, PaceKey, Phase, Reply, ReplyClass, Verdict};

use crate::bounce_words::class_words;
use crate::pages::campaigns::rate;

/// What a reply would mean.
pub(super) struct Tried {
    pub rule: String,
    pub title: &'static str,
    pub meaning: &'static str,
    /// What follows, each a sentence.
    pub follows: Vec<String>,
}

/// `None` for an empty text, and for one that is no refusal.
pub(super) fn try_reply(book: &ProviderBook, provider: &str, text: &str) -> Option<Tried> {
    if text.trim().is_empty() {
        return None;
    }
    let reply = Reply::from_text(text.trim(), 0);
    if !matches!(reply.class(), ReplyClass::Transient | ReplyClass::Permanent) || reply.code >= 600 {
        return Some(Tried {
            rule: "–".to_owned(),
            title: "No refusal",
            meaning: "A refusal begins with its code, such as 421 or 550.",
            follows: Vec::new(),
        });
    }
    Some(told(&book.rules.classify(Phase::Rcpt, &reply, provider)))
}

/// How far a knob goes down.
fn cut_words(cut: Cut, knob: Knob) -> String {
    match (cut, knob) {
        (Cut::Part(2), _) => "halved".to_owned(),
        (Cut::Part(part), _) => format!("divided by {part}"),
        (Cut::AtMost(most), Knob::Rate) => format!("turned down to {most} a minute"),
        (Cut::AtMost(most), _) => format!("turned down to {most}"),
    }
}

fn told(verdict: &Verdict) -> Tried {
    let words = class_words(verdict.class);
    let mut follows = vec![consequence(verdict.consequence).to_owned()];
    if let Some(knob) = verdict.knob {
        let mut turned = format!("{} {} {}.", knob_words(knob), cut_words(verdict.cut, knob), key_words(verdict.key));
        if !verdict.stay.is_zero() {
            let _ = write!(turned, " It stays there for {} at the least.", rate::about(verdict.stay));
        }
        follows.push(turned);
    }
    if let Some(hold) = verdict.hold {
        follows.push(format!("Nothing new goes there for {} {}.", rate::about(hold), key_words(verdict.key)));
    }
    if verdict.pause_campaign {
        follows.push("The campaign is paused at once.".to_owned());
    }
    if verdict.class.is_block() {
        follows.push("An alert is raised.".to_owned());
    }
    Tried { rule: verdict.rule.clone(), title: words.title, meaning: words.meaning, follows }
}

const fn consequence(of: Consequence) -> &'static str {
    match of {
        Consequence::Retry => "The message is tried again, which costs an attempt.",
        Consequence::Snooze => "The message waits, which costs no attempt.",
        Consequence::HardBounce => "The message ends: the address bounced for good.",
        Consequence::SoftBounce => "The message ends; soft bounces in a row are counted.",
        Consequence::Fail => "The message ends through us; the subscriber is left alone.",
    }
}

pub(super) const fn knob_words(knob: Knob) -> &'static str {
    match knob {
        Knob::Rate => "The rate is",
        Knob::Connections => "The number of connections is",
        Knob::MessagesPerConnection => "Messages on each connection are",
    }
}

pub(super) const fn key_words(key: PaceKey) -> &'static str {
    match key {
        PaceKey::Provider => "on every route",
        PaceKey::Route => "on the route that was used",
        PaceKey::SendingDomain => "for the campaign's sending domain",
    }
}
