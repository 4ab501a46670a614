use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::{EmailAddress, MAX_ADDRESS_OCTETS};

/// Wildcards of one pattern: what a person can still read, and a bound for the work of matching.
pub const MAX_WILDCARDS: usize = 8;
/// Letters and digits that a pattern must name, or it would stop nearly everybody.
const MIN_LITERALS: usize = 2;

/// A glob over a whole canonical address: `*` stands for any characters or none, `?` for exactly one. `abuse*@*` and
/// `*@*.example.com` are patterns. Nothing else has a meaning, and there is no way to write a slow one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddressPattern(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("a pattern has at least one * or ?")]
    NoWildcard,
    #[error("a pattern has one @ between name and domain, as in *@*.example.com")]
    NotOneAt,
    #[error("the pattern is longer than 254 octets")]
    TooLong,
    #[error("the pattern has more than 8 wildcards")]
    TooManyWildcards,
    #[error("the pattern would match nearly every address; name at least two letters or digits")]
    TooWide,
    #[error("the pattern has a character that no address has")]
    Character,
    #[error("write the domain of a pattern in its ASCII form (xn--…)")]
    DomainNotAscii,
}

impl AddressPattern {
    /// Reads a pattern and brings it into the form that addresses have.
    ///
    /// # Errors
    /// What is wrong with it, in words for the person who typed it.
    pub fn parse(input: &str) -> Result<Self, PatternError> {
        let text: String = input.trim().to_lowercase().nfc().collect();
        if text.len() > MAX_ADDRESS_OCTETS {
            return Err(PatternError::TooLong);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || "\"(),:;<>[\\]".contains(c)) {
            return Err(PatternError::Character);
        }
        let (local, domain) = text.split_once('@').ok_or(PatternError::NotOneAt)?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(PatternError::NotOneAt);
        }
        let domain = canonical_domain(domain)?;
        let text = format!("{local}@{domain}");
        match text.bytes().filter(|b| matches!(b, b'*' | b'?')).count() {
            0 => return Err(PatternError::NoWildcard),
            n if n > MAX_WILDCARDS => return Err(PatternError::TooManyWildcards),
            _ => {}
        }
        if text.chars().filter(|c| c.is_alphanumeric()).count() < MIN_LITERALS {
            return Err(PatternError::TooWide);
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the canonical address is one of those meant.
    #[must_use]
    pub fn matches(&self, address: &str) -> bool {
        glob(&self.0, address)
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A domain without wildcards may be in any script; with them it cannot be told where a label ends.
fn canonical_domain(domain: &str) -> Result<String, PatternError> {
    if domain.is_ascii() {
        return Ok(domain.to_owned());
    }
    if domain.contains(['*', '?']) {
        return Err(PatternError::DomainNotAscii);
    }
    let address = EmailAddress::parse(&format!("x@{domain}")).map_err(|_| PatternError::Character)?;
    Ok(address.domain().to_owned())
}

/// Goes back to the last star only: an earlier one has already taken as little as it can, and giving it more finds
/// nothing new. So the cost is at most the product of the two lengths.
fn glob(pattern: &str, text: &str) -> bool {
    let (mut p, mut t) = (pattern.chars(), text.chars());
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (mut p_next, mut t_next) = (p.clone(), t.clone());
        match (p_next.next(), t_next.next()) {
            (Some('*'), _) => {
                retry = Some((p_next.clone(), t.clone()));
                p = p_next;
                continue;
            }
            (None, None) => return true,
            (Some(want), Some(have)) if want == '?' || want == have => {
                (p, t) = (p_next, t_next);
                continue;
            }
            _ => {}
        }
        let Some((after_star, from)) = retry.as_mut() else { return false };
        if from.next().is_none() {
            return false;
        }
        (p, t) = (after_star.clone(), from.clone());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By the definition, without thought for the cost.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|i| naive(rest, &text[i..])),
            Some(('?', rest)) => !text.is_empty() && naive(rest, &text[1..]),
            Some((c, rest)) => text.first() == Some(c) && naive(rest, &text[1..]),
        }
    }

    fn matches(pattern: &str, address: &str) -> bool {
        AddressPattern::parse(pattern).expect("a pattern").matches(address)
    }

    #[test]
    fn a_pattern_means_what_it_shows() {
        assert!(matches("*@*.Example.com", "ana@mail.example.com"));
        assert!(!matches("*@*.example.com", "ana@example.com"));
        assert!(matches("abuse*@*", "abuse-desk@example.org"));
        assert!(matches("abuse*@*", "abuse@example.org"));
        assert!(!matches("abuse*@*", "no-abuse@example.org"));
        assert!(matches("jos?@example.org", "josé@example.org"));
        assert!(!matches("jos?@example.org", "jos@example.org"));
        assert!(matches("x*@bücher.example", "x1@xn--bcher-kva.example"));
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        use PatternError as E;
        let check = |text: &str, error: E| assert_eq!(AddressPattern::parse(text), Err(error), "{text:?}");
        check("ana@example.org", E::NoWildcard);
        check("*.example.org", E::NotOneAt);
        check("*@a*@b", E::NotOneAt);
        check("*@*", E::TooWide);
        check("*@*.*", E::TooWide);
        check("*a*b*c*d*e*@*f*g*h*", E::TooManyWildcards);
        check("a b*@example.org", E::Character);
        check("[ab]*@example.org", E::Character);
        check("*@*.bücher.example", E::DomainNotAscii);
        check(&format!("{}*@example.org", "a".repeat(250)), E::TooLong);
    }

    #[test]
    fn the_worst_pattern_costs_little() {
        let text = format!("{}@b", "a".repeat(250));
        assert!(!glob("*a*a*a*a*a*a*a*ab@*", &text));
    }

    proptest! {
        #[test]
        fn the_quick_matcher_agrees_with_the_definition(pattern in "[ab@é*?]{0,10}", text in "[ab@é]{0,12}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(glob(&pattern, &text), naive(&p, &t));
        }
    }
}
