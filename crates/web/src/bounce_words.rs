//! Bounces in words for who never read an RFC: the one place that says what each class means, what follows, and what to do.

use tidings_domain::{BounceAction, BounceClass, BounceLimits, ReportEffect, ReportKind, Word};

use crate::text::count_of;

/// A bounce class in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassWords {
    /// A few words, for a badge or a row.
    pub title: &'static str,
    /// What happened, in one sentence.
    pub meaning: &'static str,
    /// What a person can do about it, if anything.
    pub advice: &'static str,
    /// A reply of this class, as servers write them.
    pub example: &'static str,
}

const fn class(title: &'static str, meaning: &'static str, advice: &'static str, example: &'static str) -> ClassWords {
    ClassWords { title, meaning, advice, example }
}

/// The words of a stored class; a class of a newer version is shown as undetermined, with its reply beside it.
pub fn explain(stored: &str) -> ClassWords {
    class_words(BounceClass::parse(stored).unwrap_or(BounceClass::Undetermined))
}

pub const fn class_words(of: BounceClass) -> ClassWords {
    use BounceClass as C;
    match of {
        C::BadAddress | C::ProbableBadAddress | C::BadDomain | C::NullMx | C::Moved | C::NoMailHost => address(of),
        C::MailboxDisabled | C::MailboxFull | C::RecipientPolicy | C::Relaying => mailbox(of),
        C::RemoteSystem | C::Network | C::RoutingLoop | C::Expired | C::Policy | C::Undetermined => receiver(of),
        C::IpBlocked | C::ContentBlocked | C::Ptr | C::Authentication | C::TlsRequired | C::RelayAuth => standing(of),
        C::Throttled | C::TooManyConnections | C::Greylist | C::SessionLimit => pace(of),
        C::TooBig | C::Protocol | C::ContentEncoding | C::Smtputf8Unsupported | C::Render => message(of),
    }
}

/// The address itself does not work.
const fn address(of: BounceClass) -> ClassWords {
    match of {
        BounceClass::BadAddress => class(
            "No such mailbox",
            "The server says that nobody there has this address.",
            "Nothing to do. If many come at once, find out where these addresses come from.",
            "550 5.1.1 <anna@example.org>: Recipient address rejected: User unknown",
        ),
        BounceClass::ProbableBadAddress => class(
            "Probably no such mailbox",
            "The server will not say so plainly, but the address looks dead.",
            "Nothing to do: a second refusal proves it, a delivered message clears it.",
            "550 Requested action not taken: mailbox unavailable",
        ),
        BounceClass::BadDomain => class(
            "No such domain",
            "The part after the @ does not exist.",
            "Often a typing error such as gmial.com: correct the address if you know better.",
            "The domain gmial.example does not exist (NXDOMAIN)",
        ),
        BounceClass::NullMx => class(
            "The domain takes no mail",
            "Its owner says in DNS that it has no mailboxes at all.",
            "Nothing to do. The address cannot work.",
            "556 5.1.10 Recipient domain has a null MX",
        ),
        BounceClass::Moved => class(
            "The mailbox has moved",
            "The person has another address now.",
            "If the reply names the new address, ask the person before you write there.",
            "551 5.1.6 The user has moved; the new address is anna@new.example",
        ),
        _ => class(
            "No mail server",
            "The domain exists, but no server there takes mail.",
            "Check the spelling of the domain. New domains may get a server later.",
            "example.net has neither an MX nor an address record",
        ),
    }
}

/// The mailbox exists, and does not take this mail now.
const fn mailbox(of: BounceClass) -> ClassWords {
    match of {
        BounceClass::MailboxDisabled => class(
            "Mailbox switched off",
            "The account exists but is locked or no longer used.",
            "Nothing to do. Such accounts are often deleted later.",
            "554 5.2.1 The email account that you tried to reach is disabled",
        ),
        BounceClass::MailboxFull => class(
            "Mailbox full",
            "There is no room for more mail; the person has to make some.",
            "Nothing to do. Who never makes room has left the mailbox.",
            "452 4.2.2 The recipient's inbox is out of storage space",
        ),
        BounceClass::RecipientPolicy => class(
            "The recipient refuses",
            "This mailbox only takes mail from senders that its owner allows.",
            "Ask the person to allow your From address.",
            "550 5.7.133 The sender is not allowed to write to this group",
        ),
        _ => class(
            "The server will not relay",
            "The server does not know the recipient's domain as its own.",
            "If you send through a relay, check that it lets you send to other domains. Else the domain's MX points to the wrong server.",
            "550 5.7.1 Unable to relay",
        ),
    }
}

