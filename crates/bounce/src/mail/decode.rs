use std::borrow::Cow;

use encoding_rs::{Encoding as Charset, WINDOWS_1252};

/// Content-Transfer-Encoding (RFC 2045 §6), as far as it changes octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    QuotedPrintable,
    Base64,
}

impl Encoding {
    pub fn of(name: &str) -> Self {
        match name.trim() {
            n if n.eq_ignore_ascii_case("quoted-printable") => Self::QuotedPrintable,
            n if n.eq_ignore_ascii_case("base64") => Self::Base64,
            _ => Self::Plain,
        }
    }
}

/// Lenient: what is not of the encoding is passed over or kept, never an error.
pub(crate) fn decode(encoding: Encoding, bytes: &[u8]) -> Cow<'_, [u8]> {
    match encoding {
        Encoding::Plain => Cow::Borrowed(bytes),
        Encoding::QuotedPrintable => Cow::Owned(quoted_printable(bytes)),
        Encoding::Base64 => Cow::Owned(base64(bytes)),
    }
}

pub(super) fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at + 1..];
        let (octet, used) = match rest {
            [b'\r', b'\n', ..] if byte == b'=' => (None, 3),
            [b'\n', ..] if byte == b'=' => (None, 2),
            [high, low, ..] if byte == b'=' => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (Some(high << 4 | low), 3),
                _ => (Some(byte), 1),
            },
            _ => (Some(byte), 1),
        };
        out.extend(octet);
        at += used;
    }
    out
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Up to the first padding; characters outside of the alphabet are passed over (RFC 2045 §6.8).
pub(super) fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for &byte in bytes {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = (bits << 6 | u32::from(six)) & 0x00ff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}

/// Text of octets whose charset may lie: ISO-2022 by its escapes, UTF-8 where it is valid, else what is declared, else
/// windows-1252, which takes any octet.
pub(crate) fn to_text<'a>(bytes: &'a [u8], declared: Option<&str>) -> Cow<'a, str> {
    let charset = || declared.and_then(|name| Charset::for_label(name.as_bytes()));
    let escapes = memchr::memchr(0x1b, bytes).is_some();
    if escapes {
        return charset().filter(|c| !c.is_single_byte()).unwrap_or(encoding_rs::ISO_2022_JP).decode(bytes).0;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => match charset() {
            Some(charset) if charset != encoding_rs::UTF_8 => charset.decode(bytes).0,
            // A long part that was cut within a character is UTF-8 still.
            Some(_) => String::from_utf8_lossy(bytes),
            None => WINDOWS_1252.decode(bytes).0,
        },
    }
}

/// The text of an HTML part: tags become breaks, the few entities that notices use are read.
pub(crate) fn plain_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let tag = &rest[open..];
        // "<ana@example.org>" written without entities is an address, no tag.
        let Some(close) = tag.find('>') else {
            rest = "";
            break;
        };
        let inner = &tag[1..close];
        if inner.contains('@') && !inner.contains([' ', '"', '=']) {
            out.push_str(&tag[..=close]);
        } else if is_break(inner) {
            out.push('\n');
        }
        rest = if is_unseen(inner) { after_unseen(&tag[close + 1..]) } else { &tag[close + 1..] };
    }
    out.push_str(rest);
    entities(&out)
}

fn is_break(tag: &str) -> bool {
    let name = tag.trim_start_matches('/').split([' ', '/', '\n', '\r', '\t']).next().unwrap_or_default();
    ["br", "p", "div", "tr", "td", "li", "h1", "h2", "h3", "table", "pre"].iter().any(|b| name.eq_ignore_ascii_case(b))
}

fn is_unseen(tag: &str) -> bool {
    let starts = |name: &str| tag.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name));
    starts("style") || starts("script") || starts("title")
}

/// After the next closing tag: what stands in a style or script is never shown.
fn after_unseen(rest: &str) -> &str {
    rest.find("</").map_or("", |end| &rest[end..])
}

fn entities(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let pairs = [("&nbsp;", " "), ("&#160;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'")];
    let text = pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_read_leniently() {
        assert_eq!(quoted_printable(b"a=3Db=\r\nc=\nd=zz="), b"a=bcd=zz=");
        assert_eq!(base64(b"SGVs\r\nbG8*=garbage"), b"Hello");
    }

    #[test]
    fn a_charset_that_lies_is_found_out() {
        assert_eq!(to_text("é".as_bytes(), Some("us-ascii")), "é");
        assert_eq!(to_text(b"\xe9", Some("no-such")), "é");
        assert_eq!(to_text(b"\x1b$B%f\x1b(B", Some("us-ascii")), "ユ");
    }

    #[test]
    fn html_becomes_lines() {
        let html = "<style>a{b}</style><p>Hi&nbsp;<b>you</b><br/><ana@example.org> a &lt; b &amp;lt; <unclosed";
        assert_eq!(plain_text(html).trim(), "Hi you\n<ana@example.org> a < b &lt;");
    }
}
