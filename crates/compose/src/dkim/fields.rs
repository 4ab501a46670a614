use mail_auth::common::headers::HeaderStream;

/// Fields that are signed when they are there, and once more than they are there: nobody can add a second one above ours that a reader
/// would show instead (RFC 6376 §5.4, §8.15). Those of one-click unsubscribe belong here by RFC 8058 §4.
pub(super) const SEALED: [&str; 11] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "MIME-Version",
    "Content-Type",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// Fields that are signed when they are there. Where one is not, whoever forwards the message may add his own.
pub(super) const SIGNED: [&str; 4] = ["Sender", "Content-Transfer-Encoding", "List-Id", "Feedback-ID"];

/// E-mail services that take our mail as a relay write these anew, and a signature over the old ones would break.
pub(super) const REWRITTEN_BY_SERVICES: [&str; 2] = ["Date", "Message-ID"];

/// Whether the message has a field of this name.
pub(super) fn has(message: &[u8], name: &str) -> bool {
    let mut fields = Fields::of(message);
    std::iter::from_fn(|| fields.next_header()).any(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
}

/// The header fields of a canonical message, and then its body.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }
}

impl<'a> HeaderStream<'a> for Fields<'a> {
    fn next_header(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        if self.rest.starts_with(b"\r\n") {
            self.rest = &self.rest[2..];
            return None;
        }
        let end = field_end(self.rest);
        let (field, rest) = self.rest.split_at(end);
        let colon = field.iter().position(|octet| *octet == b':')?;
        self.rest = rest;
        Some((&field[..colon], &field[colon + 1..]))
    }

    fn body(&mut self) -> &'a [u8] {
        self.rest
    }
}

/// Behind the line end that no folded line follows (RFC 5322 §2.2.3).
fn field_end(text: &[u8]) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|octet| *octet == b'\n') {
        from += at + 1;
        if !matches!(text.get(from), Some(b' ' | b'\t')) {
            return from;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> (Vec<(String, String)>, String) {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let mut fields = Fields::of(message.as_bytes());
        let mut found = Vec::new();
        while let Some((name, value)) = fields.next_header() {
            found.push((text(name), text(value)));
        }
        (found, text(fields.body()))
    }

    #[test]
    fn fields_end_where_no_fold_follows() {
        let (fields, body) = read("A: 1\r\n\t2\r\nB:\r\n 3:4\r\n\r\nC: no field\r\n");
        let expected = [("A", " 1\r\n\t2\r\n"), ("B", "\r\n 3:4\r\n")];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(body, "C: no field\r\n");
        assert_eq!(read("A: 1").0.len(), 1);
        assert_eq!(read("").0.len(), 0);
    }
}
