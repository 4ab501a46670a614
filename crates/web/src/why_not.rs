//! The answer to "why did this person get nothing?" in one line.

use tidings_domain::{SubscriberStatus, SuppressionKind, Word};
use tidings_store::{Scope, Suppression, WhyNot};

use crate::text::count_of;
use crate::words::Label;

pub(crate) struct Verdict {
    pub tone: &'static str,
    pub icon: &'static str,
    pub title: String,
    pub detail: String,
}

impl Verdict {
    pub fn of(email: &str, why: &WhyNot) -> Self {
        match why {
            WhyNot::Suppressed(entry) => Self::suppressed(email, entry),
            WhyNot::Mailbox(SubscriberStatus::Complained) => {
                Self::bad("Gets no mail: complained", "This person reported a message as spam.")
            }
            WhyNot::Mailbox(SubscriberStatus::OnHold) => {
                Self::bad("Gets no mail: on hold", "Too many soft bounces in a row.")
            }
            WhyNot::Mailbox(_) => Self::bad("Gets no mail: bounced", "The mailbox refused mail for good."),
            WhyNot::NoList => {
                Self::warn("Gets no mail: on no list", "Subscribe this person to a list, if he asked for it.")
            }
            WhyNot::Unknown => {
                Self::warn("Not suppressed, and not a subscriber", "No list has this address. Did you type all of it?")
            }
            WhyNot::JoinedLater => {
                Self::warn("Joined too late", "The campaign's audience was frozen before this person was a subscriber.")
            }
            WhyNot::Delivery { state, reason, reply, .. } => {
                let words = reply.as_deref().or(reason.as_deref()).unwrap_or_default();
                Self::warn(format!("The message is {}", state.as_str().replace('_', " ")), words)
            }
            WhyNot::Nothing { lists } => Self {
                tone: "ok",
                icon: "mail-check",
                title: format!("Gets campaigns sent to {}", count_of(*lists as i64, "list", "lists")),
                detail: "Nothing stands against mail to this address.".to_owned(),
            },
        }
    }

    fn suppressed(email: &str, entry: &Suppression) -> Self {
        let by = match entry.kind {
            SuppressionKind::Address => email.to_owned(),
            SuppressionKind::Hash => format!("{email}, kept as a keyed hash since it was erased,"),
            SuppressionKind::Md5 | SuppressionKind::Sha256 => format!("A hash of {email}"),
            SuppressionKind::Domain => format!("The domain {}", entry.value),
            SuppressionKind::Pattern => format!("The pattern {}", entry.value),
        };
        let list = if entry.is_global() { "the installation's suppression list" } else { "the suppression list" };
        let scope = match entry.scope() {
            Scope::All => "for all mail",
            Scope::Lane(_) => "for campaigns",
            Scope::List(_) => "for each list that reaches this person",
        };
        let title = format!("Gets no mail: {}", entry.reason.label().to_lowercase());
        Self::bad(title, format!("{by} is on {list}, {scope}."))
    }

    fn bad(title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { tone: "bad", icon: "mail-x", title: title.into(), detail: detail.into() }
    }

    fn warn(title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { tone: "warn", icon: "mail-x", title: title.into(), detail: detail.into() }
    }
}
