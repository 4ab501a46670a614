use std::borrow::Cow;

/// The longest link we redirect to; browsers and mail clients handle no more.
pub(crate) const MAX_URL_BYTES: usize = 8 * 1024;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The host of an `http` or `https` URL; None when what stands between the scheme and the first `/`, `?` or `#` is not a host and
/// nothing else: a user name, a merge tag. Of a template with a host, no value can change where it leads.
pub(crate) fn host(url: &str) -> Option<&str> {
    let rest = strip_scheme(url, "https://").or_else(|| strip_scheme(url, "http://"))?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    is_host(host).then_some(host)
}

pub(crate) fn is_plain_http(url: &str) -> bool {
    strip_scheme(url, "http://").is_some()
}

fn strip_scheme<'a>(url: &'a str, scheme: &str) -> Option<&'a str> {
    let (head, rest) = url.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn is_host(authority: &str) -> bool {
    let (name, port) = authority.rsplit_once(':').unwrap_or((authority, "0"));
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    !name.is_empty() && name.chars().all(good) && !name.starts_with('.') && port.parse::<u16>().is_ok()
}

/// What cannot stand in a `Location` header, percent-encoded; what is encoded already stays.
pub(crate) fn encode_for_header(url: &str) -> Cow<'_, str> {
    encode(url, |byte| {
        byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
    })
}

/// A value as one piece of a path or a query (RFC 3986 §2.3: only unreserved characters stay).
pub(crate) fn encode_component(text: &str) -> Cow<'_, str> {
    encode(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

fn encode(text: &str, stays: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if text.bytes().all(&stays) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if stays(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_literal_host_is_a_host() {
        assert_eq!(host("https://shop.example/x?y"), Some("shop.example"));
        assert_eq!(host("HTTP://shop.example:8080?{{ y }}"), Some("shop.example:8080"));
        assert_eq!(host("https://müller.example"), Some("müller.example"));
        for bad in [
            "https://shop.example{{ x }}/",
            "https://shop.example{{ x | default(\"/\") }}",
            "https://{{ x }}.example/",
            "https://shop.example:{{ port }}/",
            "https://a@b.example/",
            "https:///x",
            "https://a b/",
            "ftp://a.example/",
            "//a.example/",
            "javascript:alert(1)//",
            "https://a.example:x/",
            "https://a\\b/",
            "",
        ] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }

    #[test]
    fn odd_characters_are_encoded_once() {
        assert_eq!(encode_for_header("https://a.example/ä b?q=%20\r\n"), "https://a.example/%C3%A4%20b?q=%20%0D%0A");
        assert_eq!(encode_component("New York/../&?#%"), "New%20York%2F..%2F%26%3F%23%25");
    }
}
