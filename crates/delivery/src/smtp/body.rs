use std::io::IoSlice;

/// The message is not what may go over the wire; in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotCanonical {
    #[error("the message is empty")]
    Empty,
    #[error("the message does not end with CRLF")]
    NoFinalCrlf,
    #[error("the message has a CR or LF that stands alone")]
    BareLineBreak,
    #[error("the message has a NUL")]
    Nul,
}

/// Checks that every line ends in CRLF and that no CR or LF stands alone (RFC 5321 §2.3.8).
///
/// The composer writes this form, so nothing is repaired here: a repair would break the signature. But a bare LF or CR
/// that passes can end the message early at a lax server and begin a second one (SMTP smuggling), hence the check, on
/// the last line of defence, for every message.
pub(crate) fn check_canonical(message: &[u8]) -> Result<(), NotCanonical> {
    if message.is_empty() {
        return Err(NotCanonical::Empty);
    }
    if !message.ends_with(b"\r\n") {
        return Err(NotCanonical::NoFinalCrlf);
    }
    // When each LF follows a CR and there are as many CRs, each CR has its LF.
    let mut breaks = 0;
    for at in memchr::memchr_iter(b'\n', message) {
        if at == 0 || message[at - 1] != b'\r' {
            return Err(NotCanonical::BareLineBreak);
        }
        breaks += 1;
    }
    if memchr::memchr_iter(b'\r', message).count() != breaks {
        return Err(NotCanonical::BareLineBreak);
    }
    if memchr::memchr(0, message).is_some() {
        return Err(NotCanonical::Nul);
    }
    Ok(())
}

/// The message as the slices to write, without its last CRLF, which belongs to the final dot.
///
/// A line that begins with a dot gets a second one (RFC 5321 §4.5.2). Nothing is copied: a slice ends with the dot, and
/// the next one begins with the same dot.
pub(crate) fn stuffed(message: &[u8]) -> Vec<IoSlice<'_>> {
    let message = message.strip_suffix(b"\r\n").unwrap_or(message);
    let mut slices = Vec::with_capacity(1);
    let mut from = 0;
    if message.first() == Some(&b'.') {
        slices.push(IoSlice::new(&message[..1]));
    }
    for at in memchr::memmem::find_iter(message, b"\r\n.") {
        slices.push(IoSlice::new(&message[from..at + 3]));
        from = at + 2;
    }
    if from < message.len() {
        slices.push(IoSlice::new(&message[from..]));
    }
    slices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(message: &[u8]) -> Vec<u8> {
        stuffed(message).iter().flat_map(|s| s.to_vec()).collect()
    }

    #[test]
    fn only_canonical_messages_pass() {
        use NotCanonical as N;
        for good in [&b"\r\n"[..], b"a\r\n", b"a\r\n\r\nb\r\n", b".\r\n.\r\n", "é\r\n".as_bytes()] {
            assert_eq!(check_canonical(good), Ok(()), "{good:?}");
        }
        assert_eq!(check_canonical(b""), Err(N::Empty));
        assert_eq!(check_canonical(b"a"), Err(N::NoFinalCrlf));
        assert_eq!(check_canonical(b"a\n"), Err(N::NoFinalCrlf));
        assert_eq!(check_canonical(b"a\0\r\n"), Err(N::Nul));
    }

    #[test]
    fn every_known_smuggling_ending_is_refused() {
        // What lax servers have taken for the end of data.
        for ending in
            ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\n.\r", "\r\n\0.\r\n", "\r\r\n.\r\r\n"]
        {
            let message = format!("Subject: x\r\n\r\nhello{ending}MAIL FROM:<a@b.example>\r\n");
            assert!(check_canonical(message.as_bytes()).is_err(), "{ending:?}");
        }
    }

    #[test]
    fn dots_at_line_starts_are_doubled() {
        assert_eq!(wire(b".a\r\n..b\r\n c.\r\n.\r\n"), b"..a\r\n...b\r\n c.\r\n..");
        assert_eq!(wire(b"\r\n.\r\n"), b"\r\n..");
        assert_eq!(wire(b"\r\n"), b"");
        assert_eq!(stuffed(b"plain\r\ntext\r\n").len(), 1);
    }
}
