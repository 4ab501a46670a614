//! Merge tags: what a marketer may write in a subject, a body or a link.
//!
//! The language is a small part of Jinja: names, fallbacks, a few filters, `if` and `for`. What is not on the lists of
//! [`check`] is refused before anything is compiled, so no tag can grow text without bound (`~`, `set`, macros), switch escaping
//! off, or reach anything but the fields of one recipient. Fuel bounds the time, and a limit the output.

mod check;
mod engine;
mod fields;
mod filters;
mod pieces;
mod tokens;

pub(crate) use check::prepare;
pub(crate) use engine::{Engine, MAX_PART_BYTES, Part, RenderFailure, link_engine};
pub(crate) use fields::{
    CLICK_FIELD_PREFIX, Fields, OPEN_PIXEL_FIELD, STANDARD_FIELDS, SYSTEM_FIELDS, Shared, attributes,
};
pub(crate) use pieces::{Piece, TagKind, pieces};
pub(crate) use tokens::{Kind, tokens};

/// What is wrong with a template, in a sentence for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Complaint {
    pub(crate) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line {}: {}", self.line, self.message)
    }
}
