//! Random tokens, their hashes, and comparing in constant time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Octets of every token: 256 bits.
pub const TOKEN_OCTETS: usize = 32;

/// A new random token in URL-safe letters.
pub fn token() -> String {
    let mut octets = [0u8; TOKEN_OCTETS];
    rand::rng().fill_bytes(&mut octets);
    URL_SAFE_NO_PAD.encode(octets)
}

/// What is stored of a token: SHA-256 in hex. The token has 256 random bits, so no slow hash is needed.
pub fn hash(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Whether both are the same, in a time that does not tell where they differ.
pub fn same(left: &str, right: &str) -> bool {
    bool::from(left.as_bytes().ct_eq(right.as_bytes()))
}

/// The token under a fresh one-time pad, so that no two pages carry the same octets: compression of a page that also
/// echoes what a stranger wrote cannot leak it bit by bit (BREACH).
pub fn mask(token: &str) -> String {
    let mut pad = vec![0u8; token.len()];
    rand::rng().fill_bytes(&mut pad);
    let hidden: Vec<u8> = token.bytes().zip(&pad).map(|(t, p)| t ^ p).collect();
    URL_SAFE_NO_PAD.encode([pad, hidden].concat())
}

/// Takes the pad off again. `None` when it is not of that shape.
pub fn unmask(masked: &str) -> Option<String> {
    let octets = URL_SAFE_NO_PAD.decode(masked).ok()?;
    let (pad, hidden) = octets.split_at_checked(octets.len() / 2)?;
    String::from_utf8(pad.iter().zip(hidden).map(|(p, h)| p ^ h).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_token_comes_back_and_never_looks_the_same() {
        let token = token();
        let (first, second) = (mask(&token), mask(&token));
        assert_ne!(first, second);
        assert_eq!(unmask(&first).as_deref(), Some(token.as_str()));
        assert_eq!(unmask(&second).as_deref(), Some(token.as_str()));
        assert_eq!(unmask("%%%"), None);
    }

    #[test]
    fn only_equal_texts_are_the_same() {
        assert!(same("abc", "abc"));
        assert!(!same("abc", "abd"));
        assert!(!same("abc", "abcd"));
    }
}
