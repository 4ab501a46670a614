//! The policy that a domain publishes for mail in its name (RFC 7489 §6.3).

use super::judged::Judged;
use super::tags::{short, tags, value};

/// What to publish where there is none: receivers ask for a policy, and this one changes nothing for other mail of the domain.
pub const DMARC_SUGGESTION: &str = "v=DMARC1; p=none";

/// The name that the record stands at.
#[must_use]
pub fn dmarc_host(domain: &str) -> String {
    format!("_dmarc.{domain}")
}

/// Whether these texts are a policy. Others at the name are nobody's concern (RFC 7489 §6.6.3).
#[must_use]
pub fn judge_dmarc(found: &[String]) -> Judged {
    let policies: Vec<&String> = found.iter().filter(|text| is_dmarc(text)).collect();
    let [text] = policies[..] else {
        return match policies.len() {
            0 => Judged::missing("There is no DMARC record. Gmail, Yahoo and Microsoft ask for one."),
            n => Judged::several(format!("There are {n} DMARC records: receivers then take none of them.")),
        };
    };
    let tags = match tags(text) {
        Ok(tags) => tags,
        Err(why) => return Judged::broken(format!("The record cannot be read: {why}.")),
    };
    match value(&tags, "p").map(str::to_ascii_lowercase).as_deref() {
        Some("none") => Judged::good_but("Receivers report what fails and refuse nothing (p=none)."),
        Some("quarantine" | "reject") => judge_alignment(&tags),
        Some(other) => Judged::broken(format!("“p={}” is no policy: it is none, quarantine or reject.", short(other))),
        None => Judged::broken("The record names no policy: the tag “p=” is missing."),
    }
}

/// Strict alignment lets only the very domain sign, which ours does when the From address is in it.
fn judge_alignment(tags: &[(&str, &str)]) -> Judged {
    match value(tags, "adkim") {
        Some("s") => Judged::good_but("Only signatures of exactly this domain count (adkim=s)."),
        _ => Judged::good(),
    }
}

fn is_dmarc(text: &str) -> bool {
    let first = text.split(';').next().unwrap_or_default();
    first.split_once('=').is_some_and(|(name, value)| name.trim() == "v" && value.trim() == "DMARC1")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::RecordState as S;
    use super::*;

    #[test]
    fn a_policy_is_judged_as_a_receiver_would() {
        for (found, state) in [
            (vec![], S::Missing),
            (vec!["v=spf1 -all"], S::Missing),
            (vec!["v=DMARC1; p=none", "google-site-verification=x"], S::Good),
            (vec!["v=DMARC1;p=REJECT;rua=mailto:a@b.example"], S::Good),
            (vec!["v=DMARC1; p=quarantine; adkim=s"], S::Good),
            (vec!["v=DMARC1; p=none", "v=DMARC1; p=reject"], S::Several),
            (vec!["v=DMARC1; rua=mailto:a@b.example"], S::Broken),
            (vec!["v=DMARC1; p=maybe"], S::Broken),
            (vec!["v=DMARC1; p=none; p=none"], S::Broken),
            (vec!["p=none; v=DMARC1"], S::Missing),
        ] {
            let found: Vec<String> = found.into_iter().map(str::to_owned).collect();
            assert_eq!(judge_dmarc(&found).state, state, "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_stands_in_dns_does_harm(rest in any::<String>()) {
            let judged = judge_dmarc(&[format!("v=DMARC1;{rest}")]);
            prop_assert!(judged.detail.chars().count() < 200 && !judged.detail.chars().any(char::is_control));
        }
    }
}
