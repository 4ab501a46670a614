//! Postmark's webhooks: one flat object in each post, its sort in `RecordType`.
//!
//! `MessageID` is Postmark's own. Values given in the header field `X-PM-Metadata-tidings: TOKEN` come back in
//! `Metadata`; without it nothing ties an event to its delivery.
//!
//! Posts are not signed: they carry the credentials of the URL as Basic, or a header field chosen by the operator.

use tidings_domain::{BounceClass, FeedbackType, ReportKind, Service};

use super::facts::{self, Failure};
use super::json::Json;
use crate::{Claim, Report};

const SERVICE: Service = Service::Postmark;

/// Bounces and complaints have an `ID`; the others are told apart by message, recipient and time.
pub(super) fn id(event: Json) -> Option<String> {
    let (sort, own) = (event.text("RecordType"), event.word("ID"));
    if !own.is_empty() {
        return facts::joined(&[sort, &own]);
    }
    let when = ["DeliveredAt", "ReceivedAt", "ChangedAt"].map(|name| event.text(name)).join("");
    facts::joined(&[sort, event.text("MessageID"), event.text("Recipient"), &when])
}

pub(super) fn read(event: Json) -> Result<Report, String> {
    let name = event.some("RecordType").ok_or("it has no \"RecordType\"")?;
    let mut report = match name.as_str() {
        "Bounce" => bounced(event),
        "SpamComplaint" => facts::feedback(SERVICE, &name, FeedbackType::Abuse, event.text("Email")),
        "Delivery" => facts::delivered(SERVICE, &name, event.text("Recipient")),
        "SubscriptionChange" => subscription(event),
        // Open, Click, Inbound.
        _ => facts::report(ReportKind::Notice, SERVICE, &name),
    };
    report.ties.add_token(event.at("Metadata").text("tidings"));
    report.ties.add_original_to(event.text("Email"));
    report.ties.add_original_to(event.text("Recipient"));
    Ok(report)
}

/// `Type` is Postmark's word (`TypeCode` its number), `Details` the server's reply. `Description` is one sentence for
/// each type with examples such as "unknown user", and is never looked at.
fn bounced(event: Json) -> Report {
    let (kind, address) = (event.text("Type"), event.text("Email"));
    let name = format!("Bounce {kind}");
    let failure = |claim| Failure { address, words: event.text("Details"), claim, ..Failure::default() };
    let notice = |kind| facts::report(kind, SERVICE, &name);
    match kind {
        "SpamComplaint" => facts::feedback(SERVICE, &name, FeedbackType::Abuse, address),
        "Unsubscribe" => facts::unsubscribe(SERVICE, &name, address),
        // Still being tried.
        "Transient" => facts::delayed(SERVICE, &name, failure(None)),
        "AutoResponder" | "AddressChange" => notice(ReportKind::AutoReply),
        "ChallengeVerification" => notice(ReportKind::Challenge),
        "Subscribe" | "OpenRelayTest" | "Unconfirmed" | "InboundError" => notice(ReportKind::Notice),
        _ => facts::bounce(SERVICE, &name, failure(Some(claim(kind, event.text("Details"))))),
    }
}

fn claim(kind: &str, details: &str) -> Claim {
    use BounceClass as B;
    match kind {
        "HardBounce" => Claim::Beside(B::BadAddress),
        // Found by Postmark, in an address that is well-formed for us: counted, and believed when it comes again.
        "BadEmailAddress" => Claim::Instead(B::ProbableBadAddress),
        "SoftBounce" => Claim::Beside(B::RemoteSystem),
        "DnsError" => Claim::Beside(B::Network),
        "Blocked" => Claim::Beside(B::IpBlocked),
        "SpamNotification" | "VirusNotification" => Claim::Beside(B::ContentBlocked),
        "DMARCPolicy" => Claim::Beside(B::Authentication),
        "TemplateRenderingFailed" => Claim::Instead(B::Render),
        // Somebody switched the address off by hand in Postmark.
        "ManuallyDeactivated" => Claim::Instead(B::RecipientPolicy),
        // Postmark did not try: an inactive recipient bounced, complained or was switched off, it does not say which;
        // any other fault is in what we handed over.
        "SMTPApiError" if details.to_ascii_lowercase().contains("inactive") => Claim::Instead(B::RecipientPolicy),
        "SMTPApiError" => Claim::Instead(B::Protocol),
        _ => Claim::Beside(B::Undetermined),
    }
}

/// An address was put on the stream's suppression list. A hard bounce is posted as a bounce too, with the server's words:
/// taken here as well, one would count as two. What the operator does there by hand is his own.
fn subscription(event: Json) -> Report {
    let (reason, origin) = (event.text("SuppressionReason"), event.text("Origin"));
    let (name, address) = (format!("SubscriptionChange {reason} {origin}"), event.text("Recipient"));
    match (event.at("SuppressSending").is_true(), reason, origin) {
        (true, "SpamComplaint", _) => facts::feedback(SERVICE, &name, FeedbackType::Abuse, address),
        (true, "ManualSuppression", "Recipient") => facts::unsubscribe(SERVICE, &name, address),
        _ => facts::report(ReportKind::Notice, SERVICE, name.trim_end()),
    }
}
