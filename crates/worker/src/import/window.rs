use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use tidings_domain::{ColumnTarget, EmailAddress, RejectKind};
use tidings_store::{
    Checkpoint, ImportColumn, ImportRow, ImportRows, MAX_RECORD_KEPT_BYTES, NewReject, RecordPlace, RecordReader,
};

use crate::import::cells::{address_text, name_text, push_member, value_text};
use crate::import::recognise::Layout;
use crate::import::records::{Damage, Next, Record, Records};
use crate::import::{
    MAX_CELL_BYTES, MAX_COLUMNS, MAX_NAME_BYTES, MAX_RECORD_BYTES, WINDOW_BYTES, WINDOW_INVALID_BYTES,
    WINDOW_RESERVED_BYTES, WINDOW_ROWS,
};

/// Some of a file's records, parsed: the valid rows sorted by address, and the invalid ones with their reasons.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub rows: Arc<ImportRows>,
    pub invalid: Arc<Vec<NewReject>>,
    /// Where it begins and where the next one does.
    pub from: Checkpoint,
    pub next: Checkpoint,
    pub is_last: bool,
}

impl Window {
    /// Rows of both kinds: what a checkpoint inside the window counts.
    pub fn items(&self) -> usize {
        self.rows.len() + self.invalid.len()
    }
}

/// Reads a file window by window. The same file from the same checkpoint always gives the same windows.
pub(crate) struct Windows<R> {
    records: Records<R>,
    columns: Columns,
    from: Checkpoint,
}

impl Windows<File> {
    /// # Errors
    /// The file's.
    pub fn open(mut file: File, layout: Layout, columns: &[ImportColumn], from: Checkpoint) -> io::Result<Self> {
        let is_begin = from.offset == 0;
        let offset = if is_begin { layout.first_byte } else { u64::try_from(from.offset).unwrap_or(0) };
        file.seek(SeekFrom::Start(offset))?;
        let records = Records::new(file, layout.encoding, layout.delimiter, offset, from.row_no);
        let mut windows = Self { records, columns: Columns::new(columns), from: Checkpoint { done: 0, ..from } };
        if is_begin && layout.has_header {
            windows.records.next()?;
        }
        Ok(windows)
    }
}

impl<R: Read> Windows<R> {
    /// # Errors
    /// The file's.
    pub fn next(&mut self) -> io::Result<Window> {
        let mut rows = ImportRows::with_capacity(WINDOW_RESERVED_BYTES, WINDOW_ROWS);
        let mut invalid = Vec::new();
        let mut invalid_bytes = 0;
        let is_full = |rows: &ImportRows, invalid_bytes| {
            rows.bytes() >= WINDOW_BYTES || rows.len() >= WINDOW_ROWS || invalid_bytes >= WINDOW_INVALID_BYTES
        };
        let mut is_last = false;
        while !is_full(&rows, invalid_bytes) {
            let found = match self.records.next()? {
                Next::End => {
                    is_last = true;
                    break;
                }
                Next::Damaged(damage) => Err(Fault::of_row(damage_text(damage))),
                Next::Record => {
                    let (row_no, place) = (self.records.row_no(), self.records.place());
                    self.columns.read(&self.records.record(), row_no, place, &mut rows)
                }
            };
            if let Err(fault) = found {
                let reject = self.reject(fault);
                invalid_bytes +=
                    reject.record.len() + reject.column.len() + reject.reason.len() + size_of::<NewReject>();
                invalid.push(reject);
            }
        }
        rows.sort();
        let offset = i64::try_from(self.records.offset_after()).unwrap_or(i64::MAX);
        let next = Checkpoint { offset, row_no: self.records.row_no(), done: 0 };
        let from = std::mem::replace(&mut self.from, next);
        Ok(Window { rows: Arc::new(rows), invalid: Arc::new(invalid), from, next, is_last })
    }

    fn reject(&self, fault: Fault) -> NewReject {
        let record = kept(&self.records.raw_text());
        let Fault { column, reason } = fault;
        NewReject { row_no: self.records.row_no(), kind: RejectKind::Invalid, column, reason, record }
    }
}

/// As much of a record as is kept. PostgreSQL's text takes no NUL.
fn kept(record: &str) -> String {
    record[..record.floor_char_boundary(MAX_RECORD_KEPT_BYTES)].replace('\0', "\u{FFFD}")
}

