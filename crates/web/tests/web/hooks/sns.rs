use actix_web::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use tidings_domain::Service;
use tidings_store::WebhookId;

use super::site::{Site, seconds};

const KEY: &str = include_str!("../../../../bounce/tests/webhooks/keys/sns.key.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../../../bounce/tests/webhooks/keys/sns.cert.pem");
const CERTIFICATE_URL: &str = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem";
const SUBSCRIBE_URL: &str = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=tok";
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:ses-events";
const OTHER_TOPIC: &str = "arn:aws:sns:eu-west-1:999999999999:strangers";

fn envelope(kind: &str, topic: &str, message: &str) -> Value {
    let now = chrono::DateTime::from_timestamp(seconds(), 0).unwrap();
    let mut envelope = json!({
        "Type": kind, "MessageId": "11-22", "TopicArn": topic, "Message": message,
        "Timestamp": now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "SignatureVersion": "2", "SigningCertURL": CERTIFICATE_URL,
    });
    if kind != "Notification" {
        envelope["Token"] = json!("tok");
        envelope["SubscribeURL"] = json!(SUBSCRIBE_URL);
    }
    envelope
}

/// As SNS signs: the members by their names, each with its value on a line of its own.
fn signed(mut envelope: Value) -> String {
    let names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];
    let text: String =
        names.iter().filter_map(|name| Some(format!("{name}\n{}\n", envelope[*name].as_str()?))).collect();
    let der: String = KEY.lines().filter(|line| !line.starts_with('-')).collect();
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    envelope["Signature"] = json!(STANDARD.encode(signature));
    envelope.to_string()
}

fn bounce() -> String {
    let recipient = json!({"emailAddress": "ana@example.org", "action": "failed", "status": "5.1.1"});
    json!({"notificationType": "Bounce", "mail": {"messageId": "0102"},
        "bounce": {"bounceType": "Permanent", "feedbackId": "fb-1", "bouncedRecipients": [recipient]}})
    .to_string()
}

async fn site(topic: &str) -> (Site, WebhookId, String) {
    let site = Site::new().await;
    site.internet.answers.lock().unwrap().extend([
        (CERTIFICATE_URL.to_owned(), Ok(CERTIFICATE.to_vec())),
        (SUBSCRIBE_URL.to_owned(), Ok(b"<ConfirmSubscriptionResponse/>".to_vec())),
    ]);
    let webhook = site.webhook(Service::Ses, topic).await;
    let path = site.path(Service::Ses, webhook);
    (site, webhook, path)
}

fn asked(site: &Site) -> Vec<String> {
    std::mem::take(&mut *site.internet.asked.lock().unwrap())
}

#[actix_web::test]
async fn the_first_topic_that_confirms_is_the_topic() {
    let (site, webhook, path) = site("").await;
    let early = site.post(&path, &[], signed(envelope("Notification", TOPIC, &bounce()))).await;
    assert_eq!(early.0, StatusCode::FORBIDDEN, "{early:?}");
    assert!(site.row(webhook).await.last_refusal.contains("no topic is confirmed yet"));

    let confirmation = signed(envelope("SubscriptionConfirmation", TOPIC, "You have chosen to subscribe"));
    assert_eq!(site.post(&path, &[], confirmation).await, (StatusCode::OK, json!({"taken": 0})));
    assert_eq!(asked(&site), [CERTIFICATE_URL, SUBSCRIBE_URL], "the certificate is fetched once");
    let notification = signed(envelope("Notification", TOPIC, &bounce()));
    assert_eq!(site.post(&path, &[], notification.clone()).await, (StatusCode::OK, json!({"taken": 1})));
    assert_eq!(site.post(&path, &[], notification).await.0, StatusCode::OK);
    assert_eq!(site.reports().await.len(), 1, "SNS posts again: kept once");
    assert!(asked(&site).is_empty());

    for kind in ["SubscriptionConfirmation", "Notification"] {
        let theirs = site.post(&path, &[], signed(envelope(kind, OTHER_TOPIC, &bounce()))).await;
        assert_eq!(theirs.0, StatusCode::FORBIDDEN, "{theirs:?}");
    }
    assert!(asked(&site).is_empty(), "nobody else's subscription is confirmed");
    assert_eq!(site.reports().await.len(), 1);
}

