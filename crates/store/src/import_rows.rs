use std::cmp::Ordering;
use std::ops::Range;

/// A window of parsed rows in one piece of memory: three allocations however many rows, so that a window's size is what
/// its bytes say. Sorted by address, because an index takes sorted keys several times as fast as random ones.
#[derive(Debug, Default)]
pub struct ImportRows {
    text: String,
    rows: Vec<Span>,
}

/// Where a row's parts lie in the text: one after the other from `start`. Lengths are in bytes.
#[derive(Debug, Clone, Copy)]
struct Span {
    row_no: i64,
    start: u32,
    domain: u16,
    email: u16,
    first_name: u16,
    last_name: u16,
    attributes: u32,
    record: u32,
}

/// A valid row to add. Names longer than 65,535 bytes are the caller's to refuse; they are cut here.
#[derive(Debug, Clone, Copy)]
pub struct RowParts<'a> {
    pub row_no: i64,
    /// Canonical: `tidings_domain::EmailAddress`.
    pub email: &'a str,
    pub domain: &'a str,
    pub first_name: &'a str,
    pub last_name: &'a str,
    /// JSON object of text values.
    pub attributes: &'a str,
    /// The row as it stands in the file.
    pub record: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportRow<'a> {
    pub row_no: i64,
    pub email: &'a str,
    pub domain: &'a str,
    pub first_name: &'a str,
    pub last_name: &'a str,
    pub attributes: &'a str,
    pub record: &'a str,
}

impl ImportRows {
    #[must_use]
    pub fn with_capacity(bytes: usize, rows: usize) -> Self {
        Self { text: String::with_capacity(bytes), rows: Vec::with_capacity(rows) }
    }

    pub fn push(&mut self, row: RowParts<'_>) {
        let start = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let mut put = |part: &str| {
            self.text.push_str(part);
            part.len()
        };
        let span = Span {
            row_no: row.row_no,
            start,
            email: narrow(put(row.email)),
            domain: narrow(row.domain.len()),
            first_name: narrow(put(cut(row.first_name))),
            last_name: narrow(put(cut(row.last_name))),
            attributes: u32::try_from(put(row.attributes)).unwrap_or(u32::MAX),
            record: u32::try_from(put(row.record)).unwrap_or(u32::MAX),
        };
        self.rows.push(span);
    }

    /// By address, and the rows of one address in the file's order.
    pub fn sort(&mut self) {
        let text = &self.text;
        self.rows.sort_unstable_by(|a, b| match email(text, a).cmp(email(text, b)) {
            Ordering::Equal => a.row_no.cmp(&b.row_no),
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
        let mut rest = self.text.get(span.start as usize..).unwrap_or_default();
        let mut take = |bytes: usize| {
            let (part, after) = rest.split_at(bytes);
            rest = after;
            part
        };
        let email = take(usize::from(span.email));
        ImportRow {
            row_no: span.row_no,
            email,
            domain: &email[email.len() - usize::from(span.domain)..],
            first_name: take(usize::from(span.first_name)),
            last_name: take(usize::from(span.last_name)),
            attributes: take(span.attributes as usize),
            record: take(span.record as usize),
        }
    }
}

fn email<'a>(text: &'a str, span: &Span) -> &'a str {
    let start = span.start as usize;
    &text[start..start + usize::from(span.email)]
}

fn narrow(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
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
            let record = format!("{email},x");
            let domain = email.split('@').nth(1).unwrap();
            let (first_name, last_name, attributes) = ("Zoë", "", r#"{"a":"b"}"#);
            rows.push(RowParts { row_no, email, domain, first_name, last_name, attributes, record: &record });
        }
        rows.sort();
        let read: Vec<_> = rows.range(0..3).map(|r| (r.row_no, r.email, r.domain, r.first_name, r.record)).collect();
        assert_eq!(
            read,
            [
                (3, "ana@example.net", "example.net", "Zoë", "ana@example.net,x"),
                (4, "ana@example.net", "example.net", "Zoë", "ana@example.net,x"),
                (2, "bo@example.org", "example.org", "Zoë", "bo@example.org,x"),
            ]
        );
        assert_eq!(rows.range(2..9).count(), 0);
    }
}
