//! States, reasons and refusals in words for who never read an RFC.

use tidings_domain::{BounceClass, CampaignState, DeliveryState, SkipReason, Word, provider_label};

/// A bounce class in words: what happened, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    pub title: &'static str,
    pub advice: &'static str,
}

const fn explained(title: &'static str, advice: &'static str) -> Explained {
    Explained { title, advice }
}

/// The words of a stored class; a class of a newer version is shown as undetermined, with its reply beside it.
pub fn explain(class: &str) -> Explained {
    explain_class(BounceClass::parse(class).unwrap_or(BounceClass::Undetermined))
}

const fn explain_class(class: BounceClass) -> Explained {
    use BounceClass as C;
    match class {
        C::BadAddress => {
            explained("No such mailbox", "The address does not exist. It is suppressed and will not be mailed again.")
        }
        C::ProbableBadAddress => {
            explained("Probably no such mailbox", "The server will not say so plainly, but the address looks dead.")
        }
        C::BadDomain => {
            explained("No such domain", "The part after the @ does not exist: often a typing error such as gmial.com.")
        }
        C::NullMx => explained("The domain takes no mail", "Its owner says so in DNS. The address cannot work."),
        C::Moved => explained("The mailbox has moved", "The person has another address now."),
        C::NoMailHost => explained("No mail server", "The domain exists but has no server that takes mail."),
        C::MailboxDisabled => explained("Mailbox switched off", "The account exists but is locked or no longer used."),
        C::MailboxFull => explained("Mailbox full", "The person has to make room. We try again for a while."),
        C::TooBig => explained("Message too large", "Make the content smaller: fewer or lighter images."),
        C::RemoteSystem => explained("Trouble at the receiver", "Their server has a problem of its own. We try again."),
        C::Network => explained("No connection", "The server could not be reached. We try again."),
        C::RoutingLoop => explained(
            "Mail runs in a circle",
            "The receiver's servers send it round and round; only they can repair it.",
        ),
        C::Expired => explained("Gave up after many tries", "The receiver said “later” until the retry time was over."),
        C::Protocol => explained(
            "We did not understand each other",
            "The receiver refused a command of ours. Please report this to us.",
        ),
        C::SessionLimit => explained(
            "Enough for one connection",
            "The receiver wants fewer messages on one connection. We adapt by ourselves.",
        ),
        C::ContentEncoding => {
            explained("The receiver cannot read the encoding", "Its server is old and refuses this kind of message.")
        }
        C::Smtputf8Unsupported => {
            explained("Address with special letters", "The receiver cannot take addresses with letters outside a to z.")
        }
        C::Policy => {
            explained("Refused by policy", "The receiver's rules refuse this message. Its words below say which.")
        }
        C::IpBlocked => explained(
            "Our sending address is blocked",
            "The receiver or a block list refuses our IP address. The people are not to blame.",
        ),
        C::ContentBlocked => {
            explained("Taken for spam", "The receiver does not like the content. Look at wording, links and images.")
        }
        C::Relaying => explained(
            "The server will not relay",
            "It does not know this recipient's domain, or wants us to sign in first.",
        ),
        C::RecipientPolicy => explained("The recipient refuses", "This mailbox only takes mail from certain senders."),
        C::Throttled => explained(
            "Slow down",
            "The receiver limits how fast we may send. We slow down by ourselves; nothing is lost.",
        ),
        C::TooManyConnections => {
            explained("Too many connections", "The receiver wants fewer connections at once. We adapt by ourselves.")
        }
        C::Greylist => {
            explained("Come back later", "A test for strangers: servers that come back are let in. We come back.")
        }
        C::Ptr => explained(
            "Our server's name is not in order",
            "The reverse DNS entry (PTR) of the sending IP is missing or does not match.",
        ),
        C::Authentication => {
            explained("The sender could not be verified", "SPF, DKIM or DMARC of the From domain is not in order.")
        }
        C::TlsRequired => {
            explained("Encryption is required", "The receiver only takes mail over an encrypted connection.")
        }
        C::RelayAuth => explained(
            "The relay refused our password",
            "Check user name and password of the sending route in the settings.",
        ),
        C::Render => {
            explained("The message could not be made", "A merge tag failed for this person. Nothing was sent.")
        }
        C::Undetermined => explained("Refused", "The receiver's own words below say why."),
    }
}

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
        Err(_) => reason,
    }
}

/// Why a delivery stands where it stands, in words.
pub fn reason(state: DeliveryState, stored: &str) -> String {
    match state {
        DeliveryState::Skipped => capitalised(skipped(stored)),
        _ => match BounceClass::parse(stored) {
            Ok(class) => explain_class(class).title.to_owned(),
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
    fn every_class_has_its_own_words() {
        let mut titles: Vec<&str> = BounceClass::ALL.iter().map(|c| explain_class(*c).title).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), BounceClass::ALL.len());
    }

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
