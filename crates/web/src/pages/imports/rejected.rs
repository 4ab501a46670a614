use actix_web::http::header;
use actix_web::{HttpResponse, web};
use futures_util::stream;
use tidings_store::{Import, ImportId, Reject, Workspace};

use crate::WebState;
use crate::inventory::Entry;
use crate::page::Page;
use crate::problem::{WebError, WebResult};

pub(crate) const ROUTES: &[Entry] = &[Entry::page("/imports/{id}/rejected.csv", || web::to(rejected))];

/// Rows read from the database at once.
const ROWS_AT_ONCE: i64 = 1_000;

/// The rejected rows as they stood in the file, with row number, kind, column and reason behind: to be mended and imported again. Streamed;
/// if the database fails on the way, the connection breaks off, so that half a file never looks like a whole one.
async fn rejected(page: Page, id: web::Path<i64>, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let import = data.import(ImportId(*id)).await?;
    let name = format!("attachment; filename=\"rejected-rows-{}.csv\"", import.id);
    let body = stream::try_unfold(Cursor { data, import, after: None }, |cursor| cursor.next());
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, name))
        .streaming(body))
}

struct Cursor {
    data: Workspace,
    import: Import,
    /// Nothing before the header was written.
    after: Option<i64>,
}

impl Cursor {
    async fn next(mut self) -> WebResult<Option<(web::Bytes, Self)>> {
        let Some(after) = self.after else {
            self.after = Some(0);
            return Ok(Some((header_line(&self.import)?, self)));
        };
        let rejects = self.data.import_rejects(self.import.id, after, ROWS_AT_ONCE).await?;
        let Some(last) = rejects.last() else { return Ok(None) };
        self.after = Some(last.row_no);
        Ok(Some((lines(&self.import, &rejects)?, self)))
    }
}

fn header_line(import: &Import) -> WebResult<web::Bytes> {
    let headers = import.columns.iter().map(|c| c.header.clone());
    let ours = ["row", "kind", "column", "reason"].map(str::to_owned);
    let line = written([headers.chain(ours).collect()])?;
    // Excel takes a CSV file for UTF-8 only when it begins with a byte order mark.
    Ok([b"\xEF\xBB\xBF", &line[..]].concat().into())
}

fn lines(import: &Import, rejects: &[Reject]) -> WebResult<web::Bytes> {
    let delimiter = import.format.delimiter.bytes().next().unwrap_or(b',');
    let line = |reject: &Reject| {
        let mut cells = cells(&reject.record, delimiter);
        cells.resize(import.columns.len().max(cells.len()), String::new());
        let (column, reason) = (reject.column.clone(), reject.reason.clone());
        cells.extend([reject.row_no.to_string(), reject.kind.to_string(), column, reason]);
        cells
    };
    Ok(written(rejects.iter().map(line))?.into())
}

fn cells(record: &str, delimiter: u8) -> Vec<String> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(record.as_bytes());
    // A record that cannot be taken apart is given whole.
    let mut row = csv::StringRecord::new();
    match reader.read_record(&mut row) {
        Ok(true) => row.iter().map(str::to_owned).collect(),
        Ok(false) | Err(_) => vec![record.to_owned()],
    }
}

fn written(rows: impl IntoIterator<Item = Vec<String>>) -> WebResult<Vec<u8>> {
    let failed = |error: String| WebError::Internal(format!("a CSV row could not be written: {error}"));
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row.iter().map(|cell| neutral(cell))).map_err(|e| failed(e.to_string()))?;
    }
    writer.into_inner().map_err(|e| failed(e.to_string()))
}

/// A cell that a spreadsheet would run as a formula gets an apostrophe before it.
fn neutral(cell: &str) -> String {
    match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\0') => format!("'{cell}"),
        _ => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let row = ["=1+1", "+31 6", "-x", "@cmd", "\tx", "\rx", "ana@example.org", ""].map(str::to_owned).to_vec();
        let text = String::from_utf8(written([row]).unwrap()).unwrap();
        assert_eq!(text, "'=1+1,'+31 6,'-x,'@cmd,'\tx,\"'\rx\",ana@example.org,\n");
    }

    #[test]
    fn a_broken_record_keeps_its_text() {
        assert_eq!(cells("a;\"b", b';'), ["a", "b"]);
        assert_eq!(cells("a;b,c", b';'), ["a", "b,c"]);
        assert_eq!(cells("", b';'), [""]);
    }
}
