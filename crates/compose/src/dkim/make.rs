use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidings_domain::DkimAlgorithm;
use zeroize::Zeroizing;

use super::DkimError;
use crate::Keys;

/// A key that was just made.
pub struct MadeDkimKey {
    /// The tag `p=` of its record.
    pub public_key: String,
    /// PKCS#8 in base64: wiped when it is dropped.
    private: Zeroizing<String>,
}

impl MadeDkimKey {
    /// The private half, sealed for its row.
    #[must_use]
    pub fn seal(&self, keys: &Keys, context: &str) -> String {
        keys.seal_secret(context, &self.private)
    }
}

impl std::fmt::Debug for MadeDkimKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeDkimKey").finish_non_exhaustive()
    }
}

/// Makes a key from the system's randomness. An RSA key takes a tenth of a second and more: not on an async thread.
///
/// # Errors
/// The library refuses: the system has no randomness.
pub fn make_dkim_key(algorithm: DkimAlgorithm) -> Result<MadeDkimKey, DkimError> {
    match algorithm {
        DkimAlgorithm::Rsa2048 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| DkimError::NotMade)?;
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| DkimError::NotMade)?;
            made(public.as_ref(), &pair)
        }
        DkimAlgorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate().map_err(|_| DkimError::NotMade)?;
            // RFC 8463 §4.2: the bare 32 octets, not a SubjectPublicKeyInfo.
            made(pair.public_key().as_ref(), &pair)
        }
    }
}

fn made(public: &[u8], pair: &impl AsDer<Pkcs8V1Der<'static>>) -> Result<MadeDkimKey, DkimError> {
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| DkimError::NotMade)?;
    Ok(MadeDkimKey { public_key: STANDARD.encode(public), private: Zeroizing::new(STANDARD.encode(private.as_ref())) })
}
