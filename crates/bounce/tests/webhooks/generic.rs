use serde_json::{Value, json};
use tidings_bounce::webhook::read_event;
use tidings_domain::{BounceClass as B, Consequence as C, ReportKind as K, Service::Generic};

use crate::samples::generic_event;
use crate::{bounce, only, posted, said};

#[test]
fn each_event_has_its_meaning() {
    let of = |name| said(Generic, &generic_event(name));
    assert_eq!(of("bounce"), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("delayed"), only(K::Delayed));
    assert_eq!(of("delivered"), only(K::Delivered));
    assert_eq!(of("complaint"), only(K::Feedback));
    assert_eq!(of("unsubscribe"), only(K::Unsubscribe));
    assert_eq!(of("open"), only(K::Notice));
    let by_class = |class: &str| said(Generic, &json!({"event": "bounce", "class": class}));
    assert_eq!(by_class("mailbox_full"), bounce(B::MailboxFull, C::SoftBounce));
    assert_eq!(by_class(""), bounce(B::Undetermined, C::SoftBounce));
}

#[test]
fn its_ties_and_id() {
    let (id, report) = posted(Generic, &generic_event("bounce"));
    assert_eq!(id.as_deref(), Some("bounce"));
    assert_eq!(report.ties.message_ids, ["m-tok@bounce.example"]);
    assert_eq!(report.ties.addresses, ["b-tok@bounce.example"]);
    assert_eq!(report.ties.tokens, ["TOKEN"]);
}

#[test]
fn who_writes_it_is_told_what_is_wrong() {
    let fault = |event: Value| read_event(Generic, &event.to_string()).unwrap_err().to_string();
    assert!(fault(json!({})).contains("event"));
    assert!(fault(json!({"event": "bounce", "class": "bad"})).contains("\"bad\" is no class"));
    assert!(fault(json!({"event": "complaint", "feedback_type": "angry"})).contains("\"angry\" is no feedback type"));
}
