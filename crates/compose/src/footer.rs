use crate::Content;
use crate::survey::{splice, survey};

const HTML_FOOTER: &str = "<p style=\"margin:32px 0 0;padding:16px 0 0;border-top:1px solid #d9d9de;font:13px/1.5 sans-serif;color:#5c5c66\">\
You receive this because you subscribed to {{ list_name }}.<br>{{ postal_address }}<br>\
<a href=\"{{ unsubscribe_url }}\" style=\"color:#5c5c66\">Unsubscribe</a> · \
<a href=\"{{ view_url }}\" style=\"color:#5c5c66\">View in browser</a></p>\n";

const TEXT_FOOTER: &str = "\n\n--\nYou receive this because you subscribed to {{ list_name }}.\n{{ postal_address }}\n\
Unsubscribe: {{ unsubscribe_url }}\nView in browser: {{ view_url }}\n";

/// Adds what every campaign must say: why one receives it, from whom, and how to leave. The fix for a missing unsubscribe link.
pub fn add_footer(content: &mut Content) {
    let end = survey(&content.html).ok().and_then(|found| found.body_end).unwrap_or(content.html.len());
    content.html = splice(&content.html, vec![(end..end, HTML_FOOTER.to_owned())]);
    if !content.text.trim().is_empty() {
        content.text = format!("{}{TEXT_FOOTER}", content.text.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Level, preflight};

    #[test]
    fn the_footer_is_all_that_was_missing() {
        for text in ["", "Hello"] {
            let mut content = Content {
                subject: "Hello".into(),
                from_email: "ana@shop.example".into(),
                html: "<html><body><p>Hello</p></body></html>".into(),
                text: text.into(),
                postal_address: "1 Street".into(),
                ..Content::default()
            };
            let blocked =
                |content: &Content| preflight(content, &BTreeSet::new()).iter().any(|f| f.level == Level::Block);
            assert!(blocked(&content));
            add_footer(&mut content);
            assert!(!blocked(&content), "{:?}", preflight(&content, &BTreeSet::new()));
            assert!(content.html.ends_with("</p>\n</body></html>"));
        }
    }
}
