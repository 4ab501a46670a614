//! Classes that a person thinks of together.

use tidings_domain::BounceClass;

/// One heading with its classes.
#[derive(Debug, Clone, Copy)]
pub struct ClassGroup {
    pub title: &'static str,
    pub lead: &'static str,
    pub classes: &'static [BounceClass],
}

/// Every class once.
pub const CLASS_GROUPS: &[ClassGroup] = &[
    ClassGroup {
        title: "The address does not work",
        lead: "What these replies say is about the address itself, and for good.",
        classes: &[
            BounceClass::BadAddress,
            BounceClass::ProbableBadAddress,
            BounceClass::BadDomain,
            BounceClass::NullMx,
            BounceClass::NoMailHost,
            BounceClass::Moved,
            BounceClass::MailboxDisabled,
        ],
    },
    ClassGroup {
        title: "It may pass",
        lead: "The mailbox or its server does not take mail now. We tried again before we gave up.",
        classes: &[
            BounceClass::MailboxFull,
            BounceClass::RecipientPolicy,
            BounceClass::Policy,
            BounceClass::RemoteSystem,
            BounceClass::Network,
            BounceClass::Expired,
            BounceClass::RoutingLoop,
            BounceClass::Relaying,
            BounceClass::Undetermined,
        ],
    },
    ClassGroup {
        title: "Our own fault",
        lead: "About the sender, the content or the pace. No person is ever marked for these, and that cannot be changed: we slow down, hold the provider or pause the campaign instead.",
        classes: &[
            BounceClass::IpBlocked,
            BounceClass::ContentBlocked,
            BounceClass::Authentication,
            BounceClass::Ptr,
            BounceClass::TlsRequired,
            BounceClass::RelayAuth,
            BounceClass::Throttled,
            BounceClass::TooManyConnections,
            BounceClass::Greylist,
            BounceClass::SessionLimit,
            BounceClass::TooBig,
            BounceClass::ContentEncoding,
            BounceClass::Smtputf8Unsupported,
            BounceClass::Protocol,
            BounceClass::Render,
        ],
    },
];

#[cfg(test)]
mod tests {
    use tidings_domain::Word;

    use super::*;

    #[test]
    fn every_class_is_in_one_group_and_the_last_one_is_the_senders() {
        let mut grouped: Vec<BounceClass> = CLASS_GROUPS.iter().flat_map(|group| group.classes).copied().collect();
        grouped.sort_unstable();
        let mut all = BounceClass::ALL.to_vec();
        all.sort_unstable();
        assert_eq!(grouped, all);
        for (at, group) in CLASS_GROUPS.iter().enumerate() {
            assert!(group.classes.iter().all(|class| class.is_senders_fault() == (at == 2)), "{}", group.title);
        }
    }
}
