use serde::Deserialize;
use tidings_domain::{EnhancedCode, FeedbackType, ReportedAction, Word};

use super::delivery_status::{cut, empty};
use super::{Feedback, ReportedRecipient};

const MAX_RECIPIENTS: usize = 50;
const MAX_DIAGNOSTIC_BYTES: usize = 2 * 1024;

/// What Amazon SES tells of a message, when its topic is subscribed to by mail: one line of JSON within the text.
pub(super) struct Notification {
    pub recipients: Vec<ReportedRecipient>,
    pub feedback: Option<Feedback>,
    pub reporting_mta: Option<String>,
    pub message_ids: Vec<String>,
    pub source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(alias = "eventType")]
    notification_type: String,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    delivery: Option<Delivery>,
    #[serde(default)]
    mail: Sent,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Bounce {
    bounced_recipients: Vec<Recipient>,
    #[serde(rename = "reportingMTA")]
    reporting_mta: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Recipient {
    email_address: String,
    status: String,
    diagnostic_code: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Complaint {
    complained_recipients: Vec<Recipient>,
    complaint_feedback_type: String,
    user_agent: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Delivery {
    recipients: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Sent {
    source: String,
    headers: Vec<Header>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Header {
    name: String,
    value: String,
}

impl Notification {
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim_start();
        let starts = text.starts_with("{\"notificationType\"") || text.starts_with("{\"eventType\"");
        // The first value is read and what follows it let be; some gateways fold the line.
        let text = starts.then(|| text.replace(['\r', '\n'], ""))?;
        let event: Event = serde_json::Deserializer::from_str(&text).into_iter().next()?.ok()?;
        let mut ids = event.mail.headers.iter().filter(|h| h.name.eq_ignore_ascii_case("Message-ID"));
        let mut found = Self {
            recipients: Vec::new(),
            feedback: None,
            reporting_mta: None,
            message_ids: ids.next().map(|h| h.value.clone()).into_iter().collect(),
            source: event.mail.source,
        };
        match event.notification_type.as_str() {
            "Bounce" => found.bounce(event.bounce?),
            "Complaint" => found.feedback = Some(feedback(event.complaint?)),
            "Delivery" => found.delivery(event.delivery?),
            _ => return None,
        }
        Some(found)
    }

    fn bounce(&mut self, bounce: Bounce) {
        self.reporting_mta = bounce.reporting_mta.map(|mta| mta.trim_start_matches("dsn;").trim().to_owned());
        self.recipients = bounce.bounced_recipients.into_iter().take(MAX_RECIPIENTS).map(bounced).collect();
    }

    fn delivery(&mut self, delivery: Delivery) {
        let delivered =
            |address| ReportedRecipient { address: Some(address), action: ReportedAction::Delivered, ..empty() };
        self.recipients = delivery.recipients.into_iter().take(MAX_RECIPIENTS).map(delivered).collect();
    }
}

fn bounced(recipient: Recipient) -> ReportedRecipient {
    let diagnostic = recipient.diagnostic_code.trim_start_matches("smtp;").trim();
    ReportedRecipient {
        address: Some(recipient.email_address),
        status: EnhancedCode::parse(recipient.status.trim()),
        diagnostic: cut(diagnostic, MAX_DIAGNOSTIC_BYTES).to_owned(),
        ..empty()
    }
}

fn feedback(complaint: Complaint) -> Feedback {
    let recipients = complaint.complained_recipients.into_iter().take(MAX_RECIPIENTS);
    Feedback {
        feedback_type: FeedbackType::parse(&complaint.complaint_feedback_type).unwrap_or(FeedbackType::Abuse),
        user_agent: complaint.user_agent,
        original_mail_from: None,
        recipients: recipients.map(|r| r.email_address).collect(),
        source_ip: None,
        reported_domain: None,
        arrival_date: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounce_and_nonsense_are_told_apart() {
        let line = r#"{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"ana@example.org","status":"5.1.1"}],"reportingMTA":"dsn; mx.example"},"mail":{"source":"b-tok@bounce.example","headers":[{"name":"Message-ID","value":"<m@x>"}]}}"#;
        let found = Notification::read(line).unwrap();
        assert_eq!((found.recipients.len(), found.reporting_mta.as_deref()), (1, Some("mx.example")));
        assert_eq!(found.message_ids, ["<m@x>"]);
        assert!(Notification::read(r#"{"notificationType":"Bounce"}"#).is_none());
        assert!(Notification::read("hello").is_none());
    }
}
