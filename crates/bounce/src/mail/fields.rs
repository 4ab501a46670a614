use std::borrow::Cow;

use memchr::memchr;

use super::decode::to_text;

/// Header fields of one part that are kept; what comes after is skipped.
const MAX_FIELDS: usize = 400;
/// Octets of one field's value that are kept.
const MAX_VALUE_BYTES: usize = 8 * 1024;
/// Octets of a line that can still be a field's name and colon.
const MAX_NAME_BYTES: usize = 80;

/// The header fields of a mail or part, in their order (RFC 5322 §2.2), as slices of it.
#[derive(Default)]
pub(crate) struct Fields<'a> {
    list: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Fields<'a> {
    /// Reads up to the empty line, and gives what follows it. A line that can be no field ends the header as well:
    /// many a gateway forgets the empty line.
    pub fn read(bytes: &'a [u8]) -> (Self, &'a [u8]) {
        let mut list = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let line = line_at(bytes, at);
            let bare = trim_line(line);
            if bare.is_empty() {
                at += line.len();
                break;
            }
            let end = end_of_folded(bytes, at + line.len());
            match field(bare, &bytes[at..end]) {
                Some(found) if list.len() < MAX_FIELDS => list.push(found),
                Some(_) => {}
                // "From MAILER-DAEMON Mon Jan …": a mailbox's separator, perhaps escaped.
                None if list.is_empty() && is_mbox_line(bare) => {}
                None => break,
            }
            at = end;
        }
        (Self { list }, &bytes[at..])
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The first field of that name, unfolded; the name's case does not matter.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).map(unfold)
    }

    /// The first field of that name, with its folds.
    pub fn raw(&self, name: &str) -> Option<&'a [u8]> {
        self.list.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| *value)
    }

    /// All fields of that name, unfolded.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Cow<'a, str>> + 's {
        self.list.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| unfold(value))
    }
}

/// With its line end; the rest where there is none.
fn line_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = &bytes[at..];
    memchr(b'\n', rest).map_or(rest, |end| &rest[..=end])
}

pub(crate) fn trim_line(line: &[u8]) -> &[u8] {
    line.trim_ascii_end()
}

/// Where the continuation lines from `at` on end. A continuation of blanks alone ends the header, as many programs
/// write it so.
fn end_of_folded(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t')) {
        let line = line_at(bytes, at);
        if trim_line(line).is_empty() {
            break;
        }
        at += line.len();
    }
    at
}

/// `first` is the first line, `whole` all of the field's lines.
fn field<'a>(first: &'a [u8], whole: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let colon = memchr(b':', &first[..first.len().min(MAX_NAME_BYTES)])?;
    let name = first[..colon].trim_ascii_end();
    let good = !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic());
    let value = &whole[colon + 1..];
    good.then(|| (name, value[..value.len().min(MAX_VALUE_BYTES)].trim_ascii()))
}

fn is_mbox_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

fn unfold(value: &[u8]) -> Cow<'_, str> {
    match to_text(value, None) {
        text if !text.contains('\n') => text,
        text => Cow::Owned(text.lines().map(str::trim).collect::<Vec<_>>().join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unfolded_and_the_body_follows_the_empty_line() {
        let (fields, body) = Fields::read(b"From x Mon\r\nTo: a\r\n\tb\r\nsubject : c: d\r\n\r\nbody: 1\r\n");
        assert_eq!(fields.get("to").unwrap(), "a b");
        assert_eq!(fields.get("Subject").unwrap(), "c: d");
        assert_eq!(body, b"body: 1\r\n");
    }

    #[test]
    fn a_line_that_is_no_field_ends_the_header() {
        let (fields, body) = Fields::read(b"To: a\nHello there\nMore: of it\n");
        assert_eq!(fields.all("to").count(), 1);
        assert!(fields.get("more").is_none() && body.starts_with(b"Hello"));
    }
}
