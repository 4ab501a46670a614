use std::fmt;

use crate::EmailAddress;
use crate::word::words;

/// With a selector and `._domainkey.` before it the name must still fit into the 253 octets of a DNS name.
const MAX_DOMAIN_OCTETS: usize = 200;

words! {
    /// Whether a domain is proven to be the workspace's own.
    pub enum SendingDomainState {
        /// None of its keys has ever been found in DNS.
        Unverified = "unverified",
        /// A key in use stands in DNS: only who rules the domain can have put it there.
        Verified = "verified",
        /// It was verified, and no key in use stands in DNS any more.
        Failing = "failing",
    }
}

/// A domain that mail may come from: lower-case A-labels, below a public suffix and not one itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SendingDomainName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainNameError {
    #[error("this is no domain name: write it like example.org")]
    NoDomain,
    #[error("{0} belongs to everybody who registers names below it: write your own, like example.{0}")]
    PublicSuffix(String),
    #[error("the name is longer than {MAX_DOMAIN_OCTETS} characters")]
    TooLong,
}

impl SendingDomainName {
    /// Reads a domain as a person types it; `https://`, `www.` and an address's front part are not guessed away.
    ///
    /// # Errors
    /// What is wrong with it, in words for who typed it.
    pub fn parse(typed: &str) -> Result<Self, DomainNameError> {
        let typed = typed.trim().trim_end_matches('.');
        // A domain is good when mail could come from it: addresses know the rules, IDN too.
        let address = EmailAddress::parse(&format!("x@{typed}")).map_err(|_| DomainNameError::NoDomain)?;
        let name = address.domain();
        if name.len() > MAX_DOMAIN_OCTETS {
            return Err(DomainNameError::TooLong);
        }
        match psl::domain_str(name) {
            Some(_) => Ok(Self(name.to_owned())),
            None => Err(DomainNameError::PublicSuffix(name.to_owned())),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SendingDomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The organisational domain (RFC 7489 §3.2): one label below the public suffix, or the name itself where there is none.
#[must_use]
pub fn organisation_of(domain: &str) -> &str {
    psl::domain_str(domain).unwrap_or(domain)
}

/// Whether a signature of `signing` aligns with mail from `from` and may be given by us: it is the same domain, or a parent of it within the
/// same organisation. A signature by a sibling would align too (RFC 7489 §3.1.1), but who rules one is not proven to rule the other.
#[must_use]
pub fn covers(signing: &str, from: &str) -> bool {
    let is_parent = from.strip_suffix(signing).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    is_parent && organisation_of(signing) == organisation_of(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_domain_of_ones_own_can_be_added() {
        for (typed, name) in [
            ("Shop.Example", "shop.example"),
            (" news.shop.co.uk. ", "news.shop.co.uk"),
            ("bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(SendingDomainName::parse(typed).map(|name| name.to_string()).as_deref(), Ok(name), "{typed}");
        }
        for typed in ["", "shop", "a b.example", "ana@shop.example", "https://shop.example", "-.example", "x..example"]
        {
            assert_eq!(SendingDomainName::parse(typed), Err(DomainNameError::NoDomain), "{typed}");
        }
        assert_eq!(SendingDomainName::parse("co.uk"), Err(DomainNameError::PublicSuffix("co.uk".into())));
        assert_eq!(SendingDomainName::parse("github.io"), Err(DomainNameError::PublicSuffix("github.io".into())));
        let long = format!("{}.example", "a.".repeat(100));
        assert!(SendingDomainName::parse(&long).is_err());
    }

    #[test]
    fn a_domain_covers_itself_and_what_lies_below_it_in_one_organisation() {
        assert!(covers("shop.example", "shop.example"));
        assert!(covers("shop.example", "news.shop.example"));
        assert!(covers("news.shop.example", "a.news.shop.example"));
        assert!(!covers("news.shop.example", "shop.example"));
        assert!(!covers("shop.example", "otherShop.example"));
        assert!(!covers("shop.example", "myshop.example"));
        assert!(!covers("a.shop.example", "b.shop.example"));
        // A public suffix lies between them: who rules the parent does not rule the tenants below it.
        assert!(!covers("github.io", "ana.github.io"));
        assert!(!covers("example", "shop.example"));
    }
}
