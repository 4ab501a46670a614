use proptest::prelude::*;
use serde_json::{Value, json};
use tidings_bounce::webhook::{
    MAX_BODY_BYTES, MAX_EVENT_BYTES, MAX_EVENTS, Post, Proof, Unreadable, read_event, sns, split, verify,
};
use tidings_domain::{ReportKind, ReportedAction, Service, UnixMs, Word};

use crate::samples;

const NOW: UnixMs = UnixMs(1_800_000_000_000);

/// Takes a body through all steps; what comes out keeps the promises of a report.
fn take(service: Service, body: &[u8]) {
    for proof in
        [Proof::None, Proof::Secret("k".into()), Proof::SesTopic("arn:aws:sns:eu-west-1:123456789012:t".into())]
    {
        let _ = verify(service, &proof, &Post { headers: &[], body, now: NOW });
    }
    if let Ok(envelope) = sns::envelope(body) {
        let _ = (envelope.certificate_url(), envelope.subscribe_url(), envelope.verify(body, NOW));
    }
    for event in split(service, body).unwrap_or_default() {
        let Ok(report) = read_event(service, &event.json) else { continue };
        assert_eq!(report.kind == ReportKind::Feedback, report.feedback.is_some());
        let of_delivery = matches!(report.kind, ReportKind::Bounce | ReportKind::Delayed | ReportKind::Delivered);
        assert!(of_delivery || report.recipients.is_empty());
        for recipient in &report.recipients {
            assert_eq!(recipient.verdict.is_some(), recipient.action == ReportedAction::Failed);
            assert_eq!(recipient.verdict.is_some(), report.kind == ReportKind::Bounce);
            assert!(recipient.diagnostic.len() <= 2048 && recipient.explanation.len() <= 2048);
        }
        assert!(report.ties.tokens.len() <= 20 && report.ties.message_ids.len() <= 20);
        assert!(report.recognised_by.len() < 100);
    }
}

#[test]
fn every_sample_is_read() {
    for (service, post) in samples::all() {
        let events = split(service, post.to_string().as_bytes()).unwrap();
        assert!(!events.is_empty());
        for event in events {
            read_event(service, &event.json).unwrap();
            assert!(event.id.is_some(), "{service} {}", event.json);
        }
    }
}

/// No sample cut short is taken for whole.
#[test]
fn what_is_cut_short_is_no_event() {
    for (service, post) in samples::all() {
        let body = post.to_string();
        for end in (0..body.len()).filter(|end| body.is_char_boundary(*end)) {
            let cut = split(service, &body.as_bytes()[..end]);
            assert!(matches!(cut, Err(Unreadable::NotJson { .. })), "{service} {end}: {cut:?}");
        }
    }
}

#[test]
fn sizes_and_depths_are_bounded() {
    for &service in Service::ALL {
        let long = vec![b' '; MAX_BODY_BYTES + 1];
        assert_eq!(split(service, &long), Err(Unreadable::TooLarge(MAX_BODY_BYTES + 1)));
        for unit in ["[", "{\"a\":", "{\"msys\":", "{\"event-data\":", "[{\"msys\":", "{\"Message\":\"{", "\""] {
            take(service, unit.repeat(200_000).as_bytes());
        }
        let closed = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        take(service, closed.as_bytes());
        assert!(split(service, closed.as_bytes()).is_err());
        let deep = format!("{{\"event\":{}1{}}}", "{\"a\":".repeat(1000), "}".repeat(1000));
        assert!(matches!(read_event(service, &deep), Err(Unreadable::NotJson { .. })));
        let large = json!({"event": "x".repeat(MAX_EVENT_BYTES)}).to_string();
        assert_eq!(read_event(service, &large), Err(Unreadable::EventTooLarge(large.len())));
    }
    for service in [Service::SendGrid, Service::SparkPost, Service::Brevo, Service::Generic] {
        let many = |n| format!("[{}]", vec!["{}"; n].join(","));
        assert_eq!(split(service, many(MAX_EVENTS).as_bytes()).unwrap().len(), MAX_EVENTS);
        assert_eq!(split(service, many(MAX_EVENTS + 1).as_bytes()), Err(Unreadable::TooMany));
        assert_eq!(split(service, b"[]"), Ok(Vec::new()));
        assert!(split(service, b"[1]").is_err() && split(service, b"null").is_err());
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "550 [0-9]\\.[0-9]\\.[0-9] user unknown".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map("[a-zA-Z-]{0,8}", inner, 0..3)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// Puts `new` in the place of the `at`th value within, counted in depth; a name is dropped where `new` is none.
fn put(value: &mut Value, at: &mut usize, new: &Value) -> bool {
    if *at == 0 {
        *value = new.clone();
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| put(item, at, new)),
        Value::Object(members) => members.values_mut().any(|member| put(member, at, new)),
        _ => false,
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// Every value of every sample as every type.
#[test]
fn wrong_types_cost_their_field_and_no_more() {
    let wrong = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5e300),
        json!(""),
        json!("x"),
        json!([]),
        json!([[{}]]),
        json!({}),
        json!({"a": []}),
    ];
    for (service, post) in samples::all() {
        for place in 0..count(&post) {
            for new in &wrong {
                let mut changed = post.clone();
                assert!(put(&mut changed, &mut { place }, new));
                take(service, changed.to_string().as_bytes());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_are_taken(body in prop::collection::vec(any::<u8>(), 0..300), service in prop::sample::select(Service::ALL)) {
        take(service, &body);
    }

    #[test]
    fn samples_with_a_few_values_changed_are_taken(
        sample in prop::sample::select(samples::all()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..4),
    ) {
        let (service, mut post) = sample;
        for (place, new) in changes {
            let mut at = place.index(count(&post));
            put(&mut post, &mut at, &new);
        }
        take(service, post.to_string().as_bytes());
    }
}
