/// The longest path: what RFC 5321 §4.5.3.1.3 allows, doubled, for addresses that carry a token.
const MAX_PATH_OCTETS: usize = 512;

/// What stands between angle brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// Without its brackets; empty for `<>`.
    pub text: &'a str,
    /// Has more than one way to be read: a source route, a `%` or a `!` in the local part.
    pub is_routed: bool,
}

/// Reads `<path>` and returns what follows it. `None` when there is no path of a sane form.
pub(super) fn parse(text: &str) -> Option<(Path<'_>, &str)> {
    let inside = text.strip_prefix('<')?;
    let end = unquoted(inside, |octet| octet == b'>').next()?;
    let (path, rest) = (&inside[..end], &inside[end + 1..]);
    if path.len() > MAX_PATH_OCTETS || path.contains(char::is_control) {
        return None;
    }
    if unquoted(path, |octet| matches!(octet, b' ' | b'<')).next().is_some() {
        return None;
    }
    let local_end = unquoted(path, |octet| octet == b'@').last().unwrap_or(path.len());
    if local_end == 0 && !path.is_empty() {
        return None;
    }
    let is_routed = path.starts_with('@') || path[..local_end].contains(['%', '!', '@']);
    Some((Path { text: path, is_routed }, rest))
}

/// Where `wanted` octets stand outside of quoted strings (RFC 5321 §4.1.2, Quoted-string).
fn unquoted(text: &str, wanted: impl Fn(u8) -> bool) -> impl Iterator<Item = usize> {
    let mut quoted = false;
    let mut escaped = false;
    text.bytes().enumerate().filter_map(move |(at, octet)| {
        let literal = quoted;
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        (!literal && wanted(octet)).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, bool, &str)>) {
        let parsed = parse(text).map(|(path, rest)| (path.text, path.is_routed, rest));
        assert_eq!(parsed, expected, "{text}");
    }

    #[test]
    fn a_path_is_what_stands_between_its_brackets() {
        check("<>", Some(("", false, "")));
        check("<b-1@bounce.example> SIZE=1", Some(("b-1@bounce.example", false, " SIZE=1")));
        check("<postmaster>", Some(("postmaster", false, "")));
        check(r#"<"a>b @c"@d.example>x"#, Some((r#""a>b @c"@d.example"#, true, "x")));
        check(r#"<"a\">b"@d.example>"#, Some((r#""a\">b"@d.example"#, false, "")));
        check("<jürgen@bücher.example>", Some(("jürgen@bücher.example", false, "")));
    }

    #[test]
    fn a_path_that_is_none_is_not_read() {
        for text in ["", "a@b", "<a@b", "<a b@c>", "<a\t@b>", "<<a@b>>", "<@b>", r#"<"a@b>"#, "< >"] {
            check(text, None);
        }
        check(&format!("<{}@b>", "a".repeat(511)), None);
    }

    #[test]
    fn every_old_way_to_make_a_server_relay_is_seen() {
        for text in
            ["<@a.example:b@c.example>", "<a%b.example@c.example>", "<b.example!a@c.example>", "<a@b@c>", "<a%b>"]
        {
            assert!(parse(text).is_some_and(|(path, _)| path.is_routed), "{text}");
        }
    }
}
