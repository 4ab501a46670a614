use std::borrow::Cow;

/// PostgreSQL takes no NUL in text, and peers may send anything: it becomes U+FFFD, so that a reply never stops a commit.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}