#[actix_web::test]
async fn a_topic_that_was_entered_is_the_only_one() {
    let (site, webhook, path) = site(TOPIC).await;
    let before = site.row(webhook).await.proof_sealed;
    let theirs = site.post(&path, &[], signed(envelope("SubscriptionConfirmation", OTHER_TOPIC, "x"))).await;
    assert_eq!(theirs.0, StatusCode::FORBIDDEN);
    assert!(asked(&site).is_empty());
    let ours = site.post(&path, &[], signed(envelope("SubscriptionConfirmation", TOPIC, "x"))).await;
    assert_eq!(ours.0, StatusCode::OK);
    assert_eq!(site.row(webhook).await.proof_sealed, before);
    assert_eq!(site.post(&path, &[], signed(envelope("Notification", TOPIC, &bounce()))).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn no_other_host_is_ever_asked_and_nothing_forged_is_taken() {
    let (site, webhook, path) = site(TOPIC).await;
    let with = |member: &str, value: &str, kind: &str| {
        let mut envelope = envelope(kind, TOPIC, &bounce());
        envelope[member] = json!(value);
        envelope
    };
    for url in [
        "https://evil.example/SimpleNotificationService-0a1b.pem",
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
        "https://127.0.0.1/x.pem",
    ] {
        let forged = site.post(&path, &[], signed(with("SigningCertURL", url, "Notification"))).await;
        assert_eq!(forged.0, StatusCode::FORBIDDEN, "{url}");
    }
    assert!(asked(&site).is_empty());
    // Signed by SNS or not: it is not fetched.
    let elsewhere = with("SubscribeURL", "https://evil.example/", "SubscriptionConfirmation");
    assert_eq!(site.post(&path, &[], signed(elsewhere)).await.0, StatusCode::FORBIDDEN);
    assert_eq!(asked(&site), [CERTIFICATE_URL]);
    let changed = signed(envelope("Notification", TOPIC, &bounce())).replace("ana@", "bob@");
    assert_eq!(site.post(&path, &[], changed).await.0, StatusCode::FORBIDDEN);
    assert_eq!(site.post(&path, &[], bounce()).await.0, StatusCode::FORBIDDEN, "raw message delivery proves nothing");
    assert!(site.row(webhook).await.last_refusal.contains("raw message delivery"));
    assert!(site.reports().await.is_empty());
}

#[actix_web::test]
async fn what_amazon_cannot_be_asked_is_posted_again() {
    let (site, webhook, path) = site(TOPIC).await;
    site.internet.answers.lock().unwrap().insert(CERTIFICATE_URL.to_owned(), Err("it is down".to_owned()));
    let notification = signed(envelope("Notification", TOPIC, &bounce()));
    assert_eq!(site.post(&path, &[], notification.clone()).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(site.row(webhook).await.last_refusal.contains("it is down"));
    // A page of an error in its place is no certificate, and is not kept as one.
    site.internet.answers.lock().unwrap().insert(CERTIFICATE_URL.to_owned(), Ok(b"<html>".to_vec()));
    assert_eq!(site.post(&path, &[], notification.clone()).await.0, StatusCode::FORBIDDEN);
    site.internet.answers.lock().unwrap().insert(CERTIFICATE_URL.to_owned(), Ok(CERTIFICATE.to_vec()));
    assert_eq!(site.post(&path, &[], notification).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn posts_cannot_make_us_ask_amazon_without_end() {
    let (site, _, path) = site(TOPIC).await;
    for n in 0..40 {
        let mut forged = envelope("Notification", TOPIC, &bounce());
        forged["SigningCertURL"] = json!(format!("https://sns.eu-west-1.amazonaws.com/{n}.pem"));
        assert_eq!(site.post(&path, &[], signed(forged)).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!((10..=15).contains(&asked(&site).len()));
}
