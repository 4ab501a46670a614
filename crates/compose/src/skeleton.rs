use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, MultiPart, SinglePart};

/// In quoted-printable "=" is always followed by two hex digits or a line end, so no encoded part can hold this.
const BOUNDARY: &str = "=_tidings";
const TEXT_MARK: &str = "text goes here";
const HTML_MARK: &str = "html goes here";

/// A multipart/alternative message (RFC 2046 §5.1.4) without its parts, built by lettre once. The parts are put in for each recipient.
pub(crate) struct Skeleton {
    /// From `Content-Type: multipart/…` to the text part.
    pub(crate) before_text: String,
    pub(crate) before_html: String,
    pub(crate) after_html: String,
}

impl Skeleton {
    pub(crate) fn new() -> Self {
        let whole = MultiPart::alternative()
            .boundary(BOUNDARY)
            .singlepart(part(ContentType::TEXT_PLAIN, TEXT_MARK))
            .singlepart(part(ContentType::TEXT_HTML, HTML_MARK))
            .formatted();
        let whole = String::from_utf8_lossy(&whole);
        let (before_text, rest) = whole.split_once(TEXT_MARK).unwrap_or((&whole, ""));
        let (before_html, after_html) = rest.split_once(HTML_MARK).unwrap_or((rest, ""));
        // The encoder ends each part with CRLF itself; the one lettre writes belongs to the boundary.
        Self {
            before_text: before_text.to_owned(),
            before_html: before_html.to_owned(),
            after_html: after_html.to_owned(),
        }
    }
}

fn part(kind: ContentType, mark: &str) -> SinglePart {
    let body = Body::dangerous_pre_encoded(mark.as_bytes().to_vec(), ContentTransferEncoding::QuotedPrintable);
    SinglePart::builder().header(kind).body(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skeleton_is_a_multipart_message() {
        let Skeleton { before_text, before_html, after_html } = Skeleton::new();
        assert_eq!(
            format!("{before_text}T{before_html}H{after_html}"),
            "Content-Type: multipart/alternative; boundary=\"=_tidings\"\r\n\r\n\
             --=_tidings\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nT\r\n\
             --=_tidings\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nH\r\n\
             --=_tidings--\r\n"
        );
    }
}
