/// Why something was not taken. Each is counted, and each has one reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    UnknownRecipient,
    /// The domain of a recipient is not ours.
    Relay,
    /// A recipient with a source route, `%` or `!`: ways of the past to make a server relay.
    Route,
    RecipientSyntax,
    SenderSyntax,
    /// Octets beyond ASCII in an address, without SMTPUTF8 (RFC 6531 §3.4).
    NotAscii,
    Argument,
    Parameter,
    UnknownCommand,
    Sequence,
    NoRecipients,
    TooManyRecipients,
    TooLarge,
    LongTextLine,
    /// More `Received` fields than any way to us has hops.
    Loop,
    /// The mailroom could not store the mail.
    Trouble,
    /// A CR or LF alone, in a command or a mail: how mails are smuggled.
    LineEnding,
    /// Octets before their time: behind DATA, or behind STARTTLS in the clear (CVE-2011-0411).
    EarlyTalk,
    LongCommandLine,
    /// A browser, or a chunk that would be read as commands.
    NotSmtp,
    TooManyErrors,
    TooManyCommands,
    TooManyMails,
    TooManyConnections,
    TooSlow,
    TlsFailed,
    Stopping,
}

impl Refused {
    pub const ALL: [Self; 27] = [
        Self::UnknownRecipient,
        Self::Relay,
        Self::Route,
        Self::RecipientSyntax,
        Self::SenderSyntax,
        Self::NotAscii,
        Self::Argument,
        Self::Parameter,
        Self::UnknownCommand,
        Self::Sequence,
        Self::NoRecipients,
        Self::TooManyRecipients,
        Self::TooLarge,
        Self::LongTextLine,
        Self::Loop,
        Self::Trouble,
        Self::LineEnding,
        Self::EarlyTalk,
        Self::LongCommandLine,
        Self::NotSmtp,
        Self::TooManyErrors,
        Self::TooManyCommands,
        Self::TooManyMails,
        Self::TooManyConnections,
        Self::TooSlow,
        Self::TlsFailed,
        Self::Stopping,
    ];

    /// For the label of a metric.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.word_and_reply().0
    }

    /// The whole reply line, without its CRLF.
    pub(super) fn reply(self) -> &'static str {
        self.word_and_reply().1
    }

    fn word_and_reply(self) -> (&'static str, &'static str) {
        match self {
            Self::UnknownRecipient => ("unknown_recipient", "550 5.1.1 This address takes no mail"),
            Self::Relay => ("relay", "550 5.7.1 Relaying denied: the domain is not ours"),
            Self::Route => ("route", "550 5.7.1 Relaying denied: no source routes, % or ! in addresses"),
            Self::RecipientSyntax => ("recipient_syntax", "501 5.1.3 Write RCPT TO:<address>"),
            Self::SenderSyntax => ("sender_syntax", "501 5.1.7 Write MAIL FROM:<address> or MAIL FROM:<>"),
            Self::NotAscii => ("not_ascii", "553 5.6.7 Addresses beyond ASCII need SMTPUTF8 in MAIL"),
            Self::Argument => ("argument", "501 5.5.4 Wrong or missing argument"),
            Self::Parameter => ("parameter", "555 5.5.4 Parameter not recognised or not implemented"),
            Self::UnknownCommand => ("unknown_command", "502 5.5.1 Command not implemented"),
            Self::Sequence => ("sequence", "503 5.5.1 Bad sequence of commands"),
            Self::NoRecipients => ("no_recipients", "554 5.5.1 No valid recipients"),
            Self::TooManyRecipients => ("too_many_recipients", "452 4.5.3 Too many recipients; send the rest apart"),
            Self::TooLarge => ("too_large", "552 5.3.4 Message too large"),
            Self::LongTextLine => ("long_text_line", "554 5.6.0 A line of the message is too long"),
            Self::Loop => ("loop", "554 5.4.6 Routing loop: too many Received fields"),
            Self::Trouble => ("trouble", "451 4.3.0 The message cannot be stored now; try again later"),
            Self::LineEnding => ("line_ending", "550 5.5.2 CR and LF must only come together (RFC 5321 2.3.8)"),
            Self::EarlyTalk => ("early_talk", "554 5.5.0 Wait for the reply before you go on"),
            Self::LongCommandLine => ("long_command_line", "500 5.5.2 Line too long"),
            Self::NotSmtp => ("not_smtp", "500 5.5.1 This is an SMTP server without CHUNKING"),
            Self::TooManyErrors => ("too_many_errors", "421 4.7.0 Too many errors; goodbye"),
            Self::TooManyCommands => ("too_many_commands", "421 4.7.0 Too many commands without a message; goodbye"),
            Self::TooManyMails => ("too_many_mails", "421 4.7.0 Enough for one connection; please connect again"),
            Self::TooManyConnections => ("too_many_connections", "421 4.7.0 Too many connections; try again later"),
            Self::TooSlow => ("too_slow", "421 4.4.2 Time is over; goodbye"),
            Self::TlsFailed => ("tls_failed", "454 4.7.0 TLS failed"),
            Self::Stopping => ("stopping", "421 4.3.2 The server is stopping; try again later"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_stands_at_its_place_with_a_word_of_its_own_and_a_negative_reply() {
        let mut words = HashSet::new();
        for (at, reason) in Refused::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at, "{reason:?}");
            assert!(words.insert(reason.word()), "{reason:?}");
            let reply = reason.reply();
            assert!(matches!(reply.as_bytes()[0], b'4' | b'5') && reply[4..].starts_with(&reply[..1]), "{reply}");
            assert!(reply.is_ascii() && reply.len() < 500 && !reply.contains(['\r', '\n']));
        }
    }
}
