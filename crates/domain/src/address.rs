use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// The longest address that a path can carry: 256 octets with its angle brackets (RFC 5321 §4.5.3.1.3).
pub const MAX_ADDRESS_OCTETS: usize = 254;
const MAX_LOCAL_OCTETS: usize = 64;

/// An e-mail address in its one canonical form: the local part in lower case (NFC), the domain as lower-case A-labels.
///
/// RFC 5321 lets a host tell `Ana@` from `ana@`; none that matters does, and a person who stands twice on a list gets
/// two copies. Quoted local parts and address literals are refused: they occur in lists only as damage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress {
    text: String,
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("no address")]
    Empty,
    #[error("longer than 254 octets")]
    TooLong,
    #[error("contains a control character")]
    Control,
    #[error("contains a space")]
    Space,
    #[error("no @ between name and domain")]
    NoAt,
    #[error("more than one @")]
    TwoAts,
    #[error("nothing before the @")]
    NoLocal,
    #[error("the part before the @ is longer than 64 octets")]
    LocalTooLong,
    #[error("the part before the @ has a dot at its start or end, or two dots in a row")]
    LocalDots,
    #[error("the part before the @ has a character that is not allowed there")]
    LocalCharacter,
    #[error("nothing after the @")]
    NoDomain,
    #[error("the domain is not a valid host name")]
    Domain,
    #[error("the domain has no dot")]
    DomainWithoutDot,
}

impl EmailAddress {
    /// Reads one address, with or without surrounding white space and angle brackets.
    ///
    /// # Errors
    /// What is wrong with it, in words for the person who typed or imported it.
    pub fn parse(input: &str) -> Result<Self, AddressError> {
        let trimmed = input.trim_matches([' ', '\t']);
        let text = trimmed.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(trimmed);
        check_characters(text)?;
        let (local, domain) = split(text)?;
        let local = canonical_local(local)?;
        let domain = canonical_domain(domain)?;
        if local.len() + 1 + domain.len() > MAX_ADDRESS_OCTETS {
            return Err(AddressError::TooLong);
        }
        let at = local.len();
        Ok(Self { text: format!("{local}@{domain}"), at })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// Lower-case A-labels, no trailing dot.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The local part is not ASCII: only a peer that offers SMTPUTF8 (RFC 6531) can take it.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.local().is_ascii()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn check_characters(text: &str) -> Result<(), AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    // A domain can shrink when it becomes A-labels, but never from beyond four times the limit.
    if text.len() > 4 * MAX_ADDRESS_OCTETS {
        return Err(AddressError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(AddressError::Control);
    }
    if text.chars().any(char::is_whitespace) {
        return Err(AddressError::Space);
    }
    Ok(())
}

fn split(text: &str) -> Result<(&str, &str), AddressError> {
    let (local, domain) = text.split_once('@').ok_or(AddressError::NoAt)?;
    if domain.contains('@') {
        return Err(AddressError::TwoAts);
    }
    if local.is_empty() {
        return Err(AddressError::NoLocal);
    }
    if domain.is_empty() {
        return Err(AddressError::NoDomain);
    }
    Ok((local, domain))
}

fn canonical_local(local: &str) -> Result<String, AddressError> {
    // An ASCII dot-atom (RFC 5322 §3.2.3), or UTF-8 (RFC 6531 §3.3) without the specials.
    let allowed = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    if !local.chars().all(allowed) {
        return Err(AddressError::LocalCharacter);
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err(AddressError::LocalDots);
    }
    let canonical =
        if local.is_ascii() { local.to_ascii_lowercase() } else { local.to_lowercase().nfc().collect::<String>() };
    if canonical.len() > MAX_LOCAL_OCTETS {
        return Err(AddressError::LocalTooLong);
    }
    Ok(canonical)
}

fn canonical_domain(domain: &str) -> Result<String, AddressError> {
    let ascii = if is_plain_host(domain) {
        domain.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii_strict(domain).map_err(|_| AddressError::Domain)?
    };
    if !ascii.contains('.') {
        return Err(AddressError::DomainWithoutDot);
    }
    // All-numeric last labels are damaged IP addresses, not domains (RFC 3696 §2).
    let last_is_number = ascii.rsplit('.').next().is_none_or(|l| l.bytes().all(|b| b.is_ascii_digit()));
    if ascii.len() > 253 || last_is_number || !is_plain_host(&ascii) {
        return Err(AddressError::Domain);
    }
    Ok(ascii)
}

/// Labels of letters, digits and inner hyphens, 1 to 63 octets each (RFC 1123 §2.1); the quick way for nearly all.
fn is_plain_host(domain: &str) -> bool {
    domain.split('.').all(|label| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
            && !label
                .get(..4)
                .is_some_and(|p| p.eq_ignore_ascii_case("xn--") && idna::domain_to_unicode(label).1.is_err())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Result<&str, AddressError>) {
        let parsed = EmailAddress::parse(input);
        assert_eq!(parsed.as_ref().map(EmailAddress::as_str), expected.as_ref().map(|s| *s), "{input:?}");
    }

    #[test]
    fn one_person_has_one_form() {
        check("Ana.Silva@Example.ORG", Ok("ana.silva@example.org"));
        check("  <bo+news@example.net>\t", Ok("bo+news@example.net"));
        check("info@BÜCHER.example", Ok("info@xn--bcher-kva.example"));
        check("info@xn--bcher-kva.example", Ok("info@xn--bcher-kva.example"));
        check("JOSÉ@example.org", Ok("josé@example.org"));
        check("jose\u{301}@example.org", Ok("josé@example.org"));
    }

    #[test]
    fn damage_is_named() {
        use AddressError as E;
        check("", Err(E::Empty));
        check("ana", Err(E::NoAt));
        check("ana@b@example.org", Err(E::TwoAts));
        check("@example.org", Err(E::NoLocal));
        check("ana@", Err(E::NoDomain));
        check("ana@localhost", Err(E::DomainWithoutDot));
        check("ana@exa mple.org", Err(E::Space));
        check("ana\r\nBcc: x@example.org", Err(E::Control));
        check("ana\0@example.org", Err(E::Control));
        check("ana..b@example.org", Err(E::LocalDots));
        check("\"ana\"@example.org", Err(E::LocalCharacter));
        check("ana@[127.0.0.1]", Err(E::Domain));
        check("ana@127.0.0.1", Err(E::Domain));
        check("ana@-x.example", Err(E::Domain));
        check("ana@example..org", Err(E::Domain));
        check(&format!("{}@example.org", "a".repeat(65)), Err(E::LocalTooLong));
        check(&format!("{}@{}.org", "a".repeat(64), "b.".repeat(100)), Err(E::Domain));
    }
}
