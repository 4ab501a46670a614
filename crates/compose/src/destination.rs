use std::sync::Arc;

use crate::template::{Fields, Shared, attributes, link_engine};
use crate::{Keys, Recipient, url};

/// Where a stored link leads for this recipient, ready for a `Location` header. None when it leads nowhere safe: the host must be
/// written out in the link itself, and what merge tags add is percent-encoded, so no value can change it.
#[must_use]
pub fn destination(link: &str, recipient: &Recipient) -> Option<String> {
    let host = url::host(link)?;
    let filled = if link.contains('{') { fill(link, recipient)? } else { link.to_owned() };
    let safe = url::encode_for_header(&filled);
    let same_host = url::host(&filled) == Some(host);
    (same_host && safe.len() <= url::MAX_URL_BYTES).then(|| safe.into_owned())
}

/// A link does not fail for what is missing: the reader has clicked, and a page without his city is better than none.
fn fill(link: &str, recipient: &Recipient) -> Option<String> {
    let shared = Shared {
        // Links cannot hold URLs of ours: those are not tracked.
        keys: Arc::new(Keys::new(&[0; 32])),
        public_url: String::new(),
        postal_address: String::new(),
        list_name: String::new(),
    };
    let fields = Fields {
        shared: Arc::new(shared),
        recipient: Arc::new(recipient.clone()),
        attributes: Arc::new(attributes(&recipient.attributes).unwrap_or_default()),
        html: false,
    };
    link_engine().render_str(link, fields.for_text()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ana() -> Recipient {
        Recipient {
            email: "ana+x@example.org".to_owned(),
            first_name: "Ana / María".to_owned(),
            attributes: r#"{"city": "//evil.example/?", "path": "../..", "n": 7}"#.to_owned(),
            ..Recipient::default()
        }
    }

    fn check(link: &str, expected: Option<&str>) {
        assert_eq!(destination(link, &ana()).as_deref(), expected, "{link}");
    }

    #[test]
    fn a_link_leads_where_it_was_written_to() {
        check("https://a.example", Some("https://a.example"));
        check("https://a.example/ä?x=1&y=2#z", Some("https://a.example/%C3%A4?x=1&y=2#z"));
        check("https://a.example/?e={{ email }}&n={{ n }}", Some("https://a.example/?e=ana%2Bx%40example.org&n=7"));
        check("https://a.example/{{ first_name }}", Some("https://a.example/Ana%20%2F%20Mar%C3%ADa"));
        check("https://a.example/?c={{ plan | default(\"none\") }}{{ gone }}", Some("https://a.example/?c=none"));
        check("https://a.example/{{ city }}", Some("https://a.example/%2F%2Fevil.example%2F%3F"));
    }

    #[test]
    fn it_never_leads_anywhere_else() {
        check("https://a.example{{ city }}", None);
        check("https://{{ first_name }}.example/", None);
        check("{{ city }}", None);
        check("javascript:alert(1)", None);
        check("//evil.example/", None);
        check("https://good.example@evil.example/", None);
        check("https://a.example/{{ broken", None);
        check("https://a.example/\r\nSet-Cookie: x", Some("https://a.example/%0D%0ASet-Cookie:%20x"));
        check(&format!("https://a.example/{}", "x".repeat(9000)), None);
    }
}
