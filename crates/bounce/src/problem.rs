use tidings_domain::{BounceClass, Consequence, Phase, Problem, Verdict, Word};

use crate::consequence::{is_before_recipient, verdict};

/// What follows where no reply was given.
///
/// NXDOMAIN is tried again: one lying resolver would otherwise suppress a whole list within minutes. When it is said again an
/// hour later, the sender calls it [`Problem::DomainGone`].
#[must_use]
pub fn classify_problem(phase: Phase, problem: Problem) -> Verdict {
    use BounceClass as B;
    let (class, permanent) = match problem {
        Problem::NoSuchDomain => (B::BadDomain, false),
        Problem::DomainGone => (B::BadDomain, true),
        Problem::NoMailHost => (B::NoMailHost, false),
        Problem::MailHostGone => (B::NoMailHost, true),
        Problem::NullMx => (B::NullMx, true),
        Problem::ForbiddenTarget => (B::NoMailHost, true),
        Problem::MailLoop => (B::RoutingLoop, true),
        Problem::DnsFailure
        | Problem::ConnectionRefused
        | Problem::Unreachable
        | Problem::Timeout
        | Problem::ConnectionLost => (B::Network, false),
        Problem::Garbage => (B::RemoteSystem, false),
        Problem::Tls => (B::TlsRequired, false),
        Problem::AuthUnavailable => (B::RelayAuth, false),
        Problem::SmtpUtf8Unsupported => (B::Smtputf8Unsupported, true),
        Problem::TooLarge => (B::TooBig, true),
        Problem::Render => (B::Render, true),
        // The sender's own fault, whoever it is for: the campaign waits for a person.
        Problem::NoSigningKey => (B::Authentication, false),
        Problem::Withdrawn => (B::Undetermined, false),
    };
    // Known to us, not said by the peer: these hold in whatever phase they were noticed.
    let ours = matches!(problem, Problem::SmtpUtf8Unsupported | Problem::TooLarge | Problem::Render);
    let phase = if ours && is_before_recipient(phase) { Phase::Compose } else { phase };
    let found = verdict(class, permanent, phase, problem.as_str());
    match problem {
        Problem::Withdrawn => Verdict { consequence: Consequence::Snooze, ..found },
        _ => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_null_mx_and_a_domain_that_stays_away_are_the_recipients_fault() {
        for &problem in Problem::ALL {
            for &phase in Phase::ALL {
                let hard = classify_problem(phase, problem).consequence == Consequence::HardBounce;
                let may = matches!(problem, Problem::NullMx | Problem::DomainGone) && !is_before_recipient(phase);
                assert_eq!(hard, may, "{problem} at {phase}");
            }
        }
    }

    #[test]
    fn each_problem_has_its_consequence() {
        let at = |phase, problem| classify_problem(phase, problem).consequence;
        assert_eq!(at(Phase::Dns, Problem::DnsFailure), Consequence::Retry);
        assert_eq!(at(Phase::Dns, Problem::NoSuchDomain), Consequence::Retry);
        assert_eq!(at(Phase::Dns, Problem::NoMailHost), Consequence::Retry);
        assert_eq!(at(Phase::Dns, Problem::MailHostGone), Consequence::SoftBounce);
        assert_eq!(at(Phase::Dns, Problem::MailLoop), Consequence::SoftBounce);
        // Before RCPT another hour may do better: a greeting by ourselves may be a mistake of today's DNS.
        assert_eq!(at(Phase::Ehlo, Problem::MailLoop), Consequence::Retry);
        assert_eq!(at(Phase::Rcpt, Problem::ConnectionLost), Consequence::Retry);
        assert_eq!(at(Phase::Body, Problem::Withdrawn), Consequence::Snooze);
        assert_eq!(at(Phase::Mail, Problem::SmtpUtf8Unsupported), Consequence::Fail);
        assert_eq!(at(Phase::Mail, Problem::TooLarge), Consequence::Fail);
        assert_eq!(at(Phase::Compose, Problem::Render), Consequence::Fail);
        assert_eq!(at(Phase::Dns, Problem::ForbiddenTarget), Consequence::SoftBounce);
        let unsigned = classify_problem(Phase::Compose, Problem::NoSigningKey);
        assert!(unsigned.consequence == Consequence::Snooze && unsigned.pause_campaign);
        assert!(classify_problem(Phase::Auth, Problem::AuthUnavailable).hold.is_some());
    }
}
