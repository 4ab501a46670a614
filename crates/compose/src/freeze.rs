use std::collections::HashMap;

use crate::survey::{splice, survey};
use crate::template::{CLICK_FIELD_PREFIX, Complaint, OPEN_PIXEL_FIELD, Part, Piece, pieces, prepare};
use crate::{Content, Finding, Frozen, Level, entities, text_from_html, url};

/// A click token has two octets for the link.
const MAX_LINKS: usize = u16::MAX as usize;
/// Hidden from readers and shown by inboxes after the subject.
const PREHEADER_STYLE: &str =
    "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all";

/// Finds the links of a draft and puts tracking in their place, as launch stores it: once for each revision.
///
/// Tracked are `http` and `https` links whose host is written out. A link to `{{ unsubscribe_url }}`, `mailto:`, an anchor, or one whose
/// host comes from a merge tag stays as it is, so that no value of a subscriber can decide where our redirect leads.
///
/// # Errors
/// Findings that block: a template that cannot be read. The pre-flight check says the same, and more.
pub fn freeze(draft: &Content) -> Result<Frozen, Vec<Finding>> {
    let mut content = draft.clone();
    content.subject = prepared(Part::Subject, &draft.subject)?;
    let html = prepared(Part::Html, &draft.html)?;
    let text = if draft.text.trim().is_empty() { text_from_html(&html) } else { draft.text.clone() };
    content.text = prepared(Part::Text, &text)?;
    let preview = prepared(Part::Html, &draft.preview_text)?;
    let (html, links) =
        tracked(draft, &html, &preview).map_err(|complaint| vec![unreadable(Part::Html, &complaint)])?;
    content.html = html;
    Ok(Frozen { content, links })
}

fn prepared(part: Part, source: &str) -> Result<String, Vec<Finding>> {
    prepare(source).map_err(|complaints| complaints.iter().map(|complaint| unreadable(part, complaint)).collect())
}

pub(crate) fn unreadable(part: Part, complaint: &Complaint) -> Finding {
    Finding {
        level: Level::Block,
        code: "template-error",
        title: "A merge tag cannot be read".to_owned(),
        detail: complaint.to_string(),
        field: part.as_str(),
    }
}

fn tracked(draft: &Content, html: &str, preview: &str) -> Result<(String, Vec<String>), Complaint> {
    let found = survey(html)?;
    let mut links = Links::default();
    let mut changes = Vec::new();
    if draft.track_clicks {
        for place in found.hrefs {
            let position = target(html.get(place.clone()).unwrap_or_default()).and_then(|link| links.position(link));
            changes.extend(position.map(|n| (place, format!("{{{{ {CLICK_FIELD_PREFIX}{n} }}}}"))));
        }
    }
    if !preview.trim().is_empty() {
        let at = found.body_start.unwrap_or(0);
        changes.push((at..at, preheader(preview)?));
    }
    if draft.track_opens {
        let at = found.body_end.unwrap_or(html.len());
        changes.push((
            at..at,
            format!("<img src=\"{{{{ {OPEN_PIXEL_FIELD} }}}}\" width=\"1\" height=\"1\" alt=\"\" style=\"border:0\">"),
        ));
    }
    Ok((splice(html, changes), links.all))
}

/// Where a link leads, if clicks on it can be tracked. The value is as it stands in the source, with its character references.
fn target(href: &str) -> Option<String> {
    let mut link = String::with_capacity(href.len());
    for piece in pieces(href.trim()).ok()? {
        match piece {
            Piece::Text(text) => link.push_str(&entities::decode(text)),
            Piece::Tag { source, .. } => link.push_str(source),
        }
    }
    let fits = link.len() <= url::MAX_URL_BYTES && !link.contains(char::is_control);
    (fits && url::host(&link).is_some()).then_some(link)
}

