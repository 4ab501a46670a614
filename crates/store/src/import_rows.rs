use std::cmp::Ordering;
use std::ops::Range;

/// A window of parsed rows in one piece of memory: two allocations however many rows, so that a window's size is what
/// its bytes say. Sorted by address, because an index takes sorted keys several times as fast as random ones.
#[derive(Debug, Default)]
pub struct ImportRows {
    text: String,
    rows: Vec<Span>,
    /// Number and place of the first row that was added: those of the others count from here.
    first: Option<(i64, u64)>,
}

/// Where a row's parts lie in the text: one after the other from `start`. Lengths are in bytes. There are many of these, so
/// they are small.
#[derive(Debug, Clone, Copy)]
struct Span {
    row: u32,
    place: u32,
    place_bytes: u32,
    start: u32,
    attributes: u32,
    domain: u16,
    email: u16,
    first_name: u16,
    last_name: u16,
}

/// Where a row stands in the file. Its text is read from there when it is rejected, which few rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordPlace {
    pub offset: u64,
    pub bytes: u32,
}

/// A valid row. Rows are added in the file's order. Names longer than 65,535 bytes are the caller's to refuse; they are cut here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportRow<'a> {
    pub row_no: i64,
    pub place: RecordPlace,
    /// Canonical: `tidings_domain::EmailAddress`.
    pub email: &'a str,
    pub domain: &'a str,
    pub first_name: &'a str,
    pub last_name: &'a str,
    /// JSON object of text values.
    pub attributes: &'a str,
}

impl ImportRows {
    #[must_use]
    pub fn with_capacity(bytes: usize, rows: usize) -> Self {
        Self { text: String::with_capacity(bytes), rows: Vec::with_capacity(rows), first: None }
    }

    pub fn push(&mut self, row: ImportRow<'_>) {
        let (first_row, first_place) = *self.first.get_or_insert((row.row_no, row.place.offset));
        let start = long(self.text.len());
        let mut put = |part: &str| {
            self.text.push_str(part);
            part.len()
        };
        let span = Span {
            row: u32::try_from(row.row_no - first_row).unwrap_or(u32::MAX),
            place: u32::try_from(row.place.offset - first_place).unwrap_or(u32::MAX),
            place_bytes: row.place.bytes,
            start,
            email: short(put(row.email)),
            domain: short(row.domain.len()),
            first_name: short(put(cut(row.first_name))),
            last_name: short(put(cut(row.last_name))),
            attributes: long(put(row.attributes)),
        };
        self.rows.push(span);
    }

    /// By address, and the rows of one address in the file's order.
    pub fn sort(&mut self) {
        let text = &self.text;
        self.rows.sort_unstable_by(|a, b| match email(text, a).cmp(email(text, b)) {
            Ordering::Equal => a.row.cmp(&b.row),
            unequal => unequal,
        });
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of text held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = ImportRow<'_>> {
        self.rows.get(range).unwrap_or_default().iter().map(|span| self.row(span))
    }

    fn row(&self, span: &Span) -> ImportRow<'_> {
        let (first_row, first_place) = self.first.unwrap_or_default();
        let mut rest = self.text.get(span.start as usize..).unwrap_or_default();
        let mut take = |bytes: usize| {
            let (part, after) = rest.split_at(bytes);
            rest = after;
            part
        };
        let email = take(usize::from(span.email));
        ImportRow {
            row_no: first_row + i64::from(span.row),
            place: RecordPlace { offset: first_place + u64::from(span.place), bytes: span.place_bytes },
            email,
            domain: &email[email.len() - usize::from(span.domain)..],
            first_name: take(usize::from(span.first_name)),
            last_name: take(usize::from(span.last_name)),
            attributes: take(span.attributes as usize),
        }
    }
}

fn email<'a>(text: &'a str, span: &Span) -> &'a str {
    let start = span.start as usize;
    &text[start..start + usize::from(span.email)]
}

/// A window's own bounds keep all lengths inside; the type's end is only the last resort.
fn short(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

fn long(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(usize::from(u16::MAX))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_whole_and_in_order() {
        let mut rows = ImportRows::default();
        for (row_no, email) in [(2, "bo@example.org"), (3, "ana@example.net"), (4, "ana@example.net")] {
            let domain = email.split('@').nth(1).unwrap();
            let place = RecordPlace { offset: 1_000 * u64::try_from(row_no).unwrap(), bytes: 7 };
            let (first_name, last_name, attributes) = ("Zoë", "", r#"{"a":"b"}"#);
            rows.push(ImportRow { row_no, place, email, domain, first_name, last_name, attributes });
        }
        rows.sort();
        let read: Vec<_> =
            rows.range(0..3).map(|r| (r.row_no, r.email, r.domain, r.first_name, r.place.offset)).collect();
        assert_eq!(
            read,
            [
                (3, "ana@example.net", "example.net", "Zoë", 3_000),
                (4, "ana@example.net", "example.net", "Zoë", 4_000),
                (2, "bo@example.org", "example.org", "Zoë", 2_000),
            ]
        );
        assert_eq!(rows.range(2..9).count(), 0);
    }
}
