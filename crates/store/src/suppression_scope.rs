use std::fmt;

use tidings_domain::{Lane, Word};

use crate::ListId;

/// What a suppression is about. In its columns, `list_id` 0 and `lane` -1 stand for "any".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Scope {
    /// All mail.
    #[default]
    All,
    /// A subscription to this list counts for nothing; the person may still get mail by another list.
    List(ListId),
    Lane(Lane),
}

impl Scope {
    /// Reads its text form: `all`, `list:5`, `lane:bulk`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "all" => Some(Self::All),
            Some(("list", id)) => id.parse().ok().filter(|id| *id > 0).map(|id| Self::List(ListId(id))),
            Some(("lane", lane)) => Lane::parse(lane).ok().map(Self::Lane),
            _ => None,
        }
    }

    pub(crate) fn list_column(self) -> i64 {
        if let Self::List(list) = self { list.0 } else { 0 }
    }

    pub(crate) fn lane_column(self) -> i16 {
        if let Self::Lane(lane) = self { lane.code() } else { -1 }
    }

    /// From the columns. Both at once cannot be: the table checks it.
    pub(crate) fn of(list: i64, lane: i16) -> Self {
        match (list, Lane::from_code(lane)) {
            (0, None) => Self::All,
            (0, Some(lane)) => Self::Lane(lane),
            (list, _) => Self::List(ListId(list)),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::List(list) => write!(f, "list:{list}"),
            Self::Lane(lane) => write!(f, "lane:{lane}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_its_text_and_its_columns() {
        for text in ["all", "list:5", "lane:transactional", "lane:automation", "lane:bulk"] {
            let scope = Scope::parse(text).expect("a scope");
            assert_eq!(scope.to_string(), text);
            assert_eq!(Scope::of(scope.list_column(), scope.lane_column()), scope);
        }
        for text in ["", "list", "list:0", "list:-1", "lane:express", "all:1"] {
            assert_eq!(Scope::parse(text), None, "{text:?}");
        }
    }
}
