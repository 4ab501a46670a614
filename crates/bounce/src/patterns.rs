use regex::bytes::{RegexSet, RegexSetBuilder, SetMatches};

/// States of an automaton that are kept, for each thread; the default is too few for sets of this size, and then it is
/// slow.
pub(crate) const AUTOMATON_BYTES: usize = 32 << 20;

/// What `…` in a pattern stands for: anything within the same sentence. Counted repetitions (`.{0,60}`) would say nearly
/// the same, but an automaton needs a state for each count of each of them, and then it is a hundred times slower.
const SAME_SENTENCE: &str = "(?:[^.!\\n]|[.!][^ \\n])*";

/// One automaton for all patterns of a table. An empty pattern is no pattern: it holds for any text and is left out, for
/// the automaton would stop at each octet to say so.
pub(crate) struct Patterns {
    set: RegexSet,
    /// For each row of the table its pattern's place in the set.
    places: Vec<Option<usize>>,
}

impl Patterns {
    /// Over octets and without Unicode classes, which make an automaton many times larger.
    pub fn new<'a>(rows: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut places = Vec::new();
        let mut patterns = Vec::new();
        for row in rows {
            places.push((!row.is_empty()).then_some(patterns.len()));
            if !row.is_empty() {
                patterns.push(row.replace('…', SAME_SENTENCE));
            }
        }
        let mut builder = RegexSetBuilder::new(patterns);
        builder.case_insensitive(true).unicode(false).size_limit(AUTOMATON_BYTES).dfa_size_limit(AUTOMATON_BYTES);
        Ok(Self { set: builder.build().map_err(|e| e.to_string())?, places })
    }

    pub fn hits(&self, text: &str) -> Hits<'_> {
        Hits { found: self.set.matches(text.as_bytes()), places: &self.places }
    }
}

/// The rows that hold for one text.
pub(crate) struct Hits<'a> {
    found: SetMatches,
    places: &'a [Option<usize>],
}

impl Hits<'_> {
    pub fn holds(&self, row: usize) -> bool {
        self.places[row].is_none_or(|place| self.found.matched(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_stays_within_its_sentence() {
        let patterns = Patterns::new(["user…unknown", "", "ana"].into_iter()).unwrap();
        let holds = |text| (0..3).map(|row| patterns.hits(text).holds(row)).collect::<Vec<_>>();
        assert_eq!(holds("User ana@x.example is UNKNOWN."), [true, true, true]);
        assert_eq!(holds("Dear user. The cause is not known, it is unknown"), [false, true, false]);
    }
}
