use std::borrow::Cow;

/// The longest reference we look for: `&#x10FFFF;`.
const MAX_REFERENCE_BYTES: usize = 10;

/// Character references of HTML as they occur in attribute values: the five that must be escaped, the hard space, and numbers. Others stay.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(rest) {
            Some((character, length)) => {
                decoded.push(character);
                rest = &rest[length..];
            }
            None => {
                decoded.push('&');
                rest = &rest[1..];
            }
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(MAX_REFERENCE_BYTES).position(|byte| byte == b';')?;
    let name = &text[1..end];
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => numeric(name.strip_prefix('#')?)?,
    };
    Some((character, end + 1))
}

fn numeric(digits: &str) -> Option<char> {
    let code = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    code.ok().and_then(char::from_u32)
}

/// For text between tags and in attribute values of either quotation mark.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => encoded.push_str("&amp;"),
            '<' => encoded.push_str("&lt;"),
            '>' => encoded.push_str("&gt;"),
            '"' => encoded.push_str("&quot;"),
            '\'' => encoded.push_str("&#39;"),
            other => encoded.push(other),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_once() {
        assert_eq!(decode("?a=1&amp;b=2&c=3"), "?a=1&b=2&c=3");
        assert_eq!(
            decode("&amp;lt; &quot;&#39;&#x27;&apos; &nbsp;&bogus; &#xD800; &"),
            "&lt; \"''' \u{a0}&bogus; &#xD800; &"
        );
        assert_eq!(decode("é&é;é&amp"), "é&é;é&amp");
        assert_eq!(decode(&encode("<a href=\"x\">'&'</a>")), "<a href=\"x\">'&'</a>");
    }
}
