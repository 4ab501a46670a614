//! Brevo's transactional webhooks: one flat object in each post, or a list of them where batches are switched on.
//!
//! `message-id` is the Message-ID, in brackets, ours where we gave one. The value of the header field
//! `X-Mailin-custom: tidings:TOKEN` comes back under that name, verbatim.
//!
//! Posts are not signed: they carry Basic or Bearer credentials, or a header field chosen by the operator.

use tidings_domain::{BounceClass, FeedbackType, ReportKind, Service};

use super::facts::{self, Failure};
use super::json::Json;
use crate::{Claim, Report};

const SERVICE: Service = Service::Brevo;

/// `id` names the webhook and not the event: events are told apart by message, sort, recipient and time.
pub(super) fn id(event: Json) -> Option<String> {
    let (name, when) = (event.text("event"), event.word("ts_event"));
    facts::joined(&[event.text("message-id"), name, event.text("email"), &when, event.text("link")])
}

pub(super) fn read(event: Json) -> Result<Report, String> {
    let name = event.some("event").ok_or("it has no \"event\"")?;
    let address = event.text("email");
    let failure = |claim| Failure { address, words: event.text("reason"), claim, ..Failure::default() };
    let mut report = match name.as_str() {
        "deferred" => facts::delayed(SERVICE, &name, failure(None)),
        "delivered" => facts::delivered(SERVICE, &name, address),
        "spam" | "complaint" => facts::feedback(SERVICE, &name, FeedbackType::Abuse, address),
        "unsubscribed" | "unsubscribe" => facts::unsubscribe(SERVICE, &name, address),
        name => match claim(name) {
            Some(claim) => facts::bounce(SERVICE, name, failure(Some(claim))),
            // request, sent, opened, unique_opened, proxy_open, click, list_addition.
            None => facts::report(ReportKind::Notice, SERVICE, name),
        },
    };
    report.ties.add_message_ids(event.text("message-id"));
    custom(event.text("X-Mailin-custom")).for_each(|token| report.ties.add_token(token));
    report.ties.add_original_to(address);
    Ok(report)
}

/// `reason` holds the server's reply, and is judged first.
fn claim(event: &str) -> Option<Claim> {
    use BounceClass as B;
    Some(match event {
        "hard_bounce" | "hardBounce" => Claim::Beside(B::BadAddress),
        "soft_bounce" | "softBounce" => Claim::Beside(B::RemoteSystem),
        // "Blocked" is said for a contact on the account's block list and for a sender whom Brevo blocks alike, and no
        // server was asked: nobody is marked for it.
        "blocked" => Claim::Instead(B::IpBlocked),
        // Found by Brevo, in an address that is well-formed for us: counted, and believed when it comes again.
        "invalid_email" | "invalid" => Claim::Instead(B::ProbableBadAddress),
        // A fault of Brevo, or in what we handed over.
        "error" => Claim::Instead(B::Protocol),
        _ => return None,
    })
}

/// `name:value|name:value`.
fn custom(field: &str) -> impl Iterator<Item = &str> {
    let pairs = field.split('|').filter_map(|pair| pair.split_once(':'));
    pairs.filter(|(name, _)| name.trim() == "tidings").map(|(_, value)| value)
}
