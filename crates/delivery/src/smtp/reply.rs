use tidings_domain::Reply;

/// RFC 5321 §4.5.3.1.5 allows 512 octets; real servers write longer ones.
const MAX_LINE_OCTETS: usize = 4 * 1024;
const MAX_LINES: usize = 128;
const MAX_REPLY_OCTETS: usize = 64 * 1024;

/// What stands at the start of the bytes received so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A whole reply, and how many octets it took.
    Reply { reply: Reply, used: usize },
    /// Not all of it has come yet.
    NeedsMore,
    /// No SMTP reply, or one beyond all measure; in words.
    Garbage(String),
}

/// Reads one reply (RFC 5321 §4.2), of one line or several, from the start of `bytes`.
///
/// Lenient where real servers are sloppy: a bare LF ends a line, the code may stand without text, and lines may carry
/// different codes, of which the last counts. Strict in size: the caps make an endless reply end.
#[must_use]
pub fn parse_reply(bytes: &[u8]) -> Parsed {
    let mut lines = Vec::new();
    let mut used = 0;
    loop {
        let rest = &bytes[used..];
        let Some(end) = memchr::memchr(b'\n', &rest[..rest.len().min(MAX_LINE_OCTETS)]) else {
            return if rest.len() >= MAX_LINE_OCTETS {
                Parsed::Garbage(format!("a reply line longer than {MAX_LINE_OCTETS} octets"))
            } else {
                unfinished(rest)
            };
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let Some((code, more, text)) = split_line(line) else {
            return Parsed::Garbage(format!("not an SMTP reply: {}", printable(&line[..line.len().min(120)])));
        };
        used += end + 1;
        lines.push(printable(text));
        if !more {
            return Parsed::Reply { reply: Reply::new(code, lines), used };
        }
        if lines.len() >= MAX_LINES || used >= MAX_REPLY_OCTETS {
            return Parsed::Garbage(format!("a reply of more than {MAX_LINES} lines or {MAX_REPLY_OCTETS} octets"));
        }
    }
}

/// Says early that a line will never be a reply, so that an HTTP or SSH server is not waited for.
fn unfinished(rest: &[u8]) -> Parsed {
    if rest.iter().take(3).all(u8::is_ascii_digit) {
        Parsed::NeedsMore
    } else {
        Parsed::Garbage(format!("not an SMTP reply: {}", printable(&rest[..rest.len().min(120)])))
    }
}

/// Code, whether more lines follow, and text.
fn split_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let mut code = 0;
    for digit in digits {
        code = code * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    if !(200..600).contains(&code) {
        return None;
    }
    match rest.split_first() {
        None => Some((code, false, b"")),
        Some((b' ', text)) => Some((code, false, text)),
        Some((b'-', text)) => Some((code, true, text)),
        Some(_) => None,
    }
}

/// The text as it came, but for what no log or database should meet: invalid UTF-8 and control characters (a NUL
/// cannot be stored in PostgreSQL) become U+FFFD.
fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    if text.chars().any(|c| c.is_control() && c != '\t') {
        text.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect()
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(bytes: &[u8]) -> (u16, Vec<String>, usize) {
        match parse_reply(bytes) {
            Parsed::Reply { reply, used } => (reply.code, reply.lines, used),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_line_and_many() {
        assert_eq!(reply(b"250 2.0.0 ok\r\n"), (250, vec!["2.0.0 ok".to_owned()], 14));
        assert_eq!(reply(b"250\r\n250 x\r\n"), (250, vec![String::new()], 5));
        let (code, lines, _) = reply(b"550-5.1.1 no such\r\n550-5.1.1  user\r\n550 5.1.1 here\r\n");
        assert_eq!((code, lines), (550, vec!["5.1.1 no such".into(), "5.1.1  user".into(), "5.1.1 here".into()]));
    }

    #[test]
    fn sloppy_servers_are_understood() {
        assert_eq!(reply(b"250 ok\n").0, 250);
        assert_eq!(reply(b"421-a\r\n450 b\r\n").0, 450);
        assert_eq!(reply(b"550 \xff\0x\r\n").1, vec!["\u{fffd}\u{fffd}x".to_owned()]);
    }

    #[test]
    fn partial_replies_wait_and_garbage_does_not() {
        for partial in [&b""[..], b"2", b"250", b"250-x\r\n", b"250-x\r\n25"] {
            assert_eq!(parse_reply(partial), Parsed::NeedsMore, "{partial:?}");
        }
        for garbage in [&b"HTTP/1.1 400\r\n"[..], b"SSH", b"\r\n", b"150 x\r\n", b"600 x\r\n", b"250x\r\n", b"25\r\n"] {
            assert!(matches!(parse_reply(garbage), Parsed::Garbage(_)), "{garbage:?}");
        }
    }

    #[test]
    fn nothing_is_endless() {
        assert!(matches!(parse_reply(&[b'2'; MAX_LINE_OCTETS]), Parsed::Garbage(_)));
        assert!(matches!(parse_reply(&b"250-x\r\n".repeat(MAX_LINES)), Parsed::Garbage(_)));
        let wide = [b"250-".as_slice(), &[b'x'; 2000], b"\r\n"].concat().repeat(40);
        assert!(matches!(parse_reply(&wide), Parsed::Garbage(_)));
    }
}
