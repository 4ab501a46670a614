use std::cell::LazyCell;

use tidings_domain::{BounceClass, Consequence, EnhancedCode, Phase, ReportedAction, Verdict};

use super::ReportedRecipient;
use super::address::addresses;
use super::hosts::provider_of;
use crate::classify::{by_basic_code, of_rule};
use crate::consequence::verdict;
use crate::rules::{Hearing, RULES, Rule, Said};

/// Words of a text that are looked at for codes.
const MAX_WORDS: usize = 400;

impl ReportedRecipient {
    /// What follows from the report for this recipient; `None` unless the delivery failed. With the provider that the
    /// delivery went to, if the caller knows it better than the report; an empty name leaves it to the report.
    #[must_use]
    pub fn judge(&self, provider: &str) -> Option<Verdict> {
        if self.action != ReportedAction::Failed {
            return None;
        }
        let provider = if provider.is_empty() { self.provider() } else { provider };
        let found = || ended(self.find(provider));
        Some(self.claim.map_or_else(found, |claim| claim.weigh(found)))
    }

    /// What a server said stands before what a notice tells people, a text before a code that is not specific.
    fn find(&self, provider: &str) -> Verdict {
        let phase = self.phase.unwrap_or(Phase::Rcpt);
        let said = read_codes(&self.diagnostic, self.status);
        let told = LazyCell::new(|| read_codes(&self.explanation, self.status));
        let hearing = RULES.hearing(phase, &said, provider);
        let rule = by_text(&hearing).or_else(|| specific(&hearing, &said)).or_else(|| by_vague(&hearing));
        let rule = rule.or_else(|| {
            let second = RULES.hearing(phase, &told, provider);
            by_text(&second)
                .or_else(|| specific(&second, &told))
                .or_else(|| by_code(&hearing))
                .or_else(|| by_vague(&second))
                .or_else(|| by_code(&second))
        });
        let enhanced = || said.enhanced.filter(|e| is_specific(*e)).or_else(|| told.enhanced);
        match rule {
            Some(rule) if rule.needs_evidence && !self.is_evident(enhanced()) => unproven(rule, phase),
            Some(rule) => of_rule(rule, true, phase),
            None if self.diagnostic.is_empty() => by_basic_code(phase, told.code, true),
            None => by_basic_code(phase, said.code, true),
        }
    }

    /// Whether something besides its words says that the address is meant: a code about addresses, the phase, or that
    /// no server was asked at all because the reporting system knows its own users.
    fn is_evident(&self, enhanced: Option<EnhancedCode>) -> bool {
        let about_address = enhanced.is_some_and(|e| e.subject == 1 && e.detail != 0);
        let remote = reply_codes(&self.diagnostic).chain(reply_codes(&self.explanation)).next().is_some();
        about_address || self.phase == Some(Phase::Rcpt) || (!remote && self.phase.is_none())
    }

    fn provider(&self) -> &'static str {
        let remote = self.remote_mta.iter().map(String::as_str);
        let named = self.diagnostic.split_whitespace().chain(self.explanation.split_whitespace()).take(MAX_WORDS);
        let hosts = named
            .filter(|w| w.contains('.') && !w.contains('@'))
            .map(|w| w.split(['[', '(']).next().unwrap_or_default());
        let domain = self.address.as_deref().and_then(|a| a.rsplit('@').next());
        remote.chain(hosts).chain(domain).map(provider_of).find(|p| !p.is_empty()).unwrap_or_default()
    }
}

fn by_text<'a>(hearing: &Hearing<'a>) -> Option<&'a Rule> {
    hearing.first(|rule| rule.has_text && !rule.vague)
}

fn by_vague<'a>(hearing: &Hearing<'a>) -> Option<&'a Rule> {
    hearing.first(|rule| rule.vague)
}

fn by_code<'a>(hearing: &Hearing<'a>) -> Option<&'a Rule> {
    hearing.first(|rule| !rule.has_text)
}

fn specific<'a>(hearing: &Hearing<'a>, said: &Said) -> Option<&'a Rule> {
    said.enhanced.filter(|e| is_specific(*e)).and_then(|_| by_code(hearing))
}

/// "User unknown" without evidence: counted, and believed when it comes again.
fn unproven(rule: &Rule, phase: Phase) -> Verdict {
    verdict(BounceClass::ProbableBadAddress, true, phase, &rule.name)
}

/// The delivery has ended: nothing is left to try again or to wait for.
pub(super) fn ended(verdict: Verdict) -> Verdict {
    let about_us =
        matches!(verdict.class, BounceClass::Network | BounceClass::RemoteSystem | BounceClass::Undetermined);
    let consequence = match verdict.consequence {
        Consequence::Retry if about_us => Consequence::SoftBounce,
        Consequence::Retry | Consequence::Snooze => Consequence::Fail,
        other => other,
    };
    Verdict { consequence, ..verdict }
}

/// Whether a code says more than "it did not work". Many programs write 5.7.1 for any refusal.
fn is_specific(code: EnhancedCode) -> bool {
    code.detail != 0 && code.subject != 0 && (code.subject, code.detail) != (7, 1)
}

