use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use tidings_bounce::webhook::{Post, Proof, SIGNATURE_FIELD, TIMESTAMP_FIELD, Unproven, check, verify};
use tidings_domain::{Service, UnixMs, Word};

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const NOW_SECONDS: i64 = 1_800_000_000;
const HOUR_SECONDS: i64 = 3600;

type Headers = Vec<(String, String)>;

fn headers(fields: &[(&str, &str)]) -> Headers {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn proven(service: Service, proof: &Proof, headers: &Headers, body: &[u8]) -> Result<(), Unproven> {
    verify(service, proof, &Post { headers, body, now: NOW })
}

fn hex(key: &str, signed: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key pair as SendGrid has it, and its public half as SendGrid shows it.
fn key_pair() -> (EcdsaKeyPair, String) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
    // RFC 5480 §2.1.1: id-ecPublicKey, secp256r1, and a bit string.
    let head =
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    let shown = STANDARD.encode([head, pair.public_key().as_ref()].concat());
    (pair, shown)
}

fn sendgrid_headers(pair: &EcdsaKeyPair, time: &str, body: &[u8]) -> Headers {
    let signature = pair.sign(&SystemRandom::new(), &[time.as_bytes(), body].concat()).unwrap();
    headers(&[
        ("x-twilio-email-event-webhook-timestamp", time),
        ("x-twilio-email-event-webhook-signature", &STANDARD.encode(signature.as_ref())),
    ])
}

#[test]
fn sendgrid_signs_the_time_and_the_body() {
    let (pair, shown) = key_pair();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &shown[..64], &shown[64..]);
    let at = |seconds: i64| sendgrid_headers(&pair, &seconds.to_string(), b"[]\r\n");
    for key in [&shown, &pem] {
        let of =
            |headers: &Headers, body: &[u8]| proven(Service::SendGrid, &Proof::PublicKey(key.clone()), headers, body);
        assert_eq!(of(&at(NOW_SECONDS), b"[]\r\n"), Ok(()));
        assert_eq!(of(&at(NOW_SECONDS - 24 * HOUR_SECONDS), b"[]\r\n"), Ok(()), "tried again for a day");
        assert_eq!(of(&at(NOW_SECONDS - 26 * HOUR_SECONDS), b"[]\r\n"), Err(Unproven::TooOld));
        assert_eq!(of(&at(NOW_SECONDS + HOUR_SECONDS), b"[]\r\n"), Err(Unproven::TooNew));
        assert_eq!(of(&at(NOW_SECONDS), b"[]"), Err(Unproven::WrongSignature));
        assert_eq!(of(&headers(&[]), b"[]"), Err(Unproven::NotSigned));
        let mut later = at(NOW_SECONDS - 48 * HOUR_SECONDS);
        later[0].1 = NOW_SECONDS.to_string();
        assert_eq!(of(&later, b"[]\r\n"), Err(Unproven::WrongSignature), "the time is signed");
        later[1].1 = "no base64".to_owned();
        assert_eq!(of(&later, b"[]\r\n"), Err(Unproven::BadSignature));
        let odd = sendgrid_headers(&pair, "now", b"[]\r\n");
        assert_eq!(of(&odd, b"[]\r\n"), Err(Unproven::BadTime));
    }
    let another = Proof::PublicKey(key_pair().1);
    assert_eq!(proven(Service::SendGrid, &another, &at(NOW_SECONDS), b"[]\r\n"), Err(Unproven::WrongSignature));
}

#[test]
fn mailgun_signs_the_time_and_a_token() {
    let body = |time: &str, token: &str, signature: &str| {
        serde_json::json!({"signature": {"timestamp": time, "token": token, "signature": signature}, "event-data": {}})
            .to_string()
    };
    let of = |key: &str, body: &str| {
        proven(Service::Mailgun, &Proof::Secret(key.to_owned()), &headers(&[]), body.as_bytes())
    };
    let (now, old) = (NOW_SECONDS.to_string(), (NOW_SECONDS - 26 * HOUR_SECONDS).to_string());
    let signed = |time: &str| body(time, "tok", &hex("key", format!("{time}tok").as_bytes()));
    assert_eq!(of("key", &signed(&now)), Ok(()));
    assert_eq!(of(" key\n", &signed(&now)), Ok(()), "as it was copied");
    assert_eq!(of("other", &signed(&now)), Err(Unproven::WrongSignature));
    assert_eq!(of("key", &signed(&old)), Err(Unproven::TooOld));
    assert_eq!(
        of("key", &body(&now, "another", &hex("key", format!("{now}tok").as_bytes()))),
        Err(Unproven::WrongSignature)
    );
    let moved = body(&now[..9], &format!("{}tok", &now[9..]), &hex("key", format!("{now}tok").as_bytes()));
    assert_eq!(of("key", &moved), Err(Unproven::TooOld), "a digit moved from the time into the token");
    assert_eq!(of("key", &body(&now, "tok", "xyz")), Err(Unproven::BadSignature));
    assert_eq!(of("key", &body("soon", "tok", "00")), Err(Unproven::BadTime));
    assert_eq!(of("key", "{}"), Err(Unproven::NotSigned));
    assert_eq!(of("key", "[not json"), Err(Unproven::NotSigned));
}

