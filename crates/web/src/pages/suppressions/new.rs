use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{SuppressionEntry, SuppressionReason, Word};
use tidings_store::{MAX_PATTERNS, NewSuppression, Scope, StoreError};

use super::owner::{ListNames, Owner, list_names, scopes};
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::WebResult;
use crate::text::count_of;
use crate::words::Label;

/// What one paste may have, in octets: some ten thousand addresses. More comes as a file.
pub(super) const MAX_FORM_OCTETS: usize = 1024 * 1024;
const MAX_NOTE: usize = 500;
/// Bad lines that are told one by one.
const LINES_TOLD: usize = 20;
/// A bad line is shown up to here, in characters.
const LINE_SHOWN: usize = 60;

shows!(NewSuppressionPage);

#[derive(Template)]
#[template(path = "suppressions/new.html")]
struct NewSuppressionPage {
    page: Page,
    form: NewForm,
    errors: Errors,
    /// What was wrong with single lines; the others are in.
    bad_lines: Vec<String>,
    /// How many entries came of the good ones.
    added: Option<i64>,
    lists: ListNames,
    base: &'static str,
    is_global: bool,
}

#[derive(Deserialize, Default)]
pub(super) struct NewForm {
    #[serde(default)]
    value: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    note: String,
}

/// The lines of a paste, read.
struct Lines {
    good: Vec<SuppressionEntry>,
    bad: Vec<(String, String)>,
}

impl Lines {
    /// One entry in each line; commas and semicolons part them too. What is wrong is told with the number of its line.
    fn read(text: &str) -> Self {
        let mut lines = Self { good: Vec::new(), bad: Vec::new() };
        for (i, line) in text.lines().enumerate() {
            for word in line.split([',', ';']).map(str::trim).filter(|word| !word.is_empty()) {
                match SuppressionEntry::parse(word) {
                    Ok(entry) => lines.good.push(entry),
                    Err(error) => {
                        let shown: String = word.chars().take(LINE_SHOWN).collect();
                        lines.bad.push((format!("Line {}, {shown}: {error}.", i + 1), word.to_owned()));
                    }
                }
            }
        }
        lines
    }
}

pub(super) async fn form(request: HttpRequest, page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let owner = Owner::of(&request, &page, &state)?;
    show(page, &state, &owner, NewForm::default()).await?.show()
}

async fn show(page: Page, state: &WebState, owner: &Owner, form: NewForm) -> WebResult<NewSuppressionPage> {
    let lists = list_names(&page, state, owner.is_global).await?;
    Ok(NewSuppressionPage {
        page: page.titled("Add to the suppression list", Nav::Suppressions),
        form,
        errors: Errors::default(),
        bad_lines: Vec::new(),
        added: None,
        lists,
        base: owner.base,
        is_global: owner.is_global,
    })
}

pub(super) async fn add(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<NewForm>,
) -> WebResult<HttpResponse> {
    let (owner, by) = (Owner::of(&request, &page, &state)?, page.who()?.name.clone());
    let mut view = show(page, &state, &owner, form.into_inner()).await?;
    let note = view.errors.text("note", &view.form.note, MAX_NOTE, "").to_owned();
    let reason = SuppressionReason::parse(&view.form.reason).unwrap_or(SuppressionReason::Blocklist);
    let scope = Scope::parse(&view.form.scope).unwrap_or_default();
    let lines = Lines::read(&view.form.value);
    if lines.good.is_empty() {
        let why = lines.bad.first().map_or("Name an address, a domain or a pattern.", |(told, _)| told);
        view.errors.add("value", why);
    }
    if !view.errors.is_empty() {
        return view.show_errors();
    }
    let new = |entry| {
        let source = format!("by hand, {by}");
        NewSuppression { scope, evidence: note.clone(), ..NewSuppression::of(entry, reason, source) }
    };
    let mut good = lines.good;
    if let (1, true) = (good.len(), lines.bad.is_empty()) {
        let new = new(good.remove(0));
        let value = new.value.clone();
        let said = match owner.list.suppress_by_hand(new, by.clone(), state.now()).await {
            Ok(true) => format!("{value} is on the suppression list."),
            Ok(false) => format!("{value} was there already, for a reason that is as strong."),
            Err(StoreError::Full(..)) => {
                view.errors.add("value", too_many_patterns());
                return view.show_errors();
            }
            Err(error) => return Err(error.into()),
        };
        flash(&request, Tone::Ok, said);
        return Ok(see_other(owner.base));
    }
    let entries = good.into_iter().map(new).collect();
    let merged = owner.list.suppress_many(scope, entries, by.clone(), note.clone(), state.now()).await?;
    let said = format!(
        "{} added; {} there already.",
        count_of(merged.added, "entry", "entries"),
        count_of(merged.known, "was", "were")
    );
    if lines.bad.is_empty() && merged.too_many == 0 {
        flash(&request, Tone::Ok, said);
        return Ok(see_other(owner.base));
    }
    view.tell(lines.bad, merged.added, merged.too_many);
    view.show_errors()
}

fn too_many_patterns() -> String {
    format!("One list has at most {MAX_PATTERNS} patterns. Remove some, or name whole domains instead.")
}

impl NewSuppressionPage {
    fn scopes(&self) -> Vec<(String, String)> {
        scopes(&self.lists)
    }

    fn lead(&self) -> &'static str {
        if self.is_global {
            "Stops mail from every workspace of this installation."
        } else {
            "They get no mail from this workspace, whatever list they are on."
        }
    }

    /// The good lines are in; what is left in the box is what was wrong, to be mended.
    fn tell(&mut self, bad: Vec<(String, String)>, added: i64, too_many: i64) {
        self.added = Some(added);
        let more = bad.len().saturating_sub(LINES_TOLD);
        self.form.value = bad.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join("\n");
        self.bad_lines = bad.into_iter().map(|(told, _)| told).take(LINES_TOLD).collect();
        if more > 0 {
            self.bad_lines.push(format!("… and {}.", count_of(more as i64, "more line", "more lines")));
        }
        if too_many > 0 {
            self.bad_lines.push(too_many_patterns());
        }
    }

    fn reasons(&self) -> Vec<(String, String)> {
        let offered = [
            SuppressionReason::Blocklist,
            SuppressionReason::Unsubscribe,
            SuppressionReason::HardBounce,
            SuppressionReason::Complaint,
        ];
        offered.map(|reason| (reason.to_string(), reason.label().to_owned())).into()
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn each_bad_line_is_told_with_its_number_and_the_good_ones_are_kept() {
        let lines = Lines::read("bo@example.org; example.net\n\nbroken\n*@*.example.com\ncy@\n");
        let values: Vec<&str> = lines.good.iter().map(|entry| entry.value.as_str()).collect();
        assert_eq!(values, ["bo@example.org", "example.net", "*@*.example.com"]);
        let told: Vec<&str> = lines.bad.iter().map(|(told, _)| told.as_str()).collect();
        assert!(
            told[0].starts_with("Line 3, broken: not a domain") && told[1].starts_with("Line 5, cy@: "),
            "{told:?}"
        );
    }
}
