//! Header fields: lettre folds and encodes them (RFC 5322 §2.2.3, RFC 2047), and nothing reaches it that could end a line.

use chrono::{DateTime, Utc};
use lettre::Address;
use lettre::message::Mailbox;
use lettre::message::header::{From, Header, Headers, ReplyTo, Subject, To};
use tidings_domain::{EmailAddress, UnixMs};

/// ASCII without a space cannot be folded: these keep every line under the 998 octets of RFC 5322 §2.1.1.
const MAX_NAME_CHARS: usize = 150;
const MAX_SUBJECT_CHARS: usize = 500;
const MAX_LIST_SLUG_CHARS: usize = 40;

/// What goes into a header as text: one line, no control or invisible direction characters, single spaces, cut at a limit.
pub(crate) fn one_line(text: &str, max_chars: usize) -> String {
    let parts = |c: char| c.is_whitespace() || c.is_control() || is_direction_control(c);
    let mut line = String::with_capacity(text.len().min(4 * max_chars));
    for word in text.split(parts).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(max_chars) {
        Some((end, _)) => line[..end].trim_end().to_owned(),
        None => line,
    }
}

/// Overrides of writing direction make a name read as another.
fn is_direction_control(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

pub(crate) fn subject(text: &str) -> String {
    one_line(text, MAX_SUBJECT_CHARS)
}

pub(crate) fn subject_field(text: &str) -> String {
    field(Subject::from(subject(text)))
}

pub(crate) fn from_field(name: &str, address: &EmailAddress) -> String {
    field(From::from(lettre::message::Mailboxes::from(mailbox(name, address))))
}

pub(crate) fn reply_to_field(address: &EmailAddress) -> String {
    field(ReplyTo::from(lettre::message::Mailboxes::from(mailbox("", address))))
}

pub(crate) fn to_field(name: &str, address: &EmailAddress) -> String {
    field(To::from(lettre::message::Mailboxes::from(mailbox(name, address))))
}

fn mailbox(name: &str, address: &EmailAddress) -> Mailbox {
    let name = one_line(name, MAX_NAME_CHARS);
    // EmailAddress is stricter than lettre's own check.
    let address = Address::new_dangerous(address.local(), address.domain());
    Mailbox::new((!name.is_empty()).then_some(name), address)
}

fn field<H: Header>(header: H) -> String {
    let mut headers = Headers::with_capacity(1);
    headers.set(header);
    headers.to_string()
}

/// RFC 2919: a name that stays the same as long as the list has its name, in a name space of our own.
pub(crate) fn list_id_field(list_name: &str, namespace: &str) -> String {
    let slug = slug(list_name);
    let shown = one_line(list_name, MAX_NAME_CHARS).replace(['"', '\\'], "");
    if shown.is_empty() || !shown.is_ascii() {
        return format!("List-Id: <{slug}.{namespace}>\r\n");
    }
    format!("List-Id: \"{shown}\"\r\n <{slug}.{namespace}>\r\n")
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars().take(MAX_LIST_SLUG_CHARS) {
        match character.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "list".to_owned() } else { slug.to_owned() }
}

/// RFC 5322 §3.3, in UTC.
pub(crate) fn date_field(at: UnixMs) -> String {
    let at: DateTime<Utc> = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    format!("Date: {}\r\n", at.to_rfc2822())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).expect("an address")
    }

    #[test]
    fn names_cannot_end_a_line() {
        assert_eq!(one_line("  Ana\r\nBcc: x@y\0\u{202e}\t z ", 99), "Ana Bcc: x@y z");
        assert_eq!(one_line("abcdef", 3), "abc");
        let field = to_field("Ana\r\nBcc: evil@example.org", &address("a@example.org"));
        assert_eq!(field, "To: =?utf-8?b?QW5hIEJjYzogZXZpbEBleGFtcGxlLm9yZw==?= <a@example.org>\r\n");
        assert_eq!(from_field("", &address("a@example.org")), "From: a@example.org\r\n");
    }

    #[test]
    fn a_list_has_a_name_that_stays() {
        assert_eq!(
            list_id_field("Spring \"News\"!", "k.lists.example"),
            "List-Id: \"Spring News!\"\r\n <spring-news.k.lists.example>\r\n"
        );
        assert_eq!(list_id_field("Nyhetsbrev på norsk", "k.x"), "List-Id: <nyhetsbrev-p-norsk.k.x>\r\n");
        assert_eq!(list_id_field("新聞", "k.x"), "List-Id: <list.k.x>\r\n");
    }

    #[test]
    fn dates_are_in_utc() {
        assert_eq!(date_field(UnixMs(1_795_429_805_123)), "Date: Mon, 23 Nov 2026 10:30:05 +0000\r\n");
    }
}
