use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use tidings_domain::{ReportKind, Word};

use crate::mail::Fields;
use crate::patterns::{Patterns, WITH_GAPS, WORDS};

/// Compiled once: the file is part of the program, and a test reads every mark.
pub(super) static MARKS: LazyLock<Marks> = LazyLock::new(|| {
    Marks::parse(include_str!("../../data/mails.toml"))
        .expect("the marks are part of the program and read by its tests")
});

pub(super) struct Marks {
    marks: Vec<Mark>,
    from: Patterns,
    subject: Patterns,
    text: Patterns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mark: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    means: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: String,
    /// Names of header fields, one of which is there.
    #[serde(default)]
    field: String,
    /// What that field's value must match.
    #[serde(default)]
    value: String,
    is: Vec<String>,
    is_not: Vec<String>,
}

pub(super) struct Mark {
    pub name: String,
    pub means: ReportKind,
    fields: Vec<String>,
    value: Regex,
    #[cfg_attr(not(test), expect(dead_code, reason = "samples are for the tests"))]
    is: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "samples are for the tests"))]
    is_not: Vec<String>,
}

impl Marks {
    fn parse(file: &str) -> Result<Self, String> {
        let entries = toml::from_str::<File>(file).map_err(|e| e.to_string())?.mark;
        Ok(Self {
            from: Patterns::new(entries.iter().map(|e| e.from.as_str()), WORDS)?,
            subject: Patterns::new(entries.iter().map(|e| e.subject.as_str()), WITH_GAPS)?,
            text: Patterns::new(entries.iter().map(|e| e.text.as_str()), WITH_GAPS)?,
            marks: entries.into_iter().map(Mark::new).collect::<Result<_, _>>()?,
        })
    }

    /// The first mark that a mail bears.
    pub fn find(&self, fields: &Fields, from: &str, subject: &str, notice: &str) -> Option<&Mark> {
        let (from, subject, text) = (self.from.hits(from), self.subject.hits(subject), self.text.hits(notice));
        let bears = |row: usize| from.holds(row) && subject.holds(row) && text.holds(row);
        (0..self.marks.len()).filter(|at| bears(*at)).map(|at| &self.marks[at]).find(|mark| mark.has_field(fields))
    }
}

impl Mark {
    fn new(entry: Entry) -> Result<Self, String> {
        let fault = |what: String| format!("mark {}: {what}", entry.name);
        Ok(Self {
            means: ReportKind::parse(&entry.means).map_err(|e| fault(e.to_string()))?,
            value: one(&entry.value).map_err(fault)?,
            fields: entry.field.split('|').filter(|f| !f.is_empty()).map(str::to_owned).collect(),
            name: entry.name,
            is: entry.is,
            is_not: entry.is_not,
        })
    }

    fn has_field(&self, fields: &Fields) -> bool {
        let fits = |name: &String| fields.get(name).is_some_and(|value| self.value.is_match(value.as_bytes()));
        self.fields.is_empty() || self.fields.iter().any(fits)
    }
}

fn one(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).case_insensitive(true).unicode(false).build().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    /// Through the whole reader: marks that another one hides are found here.
    #[test]
    fn every_mark_is_found_on_its_samples_and_only_there() {
        let mut faults = Vec::new();
        for mark in &MARKS.marks {
            for mail in &mark.is {
                let found = read(mail.as_bytes());
                if (&found.recognised_by, found.kind) != (&mark.name, mark.means) {
                    faults.push(format!("{}: {mail:?} is {} by {}", mark.name, found.kind, found.recognised_by));
                }
            }
            for mail in &mark.is_not {
                if read(mail.as_bytes()).recognised_by == mark.name {
                    faults.push(format!("{}: {mail:?} must not match", mark.name));
                }
            }
            if mark.is.is_empty() || mark.is_not.is_empty() {
                faults.push(format!("{}: samples missing", mark.name));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
