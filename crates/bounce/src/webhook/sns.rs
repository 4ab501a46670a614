//! The envelope in which Amazon SNS posts (`SignatureVersion` 1 and 2), and what proves it.
//!
//! The key is in a certificate, and the post says where to fetch it. Anybody can post an envelope with an address of his
//! own, so the address is given out only if it is SNS's; that the certificate comes from there is then TLS's promise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use tidings_domain::{Service, UnixMs};
use x509_parser::prelude::{FromDer, GeneralName, Pem, X509Certificate};

use super::proof::{MAX_AGE_MS, fresh};
use super::{MAX_BODY_BYTES, Unproven, Unreadable};

/// A certificate that is longer is none of SNS's.
pub const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;
const MAX_URL_BYTES: usize = 2 * 1024;

/// What an envelope is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Kind {
    /// It holds a message.
    Notification,
    /// Somebody subscribed our URL to the topic. Fetching [`Envelope::subscribe_url`] says that we want it.
    SubscriptionConfirmation,
    /// Somebody ended the subscription. Nothing is to be done.
    UnsubscribeConfirmation,
}

/// An envelope. Nothing in it is proven before [`Envelope::verify`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Envelope {
    #[serde(rename = "Type")]
    kind: Kind,
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    message: String,
    timestamp: String,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    token: Option<String>,
}

/// Reads an envelope. With raw message delivery notifications come without one, and confirmations with.
///
/// # Errors
/// The body is no envelope of SNS.
pub fn envelope(body: &[u8]) -> Result<Envelope, Unreadable> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Unreadable::TooLarge(body.len()));
    }
    serde_json::from_slice(body).map_err(|e| Unreadable::NotJson { service: Service::Ses, fault: e.to_string() })
}

impl Envelope {
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic_arn
    }

    /// What was published; of a confirmation a sentence for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Equal in all copies that SNS posts.
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// Where to fetch the certificate. It may be kept: a new certificate has a new address.
    ///
    /// # Errors
    /// The address is not one of SNS: the post is forged.
    pub fn certificate_url(&self) -> Result<&str, Unproven> {
        let path = path_at_sns(&self.signing_cert_url).filter(|path| path.ends_with(".pem") && !path.contains('?'));
        path.map(|_| self.signing_cert_url.as_str()).ok_or(Unproven::ForeignCertificate)
    }

    /// What is to be fetched so that the topic posts to us; `None` if this is no [`Kind::SubscriptionConfirmation`].
    /// Fetch it after [`Self::verify`] only.
    ///
    /// # Errors
    /// The address is not one of SNS: fetching it would do a stranger's errand.
    pub fn subscribe_url(&self) -> Result<Option<&str>, Unproven> {
        match (&self.subscribe_url, self.kind) {
            (Some(url), Kind::SubscriptionConfirmation) => {
                path_at_sns(url).map(|_| Some(url.as_str())).ok_or(Unproven::ForeignSubscription)
            }
            _ => Ok(None),
        }
    }

    /// Whether SNS signed this, with the certificate (PEM or DER) that was fetched from [`Self::certificate_url`], and not
    /// too long ago.
    ///
    /// # Errors
    /// The certificate is not SNS's or not valid now, the signature does not fit, or the post is an old one.
    pub fn verify(&self, certificate: &[u8], now: UnixMs) -> Result<(), Unproven> {
        self.certificate_url()?;
        let algorithm: &dyn VerificationAlgorithm = match self.signature_version.as_str() {
            "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(Unproven::BadSignature),
        };
        let signature = STANDARD.decode(&self.signature).map_err(|_| Unproven::BadSignature)?;
        let key = key_of(certificate, now)?;
        let key = UnparsedPublicKey::new(algorithm, key);
        key.verify(self.signed().as_bytes(), &signature).map_err(|_| Unproven::WrongSignature)?;
        fresh(self.time()?, now, MAX_AGE_MS)
    }

    fn time(&self) -> Result<UnixMs, Unproven> {
        let time = chrono::DateTime::parse_from_rfc3339(&self.timestamp).map_err(|_| Unproven::BadTime)?;
        Ok(UnixMs(time.timestamp_millis()))
    }

    /// What is signed: some members, each its name and its value on a line of its own, in the order of their names.
    fn signed(&self) -> String {
        let is_message = self.kind == Kind::Notification;
        let confirms = |value: &'_ Option<String>| value.clone().filter(|_| !is_message);
        let members = [
            ("Message", Some(self.message.clone())),
            ("MessageId", Some(self.message_id.clone())),
            ("Subject", self.subject.clone().filter(|_| is_message)),
            ("SubscribeURL", confirms(&self.subscribe_url)),
            ("Timestamp", Some(self.timestamp.clone())),
            ("Token", confirms(&self.token)),
            ("TopicArn", Some(self.topic_arn.clone())),
            ("Type", Some(format!("{:?}", self.kind))),
        ];
        let mut signed = String::new();
        for (name, value) in members {
            if let Some(value) = value {
                signed.push_str(&format!("{name}\n{value}\n"));
            }
        }
        signed
    }
}

