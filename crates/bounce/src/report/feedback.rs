use tidings_domain::{FeedbackType, Word};

use super::Feedback;
use super::address::typed_address;
use crate::mail::Fields;

/// Recipients that one report may name.
const MAX_RECIPIENTS: usize = 50;

impl Feedback {
    /// The `message/feedback-report` part (RFC 5965 §3). An unknown type is "other", as §7.3 asks.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let (fields, _) = Fields::read(bytes.trim_ascii_start());
        let text = |name: &str| fields.get(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let kind = text("Feedback-Type").unwrap_or_default().to_ascii_lowercase();
        let recipients = fields.all("Original-Rcpt-To").chain(fields.all("Removal-Recipient"));
        Self {
            feedback_type: feedback_type(&kind),
            user_agent: text("User-Agent"),
            original_mail_from: text("Original-Mail-From").and_then(|v| typed_address(&v)),
            recipients: recipients.take(MAX_RECIPIENTS).filter_map(|v| typed_address(&v)).collect(),
            source_ip: text("Source-IP"),
            reported_domain: text("Reported-Domain"),
            arrival_date: text("Arrival-Date").or_else(|| text("Received-Date")),
        }
    }
}

/// Hotmail's and AOL's old loops send no type: whoever sends one complains.
fn feedback_type(word: &str) -> FeedbackType {
    match word {
        "" => FeedbackType::Abuse,
        "opt-out-list" => FeedbackType::OptOut,
        word => FeedbackType::parse(word).unwrap_or(FeedbackType::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_and_an_unknown_type_is_other() {
        let report = Feedback::read(b"Feedback-Type: Abuse\nUser-Agent: x/1\nOriginal-Rcpt-To: <ana@example.org>\n");
        assert_eq!(report.feedback_type, FeedbackType::Abuse);
        assert_eq!(report.recipients, ["ana@example.org"]);
        assert_eq!(Feedback::read(b"Feedback-Type: dmarc").feedback_type, FeedbackType::Other);
    }
}
