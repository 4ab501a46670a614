//! A report's octets, to be kept or looked at with other tools. Never shown by the browser itself: a mail from the world may hold anything.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use tidings_store::{ReportId, ReportRow};

use crate::WebState;
use crate::page::Page;
use crate::problem::{WebError, WebResult};

pub(super) async fn download(page: Page, state: web::Data<WebState>, id: web::Path<i64>) -> WebResult<HttpResponse> {
    let found = page.data(&state)?.report(ReportId(id.into_inner())).await?;
    attachment(found)
}

/// What came by a webhook is JSON, all else is a mail.
pub(super) fn is_json(row: &ReportRow) -> bool {
    row.source.starts_with("webhook:")
}

pub(super) fn attachment(found: Option<(ReportRow, Vec<u8>)>) -> WebResult<HttpResponse> {
    let (row, octets) = found.filter(|(_, octets)| !octets.is_empty()).ok_or(WebError::NotFound)?;
    let ending = if is_json(&row) { "json" } else { "eml" };
    let name = format!("attachment; filename=\"report-{}.{ending}\"", row.id);
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, name))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
        .body(octets))
}
