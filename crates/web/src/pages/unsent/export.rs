//! `/dead-letters.csv`: the same dead letters as the page shows, all of them, streamed.

use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::{HttpResponse, web};
use futures_util::stream::try_unfold;
use tidings_domain::Word;
use tidings_store::{DeadCursor, DeadLetter, UnsentFilter, Workspace};

use super::asked::Asked;
use crate::WebState;
use crate::page::Page;
use crate::problem::{WebError, WebResult};
use crate::text::harmless;

/// Rows of one step: what is in memory at a time.
const EXPORT_CHUNK_ROWS: i64 = 2_000;

const COLUMNS: [&str; 11] = [
    "delivery",
    "campaign",
    "email",
    "provider",
    "state",
    "reason",
    "attempts",
    "code",
    "enhanced_code",
    "reply",
    "given_up",
];

pub(super) async fn dead_csv(
    page: Page,
    state: web::Data<WebState>,
    asked: web::Query<Asked>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let walk = Walk { data, filter: asked.filter(page.zone), page, at: At::Start };
    let body = try_unfold(walk, |walk| async move { walk.step().await });
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename("dead-letters.csv".to_owned())],
    };
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .streaming::<_, WebError>(Box::pin(body)))
}

enum At {
    Start,
    Before(DeadCursor),
    End,
}

struct Walk {
    data: Workspace,
    filter: UnsentFilter,
    page: Page,
    at: At,
}

impl Walk {
    async fn step(mut self) -> WebResult<Option<(web::Bytes, Self)>> {
        let (before, is_first) = match self.at {
            At::Start => (None, true),
            At::Before(cursor) => (Some(cursor), false),
            At::End => return Ok(None),
        };
        let found = self.data.dead_letters(self.filter.clone(), before, EXPORT_CHUNK_ROWS).await?;
        let is_last = i64::try_from(found.len()).unwrap_or(i64::MAX) < EXPORT_CHUNK_ROWS;
        let last = found.last().map(|row| DeadCursor { at_ms: row.updated_at_ms, id: row.id });
        self.at = last.filter(|_| !is_last).map_or(At::End, At::Before);
        let chunk = rows(&found, &self.page, is_first)?;
        Ok(Some((web::Bytes::from(chunk), self)))
    }
}

fn rows(found: &[DeadLetter], page: &Page, with_header: bool) -> WebResult<Vec<u8>> {
    let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if with_header {
        csv.write_record(COLUMNS).map_err(internal)?;
    }
    for row in found {
        let cells = [
            &row.id.to_string(),
            &row.campaign_id.to_string(),
            row.recipient.as_str(),
            row.provider.as_deref().unwrap_or_default(),
            row.state.as_str(),
            row.reason.as_deref().unwrap_or_default(),
            &row.attempt.to_string(),
            &row.reply_code.map(|code| code.to_string()).unwrap_or_default(),
            row.enhanced.as_deref().unwrap_or_default(),
            row.reply.as_deref().unwrap_or_default(),
            &page.when(&row.updated_at_ms).machine,
        ];
        csv.write_record(cells.map(harmless)).map_err(internal)?;
    }
    csv.into_inner().map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> WebError {
    WebError::Internal(format!("the CSV could not be written: {error}"))
}
