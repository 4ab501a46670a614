use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, signature};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tidings_domain::{Service, UnixMs};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::{Post, SIGNATURE_FIELD, TIMESTAMP_FIELD, sns};

/// How old a signature may be. The services post again for up to a day, and not all of them sign anew; a copy within that
/// time is known by the id of its event.
pub const MAX_AGE_MS: i64 = 25 * UnixMs::HOUR;
/// Who signs for our own JSON signs each time anew.
pub const MAX_AGE_GENERIC_MS: i64 = 5 * UnixMs::MINUTE;
/// How far a service's clock may be ahead of ours.
pub const MAX_AHEAD_MS: i64 = 5 * UnixMs::MINUTE;
/// A header field of that name may carry the secret, for services that let the operator choose fields.
const SECRET_FIELD: &str = "tidings-secret";

/// What proves that a post comes from the service: key material as an operator enters it for this service.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// The secret in the URL alone.
    None,
    /// Mailgun: the signing key of the account. Generic: the key of the HMAC. Postmark, SparkPost, Brevo: `user:password` of
    /// Basic, or the token of Bearer, or the value of the header field `Tidings-Secret`.
    Secret(String),
    /// SendGrid: the verification key, in base64 as shown there or as PEM.
    PublicKey(String),
    /// Amazon SES: the ARN of the topic. The post itself is proven by [`sns::Envelope::verify`].
    SesTopic(String),
}

/// Keys do not belong into logs.
impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Secret(_) => "Secret(…)",
            Self::PublicKey(_) => "PublicKey(…)",
            Self::SesTopic(_) => "SesTopic(…)",
        })
    }
}

/// Why a post is not taken for the service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    #[error("{0} does not prove its posts in this way; enter {needed}", needed = needed(*.0))]
    WrongSort(Service),
    #[error("the key is empty; copy it from the settings of the service")]
    NoKey,
    #[error(
        "the key is no ECDSA P-256 public key in base64 or PEM; copy the verification key from SendGrid's settings"
    )]
    BadKey,
    #[error("the topic is no ARN such as arn:aws:sns:eu-west-1:123456789012:name")]
    BadTopic,
    #[error("the post is not signed; switch signing on at the service")]
    NotSigned,
    #[error("the post carries no credentials; enter them with the URL at the service")]
    NoCredentials,
    #[error("the credentials are not ours")]
    WrongCredentials,
    #[error("the signature has not the form that the service gives it")]
    BadSignature,
    #[error("the signature does not fit: the key is another one, or the post was changed")]
    WrongSignature,
    #[error("the time stamp is no time")]
    BadTime,
    #[error("the post was signed too long ago: a replay, or a clock that is wrong")]
    TooOld,
    #[error("the post was signed in the future: a clock is wrong")]
    TooNew,
    #[error("the post has no envelope of SNS; switch raw message delivery off for the subscription")]
    NoEnvelope,
    #[error("the post comes from another topic")]
    WrongTopic,
    #[error("the certificate's address is not one of SNS")]
    ForeignCertificate,
    #[error("the subscription's address is not one of SNS")]
    ForeignSubscription,
    #[error("the certificate cannot be read")]
    BadCertificate,
    #[error("the certificate is not SNS's")]
    WrongCertificate,
    #[error("the certificate is not valid at this time")]
    ExpiredCertificate,
}

fn needed(service: Service) -> &'static str {
    match service {
        Service::Ses => "the ARN of its SNS topic",
        Service::SendGrid => "the verification key of the signed event webhook",
        Service::Mailgun => "the webhook signing key",
        Service::Postmark | Service::SparkPost | Service::Brevo => "the user:password or the token that it is to send",
        Service::Generic => "the key of the HMAC",
    }
}

/// Whether what an operator entered can prove a post of this service: for the form in which it is entered.
///
/// # Errors
/// The key is of another sort, empty or damaged.
pub fn check(service: Service, proof: &Proof) -> Result<(), Unproven> {
    match (service, proof) {
        (_, Proof::None) => Ok(()),
        (Service::SendGrid, Proof::PublicKey(key)) => public_key(key).map(drop),
        (Service::Ses, Proof::SesTopic(arn)) => sns::is_topic(arn).then_some(()).ok_or(Unproven::BadTopic),
        (Service::SendGrid | Service::Ses, _) | (_, Proof::PublicKey(_) | Proof::SesTopic(_)) => {
            Err(Unproven::WrongSort(service))
        }
        (_, Proof::Secret(secret)) if secret.trim().is_empty() => Err(Unproven::NoKey),
        (_, Proof::Secret(_)) => Ok(()),
    }
}

/// Whether the post comes from the service. Secrets are compared in constant time.
///
/// For Amazon SES this is half the proof: the topic is the right one. The other half needs SNS's certificate, and
/// fetching that is the caller's: [`sns::envelope`], [`sns::Envelope::certificate_url`], [`sns::Envelope::verify`].
///
/// # Errors
/// What is missing or does not fit, in words for the operator; also if [`check`] would refuse the key.
pub fn verify(service: Service, proof: &Proof, post: &Post) -> Result<(), Unproven> {
    check(service, proof)?;
    match proof {
        Proof::None => Ok(()),
        Proof::PublicKey(key) => sendgrid(&public_key(key)?, post),
        Proof::SesTopic(arn) => topic(arn, post),
        Proof::Secret(secret) => match service {
            Service::Mailgun => mailgun(secret.trim(), post),
            Service::Generic => generic(secret.trim(), post),
            _ => credentials(secret.trim(), post),
        },
    }
}

