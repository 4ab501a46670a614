//! Bytes → parts: a MIME reader that only ever walks forward.
//!
//! It keeps slices of the mail, no tree; it has no recursion, so no nesting can overflow the stack; and every loop has
//! a bound, so the time for a mail grows with its size up to [`MAX_BYTES`] and not beyond. A message inside a message is
//! never opened: of a returned original only the header fields are wanted.

mod decode;
mod fields;
mod part;
mod words;

pub(crate) use decode::{plain_text, to_text};
pub(crate) use fields::Fields;
pub(crate) use part::{Part, parts};
pub(crate) use words::decode_words;

/// Of a longer mail only so many octets are looked at: what a report has to say stands before the returned original.
pub const MAX_BYTES: usize = 1 << 20;

/// A mail, cut into its header and its leaf parts.
pub(crate) struct Mail<'a> {
    pub fields: Fields<'a>,
    pub parts: Vec<Part<'a>>,
}

impl<'a> Mail<'a> {
    pub fn read(bytes: &'a [u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(MAX_BYTES)];
        let (fields, body) = Fields::read(bytes);
        let parts = parts(&fields, body);
        Self { fields, parts }
    }
}
