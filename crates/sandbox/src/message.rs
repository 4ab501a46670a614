use memchr::{memchr_iter, memmem};

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
    fn texts_are_told_apart() {
        let texts = ["", "a", "b", "ab", "ba", "12345678", "12345679", "123456781", "\0", "\0\0"];
        let prints: std::collections::HashSet<_> = texts.iter().map(|t| fingerprint(t.as_bytes())).collect();
        assert_eq!(prints.len(), texts.len());
    }
}