/// The codes within a text. Its own enhanced code stands before the report's Status, unless only the latter is specific.
fn read_codes(text: &str, status: Option<EnhancedCode>) -> Said {
    let mut code = None;
    let mut enhanced: Option<EnhancedCode> = None;
    for word in text.split_whitespace().take(MAX_WORDS) {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let (first, rest) = bare.split_once('-').unwrap_or((bare, ""));
        let number = reply_code(first);
        code = code.or(number);
        let candidate = if rest.is_empty() {
            bare
        } else if number.is_some() {
            rest
        } else {
            first
        };
        if let Some(found) = EnhancedCode::parse(candidate).filter(|e| e.class != 2) {
            // Of several the last one, but a vague one never takes the place of a specific one.
            if enhanced.is_none_or(|before| is_specific(found) || !is_specific(before)) {
                enhanced = Some(found);
            }
        }
    }
    let status = status.filter(|s| s.class != 2);
    let enhanced = match (enhanced, status) {
        (Some(own), Some(status)) if !is_specific(own) && is_specific(status) => Some(status),
        (own, status) => own.or(status),
    };
    let code = code.unwrap_or_else(|| enhanced.map_or(550, |e| if e.class == 4 { 450 } else { 550 }));
    Said { code, enhanced, text: without_codes(text) }
}

fn reply_codes(text: &str) -> impl Iterator<Item = u16> {
    let words = text.split_whitespace().take(MAX_WORDS);
    words.filter_map(|word| reply_code(word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).split('-').next()?))
}

fn reply_code(word: &str) -> Option<u16> {
    let digits = word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit());
    word.parse().ok().filter(|code| digits && (400..600).contains(code))
}

/// One line, without the codes that a reply of several lines repeats in the middle of its sentences.
fn without_codes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let repeated = word.split_once('-').is_some_and(|(code, rest)| {
            reply_code(code).is_some() && (rest.is_empty() || EnhancedCode::parse(rest).is_some())
        });
        if !repeated {
            out.push_str(word);
            out.push(' ');
        }
    }
    out
}

/// Of the lines about a recipient those in which a server speaks: from the first that holds a reply code to the next
/// empty line. All of them where no server does.
pub(super) fn server_words(lines: &str) -> &str {
    let mut at = 0;
    for line in lines.split_inclusive('\n') {
        if reply_codes(line).next().is_some() {
            let said = &lines[at..];
            return said[..said.find("\n\n").unwrap_or(said.len())].trim();
        }
        at += line.len();
    }
    lines
}

/// The host that a notice quotes: `host mx.example[192.0.2.1] said:`, `while talking to mx.example.:`.
pub(super) fn quoted_host(text: &str) -> Option<String> {
    let mut words = text.split_whitespace().take(MAX_WORDS);
    while let Some(word) = words.next() {
        let talking = word.eq_ignore_ascii_case("talking");
        if word.eq_ignore_ascii_case("host") || word.eq_ignore_ascii_case("server") || talking {
            let next = if talking { words.nth(1) } else { words.next() };
            let host = next.unwrap_or_default().split(['[', '(']).next().unwrap_or_default();
            let host = host.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            if host.contains('.') && addresses(host).next().is_none() {
                return Some(host.to_owned());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: &str, diagnostic: &str, explanation: &str) -> Verdict {
        let mut recipient = super::super::delivery_status::empty();
        recipient.status = EnhancedCode::parse(status);
        recipient.diagnostic = diagnostic.to_owned();
        recipient.explanation = explanation.to_owned();
        recipient.phase = crate::report::phase::phase_of(&[diagnostic, explanation]);
        recipient.judge("").unwrap()
    }

    #[test]
    fn text_beats_a_vague_code_and_the_server_beats_the_notice() {
        use BounceClass as B;
        assert_eq!(failed("5.0.0", "550 5.7.1 <a@b.example>: mailbox full", "user unknown").class, B::MailboxFull);
        assert_eq!(failed("5.0.0", "", "The mailbox is full").class, B::MailboxFull);
        assert_eq!(failed("5.1.1", "", "").class, B::BadAddress);
        assert_eq!(failed("5.0.0", "550 nope", "").consequence, Consequence::SoftBounce);
    }

    #[test]
    fn a_reply_of_several_lines_is_one_sentence() {
        let found = failed(
            "5.0.0",
            "550-5.1.1 The email account that you tried to reach does 550-5.1.1 not\n550 5.1.1 exist.",
            "",
        );
        assert_eq!(found.consequence, Consequence::HardBounce);
    }

    #[test]
    fn what_was_said_before_the_recipient_was_named_is_about_us() {
        let found = failed("5.1.1", "550 5.1.1 user unknown (in reply to MAIL FROM command)", "");
        assert_eq!(found.consequence, Consequence::Fail);
    }

    #[test]
    fn a_deferral_that_became_final_ends_softly_unless_the_user_is_unknown() {
        assert_eq!(failed("4.4.1", "connection timed out", "").consequence, Consequence::SoftBounce);
        assert_eq!(failed("4.1.1", "450 4.1.1 <a@b.example>: user unknown", "").consequence, Consequence::HardBounce);
        assert_eq!(failed("4.7.0", "421 4.7.0 rate limited", "").consequence, Consequence::Fail);
    }
}
