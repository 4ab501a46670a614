use std::time::Duration;

use actix_multipart::{Field, Multipart};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use tidings_store::{ListId, NewImport, StoreError, Workspace};

use crate::WebState;
use crate::form::Errors;
use crate::inventory::Entry;
use crate::page::{Page, see_other};
use crate::pages::imports::new::{NEW_LIST, Typed, show};
use crate::pages::imports::spool::Spool;
use crate::problem::{WebError, WebResult};

pub(crate) const ROUTES: &[Entry] = &[Entry::upload("/imports/new", MAX_UPLOAD_OCTETS, || web::to(upload))];

/// The largest file. It is streamed, so this only keeps a mistake from filling a disk.
const MAX_UPLOAD_OCTETS: usize = 64 * 1024 * 1024 * 1024;
/// The fields of the form besides the file; the paste box is the longest.
const MAX_TEXT_OCTETS: usize = 256;
const MAX_PASTED_OCTETS: usize = 4 * 1024 * 1024;
const MAX_PARTS: usize = 12;
/// An upload that stands still for so long is given up.
const STALLED_AFTER: Duration = Duration::from_secs(60);
const MAX_NAME_CHARS: usize = 120;

/// The parts of the form, read in the order in which they come.
#[derive(Default)]
struct Received {
    typed: Typed,
    file_name: String,
    spool: Option<Spool>,
    errors: Errors,
}

async fn upload(
    request: HttpRequest,
    page: Page,
    body: Multipart,
    state: web::Data<WebState>,
) -> WebResult<HttpResponse> {
    let mut got = receive(&request, body, &state).await?;
    let data = page.data(&state)?;
    check(&mut got);
    if got.errors.is_empty() && got.spool.is_none() {
        pasted(&mut got, &state).await;
    }
    let Some(list) = list(&data, &mut got, &state).await? else {
        return show(page, &state, got.typed, got.errors).await;
    };
    let Some(mut spool) = got.spool else {
        return show(page, &state, got.typed, got.errors).await;
    };
    let path = spool.finish().await.map_err(|error| WebError::Internal(error.to_string()))?;
    let new = NewImport {
        list,
        file_name: got.file_name,
        path: path.to_string_lossy().into_owned(),
        delete_file: true,
        bytes_total: i64::try_from(spool.bytes()).unwrap_or(i64::MAX),
        auto_start: false,
        consent_source: got.typed.consent_source,
        created_by: page.who()?.name.clone(),
    };
    let id = data.create_import(new, state.now()).await?;
    spool.keep();
    Ok(see_other(&format!("/imports/{id}")))
}

async fn receive(request: &HttpRequest, mut body: Multipart, state: &WebState) -> WebResult<Received> {
    let expected = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let expected: u64 = expected.unwrap_or(0);
    let mut got = Received::default();
    let mut parts = 0;
    while let Some(part) = next_part(&mut body).await? {
        parts += 1;
        if parts > MAX_PARTS {
            return Err(WebError::BadRequest("The form has more parts than ours.".to_owned()));
        }
        match part.name().unwrap_or_default() {
            "list" => got.typed.list = text(part, MAX_TEXT_OCTETS).await?,
            "list_name" => got.typed.list_name = text(part, 4 * MAX_TEXT_OCTETS).await?,
            "consent_source" => got.typed.consent_source = text(part, 4 * MAX_TEXT_OCTETS).await?,
            "pasted" => got.typed.pasted = text(part, MAX_PASTED_OCTETS).await?,
            "file" => file(part, expected, &mut got, state).await?,
            _ => drop(text(part, MAX_TEXT_OCTETS).await?),
        }
    }
    Ok(got)
}

pub(in crate::pages) async fn next_part(body: &mut Multipart) -> WebResult<Option<Field>> {
    let part = tokio::time::timeout(STALLED_AFTER, body.next()).await.map_err(|_| WebError::TooSlow)?;
    part.transpose().map_err(|error| WebError::BadRequest(error.to_string()))
}

pub(in crate::pages) async fn next_bytes(part: &mut Field) -> WebResult<Option<web::Bytes>> {
    let bytes = tokio::time::timeout(STALLED_AFTER, part.next()).await.map_err(|_| WebError::TooSlow)?;
    bytes.transpose().map_err(|error| WebError::BadRequest(error.to_string()))
}

pub(in crate::pages) async fn text(mut part: Field, limit: usize) -> WebResult<String> {
    let mut text = Vec::new();
    while let Some(bytes) = next_bytes(&mut part).await? {
        if text.len() + bytes.len() > limit {
            return Err(WebError::TooLarge(limit));
        }
        text.extend_from_slice(&bytes);
    }
    String::from_utf8(text).map_err(|_| WebError::BadRequest("A field is not UTF-8.".to_owned()))
}

/// Streams the file to the disk. An empty part is a form without a file.
async fn file(mut part: Field, expected: u64, got: &mut Received, state: &WebState) -> WebResult<()> {
    let name = part.content_disposition().and_then(|d| d.get_filename()).unwrap_or_default();
    got.file_name = name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    let mut spool: Option<Spool> = None;
    while let Some(bytes) = next_bytes(&mut part).await? {
        if got.errors.has("file") {
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
            got.errors.add("file", error.to_string());
            spool = None;
        }
        if spool.as_ref().is_some_and(|s| s.bytes() > MAX_UPLOAD_OCTETS as u64) {
            return Err(WebError::TooLarge(MAX_UPLOAD_OCTETS));
        }
    }
    got.spool = spool;
    Ok(())
}

fn check(got: &mut Received) {
    let Received { typed, errors, spool, .. } = got;
    typed.consent_source = errors
        .text("consent_source", &typed.consent_source, 200, "Say where these people agreed to get mail from you.")
        .to_owned();
    if typed.list == NEW_LIST {
        typed.list_name = errors.text("list_name", &typed.list_name, 100, "Give the new list a name.").to_owned();
    }
    if spool.is_none() && typed.pasted.trim().is_empty() {
        errors.add("file", "Choose a file that is not empty, or paste the rows below.");
    }
    if spool.is_some() && !errors.is_empty() {
        errors.add("file", "Choose the file again.");
    }
}

async fn pasted(got: &mut Received, state: &WebState) {
    let text = got.typed.pasted.as_bytes();
    let written = async {
        let mut spool = Spool::create(&state.config.spool_dir, text.len() as u64).await?;
        spool.write(text).await?;
        Ok::<_, super::spool::SpoolError>(spool)
    };
    match written.await {
        Ok(spool) => (got.spool, got.file_name) = (Some(spool), "Pasted rows".to_owned()),
        Err(error) => got.errors.add("pasted", error.to_string()),
    }
}

/// The list to import into, made if it is to be new. Nothing when the form has errors.
async fn list(data: &Workspace, got: &mut Received, state: &WebState) -> WebResult<Option<ListId>> {
    if !got.errors.is_empty() {
        return Ok(None);
    }
    if got.typed.list != NEW_LIST {
        let id = got.typed.list.parse().map_err(|_| WebError::BadRequest("Choose a list.".to_owned()))?;
        return Ok(Some(data.list(ListId(id)).await?.list.id));
    }
    match data.create_list(got.typed.list_name.clone(), String::new(), state.now()).await {
        Ok(id) => Ok(Some(id)),
        Err(StoreError::Exists(_)) => {
            got.errors.add("list_name", "There is a list of this name. Choose it above, or take another name.");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
