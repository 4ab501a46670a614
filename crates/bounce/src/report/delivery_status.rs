use tidings_domain::{EnhancedCode, ReportedAction, Word};

use super::ReportedRecipient;
use super::address::typed_address;
use crate::mail::Fields;

/// Recipients of one report that are read; our own messages have one each.
const MAX_RECIPIENTS: usize = 50;
const MAX_DIAGNOSTIC_BYTES: usize = 2 * 1024;
const MAX_CATEGORY_BYTES: usize = 40;

/// The machine's part of a report: `message/delivery-status` (RFC 3464 §2) or `message/global-delivery-status`
/// (RFC 6533 §4).
pub(super) struct DeliveryStatus {
    pub reporting_mta: Option<String>,
    pub envelope_id: Option<String>,
    pub recipients: Vec<ReportedRecipient>,
}

impl DeliveryStatus {
    /// Groups of fields with empty lines between. Some programs write empty lines within a group, others none between
    /// two: a group that names no recipient adds to the one before, a second Final-Recipient begins a new one.
    pub fn read(mut bytes: &[u8]) -> Self {
        let mut found = Self { reporting_mta: None, envelope_id: None, recipients: Vec::new() };
        while !bytes.is_empty() && found.recipients.len() < MAX_RECIPIENTS {
            let (fields, rest) = Fields::read(bytes);
            // A line that is no field stops the header reader: it is passed over.
            let stuck = rest.len() == bytes.len();
            bytes = if stuck { after_line(rest) } else { rest };
            found.group(&fields);
        }
        found
    }

    fn group(&mut self, fields: &Fields) {
        let host = |name| fields.get(name).map(|v| untyped(&v).to_owned());
        self.reporting_mta = self.reporting_mta.take().or_else(|| host("Reporting-MTA"));
        self.envelope_id =
            self.envelope_id.take().or_else(|| fields.get("Original-Envelope-Id").map(|v| v.into_owned()));
        let finals: Vec<_> = fields.all("Final-Recipient").collect();
        let named = !finals.is_empty() || fields.get("Original-Recipient").is_some();
        let says = ["Action", "Status", "Diagnostic-Code"].iter().any(|name| fields.get(name).is_some());
        match self.recipients.last_mut() {
            _ if named => {}
            Some(last) if says => return fill(last, fields),
            None if says => {}
            _ => return,
        }
        let mut recipient = empty();
        recipient.address = finals.first().and_then(|v| typed_address(v));
        fill(&mut recipient, fields);
        let others = finals.iter().skip(1).take(MAX_RECIPIENTS).filter_map(|v| typed_address(v));
        let others: Vec<_> = others.map(|a| ReportedRecipient { address: Some(a), ..recipient.clone() }).collect();
        self.recipients.push(recipient);
        self.recipients.extend(others);
    }
}

pub(crate) fn empty() -> ReportedRecipient {
    ReportedRecipient {
        address: None,
        original_address: None,
        action: ReportedAction::Failed,
        status: None,
        diagnostic: String::new(),
        explanation: String::new(),
        remote_mta: None,
        phase: None,
        claim: None,
        verdict: None,
    }
}

/// PowerMTA's own finding, a word that says more than most servers' text.
const CATEGORY: &str = "X-PowerMTA-BounceCategory";

fn fill(recipient: &mut ReportedRecipient, fields: &Fields) {
    let original = fields.get("Original-Recipient").or_else(|| fields.get("X-Actual-Recipient"));
    recipient.original_address = original.and_then(|v| typed_address(&v)).or_else(|| recipient.original_address.take());
    let status = fields.get("Status").and_then(|v| status(&v));
    recipient.status = status.or(recipient.status);
    if let Some(diagnostic) = fields.raw("Diagnostic-Code") {
        recipient.diagnostic = verbatim(diagnostic);
    }
    if let Some(category) = fields.get(CATEGORY) {
        recipient.diagnostic.push_str(&format!(" [{CATEGORY}: {}]", cut(&category, MAX_CATEGORY_BYTES)));
    }
    let remote = fields.get("Remote-MTA").map(|v| untyped(&v).to_owned());
    recipient.remote_mta = remote.or_else(|| recipient.remote_mta.take());
    if let Some(action) = fields.get("Action") {
        recipient.action = action_of(&action, recipient.status);
    }
}

/// `5.1.1 (bad destination mailbox address)`.
fn status(value: &str) -> Option<EnhancedCode> {
    value.split([' ', '(', '\t', ',']).map(str::trim).find_map(EnhancedCode::parse)
}

/// Words that are not of RFC 3464 stand for a failure: "fail", "failed (bad address)", "expired".
fn action_of(value: &str, status: Option<EnhancedCode>) -> ReportedAction {
    let word = value.trim().split([' ', '(', ';', '_', ',']).next().unwrap_or_default().to_ascii_lowercase();
    match ReportedAction::parse(&word) {
        Ok(action) => action,
        Err(_) if word.starts_with("deliverable") || word.starts_with("success") => ReportedAction::Delivered,
        Err(_) if status.is_some_and(|s| s.class == 2) => ReportedAction::Delivered,
        Err(_) => ReportedAction::Failed,
    }
}

/// Without `dns;` or `smtp;`.
fn untyped(value: &str) -> &str {
    value.split_once(';').map_or(value, |(_, rest)| rest).trim()
}

/// The folds stay as line ends: a reply of several lines is read by its last one.
fn verbatim(value: &[u8]) -> String {
    let text = crate::mail::to_text(value, None);
    let text = match text.split_once(';') {
        Some((kind, rest)) if kind.len() <= 20 && !kind.trim().contains(' ') => rest,
        _ => &text,
    };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    cut(&lines.join("\n"), MAX_DIAGNOSTIC_BYTES).to_owned()
}

/// At most so many octets, on a character's border.
pub(crate) fn cut(text: &str, octets: usize) -> &str {
    &text[..text.floor_char_boundary(octets)]
}

fn after_line(bytes: &[u8]) -> &[u8] {
    memchr::memchr(b'\n', bytes).map_or(&[], |end| &bytes[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_however_the_lines_fall() {
        let text =
            b"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\n\r\nAction: failed\r\n\
            Status: 5.1.1 (bad)\r\nDiagnostic-Code: smtp; 550-5.1.1 no\r\n 550 5.1.1 user\r\n\r\nnonsense\r\n\
            Final-Recipient: rfc822;c@d.example\r\nAction: delayed\r\n";
        let found = DeliveryStatus::read(text);
        assert_eq!(found.reporting_mta.as_deref(), Some("mx.example"));
        let [first, second] = &found.recipients[..] else { panic!("{:?}", found.recipients) };
        assert_eq!(first.diagnostic, "550-5.1.1 no\n550 5.1.1 user");
        assert_eq!(first.status, EnhancedCode::parse("5.1.1"));
        assert_eq!((second.address.as_deref(), second.action), (Some("c@d.example"), ReportedAction::Delayed));
    }
}
