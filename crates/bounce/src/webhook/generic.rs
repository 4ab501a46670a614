//! The JSON of our own, for services and scripts that have no module here: one object, or a list of them.
//!
//! | member | meaning |
//! |---|---|
//! | `event` | `bounce`, `delayed`, `delivered`, `complaint`, `unsubscribe`; any other word changes nothing |
//! | `id` | tells events apart: an id that was seen is not taken again |
//! | `recipient` | the address |
//! | `diagnostic` | what the remote server said, with its codes: `550 5.1.1 no such user` |
//! | `status` | its enhanced code (RFC 3463), if that stands apart |
//! | `class` | one of our classes, such as `bad_address` or `mailbox_full`; taken where the diagnostic says nothing |
//! | `remote_mta` | the server that said so |
//! | `feedback_type` | of a complaint: `abuse` (without it), `fraud`, `virus`, `opt-out`, `not-spam`, `auth-failure`, `other` |
//! | `message_id`, `return_path`, `tidings` | what ties it to its delivery: our Message-ID, our envelope sender, our token; one is enough |
//!
//! Signed with [`SIGNATURE_FIELD`]: the HMAC-SHA256, in hexadecimal digits, of the value of [`TIMESTAMP_FIELD`] (seconds
//! since 1970), a dot and the body, each time anew.

use tidings_domain::{BounceClass, FeedbackType, ReportKind, Service, Word};

use super::facts::{self, Failure};
use super::json::Json;
use crate::{Claim, Report};

/// The header field with the signature.
pub const SIGNATURE_FIELD: &str = "tidings-signature";
/// The header field with the time at which it was signed.
pub const TIMESTAMP_FIELD: &str = "tidings-timestamp";

const SERVICE: Service = Service::Generic;

pub(super) fn id(event: Json) -> Option<String> {
    Some(event.word("id")).filter(|id| !id.is_empty())
}

pub(super) fn read(event: Json) -> Result<Report, String> {
    let name = event.some("event").ok_or("it has no \"event\"")?;
    let address = event.text("recipient");
    let mut report = match name.as_str() {
        "bounce" => facts::bounce(SERVICE, &name, failure(event)?),
        "delayed" => facts::delayed(SERVICE, &name, failure(event)?),
        "delivered" => facts::delivered(SERVICE, &name, address),
        "complaint" => facts::feedback(SERVICE, &name, feedback_type(event)?, address),
        "unsubscribe" => facts::unsubscribe(SERVICE, &name, address),
        _ => facts::report(ReportKind::Notice, SERVICE, &name),
    };
    report.ties.add_message_ids(event.text("message_id"));
    report.ties.add_addresses(event.text("return_path"));
    report.ties.add_token(event.text("tidings"));
    report.ties.add_original_to(address);
    Ok(report)
}

fn failure(event: Json<'_>) -> Result<Failure<'_>, String> {
    let class = match event.text("class") {
        "" => BounceClass::Undetermined,
        word => BounceClass::parse(word).map_err(|_| format!("{word:?} is no class that is known"))?,
    };
    Ok(Failure {
        address: event.text("recipient"),
        words: event.text("diagnostic"),
        status: event.text("status"),
        remote_mta: event.some("remote_mta"),
        claim: Some(Claim::Beside(class)),
        ..Failure::default()
    })
}

fn feedback_type(event: Json) -> Result<FeedbackType, String> {
    match event.text("feedback_type") {
        "" => Ok(FeedbackType::Abuse),
        word => FeedbackType::parse(word).map_err(|_| format!("{word:?} is no feedback type that is known")),
    }
}
