use std::cell::RefCell;
use std::ops::Range;

use lol_html::{HtmlRewriter, Settings, element};

use crate::template::{Complaint, Piece, TagKind, pieces};

/// Where things stand in an HTML part, in octets of the source. The source itself is never written anew: whoever changes it puts
/// text at these places, and all else stays as its author wrote it.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The values of `href` in `a` and `area`, in order.
    pub(crate) hrefs: Vec<Range<usize>>,
    /// After `<body …>`.
    pub(crate) body_start: Option<usize>,
    /// Before `</body>`.
    pub(crate) body_end: Option<usize>,
    pub(crate) images: usize,
    pub(crate) images_without_alt: usize,
    /// Of `src` in `img`.
    pub(crate) image_sources: Vec<Range<usize>>,
    pub(crate) scripts: usize,
}

/// Reads the structure of an HTML template. Tags are masked first: a quotation mark in `{{ x | default("y") }}` must not end an attribute.
///
/// # Errors
/// A tag that is not closed, or HTML that cannot be read at all.
pub(crate) fn survey(html: &str) -> Result<Survey, Complaint> {
    let masked = mask(html)?;
    let found = RefCell::new(Survey::default());
    read(&masked, &found).map_err(|error| Complaint::new(1, format!("the HTML cannot be read: {error}.")))?;
    Ok(found.into_inner())
}

fn read(masked: &str, found: &RefCell<Survey>) -> Result<(), lol_html::errors::RewritingError> {
    let handlers = vec![
        element!("body", |body| {
            found.borrow_mut().body_start.get_or_insert(body.source_location().bytes().end);
            Ok(())
        }),
        element!("a[href], area[href]", |link| {
            found.borrow_mut().hrefs.extend(value_of(link, "href"));
            Ok(())
        }),
        element!("img", |image| {
            let mut found = found.borrow_mut();
            found.images += 1;
            found.images_without_alt += usize::from(!image.has_attribute("alt"));
            found.image_sources.extend(value_of(image, "src"));
            Ok(())
        }),
        element!("script", |_script| {
            found.borrow_mut().scripts += 1;
            Ok(())
        }),
    ];
    let settings = handlers.into_iter().fold(Settings::new(), Settings::append_element_content_handler);
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
    rewriter.write(masked.as_bytes())?;
    rewriter.end()?;
    found.borrow_mut().body_end = masked.to_ascii_lowercase().rfind("</body");
    Ok(())
}

fn value_of(element: &lol_html::html_content::Element<'_, '_>, name: &str) -> Option<Range<usize>> {
    let attribute = element.attributes().iter().find(|attribute| attribute.name() == name)?;
    attribute.value_source_location().map(|place| place.bytes())
}

/// The same text with every tag replaced by as many harmless octets. A block's ends are spaces, so that an attribute after it
/// is still an attribute.
fn mask(html: &str) -> Result<String, Complaint> {
    let mut masked = String::with_capacity(html.len());
    for piece in pieces(html)? {
        match piece {
            Piece::Text(text) => masked.push_str(text),
            Piece::Tag { kind: TagKind::Print, source, .. } => masked.extend(std::iter::repeat_n('x', source.len())),
            Piece::Tag { kind: TagKind::Block, source, .. } => masked.extend(std::iter::repeat_n(' ', source.len())),
        }
    }
    Ok(masked)
}

/// Puts texts into a source, each at its place; the places in any order and apart from each other.
pub(crate) fn splice(source: &str, mut changes: Vec<(Range<usize>, String)>) -> String {
    changes.sort_by_key(|(place, _)| (place.start, place.end));
    let mut out = String::with_capacity(source.len() + changes.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut copied = 0;
    for (place, text) in changes {
        out.push_str(source.get(copied..place.start).unwrap_or_default());
        out.push_str(&text);
        copied = place.end.max(copied);
    }
    out.push_str(source.get(copied..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hrefs(html: &str) -> Vec<&str> {
        let found = survey(html).expect("readable");
        found.hrefs.into_iter().map(|place| &html[place]).collect()
    }

    #[test]
    fn links_are_found_where_they_stand() {
        let html = "<A HREF='https://a.example/?x=1&amp;y'>ä</A><a href=https://b.example/>b</a><!-- <a href=\"no\"> --><area href=\"c\"><a>";
        assert_eq!(hrefs(html), ["https://a.example/?x=1&amp;y", "https://b.example/", "c"]);
    }

    #[test]
    fn tags_do_not_disturb_the_html() {
        let html = "<p title=\"{{ a | default(\"<b>\") }}\"><a {% if x %}href=\"https://a.example/{{ b | default(\"z\") }}\"{% endif %}>ü</a>";
        assert_eq!(hrefs(html), ["https://a.example/{{ b | default(\"z\") }}"]);
    }

    #[test]
    fn the_body_has_a_start_and_an_end() {
        let html = "<html><body class=\"{{ é | default(\"ö\") }}\">x</BODY></html>";
        let found = survey(html).expect("readable");
        let (start, end) = (found.body_start.expect("start"), found.body_end.expect("end"));
        assert_eq!(&html[start..end], "x");
        assert_eq!(survey("<p>x").expect("readable").body_start, None);
    }

    #[test]
    fn images_without_alt_are_counted() {
        let found = survey("<img src=a alt=\"\"><img src=b>").expect("readable");
        assert_eq!((found.images, found.images_without_alt), (2, 1));
    }

    #[test]
    fn changes_go_to_their_places() {
        let changes = vec![(4..4, "!".to_owned()), (0..1, "A".to_owned())];
        assert_eq!(splice("abcd", changes), "Abcd!");
    }
}
