//! What each class means, and what to do about it.

use tidings_domain::{BounceClass, Word};

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
}
