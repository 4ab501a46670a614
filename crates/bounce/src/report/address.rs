use memchr::memchr_iter;

/// RFC 5321 §4.5.3.1 and some room for encoded addresses.
const MAX_LOCAL_BYTES: usize = 128;
const MAX_DOMAIN_BYTES: usize = 255;

/// A quote, a list's dash; brackets of Japanese notices.
const BEFORE: [char; 9] = ['\'', '.', '-', '=', '/', '*', '`', '|', '\u{300c}'];
/// A sentence's end.
const AFTER: [char; 6] = ['.', '-', '_', '\u{300d}', '\u{3001}', '\u{3002}'];

/// The e-mail addresses within a text, with their place in it.
pub(super) fn addresses(text: &str) -> impl Iterator<Item = (usize, &str)> {
    memchr_iter(b'@', text.as_bytes()).filter_map(|at| around(text, at))
}

/// The first address of a field's value.
pub(super) fn first_address(text: &str) -> Option<String> {
    addresses(text).next().map(|(_, address)| address.to_owned())
}

fn around(text: &str, at: usize) -> Option<(usize, &str)> {
    let bytes = text.as_bytes();
    let from = bytes[..at].iter().rev().take(MAX_LOCAL_BYTES).take_while(|b| is_local(**b)).count();
    let to = bytes[at + 1..].iter().take(MAX_DOMAIN_BYTES).take_while(|b| is_domain(**b)).count();
    let whole = text.get(at - from..=at + to)?;
    let late = whole.trim_start_matches(BEFORE);
    let address = without_words(late).trim_end_matches(AFTER);
    let (local, domain) = address.split_once('@')?;
    (!local.is_empty() && !domain.is_empty()).then(|| (at - from + whole.len() - late.len(), address))
}

/// Scripts without spaces run on behind an address: `ana@example.jp您好` ends at its last label's first foreign letter.
fn without_words(address: &str) -> &str {
    let last = address.rfind('.').map_or(0, |dot| dot + 1);
    let foreign = address[last..].find(|c: char| !c.is_ascii()).filter(|at| *at > 0);
    foreign.map_or(address, |at| &address[..last + at])
}

/// RFC 5322 §3.2.3 atext and the dot; octets of UTF-8 (RFC 6531).
const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte >= 0x80
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~')
}

const fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'-' | b'.' | b'_')
}

/// `utf-8; ana\x{e9}@example.org` (RFC 6533 §3): the address without its type, and its escapes read.
pub(super) fn typed_address(value: &str) -> Option<String> {
    let address = value.split_once(';').map_or(value, |(_, address)| address);
    let address = address.trim().trim_matches(['<', '>', '"', '\'', ' ']);
    let address = if address.contains("\\x{") { unescape(address) } else { address.to_owned() };
    (!address.is_empty()).then(|| first_address(&address).unwrap_or(address))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("\\x{") {
        let (before, tail) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = tail.find('}') else {
            rest = tail;
            break;
        };
        match u32::from_str_radix(&tail[3..end], 16).ok().and_then(char::from_u32) {
            Some(character) => out.push(character),
            None => out.push_str(&tail[..=end]),
        }
        rest = &tail[end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_sentences() {
        let text = "To <ana@example.org>, 'bob+x@b.example'. @ none@ @none x@y. z@b.jp您好 é@müller.de";
        let found: Vec<&str> = addresses(text).map(|(_, a)| a).collect();
        assert_eq!(found, ["ana@example.org", "bob+x@b.example", "x@y", "z@b.jp", "é@müller.de"]);
        for (at, address) in addresses(text) {
            assert_eq!(&text[at..at + address.len()], address);
        }
    }

    #[test]
    fn typed_addresses_lose_their_type_and_escapes() {
        assert_eq!(typed_address("rfc822; <ana@example.org>").as_deref(), Some("ana@example.org"));
        assert_eq!(typed_address(r"utf-8; \x{e9}ric@example.org").as_deref(), Some("éric@example.org"));
        assert_eq!(typed_address("x-local;ana").as_deref(), Some("ana"));
        assert_eq!(typed_address("rfc822;"), None);
    }
}
