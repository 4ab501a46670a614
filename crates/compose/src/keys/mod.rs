//! Secrets at work: tokens in URLs and addresses, and values sealed at rest.
//!
//! All of it is one construction, a deterministic authenticated encryption in the manner of SIV (RFC 5297) over HMAC-SHA256:
//! the tag is a MAC of the plain text, and the key stream is a PRF of the tag. The same input always gives the same token, so
//! that a message composed again is the same message, and without the key a token says nothing, not even
//! whether two deliveries are neighbours.

mod base32;
mod secret;
mod siv;
mod token;

pub use secret::SealError;
pub use token::TokenKind;

use siv::Siv;

/// The keys of this installation, derived from one secret of 32 octets. Made once, shared in an `Arc`.
pub struct Keys {
    /// The first seals; all open. More than one while a secret is being changed.
    rings: Vec<Ring>,
}

/// What is derived from one secret: a key for each kind of token, one for values at rest, and the octet that names the secret.
struct Ring {
    id: u8,
    tokens: [Siv; TokenKind::COUNT],
    at_rest: Siv,
    label: siv::Mac,
    suppression: [u8; 32],
}

impl Keys {
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { rings: vec![Ring::derive(secret)] }
    }

    /// Also opens what an earlier secret sealed: mail already sent keeps its links after a change of the secret.
    #[must_use]
    pub fn and_earlier(mut self, secret: &[u8; 32]) -> Self {
        self.rings.push(Ring::derive(secret));
        self
    }

    /// A name for a number that reveals nothing of it: 12 lower-case letters and digits.
    #[must_use]
    pub fn label(&self, what: &str, id: i64) -> String {
        const LABEL_OCTETS: usize = 7;
        let mac = self.sealing().label.of(&[what.as_bytes(), b"\0", &id.to_be_bytes()]);
        base32::encode(&mac[..LABEL_OCTETS])
    }

    /// The key under which the store keeps erased addresses as hashes: it holds for the life of the installation.
    #[must_use]
    pub fn suppression_key(&self) -> [u8; 32] {
        self.sealing().suppression
    }

    fn sealing(&self) -> &Ring {
        &self.rings[0]
    }

    /// Two secrets may share an id (1 in 256): every ring of that name is tried, and the tag decides.
    fn opening(&self, id: u8) -> impl Iterator<Item = &Ring> {
        self.rings.iter().filter(move |ring| ring.id == id)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("rings", &self.rings.len()).finish_non_exhaustive()
    }
}

impl Ring {
    fn derive(secret: &[u8; 32]) -> Self {
        let root = siv::Mac::new(secret);
        Self {
            id: root.of(&[b"key id"])[0],
            tokens: TokenKind::ALL.map(|kind| Siv::derive(&root, kind.as_str())),
            at_rest: Siv::derive(&root, "at rest"),
            label: siv::Mac::new(&root.of(&[b"label"])),
            suppression: root.of(&[b"suppression hash"]),
        }
    }
}