/// The preview text, escaped but for its tags.
fn preheader(preview: &str) -> Result<String, Complaint> {
    let mut block = format!("<div style=\"{PREHEADER_STYLE}\">");
    for piece in pieces(preview.trim())? {
        match piece {
            Piece::Text(text) => block.push_str(&entities::encode(text)),
            Piece::Tag { source, .. } => block.push_str(source),
        }
    }
    block.push_str("</div>");
    Ok(block)
}

/// The same target twice is one link.
#[derive(Default)]
struct Links {
    all: Vec<String>,
    positions: HashMap<String, usize>,
}

impl Links {
    /// None when there are too many: those beyond stay untracked.
    fn position(&mut self, link: String) -> Option<usize> {
        if let Some(position) = self.positions.get(&link) {
            return Some(*position);
        }
        let position = self.all.len();
        if position > MAX_LINKS {
            return None;
        }
        self.positions.insert(link.clone(), position);
        self.all.push(link);
        Some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(html: &str) -> Content {
        Content { html: html.to_owned(), track_clicks: true, track_opens: true, ..Content::default() }
    }

    #[test]
    fn links_become_positions_and_nothing_else_changes() {
        let html = "<body>\n<a class=x HREF='https://a.example/?q=1&amp;c={{ city | default(\"x\") }}'>a</a> \
                    <a href=\"https://a.example/?q=1&c={{ city | default(\"x\") }}\">same</a>\
                    <a href=https://b.example>b</a></body>";
        let frozen = freeze(&Content { track_opens: false, ..draft(html) }).expect("good");
        assert_eq!(frozen.links, ["https://a.example/?q=1&c={{ city | default(\"x\") }}", "https://b.example"]);
        assert_eq!(
            frozen.content.html,
            "<body>\n<a class=x HREF='{{ _click_0 }}'>a</a> <a href=\"{{ _click_0 }}\">same</a><a href={{ _click_1 }}>b</a></body>"
        );
    }

    #[test]
    fn what_must_not_be_tracked_is_not() {
        for href in [
            "{{ unsubscribe_url }}",
            "{{ view_url }}",
            "mailto:a@b.example",
            "tel:+4712345",
            "#top",
            "/relative",
            "{{ website }}",
            "https://{{ host }}/x",
            "https://good.example{{ tail }}/x",
            "https://good.example@evil.example/",
            "javascript:alert(1)",
            "https://",
        ] {
            let html = format!("<a href=\"{href}\">x</a>");
            let frozen = freeze(&Content { track_opens: false, ..draft(&html) }).expect("good");
            assert_eq!((frozen.links.len(), frozen.content.html.as_str()), (0, html.as_str()));
        }
    }

    #[test]
    fn tracking_can_be_switched_off() {
        let html = "<body><a href=\"https://a.example/\">a</a></body>";
        let off = Content { track_opens: false, track_clicks: false, ..draft(html) };
        assert_eq!(freeze(&off).expect("good").content.html, html);
        let opens = freeze(&Content { track_clicks: false, ..draft(html) }).expect("good").content.html;
        assert!(opens.ends_with("alt=\"\" style=\"border:0\"></body>") && opens.contains("{{ _open_url }}"), "{opens}");
    }

    #[test]
    fn the_preview_text_stands_first_and_escaped() {
        let content =
            Content { preview_text: "5 < 6 & {{ first_name | default(\"<x>\") }}".to_owned(), ..draft("<body><p>Hi") };
        let html = freeze(&content).expect("good").content.html;
        assert!(html.starts_with("<body><div style=\"display:none"), "{html}");
        assert!(html.contains(">5 &lt; 6 &amp; {{ first_name | default(\"<x>\") }}</div><p>Hi<img"), "{html}");
    }

    #[test]
    fn a_template_that_cannot_be_read_says_where() {
        let findings = freeze(&draft("\n\n{{ first_name")).expect_err("open tag");
        assert_eq!((findings[0].level, findings[0].field), (Level::Block, "html"));
        assert!(findings[0].detail.starts_with("Line 3:"), "{}", findings[0].detail);
    }
}
