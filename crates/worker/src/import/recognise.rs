use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use sha2::{Digest, Sha256};
use tidings_domain::ColumnTarget;
use tidings_store::{Analysis, FormatChoice, ImportColumn, ImportFormat};

use crate::import::columns::{is_address, recognise_columns};
use crate::import::delimiter::{declared_delimiter, recognise_delimiter};
use crate::import::encoding::{named_encoding, recognise_encoding};
use crate::import::records::{Next, Records};
use crate::import::{MAX_COLUMNS, MAX_RECORD_BYTES, PREVIEW_CHARS, PREVIEW_ROWS, SAMPLE_BYTES, SAMPLE_ROWS};

/// Why a file cannot be imported, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("The file is empty. Export the list again and check that the file has rows in it.")]
    Empty,
    #[error("This is {0}, not a CSV file. Save the table as “CSV UTF-8” and upload that file.")]
    OtherKind(&'static str),
    #[error(
        "The file has a header but no rows below it. Export the list again and check that the file has rows in it."
    )]
    NoRows,
    #[error(
        "The file has more than {MAX_COLUMNS} columns. Remove the ones that are not needed; an import takes up to {MAX_COLUMNS}."
    )]
    TooManyColumns,
    #[error("The first line is longer than {} MiB. Check that the file is a CSV file with one person in each line.", MAX_RECORD_BYTES >> 20)]
    FirstLineTooLong,
    #[error(
        "The first line opens a quote that is never closed. Close it, or remove the quote, and upload the file again."
    )]
    FirstLineOpenQuote,
    #[error("The file has changed since this import began. Start a new import with the file as it is now.")]
    Changed,
    #[error("The file is no longer there ({0}). Upload it again.")]
    Gone(String),
    #[error("{0}")]
    OtherContent(&'static str),
    #[error("The file cannot be read: {0}. Check the disk, then upload the file again.")]
    Unreadable(#[from] io::Error),
}

/// How to read a file, settled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub encoding: &'static Encoding,
    pub delimiter: u8,
    pub has_header: bool,
    /// Where the first record begins: past a byte order mark and Excel's `sep=` line.
    pub first_byte: u64,
}

/// Looks at a file's beginning. What `chosen` says is not guessed.
///
/// # Errors
/// The file cannot be imported at all; the text says why and what to do.
pub fn recognise(path: &Path, chosen: &FormatChoice) -> Result<Analysis, Unusable> {
    let mut file = open(path)?;
    let sample = read_sample(&mut file)?;
    let is_whole = sample.len() < SAMPLE_BYTES;
    refuse_other_kinds(&sample)?;
    let layout = layout(&sample, is_whole, chosen);
    let first_byte = usize::try_from(layout.first_byte).unwrap_or(usize::MAX);
    let table = read_table(sample.get(first_byte..).unwrap_or_default(), is_whole, &layout)?;
    let has_header = chosen.has_header.unwrap_or_else(|| looks_like_header(&table));
    let columns = columns(&table, has_header, is_whole)?;
    let is_clear = columns.iter().any(|c| c.target == ColumnTarget::Email);
    let format = ImportFormat {
        encoding: layout.encoding.name().to_owned(),
        delimiter: char::from(layout.delimiter).to_string(),
        has_header,
        chosen: chosen.clone(),
    };
    Ok(Analysis { format, columns, fingerprint: fingerprint(&mut file)?, is_clear })
}

/// Opens a file, finds out how to read it, and reads its first rows.
///
/// # Errors
/// The file cannot be read as a table.
pub(crate) fn look(path: &Path) -> Result<(File, Layout, Vec<Vec<String>>), Unusable> {
    let mut file = open(path)?;
    let sample = read_sample(&mut file)?;
    let is_whole = sample.len() < SAMPLE_BYTES;
    refuse_other_kinds(&sample)?;
    let layout = layout(&sample, is_whole, &FormatChoice::default());
    let first_byte = usize::try_from(layout.first_byte).unwrap_or(usize::MAX);
    let table = read_table(sample.get(first_byte..).unwrap_or_default(), is_whole, &layout)?;
    Ok((file, layout, table))
}

/// The layout of a file that was recognised before, found again in the file itself.
///
/// # Errors
/// The file is gone or not the same any more.
pub(crate) fn reopen(path: &Path, format: &ImportFormat, print: &str) -> Result<(File, Layout), Unusable> {
    let mut file = open(path)?;
    if fingerprint(&mut file)? != print {
        return Err(Unusable::Changed);
    }
    file.seek(SeekFrom::Start(0))?;
    let sample = read_sample(&mut file)?;
    let settled = FormatChoice {
        encoding: Some(format.encoding.clone()),
        delimiter: Some(format.delimiter.clone()),
        has_header: Some(format.has_header),
    };
    let layout = layout(&sample, sample.len() < SAMPLE_BYTES, &settled);
    Ok((file, Layout { has_header: format.has_header, ..layout }))
}

fn open(path: &Path) -> Result<File, Unusable> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Gone(path.display().to_string()),
        _ => Unusable::Unreadable(error),
    })
}

fn read_sample(file: &mut File) -> io::Result<Vec<u8>> {
    let mut sample = Vec::new();
    file.by_ref().take(SAMPLE_BYTES as u64).read_to_end(&mut sample)?;
    Ok(sample)
}