/// `arn:aws:sns:eu-west-1:123456789012:name`; other partitions than `aws` are China's and the government's.
pub(super) fn is_topic(arn: &str) -> bool {
    let parts: Vec<&str> = arn.trim().split(':').collect();
    let [scheme, partition, "sns", region, account, name] = parts[..] else { return false };
    let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    scheme == "arn" && partition.starts_with("aws") && is_region(region) && digits && !name.is_empty()
}

/// The path of an `https` address at SNS: `sns.<region>.amazonaws.com`, in China with `.cn`, without port or user.
fn path_at_sns(url: &str) -> Option<&str> {
    let printable = url.len() <= MAX_URL_BYTES && url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let (host, path) = url.strip_prefix("https://").filter(|_| printable)?.split_once('/')?;
    let region = host.strip_prefix("sns.")?;
    let region = region.strip_suffix(".amazonaws.com").or_else(|| region.strip_suffix(".amazonaws.com.cn"))?;
    is_region(region).then_some(path)
}

fn is_region(label: &str) -> bool {
    let one_label = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    one_label && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
}

/// The RSA key (PKCS #1) of a certificate that is SNS's and valid now.
fn key_of(certificate: &[u8], now: UnixMs) -> Result<Vec<u8>, Unproven> {
    if certificate.len() > MAX_CERTIFICATE_BYTES {
        return Err(Unproven::BadCertificate);
    }
    let pem = match certificate.trim_ascii_start().starts_with(b"-----") {
        true => Some(Pem::iter_from_buffer(certificate).next().and_then(Result::ok).ok_or(Unproven::BadCertificate)?),
        false => None,
    };
    let der = pem.as_ref().map_or(certificate, |pem| &pem.contents);
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| Unproven::BadCertificate)?;
    if !names(&certificate).any(is_name_of_sns) {
        return Err(Unproven::WrongCertificate);
    }
    let (from, to) = (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    if !(from..=to).contains(&now.0.div_euclid(UnixMs::SECOND)) {
        return Err(Unproven::ExpiredCertificate);
    }
    Ok(certificate.public_key().subject_public_key.data.to_vec())
}

/// The common name and the alternative ones.
fn names<'a>(certificate: &'a X509Certificate<'a>) -> impl Iterator<Item = &'a str> {
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.into_iter().flat_map(|extension| &extension.value.general_names);
    common.chain(alternative.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    }))
}

/// `sns.amazonaws.com`; regions that must be switched on, and China, have names of their own, `sns.` or `sns-signing.` with
/// the region.
fn is_name_of_sns(name: &str) -> bool {
    let Some(rest) = name.strip_suffix(".amazonaws.com").or_else(|| name.strip_suffix(".amazonaws.com.cn")) else {
        return false;
    };
    let region = rest.strip_prefix("sns.").or_else(|| rest.strip_prefix("sns-signing."));
    rest == "sns" || region.is_some_and(is_region)
}
