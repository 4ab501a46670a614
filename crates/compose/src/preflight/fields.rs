use std::collections::BTreeSet;

use super::finding;
use crate::mailer::engine;
use crate::template::{Engine, Kind, Part, Piece, STANDARD_FIELDS, SYSTEM_FIELDS, pieces, tokens};
use crate::{Content, Finding, Level};

pub(super) fn check_fields(draft: &Content, engine: &Engine, known: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    let is_known = |name: &str| {
        let name = name.strip_prefix("attributes.").unwrap_or(name);
        known.contains(name) || STANDARD_FIELDS.contains(&name) || SYSTEM_FIELDS.contains(&name)
    };
    for (part, source) in [(Part::Subject, &draft.subject), (Part::Html, &draft.html), (Part::Text, &draft.text)] {
        for name in engine.names(part).into_iter().filter(|name| !is_known(name)) {
            findings.push(unknown_field(part, &name, line_of(source, &name), known));
        }
    }
    if let Err(faults) = preview_text_engine(draft).map(|engine| {
        let unknown: Vec<String> = engine.names(Part::Subject).into_iter().filter(|name| !is_known(name)).collect();
        findings.extend(
            unknown
                .iter()
                .map(|name| Finding { field: "preview_text", ..unknown_field(Part::Subject, name, 1, known) }),
        );
    }) {
        findings.extend(faults);
    }
}

fn preview_text_engine(draft: &Content) -> Result<Engine, Vec<Finding>> {
    let only = Content { subject: draft.preview_text.clone(), ..Content::default() };
    engine(&only).map_err(|faults| faults.into_iter().map(|fault| Finding { field: "preview_text", ..fault }).collect())
}

fn unknown_field(part: Part, name: &str, line: usize, known: &BTreeSet<String>) -> Finding {
    let hint = match nearest(name, known) {
        Some(near) => format!("Did you mean {{{{ {near} }}}}?"),
        None if known.is_empty() => "Your subscribers have only email, first_name and last_name.".to_owned(),
        None => format!(
            "There are: email, first_name, last_name, {}.",
            known.iter().take(20).cloned().collect::<Vec<_>>().join(", ")
        ),
    };
    finding(
        Level::Block,
        "unknown-field",
        part.as_str(),
        format!("No subscriber has a field “{name}”"),
        format!("Line {line}: {{{{ {name} }}}} would always be empty. {hint}"),
    )
}

/// A known name that differs only in case, underscores and the like, or of which this is a part.
fn nearest<'a>(name: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let wanted = plain(name.strip_prefix("attributes.").unwrap_or(name));
    let standard = STANDARD_FIELDS.iter().chain(&SYSTEM_FIELDS).copied();
    let all: Vec<&str> = standard.chain(known.iter().map(String::as_str)).collect();
    let same = all.iter().find(|candidate| plain(candidate) == wanted);
    let alike = || all.iter().find(|candidate| wanted.len() >= 3 && plain(candidate).contains(&wanted));
    match wanted.as_str() {
        "name" | "firstname" | "fname" | "givenname" => Some("first_name"),
        "lname" | "surname" | "familyname" => Some("last_name"),
        "unsubscribe" | "unsubscribelink" | "unsub" => Some("unsubscribe_url"),
        _ => same.or_else(alike).copied(),
    }
}

fn line_of(source: &str, name: &str) -> usize {
    let word = name.rsplit('.').next().unwrap_or(name);
    let found = pieces(source).unwrap_or_default();
    let line = found.iter().find_map(|piece| match piece {
        Piece::Tag { source, line, .. } => {
            let inner = &source[2..source.len() - 2];
            tokens(inner)
                .iter()
                .any(|token| token.kind == Kind::Name && &inner[token.at.clone()] == word)
                .then_some(*line)
        }
        Piece::Text(_) => None,
    });
    line.unwrap_or(1)
}
