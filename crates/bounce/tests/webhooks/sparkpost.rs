use serde_json::json;
use tidings_bounce::webhook::split;
use tidings_domain::{BounceClass as B, Consequence as C, FeedbackType, ReportKind as K, Service::SparkPost};

use crate::samples::sparkpost_event;
use crate::{bounce, only, posted, read, said};

#[test]
fn the_servers_words_stand_before_the_class() {
    let of = |class: &str, words: &str| {
        let more = json!({"bounce_class": class, "raw_reason": words});
        said(SparkPost, &sparkpost_event("message_event", "bounce", more))
    };
    assert_eq!(of("10", "550 5.1.1 user unknown"), bounce(B::BadAddress, C::HardBounce));
    assert_eq!(of("10", "552 5.2.2 mailbox full"), bounce(B::MailboxFull, C::SoftBounce));
    assert_eq!(of("10", ""), bounce(B::BadAddress, C::HardBounce));
    for (class, expected) in [
        ("20", B::RemoteSystem),
        ("21", B::Network),
        ("22", B::MailboxFull),
        ("24", B::Expired),
        ("1", B::Undetermined),
        ("30", B::Undetermined),
        ("40", B::Undetermined),
        ("54", B::Relaying),
        ("99", B::Undetermined),
    ] {
        assert_eq!(of(class, ""), bounce(expected, C::SoftBounce), "{class}");
    }
    for (class, expected) in [
        ("23", B::TooBig),
        ("25", B::Protocol),
        ("50", B::IpBlocked),
        ("51", B::IpBlocked),
        ("52", B::ContentBlocked),
        ("53", B::ContentBlocked),
    ] {
        assert_eq!(of(class, ""), bounce(expected, C::Fail), "{class}");
        assert_ne!(of(class, "550 5.1.1 user unknown").1.unwrap().1, C::HardBounce, "{class}");
    }
    for (class, kind) in [("60", K::AutoReply), ("80", K::Notice), ("90", K::Unsubscribe), ("100", K::Challenge)] {
        assert_eq!(of(class, "550 5.1.1 user unknown"), only(kind), "{class}");
    }
}

#[test]
fn what_sparkpost_itself_refused() {
    let of = |reason: &str| {
        said(SparkPost, &sparkpost_event("message_event", "policy_rejection", json!({"reason": reason})))
    };
    assert_eq!(
        of("550 5.7.1 recipient address was suppressed due to system policy"),
        bounce(B::RecipientPolicy, C::SoftBounce)
    );
    assert_eq!(of("Exceed Sending Limit (hourly)"), bounce(B::Throttled, C::Fail));
    assert_eq!(of("550 5.1.1 user unknown"), bounce(B::Protocol, C::Fail));
}

#[test]
fn the_rest() {
    let of = |class, kind| said(SparkPost, &sparkpost_event(class, kind, json!({"bounce_class": 10})));
    assert_eq!(of("message_event", "delay"), only(K::Delayed));
    assert_eq!(of("message_event", "delivery"), only(K::Delivered));
    assert_eq!(of("unsubscribe_event", "link_unsubscribe"), only(K::Unsubscribe));
    assert_eq!(of("gen_event", "generation_failure"), bounce(B::Render, C::Fail));
    assert_eq!(of("track_event", "open"), only(K::Notice));
    assert_eq!(of("message_event", "bounce"), bounce(B::BadAddress, C::HardBounce), "the class as a number");
    let complaint = sparkpost_event("message_event", "spam_complaint", json!({"fbtype": "Fraud"}));
    assert_eq!(read(SparkPost, &complaint).feedback.unwrap().feedback_type, FeedbackType::Fraud);
}

#[test]
fn its_ties_and_id_and_the_empty_test() {
    let (id, report) = posted(SparkPost, &json!([sparkpost_event("message_event", "delivery", json!({}))]));
    assert_eq!(id.as_deref(), Some("sp-delivery"));
    assert_eq!(report.recipients[0].address.as_deref(), Some("Ana@example.org"));
    assert_eq!((&report.ties.tokens[0][..], &report.ties.addresses[0][..]), ("TOKEN", "b-tok@bounce.example"));
    assert_eq!(split(SparkPost, br#"[{"msys": {}}]"#), Ok(Vec::new()));
}
