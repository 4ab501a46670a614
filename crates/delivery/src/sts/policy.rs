use std::time::Duration;

/// RFC 8461 §3.2: about a year.
const MAX_MAX_AGE_SECONDS: u64 = 31_557_600;
/// A policy with more is nobody's.
const MAX_MX_PATTERNS: usize = 200;

/// What a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StsMode {
    /// Verified TLS with a host that is named, or nothing.
    Enforce,
    /// As if there were no policy; failures are reported.
    Testing,
    /// There is none any more.
    None,
}

/// A domain's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsPolicy {
    pub mode: StsMode,
    /// How long it holds, from when it was fetched.
    pub max_age: Duration,
    /// Hosts, or `*.` and a domain; lower case.
    pub mx: Vec<String>,
}

impl StsPolicy {
    /// Reads a policy file (RFC 8461 §3.2). Unknown fields are passed over; of a field that may stand once the first counts.
    ///
    /// # Errors
    /// What is missing or wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut fields =
            text.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim(), value.trim()));
        if fields.next() != Some(("version", "STSv1")) {
            return Err("it does not begin with \"version: STSv1\"".to_owned());
        }
        let (mut mode, mut max_age, mut mx) = (None, None, Vec::new());
        for (key, value) in fields {
            match key {
                "mode" => mode = mode.or(Some(value)),
                "max_age" => max_age = max_age.or(Some(value)),
                "mx" => mx.push(value.trim_end_matches('.').to_ascii_lowercase()),
                _ => {}
            }
        }
        let mode = match mode {
            Some("enforce") => StsMode::Enforce,
            Some("testing") => StsMode::Testing,
            Some("none") => StsMode::None,
            other => return Err(format!("its mode is {other:?}")),
        };
        let seconds = max_age.and_then(|text| text.parse::<u64>().ok()).filter(|n| *n <= MAX_MAX_AGE_SECONDS);
        let Some(seconds) = seconds else { return Err(format!("its max_age is {max_age:?}")) };
        if mx.len() > MAX_MX_PATTERNS || mx.iter().any(|pattern| !is_pattern(pattern)) {
            return Err("one of its mx fields names no host, or there are too many".to_owned());
        }
        if mx.is_empty() && mode != StsMode::None {
            return Err("it names no mail host".to_owned());
        }
        Ok(Self { mode, max_age: Duration::from_secs(seconds), mx })
    }

    /// Whether it names this mail host (lower case, no trailing dot). A `*` is one label, the leftmost (RFC 8461 §4.1).
    #[must_use]
    pub fn names(&self, host: &str) -> bool {
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
            None => pattern == host,
        })
    }
}

fn is_pattern(text: &str) -> bool {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "version: STSv1\r\nmode: enforce\r\nmx: mail.acme.example\r\nmx: *.Acme.net\r\nmax_age: 604800\r\n";

    #[test]
    fn the_rfcs_form_and_its_loose_relatives() {
        let policy = StsPolicy::parse(GOOD).unwrap();
        assert_eq!((policy.mode, policy.max_age.as_secs()), (StsMode::Enforce, 604_800));
        assert_eq!(policy.mx, ["mail.acme.example", "*.acme.net"]);
        let loose = "version:STSv1\nnew: thing\nmode:  none \nmax_age:0\nmode: enforce";
        assert_eq!(StsPolicy::parse(loose).unwrap().mode, StsMode::None);
    }

    #[test]
    fn hosts_are_matched_on_label_boundaries() {
        let policy = StsPolicy::parse(GOOD).unwrap();
        for named in ["mail.acme.example", "mx1.acme.net"] {
            assert!(policy.names(named), "{named}");
        }
        for other in ["acme.net", "a.b.acme.net", "xacme.net", "mail.acme.example.evil", ".acme.net", ""] {
            assert!(!policy.names(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let without = |line: &str| GOOD.replace(line, "");
        for (what, text) in [
            ("no version", without("version: STSv1\r\n")),
            ("another version", GOOD.replace("STSv1", "STSv2")),
            ("no mode", without("mode: enforce\r\n")),
            ("an unknown mode", GOOD.replace("enforce", "enforced")),
            ("no age", without("max_age: 604800\r\n")),
            ("an age beyond a year", GOOD.replace("604800", "31557601")),
            ("a negative age", GOOD.replace("604800", "-1")),
            ("no host", "version: STSv1\nmode: testing\nmax_age: 1\n".to_owned()),
            ("a star inside", GOOD.replace("*.Acme", "a.*.Acme")),
            ("a web page", "<!doctype html><title>404</title>".to_owned()),
            ("nothing", String::new()),
        ] {
            assert!(StsPolicy::parse(&text).is_err(), "{what}");
        }
    }

    proptest::proptest! {
        /// Whoever serves the file may serve anything.
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,200}|(version: STSv1\n)(mode: |mx: |max_age: |[a-z*.:0-9\n ]{0,8}){0,20}") {
            if let Ok(policy) = StsPolicy::parse(&text) {
                proptest::prop_assert!(policy.max_age.as_secs() <= MAX_MAX_AGE_SECONDS);
                proptest::prop_assert!(!policy.names(""));
            }
        }
    }
}
