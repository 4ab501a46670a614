use super::decode::{base64, quoted_printable, to_text};

/// Encoded words of one field that are read; the rest stays as it is.
const MAX_WORDS: usize = 64;

/// Reads `=?charset?B?…?=` (RFC 2047) in a subject.
pub(crate) fn decode_words(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    let mut after_word = false;
    for _ in 0..MAX_WORDS {
        let Some(start) = rest.find("=?") else { break };
        let (before, tail) = rest.split_at(start);
        // Blanks between two encoded words belong to the folding (RFC 2047 §6.2).
        if !(after_word && before.trim().is_empty()) {
            out.push_str(before);
        }
        match word(tail) {
            Some((text, used)) => {
                out.push_str(&text);
                rest = &tail[used..];
                after_word = true;
            }
            None => {
                out.push_str("=?");
                rest = &tail[2..];
                after_word = false;
            }
        }
    }
    out.push_str(rest);
    out
}

/// One word at the start of `tail`, and its length.
fn word(tail: &str) -> Option<(String, usize)> {
    let mut pieces = tail.get(2..)?.splitn(3, '?');
    let (charset, encoding, rest) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let end = rest.find("?=")?;
    let text = &rest[..end];
    let bytes = match encoding {
        "B" | "b" => base64(text.as_bytes()),
        "Q" | "q" => quoted_printable(text.replace('_', " ").as_bytes()),
        _ => return None,
    };
    // RFC 2231 §5 puts a language behind the charset.
    let charset = charset.split('*').next();
    Some((to_text(&bytes, charset).into_owned(), 2 + charset_len(tail) + 1 + encoding.len() + 1 + end + 2))
}

fn charset_len(tail: &str) -> usize {
    tail[2..].find('?').unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_and_what_is_none_stays() {
        assert_eq!(decode_words("=?UTF-8?B?w6k=?= =?iso-8859-1?Q?a_=E9?= b"), "éa é b");
        assert_eq!(decode_words("=?x =?utf-8?x?a?= =?"), "=?x =?utf-8?x?a?= =?");
    }
}
