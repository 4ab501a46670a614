use std::fmt::Write as _;

use memchr::{memchr_iter, memmem};
use sha2::{Digest, Sha256};

/// The longest line of text, its CRLF included (RFC 5321 §4.5.3.1.6).
pub const MAX_TEXT_LINE_OCTETS: usize = 1_000;

/// What is wrong with a message's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadLine {
    /// CR or LF alone (RFC 5321 §2.3.8).
    BareNewline,
    TooLong,
}

/// Takes the dots off that transparency put on (RFC 5321 §4.5.2) and checks the lines. `wire` is the text up to and
/// with the CRLF before the final dot.
pub fn unstuff(wire: &[u8]) -> Result<Vec<u8>, BadLine> {
    let mut text = Vec::with_capacity(wire.len());
    let mut rest = wire;
    while let Some(end) = line_end(rest)? {
        let line = &rest[..end];
        text.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        rest = &rest[end..];
    }
    Ok(text)
}

/// The length of the first line, CRLF included.
fn line_end(text: &[u8]) -> Result<Option<usize>, BadLine> {
    if text.is_empty() {
        return Ok(None);
    }
    let end = memchr::memchr(b'\n', text).ok_or(BadLine::BareNewline)? + 1;
    let line = &text[..end];
    if !line.ends_with(b"\r\n") || memchr_iter(b'\r', line).count() != 1 {
        return Err(BadLine::BareNewline);
    }
    if end > MAX_TEXT_LINE_OCTETS { Err(BadLine::TooLong) } else { Ok(Some(end)) }
}

/// The value of the Message-ID field; empty if there is none.
pub fn message_id(text: &[u8]) -> String {
    const FIELD: &[u8] = b"message-id:";
    let head = &text[..memmem::find(text, b"\r\n\r\n").unwrap_or(text.len())];
    let mut lines = head.split(|b| *b == b'\n');
    let field = lines.find(|line| line.get(..FIELD.len()).is_some_and(|name| name.eq_ignore_ascii_case(FIELD)));
    field.map_or_else(String::new, |line| String::from_utf8_lossy(&line[FIELD.len()..]).trim().to_owned())
}

/// Header fields that are other ones at each attempt, though the message is the same.
const OF_THE_ATTEMPT: &[&[u8]] = &[b"date", b"dkim-signature"];

/// SHA-256, in hex, of a message without the header fields that belong to its attempt. Composed again, a message has the same.
#[must_use]
pub fn content_hash(text: &[u8]) -> String {
    let (head, body) = text.split_at(memmem::find(text, b"\r\n\r\n").map_or(text.len(), |end| end + 2));
    let mut hash = Sha256::new();
    let mut passed_over = false;
    for line in head.split_inclusive(|octet| *octet == b'\n') {
        // A folded line belongs to the field above it (RFC 5322 §2.2.3).
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|octet| *octet == b':').next().unwrap_or_default();
            passed_over = OF_THE_ATTEMPT.iter().any(|field| name.eq_ignore_ascii_case(field));
        }
        if !passed_over {
            hash.update(line);
        }
    }
    hash.update(body);
    hash.finalize().iter().fold(String::new(), |mut hex, octet| {
        let _ = write!(hex, "{octet:02x}");
        hex
    })
}

/// A number that tells two texts apart: quick, and no defence against who wants two alike.
pub fn fingerprint(text: &[u8]) -> u64 {
    let (words, tail) = text.as_chunks::<8>();
    let start = text.len() as u64;
    let hash = words.iter().fold(start, |hash, word| step(hash, u64::from_le_bytes(*word)));
    crate::habit::mix(tail.iter().fold(hash, |hash, byte| step(hash, u64::from(*byte))))
}

const fn step(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_come_off_once() {
        assert_eq!(unstuff(b"..a\r\n...\r\na.\r\n"), Ok(b".a\r\n..\r\na.\r\n".to_vec()));
        assert_eq!(unstuff(b""), Ok(Vec::new()));
    }

    #[test]
    fn only_whole_newlines_pass() {
        for text in ["a\nb\r\n", "a\rb\r\n", "a\r\r\n", "\n", "a"] {
            assert_eq!(unstuff(text.as_bytes()), Err(BadLine::BareNewline), "{text:?}");
        }
        let longest = [&[b'x'; 998][..], b"\r\n"].concat();
        assert_eq!(unstuff(&longest).map(|t| t.len()), Ok(1_000));
        assert_eq!(unstuff(&[b"x", &longest[..]].concat()), Err(BadLine::TooLong));
    }

    #[test]
    fn the_message_id_is_found_in_the_head_only() {
        assert_eq!(message_id(b"Subject: x\r\nMESSAGE-id: <a@b>\r\n\r\n"), "<a@b>");
        assert_eq!(message_id(b"Subject: x\r\n\r\nMessage-ID: <a@b>\r\n"), "");
    }

    #[test]
    fn a_message_composed_again_has_the_same_content() {
        let first = b"Date: Mon\r\nDKIM-Signature: v=1;\r\n b=x\r\nSubject: a\r\n\r\nDate: body\r\n";
        let again = b"Date: Tue\r\nSubject: a\r\n\r\nDate: body\r\n";
        assert_eq!(content_hash(first), content_hash(again));
        for other in [&b"Subject: b\r\n\r\nDate: body\r\n"[..], b"Subject: a\r\n\r\nDate: other\r\n", b"Subject: a\r\n"]
        {
            assert_ne!(content_hash(first), content_hash(other));
        }
        assert_eq!(content_hash(b"").len(), 64);
    }

    #[test]
    fn texts_are_told_apart() {
        let texts = ["", "a", "b", "ab", "ba", "12345678", "12345679", "123456781", "\0", "\0\0"];
        let prints: std::collections::HashSet<_> = texts.iter().map(|t| fingerprint(t.as_bytes())).collect();
        assert_eq!(prints.len(), texts.len());
    }
}
