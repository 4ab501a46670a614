//! SendGrid's Event Webhook: a list of flat objects.
//!
//! `smtp-id` is the Message-ID that the message had when it was handed over, so ours. Values given in the header field
//! `X-SMTPAPI: {"unique_args":{"tidings":"TOKEN"}}` come back as members of each event.
//!
//! Signed with ECDSA P-256 and SHA-256 over the time stamp and the body.

use tidings_domain::{BounceClass, FeedbackType, ReportKind, Service};

use super::facts::{self, Failure};
use super::json::Json;
use crate::{Claim, Report};

const SERVICE: Service = Service::SendGrid;

/// `sg_event_id`: unique to each event, and documented as the means to recognise copies.
pub(super) fn id(event: Json) -> Option<String> {
    event.some("sg_event_id")
}

pub(super) fn read(event: Json) -> Result<Report, String> {
    let name = event.some("event").ok_or("it has no \"event\"")?;
    let address = event.text("email");
    let mut report = match name.as_str() {
        "bounce" => facts::bounce(SERVICE, &bounce_name(event), bounced(event)),
        "dropped" => dropped(event),
        "deferred" => {
            facts::delayed(SERVICE, &name, Failure { address, words: event.text("response"), ..Failure::default() })
        }
        "delivered" => facts::delivered(SERVICE, &name, address),
        "spamreport" => facts::feedback(SERVICE, &name, FeedbackType::Abuse, address),
        "unsubscribe" | "group_unsubscribe" => facts::unsubscribe(SERVICE, &name, address),
        // open, click, processed, group_resubscribe, and what is yet to come.
        _ => facts::report(ReportKind::Notice, SERVICE, &name),
    };
    report.ties.add_message_ids(event.text("smtp-id"));
    report.ties.add_token(event.text("tidings"));
    report.ties.add_original_to(address);
    Ok(report)
}

fn bounce_name(event: Json) -> String {
    format!("bounce {}", event.text("type")).trim_end().to_owned()
}

/// `reason` is the server's reply, `status` its enhanced code. `type` tells a bounce, which SendGrid blames on the
/// address, from a block, which it blames on the sender; `bounce_classification` names the sort.
fn bounced(event: Json) -> Failure {
    Failure {
        address: event.text("email"),
        words: event.text("reason"),
        status: event.text("status"),
        claim: Some(Claim::Beside(class(event.text("type"), event.text("bounce_classification")))),
        ..Failure::default()
    }
}

fn class(kind: &str, classification: &str) -> BounceClass {
    use BounceClass as B;
    match (kind, classification.to_ascii_lowercase().as_str()) {
        ("expired", _) => B::Expired,
        (_, "reputation") => B::IpBlocked,
        (_, "content") => B::ContentBlocked,
        (_, "frequency/volume too high" | "frequency or volume too high") => B::Throttled,
        // Never the recipient, whatever the classification says.
        ("blocked", _) => B::IpBlocked,
        ("bounce", "invalid address") => B::BadAddress,
        (_, "mailbox unavailable") => B::MailboxDisabled,
        (_, "technical" | "technical failure") => B::RemoteSystem,
        // SendGrid puts any 5yz that it cannot place among these.
        ("bounce", _) => B::ProbableBadAddress,
        _ => B::Undetermined,
    }
}

/// SendGrid did not try. "Bounced Address" and "Invalid" say that an address is on one of its lists, for what some server
/// once said that we cannot see and SendGrid may have misread: counted, and believed when it comes again. Who
/// unsubscribed or complained there wants no mail, but complained of no campaign of ours now. The rest is our own fault.
fn dropped(event: Json) -> Report {
    let (reason, address) = (event.text("reason"), event.text("email"));
    let name = format!("dropped {reason}");
    let class = match reason.to_ascii_lowercase().as_str() {
        "bounced address" | "invalid" => BounceClass::ProbableBadAddress,
        "spam reporting address" | "unsubscribed address" => return facts::unsubscribe(SERVICE, &name, address),
        "spam content" => BounceClass::ContentBlocked,
        "recipient list over package quota" => BounceClass::Throttled,
        _ => BounceClass::Protocol,
    };
    let claim = Some(Claim::Instead(class));
    facts::bounce(SERVICE, &name, Failure { address, words: reason, claim, ..Failure::default() })
}
