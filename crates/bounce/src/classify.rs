use tidings_domain::{BounceClass, Consequence, Phase, Reply, Verdict};

use crate::book::RuleBook;
use crate::consequence::verdict;
use crate::rules::Rule;

/// As [`RuleBook::classify`], by the program's own rules alone.
#[must_use]
pub fn classify(phase: Phase, reply: &Reply, provider: &str) -> Verdict {
    RuleBook::builtin().classify(phase, reply, provider)
}

/// What a rule that fired says.
pub(crate) fn of_rule(rule: &Rule, permanent: bool, phase: Phase) -> Verdict {
    let mut found = verdict(rule.class, permanent, phase, &rule.name);
    found.knob = rule.knob.of(found.knob);
    found.cut = rule.cut;
    found.stay = rule.stay;
    found.hold = rule.hold.of(found.hold);
    found.key = rule.key.unwrap_or(found.key);
    if rule.class == BounceClass::Authentication && rule.providers.is_empty() {
        one_servers_opinion(&mut found, permanent);
    }
    found
}

/// A large provider that finds the mail unauthenticated speaks for many recipients, and the campaign stops. A single
/// server may just be set up oddly: its message ends, nothing else does.
fn one_servers_opinion(verdict: &mut Verdict, permanent: bool) {
    verdict.pause_campaign = false;
    verdict.consequence = if permanent { Consequence::Fail } else { Consequence::Retry };
}

