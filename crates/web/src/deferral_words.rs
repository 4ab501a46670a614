//! What happens by itself to a delivery that was put off, for each class of refusal. The texts are data, with samples of what servers
//! say; a test sends them through the classifier.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Entry {
    by_itself: String,
    /// Temporary refusals that are of this class.
    #[cfg_attr(not(test), allow(dead_code))]
    is: Vec<String>,
}

/// By the class's word. A fault in the data fails the tests below; here it would only leave the sentences out.
static WORDS: LazyLock<BTreeMap<String, Entry>> =
    LazyLock::new(|| toml::from_str(include_str!("../data/deferrals.toml")).unwrap_or_default());

/// Empty for a class of a newer version.
pub fn by_itself(class: &str) -> &'static str {
    WORDS.get(class).map_or("", |entry| entry.by_itself.as_str())
}

#[cfg(test)]
mod tests {
    use tidings_bounce::classify;
    use tidings_domain::{BounceClass, Consequence, Phase, Reply, Word};

    use super::*;

    /// Classes that no temporary refusal has: a 4yz of theirs is understood as its milder sister, or there is no 4yz at all.
    const NEVER_PUT_OFF: [BounceClass; 3] = [BounceClass::BadAddress, BounceClass::NullMx, BounceClass::Expired];

    #[test]
    fn every_family_of_the_classifier_says_what_happens_by_itself() {
        let data: BTreeMap<String, Entry> = toml::from_str(include_str!("../data/deferrals.toml")).expect("is TOML");
        for class in BounceClass::ALL.iter().filter(|class| !NEVER_PUT_OFF.contains(class)) {
            let entry = data.get(class.as_str());
            assert!(entry.is_some_and(|entry| entry.by_itself.ends_with('.')), "{class} has no sentence");
        }
        for word in data.keys() {
            assert!(BounceClass::parse(word).is_ok(), "{word} is no class");
        }
    }

    #[test]
    fn samples_are_of_their_class_and_only_put_off() {
        for (word, entry) in WORDS.iter() {
            for text in &entry.is {
                let (phase, text) = match text.split_once("@mail ") {
                    Some((_, text)) => (Phase::Mail, text),
                    None => (Phase::Rcpt, text.as_str()),
                };
                let verdict = classify(phase, &Reply::from_text(text, 0), "mx:example.org");
                assert_eq!(verdict.class.as_str(), word, "{text}");
                assert!(matches!(verdict.consequence, Consequence::Retry | Consequence::Snooze), "{text}");
            }
        }
    }
}