/// Something at the receiver that is neither the address nor the sender.
const fn receiver(of: BounceClass) -> ClassWords {
    match of {
        BounceClass::RemoteSystem => class(
            "Trouble at the receiver",
            "Their server has a problem of its own.",
            "Nothing to do but wait.",
            "451 4.3.0 Temporary lookup failure",
        ),
        BounceClass::Network => class(
            "No connection",
            "The server could not be reached.",
            "If it happens with all receivers, check this machine's network and firewall (port 25).",
            "Connection to mx.example.org timed out",
        ),
        BounceClass::RoutingLoop => class(
            "Mail runs in a circle",
            "The receiver's servers send the message round and round.",
            "Only the receiver's administrator can repair it.",
            "554 5.4.6 Too many hops",
        ),
        BounceClass::Expired => class(
            "Gave up after many tries",
            "The receiver said “later” until the time for trying was over.",
            "Look at the replies before the last one: they say what it waited for.",
            "Delivery time expired",
        ),
        BounceClass::Policy => class(
            "Refused by policy",
            "The receiver's own rules refuse this message.",
            "The reply says which rule, often with a link. Many such refusals at one provider are about the sender.",
            "550 5.7.1 Local rules do not allow this message",
        ),
        _ => class(
            "Not understood",
            "The server refused it in words that no rule knows.",
            "Read its words below. An admin can say what they mean, once for all that are alike.",
            "550 The gods are against this",
        ),
    }
}

/// How the sender stands with the receiver.
const fn standing(of: BounceClass) -> ClassWords {
    match of {
        BounceClass::IpBlocked => class(
            "Our sending address is blocked",
            "The receiver or a block list refuses the IP address that we send from.",
            "The reply names the list: follow its link to be taken off, and find out what put you on it.",
            "554 5.7.1 Service unavailable; client host [192.0.2.7] blocked using zen.spamhaus.example",
        ),
        BounceClass::ContentBlocked => class(
            "Taken for spam",
            "The receiver does not like the content.",
            "Look at wording, links and images, and send a test to yourself at this provider.",
            "550 5.7.1 Our system has detected that this message is likely unsolicited mail",
        ),
        BounceClass::Ptr => class(
            "Our server's name is not in order",
            "The reverse DNS entry (PTR) of the sending IP is missing or does not match.",
            "Set the PTR where you rent the IP address, to the host name of this server.",
            "550 5.7.25 The IP address sending this message does not have a PTR record",
        ),
        BounceClass::Authentication => class(
            "The sender could not be verified",
            "SPF, DKIM or DMARC of the From domain is not in order.",
            "Check the DNS records of the From domain.",
            "550 5.7.26 This message does not pass authentication checks (SPF and DKIM both failed)",
        ),
        BounceClass::TlsRequired => class(
            "Encryption is required",
            "The receiver only takes mail over an encrypted connection.",
            "Allow STARTTLS in the sending settings.",
            "530 5.7.0 Must issue a STARTTLS command first",
        ),
        _ => class(
            "The relay refused our password",
            "The relay that we send through did not let us in.",
            "Check user name and password in the sending settings.",
            "535 5.7.8 Authentication credentials invalid",
        ),
    }
}

/// How fast and how much we send.
const fn pace(of: BounceClass) -> ClassWords {
    match of {
        BounceClass::Throttled => class(
            "Slow down",
            "The receiver limits how fast we may send.",
            "Nothing to do: we slow down by ourselves, and nothing is lost.",
            "421 4.7.28 Unusual rate of mail originating from your IP address",
        ),
        BounceClass::TooManyConnections => class(
            "Too many connections",
            "The receiver wants fewer connections at once.",
            "Nothing to do: we adapt by ourselves.",
            "421 4.7.0 Too many concurrent SMTP connections",
        ),
        BounceClass::Greylist => class(
            "Come back later",
            "A test for strangers: servers that come back are let in.",
            "Nothing to do: we come back.",
            "451 4.7.1 Greylisted, please try again in 300 seconds",
        ),
        _ => class(
            "Enough for one connection",
            "The receiver wants fewer messages on one connection.",
            "Nothing to do: we adapt by ourselves.",
            "421 4.7.0 Too many messages in this session",
        ),
    }
}

/// The message as it was made.
const fn message(of: BounceClass) -> ClassWords {
    match of {
        BounceClass::TooBig => class(
            "Message too large",
            "The receiver takes no message of this size.",
            "Make the content smaller: fewer or lighter images.",
            "552 5.3.4 Message size exceeds fixed limit",
        ),
        BounceClass::Protocol => class(
            "We did not understand each other",
            "The receiver refused a command of ours.",
            "Please report this to us.",
            "503 5.5.1 Bad sequence of commands",
        ),
        BounceClass::ContentEncoding => class(
            "The receiver cannot read the encoding",
            "Its server is old and refuses this kind of message.",
            "Nothing to do but to write to the person in another way.",
            "554 5.6.3 Conversion required but not supported",
        ),
        BounceClass::Smtputf8Unsupported => class(
            "Address with special letters",
            "The receiver cannot take addresses with letters outside a to z.",
            "Ask the person for another address.",
            "553 5.6.7 Non-ASCII addresses not permitted",
        ),
        _ => class(
            "The message could not be made",
            "A merge tag failed for this person, and nothing was sent.",
            "Look at the person's fields and at the tags of the content.",
            "The template asks for a field that this person does not have",
        ),
    }
}

