//! Mailgun's webhooks: one event in `event-data`, beside the `signature` of the post.
//!
//! `message.headers.message-id` is the Message-ID of the message, without brackets, and Mailgun keeps ours. Values given
//! in the header field `X-Mailgun-Variables: {"tidings":"TOKEN"}` come back in `user-variables`.
//!
//! The signature is an HMAC-SHA256 of time stamp and a token, and not of the event: it proves that the sender knows the
//! account's signing key, or has seen a post of it within [`MAX_AGE_MS`](super::MAX_AGE_MS).

use serde::Deserialize;
use serde_json::value::RawValue;
use tidings_domain::{BounceClass, FeedbackType, ReportKind, Service};

use super::facts::{self, Failure};
use super::json::Json;
use super::{RawEvent, Unreadable};
use crate::{Claim, Report};

const SERVICE: Service = Service::Mailgun;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "event-data", borrow)]
    event: Option<&'a RawValue>,
}

pub(super) fn split(body: &[u8]) -> Result<Vec<RawEvent>, Unreadable> {
    let body: Body = serde_json::from_slice(body).map_err(|e| super::not_json(SERVICE, &e))?;
    let fault = "it has no \"event-data\"; the old form-encoded webhooks are not read".to_owned();
    let event = body.event.ok_or(Unreadable::NotAnEvent { service: SERVICE, fault })?;
    Ok(vec![super::event(SERVICE, event.get(), id)?])
}

/// `id` is documented as unique within a day only, so the time goes with it.
fn id(event: Json) -> Option<String> {
    facts::joined(&[event.text("id"), &event.word("timestamp")])
}

pub(super) fn read(event: Json) -> Result<Report, String> {
    let name = event.some("event").ok_or("it has no \"event\"")?;
    let address = event.text("recipient");
    let mut report = match name.as_str() {
        "failed" => failed(event),
        "rejected" => {
            let claim = Some(Claim::Instead(BounceClass::ContentBlocked));
            let words = event.at("reject").text("reason");
            facts::bounce(SERVICE, &name, Failure { address, words, claim, ..Failure::default() })
        }
        "delivered" => facts::delivered(SERVICE, &name, address),
        "complained" => facts::feedback(SERVICE, &name, FeedbackType::Abuse, address),
        "unsubscribed" => facts::unsubscribe(SERVICE, &name, address),
        // accepted, opened, clicked, stored.
        _ => facts::report(ReportKind::Notice, SERVICE, &name),
    };
    let message_id = event.at("message").at("headers").text("message-id");
    report.ties.add_message_ids(message_id);
    report.ties.add_addresses(event.at("envelope").text("sender"));
    report.ties.add_token(event.at("user-variables").text("tidings"));
    report.ties.add_original_to(address);
    Ok(report)
}

/// `severity` temporary: Mailgun tries again. `delivery-status` holds the server's reply: `code`, `enhanced-code`,
/// `message`; `description` is used where Mailgun itself speaks.
fn failed(event: Json) -> Report {
    let (reason, severity, address) = (event.text("reason"), event.text("severity"), event.text("recipient"));
    let name = format!("failed {severity} {reason}");
    let status = event.at("delivery-status");
    let words = Some(status.text("message")).filter(|m| !m.is_empty()).unwrap_or(status.text("description"));
    let claim = match reason {
        // Whoever complained or unsubscribed there wants no mail, but complained of no campaign of ours now.
        "suppress-complaint" | "suppress-unsubscribe" => return facts::unsubscribe(SERVICE, &name, address),
        // On Mailgun's list for what some server once said that we cannot see: counted, believed when it comes again.
        "suppress-bounce" => Claim::Instead(BounceClass::ProbableBadAddress),
        // The receiver blocks Mailgun's addresses or the sender's domain.
        "espblock" => Claim::Beside(BounceClass::IpBlocked),
        "greylisted" => Claim::Beside(BounceClass::Greylist),
        "old" => Claim::Beside(BounceClass::Expired),
        // The server refused for good; its words say why, or nobody does.
        "bounce" | "hardfail" => Claim::Beside(BounceClass::ProbableBadAddress),
        _ => Claim::Beside(BounceClass::Undetermined),
    };
    let failure = Failure {
        address,
        words,
        code: &status.word("code"),
        status: status.text("enhanced-code"),
        remote_mta: status.some("mx-host"),
        claim: Some(claim),
    };
    if severity == "temporary" {
        facts::delayed(SERVICE, &name, failure)
    } else {
        facts::bounce(SERVICE, &name, failure)
    }
}
