use actix_web::HttpRequest;
use tidings_domain::{Lane, SuppressionKind, Word};
use tidings_store::{Scope, Suppression, Workspace};

use crate::WebState;
use crate::page::Page;
use crate::problem::WebResult;

const INSTALLATION: &str = "/installation/suppressions";

/// The list that a request is about.
pub(super) struct Owner {
    /// The list's entries, by the methods that a workspace has for its own.
    pub list: Workspace,
    /// The path of its pages.
    pub base: &'static str,
    pub is_global: bool,
}

impl Owner {
    pub fn of(request: &HttpRequest, page: &Page, state: &WebState) -> WebResult<Self> {
        if request.path().starts_with(INSTALLATION) {
            // The guard has let only admins through.
            return Ok(Self { list: state.store.installation_list(), base: INSTALLATION, is_global: true });
        }
        Ok(Self { list: page.data(state)?, base: "/suppressions", is_global: false })
    }
}

/// The lists by which a scope is named: id and name.
pub(super) type ListNames = Vec<(i64, String)>;

pub(super) async fn list_names(page: &Page, state: &WebState, is_global: bool) -> WebResult<ListNames> {
    if is_global {
        return Ok(Vec::new());
    }
    let rows = page.data(state)?.lists().await?;
    Ok(rows.into_iter().map(|row| (row.list.id.0, row.list.name)).collect())
}

/// The scopes that a form offers, in the order of how much they stop: value and words.
pub(super) fn scopes(lists: &ListNames) -> Vec<(String, String)> {
    let mut all = vec![Scope::All];
    all.extend([Lane::Bulk, Lane::Automation, Lane::Transactional].map(Scope::Lane));
    let mut all: Vec<(String, String)> =
        all.into_iter().map(|scope| (scope.to_string(), label(scope, lists))).collect();
    all.extend(lists.iter().map(|(id, name)| (format!("list:{id}"), format!("List “{name}”"))));
    all
}

pub(super) fn label(scope: Scope, lists: &ListNames) -> String {
    match scope {
        Scope::All => "All mail".to_owned(),
        Scope::Lane(Lane::Bulk) => "Campaigns".to_owned(),
        Scope::Lane(Lane::Automation) => "Automations".to_owned(),
        Scope::Lane(Lane::Transactional) => "Transactional mail and tests".to_owned(),
        Scope::List(id) => match lists.iter().find(|(known, _)| *known == id.0) {
            Some((_, name)) => format!("List “{name}”"),
            None => format!("List {id}"),
        },
    }
}

pub(super) fn kind_label(kind: SuppressionKind) -> &'static str {
    match kind {
        SuppressionKind::Address => "Address",
        SuppressionKind::Domain => "Domain",
        SuppressionKind::Pattern => "Pattern",
        SuppressionKind::Hash => "Erased address",
        SuppressionKind::Md5 => "MD5 hash",
        SuppressionKind::Sha256 => "SHA-256 hash",
    }
}

pub(super) fn kinds() -> Vec<(String, String)> {
    SuppressionKind::ALL.iter().map(|kind| (kind.to_string(), kind_label(*kind).to_owned())).collect()
}

/// What stands in the first column: nobody reads sixty-four digits.
pub(crate) fn shown(entry: &Suppression) -> String {
    const DIGITS: usize = 12;
    match entry.kind {
        SuppressionKind::Address | SuppressionKind::Domain | SuppressionKind::Pattern => entry.value.clone(),
        SuppressionKind::Hash => "Erased address".to_owned(),
        SuppressionKind::Md5 | SuppressionKind::Sha256 => {
            format!("{} {}…", kind_label(entry.kind), entry.value.get(..DIGITS).unwrap_or_default())
        }
    }
}
