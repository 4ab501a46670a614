use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use tidings_bounce::webhook::{Post, Proof, Unproven, sns, verify};
use tidings_domain::{Service, UnixMs};

/// Made for these tests; the certificate is good until 2046.
const KEY: &str = include_str!("keys/sns.key.pem");
const CERTIFICATE: &[u8] = include_bytes!("keys/sns.cert.pem");
const REGION: &[u8] = include_bytes!("keys/region.cert.pem");
const STRANGER: &[u8] = include_bytes!("keys/stranger.cert.pem");
/// 2027-01-15T08:00:00Z
const NOW: UnixMs = UnixMs(1_800_000_000_000);
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:ses-events";
/// Signed with SHA-1 by `openssl dgst -sha1 -sign`, for ring makes no such signatures.
const SHA1_SIGNATURE: &str = include_str!("keys/sha1.signature");

pub fn envelope(kind: &str, message: &str) -> Value {
    let mut envelope = json!({
        "Type": kind, "MessageId": "11-22", "TopicArn": TOPIC, "Message": message,
        "Timestamp": "2027-01-15T08:00:00.000Z", "SignatureVersion": "2", "Signature": "",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
    });
    if kind != "Notification" {
        envelope["Token"] = json!("tok");
        envelope["SubscribeURL"] = json!("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=tok");
    }
    envelope
}

/// The members that SNS signs, written down here apart from the program.
fn signed(envelope: &Value, names: &[&str]) -> String {
    names.iter().filter_map(|name| Some(format!("{name}\n{}\n", envelope[name].as_str()?))).collect()
}

fn sign(mut envelope: Value, names: &[&str]) -> Value {
    let der: String = KEY.lines().filter(|line| !line.starts_with('-')).collect();
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed(&envelope, names).as_bytes(), &mut signature).unwrap();
    envelope["Signature"] = json!(STANDARD.encode(signature));
    envelope
}

const OF_MESSAGE: [&str; 6] = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
const OF_CONFIRMATION: [&str; 7] = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

fn proven(envelope: &Value, certificate: &[u8], now: UnixMs) -> Result<(), Unproven> {
    sns::envelope(envelope.to_string().as_bytes()).unwrap().verify(certificate, now)
}

#[test]
fn messages_and_confirmations_are_proven_by_their_signature() {
    let message = sign(envelope("Notification", "{\"a\":\"line\\nline\"}\u{e9}"), &OF_MESSAGE);
    let mut titled = envelope("Notification", "x");
    titled["Subject"] = json!("Amazon SES Email Event Notification");
    let titled = sign(titled, &OF_MESSAGE);
    for good in [&message, &titled] {
        assert_eq!(proven(good, CERTIFICATE, NOW), Ok(()));
        assert_eq!(proven(good, REGION, NOW), Ok(()));
    }
    for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
        assert_eq!(proven(&sign(envelope(kind, "x"), &OF_CONFIRMATION), CERTIFICATE, NOW), Ok(()), "{kind}");
    }
    let der: String = std::str::from_utf8(CERTIFICATE).unwrap().lines().filter(|l| !l.starts_with('-')).collect();
    assert_eq!(proven(&message, &STANDARD.decode(der).unwrap(), NOW), Ok(()));
}

#[test]
fn the_old_signature_is_read_too() {
    let mut old = envelope("Notification", "x");
    old["SignatureVersion"] = json!("1");
    old["Signature"] = json!(SHA1_SIGNATURE.trim());
    assert_eq!(proven(&old, CERTIFICATE, NOW), Ok(()));
    old["SignatureVersion"] = json!("2");
    assert_eq!(proven(&old, CERTIFICATE, NOW), Err(Unproven::WrongSignature));
    old["SignatureVersion"] = json!("3");
    assert_eq!(proven(&old, CERTIFICATE, NOW), Err(Unproven::BadSignature));
}

