//! What a person decides before the rows go in: how the file is read, what becomes of each column, or that it is not wanted.

use std::collections::{HashMap, HashSet};

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tidings_domain::{ColumnTarget, merge_tag};
use tidings_store::{FormatChoice, ImportColumn, ImportId};

use crate::WebState;
use crate::flash::{Tone, flash};
use crate::inventory::Entry;
use crate::page::{Page, Show, see_other};
use crate::pages::imports::show::ImportPage;
use crate::problem::WebResult;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::action("/imports/{id}/format", || web::to(reread)),
    Entry::action("/imports/{id}/start", || web::to(start)),
    Entry::action("/imports/{id}/cancel", || web::to(cancel)),
];

const MOVED_ON: &str = "The import has moved on since you opened the page.";

#[derive(Deserialize)]
struct Format {
    encoding: String,
    delimiter: String,
    header: String,
}

async fn reread(
    request: HttpRequest,
    page: Page,
    id: web::Path<i64>,
    form: web::Form<Format>,
    state: web::Data<WebState>,
) -> WebResult<HttpResponse> {
    let chosen = FormatChoice {
        encoding: Some(form.encoding.clone()),
        delimiter: Some(form.delimiter.clone()),
        has_header: Some(form.header == "yes"),
    };
    if !page.data(&state)?.reread_import(ImportId(*id), chosen, state.now()).await? {
        flash(&request, Tone::Warn, MOVED_ON);
    }
    Ok(see_other(&format!("/imports/{id}")))
}

async fn start(
    request: HttpRequest,
    page: Page,
    id: web::Path<i64>,
    form: web::Form<Vec<(String, String)>>,
    state: web::Data<WebState>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let mut import = data.import(ImportId(*id)).await?;
    let sent: HashMap<String, String> = form.into_inner().into_iter().collect();
    let targets = targets(&import.columns, &sent);
    if let Some(problem) = problem(&targets) {
        import.columns.iter_mut().zip(targets).for_each(|(column, target)| column.target = target);
        return ImportPage::new(page, &state, import, problem).await?.show_errors();
    }
    if !data.approve_import(import.id, targets, state.now()).await? {
        flash(&request, Tone::Warn, MOVED_ON);
    }
    Ok(see_other(&format!("/imports/{id}")))
}

async fn cancel(
    request: HttpRequest,
    page: Page,
    id: web::Path<i64>,
    state: web::Data<WebState>,
) -> WebResult<HttpResponse> {
    let is_cancelled = page.data(&state)?.cancel_import(ImportId(*id), state.now()).await?;
    match is_cancelled {
        true => flash(&request, Tone::Ok, "Import cancelled. Rows that were imported before stay."),
        false => flash(&request, Tone::Warn, "The import is over already."),
    }
    Ok(see_other(&format!("/imports/{id}")))
}

/// What the form says of each column; a column it does not name stays as it was.
fn targets(columns: &[ImportColumn], sent: &HashMap<String, String>) -> Vec<ColumnTarget> {
    let target = |(i, column): (usize, &ImportColumn)| match sent.get(&format!("target-{i}")).map(String::as_str) {
        Some("attribute") => {
            let name = sent.get(&format!("name-{i}")).filter(|n| !n.trim().is_empty()).unwrap_or(&column.header);
            ColumnTarget::Attribute(merge_tag(name))
        }
        Some(word) => ColumnTarget::parse(word).unwrap_or(ColumnTarget::Ignore),
        None => column.target.clone(),
    };
    columns.iter().enumerate().map(target).collect()
}

/// Why the columns cannot be imported so.
fn problem(targets: &[ColumnTarget]) -> Option<String> {
    let times = |wanted: &ColumnTarget| targets.iter().filter(|t| *t == wanted).count();
    match times(&ColumnTarget::Email) {
        0 => return Some("Choose the column with the e-mail addresses.".to_owned()),
        1 => {}
        n => {
            return Some(format!(
                "{n} columns are e-mail addresses. Choose one; an import makes one subscriber of each row."
            ));
        }
    }
    for (target, name) in [(ColumnTarget::FirstName, "first name"), (ColumnTarget::LastName, "last name")] {
        if times(&target) > 1 {
            return Some(format!("Two columns are the {name}. Choose one of them."));
        }
    }
    let mut names = HashSet::new();
    let twice = targets.iter().find_map(|t| match t {
        ColumnTarget::Attribute(name) if !names.insert(name) => Some(name),
        _ => None,
    });
    twice.map(|name| format!("Two columns become the merge field “{name}”. Give one of them another name."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(targets: &[&str], expected: Option<&str>) {
        let targets: Vec<_> = targets.iter().map(|t| ColumnTarget::parse(t).unwrap()).collect();
        let found = problem(&targets);
        assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
        assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()));
    }

    #[test]
    fn a_row_needs_one_address_and_each_field_one_column() {
        check(&["email", "first_name", "attribute:city", "ignore", "ignore"], None);
        check(&["first_name", "attribute:city"], Some("Choose the column"));
        check(&["email", "email"], Some("2 columns are e-mail"));
        check(&["email", "last_name", "last_name"], Some("last name"));
        check(&["email", "attribute:City", "attribute:city"], Some("“city”"));
    }
}