/// Classes that a person thinks of together.
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

/// What an action does, in a few words.
pub const fn action(of: BounceAction) -> &'static str {
    match of {
        BounceAction::Suppress => "Suppress at once",
        BounceAction::SecondTime => "Suppress 2nd time",
        BounceAction::Count => "Count; then hold",
        BounceAction::Nothing => "Leave alone",
    }
}

/// What an action does with a person, as a sentence.
pub fn action_sentence(of: BounceAction, limits: &BounceLimits) -> String {
    let days = |n: u16| count_of(i64::from(n), "day", "days");
    match of {
        BounceAction::Suppress => "The person is marked as bounced and the address suppressed, at once.".to_owned(),
        BounceAction::SecondTime => format!(
            "The first one only raises a doubt; a second one within {}, with nothing delivered in between, suppresses the address.",
            days(limits.second_within_days)
        ),
        BounceAction::Count if limits.hold_after == 0 => "It is counted, and nothing else follows.".to_owned(),
        BounceAction::Count => format!(
            "It is counted. {} in a row over at least {} put the address on hold; a delivered message or a click begins anew.",
            limits.hold_after,
            days(limits.hold_over_days)
        ),
        BounceAction::Nothing => "The person is left alone.".to_owned(),
    }
}

/// What followed: tone of the badge, a few words, a sentence.
pub const fn effect(of: ReportEffect) -> (&'static str, &'static str, &'static str) {
    use ReportEffect as E;
    match of {
        E::Suppressed => ("bad", "Suppressed", "The person is marked as bounced and the address is suppressed."),
        E::OnHold => ("warn", "On hold", "One soft bounce too many in a row: the address is put on hold."),
        E::Counted => ("warn", "Counted", "One more soft bounce in a row is counted."),
        E::Doubted => ("warn", "Doubted", "The first doubt about this address: a second one suppresses it."),
        E::Recorded => ("info", "Left alone", "The message has ended; the person is not touched."),
        E::Complained => ("bad", "Complained", "Unsubscribed from all lists, and suppressed for good."),
        E::Unsubscribed => ("info", "Unsubscribed", "The person asked for it by mail, and is off the lists."),
        E::Nothing => ("neutral", "No consequence", "It says nothing that would change anything."),
        E::Known => (
            "neutral",
            "Known already",
            "The message had ended before, or was never handed over: this changes nothing.",
        ),
        E::Test => ("neutral", "Test message", "It is about a test message: nobody is marked for it."),
        E::NotOurs => ("neutral", "Not ours", "No signed token of ours is in it, or a forged one: nothing follows."),
        E::Gone => ("neutral", "Not in the ledger", "Its message is not in the ledger any more."),
        E::TooLate => ("neutral", "Too late", "It came so long after the message that it is not believed."),
        E::SetAside => ("warn", "Set aside", "Reading it failed again and again. It is kept, and holds up nobody."),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_words_of_its_own() {
        let words = || BounceClass::ALL.iter().map(|of| class_words(*of));
        for part in [
            words().map(|w| w.title).collect::<Vec<_>>(),
            words().map(|w| w.meaning).collect(),
            words().map(|w| w.example).collect(),
        ] {
            let mut distinct = part.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), BounceClass::ALL.len(), "{part:?}");
        }
        assert!(words().all(|w| w.meaning.ends_with('.') && w.advice.ends_with('.') && !w.title.ends_with('.')));
    }

    #[test]
    fn each_example_is_a_reply_of_its_class() {
        use tidings_domain::{Phase, Reply};
        let said: Vec<_> = BounceClass::ALL
            .iter()
            .filter(|of| class_words(**of).example.starts_with(|c: char| c.is_ascii_digit()))
            .map(|of| {
                let reply = Reply::from_text(class_words(*of).example, 0);
                (*of, tidings_bounce::classify(Phase::Rcpt, &reply, "").class)
            })
            .collect();
        let wrong: Vec<_> = said.iter().filter(|(of, found)| of != found).collect();
        assert!(said.len() > 20 && wrong.is_empty(), "{wrong:?}");
    }

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

    #[test]
    fn an_action_is_told_with_the_limits_in_force() {
        let limits = BounceLimits { second_within_days: 1, hold_after: 5, ..BounceLimits::default() };
        assert!(action_sentence(BounceAction::SecondTime, &limits).contains("within 1 day,"));
        assert!(action_sentence(BounceAction::Count, &limits).contains("5 in a row over at least 30 days"));
        let never = BounceLimits { hold_after: 0, ..limits };
        assert_eq!(action_sentence(BounceAction::Count, &never), "It is counted, and nothing else follows.");
    }
}
