use std::time::Duration;

use tidings_domain::{BounceClass, Consequence, Cut, Knob, PaceKey, Phase, Verdict};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What a class means: the only place where a consequence is chosen.
///
/// `permanent`: the peer said 5yz. A deferral never ends a delivery, whatever its text claims.
pub(crate) fn verdict(class: BounceClass, permanent: bool, phase: Phase, rule: &str) -> Verdict {
    use BounceClass as B;
    let class = if class == B::BadAddress && !permanent { B::ProbableBadAddress } else { class };
    let consequence = consequence(class, permanent);
    Verdict {
        class,
        consequence: if is_before_recipient(phase) { spare_recipient(consequence, phase) } else { consequence },
        knob: knob(class),
        cut: Cut::default(),
        stay: Duration::ZERO,
        hold: hold(class),
        key: key(class),
        pause_campaign: class == B::Authentication,
        rule: rule.to_owned(),
    }
}

fn consequence(class: BounceClass, permanent: bool) -> Consequence {
    use BounceClass as B;
    match class {
        // The sending waits, the message with it, also where the peer said 5yz: the fault is ours or the moment's.
        B::Throttled
        | B::TooManyConnections
        | B::SessionLimit
        | B::IpBlocked
        | B::Ptr
        | B::RelayAuth
        | B::Authentication => Consequence::Snooze,
        _ if !permanent => Consequence::Retry,
        B::BadAddress | B::BadDomain | B::NullMx | B::Moved => Consequence::HardBounce,
        B::TooBig
        | B::Protocol
        | B::ContentEncoding
        | B::Smtputf8Unsupported
        | B::ContentBlocked
        | B::TlsRequired
        | B::Render => Consequence::Fail,
        B::ProbableBadAddress
        | B::NoMailHost
        | B::MailboxDisabled
        | B::MailboxFull
        | B::RemoteSystem
        | B::Network
        | B::RoutingLoop
        | B::Expired
        | B::Policy
        | B::Relaying
        | B::RecipientPolicy
        | B::Greylist
        | B::Undetermined => Consequence::SoftBounce,
    }
}

/// Until RCPT the peer does not know for whom the mail is: what it says is about us.
pub(crate) const fn is_before_recipient(phase: Phase) -> bool {
    matches!(phase, Phase::Connect | Phase::Greeting | Phase::Ehlo | Phase::StartTls | Phase::Auth | Phase::Mail)
}

/// A refused MAIL has ended; before it another host or another hour may do better.
const fn spare_recipient(consequence: Consequence, phase: Phase) -> Consequence {
    match (consequence, phase) {
        (Consequence::HardBounce | Consequence::SoftBounce, Phase::Mail) => Consequence::Fail,
        (Consequence::HardBounce | Consequence::SoftBounce | Consequence::Fail, _) => Consequence::Retry,
        (other, _) => other,
    }
}

/// Says something of the recipient or his domain, and so cannot be meant before RCPT.
pub(crate) const fn is_about_recipient(class: BounceClass) -> bool {
    use BounceClass as B;
    matches!(
        class,
        B::BadAddress
            | B::ProbableBadAddress
            | B::BadDomain
            | B::NullMx
            | B::Moved
            | B::MailboxDisabled
            | B::MailboxFull
            | B::RecipientPolicy
    )
}

pub(crate) const fn knob(class: BounceClass) -> Option<Knob> {
    match class {
        // After a block, too, it begins slower than it ended: a full-speed return would earn the next one.
        BounceClass::Throttled | BounceClass::IpBlocked | BounceClass::Ptr => Some(Knob::Rate),
        BounceClass::TooManyConnections => Some(Knob::Connections),
        BounceClass::SessionLimit => Some(Knob::MessagesPerConnection),
        _ => None,
    }
}

/// What is said of the mail is about who sends it, all else about where it comes from; a rule can name another key.
const fn key(class: BounceClass) -> PaceKey {
    match class {
        BounceClass::Authentication | BounceClass::ContentBlocked => PaceKey::SendingDomain,
        _ => PaceKey::Route,
    }
}

/// How long nothing goes to the provider on this route; a rule can name another time.
const fn hold(class: BounceClass) -> Option<Duration> {
    match class {
        BounceClass::Throttled => Some(MINUTE),
        BounceClass::IpBlocked => Some(HOUR.saturating_mul(2)),
        BounceClass::Ptr => Some(HOUR),
        BounceClass::RelayAuth => Some(MINUTE.saturating_mul(15)),
        _ => None,
    }
}
