//! SparkPost's (Bird's) webhooks: a list of objects, each `{"msys":{"message_event":{…}}}` or with another class.
//!
//! `message_id` is SparkPost's own. Values given in the header field `X-MSYS-API: {"metadata":{"tidings":"TOKEN"}}` come
//! back in `rcpt_meta`.
//!
//! Posts are not signed: they carry Basic credentials, or a header field chosen by the operator.

use tidings_domain::{BounceClass, FeedbackType, ReportKind, Service, Word};

use super::facts::{self, Failure};
use super::json::Json;
use super::{RawEvent, Unreadable};
use crate::{Claim, Report};

const SERVICE: Service = Service::SparkPost;

/// What a test of the webhook posts: no event.
const TEST: &str = r#"{"msys":{}}"#;
const MAX_TEST_BYTES: usize = 64;

pub(super) fn split(body: &[u8]) -> Result<Vec<RawEvent>, Unreadable> {
    let mut events = super::events(SERVICE, body, id)?;
    events
        .retain(|event| event.json.len() > MAX_TEST_BYTES || event.json.split_whitespace().collect::<String>() != TEST);
    Ok(events)
}

fn id(event: Json) -> Option<String> {
    event.at("msys").first()?.1.some("event_id")
}

pub(super) fn read(event: Json) -> Result<Report, String> {
    let (_, event) = event.at("msys").first().ok_or("it has no \"msys\" with an event")?;
    let name = event.some("type").ok_or("it has no \"type\"")?;
    let address = recipient(event);
    let mut report = match name.as_str() {
        "bounce" | "out_of_band" => bounced(event, &name),
        "delay" => facts::delayed(SERVICE, &name, failure(event, None)),
        "delivery" => facts::delivered(SERVICE, &name, address),
        "spam_complaint" => {
            let kind = FeedbackType::parse(&event.text("fbtype").to_ascii_lowercase()).unwrap_or(FeedbackType::Abuse);
            facts::feedback(SERVICE, &name, kind, address)
        }
        "list_unsubscribe" | "link_unsubscribe" => facts::unsubscribe(SERVICE, &name, address),
        "policy_rejection" => facts::bounce(SERVICE, &name, failure(event, Some(rejected(event)))),
        "generation_failure" => {
            facts::bounce(SERVICE, &name, failure(event, Some(Claim::Instead(BounceClass::Render))))
        }
        "generation_rejection" => facts::bounce(SERVICE, &name, failure(event, Some(rejected(event)))),
        // injection, open, initial_open, click, amp_…
        _ => facts::report(ReportKind::Notice, SERVICE, &name),
    };
    report.ties.add_token(event.at("rcpt_meta").text("tidings"));
    report.ties.add_addresses(event.text("msg_from"));
    report.ties.add_original_to(address);
    Ok(report)
}

/// `rcpt_to` is in lower case, `raw_rcpt_to` as we wrote it.
fn recipient(event: Json<'_>) -> &str {
    let raw = event.text("raw_rcpt_to");
    if raw.is_empty() { event.text("rcpt_to") } else { raw }
}

/// `raw_reason` is the server's reply, `reason` the same in SparkPost's canonical form.
fn failure(event: Json<'_>, claim: Option<Claim>) -> Failure<'_> {
    let raw = event.text("raw_reason");
    Failure {
        address: recipient(event),
        words: if raw.is_empty() { event.text("reason") } else { raw },
        claim,
        ..Failure::default()
    }
}

/// `bounce_class` by SparkPost's published numbers. Some of them are mails that came back and are no bounces.
fn bounced(event: Json, name: &str) -> Report {
    use BounceClass as B;
    let number = event.word("bounce_class");
    let name = format!("{name} {number}");
    let class = match number.as_str() {
        "10" => B::BadAddress,
        "20" | "70" => B::RemoteSystem,
        "21" => B::Network,
        "22" => B::MailboxFull,
        "23" => B::TooBig,
        "24" => B::Expired,
        // SparkPost refused by its own configuration.
        "25" => B::Protocol,
        "50" | "51" => B::IpBlocked,
        "52" | "53" => B::ContentBlocked,
        "54" => B::Relaying,
        "60" => return facts::report(ReportKind::AutoReply, SERVICE, &name),
        "80" => return facts::report(ReportKind::Notice, SERVICE, &name),
        "90" => return facts::unsubscribe(SERVICE, &name, recipient(event)),
        "100" => return facts::report(ReportKind::Challenge, SERVICE, &name),
        // 1 undetermined, 30 without a recipient, 40 generic.
        _ => B::Undetermined,
    };
    facts::bounce(SERVICE, &name, failure(event, Some(Claim::Beside(class))))
}

/// SparkPost did not try. A suppressed address bounced, complained, unsubscribed or was put there by hand, and it does not
/// say which: counted softly. All else (limits, content, a header that it could not read) is our own fault.
fn rejected(event: Json) -> Claim {
    let reason = event.text("raw_reason").to_ascii_lowercase() + &event.text("reason").to_ascii_lowercase();
    Claim::Instead(if reason.contains("suppress") {
        BounceClass::RecipientPolicy
    } else if reason.contains("limit") {
        BounceClass::Throttled
    } else {
        BounceClass::Protocol
    })
}
