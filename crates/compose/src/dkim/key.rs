use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_auth::common::crypto::Algorithm;
use tidings_domain::DkimAlgorithm;
use zeroize::Zeroizing;

use crate::Keys;

/// A private key at work. The library wipes it from memory when it is dropped; nothing here gives it out again.
pub struct DkimKey {
    pub(super) selector: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// It says no more: what it is about is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DkimError {
    #[error("the DKIM key cannot be opened with this instance's key")]
    Sealed,
    #[error("the stored DKIM key is damaged")]
    Damaged,
    #[error("a DKIM key could not be made")]
    NotMade,
    #[error("the message could not be signed")]
    NotSigned,
}

impl DkimKey {
    /// Opens what [`MadeDkimKey::seal`](super::MadeDkimKey::seal) sealed for the same place.
    ///
    /// # Errors
    /// [`DkimError::Sealed`]: another instance's key, or another place. [`DkimError::Damaged`].
    pub fn open(
        keys: &Keys,
        context: &str,
        algorithm: DkimAlgorithm,
        selector: &str,
        sealed: &str,
    ) -> Result<Self, DkimError> {
        let text = Zeroizing::new(keys.open_secret(context, sealed).map_err(|_| DkimError::Sealed)?);
        let der = Zeroizing::new(STANDARD.decode(text.as_bytes()).map_err(|_| DkimError::Damaged)?);
        let pair = match algorithm {
            DkimAlgorithm::Rsa2048 => RsaKeyPair::from_pkcs8(&der).map(|pair| Pair::Rsa(Box::new(pair))),
            DkimAlgorithm::Ed25519 => Ed25519KeyPair::from_pkcs8(&der).map(Pair::Ed25519),
        };
        Ok(Self { selector: selector.to_owned(), pair: pair.map_err(|_| DkimError::Damaged)? })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::RsaSha256,
            Pair::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    /// The bare signature of the canonical header (RFC 6376 §3.7): the least that a signed message can cost.
    ///
    /// # Errors
    /// [`DkimError::NotSigned`].
    pub fn sign(&self, header: &[u8]) -> Result<Vec<u8>, DkimError> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let done = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), header, &mut signature);
                done.map(|()| signature).map_err(|_| DkimError::NotSigned)
            }
            // RFC 8463 §3: of the hash, not of the text.
            Pair::Ed25519(pair) => Ok(pair.sign(digest(&SHA256, header).as_ref()).as_ref().to_vec()),
        }
    }
}

impl std::fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DkimKey").field("selector", &self.selector).finish_non_exhaustive()
    }
}