#[test]
fn whatever_is_changed_breaks_it() {
    let good = sign(envelope("Notification", "x"), &OF_MESSAGE);
    for name in ["Message", "MessageId", "Timestamp", "TopicArn"] {
        let mut changed = good.clone();
        changed[name] = json!("2027-01-15T08:00:01.000Z");
        assert_eq!(proven(&changed, CERTIFICATE, NOW), Err(Unproven::WrongSignature), "{name}");
    }
    let mut added = good.clone();
    added["Subject"] = json!("x");
    assert_eq!(proven(&added, CERTIFICATE, NOW), Err(Unproven::WrongSignature));
    let mut broken = good.clone();
    broken["Signature"] = json!("%");
    assert_eq!(proven(&broken, CERTIFICATE, NOW), Err(Unproven::BadSignature));
    assert_eq!(proven(&good, STRANGER, NOW), Err(Unproven::WrongCertificate));
    assert_eq!(proven(&good, b"nothing", NOW), Err(Unproven::BadCertificate));
    assert_eq!(proven(&good, b"-----BEGIN", NOW), Err(Unproven::BadCertificate));
}

#[test]
fn old_posts_and_old_certificates_are_refused() {
    let good = sign(envelope("Notification", "x"), &OF_MESSAGE);
    let after = |ms: i64| UnixMs(NOW.0 + ms);
    assert_eq!(proven(&good, CERTIFICATE, after(24 * UnixMs::HOUR)), Ok(()));
    assert_eq!(proven(&good, CERTIFICATE, after(26 * UnixMs::HOUR)), Err(Unproven::TooOld));
    assert_eq!(proven(&good, CERTIFICATE, after(-UnixMs::HOUR)), Err(Unproven::TooNew));
    assert_eq!(proven(&good, CERTIFICATE, after(30 * 365 * UnixMs::DAY)), Err(Unproven::ExpiredCertificate));
    assert_eq!(proven(&good, CERTIFICATE, UnixMs(0)), Err(Unproven::ExpiredCertificate));
    let mut timeless = envelope("Notification", "x");
    timeless["Timestamp"] = json!("yesterday");
    assert_eq!(proven(&sign(timeless, &OF_MESSAGE), CERTIFICATE, NOW), Err(Unproven::BadTime));
}

#[test]
fn nothing_is_fetched_from_strangers() {
    let of = |url: &str| {
        let mut envelope = envelope("SubscriptionConfirmation", "x");
        envelope["SigningCertURL"] = json!(url);
        envelope["SubscribeURL"] = json!(url);
        let envelope = sns::envelope(envelope.to_string().as_bytes()).unwrap();
        (envelope.certificate_url().is_ok(), envelope.subscribe_url().is_ok())
    };
    for good in ["https://sns.eu-west-1.amazonaws.com/x.pem", "https://sns.cn-north-1.amazonaws.com.cn/x.pem"] {
        assert_eq!(of(good), (true, true), "{good}");
    }
    assert_eq!(of("https://sns.eu-west-1.amazonaws.com/?Action=x"), (false, true));
    assert_eq!(of("https://sns.eu-west-1.amazonaws.com/?x=.pem"), (false, true), "no path ends so");
    for bad in [
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.attacker.example/x.pem",
        "https://attacker.example/sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com@attacker.example/x.pem",
        "https://attacker.example\\.sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
        "https://evilsns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.a.b.amazonaws.com/x.pem",
        "https://sns..amazonaws.com/x.pem",
        "https://sns.amazonaws.com/x.pem",
        "https://bucket.s3.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com",
        "https://sns.eu-west-1.amazonaws.com.cn.attacker.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com/\r\nHost: attacker.example/x.pem",
        "",
    ] {
        assert_eq!(of(bad), (false, false), "{bad}");
    }
    let message = sns::envelope(envelope("Notification", "x").to_string().as_bytes()).unwrap();
    assert_eq!(message.subscribe_url(), Ok(None));
}

#[test]
fn the_topic_is_the_one_that_was_entered() {
    let of = |topic: &str, body: &str| {
        verify(
            Service::Ses,
            &Proof::SesTopic(topic.to_owned()),
            &Post { headers: &[], body: body.as_bytes(), now: NOW },
        )
    };
    let body = envelope("Notification", "x").to_string();
    assert_eq!(of(TOPIC, &body), Ok(()));
    assert_eq!(of("arn:aws:sns:eu-west-1:123456789012:other", &body), Err(Unproven::WrongTopic));
    assert_eq!(of(TOPIC, "{\"notificationType\":\"Bounce\"}"), Err(Unproven::NoEnvelope));
}
