//! What e-mail services post about the mail that we sent through them, understood into the [`Report`] that mails give.
//!
//! Three steps, so that a post can be stored before it is understood: [`verify`] says whether it comes from the service,
//! [`split`] cuts it into its events, and [`read_event`] understands one of them. An event is stored as it came and can be
//! read again when the rules change.
//!
//! Who a report is about is proven by a token of ours in [`Report::ties`](crate::Report::ties), as with mails; that a post is
//! genuine says only that the service tells it. Each service's module names the header field that makes it give the
//! token back, where it does not return our Message-ID anyway.

mod brevo;
mod facts;
mod generic;
mod json;
mod mailgun;
mod postmark;
mod proof;
mod sendgrid;
pub(crate) mod ses;
pub mod sns;
mod sparkpost;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tidings_domain::{Service, UnixMs};

pub use generic::{SIGNATURE_FIELD, TIMESTAMP_FIELD};
use json::Json;
pub use proof::{MAX_AGE_GENERIC_MS, MAX_AGE_MS, MAX_AHEAD_MS, Proof, Unproven, check, verify};

use crate::Report;

/// Of one post. SendGrid's batches end at 768 KB, SNS messages at 256 KB; SparkPost's are the largest.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Of one post; SparkPost puts up to 10,000 into one.
pub const MAX_EVENTS: usize = 10_000;
/// Of one event: a few kilobytes, or more where the service adds the mail that came back.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// A longer id of an event is taken for none.
const MAX_ID_BYTES: usize = 400;

/// A post as it came.
#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    /// Names in lower case, and their values.
    pub headers: &'a [(String, String)],
    /// Octet for octet: signatures are over these.
    pub body: &'a [u8],
    pub now: UnixMs,
}

impl<'a> Post<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.trim())
    }
}

/// One event of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    /// Equal in all copies of the event that the service posts: its own id, or what tells its events apart. Services
    /// post again whatever they got no answer for.
    pub id: Option<String>,
    /// The event alone, as the service wrote it.
    pub json: String,
}

/// Why a post or an event could not be read. Posting it again will not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error(
        "the post has {0} bytes, more than the {MAX_BODY_BYTES} that are read; let the service send smaller batches"
    )]
    TooLarge(usize),
    #[error(
        "one event has {0} bytes, more than the {MAX_EVENT_BYTES} that are read; let the service leave out message contents"
    )]
    EventTooLarge(usize),
    #[error("the post has more than {MAX_EVENTS} events; let the service send smaller batches")]
    TooMany,
    #[error("this is not the JSON that {service} posts: {fault}")]
    NotJson { service: Service, fault: String },
    #[error("this is no event of {service}: {fault}")]
    NotAnEvent { service: Service, fault: String },
}

/// Cuts a post into its events. A post without any (a test of the service, a subscription's confirmation) gives none.
///
/// # Errors
/// The body is too large, is not JSON, or is not what this service posts.
pub fn split(service: Service, body: &[u8]) -> Result<Vec<RawEvent>, Unreadable> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Unreadable::TooLarge(body.len()));
    }
    match service {
        Service::Ses => ses::split(body),
        Service::Mailgun => mailgun::split(body),
        Service::SparkPost => sparkpost::split(body),
        Service::SendGrid => events(service, body, sendgrid::id),
        Service::Postmark => events(service, body, postmark::id),
        Service::Brevo => events(service, body, brevo::id),
        Service::Generic => events(service, body, generic::id),
    }
}

/// Understands one event of [`split`]. An event that is not known, or without consequence, is a
/// [`Notice`](tidings_domain::ReportKind::Notice).
///
/// # Errors
/// The text is not JSON or lacks what makes it an event of this service.
pub fn read_event(service: Service, json: &str) -> Result<Report, Unreadable> {
    let value = parse(service, json)?;
    let event = Json::new(&value);
    let mut report = match service {
        Service::Ses => ses::read(event),
        Service::SendGrid => sendgrid::read(event),
        Service::Mailgun => mailgun::read(event),
        Service::Postmark => postmark::read(event),
        Service::SparkPost => sparkpost::read(event),
        Service::Brevo => brevo::read(event),
        Service::Generic => generic::read(event),
    }
    .map_err(|fault| Unreadable::NotAnEvent { service, fault })?;
    for recipient in &mut report.recipients {
        recipient.verdict = recipient.judge("");
    }
    Ok(report)
}

/// One value, bounded in size here and in depth by the parser.
fn parse(service: Service, json: &str) -> Result<serde_json::Value, Unreadable> {
    if json.len() > MAX_EVENT_BYTES {
        return Err(Unreadable::EventTooLarge(json.len()));
    }
    serde_json::from_str(json).map_err(|e| not_json(service, &e))
}

fn not_json(service: Service, fault: &serde_json::Error) -> Unreadable {
    if fault.to_string().starts_with(TOO_MANY) {
        return Unreadable::TooMany;
    }
    Unreadable::NotJson { service, fault: fault.to_string() }
}

/// The events of a body that is one object, or a list of them, each with the id that `id` finds.
fn events(service: Service, body: &[u8], id: fn(Json) -> Option<String>) -> Result<Vec<RawEvent>, Unreadable> {
    let is_list = body.trim_ascii_start().starts_with(b"[");
    let Elements(elements) = if is_list {
        serde_json::from_slice(body)
    } else {
        serde_json::from_slice(body).map(|one| Elements(vec![one]))
    }
    .map_err(|e| not_json(service, &e))?;
    elements.into_iter().map(|element| event(service, element.get(), id)).collect()
}

fn event(service: Service, json: &str, id: fn(Json) -> Option<String>) -> Result<RawEvent, Unreadable> {
    let value = parse(service, json)?;
    if !value.is_object() {
        return Err(Unreadable::NotAnEvent { service, fault: "an event is a JSON object".to_owned() });
    }
    let id = id(Json::new(&value)).filter(|id| id.len() <= MAX_ID_BYTES);
    Ok(RawEvent { id, json: json.to_owned() })
}

const TOO_MANY: &str = "too many events";

/// The elements of a list, unread, and no more of them than [`MAX_EVENTS`].
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ElementsVisitor).map(Elements)
    }
}

struct ElementsVisitor;

impl<'de> Visitor<'de> for ElementsVisitor {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            if elements.len() == MAX_EVENTS {
                return Err(A::Error::custom(TOO_MANY));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}
