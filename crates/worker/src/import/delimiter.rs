use encoding_rs::Encoding;
use tidings_domain::EmailAddress;

use crate::import::SAMPLE_ROWS;
use crate::import::cells::address_text;
use crate::import::records::{Next, Records};

/// In the order in which they win a tie.
pub(crate) const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The delimiter under which a sample looks most like a table with addresses: first by how many records have a cell that is
/// one, then by how many agree on the number of cells, then by that number.
pub(crate) fn recognise_delimiter(sample: &[u8], encoding: &'static Encoding) -> u8 {
    let mut best = (Score::default(), DELIMITERS[0]);
    for delimiter in DELIMITERS {
        let score = score(sample, encoding, delimiter);
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

/// Excel's own first line, `sep=;`: the delimiter it names and the bytes it takes.
pub(crate) fn declared_delimiter(text: &[u8]) -> Option<(u8, usize)> {
    let line = text.strip_prefix(b"sep=").or_else(|| text.strip_prefix(b"SEP="))?;
    match line {
        [d, b'\r', b'\n', ..] if DELIMITERS.contains(d) => Some((*d, 7)),
        [d, b'\r' | b'\n', ..] if DELIMITERS.contains(d) => Some((*d, 6)),
        _ => None,
    }
}

#[derive(Debug, Default, PartialEq, PartialOrd)]
struct Score {
    /// Share of the records, in per cent.
    with_address: usize,
    agreeing: usize,
    cells: usize,
}

fn score(sample: &[u8], encoding: &'static Encoding, delimiter: u8) -> Score {
    let mut records = Records::new(sample, encoding, delimiter, 0, 0);
    let (mut seen, mut with_address) = (0, 0);
    let mut widths = std::collections::BTreeMap::<usize, usize>::new();
    while seen < SAMPLE_ROWS {
        // A sample in memory cannot fail to be read.
        match records.next() {
            Ok(Next::Record) => {
                let record = records.record();
                let is_address = |i| EmailAddress::parse(address_text(&record.cell(i))).is_ok();
                with_address += usize::from((0..record.len()).any(is_address));
                *widths.entry(record.len()).or_default() += 1;
            }
            Ok(Next::Damaged(_)) => {}
            Ok(Next::End) | Err(_) => break,
        }
        seen += 1;
    }
    let (cells, agreeing) = widths.into_iter().max_by_key(|(width, n)| (*n, *width)).unwrap_or_default();
    let share = |n: usize| n * 100 / seen.max(1);
    let agreeing = if cells > 1 { share(agreeing) } else { 0 };
    Score { with_address: share(with_address), agreeing, cells }
}
