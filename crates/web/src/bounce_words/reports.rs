//! What kind of mail came back, and by which way.

use tidings_domain::ReportKind;

/// What kind of mail a report is.
pub const fn kind(of: ReportKind) -> &'static str {
    use ReportKind as K;
    match of {
        K::Bounce => "Bounce",
        K::Delayed => "Delay",
        K::Delivered => "Receipt",
        K::Feedback => "Complaint or feedback",
        K::Unsubscribe => "Unsubscribe mail",
        K::AutoReply => "Auto-reply",
        K::Challenge => "Challenge",
        K::Reply => "Reply of a person",
        K::Notice => "Notice of a service",
        K::Unreadable => "Unreadable",
    }
}

/// By which way it came.
pub fn source(stored: &str) -> String {
    match stored {
        "smtp" => "SMTP listener".to_owned(),
        "imap" => "IMAP mailbox".to_owned(),
        "pop3" => "POP3 mailbox".to_owned(),
        "maildir" => "Maildir".to_owned(),
        "pipe" => "Pipe (tidings bounce)".to_owned(),
        other => match other.strip_prefix("webhook:") {
            Some(service) => format!("Webhook of {service}"),
            None => other.to_owned(),
        },
    }
}
