use std::sync::LazyLock;

use tidings_domain::Phase;

use crate::patterns::{Patterns, WORDS};

/// The words by which the common programs tell what was replied to; the first that is there decides.
const SIGNS: [(&str, Phase); 37] = [
    ("in reply to rcpt", Phase::Rcpt),
    ("after rcpt", Phase::Rcpt),
    ("response to rcpt", Phase::Rcpt),
    (">>> rcpt", Phase::Rcpt),
    ("does not like recipient", Phase::Rcpt),
    ("[rcpt_to]", Phase::Rcpt),
    ("smtp:rcpt", Phase::Rcpt),
    ("<<< rcpt", Phase::Rcpt),
    ("for rcpt", Phase::Rcpt),
    ("(state 13)", Phase::Rcpt),
    ("(state 14)", Phase::Rcpt),
    ("(state 15)", Phase::Rcpt),
    ("(state 17)", Phase::Data),
    ("(state 18)", Phase::Dot),
    ("<<< data", Phase::Data),
    ("smtp command rcpt", Phase::Rcpt),
    ("smtp command data", Phase::Data),
    ("smtp command mail", Phase::Mail),
    ("smtp:data", Phase::Data),
    ("in reply to end of data", Phase::Dot),
    ("after end of data", Phase::Dot),
    ("end of data command", Phase::Dot),
    ("in reply to data", Phase::Data),
    ("after data", Phase::Data),
    (">>> data", Phase::Data),
    ("failed after i sent the message", Phase::Dot),
    ("in reply to mail", Phase::Mail),
    ("after mail from", Phase::Mail),
    ("response to mail", Phase::Mail),
    ("does not like sender", Phase::Mail),
    ("[mail_from]", Phase::Mail),
    (">>> mail", Phase::Mail),
    ("in reply to ehlo", Phase::Ehlo),
    ("in reply to helo", Phase::Ehlo),
    ("after ehlo", Phase::Ehlo),
    ("after initial connection", Phase::Greeting),
    ("while performing the initial greeting", Phase::Greeting),
];

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let escaped: Vec<String> = SIGNS.iter().map(|(sign, _)| regex::escape(sign)).collect();
    Patterns::new(escaped.iter().map(String::as_str), WORDS).expect("escaped words are a pattern")
});

/// What the remote server replied to, by the first text that tells.
pub(super) fn phase_of(texts: &[&str]) -> Option<Phase> {
    texts.iter().find_map(|text| {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let hits = PATTERNS.hits(&line);
        (0..SIGNS.len()).find(|row| hits.holds(*row)).map(|row| SIGNS[row].1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phase_is_read_over_line_ends_and_in_any_case() {
        assert_eq!(phase_of(&["nothing", "said: 550 no (in reply\n  to RCPT TO command)"]), Some(Phase::Rcpt));
        assert_eq!(phase_of(&["SMTP error from remote mail server after end of data:"]), Some(Phase::Dot));
        assert_eq!(phase_of(&["-------SMTP command\nDATA"]), Some(Phase::Data));
        assert_eq!(phase_of(&["550 user unknown"]), None);
    }
}
