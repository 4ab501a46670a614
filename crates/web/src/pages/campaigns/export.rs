//! `/campaigns/{id}/people.csv`: the same people as the page shows, all of them, streamed.

use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::{HttpResponse, web};
use futures_util::stream::try_unfold;
use tidings_domain::Word;
use tidings_store::{CampaignId, PeopleCursor, PeopleFilter, PeoplePage, Workspace};

use super::draft::id_of;
use super::people::Asked;
use super::wording;
use crate::WebState;
use crate::page::Page;
use crate::problem::{WebError, WebResult};
use crate::text::{When, harmless};

/// Rows of one step: what is in memory at a time.
const EXPORT_CHUNK_ROWS: i64 = 2_000;

const COLUMNS: [&str; 8] = ["email", "state", "reason", "provider", "attempts", "enhanced_code", "reply", "time"];

pub async fn people_csv(
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
    asked: web::Query<Asked>,
) -> WebResult<HttpResponse> {
    let (id, data) = (id_of(&path), page.data(&state)?);
    let head = data.campaign_head(id).await?;
    let walk = Walk { data, id, filter: asked.filter(), page, at: At::Start };
    let body = try_unfold(walk, |walk| async move { walk.step().await });
    let file_name = format!("campaign-{}-people.csv", head.id);
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(file_name)],
    };
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .streaming::<_, WebError>(Box::pin(body)))
}

enum At {
    Start,
    After(PeopleCursor),
    End,
}

struct Walk {
    data: Workspace,
    id: CampaignId,
    filter: PeopleFilter,
    page: Page,
    at: At,
}

impl Walk {
    async fn step(mut self) -> WebResult<Option<(web::Bytes, Self)>> {
        let (after, is_first) = match self.at {
            At::Start => (None, true),
            At::After(cursor) => (Some(cursor), false),
            At::End => return Ok(None),
        };
        let found = self.data.people(self.id, self.filter.clone(), after, EXPORT_CHUNK_ROWS).await?;
        self.at = found.next.map_or(At::End, At::After);
        let chunk = rows(&found, &self.page, is_first)?;
        Ok(Some((web::Bytes::from(chunk), self)))
    }
}

fn rows(found: &PeoplePage, page: &Page, with_header: bool) -> WebResult<Vec<u8>> {
    let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if with_header {
        csv.write_record(COLUMNS).map_err(internal)?;
    }
    for person in &found.people {
        let provider = found.providers.get(&person.provider_id).map(String::as_str).unwrap_or_default();
        let reason = person.reason.as_deref().map(|r| wording::reason(person.state, r)).unwrap_or_default();
        let when: When = page.when(&person.updated_at_ms);
        let cells = [
            person.recipient.as_str(),
            person.state.as_str(),
            &reason,
            provider,
            &person.attempt.to_string(),
            person.enhanced.as_deref().unwrap_or_default(),
            person.reply.as_deref().unwrap_or_default(),
            &when.machine,
        ];
        csv.write_record(cells.map(harmless)).map_err(internal)?;
    }
    csv.into_inner().map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> WebError {
    WebError::Internal(format!("the CSV could not be written: {error}"))
}
