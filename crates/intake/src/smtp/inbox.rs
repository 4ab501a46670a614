use memchr::memchr2;

/// A command line with all its extensions: 512 octets (RFC 5321 §4.5.3.1.4), and room for the longest path and
/// parameters (RFC 1870, 3461, 6531).
pub(super) const MAX_LINE_OCTETS: usize = 2048;

/// What has been read from the client and was not yet used.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
}

/// What the inbox begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line of so many octets without its CRLF.
    Whole(usize),
    NeedsMore,
    /// It is longer than any command.
    TooLong,
    /// A CR or LF without the other.
    Bare,
}

impl Inbox {
    pub fn is_empty(&self) -> bool {
        self.unread().is_empty()
    }

    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    pub fn advance(&mut self, octets: usize) {
        self.start += octets;
        debug_assert!(self.start <= self.buffer.len());
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    /// Where to read to. What was used before makes room.
    pub fn space(&mut self) -> &mut Vec<u8> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        &mut self.buffer
    }

    pub fn line(&self) -> Line {
        let unread = self.unread();
        let end = memchr2(b'\r', b'\n', unread).unwrap_or(unread.len());
        if end > MAX_LINE_OCTETS {
            return Line::TooLong;
        }
        match (unread.get(end), unread.get(end + 1)) {
            (None, _) | (Some(b'\r'), None) => Line::NeedsMore,
            (Some(b'\r'), Some(b'\n')) => Line::Whole(end),
            _ => Line::Bare,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(octets: &[u8]) -> Line {
        Inbox { buffer: octets.to_vec(), start: 0 }.line()
    }

    #[test]
    fn a_line_ends_with_crlf_and_nothing_else() {
        assert_eq!(line(b"NOOP\r\nQUIT"), Line::Whole(4));
        assert_eq!(line(b"\r\n"), Line::Whole(0));
        for unfinished in [&b""[..], b"NOOP", b"NOOP\r"] {
            assert_eq!(line(unfinished), Line::NeedsMore);
        }
        for bare in [&b"NOOP\nQUIT\r\n"[..], b"NOOP\rQUIT\r\n", b"NOOP\r\r\n", b"\n"] {
            assert_eq!(line(bare), Line::Bare);
        }
        assert_eq!(line(&[b'a'; MAX_LINE_OCTETS]), Line::NeedsMore);
        assert_eq!(line(&[b'a'; MAX_LINE_OCTETS + 1]), Line::TooLong);
    }

    #[test]
    fn what_was_used_is_gone() {
        let mut inbox = Inbox::default();
        inbox.space().extend_from_slice(b"NOOP\r\nQUI");
        inbox.advance(6);
        inbox.space().extend_from_slice(b"T\r\n");
        assert_eq!((inbox.unread(), inbox.line()), (&b"QUIT\r\n"[..], Line::Whole(4)));
        inbox.advance(6);
        assert!(inbox.is_empty());
    }
}