#[test]
fn our_own_json_is_signed_each_time_anew() {
    let of = |seconds: i64, body: &[u8], signature: Option<&str>| {
        let time = seconds.to_string();
        let own = hex("key", &[time.as_bytes(), b".", b"{}"].concat());
        let headers = headers(&[(TIMESTAMP_FIELD, &time), (SIGNATURE_FIELD, signature.unwrap_or(&own))]);
        proven(Service::Generic, &Proof::Secret("key".to_owned()), &headers, body)
    };
    assert_eq!(of(NOW_SECONDS, b"{}", None), Ok(()));
    assert_eq!(of(NOW_SECONDS - 301, b"{}", None), Err(Unproven::TooOld));
    assert_eq!(of(NOW_SECONDS + 301, b"{}", None), Err(Unproven::TooNew));
    assert_eq!(of(NOW_SECONDS, b"{ }", None), Err(Unproven::WrongSignature));
    assert_eq!(of(NOW_SECONDS, b"{}", Some("")), Err(Unproven::WrongSignature));
    assert_eq!(of(NOW_SECONDS, b"{}", Some("abc")), Err(Unproven::BadSignature));
}

#[test]
fn credentials_come_as_basic_as_bearer_or_in_a_field_of_their_own() {
    for service in [Service::Postmark, Service::SparkPost, Service::Brevo] {
        let of = |secret: &str, fields: &[(&str, &str)]| {
            proven(service, &Proof::Secret(secret.to_owned()), &headers(fields), b"")
        };
        let basic = format!("Basic {}", STANDARD.encode("tidings:sesame"));
        assert_eq!(of("tidings:sesame", &[("authorization", &basic)]), Ok(()));
        assert_eq!(of("sesame", &[("authorization", "bearer sesame")]), Ok(()));
        assert_eq!(of("sesame", &[("tidings-secret", "sesame")]), Ok(()));
        assert_eq!(of("sesame", &[("authorization", &basic)]), Err(Unproven::WrongCredentials));
        assert_eq!(of("sesame", &[("tidings-secret", "sesam")]), Err(Unproven::WrongCredentials));
        assert_eq!(of("sesame", &[("authorization", "Basic %%")]), Err(Unproven::WrongCredentials));
        assert_eq!(of("sesame", &[]), Err(Unproven::NoCredentials));
    }
}

#[test]
fn a_key_that_proves_nothing_is_refused_when_it_is_entered() {
    for &service in Service::ALL {
        assert_eq!(check(service, &Proof::None), Ok(()));
        let wrong = match service {
            Service::Ses | Service::SendGrid => Proof::Secret("x".to_owned()),
            _ => Proof::PublicKey("x".to_owned()),
        };
        assert_eq!(check(service, &wrong), Err(Unproven::WrongSort(service)));
        assert!(check(service, &wrong).unwrap_err().to_string().contains("enter the"));
    }
    assert_eq!(check(Service::Mailgun, &Proof::Secret(" ".to_owned())), Err(Unproven::NoKey));
    let key = |text: &str| check(Service::SendGrid, &Proof::PublicKey(text.to_owned()));
    assert_eq!(key(""), Err(Unproven::NoKey));
    assert_eq!(key("AAAA"), Err(Unproven::BadKey));
    assert_eq!(key("-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----"), Err(Unproven::BadKey));
    let topic = |text: &str| check(Service::Ses, &Proof::SesTopic(text.to_owned()));
    assert_eq!(topic("arn:aws:sns:eu-west-1:123456789012:ses-events"), Ok(()));
    assert_eq!(topic("arn:aws-cn:sns:cn-north-1:123456789012:ses-events"), Ok(()));
    assert_eq!(topic("arn:aws:sqs:eu-west-1:123456789012:ses-events"), Err(Unproven::BadTopic));
    assert_eq!(topic("ses-events"), Err(Unproven::BadTopic));
}

#[test]
fn no_key_is_printed() {
    for proof in [Proof::Secret("sesame".into()), Proof::PublicKey("sesame".into()), Proof::SesTopic("sesame".into())] {
        assert!(!format!("{proof:?}").contains("sesame"));
    }
}
