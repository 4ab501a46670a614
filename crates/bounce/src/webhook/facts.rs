//! How the services' modules say what an event means.

use tidings_domain::{EnhancedCode, FeedbackType, ReportKind, ReportedAction, Service};

use crate::report::{cut, empty};
use crate::{Claim, Feedback, Report, ReportedRecipient, Ties};

const MAX_NAME_BYTES: usize = 60;
const MAX_ADDRESS_BYTES: usize = 512;
const MAX_DIAGNOSTIC_BYTES: usize = 2 * 1024;

/// What a failed event tells of its recipient.
#[derive(Default)]
pub(super) struct Failure<'a> {
    pub address: &'a str,
    /// The remote server's words; for a drop those of the service.
    pub words: &'a str,
    /// The reply code, if it stands in a field of its own.
    pub code: &'a str,
    /// The enhanced code, likewise.
    pub status: &'a str,
    pub remote_mta: Option<String>,
    pub claim: Option<Claim>,
}

impl Failure<'_> {
    pub fn recipient(self) -> ReportedRecipient {
        let words = without_type(self.words);
        let dropped = matches!(self.claim, Some(Claim::Instead(_)));
        let said = if dropped { words.to_owned() } else { with_codes(self.code, self.status, words) };
        let said = cut(&said, MAX_DIAGNOSTIC_BYTES).to_owned();
        let (diagnostic, explanation) = if dropped { (String::new(), said) } else { (said, String::new()) };
        ReportedRecipient {
            status: EnhancedCode::parse(self.status.trim()),
            diagnostic,
            explanation,
            remote_mta: self.remote_mta,
            claim: self.claim,
            ..recipient(self.address, ReportedAction::Failed)
        }
    }
}

fn recipient(address: &str, action: ReportedAction) -> ReportedRecipient {
    let address = Some(cut(address.trim(), MAX_ADDRESS_BYTES).to_owned()).filter(|a| !a.is_empty());
    ReportedRecipient { address, action, ..empty() }
}

/// `smtp; 550 …`, as in the Diagnostic-Code of a report (RFC 3464 §2.3.6).
fn without_type(words: &str) -> &str {
    let words = words.trim();
    let typed = words.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("smtp;"));
    if typed { words[5..].trim() } else { words }
}

/// The codes before the words, where the service took them away from there.
fn with_codes(code: &str, status: &str, words: &str) -> String {
    let is_code = |text: &str| text.len() == 3 && matches!(text.parse(), Ok(400..600));
    let missing = is_code(code) && !words.contains(code);
    let enhanced = EnhancedCode::parse(status.trim()).filter(|e| e.class != 2 && !words.contains(status.trim()));
    match (missing, enhanced) {
        (true, Some(enhanced)) => format!("{code} {enhanced} {words}"),
        (true, None) => format!("{code} {words}"),
        _ => words.to_owned(),
    }
}

/// A report of one kind and nothing else. `event` is the service's word for it.
pub(super) fn report(kind: ReportKind, service: Service, event: &str) -> Report {
    Report {
        kind,
        recognised_by: format!("{service} {}", cut(event, MAX_NAME_BYTES)),
        recipients: Vec::new(),
        feedback: None,
        reporting_mta: None,
        ties: Ties::default(),
        cut: false,
    }
}

pub(super) fn bounce(service: Service, event: &str, failure: Failure) -> Report {
    Report { recipients: vec![failure.recipient()], ..report(ReportKind::Bounce, service, event) }
}

/// The service tries again; nothing has ended.
pub(super) fn delayed(service: Service, event: &str, failure: Failure) -> Report {
    let recipient = ReportedRecipient { action: ReportedAction::Delayed, claim: None, ..failure.recipient() };
    Report { recipients: vec![recipient], ..report(ReportKind::Delayed, service, event) }
}

pub(super) fn delivered(service: Service, event: &str, address: &str) -> Report {
    let recipients = vec![recipient(address, ReportedAction::Delivered)];
    Report { recipients, ..report(ReportKind::Delivered, service, event) }
}

/// Someone called the message spam, or took that back.
pub(super) fn feedback(service: Service, event: &str, feedback_type: FeedbackType, address: &str) -> Report {
    let recipients = Some(address).filter(|a| !a.is_empty()).map(|a| cut(a, MAX_ADDRESS_BYTES).to_owned());
    let feedback = Feedback {
        feedback_type,
        user_agent: None,
        original_mail_from: None,
        recipients: recipients.into_iter().collect(),
        source_ip: None,
        reported_domain: None,
        arrival_date: None,
    };
    Report { feedback: Some(feedback), ..report(ReportKind::Feedback, service, event) }
}

/// Someone asked the service for no more mail. Whom it was stands in the ties.
pub(super) fn unsubscribe(service: Service, event: &str, address: &str) -> Report {
    let mut report = report(ReportKind::Unsubscribe, service, event);
    report.ties.add_original_to(address);
    report
}

/// An id made of what tells a service's events apart; none without the first part.
pub(super) fn joined(parts: &[&str]) -> Option<String> {
    (!parts.first()?.is_empty()).then(|| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_before_the_words_once() {
        let said = |code, status, words| Failure { code, status, words, ..Failure::default() }.recipient().diagnostic;
        assert_eq!(said("550", "5.1.1", "no such user"), "550 5.1.1 no such user");
        assert_eq!(said("550", "5.1.1", "smtp; 550 5.1.1 no such user"), "550 5.1.1 no such user");
        assert_eq!(said("605", "", "Not delivering"), "Not delivering");
        assert_eq!(said("550", "x", "no"), "550 no");
        assert_eq!(said("", "5.1.1", "no"), "no");
    }

    /// "Bounced Address" is the name of a list, not what a server said.
    #[test]
    fn the_words_of_a_drop_are_no_servers_words() {
        let claim = Some(Claim::Instead(tidings_domain::BounceClass::Protocol));
        let found = Failure { words: "user unknown", claim, ..Failure::default() }.recipient();
        assert_eq!((found.diagnostic.as_str(), found.explanation.as_str()), ("", "user unknown"));
    }
}
