use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{ColumnTarget, ImportState, RejectKind};
use tidings_store::{Import, ImportColumn, ImportId, RejectGroup};

use crate::WebState;
use crate::chart::StackedBar;
use crate::filters;
use crate::inventory::Entry;
use crate::page::{Nav, Page, Show};
use crate::pages::imports::history::badge;
use crate::problem::WebResult;
use crate::text;

pub(crate) const ROUTES: &[Entry] = &[Entry::page("/imports/{id}", || web::to(import))];

/// Columns of the preview table; the match table has all of them.
const PREVIEW_COLUMNS: usize = 12;
const PREVIEW_ROWS: usize = 20;

#[derive(Template)]
#[template(path = "imports/show.html")]
pub(super) struct ImportPage {
    page: Page,
    import: Import,
    tone: &'static str,
    state: &'static str,
    steps: [(&'static str, &'static str); 3],
    matches: Vec<Match>,
    /// What is wrong with the columns as they were sent.
    problem: String,
    groups: Vec<RejectGroup>,
    bar: StackedBar,
}

impl Show for ImportPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

/// One column of the file, and what becomes of it.
struct Match {
    column: ImportColumn,
    /// The choice in the select: `attribute` for any merge field.
    choice: &'static str,
    /// The merge field's name.
    name: String,
}

async fn import(page: Page, id: web::Path<i64>, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let import = page.data(&state)?.import(ImportId(*id)).await?;
    let is_fragment = page.is_fragment();
    let is_active = import.state.is_active();
    let page = ImportPage::new(page, &state, import, String::new()).await?;
    if is_fragment && !is_active {
        // What comes now is another page, with another title.
        return Ok(HttpResponse::NoContent().insert_header(("HX-Refresh", "true")).finish());
    }
    page.show()
}

impl ImportPage {
    pub async fn new(page: Page, state: &WebState, import: Import, problem: String) -> WebResult<Self> {
        let groups = match import.counts.read {
            0 => Vec::new(),
            _ => page.data(state)?.import_reject_groups(import.id).await?,
        };
        let (tone, words) = badge(import.state);
        let n = import.counts;
        let parts = [
            ("ok", "New", n.created),
            ("info", "Updated", n.updated),
            ("muted", "Duplicate", n.duplicate),
            ("warn", "Suppressed", n.suppressed),
            ("bad", "Invalid", n.invalid),
        ];
        let bar = StackedBar::new(n.read, parts.map(|(class, label, n)| (class, label.to_owned(), n)));
        let steps = steps(match import.state {
            ImportState::Uploaded | ImportState::Review => 1,
            ImportState::Done => 3,
            _ => 2,
        });
        let page = page.titled(format!("Import of {}", import.file_name), Nav::Imports);
        let matches = import.columns.iter().map(Match::of).collect();
        Ok(Self { page, tone, state: words, steps, matches, problem, groups, bar, import })
    }

    fn is_active(&self) -> bool {
        self.import.state.is_active()
    }

    fn is_review(&self) -> bool {
        self.import.state == ImportState::Review
    }

    fn is_reading(&self) -> bool {
        self.import.state == ImportState::Uploaded
    }

    fn is_failed(&self) -> bool {
        self.import.state == ImportState::Failed
    }

    fn is_done(&self) -> bool {
        self.import.state == ImportState::Done
    }

    /// The file in one line: size, encoding, delimiter.
    fn facts(&self) -> String {
        let mut facts = vec![size(self.import.bytes_total)];
        if !self.import.format.encoding.is_empty() {
            let delimiter = delimiters().into_iter().find(|(value, _)| *value == self.import.format.delimiter);
            facts.push(self.import.format.encoding.clone());
            facts.push(delimiter.map_or("", |(_, name)| name).to_lowercase());
        }
        facts.join(" · ")
    }

    fn percent(&self) -> i64 {
        self.import.bytes_done.saturating_mul(100) / self.import.bytes_total.max(1)
    }

    /// Rows for each second since the start.
    fn rate(&self) -> String {
        let end = self.import.finished_at_ms.unwrap_or(self.page.now.0);
        let ms = self.import.started_at_ms.map_or(0, |start| end - start).max(1);
        text::number(self.import.counts.read.saturating_mul(1_000) / ms)
    }