/// Tells the usual mistakes by their first bytes.
fn refuse_other_kinds(sample: &[u8]) -> Result<(), Unusable> {
    const KINDS: [(&[u8], &str); 6] = [
        (b"PK\x03\x04", "an Excel workbook or a ZIP archive"),
        (b"\xD0\xCF\x11\xE0", "an old Excel workbook"),
        (b"\x1F\x8B", "a gzip archive"),
        (b"%PDF", "a PDF document"),
        (b"{\\rtf", "a text document"),
        (b"SQLite format 3\0", "a database"),
    ];
    if sample.is_empty() {
        return Err(Unusable::Empty);
    }
    match KINDS.iter().find(|(magic, _)| sample.starts_with(magic)) {
        Some((_, kind)) => Err(Unusable::OtherKind(kind)),
        None => Ok(()),
    }
}

fn layout(sample: &[u8], is_whole: bool, chosen: &FormatChoice) -> Layout {
    let found = recognise_encoding(sample, is_whole);
    let named = chosen.encoding.as_deref().and_then(named_encoding);
    let encoding = named.unwrap_or(found.encoding);
    let mark = Encoding::for_bom(sample).filter(|(marked, _)| *marked == encoding).map_or(0, |(_, bytes)| bytes);
    let body = &sample[mark..];
    let declared = declared(body, encoding);
    let named = chosen.delimiter.as_deref().and_then(|d| d.bytes().next());
    let skipped = declared.map_or(0, |(_, bytes)| bytes);
    let delimiter = named
        .or(declared.map(|(delimiter, _)| delimiter))
        .unwrap_or_else(|| recognise_delimiter(&body[skipped..], encoding));
    Layout { encoding, delimiter, has_header: true, first_byte: (mark + skipped) as u64 }
}

fn declared(body: &[u8], encoding: &'static Encoding) -> Option<(u8, usize)> {
    if encoding != UTF_16LE && encoding != UTF_16BE {
        return declared_delimiter(body);
    }
    let narrow = encoding.decode_without_bom_handling(body.get(..14)?).0;
    declared_delimiter(narrow.as_bytes()).map(|(delimiter, bytes)| (delimiter, 2 * bytes))
}

/// The first records of the sample as text. The last one is left out when the sample may cut it.
fn read_table(sample: &[u8], is_whole: bool, layout: &Layout) -> Result<Vec<Vec<String>>, Unusable> {
    let mut records = Records::new(sample, layout.encoding, layout.delimiter, 0, 0);
    let mut table: Vec<Vec<String>> = Vec::new();
    let mut damage = None;
    while table.len() < SAMPLE_ROWS {
        match records.next()? {
            Next::End => break,
            Next::Damaged(what) => damage = damage.or(table.is_empty().then_some(what)),
            Next::Record => {
                let record = records.record();
                if record.len() > MAX_COLUMNS {
                    return Err(Unusable::TooManyColumns);
                }
                table.push((0..record.len()).map(|i| record.cell(i).into_owned()).collect());
            }
        }
    }
    if !is_whole && table.len() < SAMPLE_ROWS {
        table.pop();
    }
    match (table.is_empty(), damage, is_whole) {
        (true, Some(crate::import::records::Damage::OpenQuote), _) => Err(Unusable::FirstLineOpenQuote),
        (true, _, false) | (true, Some(_), true) => Err(Unusable::FirstLineTooLong),
        (true, None, true) => Err(Unusable::Empty),
        (false, ..) => Ok(table),
    }
}

/// A first row without an address, above rows that have some, is a header.
fn looks_like_header(table: &[Vec<String>]) -> bool {
    let first = table.first().map(Vec::as_slice).unwrap_or_default();
    let has_address = first.iter().any(|cell| is_address(cell));
    // A damaged address in the first row: no heading contains an @.
    let has_at = first.iter().any(|cell| cell.contains('@'));
    !has_address && !has_at
}

fn columns(table: &[Vec<String>], has_header: bool, is_whole: bool) -> Result<Vec<ImportColumn>, Unusable> {
    let rows = &table[usize::from(has_header)..];
    // A first row too long for the sample is a row all the same.
    if rows.is_empty() && is_whole {
        return Err(Unusable::NoRows);
    }
    let width = if has_header { table[0].len() } else { rows.iter().map(Vec::len).max().unwrap_or(0) };
    let heading = |i: usize| {
        let given = table[0].get(i).filter(|_| has_header).map(|h| h.trim()).filter(|h| !h.is_empty());
        given.map_or_else(|| format!("Column {}", i + 1), shortened)
    };
    let headers: Vec<String> = (0..width).map(heading).collect();
    let targets = recognise_columns(&headers, rows);
    let samples =
        |i: usize| rows.iter().take(PREVIEW_ROWS).map(move |row| row.get(i).map_or_else(String::new, |c| shortened(c)));
    let column = |(i, (header, target)): (usize, (String, ColumnTarget))| ImportColumn {
        header,
        target,
        samples: samples(i).collect(),
    };
    Ok(headers.into_iter().zip(targets).enumerate().map(column).collect())
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(PREVIEW_CHARS).collect()
}

/// A hash of the file's length and its two ends: enough to notice that it is another file.
fn fingerprint(file: &mut File) -> io::Result<String> {
    const END_BYTES: u64 = 64 * 1024;
    let length = file.metadata()?.len();
    let mut hash = Sha256::new();
    hash.update(length.to_le_bytes());
    for start in [0, length.saturating_sub(END_BYTES)] {
        let mut end = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.by_ref().take(END_BYTES).read_to_end(&mut end)?;
        hash.update(&end);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
