//! Addresses as hashes: our own, which only the key's owner can make, and those that other platforms export.

use std::fmt;
use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};
use tidings_domain::SuppressionKind;

/// The key of the hashes that stand for erased addresses. Without it nobody can try addresses until one fits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SuppressionKey([u8; 32]);

impl SuppressionKey {
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The value of an entry of the kind that means this address. `None`: the kind is no look-up by a value made of the address.
    pub(crate) fn value(&self, kind: SuppressionKind, email: &str) -> Option<String> {
        match kind {
            SuppressionKind::Address => Some(email.to_owned()),
            SuppressionKind::Hash => Some(self.hash(email)),
            SuppressionKind::Md5 => Some(hex(&Md5::digest(email.as_bytes()))),
            SuppressionKind::Sha256 => Some(hex(&Sha256::digest(email.as_bytes()))),
            SuppressionKind::Domain => Some(email.rsplit('@').next().unwrap_or_default().to_owned()),
            SuppressionKind::Pattern => None,
        }
    }

    /// HMAC-SHA256 (RFC 2104) of the canonical address. The same person has the same hash in every workspace, so that the
    /// installation's list may hold it too.
    pub(crate) fn hash(&self, email: &str) -> String {
        match Hmac::<Sha256>::new_from_slice(&self.0) {
            Ok(mac) => hex(&mac.chain_update(email.as_bytes()).finalize().into_bytes()),
            // HMAC takes keys of every length.
            Err(_) => String::new(),
        }
    }
}

impl fmt::Debug for SuppressionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SuppressionKey(…)")
    }
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        let _ = write!(text, "{octet:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standards() {
        let value = |kind, email| SuppressionKey::new([0x0b; 32]).value(kind, email).expect("a value");
        assert_eq!(value(SuppressionKind::Md5, "a@b.example").len(), 32);
        // RFC 1321 and FIPS 180-4 have these for "abc".
        assert_eq!(value(SuppressionKind::Md5, "abc"), "900150983cd24fb0d6963f7d28e17f72");
        assert!(value(SuppressionKind::Sha256, "abc").starts_with("ba7816bf8f01cfea414140de5dae2223"));
        // RFC 4231, case 2.
        let mut jefe = [0; 32];
        jefe[..4].copy_from_slice(b"Jefe");
        assert!(SuppressionKey::new(jefe).hash("what do ya want for nothing?").starts_with("5bdcc146bf60754e6a042426"));
        assert_eq!(format!("{:?}", SuppressionKey::new([7; 32])), "SuppressionKey(…)");
    }
}
