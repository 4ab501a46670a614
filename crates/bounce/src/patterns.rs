use std::cell::OnceCell;

use regex::bytes::{RegexSet, RegexSetBuilder, SetMatches};

/// States of an automaton that are kept, for each thread; the default is too few for sets of this size, and then it is
/// slow.
pub(crate) const AUTOMATON_BYTES: usize = 32 << 20;

/// What `…` in a pattern stands for: anything within the same sentence. Counted repetitions (`.{0,60}`) would say nearly
/// the same, but an automaton needs a state for each count of each of them, and then it is a hundred times slower.
const SAME_SENTENCE: &str = "(?:[^.!\\n]|[.!][^ \\n])*";

/// Patterns of one automaton. With more, what each of them has seen multiplies to more states than can be kept; with
/// fewer, a text is walked over more often.
pub(crate) const WITH_GAPS: usize = 4;
/// As many as there are: words without gaps do not multiply.
pub(crate) const WORDS: usize = usize::MAX;

/// A few automata for all patterns of a table. An empty pattern is no pattern: it holds for any text and is left out, for
/// the automaton would stop at each octet to say so.
pub(crate) struct Patterns {
    sets: Vec<RegexSet>,
    /// For each row of the table its pattern's place in the sets.
    places: Vec<Option<usize>>,
    in_one: usize,
}

impl Patterns {
    /// Over octets and without Unicode classes, which make an automaton many times larger.
    pub fn new<'a>(rows: impl Iterator<Item = &'a str>, in_one: usize) -> Result<Self, String> {
        let mut places = Vec::new();
        let mut patterns = Vec::new();
        for row in rows {
            places.push((!row.is_empty()).then_some(patterns.len()));
            if !row.is_empty() {
                patterns.push(row.replace('…', SAME_SENTENCE));
            }
        }
        Ok(Self { sets: patterns.chunks(in_one).map(set).collect::<Result<_, _>>()?, places, in_one })
    }

    pub fn hits<'a>(&'a self, text: &'a str) -> Hits<'a> {
        Hits { patterns: self, text, found: self.sets.iter().map(|_| OnceCell::new()).collect() }
    }
}

fn set(patterns: &[String]) -> Result<RegexSet, String> {
    let mut builder = RegexSetBuilder::new(patterns);
    builder.case_insensitive(true).unicode(false).size_limit(AUTOMATON_BYTES).dfa_size_limit(AUTOMATON_BYTES);
    builder.build().map_err(|e| e.to_string())
}

/// The rows that hold for one text, each found out when it is asked for.
pub(crate) struct Hits<'a> {
    patterns: &'a Patterns,
    text: &'a str,
    found: Vec<OnceCell<SetMatches>>,
}

impl Hits<'_> {
    pub fn holds(&self, row: usize) -> bool {
        let Some(place) = self.patterns.places[row] else { return true };
        let (set, within) = (place / self.patterns.in_one, place % self.patterns.in_one);
        self.found[set].get_or_init(|| self.patterns.sets[set].matches(self.text.as_bytes())).matched(within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_stays_within_its_sentence() {
        let patterns = Patterns::new(["user…unknown", "", "ana"].into_iter(), 1).unwrap();
        let holds = |text| (0..3).map(|row| patterns.hits(text).holds(row)).collect::<Vec<_>>();
        assert_eq!(holds("User ana@x.example is UNKNOWN."), [true, true, true]);
        assert_eq!(holds("Dear user. The cause is not known, it is unknown"), [false, true, false]);
    }
}
