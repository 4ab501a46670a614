use serde_json::{Value, json};
use tidings_domain::{BounceClass as B, Consequence as C, ReportKind as K, Service::SendGrid};

use crate::{Said, bounce, only, posted, read, said};

fn bounced(kind: &str, classification: &str, reason: &str) -> Value {
    json!({"event": "bounce", "email": "ana@example.org", "type": kind, "bounce_classification": classification,
        "reason": reason, "status": "", "smtp-id": "<m-tok@bounce.example>", "sg_event_id": "e1", "tidings": "TOKEN"})
}

fn of(kind: &str, classification: &str, reason: &str) -> Said {
    said(SendGrid, &bounced(kind, classification, reason))
}

#[test]
fn a_bounce_is_judged_by_the_servers_words_first() {
    let unknown = "550 5.1.1 <ana@example.org>: Recipient address rejected: User unknown";
    assert_eq!(of("bounce", "Invalid Address", unknown), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("bounce", "", "552 5.2.2 mailbox is full"), bounce(B::MailboxFull, C::SoftBounce));
    assert_eq!(of("bounce", "Invalid Address", "550 nope"), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("bounce", "", "550 nope"), bounce(B::ProbableBadAddress, C::SoftBounce));
    assert_eq!(of("bounce", "Reputation", ""), bounce(B::IpBlocked, C::Fail));
    assert_eq!(of("bounce", "Content", ""), bounce(B::ContentBlocked, C::Fail));
    assert_eq!(of("expired", "", ""), bounce(B::Expired, C::SoftBounce));
}

#[test]
fn a_block_is_about_the_sender_and_never_hard() {
    for reason in ["", "550 nope", "554 5.7.1 blocked", "550 5.1.1 user unknown", "550 no such user"] {
        for classification in ["", "Invalid Address", "Mailbox Unavailable", "Technical"] {
            let (_, verdict) = of("blocked", classification, reason);
            assert_ne!(verdict.unwrap().1, C::HardBounce, "{reason:?} {classification:?}");
        }
    }
    assert_eq!(of("blocked", "Invalid Address", "550 nope"), bounce(B::IpBlocked, C::Fail));
}

#[test]
fn a_drop_is_as_strong_as_its_list() {
    let of = |reason: &str| said(SendGrid, &json!({"event": "dropped", "email": "ana@example.org", "reason": reason}));
    assert_eq!(of("Bounced Address"), bounce(B::ProbableBadAddress, C::SoftBounce));
    assert_eq!(of("Invalid"), bounce(B::ProbableBadAddress, C::SoftBounce));
    assert_eq!(of("Unsubscribed Address"), only(K::Unsubscribe));
    assert_eq!(of("Spam Reporting Address"), only(K::Unsubscribe));
    for ours in ["Spam Content", "Recipient List over Package Quota", "Invalid SMTPAPI header", ""] {
        assert_eq!(of(ours).1.unwrap().1, C::Fail, "{ours:?}");
    }
}

#[test]
fn the_rest_marks_nobody_who_did_nothing() {
    let of = |name: &str| {
        said(SendGrid, &json!({"event": name, "email": "ana@example.org", "response": "550 user unknown"}))
    };
    assert_eq!(of("deferred"), only(K::Delayed));
    assert_eq!(of("delivered"), only(K::Delivered));
    assert_eq!(of("spamreport"), only(K::Feedback));
    assert_eq!(of("unsubscribe"), only(K::Unsubscribe));
    assert_eq!(of("group_unsubscribe"), only(K::Unsubscribe));
    for other in ["open", "click", "processed", "group_resubscribe", "of tomorrow"] {
        assert_eq!(of(other), only(K::Notice));
    }
}

#[test]
fn its_ties_and_id() {
    let (id, report) = posted(SendGrid, &json!([bounced("bounce", "", "550 nope")]));
    assert_eq!(id.as_deref(), Some("e1"));
    assert_eq!(report.ties.message_ids, ["m-tok@bounce.example"]);
    assert_eq!(report.ties.tokens, ["TOKEN"]);
    let report = read(SendGrid, &bounced("bounce", "", "550 nope"));
    assert_eq!(report.recipients[0].address.as_deref(), Some("ana@example.org"));
    assert_eq!(report.recognised_by, "sendgrid bounce bounce");
}
