use memchr::memchr;

/// RFC 5321 §6.3 asks for a threshold of at least 100.
const MAX_HOPS: usize = 100;

/// Whether a mail has come through more servers than there can be on any way to us.
pub(super) fn is_looping(mail: &[u8]) -> bool {
    header_lines(mail).filter(|line| is_received(line)).take(MAX_HOPS + 1).count() > MAX_HOPS
}

fn header_lines(mail: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = mail;
    std::iter::from_fn(move || {
        let end = memchr(b'\n', rest)? + 1;
        let (line, after) = rest.split_at(end);
        rest = after;
        (line != b"\r\n").then_some(line)
    })
}

fn is_received(line: &[u8]) -> bool {
    line.get(.."received:".len()).is_some_and(|name| name.eq_ignore_ascii_case(b"received:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_counted_in_the_header_only() {
        let hops = |n: usize| "Received: from a\r\n\tby b\r\n".repeat(n);
        assert!(!is_looping(hops(100).as_bytes()));
        assert!(is_looping(hops(101).replace("Received", "RECEIVED").as_bytes()));
        assert!(!is_looping(format!("{}Subject: x\r\n\r\n{}", hops(3), hops(500)).as_bytes()));
        assert!(!is_looping(b"Received: with no end of a line"));
    }
}
