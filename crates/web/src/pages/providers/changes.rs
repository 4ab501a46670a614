//! Who changed what of a provider, and taking a change back.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tidings_domain::{ProviderEntry, ReplyRule};
use tidings_store::{AddedRule, ProviderChange, ProviderNote, ProviderSubject};

use super::{newest, page_of};
use crate::WebState;
use crate::flash::{Tone, flash};
use crate::page::{Page, see_other};
use crate::problem::{WebError, WebResult};

/// Changes that are looked through for those of one provider.
const CHANGES_READ: i64 = 200;
const CHANGES_SHOWN: usize = 20;

/// One change, in words.
pub(super) struct ChangeRow {
    pub id: i64,
    pub at_ms: i64,
    pub what: String,
    /// Nothing was changed there since.
    pub can_undo: bool,
}

#[derive(Deserialize)]
pub(super) struct UndoForm {
    change: i64,
}

/// The latest changes of this provider and of rules for it.
pub(super) async fn change_rows(state: &WebState, provider: &str) -> WebResult<Vec<ChangeRow>> {
    let all = state.store.provider_changes(None, CHANGES_READ).await?;
    let mut seen = Vec::new();
    let mut rows = Vec::new();
    for change in &all {
        let is_last = !seen.contains(&&change.subject);
        seen.push(&change.subject);
        if is_about(change, provider) && rows.len() < CHANGES_SHOWN {
            rows.push(ChangeRow { id: change.id, at_ms: change.at_ms, what: told(change), can_undo: is_last });
        }
    }
    Ok(rows)
}

fn is_about(change: &ProviderChange, provider: &str) -> bool {
    match &change.subject {
        ProviderSubject::Settings(name) => name == provider,
        ProviderSubject::Rule(_) => [&change.was, &change.becomes]
            .iter()
            .filter_map(|json| rule(json))
            .any(|rule| rule.provider.is_empty() || rule.provider.iter().any(|named| named == provider)),
    }
}

fn rule(json: &str) -> Option<ReplyRule> {
    serde_json::from_str(json).ok()
}

fn entry(json: &str) -> ProviderEntry {
    serde_json::from_str(json).unwrap_or_default()
}

fn told(change: &ProviderChange) -> String {
    let by = &change.by;
    let back = change.undoes.map_or("", |_| ", taking a change back");
    match &change.subject {
        ProviderSubject::Rule(name) if change.becomes.is_empty() => format!("{by} removed the rule “{name}”{back}"),
        ProviderSubject::Rule(name) => format!("{by} added the rule “{name}”{back}"),
        ProviderSubject::Settings(_) => {
            let (was, becomes) = (entry(&change.was), entry(&change.becomes));
            let said = differences(&was, &becomes);
            format!("{by} changed {}{back}", if said.is_empty() { "nothing".to_owned() } else { said.join(", ") })
        }
    }
}

fn differences(was: &ProviderEntry, becomes: &ProviderEntry) -> Vec<String> {
    let number = |n: Option<u32>| n.map_or_else(|| "built-in".to_owned(), |n| n.to_string());
    let rate = |n: Option<f64>| n.map_or_else(|| "built-in".to_owned(), |n| format!("{n}/s"));
    let hosts = |mx: &[String]| if mx.is_empty() { "none".to_owned() } else { mx.join(" ") };
    let parts = [
        ("the rate", rate(was.per_second), rate(becomes.per_second)),
        ("connections", number(was.connections), number(becomes.connections)),
        ("messages on each", number(was.messages_per_connection), number(becomes.messages_per_connection)),
        ("more mail hosts", hosts(&was.mx), hosts(&becomes.mx)),
    ];
    let differs = parts.into_iter().filter(|(_, from, to)| from != to);
    differs.map(|(what, from, to)| format!("{what} from {from} to {to}")).collect()
}

pub(super) async fn undo(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    name: web::Path<String>,
    form: web::Form<UndoForm>,
) -> WebResult<HttpResponse> {
    let change = state.store.provider_change(form.change).await?;
    let last = state.store.provider_changes(Some(change.subject.clone()), 1).await?;
    if last.first().is_none_or(|last| last.id != change.id) {
        flash(&request, Tone::Warn, "Somebody changed it again meanwhile: look at the newest change.");
        return Ok(see_other(&page_of(&name)));
    }
    match take_back(&page, &state, &change).await? {
        None => flash(&request, Tone::Ok, "Taken back. Every worker sends by it within seconds."),
        Some(fault) => flash(&request, Tone::Bad, format!("It cannot be taken back now: {fault}")),
    }
    Ok(see_other(&page_of(&name)))
}

/// Returns what is in the way, if anything is.
async fn take_back(page: &Page, state: &WebState, change: &ProviderChange) -> WebResult<Option<String>> {
    let book = newest(state).await?;
    let note = ProviderNote { by: page.who()?.name.clone(), undoes: Some(change.id), now: state.now() };
    match &change.subject {
        ProviderSubject::Settings(provider) => {
            let before = ProviderEntry { name: provider.clone(), ..entry(&change.was) };
            let others = book.entries().iter().filter(|other| other.name != *provider).cloned();
            let entries = others.chain([before.clone()]).collect();
            if let Err(fault) = book.with_changes(entries, book.own_rules().to_vec(), book.version) {
                return Ok(Some(fault));
            }
            state.store.change_provider(before, note).await?;
        }
        ProviderSubject::Rule(name) if change.was.is_empty() => state.store.remove_reply_rule(name, note).await?,
        ProviderSubject::Rule(name) => {
            let before =
                rule(&change.was).ok_or_else(|| WebError::Internal(format!("the rule {name} is unreadable")))?;
            let rules = book.own_rules().iter().cloned().chain([before.clone()]).collect();
            if let Err(fault) = book.with_changes(book.entries().to_vec(), rules, book.version) {
                return Ok(Some(fault));
            }
            if state.store.add_reply_rule(before, note).await? == AddedRule::NameTaken {
                return Ok(Some(format!("there is a rule {name} again")));
            }
        }
    }
    Ok(None)
}
