//! The record that publishes a DKIM key (RFC 6376 §3.6.1, RFC 8463 §3).

use super::DkimAlgorithm;
use super::judged::Judged;
use super::tags::{short, tags, value};

/// A TXT record is made of strings of at most so many octets (RFC 1035 §3.3).
const MAX_STRING_OCTETS: usize = 255;

/// The name that the record stands at.
#[must_use]
pub fn dkim_host(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// The record's text. `public_key` is its tag `p=`: base64 of a SubjectPublicKeyInfo for RSA, of the bare 32 octets for Ed25519.
#[must_use]
pub fn dkim_value(algorithm: DkimAlgorithm, public_key: &str) -> String {
    format!("v=DKIM1; k={}; p={public_key}", algorithm.key_type())
}

/// The text as the quoted strings of a zone file.
#[must_use]
pub fn zone_strings(value: &str) -> String {
    let strings: Vec<String> = value
        .as_bytes()
        .chunks(MAX_STRING_OCTETS)
        .map(|chunk| format!("\"{}\"", String::from_utf8_lossy(chunk).replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    strings.join(" ")
}

/// Whether these texts, found at the key's name, publish this key.
#[must_use]
pub fn judge_dkim(found: &[String], algorithm: DkimAlgorithm, public_key: &str) -> Judged {
    let [text] = found else { return none_or_several(found) };
    let tags = match tags(text) {
        Ok(tags) => tags,
        Err(why) => return Judged::broken(format!("The record cannot be read: {why}.")),
    };
    if let Some(at) = tags.iter().position(|(name, _)| *name == "v")
        && (at != 0 || tags[0].1 != "DKIM1")
    {
        return Judged::broken("The record must begin with “v=DKIM1”.");
    }
    let Some(published) = value(&tags, "p") else {
        return Judged::broken("The record has no key: the tag “p=” is missing.");
    };
    let published: String = published.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    if published.is_empty() {
        return Judged::wrong("The record says that the key is revoked: its “p=” is empty.");
    }
    if published != public_key {
        return Judged::wrong(another_key(&published, public_key));
    }
    judge_limits(&tags, algorithm)
}

/// Whether these texts, found at a retiring key's name, show that it is withdrawn: nothing, or an empty key.
#[must_use]
pub fn judge_retired_dkim(found: &[String]) -> bool {
    found.iter().all(|text| tags(text).is_ok_and(|tags| value(&tags, "p") == Some("")))
}

fn none_or_several(found: &[String]) -> Judged {
    match found.len() {
        0 => Judged::missing("There is no TXT record at this name."),
        n => Judged::several(format!("There are {n} TXT records at this name: leave only this one.")),
    }
}

/// A record that was cut off is the commonest mistake with long keys.
fn another_key(published: &str, ours: &str) -> String {
    if ours.starts_with(published) {
        format!("The key is cut off after {} of {} characters.", published.len(), ours.len())
    } else {
        "Another key stands there. Replace it by the text below.".to_owned()
    }
}

/// The right key can still be forbidden to sign mail.
fn judge_limits(tags: &[(&str, &str)], algorithm: DkimAlgorithm) -> Judged {
    let kind = value(tags, "k").unwrap_or("rsa");
    if kind != algorithm.key_type() {
        let wanted = algorithm.key_type();
        return Judged::wrong(format!("The record says “k={}”: it must be “k={wanted}”.", short(kind)));
    }
    let lists = |name: &str, wanted: &[&str]| {
        value(tags, name).is_none_or(|list| list.split(':').any(|word| wanted.contains(&word.trim())))
    };
    if !lists("h", &["sha256"]) {
        return Judged::wrong("The record forbids SHA-256 by its tag “h=”: leave that tag out.");
    }
    if !lists("s", &["*", "email"]) {
        return Judged::wrong("The record forbids mail by its tag “s=”: leave that tag out.");
    }
    if value(tags, "t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y")) {
        return Judged::wrong("The record says that it is only a test: take “t=y” out.");
    }
    Judged::good()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::RecordState;
    use super::*;

    const KEY: &str = "MIIBIjANBgkqhkiG9w0BAQ";

    fn judged(found: &[&str]) -> (RecordState, String) {
        let found: Vec<String> = found.iter().map(|text| (*text).to_owned()).collect();
        let judged = judge_dkim(&found, DkimAlgorithm::Rsa2048, KEY);
        (judged.state, judged.detail)
    }

    #[test]
    fn the_published_key_is_good_however_it_is_written() {
        for text in [
            dkim_value(DkimAlgorithm::Rsa2048, KEY),
            format!("p={KEY}"),
            format!("v=DKIM1;k=rsa;p={KEY};"),
            format!(" v = DKIM1 ; t=s; h=sha1:sha256; s=email; n=ours; p = {} {}", &KEY[..9], &KEY[9..]),
        ] {
            assert_eq!(judged(&[&text]), (RecordState::Good, String::new()), "{text}");
        }
    }

    #[test]
    fn each_mistake_has_its_words() {
        use RecordState as S;
        let good = dkim_value(DkimAlgorithm::Rsa2048, KEY);
        for (found, state, words) in [
            (vec![], S::Missing, "no TXT record"),
            (vec![good.clone(), good.clone()], S::Several, "2 TXT records"),
            (vec!["v=DKIM1; p=".to_owned()], S::Wrong, "revoked"),
            (vec!["v=DKIM1; p=AAAA".to_owned()], S::Wrong, "Another key"),
            (vec![format!("v=DKIM1; p={}", &KEY[..10])], S::Wrong, "cut off after 10 of 22"),
            (vec![format!("v=DKIM1; k=ed25519; p={KEY}")], S::Wrong, "k=rsa"),
            (vec![format!("v=DKIM1; h=sha1; p={KEY}")], S::Wrong, "SHA-256"),
            (vec![format!("v=DKIM1; s=tlsrpt; p={KEY}")], S::Wrong, "forbids mail"),
            (vec![format!("v=DKIM1; t=y:s; p={KEY}")], S::Wrong, "a test"),
            (vec![format!("p={KEY}; v=DKIM1")], S::Broken, "begin with"),
            (vec![format!("v=DKIM2; p={KEY}")], S::Broken, "begin with"),
            (vec!["v=DKIM1; k=rsa".to_owned()], S::Broken, "p="),
            (vec!["hello".to_owned()], S::Broken, "“hello” is no tag"),
            (vec![format!("p={KEY}; p={KEY}")], S::Broken, "twice"),
        ] {
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            let (is, detail) = judged(&found);
            assert!(is == state && detail.contains(words), "{found:?}: {is} {detail}");
        }
    }

    #[test]
    fn a_withdrawn_key_is_gone_or_empty() {
        let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        assert!(judge_retired_dkim(&[]));
        assert!(judge_retired_dkim(&texts(&["v=DKIM1; p="])));
        assert!(!judge_retired_dkim(&texts(&["v=DKIM1; p=AAAA"])));
        assert!(!judge_retired_dkim(&texts(&["nonsense"])));
    }

    #[test]
    fn long_texts_are_cut_into_strings() {
        let value = "x".repeat(300);
        assert_eq!(zone_strings(&value), format!("\"{}\" \"{}\"", "x".repeat(255), "x".repeat(45)));
        assert_eq!(zone_strings("a\"b"), "\"a\\\"b\"");
    }

    proptest! {
        #[test]
        fn nothing_that_stands_in_dns_does_harm(found in prop::collection::vec(any::<String>(), 0..4)) {
            let judged = judge_dkim(&found, DkimAlgorithm::Ed25519, KEY);
            prop_assert!(judged.state != RecordState::Good);
            prop_assert!(judged.detail.chars().count() < 200 && !judged.detail.chars().any(char::is_control));
            let _ = judge_retired_dkim(&found);
        }
    }
}
