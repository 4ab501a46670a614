use crate::Word;
use crate::word::words;

words! {
    /// A queue that never waits for a lower one.
    pub enum Lane {
        /// Test messages and API messages: somebody waits for them.
        Transactional = "transactional",
        Automation = "automation",
        /// Campaigns.
        Bulk = "bulk",
    }
}

impl Lane {
    /// The lane's place in the ledger and in the order of service; the lowest is served first.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Transactional => 0,
            Self::Automation => 1,
            Self::Bulk => 2,
        }
    }

    /// Whether a worker that names these lanes serves this one: their words with commas between, nothing for all.
    #[must_use]
    pub fn is_among(self, words: &str) -> bool {
        words.is_empty() || words.split(',').any(|word| word.trim() == self.as_str())
    }

    #[must_use]
    pub const fn from_code(code: i16) -> Option<Self> {
        match code {
            0 => Some(Self::Transactional),
            1 => Some(Self::Automation),
            2 => Some(Self::Bulk),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_serves_the_lanes_that_it_names_or_all() {
        let served = |words: &str| Lane::ALL.iter().copied().filter(|lane| lane.is_among(words)).collect::<Vec<_>>();
        assert_eq!(served(""), Lane::ALL);
        assert_eq!(served("transactional, bulk"), [Lane::Transactional, Lane::Bulk]);
        assert_eq!(served("bulky"), []);
    }
}
