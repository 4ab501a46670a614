//! What is wrong with a form, field by field, in words for who filled it in.

use std::collections::BTreeMap;

/// The errors of a form by the name of the field.
#[derive(Debug, Clone, Default)]
pub struct Errors(BTreeMap<&'static str, String>);

impl Errors {
    /// Adds an error, unless the field has one already: the first is the cause.
    pub fn add(&mut self, field: &'static str, text: impl Into<String>) {
        self.0.entry(field).or_insert_with(|| text.into());
    }

    /// The value, or an error on the field.
    pub fn take<T, E: std::fmt::Display>(&mut self, field: &'static str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.add(field, sentence(&error.to_string()))).ok()
    }

    /// The trimmed text, with an error when it is empty or longer than `max` characters.
    pub fn text<'a>(&mut self, field: &'static str, text: &'a str, max: usize, missing: &str) -> &'a str {
        let trimmed = text.trim();
        if trimmed.is_empty() && !missing.is_empty() {
            self.add(field, missing);
        }
        if trimmed.chars().count() > max {
            self.add(field, format!("Use at most {max} characters."));
        }
        if trimmed.chars().any(|c| c.is_control() && c != '\n' && c != '\r' && c != '\t') {
            self.add(field, "Remove the control characters.");
        }
        trimmed
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The text, or nothing.
    #[must_use]
    pub fn of(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }
}

/// `no @ in it` becomes `No @ in it.`
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
