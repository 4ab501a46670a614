use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_domain::{EmailAddress, SuppressionKind, SuppressionReason, Word};
use tidings_store::{Scope, Suppression, SuppressionFilter, SuppressionId};

use super::owner::{ListNames, Owner, kind_label, kinds, label, list_names, scopes, shown};
use crate::WebState;
use crate::filters;
use crate::page::{Nav, Page, Show, shows};
use crate::paging::{PAGE_ROWS, Pager};
use crate::problem::WebResult;
use crate::why_not::Verdict;
use crate::words::Label;

shows!(SuppressionsPage);

#[derive(Template)]
#[template(path = "suppressions/index.html")]
struct SuppressionsPage {
    page: Page,
    rows: Vec<Suppression>,
    pager: Pager,
    asked: Asked,
    /// The answer to a search for an address.
    verdict: Option<Verdict>,
    lists: ListNames,
    base: &'static str,
    is_global: bool,
    is_admin: bool,
}

#[derive(Deserialize, Default)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    scope: String,
    after: Option<i64>,
}

impl Asked {
    /// Words that the form does not have filter nothing.
    fn filter(&self) -> SuppressionFilter {
        SuppressionFilter {
            kind: SuppressionKind::parse(&self.kind).ok(),
            reason: SuppressionReason::parse(&self.reason).ok(),
            scope: Scope::parse(&self.scope),
            ..SuppressionFilter::from(self.q.as_str())
        }
    }

    fn is_empty(&self) -> bool {
        self.filter() == SuppressionFilter::default()
    }

    /// The query of the same filters, ready for more: `kind=domain&…&`.
    fn query(&self) -> String {
        let pairs = [("q", &self.q), ("kind", &self.kind), ("reason", &self.reason), ("scope", &self.scope)];
        let given = pairs.iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("{name}={}&", url_part(value))).collect()
    }
}

fn url_part(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    text.bytes().map(|b| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

pub(super) async fn index(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    asked: web::Query<Asked>,
) -> WebResult<HttpResponse> {
    let (asked, owner) = (asked.into_inner(), Owner::of(&request, &page, &state)?);
    let lists = list_names(&page, &state, owner.is_global).await?;
    let address = EmailAddress::parse(&asked.q).ok();
    let (rows, pager, verdict) = match address {
        Some(address) => {
            let email = address.to_string();
            let rows = owner.list.suppressions_of(email.clone(), state.now()).await?;
            let why = owner.list.why_not(email.clone(), None, state.now()).await?;
            (rows, Pager::default(), Some(Verdict::of(&email, &why)))
        }
        None => {
            let before = asked.after.map(SuppressionId);
            let mut rows = owner.list.suppressions(asked.filter(), before, PAGE_ROWS + 1).await?;
            let has_more = rows.len() > PAGE_ROWS as usize;
            rows.truncate(PAGE_ROWS as usize);
            let next = rows.last().filter(|_| has_more).map(|row| row.id.to_string());
            (rows, Pager::new(&format!("{}?{}", owner.base, asked.query()), asked.after.is_none(), next), None)
        }
    };
    let is_admin = page.who()?.is_admin();
    let Owner { base, is_global, .. } = owner;
    let page = page.titled("Suppressions", Nav::Suppressions);
    SuppressionsPage { page, rows, pager, asked, verdict, lists, base, is_global, is_admin }.show()
}

impl SuppressionsPage {
    /// A page of this list.
    fn at(&self, page: &str) -> String {
        format!("{}/{page}", self.base)
    }

    fn scopes(&self) -> Vec<(String, String)> {
        scopes(&self.lists)
    }

    fn kinds(&self) -> Vec<(String, String)> {
        kinds()
    }

    fn kind(&self, row: &Suppression) -> &'static str {
        kind_label(row.kind)
    }

    fn shown(&self, row: &Suppression) -> String {
        shown(row)
    }

    fn scope(&self, row: &Suppression) -> String {
        label(row.scope(), &self.lists)
    }

    /// Only from its own list, and a complaint only by an admin.
    fn may_remove(&self, row: &Suppression) -> bool {
        row.is_global() == self.is_global && (self.is_admin || row.reason != SuppressionReason::Complaint)
    }

    fn is_complaint(&self, row: &Suppression) -> bool {
        row.reason == SuppressionReason::Complaint
    }

    fn is_wish(&self, row: &Suppression) -> bool {
        row.reason == SuppressionReason::Unsubscribe
    }

    fn reasons(&self) -> Vec<(String, String)> {
        SuppressionReason::ALL.iter().map(|reason| (reason.to_string(), reason.label().to_owned())).collect()
    }
}
