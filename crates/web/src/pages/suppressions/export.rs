//! The whole list as CSV (RFC 4180), streamed; the importer reads it back.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream::try_unfold;
use tidings_store::{Suppression, SuppressionFilter, SuppressionId, Workspace};

use super::owner::Owner;
use crate::WebState;
use crate::page::Page;
use crate::problem::{WebError, WebResult};
use crate::text::harmless;

/// Rows of one step: what is in memory at a time.
const CHUNK_ROWS: i64 = 2_000;
const COLUMNS: [&str; 8] = ["kind", "value", "scope", "reason", "source", "evidence", "since", "expires"];

struct Walk {
    list: Workspace,
    page: Page,
    before: Option<SuppressionId>,
    is_first: bool,
    is_over: bool,
}

pub(super) async fn export(request: HttpRequest, page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let owner = Owner::of(&request, &page, &state)?;
    let walk = Walk { list: owner.list, page, before: None, is_first: true, is_over: false };
    let body = try_unfold(walk, |walk| async move { walk.step().await });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"suppressions.csv\""))
        .streaming::<_, WebError>(Box::pin(body)))
}

impl Walk {
    async fn step(mut self) -> WebResult<Option<(web::Bytes, Self)>> {
        if self.is_over {
            return Ok(None);
        }
        let rows = self.list.suppressions(SuppressionFilter::default(), self.before, CHUNK_ROWS).await?;
        self.before = rows.last().map(|row| row.id);
        self.is_over = (rows.len() as i64) < CHUNK_ROWS;
        let chunk = lines(&rows, &self.page, std::mem::take(&mut self.is_first))?;
        Ok(Some((web::Bytes::from(chunk), self)))
    }
}

fn lines(rows: &[Suppression], page: &Page, with_header: bool) -> WebResult<Vec<u8>> {
    let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if with_header {
        csv.write_record(COLUMNS).map_err(internal)?;
    }
    for row in rows {
        let expires = row.expires_at_ms.map(|at| page.when(&at).machine).unwrap_or_default();
        let (kind, reason) = (row.kind.to_string(), row.reason.to_string());
        let (scope, since) = (row.scope().to_string(), page.when(&row.created_at_ms).machine);
        let cells = [&kind, &row.value, &scope, &reason, &row.source, &row.evidence, &since, &expires];
        csv.write_record(cells.map(|cell| harmless(cell))).map_err(internal)?;
    }
    csv.into_inner().map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> WebError {
    WebError::Internal(format!("the CSV could not be written: {error}"))
}
