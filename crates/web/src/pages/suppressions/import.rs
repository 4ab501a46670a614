use actix_multipart::{Field, Multipart};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use tidings_domain::{SuppressionReason, Word};
use tidings_store::{NewSuppressionImport, Refusal, Scope, SuppressionImport, SuppressionImportId};

use super::owner::{ListNames, Owner, label, list_names, scopes};
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::page::{Nav, Page, Show, see_other, shows};
use crate::pages::imports::spool::Spool;
use crate::pages::imports::upload::{next_bytes, next_part, text};
use crate::problem::{WebError, WebResult};
use crate::words::Label;

/// Two hundred million addresses; streamed, so this only keeps a mistake from filling a disk.
pub(super) const MAX_UPLOAD_OCTETS: usize = 8 * 1024 * 1024 * 1024;
const MAX_TEXT_OCTETS: usize = 2_048;
const MAX_PARTS: usize = 8;
const MAX_NAME_CHARS: usize = 120;
const MAX_NOTE: usize = 300;

shows!(ImportFormPage, ImportShowPage);

#[derive(Template)]
#[template(path = "suppressions/import.html")]
struct ImportFormPage {
    page: Page,
    typed: Typed,
    errors: Errors,
    imports: Vec<SuppressionImport>,
    lists: ListNames,
    base: &'static str,
}

#[derive(Template)]
#[template(path = "suppressions/import_show.html")]
struct ImportShowPage {
    page: Page,
    import: SuppressionImport,
    refusals: Vec<Refusal>,
    scope: String,
    base: &'static str,
}

/// What a person filled in, and the file.
#[derive(Default)]
struct Typed {
    reason: String,
    scope: String,
    note: String,
    file_name: String,
    spool: Option<Spool>,
}

pub(super) async fn form(request: HttpRequest, page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let owner = Owner::of(&request, &page, &state)?;
    view(page, &state, &owner, Typed::default(), Errors::default()).await?.show()
}

async fn view(page: Page, state: &WebState, owner: &Owner, typed: Typed, errors: Errors) -> WebResult<ImportFormPage> {
    let lists = list_names(&page, state, owner.is_global).await?;
    let imports = owner.list.suppression_imports().await?;
    let page = page.titled("Import a suppression list", Nav::Suppressions);
    Ok(ImportFormPage { page, typed, errors, imports, lists, base: owner.base })
}

pub(super) async fn upload(
    request: HttpRequest,
    page: Page,
    body: Multipart,
    state: web::Data<WebState>,
) -> WebResult<HttpResponse> {
    let owner = Owner::of(&request, &page, &state)?;
    let mut errors = Errors::default();
    let mut typed = receive(&request, body, &state, &mut errors).await?;
    let note = errors.text("note", &typed.note, MAX_NOTE, "").to_owned();
    if typed.spool.is_none() {
        errors.add("file", "Choose a file with the list.");
    }
    let Some(mut spool) = typed.spool.take().filter(|_| errors.is_empty()) else {
        return view(page, &state, &owner, typed, errors).await?.show_errors();
    };
    let path = spool.finish().await.map_err(|error| WebError::Internal(error.to_string()))?;
    let new = NewSuppressionImport {
        file_name: typed.file_name,
        path: path.to_string_lossy().into_owned(),
        bytes_total: i64::try_from(spool.bytes()).unwrap_or(i64::MAX),
        scope: Scope::parse(&typed.scope).unwrap_or_default(),
        reason: SuppressionReason::parse(&typed.reason).unwrap_or(SuppressionReason::Blocklist),
        note,
        created_by: page.who()?.name.clone(),
    };
    let id = owner.list.import_suppressions(new, state.now()).await?;
    spool.keep();
    Ok(see_other(&format!("{}/imports/{id}", owner.base)))
}

