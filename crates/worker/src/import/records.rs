use std::borrow::Cow;
use std::io::{self, Read};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use tidings_store::{MAX_RECORD_KEPT_BYTES, RecordPlace};

use crate::import::MAX_RECORD_BYTES;
use crate::import::scan::{Cell, Scan, scan};
use crate::import::source::Source;

/// The records of a file, one after the other, whatever is wrong with it.
pub(crate) struct Records<R> {
    source: Source<R>,
    /// Of single cells; what was UTF-16 in the file is UTF-8 here.
    encoding: &'static Encoding,
    delimiter: u8,
    row_no: i64,
    cells: Vec<Cell>,
    taken: usize,
    /// The beginning of a line that was too long to keep.
    head: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Look at it with [`Records::record`].
    Record,
    /// Lines that are no record; [`Records::raw`] has their beginning.
    Damaged(Damage),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    OpenQuote,
    TooLong,
}

impl<R: Read> Records<R> {
    /// `row_no` is the number of the last record before `offset`.
    pub fn new(file: R, encoding: &'static Encoding, delimiter: u8, offset: u64, row_no: i64) -> Self {
        let source = Source::new(file, encoding, offset);
        let wide = encoding == UTF_16LE || encoding == UTF_16BE;
        let encoding = if wide { UTF_8 } else { encoding };
        Self { source, encoding, delimiter, row_no, cells: Vec::new(), taken: 0, head: Vec::new() }
    }

    /// Goes to the next record; blank lines count as rows, as in a spreadsheet, and are passed over.
    ///
    /// # Errors
    /// The file's.
    pub fn next(&mut self) -> io::Result<Next> {
        loop {
            self.source.consume(self.taken);
            self.taken = 0;
            self.head.clear();
            // A record is looked for in so many bytes and no more, however many are read: what is found at a place depends
            // on the file alone, so that an import that goes on there finds the same.
            let bytes = self.source.bytes();
            let is_long = bytes.len() > MAX_RECORD_BYTES;
            let bytes = &bytes[..bytes.len().min(MAX_RECORD_BYTES + 1)];
            let is_end = self.source.is_end() && !is_long;
            match scan(bytes, is_end, self.delimiter, &mut self.cells) {
                Scan::Record { bytes } => {
                    (self.taken, self.row_no) = (bytes, self.row_no + 1);
                    return Ok(Next::Record);
                }
                Scan::Blank { bytes } => (self.taken, self.row_no) = (bytes, self.row_no + 1),
                Scan::BrokenQuote { first_line } => return self.damaged(first_line, Damage::OpenQuote),
                Scan::Incomplete { first_line: Some(bytes) } if is_long => {
                    return self.damaged(bytes, Damage::OpenQuote);
                }
                Scan::Incomplete { first_line: None } if is_long => return self.skip_long_line(),
                Scan::Incomplete { .. } if is_end => return Ok(Next::End),
                Scan::Incomplete { .. } => self.source.fill()?,
            }
        }
    }

    /// The present record's text and cells.
    pub fn record(&self) -> Record<'_> {
        let raw = trim_line_end(self.raw());
        let (text, encoding) = match (self.encoding == UTF_8, std::str::from_utf8(raw)) {
            (true, Ok(text)) => (Some(text), UTF_8),
            // Lists are often glued together from several sources: a row that is no UTF-8 is most likely this.
            (true, Err(_)) => (None, WINDOWS_1252),
            (false, _) => (None, self.encoding),
        };
        Record { raw, text, encoding, cells: &self.cells }
    }

    /// The bytes of what [`Self::next`] found, or their beginning.
    pub fn raw(&self) -> &[u8] {
        if self.head.is_empty() { &self.source.bytes()[..self.taken] } else { &self.head }
    }

    /// The same as text.
    pub fn raw_text(&self) -> Cow<'_, str> {
        self.encoding.decode_without_bom_handling(trim_line_end(self.raw())).0
    }

    /// Where it stands in the file.
    pub fn place(&self) -> RecordPlace {
        let bytes = u32::try_from(self.source.raw_bytes(self.taken)).unwrap_or(u32::MAX);
        RecordPlace { offset: self.source.offset(), bytes }
    }

    pub fn row_no(&self) -> i64 {
        self.row_no
    }

    /// Place in the file after what [`Self::next`] found last.
    pub fn offset_after(&mut self) -> u64 {
        self.source.consume(self.taken);
        self.taken = 0;
        self.source.offset()
    }

    fn damaged(&mut self, bytes: usize, damage: Damage) -> io::Result<Next> {
        (self.taken, self.row_no) = (bytes, self.row_no + 1);
        Ok(Next::Damaged(damage))
    }

    /// Passes over a line whose end is not in sight, without keeping it.
    fn skip_long_line(&mut self) -> io::Result<Next> {
        self.head = self.source.bytes()[..MAX_RECORD_KEPT_BYTES].to_vec();
        loop {
            let bytes = self.source.bytes();
            match bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) {
                // A CR at the end of what is read may be half of a CRLF.
                Some(end) if end + 1 < bytes.len() || self.source.is_end() => {
                    let crlf = bytes[end..].starts_with(b"\r\n");
                    return self.damaged(end + 1 + usize::from(crlf), Damage::TooLong);
                }
                None if self.source.is_end() => return self.damaged(bytes.len(), Damage::TooLong),
                // Keeps what may matter: a line end, or one byte, so that the row is not taken for a blank line.
                Some(end) => self.source.consume(end),
                None => self.source.consume(bytes.len() - 1),
            }
            self.source.fill()?;
        }
    }
}

