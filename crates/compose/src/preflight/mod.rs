//! What stands in the way of a launch, and what could be better.

mod envelope;
mod fields;
mod samples;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::mailer::engine;
use crate::template::{Piece, pieces};
use crate::{Content, Finding, Level, headers};
use envelope::{check_sender, check_subject};
use fields::check_fields;
use samples::check_samples;

/// Everything that stands in the way of a launch, and what could be better; the most serious first.
/// `known_fields`: the names of the attributes that the audience has.
#[must_use]
pub fn preflight(draft: &Content, known_fields: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_sender(draft, &mut findings);
    check_subject(draft, &mut findings);
    check_bodies_are_there(draft, &mut findings);
    check_imported_tags(draft, &mut findings);
    let draft = with_text(draft);
    match engine(&draft) {
        Ok(engine) => {
            check_fields(&draft, &engine, known_fields, &mut findings);
            check_samples(&draft, known_fields, &mut findings);
        }
        Err(faults) => findings.extend(faults),
    }
    findings.sort_by_key(|finding| finding.level);
    findings
}

fn finding(
    level: Level,
    code: &'static str,
    field: &'static str,
    title: impl Into<String>,
    detail: impl Into<String>,
) -> Finding {
    Finding { level, code, title: title.into(), detail: detail.into(), field }
}

/// As `freeze` would: an empty text part is made from the HTML.
fn with_text(draft: &Content) -> Content {
    let mut content = draft.clone();
    if content.text.trim().is_empty() {
        content.text = crate::text_from_html(&content.html);
    }
    content
}

/// A template without its tags.
fn text_of(source: &str) -> String {
    let Ok(found) = pieces(source) else { return source.to_owned() };
    found
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Tag { .. } => None,
        })
        .collect()
}

fn check_bodies_are_there(draft: &Content, findings: &mut Vec<Finding>) {
    if draft.html.trim().is_empty() {
        findings.push(finding(Level::Block, "no-html", "html", "The message is empty", "Write its content."));
    } else if draft.text.trim().is_empty() {
        findings.push(finding(
            Level::Info,
            "text-generated",
            "text",
            "The text part is made from the HTML",
            "Some readers and most filters look at it. You can edit it.",
        ));
    }
}

/// Tags in the spelling of other programs would be sent as they stand.
fn check_imported_tags(draft: &Content, findings: &mut Vec<Finding>) {
    for (field, source) in [("subject", &draft.subject), ("html", &draft.html), ("text", &draft.text)] {
        let foreign = source.split_once("*|").and_then(|(_, rest)| rest.split_once("|*")).map(|(name, _)| name);
        if let Some(name) = foreign.filter(|name| !name.is_empty() && !name.contains(char::is_whitespace)) {
            let name = headers::one_line(name, 40);
            findings.push(finding(
                Level::Warn,
                "foreign-tag",
                field,
                format!("“*|{name}|*” would be sent as it stands"),
                "It is a merge tag of another program. Here it is written {{ first_name }}, with the field's name.",
            ));
        }
    }
}
