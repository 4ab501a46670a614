use tidings_domain::EmailAddress;

use super::{finding, text_of};
use crate::mailer::not_an_address;
use crate::{Content, Finding, Level};

/// Inboxes show 40 to 70 characters of a subject.
const LONG_SUBJECT_CHARS: usize = 90;
/// Words in capitals shout only when there are some.
const MIN_SHOUTED_LETTERS: usize = 8;

/// Providers that refuse mail from their own domains when others send it (DMARC `p=reject` or `quarantine`).
const FREE_MAIL: [&str; 18] = [
    "aol.com",
    "gmail.com",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "mac.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "outlook.com",
    "proton.me",
    "web.de",
    "yahoo.com",
    "yandex.ru",
];

pub(super) fn check_sender(draft: &Content, findings: &mut Vec<Finding>) {
    if draft.from_email.trim().is_empty() {
        findings.push(finding(
            Level::Block,
            "no-from",
            "from_email",
            "There is no sender address",
            "Write the address the message comes from.",
        ));
    } else {
        match EmailAddress::parse(&draft.from_email) {
            Ok(address) => findings.extend(free_mail(&address)),
            Err(error) => findings.push(not_an_address(&draft.from_email, "from_email", error)),
        }
    }
    if !draft.reply_to.trim().is_empty() {
        findings.extend(
            EmailAddress::parse(&draft.reply_to).err().map(|error| not_an_address(&draft.reply_to, "reply_to", error)),
        );
    }
    if draft.from_name.trim().is_empty() {
        findings.push(finding(
            Level::Info,
            "no-from-name",
            "from_name",
            "There is no sender name",
            "Inboxes show the bare address instead of a name that readers know.",
        ));
    }
    if draft.postal_address.trim().is_empty() {
        findings.push(finding(
            Level::Block,
            "no-postal-address",
            "postal_address",
            "Your postal address is missing",
            "Commercial mail must name it (CAN-SPAM and similar laws). Write it once under Settings, Organisation; {{ postal_address }} shows it.",
        ));
    }
}

fn free_mail(address: &EmailAddress) -> Option<Finding> {
    let domain = address.domain();
    let is_free = FREE_MAIL.contains(&domain) || domain.starts_with("yahoo.") || domain.starts_with("hotmail.");
    is_free.then(|| {
        finding(
            Level::Warn,
            "free-mail-from",
            "from_email",
            format!("Mail from {domain} that {domain} did not send is refused"),
            "Its owner publishes a DMARC policy that tells others to reject such mail. Send from a domain of your own.",
        )
    })
}

pub(super) fn check_subject(draft: &Content, findings: &mut Vec<Finding>) {
    let subject = draft.subject.trim();
    if subject.is_empty() {
        findings.push(finding(Level::Block, "no-subject", "subject", "The subject is empty", "Write a subject."));
        return;
    }
    let words: String = text_of(subject);
    let letters = words.chars().filter(|c| c.is_alphabetic()).count();
    if letters >= MIN_SHOUTED_LETTERS && !words.chars().any(char::is_lowercase) && words.chars().any(char::is_uppercase)
    {
        findings.push(finding(
            Level::Warn,
            "shouting-subject",
            "subject",
            "The subject is all in capitals",
            "Filters and readers take that for spam.",
        ));
    }
    let lower = subject.to_lowercase();
    if ["re:", "fw:", "fwd:", "aw:", "sv:"].iter().any(|prefix| lower.starts_with(prefix)) {
        findings.push(finding(
            Level::Warn,
            "fake-reply",
            "subject",
            "The subject pretends to be a reply",
            "Providers forbid “Re:” and “Fwd:” on mail that answers nothing.",
        ));
    }
    if subject.chars().count() > LONG_SUBJECT_CHARS {
        findings.push(finding(
            Level::Info,
            "long-subject",
            "subject",
            "The subject is long",
            "Inboxes show about 60 characters, phones about 40.",
        ));
    }
}