async fn receive(
    request: &HttpRequest,
    mut body: Multipart,
    state: &WebState,
    errors: &mut Errors,
) -> WebResult<Typed> {
    let expected = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let mut typed = Typed::default();
    let mut parts = 0;
    while let Some(part) = next_part(&mut body).await? {
        parts += 1;
        if parts > MAX_PARTS {
            return Err(WebError::BadRequest("The form has more parts than ours.".to_owned()));
        }
        match part.name().unwrap_or_default() {
            "reason" => typed.reason = text(part, MAX_TEXT_OCTETS).await?,
            "scope" => typed.scope = text(part, MAX_TEXT_OCTETS).await?,
            "note" => typed.note = text(part, MAX_TEXT_OCTETS).await?,
            "file" => file(part, expected.unwrap_or(0), &mut typed, state, errors).await?,
            _ => drop(text(part, MAX_TEXT_OCTETS).await?),
        }
    }
    Ok(typed)
}

/// Streams the file to the disk. An empty part is a form without a file.
async fn file(
    mut part: Field,
    expected: u64,
    typed: &mut Typed,
    state: &WebState,
    errors: &mut Errors,
) -> WebResult<()> {
    let name = part.content_disposition().and_then(|d| d.get_filename()).unwrap_or_default();
    typed.file_name = name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    let mut spool: Option<Spool> = None;
    while let Some(bytes) = next_bytes(&mut part).await? {
        if errors.has("file") {
            // The rest is read and dropped, so that the browser comes to see the answer.
            continue;
        }
        let written = match &mut spool {
            Some(spool) => spool.write(&bytes).await,
            None => match Spool::create(&state.config.spool_dir, expected).await {
                Ok(new) => spool.insert(new).write(&bytes).await,
                Err(error) => Err(error),
            },
        };
        if let Err(error) = written {
            tracing::error!("an upload failed: {error}");
            errors.add("file", error.to_string());
            spool = None;
        }
        if spool.as_ref().is_some_and(|s| s.bytes() > MAX_UPLOAD_OCTETS as u64) {
            return Err(WebError::TooLarge(MAX_UPLOAD_OCTETS));
        }
    }
    typed.spool = spool;
    Ok(())
}

pub(super) async fn show(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let owner = Owner::of(&request, &page, &state)?;
    let (import, refusals) = owner.list.suppression_import(SuppressionImportId(*id)).await?;
    let lists = list_names(&page, &state, owner.is_global).await?;
    let scope = label(import.scope(), &lists);
    let page = page.titled(import.file_name.clone(), Nav::Suppressions);
    ImportShowPage { page, import, refusals, scope, base: owner.base }.show()
}

pub(super) async fn cancel(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let owner = Owner::of(&request, &page, &state)?;
    match owner.list.cancel_suppression_import(SuppressionImportId(*id), state.now()).await? {
        true => flash(&request, Tone::Ok, "Import cancelled. Entries that were imported before stay."),
        false => flash(&request, Tone::Warn, "The import is over already."),
    }
    Ok(see_other(&format!("{}/imports/{id}", owner.base)))
}

/// The badge of an import.
fn badge(import: &SuppressionImport) -> (&'static str, &'static str) {
    match import.state.as_str() {
        "ready" => ("neutral", "Waiting"),
        "running" => ("live", "Importing"),
        "done" => ("ok", "Done"),
        "failed" => ("bad", "Failed"),
        _ => ("neutral", "Cancelled"),
    }
}

impl ImportFormPage {
    fn scopes(&self) -> Vec<(String, String)> {
        scopes(&self.lists)
    }

    fn badge(&self, import: &SuppressionImport) -> (&'static str, &'static str) {
        badge(import)
    }

    fn reasons(&self) -> Vec<(String, String)> {
        SuppressionReason::ALL.iter().rev().map(|reason| (reason.to_string(), reason.label().to_owned())).collect()
    }

    fn chosen_reason(&self) -> &str {
        if self.typed.reason.is_empty() { SuppressionReason::Blocklist.as_str() } else { &self.typed.reason }
    }
}

impl ImportShowPage {
    /// A page of this list.
    fn at(&self, page: &str) -> String {
        format!("{}/{page}", self.base)
    }

    fn badge(&self, import: &SuppressionImport) -> (&'static str, &'static str) {
        badge(import)
    }

    fn percent(&self) -> i64 {
        self.import.bytes_done.saturating_mul(100) / self.import.bytes_total.max(1)
    }
}
