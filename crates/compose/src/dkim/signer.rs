use aws_lc_rs::digest::{Context, SHA256};
use mail_auth::common::headers::{HeaderWriter, Writable, Writer};
use mail_auth::dkim::{Canonicalization, Signature};
use tidings_domain::{Service, UnixMs};

use super::fields::{Fields, REWRITTEN_BY_SERVICES, SEALED, SIGNED, has};
use super::{DkimError, DkimKey};

/// A signature holds so long: retries take days, and who verifies late, after a forward or on import, should still find it good.
const SIGNATURE_LIFE_S: u64 = 30 * 24 * 3600;
/// The fields that one signature adds.
const FIELD_OCTETS: usize = 1_024;

/// Signs for one domain, with one key or with one of each kind. `Sync`; share it in an `Arc`.
#[derive(Debug)]
pub struct Signer {
    domain: String,
    keys: Vec<DkimKey>,
}

impl Signer {
    /// `domain` becomes the tag `d=`: who calls has made sure that it covers the From address and is verified.
    #[must_use]
    pub fn new(domain: &str, keys: Vec<DkimKey>) -> Self {
        Self { domain: domain.to_owned(), keys }
    }

    /// The tag `d=`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Puts a signature by each key before the message, which must be canonical: a later change of one octet breaks it. `via` is the service
    /// whose relay takes the message.
    ///
    /// # Errors
    /// [`DkimError::NotSigned`]; the message is as it was.
    pub fn sign(&self, message: &mut Vec<u8>, at: UnixMs, via: Option<Service>) -> Result<(), DkimError> {
        let at_s = u64::try_from(at.0 / UnixMs::SECOND).unwrap_or(0);
        let template = Signature {
            v: 1,
            d: self.domain.clone(),
            h: names(message, via),
            t: at_s,
            x: at_s + SIGNATURE_LIFE_S,
            ch: Canonicalization::Relaxed,
            cb: Canonicalization::Relaxed,
            ..Signature::default()
        };
        let (_, headers, signed, body) = template.canonicalize(Fields::of(message));
        let mut canonical = Vec::with_capacity(2 * FIELD_OCTETS);
        headers.write(&mut canonical);
        let base = Signature { h: sealed(signed, message), bh: body_hash(body), ..template };
        let mut fields = Vec::with_capacity(self.keys.len() * FIELD_OCTETS);
        for key in &self.keys {
            write_field(&base, key, &canonical, &mut fields)?;
        }
        message.splice(0..0, fields);
        Ok(())
    }
}

/// RFC 6376 §3.7: the signature is of the signed fields and of its own field, with an empty `b=`.
fn write_field(base: &Signature, key: &DkimKey, canonical: &[u8], out: &mut Vec<u8>) -> Result<(), DkimError> {
    let mut signature = Signature { a: key.algorithm(), s: key.selector.clone(), ..base.clone() };
    let mut text = Vec::with_capacity(canonical.len() + FIELD_OCTETS);
    text.extend_from_slice(canonical);
    signature.write(&mut text, false);
    signature.b = key.sign(&text)?;
    signature.write_header(out);
    Ok(())
}

/// The names to look for: each sealed one, there or not, and of the others those that are there.
fn names(message: &[u8], via: Option<Service>) -> Vec<String> {
    let is_rewritten = |name: &&str| via.is_some() && REWRITTEN_BY_SERVICES.contains(name);
    let there = SIGNED.into_iter().filter(|name| has(message, name));
    SEALED.into_iter().chain(there).filter(|name| !is_rewritten(name)).map(str::to_owned).collect()
}

/// `found` names each field as often as it is there, and once each that is not there. The sealed ones that are there get one more.
fn sealed(mut found: Vec<String>, message: &[u8]) -> Vec<String> {
    let is_signed = |name: &str| found.iter().any(|known| known.eq_ignore_ascii_case(name));
    let once_more: Vec<String> =
        SEALED.into_iter().filter(|name| is_signed(name) && has(message, name)).map(str::to_owned).collect();
    found.extend(once_more);
    found
}

fn body_hash(body: impl Writable) -> Vec<u8> {
    let mut hash = Hash { context: Context::new(&SHA256), waiting: Vec::with_capacity(HASHED_AT_ONCE) };
    body.write(&mut hash);
    hash.flush();
    hash.context.finish().as_ref().to_vec()
}

/// Octets that are hashed at one time.
const HASHED_AT_ONCE: usize = 4_096;

/// mail-auth writes the canonical body in small pieces.
struct Hash {
    context: Context,
    waiting: Vec<u8>,
}

impl Hash {
    fn flush(&mut self) {
        self.context.update(&self.waiting);
        self.waiting.clear();
    }
}

impl Writer for Hash {
    fn write(&mut self, octets: &[u8]) {
        if self.waiting.len() + octets.len() > HASHED_AT_ONCE {
            self.flush();
        }
        self.waiting.extend_from_slice(octets);
    }
}
