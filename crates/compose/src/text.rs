use html2text::config;

use crate::template::{Piece, pieces};

/// RFC 5322 §2.1.1 asks for at most 78 characters.
const WIDTH: usize = 76;
/// Characters of private use stand for tags while the text is laid out.
const FIRST_MARK: u32 = 0xF_0000;
const MARKS: u32 = 0xFFFD;

/// The text part of an HTML part: paragraphs, lists and headings laid out, links as numbered notes, merge tags as they were.
/// Of HTML whose tags are not closed it makes nothing; the pre-flight check says why.
#[must_use]
pub fn text_from_html(html: &str) -> String {
    let Some((marked, tags)) = marked(html) else { return String::new() };
    let laid_out = config::plain_no_decorate().link_footnotes(true).no_table_borders().no_link_wrapping();
    // It fails only when something does not fit the width, and then a wide layout is better than none.
    let text = laid_out.allow_width_overflow().string_from_read(marked.as_bytes(), WIDTH).unwrap_or_default();
    restored(&text, &tags)
}

fn marked(html: &str) -> Option<(String, Vec<&str>)> {
    let mut marked = String::with_capacity(html.len());
    let mut tags = Vec::new();
    for piece in pieces(html).ok()? {
        match piece {
            Piece::Text(text) => marked.extend(text.chars().filter(|c| !is_mark(*c))),
            Piece::Tag { source, .. } => {
                marked.push(mark(tags.len())?);
                tags.push(source);
            }
        }
    }
    Some((marked, tags))
}

fn mark(number: usize) -> Option<char> {
    let number = u32::try_from(number).ok().filter(|n| *n < MARKS)?;
    char::from_u32(FIRST_MARK + number)
}

fn is_mark(character: char) -> bool {
    (FIRST_MARK..FIRST_MARK + MARKS).contains(&u32::from(character))
}

fn restored(text: &str, tags: &[&str]) -> String {
    let mut restored = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        for character in line.trim_end().chars() {
            let tag = is_mark(character).then(|| tags.get((u32::from(character) - FIRST_MARK) as usize)).flatten();
            match tag {
                Some(tag) => restored.push_str(tag),
                None => restored.push(character),
            }
        }
        restored.push('\n');
    }
    restored.trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_well_as_text() {
        let html = "<html><head><title>No</title><style>p{color:red}</style></head><body><h1>Hello {{ first_name | default(\"there\") }}</h1>\
                    <p>Spring is <b>here</b> &amp; so are we.</p><ul><li>One</li><li>Two</li></ul>\
                    <p><a href=\"https://a.example/?c={{ city }}\">Shop now</a></p>{% if vip %}<p>Thanks!</p>{% endif %}\
                    <p><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a></p></body></html>";
        let text = text_from_html(html);
        println!("{text}");
        assert!(text.contains("Hello {{ first_name | default(\"there\") }}"));
        assert!(text.contains("Spring is here & so are we."));
        assert!(text.contains("* One\n* Two"));
        assert!(text.contains("https://a.example/?c={{ city }}") && text.contains("{{ unsubscribe_url }}"));
        assert!(text.contains("{% if vip %}") && text.contains("{% endif %}"));
        assert!(!text.contains("color") && !text.contains("No\n"));
    }

    #[test]
    fn damage_makes_no_text_and_no_panic() {
        assert_eq!(text_from_html("{{ open"), "");
        assert_eq!(text_from_html(""), "");
        assert_eq!(text_from_html("a\u{F0000}b"), "ab");
        assert!(text_from_html(&"<div>".repeat(3_000)).is_empty());
    }
}