/// Reads single records again, for the report. A record that cannot be read any more is shown empty: the row itself is safe.
pub(crate) fn record_reader(file: File, layout: Layout) -> RecordReader {
    let file = Mutex::new(file);
    RecordReader(Arc::new(move |place| {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        let read = file
            .seek(SeekFrom::Start(place.offset))
            .and_then(|_| file.by_ref().take(u64::from(place.bytes)).read_to_end(&mut bytes));
        let mut records = Records::new(&bytes[..], layout.encoding, layout.delimiter, 0, 0);
        match (read, records.next()) {
            (Ok(_), Ok(Next::Record)) => kept(&records.record().text()),
            _ => String::new(),
        }
    }))
}

fn damage_text(damage: Damage) -> String {
    match damage {
        Damage::OpenQuote => "the line opens a quote that it does not close".to_owned(),
        Damage::TooLong => format!("the row is longer than {} MiB", MAX_RECORD_BYTES >> 20),
    }
}

/// Why a row is not imported.
struct Fault {
    column: String,
    reason: String,
}

impl Fault {
    fn of_row(reason: impl Into<String>) -> Self {
        Self { column: String::new(), reason: reason.into() }
    }
}

/// Where each value of a row goes.
struct Columns {
    headers: Vec<String>,
    email: Option<usize>,
    first_name: Option<usize>,
    last_name: Option<usize>,
    attributes: Vec<(usize, String)>,
    json: String,
}

impl Columns {
    fn new(columns: &[ImportColumn]) -> Self {
        let at = |target| columns.iter().position(|c| c.target == target);
        let attribute = |(i, c): (usize, &ImportColumn)| match &c.target {
            ColumnTarget::Attribute(name) => Some((i, name.clone())),
            _ => None,
        };
        Self {
            headers: columns.iter().map(|c| c.header.clone()).collect(),
            email: at(ColumnTarget::Email),
            first_name: at(ColumnTarget::FirstName),
            last_name: at(ColumnTarget::LastName),
            attributes: columns.iter().enumerate().filter_map(attribute).collect(),
            json: String::new(),
        }
    }

    /// Adds one record to the rows, or says what is wrong with it.
    fn read(
        &mut self,
        record: &Record<'_>,
        row_no: i64,
        place: RecordPlace,
        rows: &mut ImportRows,
    ) -> Result<(), Fault> {
        self.check_shape(record)?;
        let cell = |at: Option<usize>| at.map_or(std::borrow::Cow::Borrowed(""), |i| record.cell(i));
        let email = cell(self.email);
        let email = EmailAddress::parse(address_text(&email)).map_err(|e| self.fault(self.email, e.to_string()))?;
        let (first, last) = (cell(self.first_name), cell(self.last_name));
        let (first, last) = (name_text(&first), name_text(&last));
        for (at, name) in [(self.first_name, &first), (self.last_name, &last)] {
            if name.len() > MAX_NAME_BYTES {
                return Err(self.fault(at, format!("longer than {MAX_NAME_BYTES} bytes")));
            }
        }
        self.json.clear();
        for (i, name) in &self.attributes {
            let value = record.cell(*i);
            let value = value_text(&value);
            if !value.is_empty() {
                push_member(&mut self.json, name, &value);
            }
        }
        self.json.push_str(if self.json.is_empty() { "{}" } else { "}" });
        rows.push(ImportRow {
            row_no,
            place,
            email: email.as_str(),
            domain: email.domain(),
            first_name: &first,
            last_name: &last,
            attributes: &self.json,
        });
        Ok(())
    }

    /// Missing cells at the end are empty ones; cells beyond the header are a fault unless they are empty.
    fn check_shape(&self, record: &Record<'_>) -> Result<(), Fault> {
        let width = self.headers.len();
        if (width..record.len().min(MAX_COLUMNS + 1)).any(|i| record.cell_bytes(i) > 0) {
            let reason = format!(
                "the row has more cells than the file has columns ({width}): put quotes around cells that contain the delimiter"
            );
            return Err(Fault::of_row(reason));
        }
        match (0..width).find(|i| record.cell_bytes(*i) > MAX_CELL_BYTES) {
            Some(i) => Err(self.fault(Some(i), format!("the cell is longer than {} KiB", MAX_CELL_BYTES >> 10))),
            None => Ok(()),
        }
    }

    fn fault(&self, at: Option<usize>, reason: String) -> Fault {
        Fault { column: at.and_then(|i| self.headers.get(i)).cloned().unwrap_or_default(), reason }
    }
}
