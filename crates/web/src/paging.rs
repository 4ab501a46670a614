/// Rows of a page of a table.
pub const PAGE_ROWS: i64 = 50;

/// Links to the next page and back to the start. Pages are found by a key (`?after=…`), never by an offset: page 20,000 costs
/// what page 2 costs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pager {
    pub first: Option<String>,
    pub next: Option<String>,
}

impl Pager {
    /// `path` with its filters, `?` and `&` included where needed: `/subscribers?q=ana&`. `is_first`: this page is the first.
    #[must_use]
    pub fn new(path: &str, is_first: bool, next_key: Option<String>) -> Self {
        let first = (!is_first).then(|| path.trim_end_matches(['?', '&']).to_owned());
        Self { first, next: next_key.map(|key| format!("{path}after={key}")) }
    }

    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.first.is_some() || self.next.is_some()
    }
}
