//! Quoted-printable (RFC 2045 §6.7), our own because it is most of what a message costs: the bodies are encoded for every recipient.

/// RFC 2045 §6.7 rule 5.
const MAX_LINE: usize = 76;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Octets that stand for themselves.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'=';
        byte += 1;
    }
    plain[b'\t' as usize] = true;
    plain
};

/// Appends the text with CRLF at the end of every line, the last too, whatever line ends it had. No line is longer than 76 octets.
pub(crate) fn encode(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + text.len() / 8);
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        encode_line(&rest[..end], out);
        out.extend_from_slice(b"\r\n");
        let ending = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = rest.get(end + ending..).unwrap_or_default();
    }
}

fn encode_line(line: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    let mut at = 0;
    while at < line.len() {
        if column == 0 && line[at..].starts_with(b"From ") {
            // A mailbox file would write ">From" and break the signature.
            escape(b'F', out);
            (at, column) = (at + 1, 3);
            continue;
        }
        let plain = line[at..].iter().take(MAX_LINE).take_while(|byte| PLAIN[usize::from(**byte)]).count();
        // White space at the end of a line does not survive transport (rule 3).
        let ends_in_space = at + plain == line.len() && plain > 0 && matches!(line[line.len() - 1], b' ' | b'\t');
        let run = plain - usize::from(ends_in_space);
        let (width, is_run) = if run > 0 { (run, true) } else { (3, false) };
        // One column stays free for the "=" of a soft break.
        let room = MAX_LINE - 1 - column;
        if is_run {
            let taken = width.min(room);
            out.extend_from_slice(&line[at..at + taken]);
            (at, column) = (at + taken, column + taken);
        } else if width <= room {
            escape(line[at], out);
            (at, column) = (at + 1, column + width);
        }
        let full = if is_run { at < line.len() && column >= MAX_LINE - 1 } else { width > room };
        if full {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &str) -> String {
        let mut out = Vec::new();
        encode(text, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    /// A decoder written from RFC 2045, for the tests.
    fn decoded(encoded: &str) -> Vec<u8> {
        let joined = encoded.replace("=\r\n", "");
        let mut octets = Vec::new();
        let mut rest = joined.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            if *first == b'=' {
                let hex = std::str::from_utf8(&after[..2]).expect("hex");
                octets.push(u8::from_str_radix(hex, 16).expect("hex"));
                rest = &after[2..];
            } else {
                octets.push(*first);
                rest = after;
            }
        }
        octets
    }

    #[test]
    fn lines_are_canonical() {
        assert_eq!(encoded("a=b\nc \r\nd\re"), "a=3Db\r\nc=20\r\nd\r\ne\r\n");
        assert_eq!(encoded("é\t"), "=C3=A9=09\r\n");
        assert_eq!(encoded("From me\nFrom"), "=46rom me\r\nFrom\r\n");
        assert_eq!(encoded(""), "");
        assert_eq!(encoded("\n\n"), "\r\n\r\n");
        assert_eq!(encoded(&"x".repeat(80)), format!("{}=\r\n{}\r\n", "x".repeat(75), "x".repeat(5)));
        assert_eq!(encoded(&"x".repeat(75)), format!("{}\r\n", "x".repeat(75)));
        assert_eq!(encoded(&format!("{}  ", "x".repeat(74))), format!("{} =\r\n=20\r\n", "x".repeat(74)));
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "[ -~\t\r\n=é😀.F\u{0}-\u{8}]{0,400}") {
            let encoded = encoded(&text);
            prop_assert!(encoded.split("\r\n").all(|line| line.len() <= MAX_LINE && line.bytes().all(|b| PLAIN[usize::from(b)] || b == b'=')));
            prop_assert!(encoded.split("\r\n").all(|line| !line.ends_with([' ', '\t']) && !line.starts_with("From ")));
            let mut canonical = text.replace("\r\n", "\n").replace('\r', "\n");
            if !canonical.is_empty() && !canonical.ends_with('\n') { canonical.push('\n'); }
            prop_assert_eq!(decoded(&encoded), canonical.replace('\n', "\r\n").into_bytes());
        }
    }
}
