use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// A string as IMAP quotes it (RFC 3501 §4.3). Line ends were refused with the configuration.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The name of a folder as it goes over the wire: UTF-7 in IMAP's own way (RFC 3501 §5.1.3), quoted.
pub(super) fn folder(name: &str) -> String {
    let (mut out, mut beyond) = (String::new(), Vec::new());
    for c in name.chars() {
        if !matches!(c, ' '..='~') {
            beyond.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
            continue;
        }
        flush(&mut beyond, &mut out);
        out.push(c);
        if c == '&' {
            out.push('-');
        }
    }
    flush(&mut beyond, &mut out);
    quoted(&out)
}

fn flush(beyond: &mut Vec<u8>, out: &mut String) {
    if !beyond.is_empty() {
        out.push('&');
        out.push_str(&STANDARD_NO_PAD.encode(&beyond).replace('/', ","));
        out.push('-');
        beyond.clear();
    }
}

/// Back again, for people to read. What is no UTF-7 stays as it is.
pub(super) fn readable(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('&') {
        let Some((shifted, behind)) = after.split_once('-') else { break };
        let Some(text) = unshifted(shifted) else { break };
        out.push_str(before);
        out.push_str(&text);
        rest = behind;
    }
    out + rest
}

fn unshifted(shifted: &str) -> Option<String> {
    if shifted.is_empty() {
        return Some("&".to_owned());
    }
    let octets = STANDARD_NO_PAD.decode(shifted.replace(',', "/")).ok()?;
    let units: Vec<u16> = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok()
}

/// Numbers as a set, neighbours joined (RFC 3501 §9, sequence-set). The numbers are in ascending order.
pub(super) fn set(numbers: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let shown = ranges.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}:{b}") });
    shown.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_go_to_the_wire_and_back() {
        for (name, wire) in [
            ("INBOX", "\"INBOX\""),
            ("Gelöschte Objekte", "\"Gel&APY-schte Objekte\""),
            ("A & B", "\"A &- B\""),
            ("say \"hi\" \\", "\"say \\\"hi\\\" \\\\\""),
            ("~peter/mail/台北/日本語", "\"~peter/mail/&U,BTFw-/&ZeVnLIqe-\""),
            ("😀", "\"&2D3eAA-\""),
        ] {
            assert_eq!(folder(name), wire);
            let inside = wire[1..wire.len() - 1].replace("\\\"", "\"").replace("\\\\", "\\");
            assert_eq!(readable(&inside), name);
        }
        for odd in ["&", "a&b", "&!!-", "&AA-"] {
            let _ = readable(odd);
        }
    }

    #[test]
    fn neighbours_are_joined() {
        assert_eq!(set(&[1, 2, 3, 5, 7, 8, u32::MAX]), "1:3,5,7:8,4294967295");
        assert_eq!(set(&[]), "");
    }
}
