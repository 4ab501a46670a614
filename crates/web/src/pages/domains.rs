//! The sending domains of a workspace: whose name its mail carries, and adding one.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_compose::{Keys, make_dkim_key};
use tidings_domain::{DkimAlgorithm, SendingDomainName, SendingDomainState, UnixMs, Word, new_selector};
use tidings_store::{AddedDomain, DkimKey, MAX_SENDING_DOMAINS, NewDkimKey, SendingDomain, WorkspaceId};

use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::inventory::{Access, Entry};
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::problem::{WebError, WebResult};
use crate::words::Label;

pub(crate) const ROUTES: &[Entry] = &[
    Entry::page("/settings/domains", || web::to(index)).with_access(Access::Admin),
    Entry::page("/settings/domains/new", || web::to(new)).with_access(Access::Admin),
    Entry::action("/settings/domains", || web::to(add)).with_access(Access::Admin),
];

shows!(DomainsPage, NewDomainPage);

#[derive(Template)]
#[template(path = "settings/domains.html")]
struct DomainsPage {
    page: Page,
    rows: Vec<SendingDomain>,
}

#[derive(Template)]
#[template(path = "settings/domain-new.html")]
struct NewDomainPage {
    page: Page,
    form: Form,
    errors: Errors,
}

#[derive(Deserialize, Default)]
struct Form {
    name: String,
}

impl Label for SendingDomainState {
    fn label(&self) -> &'static str {
        match self {
            Self::Unverified => "Not verified",
            Self::Verified => "Verified",
            Self::Failing => "Key is gone",
        }
    }

    fn tone(&self) -> &'static str {
        match self {
            Self::Unverified => "warn",
            Self::Verified => "ok",
            Self::Failing => "bad",
        }
    }
}

async fn index(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let rows = page.data(&state)?.sending_domains().await?;
    DomainsPage { page: page.titled("Domains", Nav::Settings), rows }.show()
}

async fn new(page: Page) -> WebResult<HttpResponse> {
    // The domain of the workspace's usual sender is most likely the one.
    let name = page.who()?.workspace.from_email.rsplit_once('@').map_or("", |(_, domain)| domain).to_owned();
    let page = page.titled("Add a domain", Nav::Settings);
    NewDomainPage { page, form: Form { name }, errors: Errors::default() }.show()
}

async fn add(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    form: web::Form<Form>,
) -> WebResult<HttpResponse> {
    let form = form.into_inner();
    let mut errors = Errors::default();
    if let Some(name) = errors.take("name", SendingDomainName::parse(&form.name)) {
        match save(&page, &state, name).await? {
            AddedDomain::Yes(id) => {
                tracing::info!(user = page.who()?.id.0, domain = id.0, "a sending domain was added");
                flash(&request, Tone::Ok, "Domain added. Publish its records, then it is verified by itself.");
                return Ok(see_other(&format!("/settings/domains/{id}")));
            }
            AddedDomain::Exists => errors.add("name", "This domain is here already."),
            AddedDomain::TooMany => errors
                .add("name", format!("There are {MAX_SENDING_DOMAINS} domains already. Remove one that is not used.")),
        }
    }
    NewDomainPage { page: page.titled("Add a domain", Nav::Settings), form, errors }.show_errors()
}

async fn save(page: &Page, state: &WebState, name: SendingDomainName) -> WebResult<AddedDomain> {
    let data = page.data(state)?;
    let keys = make_keys(state, data.id(), name.as_str(), DkimAlgorithm::ALL, &[]).await?;
    let by = page.who()?.name.clone();
    Ok(data.add_sending_domain(name, keys, by, state.now()).await?)
}

/// Makes a key of each kind, sealed for its row. `taken` are the selectors that the domain has had.
pub(super) async fn make_keys(
    state: &WebState,
    workspace: WorkspaceId,
    domain: &str,
    algorithms: &[DkimAlgorithm],
    taken: &[String],
) -> WebResult<Vec<NewDkimKey>> {
    let (keys, domain, taken, now) = (Arc::clone(&state.keys), domain.to_owned(), taken.to_vec(), state.now());
    let algorithms = algorithms.to_vec();
    let make = move || {
        let one = |algorithm: &DkimAlgorithm| make_key(&keys, (workspace, &domain), *algorithm, &taken, now);
        algorithms.iter().map(one).collect::<Result<Vec<_>, _>>()
    };
    // An RSA key takes a tenth of a second and more.
    let made = web::block(make).await.map_err(|error| WebError::Internal(error.to_string()))?;
    made.map_err(|error| WebError::Internal(error.to_string()))
}

fn make_key(
    keys: &Keys,
    (workspace, domain): (WorkspaceId, &str),
    algorithm: DkimAlgorithm,
    taken: &[String],
    now: UnixMs,
) -> Result<NewDkimKey, tidings_compose::DkimError> {
    let selector = new_selector(algorithm, now, |selector| taken.iter().any(|known| known == selector));
    let made = make_dkim_key(algorithm)?;
    let private_sealed = made.seal(keys, &DkimKey::seal_context(workspace, domain, &selector));
    Ok(NewDkimKey { algorithm, selector, public_key: made.public_key, private_sealed })
}
