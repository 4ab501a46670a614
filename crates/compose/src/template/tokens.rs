use std::ops::Range;

/// One word or sign inside a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Where it stands in the text between the tag's marks.
    pub(crate) at: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    /// With its quotation marks.
    Quoted,
    Number,
    Sign(char),
}

/// Space is between tokens, not in them. An unpaired quotation mark is a sign.
pub(crate) fn tokens(inner: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = inner[at..].chars().next() {
        let rest = &inner[at..];
        let (kind, length) = match first {
            space if space.is_whitespace() => (None, space.len_utf8()),
            quote @ ('"' | '\'') => match quoted_length(rest, quote) {
                Some(length) => (Some(Kind::Quoted), length),
                None => (Some(Kind::Sign(quote)), 1),
            },
            digit if digit.is_ascii_digit() => (Some(Kind::Number), run(rest, |c| c.is_ascii_digit() || c == '.')),
            letter if is_name(letter) => (Some(Kind::Name), run(rest, is_name)),
            sign => (Some(Kind::Sign(sign)), sign.len_utf8()),
        };
        if let Some(kind) = kind {
            found.push(Token { kind, at: at..at + length });
        }
        at += length;
    }
    found
}

/// Letters beyond ASCII too: columns of a CSV file are named in every language.
fn is_name(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            end if end == quote => return Some(at + end.len_utf8()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_numbers_signs() {
        let inner = r#" über_1|default("a \" b") [3.5] "#;
        let words: Vec<&str> = tokens(inner).into_iter().map(|t| &inner[t.at]).collect();
        assert_eq!(words, ["über_1", "|", "default", "(", r#""a \" b""#, ")", "[", "3.5", "]"]);
        assert_eq!(tokens("'").first().map(|t| t.kind), Some(Kind::Sign('\'')));
    }
}
