//! `/providers`: who operates the mailboxes, how fast each is sent to, what its replies mean, what slowed it, and what an operator
//! changes in all of that.

mod acts;
mod changes;
mod events;
mod index;
mod limits;
mod rules;
mod show;
mod standing;
mod try_reply;

use actix_web::web;
use tidings_bounce::ProviderBook;

pub(crate) use events::{EventRow, event_rows};
pub(crate) use standing::{Alert, alerts};

use crate::WebState;
use crate::inventory::{Access, Entry};
use crate::problem::WebResult;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/providers", || web::to(index::show)).with_access(Access::Admin),
    Entry::page("/providers/{name}", || web::to(show::show)).with_access(Access::Admin),
    Entry::action("/providers/{name}/limits", || web::to(limits::save)).with_access(Access::Admin),
    Entry::action("/providers/{name}/hold", || web::to(acts::hold)).with_access(Access::Admin),
    Entry::action("/providers/{name}/lift", || web::to(acts::lift)).with_access(Access::Admin),
    Entry::action("/providers/{name}/undo", || web::to(changes::undo)).with_access(Access::Admin),
    Entry::page("/providers/{name}/rules/new", || web::to(rules::new)).with_access(Access::Admin),
    Entry::action("/providers/{name}/rules", || web::to(rules::add)).with_access(Access::Admin),
    Entry::action("/providers/{name}/rules/remove", || web::to(rules::remove)).with_access(Access::Admin),
];

/// The address of a provider's page.
fn page_of(name: &str) -> String {
    format!("/providers/{name}")
}

/// The book with the newest changes: the one that this process keeps may be a moment older.
async fn newest(state: &WebState) -> WebResult<ProviderBook> {
    let kept = state.book.current();
    let changes = state.store.provider_overrides().await?;
    if changes.version == kept.version {
        return Ok(ProviderBook::clone(&kept));
    }
    let version = changes.version;
    let newest = kept.with_changes(changes.entries, changes.rules, version);
    Ok(newest.unwrap_or_else(|fault| kept.in_trouble(Some(fault))))
}
