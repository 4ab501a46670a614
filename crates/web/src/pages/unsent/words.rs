use tidings_domain::UnsentAct;

use crate::text::count_of;

/// An act in words.
pub struct ActWords {
    /// On a button.
    pub button: &'static str,
    /// `Try 3 dead letters again?`
    pub question: String,
    /// What follows from it.
    pub meaning: &'static str,
    /// `are tried again`
    pub done: &'static str,
    pub tone: &'static str,
}

pub fn act_words(act: UnsentAct, n: &str) -> ActWords {
    match act {
        UnsentAct::Retry => ActWords {
            button: "Try again",
            question: format!("Try {n} again?"),
            meaning: "They are due at once, with a new retry window. A campaign that was done is sending again until they have ended. \
                      Nobody gets a second copy: none of these messages was taken.",
            done: "are tried again",
            tone: "primary",
        },
        UnsentAct::Discard => ActWords {
            button: "Discard",
            question: format!("Discard {n}?"),
            meaning: "They leave this list and are not tried again. Their state and their history stay, and so do all sums.",
            done: "were discarded",
            tone: "bad",
        },
        UnsentAct::Flush => ActWords {
            button: "Try now",
            question: format!("Try {n} now?"),
            meaning: "They are due at once, whatever the receiver asked. The limits of each provider still hold.",
            done: "are tried now",
            tone: "primary",
        },
        UnsentAct::Hold => ActWords {
            button: "Hold",
            question: format!("Hold {n}?"),
            meaning: "They wait until somebody releases them. Their campaigns stay open so long.",
            done: "are held",
            tone: "plain",
        },
        UnsentAct::Release => ActWords {
            button: "Release",
            question: format!("Release what is held of {n}?"),
            meaning: "What is held is due when it would have been.",
            done: "are released",
            tone: "primary",
        },
        UnsentAct::GiveUp => ActWords {
            button: "Give up",
            question: format!("Give up {n}?"),
            meaning: "They are not tried any more and become dead letters, from where they can be tried again.",
            done: "were given up",
            tone: "bad",
        },
    }
}

/// `3 dead letters`, `1,204 deferred deliveries`; `at_least`: more than that were not counted.
pub fn named(act: UnsentAct, n: i64, at_least: bool) -> String {
    let counted = match act {
        UnsentAct::Retry | UnsentAct::Discard => count_of(n, "dead letter", "dead letters"),
        _ => count_of(n, "deferred delivery", "deferred deliveries"),
    };
    if at_least { format!("at least {counted}") } else { counted }
}

#[cfg(test)]
mod tests {
    use tidings_domain::Word;

    use super::*;

    #[test]
    fn every_act_has_words() {
        for act in UnsentAct::ALL {
            let words = act_words(*act, &named(*act, 2, false));
            assert!(words.question.ends_with('?') && words.meaning.ends_with('.'), "{act}");
        }
        assert_eq!(named(UnsentAct::Retry, 1, false), "1 dead letter");
        assert_eq!(named(UnsentAct::Hold, 1_204, true), "at least 1,204 deferred deliveries");
    }
}
