use memchr::memchr;

use super::decode::{Encoding, decode};
use super::fields::{Fields, trim_line};
use super::to_text;

/// Multiparts within multiparts; what lies deeper is text of the innermost one.
const MAX_DEPTH: usize = 8;
const MAX_PARTS: usize = 64;
/// RFC 2046 §5.1.1 allows 70.
const MAX_BOUNDARY_BYTES: usize = 200;
/// Octets of one part that are decoded.
const MAX_DECODED_BYTES: usize = 256 * 1024;

/// A leaf: a part that holds no parts, or whose parts are not looked at.
pub(crate) struct Part<'a> {
    /// Lower case, without parameters: `text/plain`.
    pub kind: String,
    charset: Option<String>,
    encoding: Encoding,
    body: &'a [u8],
}

impl<'a> Part<'a> {
    fn new(fields: &Fields<'a>, kind: String) -> Self {
        let content_type = fields.get("Content-Type").unwrap_or_default();
        Self {
            charset: parameter(&content_type, "charset"),
            encoding: Encoding::of(&fields.get("Content-Transfer-Encoding").unwrap_or_default()),
            kind,
            body: &[],
        }
    }

    /// What the part holds, freed from its transfer encoding; bounded.
    pub fn bytes(&self) -> std::borrow::Cow<'a, [u8]> {
        decode(self.encoding, &self.body[..self.body.len().min(MAX_DECODED_BYTES)])
    }

    pub fn text(&self) -> String {
        to_text(&self.bytes(), self.charset.as_deref()).into_owned()
    }
}

/// The leaf parts in their order. Never opens a message within the mail.
pub(crate) fn parts<'a>(fields: &Fields<'a>, body: &'a [u8]) -> Vec<Part<'a>> {
    let mut walk = Walk { open: Vec::new(), leaves: Vec::new(), start: None, body };
    walk.begin(fields, 0);
    let mut at = 0;
    while at < body.len() && walk.leaves.len() < MAX_PARTS {
        let end = memchr(b'\n', &body[at..]).map_or(body.len(), |n| at + n + 1);
        let line = &body[at..end];
        at = match line.starts_with(b"--").then(|| walk.boundary(trim_line(line))).flatten() {
            Some(depth) => walk.next_part(depth, trim_line(line), at, end),
            None => end,
        };
    }
    walk.close(body.len());
    if walk.leaves.is_empty() {
        // A multipart none of whose boundaries is there.
        walk.leaf(fields, "text/plain".to_owned(), 0);
        walk.close(body.len());
    }
    walk.leaves
}

struct Walk<'a> {
    /// The boundaries of the multiparts we are in, the innermost last.
    open: Vec<Vec<u8>>,
    leaves: Vec<Part<'a>>,
    /// Where the last leaf's body begins, while it is open.
    start: Option<usize>,
    body: &'a [u8],
}

impl<'a> Walk<'a> {
    /// A part begins, its body at `at`. A multipart without a boundary is read as text.
    fn begin(&mut self, fields: &Fields<'a>, at: usize) {
        let content_type = fields.get("Content-Type").unwrap_or_default();
        let kind = content_type.split([';', ' ', '\t']).next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind.starts_with("multipart/") && self.open.len() < MAX_DEPTH {
            let boundary = parameter(&content_type, "boundary").map(String::into_bytes).unwrap_or_default();
            if !boundary.is_empty() && boundary.len() <= MAX_BOUNDARY_BYTES {
                self.open.push(boundary);
                return;
            }
        }
        let kind = if kind.is_empty() || kind.starts_with("multipart/") { "text/plain".to_owned() } else { kind };
        self.leaf(fields, kind, at);
    }

    fn leaf(&mut self, fields: &Fields<'a>, kind: String, at: usize) {
        self.leaves.push(Part::new(fields, kind));
        self.start = Some(at);
    }

    /// Which open multipart the line `--boundary` or `--boundary--` belongs to.
    fn boundary(&self, line: &[u8]) -> Option<usize> {
        let rest = &line[2..];
        let is = |b: &Vec<u8>| rest == b.as_slice() || rest.strip_suffix(b"--") == Some(b.as_slice());
        self.open.iter().rposition(is)
    }

    /// Ends what is open below `depth`, and reads the header of the next part. Gives where to go on.
    fn next_part(&mut self, depth: usize, line: &[u8], at: usize, end: usize) -> usize {
        self.close(at);
        self.open.truncate(depth + 1);
        if line.len() > self.open[depth].len() + 2 {
            self.open.truncate(depth);
            return end;
        }
        let (fields, rest) = Fields::read(&self.body[end..]);
        let start = self.body.len() - rest.len();
        self.begin(&fields, start);
        start
    }

    fn close(&mut self, end: usize) {
        if let (Some(start), Some(leaf)) = (self.start.take(), self.leaves.last_mut()) {
            leaf.body = &self.body[start.min(end)..end];
        }
    }
}

/// A parameter of a field such as `multipart/report; boundary="x"` (RFC 2045 §5.1).
pub(crate) fn parameter(value: &str, name: &str) -> Option<String> {
    for item in value.split(';').skip(1) {
        let Some((key, _)) = item.split_once('=') else { continue };
        if key.trim().eq_ignore_ascii_case(name) {
            // From the whole value: a quoted string may hold a semicolon.
            let from = item.as_ptr().addr() - value.as_ptr().addr() + key.len() + 1;
            let raw = value[from..].trim_start();
            return Some(match raw.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
                None => raw.split([';', ' ', '\t', '(']).next().unwrap_or_default().to_owned(),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mail;

    #[test]
    fn parts_are_found_through_nesting_and_missing_ends() {
        let mail =
            b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/report;\n boundary=\"b;c\"\n\n\
            --b;c\n\none\n--b;c\nContent-Type: message/rfc822\n\nSubject: x\n--a\nContent-Type: text/html\n\n<p>two";
        let mail = Mail::read(mail);
        let found: Vec<(&str, String)> = mail.parts.iter().map(|p| (p.kind.as_str(), p.text())).collect();
        assert_eq!(
            found,
            [
                ("text/plain", "one\n".to_owned()),
                ("message/rfc822", "Subject: x\n".to_owned()),
                ("text/html", "<p>two".to_owned())
            ]
        );
    }

    #[test]
    fn parameters_are_read_however_they_are_written() {
        assert_eq!(parameter("a/b; x=1; Boundary = \"q;r\" ; z", "boundary").as_deref(), Some("q;r"));
        assert_eq!(parameter("a/b; charset=utf-8 (comment)", "charset").as_deref(), Some("utf-8"));
        assert_eq!(parameter("a/b; boundary", "boundary"), None);
    }

    #[test]
    fn a_multipart_without_a_boundary_is_text() {
        for header in ["multipart/mixed", "multipart/mixed; boundary=x"] {
            let mail = format!("Content-Type: {header}\n\nhello");
            let mail = Mail::read(mail.as_bytes());
            assert_eq!((mail.parts[0].kind.as_str(), mail.parts[0].text().as_str()), ("text/plain", "hello"));
        }
    }
}
