//! A mail on the wire of SMTP or POP3: lines, each leading dot doubled, a line with one dot at the end.

use memchr::memchr2;

/// Takes a mail apart as it comes in, in pieces of any size, and keeps its head.
///
/// There is one end only, `CRLF.CRLF` (RFC 5321 §4.1.1.4), of which the first CRLF may be that of the command. Every
/// other line ending, alone or around a dot, is text; it is remembered, so that the server can refuse the mail: what one
/// server takes for an end and the next does not is how a second mail is smuggled inside the first (CVE-2023-51764).
#[derive(Debug)]
pub(crate) struct Dotted {
    state: State,
    kept: Vec<u8>,
    keep_at_most: usize,
    size: u64,
    line: u64,
    longest_line: u64,
    bare: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    LineStart,
    /// A dot at the start of a line: the end, or a doubled one.
    Dot,
    DotCr,
    Text,
    Cr,
}

/// What a piece of input came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// Octets that belong to the mail and its end; the rest is not its matter.
    pub used: usize,
    pub ended: bool,
}

/// A mail that has come to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// The head, as many octets as were to be kept.
    pub kept: Vec<u8>,
    /// Octets of the whole, without what the wire added.
    pub size: u64,
    pub longest_line: u64,
    /// There is a CR without LF or an LF without CR in it.
    pub bare: bool,
}

impl Dotted {
    pub fn new(keep_at_most: usize) -> Self {
        Self { state: State::LineStart, kept: Vec::new(), keep_at_most, size: 0, line: 0, longest_line: 0, bare: false }
    }

    /// Octets so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn finish(self) -> Received {
        Received { kept: self.kept, size: self.size, longest_line: self.longest_line, bare: self.bare }
    }

    pub fn push(&mut self, input: &[u8]) -> Pushed {
        let mut at = 0;
        while at < input.len() {
            let octet = input[at];
            match (self.state, octet) {
                (State::LineStart, b'.') => self.state = State::Dot,
                (State::LineStart | State::Text, _) => {
                    at += self.text(&input[at..]);
                    continue;
                }
                (State::Dot, b'\r') => self.state = State::DotCr,
                (State::DotCr, b'\n') => {
                    self.state = State::LineStart;
                    return Pushed { used: at + 1, ended: true };
                }
                (State::Cr, b'\n') => self.end_line(),
                // The dot was a doubled one: it is gone, and this octet is read again as text (RFC 5321 §4.5.2).
                (State::Dot, _) => {
                    self.state = State::Text;
                    continue;
                }
                (State::DotCr | State::Cr, _) => {
                    self.bare_cr();
                    continue;
                }
            }
            at += 1;
        }
        Pushed { used: at, ended: false }
    }

    /// Takes text up to and with the next octet that may end a line. Returns how many octets that was.
    fn text(&mut self, input: &[u8]) -> usize {
        let Some(at) = memchr2(b'\r', b'\n', input) else {
            self.keep(input);
            self.state = State::Text;
            return input.len();
        };
        if input[at] == b'\r' {
            self.keep(&input[..at]);
            self.state = State::Cr;
        } else {
            self.keep(&input[..=at]);
            self.bare = true;
            self.state = State::Text;
        }
        at + 1
    }

    fn end_line(&mut self) {
        self.keep(b"\r\n");
        self.line = 0;
        self.state = State::LineStart;
    }

    /// The CR that came before was no part of a CRLF.
    fn bare_cr(&mut self) {
        self.keep(b"\r");
        self.bare = true;
        self.state = State::Text;
    }

    fn keep(&mut self, octets: &[u8]) {
        let room = self.keep_at_most - self.kept.len();
        self.kept.extend_from_slice(&octets[..octets.len().min(room)]);
        self.size += octets.len() as u64;
        self.line += octets.len() as u64;
        self.longest_line = self.longest_line.max(self.line);
    }
}

#[cfg(test)]
mod tests {
    use memchr::memmem;
    use proptest::prelude::*;

    use super::*;

    const KEEP: usize = 64;

    /// The same by another way: looks for the end in the whole, then at the line endings, then takes the dots away.
    fn by_hand(input: &[u8]) -> Option<(Received, usize)> {
        let with_command = [b"\r\n", input].concat();
        let end = memmem::find(&with_command, b"\r\n.\r\n")?;
        let stuffed = &with_command[2..(end + 2).max(2)];
        let without_pairs: Vec<u8> = String::from_utf8_lossy(stuffed).replace("\r\n", "").into_bytes();
        let bare = without_pairs.iter().any(|b| matches!(b, b'\r' | b'\n'));
        let mut mail = Vec::new();
        let mut rest = stuffed;
        while !rest.is_empty() {
            let line_end = memmem::find(rest, b"\r\n").map_or(rest.len(), |at| at + 2);
            mail.extend_from_slice(rest[..line_end].strip_prefix(b".").unwrap_or(&rest[..line_end]));
            rest = &rest[line_end..];
        }
        let size = mail.len() as u64;
        mail.truncate(KEEP);
        Some((Received { kept: mail, size, longest_line: 0, bare }, end + 5 - 2))
    }

    fn in_pieces(input: &[u8], cuts: &[usize]) -> Option<(Received, usize)> {
        let mut dotted = Dotted::new(KEEP);
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        for piece in cuts.windows(2) {
            let pushed = dotted.push(&input[piece[0]..piece[1]]);
            if pushed.ended {
                return Some((Received { longest_line: 0, ..dotted.finish() }, piece[0] + pushed.used));
            }
            assert_eq!(pushed.used, piece[1] - piece[0]);
        }
        None
    }

    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), Just(0), any::<u8>()];
        let piece = prop_oneof![
            prop::collection::vec(octet, 0..4),
            Just(b"\r\n".to_vec()),
            Just(b"\r\n..".to_vec()),
            Just(b"\r\n.\r\n".to_vec()),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_octets_in_any_pieces_end_where_they_end_and_say_what_they_say(
            input in hostile(),
            cuts in prop::collection::vec(any::<usize>(), 0..6),
        ) {
            prop_assert_eq!(in_pieces(&input, &cuts), by_hand(&input));
        }

        #[test]
        fn a_mail_comes_out_as_it_went_in(lines in prop::collection::vec("[ -~]{0,30}", 0..30), cut in any::<usize>()) {
            let mail: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let wire: String = lines.iter()
                .map(|line| if line.starts_with('.') { format!(".{line}\r\n") } else { format!("{line}\r\n") })
                .chain([".\r\nMAIL".to_owned()]).collect();
            let (received, used) = in_pieces(wire.as_bytes(), &[cut]).expect("it has an end");
            prop_assert_eq!(used, wire.len() - 4);
            prop_assert_eq!(received.size, mail.len() as u64);
            prop_assert!(!received.bare);
            prop_assert_eq!(&received.kept[..], &mail.as_bytes()[..mail.len().min(KEEP)]);
        }
    }

    #[test]
    fn the_longest_line_is_known_although_no_line_is_held() {
        let mut dotted = Dotted::new(KEEP);
        dotted.push(&[b'a'; 5000]);
        dotted.push(b"\r\nshort\r\n.\r\n");
        let received = dotted.finish();
        assert_eq!((received.longest_line, received.size, received.kept.len()), (5002, 5009, KEEP));
    }
}