/// Nothing is known but the code and when it came.
pub(crate) fn by_basic_code(phase: Phase, code: u16, permanent: bool) -> Verdict {
    use BounceClass as B;
    let class = match (phase, code) {
        (Phase::Auth, _) => B::RelayAuth,
        (Phase::StartTls, _) => B::Network,
        (_, 421) => B::RemoteSystem,
        // The peer did not understand us, or we it.
        (_, 500..=504) => B::Protocol,
        (_, 521) => B::NoMailHost,
        (_, 530 | 534 | 535 | 538) => B::RelayAuth,
        (Phase::Rcpt, 551) => B::Relaying,
        (Phase::Rcpt, 552) => B::MailboxFull,
        (_, 450..=452) => B::RemoteSystem,
        (Phase::Rcpt, 550 | 553) => B::Undetermined,
        _ if permanent => B::Policy,
        _ => B::RemoteSystem,
    };
    verdict(class, permanent, phase, &format!("code-{code}-at-{phase}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consequence::is_before_recipient;
    use crate::rules::RULES;
    use tidings_domain::{EnhancedCode, Word};

    fn sample(phase: Phase, provider: &str, text: &str) -> Verdict {
        classify(phase, &Reply::from_text(text, 0), provider)
    }

    /// Whatever a deferral says, it ends nothing; whatever comes before RCPT, the subscriber is left alone.
    #[test]
    fn no_rule_punishes_a_subscriber_for_a_deferral_or_before_he_was_named() {
        for rule in &RULES.rules {
            let provider = rule.providers.first().map_or("", String::as_str);
            for text in rule.spec.is.iter().chain(&rule.spec.is_not) {
                let mut reply = Reply::from_text(text, 0);
                for phase in [Phase::Greeting, Phase::Mail, Phase::Rcpt, Phase::Dot] {
                    let found = classify(phase, &reply, provider).consequence;
                    let punished = matches!(found, Consequence::HardBounce | Consequence::SoftBounce);
                    let allowed = reply.code >= 500 && !is_before_recipient(phase);
                    assert!(!punished || allowed, "{text:?} at {phase}: {found:?}");
                }
                reply.code = 450;
                let found = classify(Phase::Rcpt, &reply, provider).consequence;
                assert!(matches!(found, Consequence::Retry | Consequence::Snooze), "{text:?}: {found:?}");
            }
        }
    }

    #[test]
    fn faults_of_the_sender_never_hard_bounce() {
        use BounceClass as B;
        let sender = [
            B::IpBlocked,
            B::Authentication,
            B::ContentBlocked,
            B::Throttled,
            B::TooManyConnections,
            B::SessionLimit,
            B::Ptr,
            B::Policy,
            B::Relaying,
            B::RelayAuth,
            B::TlsRequired,
            B::Protocol,
            B::TooBig,
            B::ContentEncoding,
        ];
        for class in sender {
            for &phase in Phase::ALL {
                assert_ne!(verdict(class, true, phase, "").consequence, Consequence::HardBounce, "{class}");
            }
        }
    }

    /// Any registered code has a rule; 5.0.0 and 5.5.0 say nothing, and x.1.5 is only for success.
    #[test]
    fn every_enhanced_code_is_known() {
        for (subject, details) in
            [(1, 1..=4), (1, 6..=10), (2, 1..=4), (3, 1..=5), (4, 1..=7), (5, 1..=6), (6, 1..=10), (7, 1..=30)]
        {
            for detail in details {
                let code = EnhancedCode { class: 5, subject, detail };
                let found = sample(Phase::Rcpt, "", &format!("550 {code} sorry"));
                assert!(found.rule.starts_with("code-") && !found.rule.contains("-at-"), "{code}: {}", found.rule);
            }
        }
    }

    /// What is written in a rule is what follows, through the whole way from reply to verdict; and what is our fault marks nobody.
    #[test]
    fn every_sample_turns_and_holds_what_its_rule_says() {
        use tidings_domain::{Knob, PaceKey};
        for rule in RULES.rules.iter().filter(|rule| !rule.providers.is_empty()) {
            let phase = rule.phases.first().copied().unwrap_or(Phase::Rcpt);
            for (provider, text) in rule.providers.iter().flat_map(|p| rule.spec.is.iter().map(move |text| (p, text))) {
                let found = sample(phase, provider, text);
                assert_eq!(found.class, rule.class, "{text:?}");
                let turns = match rule.class {
                    BounceClass::Throttled | BounceClass::IpBlocked | BounceClass::Ptr => Some(Knob::Rate),
                    BounceClass::TooManyConnections => Some(Knob::Connections),
                    BounceClass::SessionLimit => Some(Knob::MessagesPerConnection),
                    _ => None,
                };
                assert_eq!(found.knob, turns, "{text:?}");
                let key = rule.spec.key.as_deref().map(|word| PaceKey::parse(word).unwrap());
                assert!(key.is_none_or(|key| key == found.key), "{text:?}");
                let minutes = found.hold.map(|hold| hold.as_secs() / 60);
                assert!(rule.spec.hold_minutes.is_none_or(|written| Some(written) == minutes), "{text:?}: {minutes:?}");
                let punished = matches!(found.consequence, Consequence::HardBounce | Consequence::SoftBounce);
                assert!(!punished || !is_senders_fault(found.class), "{text:?}: {:?}", found.consequence);
                assert!(!found.class.is_block() || (found.hold.is_some() && found.knob.is_some()), "{text:?}");
            }
        }
    }

    const fn is_senders_fault(class: BounceClass) -> bool {
        use BounceClass as B;
        matches!(
            class,
            B::Throttled
                | B::TooManyConnections
                | B::SessionLimit
                | B::IpBlocked
                | B::Ptr
                | B::Authentication
                | B::ContentBlocked
                | B::ContentEncoding
                | B::RelayAuth
        )
    }

    #[test]
    fn gmail_names_whose_rate_it_is() {
        use tidings_domain::PaceKey;
        for (entity, key) in [
            ("originating from your IP address", PaceKey::Route),
            ("originating from your IP Netblock", PaceKey::Provider),
            ("originating from your DKIM domain [example.org 35]", PaceKey::SendingDomain),
            ("originating from your SPF domain [example.org 35]", PaceKey::Provider),
            ("containing one of your URL domains", PaceKey::SendingDomain),
        ] {
            for code in ["421 4.7.28", "550 5.7.28"] {
                let found = sample(Phase::Dot, "google", &format!("{code} unusual rate of unsolicited mail {entity}."));
                assert_eq!(found.key, key, "{code} {entity}: {}", found.rule);
                assert_eq!(found.consequence, Consequence::Snooze, "{code} {entity}");
            }
        }
    }

    #[test]
    fn throttles_turn_the_right_knob() {
        use tidings_domain::Knob;
        let rate = sample(Phase::Mail, "google", "421 4.7.28 unusual rate of unsolicited mail");
        assert_eq!((rate.knob, rate.consequence), (Some(Knob::Rate), Consequence::Snooze));
        assert_eq!(rate.hold.map(|h| h.as_secs()), Some(15 * 60));
        let connections = sample(Phase::Greeting, "x", "421 too many connections from your host");
        assert_eq!((connections.knob, connections.consequence), (Some(Knob::Connections), Consequence::Snooze));
        let session = sample(Phase::Mail, "yahoo", "421 Max message per connection reached");
        assert_eq!(session.knob, Some(Knob::MessagesPerConnection));
        let unauthenticated = sample(Phase::Dot, "google", "550 5.7.26 unauthenticated");
        assert_eq!((unauthenticated.pause_campaign, unauthenticated.consequence), (true, Consequence::Snooze));
        let one_server = sample(Phase::Dot, "mx:acme.example", "550 5.7.26 unauthenticated");
        assert_eq!((one_server.pause_campaign, one_server.consequence), (false, Consequence::Fail));
    }
}
