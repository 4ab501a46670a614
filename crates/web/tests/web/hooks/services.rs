use actix_web::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tidings_domain::Service;
use tidings_store::{AddedWebhook, NewWebhook, WebhookId, WorkspaceId};
use tidings_testing::TestDatabase;

use super::site::{Site, seconds};

fn hex(key: &str, signed: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A post of a service: what stands in its head and its body.
type Posted = (Vec<(String, String)>, Vec<u8>);

fn field(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn mailgun(time: i64, key: &str) -> Posted {
    let time = time.to_string();
    let body = json!({
        "signature": {"timestamp": time, "token": "t", "signature": hex(key, format!("{time}t").as_bytes())},
        "event-data": {"event": "failed", "severity": "permanent", "id": "mg-1", "recipient": "ana@example.org"},
    });
    (Vec::new(), body.to_string().into_bytes())
}

fn generic(time: i64, key: &str) -> Posted {
    let body = json!([{"event": "bounce", "id": "g-1", "recipient": "ana@example.org", "diagnostic": "550 5.1.1 no"}]);
    let (time, body) = (time.to_string(), body.to_string().into_bytes());
    let signature = hex(key, &[time.as_bytes(), b".", &body].concat());
    (vec![field("tidings-timestamp", time), field("tidings-signature", signature)], body)
}

/// What a service without signatures posts, with the credentials of its address.
fn basic(body: &Value, key: &str) -> Posted {
    (vec![field("authorization", format!("Basic {}", STANDARD.encode(key)))], body.to_string().into_bytes())
}

fn postmark(_: i64, key: &str) -> Posted {
    basic(&json!({"RecordType": "Bounce", "ID": 42, "Type": "HardBounce", "Email": "ana@example.org"}), key)
}

fn sparkpost(_: i64, key: &str) -> Posted {
    let event = json!({"type": "bounce", "event_id": "sp-1", "rcpt_to": "ana@example.org", "raw_reason": "550 no"});
    basic(&json!([{"msys": {"message_event": event}}]), key)
}

fn brevo(_: i64, key: &str) -> Posted {
    basic(&json!({"event": "hard_bounce", "email": "ana@example.org", "ts_event": 1, "message-id": "<m@x>"}), key)
}

async fn send(site: &Site, path: &str, (fields, body): &Posted) -> (StatusCode, Value) {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    site.post(path, &fields, body.clone()).await
}

#[actix_web::test]
async fn a_proven_post_is_kept_once_and_another_is_refused_with_a_reason() {
    type Make = fn(i64, &str) -> Posted;
    let all: [(Service, Make, StatusCode, bool); 5] = [
        (Service::Mailgun, mailgun, StatusCode::FORBIDDEN, true),
        (Service::Generic, generic, StatusCode::FORBIDDEN, true),
        (Service::Postmark, postmark, StatusCode::UNAUTHORIZED, false),
        (Service::SparkPost, sparkpost, StatusCode::UNAUTHORIZED, false),
        (Service::Brevo, brevo, StatusCode::UNAUTHORIZED, false),
    ];
    for database in TestDatabase::each() {
        let site = Site::on(database).await;
        for (n, (service, make, refusal, is_timed)) in all.into_iter().enumerate() {
            let webhook = site.webhook(service, "user:sesame").await;
            let path = site.path(service, webhook);
            let good = make(seconds(), "user:sesame");
            assert_eq!(send(&site, &path, &good).await, (StatusCode::OK, json!({"taken": 1})), "{service}");
            assert_eq!(send(&site, &path, &good).await.0, StatusCode::OK, "{service} posts again: no error");
            let kept = site.reports().await;
            assert_eq!(kept.len(), n + 1, "{service}: the same event is kept once");
            assert_eq!(kept[0].source, format!("webhook:{service}"));

            let (status, said) = send(&site, &path, &make(seconds(), "user:other")).await;
            assert_eq!(status, refusal, "{service}");
            let row = site.row(webhook).await;
            assert_eq!((row.accepted, row.refused), (2, 1), "{service}");
            assert_eq!(said["error"], json!(row.last_refusal), "{service}");
            if is_timed {
                let (status, said) = send(&site, &path, &make(seconds() - 26 * 3600, "user:sesame")).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{service}");
                assert!(said["error"].as_str().is_some_and(|why| why.contains("too long ago")), "{service} {said}");
            }
            assert_eq!(site.reports().await.len(), n + 1);
        }
    }
}

#[actix_web::test]
async fn sendgrid_signs_with_a_key_of_its_own() {
    let site = Site::new().await;
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let head =
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    let webhook = site.webhook(Service::SendGrid, &STANDARD.encode([head, pair.public_key().as_ref()].concat())).await;
    let path = site.path(Service::SendGrid, webhook);
    let event = |id: &str| json!({"event": "bounce", "email": "ana@example.org", "sg_event_id": id});
    let body = Value::Array(vec![event("1"), event("2"), event("1")]).to_string();
    let signed = |body: &str| {
        let time = seconds().to_string();
        let signature = pair.sign(&random, &[time.as_bytes(), body.as_bytes()].concat()).unwrap();
        let signature = STANDARD.encode(signature.as_ref());
        vec![
            field("x-twilio-email-event-webhook-timestamp", time),
            field("x-twilio-email-event-webhook-signature", signature),
        ]
    };
    let taken = send(&site, &path, &(signed(&body), body.clone().into_bytes())).await;
    assert_eq!(taken, (StatusCode::OK, json!({"taken": 3})));
    assert_eq!(site.reports().await.len(), 2, "copies within one post too");
    let changed = send(&site, &path, &(signed(&body), body.replace("ana", "bob").into_bytes())).await;
    assert_eq!(changed.0, StatusCode::FORBIDDEN);
    let long = Value::Array((0..5_000).map(|n| event(&format!("l-{n}"))).collect()).to_string();
    let taken = send(&site, &path, &(signed(&long), long.into_bytes())).await;
    assert_eq!(taken, (StatusCode::OK, json!({"taken": 5_000})), "judged apart from the threads that answer");
}

#[actix_web::test]
async fn an_address_opens_only_its_own_webhook() {
    let site = Site::new().await;
    let webhook = site.webhook(Service::Postmark, "").await;
    let body = postmark(0, "").1;
    let good = site.path(Service::Postmark, webhook);
    let mut damaged = good.clone();
    damaged.pop();
    for path in [
        site.path(Service::Brevo, webhook),
        site.path(Service::Postmark, WebhookId(webhook.0 + 1)),
        format!("/hooks/postmark/{}", site.state.keys.seal(tidings_compose::TokenKind::Unsubscribe, webhook.0)),
        "/hooks/postmark/1".to_owned(),
        "/hooks/nobody/1".to_owned(),
        damaged,
    ] {
        assert_eq!(site.post(&path, &[], body.clone()).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(site.reports().await.is_empty());
    assert_eq!(site.post(&good, &[], body.clone()).await.0, StatusCode::OK, "its secret address is the only proof");
    site.workspace.remove_webhook(webhook).await.unwrap();
    assert_eq!(site.post(&good, &[], body).await.0, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_test_of_the_service_is_answered_and_changes_nothing() {
    let site = Site::new().await;
    let sparkpost = site.webhook(Service::SparkPost, "").await;
    let path = site.path(Service::SparkPost, sparkpost);
    assert_eq!(site.post(&path, &[], r#"[{"msys":{}}]"#).await, (StatusCode::OK, json!({"taken": 0})));
    assert_eq!(site.row(sparkpost).await.accepted, 1, "the operator sees that it came");
    assert!(site.reports().await.is_empty());
}

#[actix_web::test]
async fn what_cannot_be_read_is_refused_whole() {
    let site = Site::new().await;
    let webhook = site.webhook(Service::SparkPost, "").await;
    let path = site.path(Service::SparkPost, webhook);
    for body in ["", "[", "nonsense", "[1]", r#"[{"msys":{"message_event":{"event_id":"1"}}}, 2]"#] {
        let (status, said) = site.post(&path, &[], body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(said["error"], json!(site.row(webhook).await.last_refusal), "{body}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(site.post(&path, &[], deep).await.0, StatusCode::BAD_REQUEST);
    let large = vec![b' '; 16 * 1024 * 1024 + 1];
    assert_eq!(site.post(&path, &[], large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(site.post(&path, &[("content-length", "99999999")], "[]").await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(site.reports().await.is_empty());
    assert!(site.row(webhook).await.last_refusal.contains("let the service send smaller batches"));
}

#[actix_web::test]
async fn an_event_without_an_id_is_known_by_all_that_stands_in_it() {
    let site = Site::new().await;
    let webhook = site.webhook(Service::Generic, "").await;
    let path = site.path(Service::Generic, webhook);
    let event = |who: &str| json!({"event": "bounce", "recipient": who, "id": null}).to_string();
    for who in ["ana@example.org", "ana@example.org", "bob@example.org"] {
        assert_eq!(site.post(&path, &[], event(who)).await.0, StatusCode::OK);
    }
    assert_eq!(site.reports().await.len(), 2);
    let odd = json!({"event": "bounce", "id": "a\u{0}b"}).to_string();
    assert_eq!(site.post(&path, &[], odd).await.0, StatusCode::OK, "PostgreSQL takes no NUL");
}

#[actix_web::test]
async fn the_answer_is_given_after_the_commit_only() {
    let site = Site::new().await;
    let webhook = site.webhook(Service::Postmark, "").await;
    let path = site.path(Service::Postmark, webhook);
    site.database.execute("DROP TABLE reports");
    assert_eq!(site.post(&path, &[], postmark(0, "").1).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(site.row(webhook).await.accepted, 0, "all of it or nothing");
}

#[actix_web::test]
async fn a_key_of_another_instance_is_said_and_the_service_posts_again() {
    let site = Site::new().await;
    let new = NewWebhook {
        service: Service::Mailgun,
        name: "M".into(),
        proof_sealed: tidings_compose::Keys::new(&[8; 32]).seal_secret("workspace 1 webhook proof", "key"),
        by: "Ana".into(),
    };
    let AddedWebhook::Yes(webhook) = site.workspace.add_webhook(new, seconds_ms()).await.unwrap() else {
        panic!("it is new")
    };
    let (fields, body) = mailgun(seconds(), "key");
    assert!(fields.is_empty());
    let (status, said) = site.post(&site.path(Service::Mailgun, webhook), &[], body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(said["error"].as_str().is_some_and(|why| why.contains("enter it again")));
    assert!(site.row(webhook).await.last_refusal.contains("enter it again"));
}

fn seconds_ms() -> tidings_domain::UnixMs {
    tidings_domain::UnixMs(seconds() * 1000)
}

#[actix_web::test]
async fn each_workspace_has_its_own() {
    let mut site = Site::new().await;
    let webhook = site.webhook(Service::Postmark, "").await;
    site.database.execute("INSERT INTO workspaces (id, name, created_at_ms) VALUES (2, 'Other', 0)");
    let first = std::mem::replace(&mut site.workspace, site.state.store.workspace(WorkspaceId(2)));
    let others = site.webhook(Service::Postmark, "").await;
    assert_eq!(site.post(&site.path(Service::Postmark, webhook), &[], postmark(0, "").1).await.0, StatusCode::OK);
    assert!(site.reports().await.is_empty());
    assert_eq!(site.post(&site.path(Service::Postmark, others), &[], postmark(0, "").1).await.0, StatusCode::OK);
    assert_eq!(site.reports().await.len(), 1, "the same event, told to both: the keys are each webhook's own");
    assert_eq!(first.reports(Default::default(), None, 10).await.unwrap().len(), 1);
}