fn topic(arn: &str, post: &Post) -> Result<(), Unproven> {
    let envelope = sns::envelope(post.body).map_err(|_| Unproven::NoEnvelope)?;
    (envelope.topic() == arn.trim()).then_some(()).ok_or(Unproven::WrongTopic)
}

/// The point of the curve out of the SubjectPublicKeyInfo (RFC 5480 §2).
fn public_key(text: &str) -> Result<Vec<u8>, Unproven> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let base64: String = lines.collect();
    if base64.is_empty() {
        return Err(Unproven::NoKey);
    }
    let der = STANDARD.decode(base64).map_err(|_| Unproven::BadKey)?;
    let (rest, info) = SubjectPublicKeyInfo::from_der(&der).map_err(|_| Unproven::BadKey)?;
    let point = info.subject_public_key.data.to_vec();
    // An uncompressed point of P-256 (SEC 1 §2.3.3).
    (rest.is_empty() && point.len() == 65 && point[0] == 4).then_some(point).ok_or(Unproven::BadKey)
}

/// `X-Twilio-Email-Event-Webhook-Signature` is the base64 of an ECDSA signature in DER over time stamp and body.
fn sendgrid(key: &[u8], post: &Post) -> Result<(), Unproven> {
    let header = |name| post.header(name).ok_or(Unproven::NotSigned);
    let time = header("x-twilio-email-event-webhook-timestamp")?;
    let given = header("x-twilio-email-event-webhook-signature")?;
    let given = STANDARD.decode(given).map_err(|_| Unproven::BadSignature)?;
    let signed = [time.as_bytes(), post.body].concat();
    let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, key);
    key.verify(&signed, &given).map_err(|_| Unproven::WrongSignature)?;
    fresh(seconds(time)?, post.now, MAX_AGE_MS)
}

#[derive(Deserialize)]
struct Signed {
    signature: Option<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    timestamp: String,
    token: String,
    signature: String,
}

/// The HMAC is over time stamp and token. The time stamp is of digits only, so that nothing can be moved between the two.
fn mailgun(key: &str, post: &Post) -> Result<(), Unproven> {
    let signed: Signed = serde_json::from_slice(post.body).map_err(|_| Unproven::NotSigned)?;
    let Signature { timestamp, token, signature } = signed.signature.ok_or(Unproven::NotSigned)?;
    let time = seconds(&timestamp)?;
    hmac_fits(key, &[timestamp.as_bytes(), token.as_bytes()], &signature)?;
    fresh(time, post.now, MAX_AGE_MS)
}

fn generic(key: &str, post: &Post) -> Result<(), Unproven> {
    let header = |name| post.header(name).ok_or(Unproven::NotSigned);
    let (time, given) = (header(TIMESTAMP_FIELD)?, header(SIGNATURE_FIELD)?);
    hmac_fits(key, &[time.as_bytes(), b".", post.body], given)?;
    fresh(seconds(time)?, post.now, MAX_AGE_GENERIC_MS)
}

fn hmac_fits(key: &str, parts: &[&[u8]], given: &str) -> Result<(), Unproven> {
    let given = from_hex(given).ok_or(Unproven::BadSignature)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::verify(&key, &parts.concat(), &given).map_err(|_| Unproven::WrongSignature)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Basic (RFC 7617), Bearer (RFC 6750), or the header field of our own.
fn credentials(secret: &str, post: &Post) -> Result<(), Unproven> {
    let authorization = post.header("authorization").and_then(|value| value.split_once(' '));
    let given = match authorization.map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest.trim())) {
        Some((scheme, rest)) if scheme == "basic" => STANDARD.decode(rest).map_err(|_| Unproven::WrongCredentials)?,
        Some((scheme, rest)) if scheme == "bearer" => rest.as_bytes().to_vec(),
        _ => post.header(SECRET_FIELD).ok_or(Unproven::NoCredentials)?.as_bytes().to_vec(),
    };
    bool::from(given.as_slice().ct_eq(secret.as_bytes())).then_some(()).ok_or(Unproven::WrongCredentials)
}

/// Whole seconds since 1970, digits only.
fn seconds(text: &str) -> Result<UnixMs, Unproven> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let seconds: i64 = text.parse().ok().filter(|_| digits).ok_or(Unproven::BadTime)?;
    Ok(UnixMs(seconds * UnixMs::SECOND))
}

pub(super) fn fresh(signed: UnixMs, now: UnixMs, max_age_ms: i64) -> Result<(), Unproven> {
    match now.0.saturating_sub(signed.0) {
        age if age > max_age_ms => Err(Unproven::TooOld),
        age if age < -MAX_AHEAD_MS => Err(Unproven::TooNew),
        _ => Ok(()),
    }
}
