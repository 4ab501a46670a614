use serde_json::{Value, json};
use tidings_bounce::webhook::split;
use tidings_domain::{BounceClass as B, Consequence as C, ReportKind as K, Service::Mailgun};

use crate::samples::{mailgun_failed, mailgun_post};
use crate::{bounce, only, posted, read, said};

fn status(code: i64, message: &str) -> Value {
    json!({"code": code, "message": message, "mx-host": "mx.example.org"})
}

#[test]
fn the_servers_words_decide() {
    let of = |reason, status: Value| said(Mailgun, &mailgun_failed("permanent", reason, &status));
    assert_eq!(of("bounce", status(550, "5.1.1 no such user")), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("bounce", status(552, "5.2.2 mailbox full")), bounce(B::MailboxFull, C::SoftBounce));
    assert_eq!(of("bounce", status(550, "nope")), bounce(B::ProbableBadAddress, C::SoftBounce));
    assert_eq!(of("old", status(602, "")), bounce(B::Expired, C::SoftBounce));
    assert_ne!(of("espblock", status(550, "5.1.1 user unknown")).1.unwrap().1, C::HardBounce);
    assert_eq!(of("espblock", status(550, "nope")), bounce(B::IpBlocked, C::Fail));
    let report = read(Mailgun, &mailgun_failed("permanent", "bounce", &status(550, "no such user")));
    assert_eq!(report.recipients[0].diagnostic, "550 no such user");
    assert_eq!(report.recipients[0].remote_mta.as_deref(), Some("mx.example.org"));
}

#[test]
fn a_list_of_mailgun_is_as_strong_as_its_reason() {
    let of = |reason| {
        said(
            Mailgun,
            &mailgun_failed("permanent", reason, &status(605, "Not delivering to previously bounced address")),
        )
    };
    assert_eq!(of("suppress-bounce"), bounce(B::ProbableBadAddress, C::SoftBounce));
    assert_eq!(of("suppress-complaint"), only(K::Unsubscribe));
    assert_eq!(of("suppress-unsubscribe"), only(K::Unsubscribe));
}

#[test]
fn the_rest() {
    let of = |name: &str| {
        said(Mailgun, &json!({"event": name, "recipient": "ana@example.org", "reject": {"reason": "Spam"}}))
    };
    assert_eq!(of("rejected"), bounce(B::ContentBlocked, C::Fail));
    assert_eq!(of("complained"), only(K::Feedback));
    assert_eq!(of("unsubscribed"), only(K::Unsubscribe));
    assert_eq!(of("delivered"), only(K::Delivered));
    assert_eq!(of("clicked"), only(K::Notice));
    let later = mailgun_failed("temporary", "generic", &status(550, "5.1.1 no such user"));
    assert_eq!(said(Mailgun, &later), only(K::Delayed));
}

#[test]
fn its_ties_and_id() {
    let (id, report) = posted(Mailgun, &mailgun_post(&mailgun_failed("permanent", "bounce", &status(550, "no"))));
    assert_eq!(id.as_deref(), Some("mg-1 1800000000.25"));
    assert_eq!(report.ties.message_ids, ["m-tok@bounce.example"]);
    assert_eq!(report.ties.addresses, ["b-tok@bounce.example"]);
    assert_eq!(report.ties.tokens, ["TOKEN"]);
    assert!(split(Mailgun, b"{\"event\":\"failed\"}").unwrap_err().to_string().contains("event-data"));
}
