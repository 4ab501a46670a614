//! E-mail services as relays: which one an SMTP server belongs to, and how it is reached.

use crate::{RouteTls, Service};

/// How a service's SMTP server is reached, as the service documents it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayPreset {
    pub host: &'static str,
    pub port: u16,
    pub tls: RouteTls,
    /// Where it is the same for everybody.
    pub username: &'static str,
}

/// Domains under which a service's SMTP servers stand, those of its European regions too.
const DOMAINS: [(Service, &[&str]); 5] = [
    (Service::SendGrid, &["sendgrid.net"]),
    (Service::Mailgun, &["mailgun.org"]),
    (Service::Postmark, &["postmarkapp.com"]),
    (Service::SparkPost, &["sparkpostmail.com"]),
    (Service::Brevo, &["brevo.com", "sendinblue.com"]),
];

impl Service {
    /// The service that a relay of this name belongs to.
    #[must_use]
    pub fn of_relay(host: &str) -> Option<Self> {
        let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
        if is_ses(&host) {
            return Some(Self::Ses);
        }
        let is_below = |domain: &&str| host.strip_suffix(*domain).is_some_and(|rest| rest.ends_with('.'));
        DOMAINS.iter().find(|(_, domains)| domains.iter().any(is_below)).map(|(service, _)| *service)
    }

    /// `None`: it is no relay.
    #[must_use]
    pub const fn relay(self) -> Option<RelayPreset> {
        let (host, username) = match self {
            // The region is the operator's.
            Self::Ses => ("email-smtp.eu-west-1.amazonaws.com", ""),
            Self::SendGrid => ("smtp.sendgrid.net", "apikey"),
            Self::Mailgun => ("smtp.mailgun.org", ""),
            // The server for mail to many.
            Self::Postmark => ("smtp-broadcasts.postmarkapp.com", ""),
            Self::SparkPost => ("smtp.sparkpostmail.com", "SMTP_Injection"),
            Self::Brevo => ("smtp-relay.brevo.com", ""),
            Self::Generic => return None,
        };
        Some(RelayPreset { host, port: 587, tls: RouteTls::StartTls, username })
    }
}

/// `email-smtp.<region>.amazonaws.com`, and the same with `-fips`; all else below that domain is other people's.
fn is_ses(host: &str) -> bool {
    let Some((first, region)) = host.strip_suffix(".amazonaws.com").and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    matches!(first, "email-smtp" | "email-smtp-fips") && !region.is_empty() && !region.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Word;

    #[test]
    fn a_relay_is_known_by_whole_labels_of_its_name() {
        for (host, service) in [
            ("smtp.postmarkapp.com", Service::Postmark),
            ("SMTP.eu.SparkPostMail.com.", Service::SparkPost),
            ("email-smtp.eu-central-1.amazonaws.com", Service::Ses),
            ("email-smtp-fips.us-east-1.amazonaws.com", Service::Ses),
            ("smtp.eu.sendgrid.net", Service::SendGrid),
            ("smtp.eu.mailgun.org", Service::Mailgun),
            ("smtp-relay.sendinblue.com", Service::Brevo),
        ] {
            assert_eq!(Service::of_relay(host), Some(service), "{host}");
        }
        for host in [
            "",
            "smtp.example.org",
            "sendgrid.net.evil.example",
            "evilsendgrid.net",
            "sendgrid.net",
            "ec2.eu-west-1.amazonaws.com",
            "email-smtp.amazonaws.com",
            "email-smtp.x.evil.amazonaws.com",
            "192.0.2.1",
        ] {
            assert_eq!(Service::of_relay(host), None, "{host}");
        }
    }

    #[test]
    fn what_the_form_fills_in_is_recognised_again() {
        for &service in Service::ALL {
            let known = service.relay().and_then(|preset| Service::of_relay(preset.host));
            assert_eq!(known, Some(service).filter(|service| *service != Service::Generic));
        }
    }
}
