use tidings_domain::Service;

/// The header field in which a service takes values that it gives back with each event of the message. It is the only tie where the
/// service replaces our Message-ID and return path by its own.
pub(crate) fn service_field(service: Service, token: &str) -> String {
    match service {
        Service::Ses => format!("X-SES-MESSAGE-TAGS: tidings={token}\r\n"),
        Service::SendGrid => format!("X-SMTPAPI: {{\"unique_args\":{{\"tidings\":\"{token}\"}}}}\r\n"),
        Service::Mailgun => format!("X-Mailgun-Variables: {{\"tidings\":\"{token}\"}}\r\n"),
        Service::Postmark => format!("X-PM-Metadata-tidings: {token}\r\n"),
        Service::SparkPost => format!("X-MSYS-API: {{\"metadata\":{{\"tidings\":\"{token}\"}}}}\r\n"),
        Service::Brevo => format!("X-Mailin-custom: tidings:{token}\r\n"),
        // No relay of its own.
        Service::Generic => String::new(),
    }
}
