//! States, reasons and refusals in words for who never read an RFC.

use std::time::Duration;

use tidings_domain::{BounceClass, CampaignState, DeliveryState, SkipReason, Word, provider_label};

use super::rate;
use crate::bounce_words::class_words;

/// A skip reason in a few words; unknown ones as they stand.
pub fn skipped(reason: &str) -> &str {
    match SkipReason::parse(reason) {
        Ok(SkipReason::Excluded) => "on an excluded list",
        Ok(SkipReason::Unsubscribed) => "unsubscribed",
        Ok(SkipReason::HardBounce) => "bounced before",
        Ok(SkipReason::Complaint) => "complained before",
        Ok(SkipReason::OnHold) => "on hold after soft bounces",
        Ok(SkipReason::Blocklist) => "on the block list",
        Ok(SkipReason::Deleted) => "deleted since launch",
        Ok(SkipReason::Deadline) => "the deadline passed first",
        Err(_) => reason,
    }
}

/// Why a delivery stands where it stands, in words.
pub fn reason(state: DeliveryState, stored: &str) -> String {
    match state {
        DeliveryState::Skipped => capitalised(skipped(stored)),
        _ => match BounceClass::parse(stored) {
            Ok(class) => class_words(class).title.to_owned(),
            Err(_) => capitalised(stored),
        },
    }
}

pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

pub const fn state(state: DeliveryState) -> &'static str {
    use DeliveryState as S;
    match state {
        S::Pending => "Waiting",
        S::Queued => "Queued",
        S::Sending => "In flight",
        S::Deferred => "Trying again",
        S::Accepted => "Accepted",
        S::HardBounced => "Bounced",
        S::SoftBounced => "Gave up",
        S::Failed => "Failed",
        S::InDoubt => "In doubt",
        S::Skipped => "Skipped",
        S::Cancelled => "Cancelled",
        S::Complained => "Complained",
    }
}

/// What a state means, in one sentence.
pub const fn state_meaning(state: DeliveryState) -> &'static str {
    use DeliveryState as S;
    match state {
        S::Pending => "In the audience; its place in the queue is being made.",
        S::Queued => "In the queue; the next free connection takes it.",
        S::Sending => "On the wire right now.",
        S::Deferred => "The receiver said “later”. We try again by ourselves.",
        S::Accepted => "The receiver took the message.",
        S::HardBounced => "Refused for good. The address is suppressed.",
        S::SoftBounced => "Refused again and again until the retry time was over.",
        S::Failed => "Could not be sent because of us or the content, not the person.",
        S::InDoubt => {
            "The message went out, but the connection broke before the answer: it may or may not have arrived."
        }
        S::Skipped => "Never attempted: the person must not be mailed.",
        S::Cancelled => "Not sent: the campaign was cancelled.",
        S::Complained => "Accepted, then marked as spam.",
    }
}

/// The badge's tone: the name of a CSS class.
pub const fn state_tone(state: DeliveryState) -> &'static str {
    use DeliveryState as S;
    match state {
        S::Accepted => "ok",
        S::Deferred | S::InDoubt => "warn",
        S::HardBounced | S::SoftBounced | S::Failed | S::Complained => "bad",
        S::Queued | S::Sending => "info",
        S::Pending | S::Skipped | S::Cancelled => "muted",
    }
}

pub const fn campaign_state(state: CampaignState) -> &'static str {
    use CampaignState as S;
    match state {
        S::Draft => "Draft",
        S::Scheduled => "Scheduled",
        S::Queuing => "Queuing",
        S::Queued => "Queued",
        S::Sending => "Sending",
        S::Done => "Done",
        S::Cancelled => "Cancelled",
    }
}

/// What it means that the queue's server has not answered for so long.
pub fn queue_is_away(since: Duration) -> String {
    format!(
        "Since {}. What is in flight finishes, nothing is lost, and sending resumes by itself when it is back.",
        rate::about(since)
    )
}

/// A provider's name as people know it.
pub fn provider(name: &str) -> String {
    match name {
        "" => "Not looked up yet".to_owned(),
        // A domain stays as it is written.
        unknown if unknown.starts_with("mx:") => provider_label(unknown).to_owned(),
        known => capitalised(provider_label(known)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_as_words_whatever_is_stored() {
        assert_eq!(reason(DeliveryState::Skipped, "complaint"), "Complained before");
        assert_eq!(reason(DeliveryState::HardBounced, "bad_address"), "No such mailbox");
        assert_eq!(reason(DeliveryState::Failed, "disk full"), "Disk full");
        assert_eq!(provider("mx:mail.example"), "mail.example");
        assert_eq!(provider("fastmail"), "Fastmail");
        assert_eq!(provider("brightmail"), "Brightmail");
        assert_eq!(provider(""), "Not looked up yet");
    }
}
