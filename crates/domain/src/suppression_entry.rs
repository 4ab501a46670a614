use crate::{AddressError, AddressPattern, EmailAddress, PatternError, SuppressionKind};

/// What a person or a file names as not to be sent to, in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SuppressionEntry {
    pub kind: SuppressionKind,
    pub value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("not a domain: write it like example.org")]
    Domain,
    #[error("a SHA-1 hash, which the database cannot compare; export the list with MD5, SHA-256 or plain addresses")]
    Sha1,
    #[error("a hash of an unknown kind; MD5 has 32 and SHA-256 has 64 hexadecimal digits")]
    UnknownHash,
}

/// Hexadecimal digits of the hashes that are told by their length.
const MD5_DIGITS: usize = 32;
const SHA1_DIGITS: usize = 40;
const SHA256_DIGITS: usize = 64;
/// From here on a word of hexadecimal digits alone is a hash: no top-level domain is one, so it is no domain either.
const MIN_HASH_DIGITS: usize = 32;

impl SuppressionEntry {
    /// Tells what it is by its look: with `*` or `?` a pattern, with `@` an address, digits of a hash, else a domain (also
    /// written `@example.org`). `*@example.org` is the domain.
    ///
    /// # Errors
    /// What is wrong with it, in words for the person who typed or imported it.
    pub fn parse(input: &str) -> Result<Self, EntryError> {
        let text = input.trim();
        if is_hex(text) && text.len() >= MIN_HASH_DIGITS {
            return hash(text);
        }
        let domain = text.strip_prefix("*@").or_else(|| text.strip_prefix('@'));
        if let Some(domain) = domain.filter(|domain| !domain.contains(['*', '?', '@'])) {
            return Self::domain(domain);
        }
        if text.contains(['*', '?']) {
            let value = AddressPattern::parse(text)?.to_string();
            return Ok(Self { kind: SuppressionKind::Pattern, value });
        }
        if text.contains('@') || text.is_empty() {
            return Self::address(text);
        }
        Self::domain(text)
    }

    /// # Errors
    /// It is no address.
    pub fn address(text: &str) -> Result<Self, EntryError> {
        let value = EmailAddress::parse(text)?.to_string();
        Ok(Self { kind: SuppressionKind::Address, value })
    }

    /// A domain is read as the end of an address, by the same rules.
    ///
    /// # Errors
    /// It is no domain.
    pub fn domain(text: &str) -> Result<Self, EntryError> {
        let address = EmailAddress::parse(&format!("x@{}", text.trim())).map_err(|_| EntryError::Domain)?;
        Ok(Self { kind: SuppressionKind::Domain, value: address.domain().to_owned() })
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn hash(text: &str) -> Result<SuppressionEntry, EntryError> {
    let kind = match text.len() {
        MD5_DIGITS => SuppressionKind::Md5,
        SHA256_DIGITS => SuppressionKind::Sha256,
        SHA1_DIGITS => return Err(EntryError::Sha1),
        _ => return Err(EntryError::UnknownHash),
    };
    Ok(SuppressionEntry { kind, value: text.to_ascii_lowercase() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kind: SuppressionKind, value: &str) {
        assert_eq!(SuppressionEntry::parse(text), Ok(SuppressionEntry { kind, value: value.to_owned() }), "{text:?}");
    }

    #[test]
    fn what_it_is_shows_in_its_look() {
        use SuppressionKind as K;
        check(" <Ana@Example.ORG> ", K::Address, "ana@example.org");
        check("example.org", K::Domain, "example.org");
        check("@Bücher.example", K::Domain, "xn--bcher-kva.example");
        check("*@example.org", K::Domain, "example.org");
        check("*@*.example.org", K::Pattern, "*@*.example.org");
        check("Abuse*@*", K::Pattern, "abuse*@*");
        check("D41D8CD98F00B204E9800998ECF8427E", K::Md5, "d41d8cd98f00b204e9800998ecf8427e");
        check(&"ab".repeat(32), K::Sha256, &"ab".repeat(32));
    }

    #[test]
    fn what_it_is_not_is_said() {
        let error = |text: &str| SuppressionEntry::parse(text).unwrap_err();
        assert_eq!(error(""), EntryError::Address(AddressError::Empty));
        assert_eq!(error("ana@"), EntryError::Address(AddressError::NoDomain));
        assert_eq!(error("localhost"), EntryError::Domain);
        assert_eq!(error("two words"), EntryError::Domain);
        assert_eq!(error("*@*"), EntryError::Pattern(PatternError::TooWide));
        assert_eq!(error(&"a".repeat(40)), EntryError::Sha1);
        assert_eq!(error(&"a".repeat(50)), EntryError::UnknownHash);
    }
}
