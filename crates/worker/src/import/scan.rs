use crate::import::MAX_COLUMNS;

/// A cell inside a record's bytes, without its outer quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub start: usize,
    pub end: usize,
    /// Contains doubled quotes, which stand for one each.
    pub has_quotes: bool,
}

/// What stands at the beginning of some bytes. Lengths include the line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// A record; its first `MAX_COLUMNS + 1` cells are in the list.
    Record { bytes: usize },
    /// A line with nothing in it.
    Blank { bytes: usize },
    /// A quote swallowed the line end, and what follows shows that it was never meant to: the first line is so long.
    BrokenQuote { first_line: usize },
    /// The record's end is not among these bytes. `in_quotes`: the end of its first line is, inside quotes.
    Incomplete { first_line: Option<usize> },
}

/// Reads one record as RFC 4180 describes it, and as files are: any of CR, LF and CRLF ends a line, quotes count only at a
/// cell's beginning, text after a closing quote on the same line is kept.
pub(crate) fn scan(bytes: &[u8], is_end: bool, delimiter: u8, cells: &mut Vec<Cell>) -> Scan {
    cells.clear();
    let mut scanner = Scanner { bytes, is_end, delimiter, at: 0, first_line: None };
    loop {
        match scanner.cell(cells) {
            CellEnd::Delimiter => {}
            CellEnd::Line if cells.len() == 1 && cells[0].start == 0 && cells[0].end == 0 => {
                return if scanner.at == 0 {
                    Scan::Incomplete { first_line: None }
                } else {
                    Scan::Blank { bytes: scanner.at }
                };
            }
            CellEnd::Line => return Scan::Record { bytes: scanner.at },
            CellEnd::Broken => return Scan::BrokenQuote { first_line: scanner.first_line.unwrap_or(scanner.at) },
            CellEnd::Missing => return Scan::Incomplete { first_line: scanner.first_line },
        }
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    is_end: bool,
    delimiter: u8,
    at: usize,
    /// Where the line after the first begins, once a quoted cell has run over a line end.
    first_line: Option<usize>,
}

enum CellEnd {
    Delimiter,
    Line,
    /// A quoted cell over several lines that ends in the middle of a cell.
    Broken,
    Missing,
}

impl Scanner<'_> {
    fn cell(&mut self, cells: &mut Vec<Cell>) -> CellEnd {
        let cell = if self.bytes.get(self.at) == Some(&b'"') { self.quoted() } else { self.plain(self.at, false) };
        let (cell, end) = match cell {
            Ok(found) => found,
            Err(end) => return end,
        };
        if cells.len() <= MAX_COLUMNS {
            cells.push(cell);
        }
        end
    }

    /// A cell up to its delimiter or line end, from where the scanner stands.
    fn plain(&mut self, start: usize, has_quotes: bool) -> Result<(Cell, CellEnd), CellEnd> {
        let rest = &self.bytes[self.at..];
        let stop = rest.iter().position(|b| *b == self.delimiter || *b == b'\n' || *b == b'\r');
        let Some(stop) = stop else {
            let end = self.bytes.len();
            self.at = end;
            return if self.is_end {
                Ok((Cell { start, end, has_quotes }, CellEnd::Line))
            } else {
                Err(CellEnd::Missing)
            };
        };
        let end = self.at + stop;
        self.at = end;
        Ok((Cell { start, end, has_quotes }, self.past_stop()?))
    }

    /// Steps over the delimiter or line end at which the scanner stands.
    fn past_stop(&mut self) -> Result<CellEnd, CellEnd> {
        let stop = self.bytes[self.at];
        if stop == self.delimiter {
            self.at += 1;
            return Ok(CellEnd::Delimiter);
        }
        match (stop, self.bytes.get(self.at + 1)) {
            (b'\r', Some(b'\n')) => self.at += 2,
            // A CR at the very end may be half of a CRLF.
            (b'\r', None) if !self.is_end => return Err(CellEnd::Missing),
            _ => self.at += 1,
        }
        Ok(CellEnd::Line)
    }

    fn quoted(&mut self) -> Result<(Cell, CellEnd), CellEnd> {
        let start = self.at + 1;
        let mut has_quotes = false;
        self.at = start;
        loop {
            let rest = &self.bytes[self.at..];
            let Some(quote) = rest.iter().position(|b| *b == b'"') else {
                self.note_line(self.at, self.bytes.len());
                return Err(if self.is_end { CellEnd::Broken } else { CellEnd::Missing });
            };
            self.note_line(self.at, self.at + quote);
            let end = self.at + quote;
            match self.bytes.get(end + 1) {
                Some(b'"') => {
                    has_quotes = true;
                    self.at = end + 2;
                }
                Some(b) if *b == self.delimiter || matches!(b, b'\n' | b'\r') => {
                    self.at = end + 1;
                    return Ok((Cell { start, end, has_quotes }, self.past_stop()?));
                }
                None if self.is_end => {
                    self.at = end + 1;
                    return Ok((Cell { start, end, has_quotes }, CellEnd::Line));
                }
                None => return Err(CellEnd::Missing),
                Some(_) if self.first_line.is_some() => return Err(CellEnd::Broken),
                // Text after the closing quote: the whole cell is taken as it stands, quotes and all.
                Some(_) => {
                    self.at = end + 1;
                    return self.plain(start - 1, false);
                }
            }
        }
    }

    /// Remembers the first line end inside a quoted cell.
    fn note_line(&mut self, from: usize, to: usize) {
        if self.first_line.is_none() {
            let line = self.bytes[from..to].iter().position(|b| matches!(b, b'\n' | b'\r'));
            self.first_line = line.map(|i| match &self.bytes[from + i..] {
                [b'\r', b'\n', ..] => from + i + 2,
                _ => from + i + 1,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(input: &str) -> Vec<Vec<String>> {
        let (mut rest, mut found, mut spans) = (input.as_bytes(), Vec::new(), Vec::new());
        while !rest.is_empty() {
            let taken = match scan(rest, true, b',', &mut spans) {
                Scan::Record { bytes } => {
                    found.push(
                        spans.iter().map(|c| String::from_utf8_lossy(&rest[c.start..c.end]).into_owned()).collect(),
                    );
                    bytes
                }
                Scan::Blank { bytes } => bytes,
                Scan::BrokenQuote { first_line } => {
                    found.push(vec!["BROKEN".to_owned()]);
                    first_line
                }
                Scan::Incomplete { .. } => panic!("incomplete at the end: {rest:?}"),
            };
            assert!(taken > 0, "no progress in {input:?}");
            rest = &rest[taken..];
        }
        found
    }

    fn check(input: &str, expected: &[&[&str]]) {
        assert_eq!(cells(input), expected, "{input:?}");
    }

    #[test]
    fn records_of_all_kinds() {
        check("a,b\nc,d\n", &[&["a", "b"], &["c", "d"]]);
        check("a,b\r\nc,d\re,f", &[&["a", "b"], &["c", "d"], &["e", "f"]]);
        check("a,,\n\n\r\n,b", &[&["a", "", ""], &["", "b"]]);
        check("\"a,1\",\"b \"\"c\"\"\"\n", &[&["a,1", "b \"\"c\"\""]]);
        check("\"two\nlines\",x\ny,z", &[&["two\nlines", "x"], &["y", "z"]]);
        check("a \"b\" c,d", &[&["a \"b\" c", "d"]]);
        check("\"a\" b,c\n", &[&["\"a\" b", "c"]]);
        check("\"\",a", &[&["", "a"]]);
        check("\"\"\n", &[&[""]]);
    }

    #[test]
    fn a_lost_quote_costs_one_line() {
        check("a,\"b\nc,d\ne,f", &[&["BROKEN"], &["c", "d"], &["e", "f"]]);
        check("\"a\",\"b\n\"c\",\"d\"\n", &[&["BROKEN"], &["c", "d"]]);
        check("a,\"", &[&["BROKEN"]]);
    }

    #[test]
    fn an_end_that_is_not_there_is_asked_for() {
        let mut spans = Vec::new();
        for input in ["a,b", "a,b\r", "\"a", "\"a\"", "", "\"a\nb"] {
            assert!(matches!(scan(input.as_bytes(), false, b',', &mut spans), Scan::Incomplete { .. }), "{input:?}");
        }
    }
}