    /// `about 2 min`, from how far the file has been read.
    fn time_left(&self) -> String {
        let (done, total) = (self.import.bytes_done, self.import.bytes_total);
        let Some(start) = self.import.started_at_ms.filter(|_| done > 0) else { return "…".to_owned() };
        let ms = (self.page.now.0 - start).saturating_mul(total.saturating_sub(done)) / done;
        match ms / 1_000 {
            s if s < 60 => format!("{} s", s.max(1)),
            s if s < 3_600 => format!("{} min", (s + 59) / 60),
            s => format!("{} h", (s + 3_599) / 3_600),
        }
    }

    fn took(&self) -> String {
        let span = self.import.started_at_ms.zip(self.import.finished_at_ms).map_or(0, |(start, end)| end - start);
        match span / 1_000 {
            0 => format!("{span} ms"),
            s if s < 60 => format!("{s} s"),
            s => format!("{} min {} s", s / 60, s % 60),
        }
    }

    fn has_rejects(&self) -> bool {
        !self.groups.is_empty()
    }

    fn has_email(&self) -> bool {
        self.import.columns.iter().any(|c| c.target == ColumnTarget::Email)
    }

    fn preview_columns(&self) -> &[ImportColumn] {
        &self.import.columns[..self.import.columns.len().min(PREVIEW_COLUMNS)]
    }

    fn preview_rows(&self) -> Vec<Vec<&str>> {
        let columns = self.preview_columns();
        let rows = columns.iter().map(|c| c.samples.len()).max().unwrap_or(0).min(PREVIEW_ROWS);
        (0..rows).map(|row| columns.iter().map(|c| c.samples.get(row).map_or("", String::as_str)).collect()).collect()
    }

    fn encodings(&self) -> Vec<String> {
        let known = [
            "UTF-8",
            "UTF-16LE",
            "UTF-16BE",
            "windows-1252",
            "ISO-8859-2",
            "windows-1250",
            "windows-1251",
            "Shift_JIS",
            "GBK",
        ];
        let mut all: Vec<String> = known.map(str::to_owned).to_vec();
        if !all.contains(&self.import.format.encoding) {
            all.push(self.import.format.encoding.clone());
        }
        all
    }

    /// The tone and the word of a reason's badge.
    fn kind_words(&self, kind: &RejectKind) -> (&'static str, &'static str) {
        match kind {
            RejectKind::Duplicate => ("neutral", "Duplicate"),
            RejectKind::Invalid => ("bad", "Invalid"),
            RejectKind::Suppressed => ("warn", "Suppressed"),
        }
    }

    fn delimiters(&self) -> [(&'static str, &'static str); 4] {
        delimiters()
    }
}

impl Match {
    fn of(column: &ImportColumn) -> Self {
        let (choice, name) = match &column.target {
            ColumnTarget::Email => ("email", String::new()),
            ColumnTarget::FirstName => ("first_name", String::new()),
            ColumnTarget::LastName => ("last_name", String::new()),
            ColumnTarget::Attribute(name) => ("attribute", name.clone()),
            ColumnTarget::Ignore => ("ignore", String::new()),
        };
        let name = if name.is_empty() { tidings_domain::merge_tag(&column.header) } else { name };
        Self { column: column.clone(), choice, name }
    }

    /// The first values that are not empty, in one line.
    fn samples(&self) -> String {
        let filled = self.column.samples.iter().filter(|s| !s.trim().is_empty());
        filled.take(3).cloned().collect::<Vec<_>>().join(", ")
    }
}

fn delimiters() -> [(&'static str, &'static str); 4] {
    [(",", "Comma"), (";", "Semicolon"), ("\t", "Tab"), ("|", "Pipe")]
}

/// The three steps, of which `current` is being done.
pub(super) fn steps(current: usize) -> [(&'static str, &'static str); 3] {
    let state = |i: usize| match i.cmp(&current) {
        std::cmp::Ordering::Less => "done",
        std::cmp::Ordering::Equal => "current",
        std::cmp::Ordering::Greater => "ahead",
    };
    [("Upload", state(0)), ("Match columns", state(1)), ("Import", state(2))]
}

/// `1.02 GB`: powers of a thousand, as file managers say it.
fn size(bytes: i64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b < 1e3 => format!("{b:.0} bytes"),
        b if b < 1e6 => format!("{:.0} kB", b / 1e3),
        b if b < 1e9 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.2} GB", b / 1e9),
    }
}