/// One record of the file.
pub(crate) struct Record<'a> {
    raw: &'a [u8],
    /// The whole of it, when it is UTF-8.
    text: Option<&'a str>,
    encoding: &'static Encoding,
    cells: &'a [Cell],
}

impl<'a> Record<'a> {
    /// How many cells it has; beyond the limit on columns, just "more".
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// The text of one cell; empty when the record has no such cell.
    pub fn cell(&self, index: usize) -> Cow<'a, str> {
        let Some(cell) = self.cells.get(index) else { return Cow::Borrowed("") };
        let text = match self.text.and_then(|t| t.get(cell.start..cell.end)) {
            Some(text) => Cow::Borrowed(text),
            None => self.decode(&self.raw[cell.start..cell.end]),
        };
        if cell.has_quotes { Cow::Owned(text.replace("\"\"", "\"")) } else { text }
    }

    pub fn cell_bytes(&self, index: usize) -> usize {
        self.cells.get(index).map_or(0, |cell| cell.end - cell.start)
    }

    /// The whole record as it stands in the file.
    pub fn text(&self) -> Cow<'a, str> {
        match self.text {
            Some(text) => Cow::Borrowed(text),
            None => self.decode(self.raw),
        }
    }

    fn decode(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        self.encoding.decode_without_bom_handling(bytes).0
    }
}

fn trim_line_end(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw.strip_suffix(b"\r").unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(input: &[u8], encoding: &'static Encoding) -> Vec<(i64, String)> {
        let mut records = Records::new(input, encoding, b',', 0, 0);
        let mut found = Vec::new();
        loop {
            match records.next().unwrap() {
                Next::End => return found,
                Next::Record => {
                    let record = records.record();
                    let cells: Vec<_> = (0..record.len()).map(|i| record.cell(i).into_owned()).collect();
                    found.push((records.row_no(), cells.join("|")));
                }
                Next::Damaged(damage) => found.push((records.row_no(), format!("{damage:?}"))),
            }
        }
    }

    #[test]
    fn a_cell_of_10_mb_costs_one_row() {
        let long = "x".repeat(10 * 1024 * 1024);
        for quote in ["", "\""] {
            let input = format!("a,b\nc,{quote}{long}{quote}\ne,f\n");
            let found = read(input.as_bytes(), UTF_8);
            assert_eq!(found, [(1, "a|b".to_owned()), (2, "TooLong".to_owned()), (3, "e|f".to_owned())]);
        }
    }

    #[test]
    fn a_quote_that_never_closes_costs_one_row() {
        let rows: String = (0..200_000).map(|i| format!("person{i},b\n")).collect();
        let found = read(format!("a,\"b\n{rows}").as_bytes(), UTF_8);
        assert_eq!(found.len(), 200_001);
        assert_eq!(found[0], (1, "OpenQuote".to_owned()));
        assert_eq!(found[200_000], (200_001, "person199999|b".to_owned()));
    }

    #[test]
    fn a_row_of_another_encoding_is_read_as_windows_1252() {
        let found = read(b"Zo\xc3\xab,a\nJos\xe9,b\n", UTF_8);
        assert_eq!(found, [(1, "Zoë|a".to_owned()), (2, "José|b".to_owned())]);
    }

    #[test]
    fn every_offset_is_a_place_to_go_on_from() {
        let text = "a,ü😀\r\n\"b\nb\",日本\r\n\r\nc,\u{1F600}\"\n d,e";
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (input, encoding) in [(text.as_bytes().to_vec(), UTF_8), (utf16, UTF_16LE)] {
            let whole = read(&input, encoding);
            let mut records = Records::new(&input[..], encoding, b',', 0, 0);
            let mut seen = 0;
            while records.next().unwrap() != Next::End {
                seen += 1;
                let offset = usize::try_from(records.offset_after()).unwrap();
                let rest = read(&input[offset..], encoding);
                let rest: Vec<_> = rest.into_iter().map(|(_, cells)| cells).collect();
                let expected: Vec<_> = whole[seen..].iter().map(|(_, cells)| cells.clone()).collect();
                assert_eq!(rest, expected, "{encoding:?} after {seen}");
            }
            assert_eq!(seen, 4);
        }
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            &b"ana@example.org"[..],
            b",",
            b",",
            b"\n",
            b"\n",
            b"\r",
            b"\r\n",
            b"\"",
            b"\"",
            b"\"\"",
            b"\0",
            b"\xff",
            b"\xc3\xa9",
            b"\xd8",
            b" ",
        ]);
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end_from_any_place(input in pieces(), wide in any::<bool>()) {
            let encoding = if wide { UTF_16BE } else { UTF_8 };
            // Half a unit can only be the last thing in a file, and nothing goes on after that.
            let input = if wide { &input[..input.len() & !1] } else { &input[..] };
            let whole = read(input, encoding);
            let mut records = Records::new(input, encoding, b',', 0, 0);
            let (mut seen, mut before, mut row_no) = (0, 0, 0);
            while records.next().unwrap() != Next::End {
                seen += 1;
                prop_assert!(records.row_no() > row_no);
                row_no = records.row_no();
                let offset = usize::try_from(records.offset_after()).unwrap();
                prop_assert!(offset > before && offset <= input.len());
                before = offset;
                let rest = read(input.get(offset..).unwrap_or_default(), encoding);
                let texts = |rows: &[(i64, String)]| rows.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
                prop_assert_eq!(texts(&rest), texts(&whole[seen..]));
            }
        }
    }
}
