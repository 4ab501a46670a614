use super::Complaint;

/// How much of a tag a complaint quotes.
const QUOTE_CHARS: usize = 40;
/// `{{` and `{%`.
const OPEN_BYTES: usize = 2;

/// A template, cut into what is printed as it stands and what is a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Tag { kind: TagKind, source: &'a str, line: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TagKind {
    /// `{{ … }}`
    Print,
    /// `{% … %}`
    Block,
}

impl TagKind {
    const fn close(self) -> &'static str {
        match self {
            Self::Print => "}}",
            Self::Block => "%}",
        }
    }
}

/// `{#` is text: in style sheets it is a selector after a brace far more often than a comment.
///
/// # Errors
/// A tag that is never closed.
pub(crate) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, Complaint> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some((start, kind)) = next_tag(rest) {
        let (text, from_tag) = rest.split_at(start);
        line += lines_in(text);
        let length = tag_length(from_tag, kind).ok_or_else(|| unclosed(from_tag, kind, line))?;
        let (tag, after) = from_tag.split_at(length);
        if !text.is_empty() {
            found.push(Piece::Text(text));
        }
        found.push(Piece::Tag { kind, source: tag, line });
        line += lines_in(tag);
        rest = after;
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    Ok(found)
}

fn next_tag(text: &str) -> Option<(usize, TagKind)> {
    text.match_indices('{').find_map(|(at, _)| match text.as_bytes().get(at + 1) {
        Some(b'{') => Some((at, TagKind::Print)),
        Some(b'%') => Some((at, TagKind::Block)),
        _ => None,
    })
}

/// A closing mark inside quotes does not close; but where a quotation mark has no partner on its line, the first one does, so that
/// one forgotten mark is not answered with the rest of the page.
fn tag_length(tag: &str, kind: TagKind) -> Option<usize> {
    // Not before the opening mark ends: in `{%}` the two share a character, and nothing is closed.
    let first = tag[OPEN_BYTES..].find(kind.close()).map(|at| OPEN_BYTES + at + kind.close().len());
    let unquoted = unquoted_length(tag, kind).filter(|length| first == Some(*length) || !tag[..*length].contains('\n'));
    unquoted.or(first)
}

fn unquoted_length(tag: &str, kind: TagKind) -> Option<usize> {
    let bytes = tag.as_bytes();
    let close = kind.close().as_bytes();
    let (mut at, mut quote) = (OPEN_BYTES, None);
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, _) if bytes[at..].starts_with(close) => return Some(at + close.len()),
            _ => {}
        }
        at += 1;
    }
    None
}

fn unclosed(tag: &str, kind: TagKind, line: usize) -> Complaint {
    let first_line = tag.lines().next().unwrap_or_default();
    let shown: String = first_line.chars().take(QUOTE_CHARS).collect();
    Complaint::new(line, format!("the tag that begins with “{shown}” is not closed. Write {} after it.", kind.close()))
}

fn lines_in(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(source: &str) -> String {
        let show = |piece: &Piece<'_>| match piece {
            Piece::Text(text) => format!("[{text}]"),
            Piece::Tag { source, line, .. } => format!("<{line} {source}>"),
        };
        pieces(source).expect("closed tags").iter().map(show).collect()
    }

    #[test]
    fn text_and_tags_come_apart() {
        assert_eq!(shape("Hi {{ a }}!\n{% if b %}x"), "[Hi ]<1 {{ a }}>[!\n]<2 {% if b %}>[x]");
        assert_eq!(shape("{{ a | default(\"}}\") }}"), "<1 {{ a | default(\"}}\") }}>");
        assert_eq!(shape("{{ 'it\\'s }}' }}"), "<1 {{ 'it\\'s }}' }}>");
        assert_eq!(shape("@media{#top{x:{y}}}"), "[@media{#top{x:{y}}}]");
        assert_eq!(shape(""), "");
        assert_eq!(shape("{%}%}"), "<1 {%}%}>");
    }

    #[test]
    fn an_open_tag_is_named_with_its_line() {
        pieces("{%}").expect_err("its marks share a character");
        let complaint = pieces("a\nb {{ first_name \n c").expect_err("open");
        assert_eq!(
            complaint.to_string(),
            "Line 2: the tag that begins with “{{ first_name ” is not closed. Write }} after it."
        );
        assert_eq!(shape("{{ it's }} a 'b'\n}}"), "<1 {{ it's }}>[ a 'b'\n}}]");
    }
}
