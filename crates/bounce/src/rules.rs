use std::sync::LazyLock;
use std::time::Duration;

use regex::bytes::{RegexSet, RegexSetBuilder};
use serde::Deserialize;
use tidings_domain::{BounceClass, EnhancedCode, Knob, Phase, Reply, Word};

use crate::consequence::{is_about_recipient, is_before_recipient};

/// The rules as they are carried, in the order of evaluation.
const FILES: [&str; 3] =
    [include_str!("../data/providers.toml"), include_str!("../data/texts.toml"), include_str!("../data/codes.toml")];

/// Compiled once: the file is part of the program, and a test reads every rule.
pub(crate) static RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::parse(&FILES).expect("the rules are part of the program and read by its tests"));

/// States of the text automaton that are kept; the default is too few for a set of this size, and then it is slow.
pub(crate) const AUTOMATON_BYTES: usize = 32 << 20;

pub(crate) struct Rules {
    pub rules: Vec<Rule>,
    /// One pattern for each rule; a rule without text has one that always matches.
    texts: RegexSet,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default)]
    provider: Vec<String>,
    /// The start of a reply code: "4", "42" or "421".
    #[serde(default)]
    code: Vec<String>,
    /// "5.1.1", or "5.1." for all of its details; "x.1.1" for any class.
    #[serde(default)]
    enhanced: Vec<String>,
    #[serde(default)]
    phase: Vec<String>,
    #[serde(default)]
    text: String,
    class: String,
    /// Needs more evidence than its words, see [`Rule::needs_evidence`].
    #[serde(default)]
    needs_evidence: bool,
    /// Its words say less than a specific code does.
    #[serde(default)]
    vague: bool,
    #[serde(default)]
    knob: Option<String>,
    #[serde(default)]
    hold_minutes: Option<u64>,
    is: Vec<String>,
    #[serde(default)]
    is_not: Vec<String>,
}

pub(crate) struct Rule {
    pub name: String,
    pub providers: Vec<String>,
    codes: Vec<String>,
    enhanced: Vec<String>,
    /// Asks for words, not for codes alone.
    pub has_text: bool,
    pub phases: Vec<Phase>,
    pub class: BounceClass,
    /// In a report these words alone do not make an address bad: some servers say "user unknown" after DATA for what a
    /// filter refused, so a code of the address family (RFC 3463 §3.2) or the word that it was RCPT is asked for.
    pub needs_evidence: bool,
    pub vague: bool,
    /// Instead of what the class turns and holds.
    pub knob: Option<Knob>,
    pub hold: Option<Duration>,
    // Read by the tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "samples are for the tests"))]
    pub is: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "samples are for the tests"))]
    pub is_not: Vec<String>,
}

impl Rules {
    /// An error names the rule and its fault.
    pub fn parse(files: &[&str]) -> Result<Self, String> {
        let mut rules = Vec::new();
        let mut texts = Vec::new();
        for file in files {
            let file: File = toml::from_str(file).map_err(|e| e.to_string())?;
            for entry in file.rule {
                texts.push(entry.text.clone());
                rules.push(Rule::new(entry)?);
            }
        }
        // ASCII rules over bytes: replies are English, and Unicode classes make the automaton many times larger.
        let mut builder = RegexSetBuilder::new(texts);
        builder.case_insensitive(true).unicode(false).size_limit(AUTOMATON_BYTES).dfa_size_limit(AUTOMATON_BYTES);
        let texts = builder.build().map_err(|e| e.to_string())?;
        Ok(Self { rules, texts })
    }

    /// The rules that match, in order.
    pub fn matching<'a>(&'a self, phase: Phase, said: &Said, provider: &'a str) -> impl Iterator<Item = &'a Rule> {
        let code = said.code.to_string();
        let enhanced = said.enhanced.map(|e| e.to_string()).unwrap_or_default();
        let hits = self.texts.matches(said.text.as_bytes());
        // The set yields its hits in the order of the rules.
        let rules: Vec<&Rule> = hits.iter().map(|index| &self.rules[index]).collect();
        rules.into_iter().filter(move |rule| rule.fits(phase, &code, &enhanced, provider))
    }

    /// Of these only rules that ask for words; only rules that may hold at that phase.
    pub fn by_text<'a>(&'a self, phase: Phase, said: &Said, provider: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.matching(phase, said, provider).filter(move |rule| rule.has_text && rule.may_hold(phase))
    }

    /// Only rules that go by codes alone.
    pub fn by_code<'a>(&'a self, phase: Phase, said: &Said, provider: &'a str) -> impl Iterator<Item = &'a Rule> {
        let code = said.code.to_string();
        let enhanced = said.enhanced.map(|e| e.to_string()).unwrap_or_default();
        let rules = self.rules.iter().filter(move |rule| !rule.has_text && rule.may_hold(phase));
        rules.filter(move |rule| rule.fits(phase, &code, &enhanced, provider))
    }
}

/// What a rule looks at.
pub(crate) struct Said {
    pub code: u16,
    pub enhanced: Option<EnhancedCode>,
    /// One line.
    pub text: String,
}

impl From<&Reply> for Said {
    fn from(reply: &Reply) -> Self {
        let enhanced = reply.enhanced.or_else(|| enhanced_anywhere(reply));
        Self { code: reply.code, enhanced, text: reply.text() }
    }
}

/// Some servers put the code behind a name or a bracket, within the first words: `host mx said: 5.1.1 …`.
fn enhanced_anywhere(reply: &Reply) -> Option<EnhancedCode> {
    let class = u8::try_from(reply.code / 100).ok();
    let word = |word: &str| EnhancedCode::parse(word.trim_matches(['(', ')', '[', ']', '#', ',', ':', ';', '<', '>']));
    let line = reply.lines.iter().rev().find(|line| !line.is_empty())?;
    line.split_whitespace().filter_map(word).find(|e| Some(e.class) == class)
}

impl Rule {
    fn new(entry: Entry) -> Result<Self, String> {
        let fault = |what: &dyn std::fmt::Display| format!("rule {}: {what}", entry.name);
        let class = BounceClass::parse(&entry.class).map_err(|e| fault(&e))?;
        let knob = entry.knob.as_deref().map(Knob::parse).transpose().map_err(|e| fault(&e))?;
        let phases: Result<Vec<Phase>, _> = entry.phase.iter().map(|p| Phase::parse(p)).collect();
        Ok(Self {
            class,
            knob,
            needs_evidence: entry.needs_evidence,
            vague: entry.vague,
            has_text: !entry.text.is_empty(),
            phases: phases.map_err(|e| fault(&e))?,
            name: entry.name,
            providers: entry.provider,
            codes: entry.code,
            enhanced: entry.enhanced,
            hold: entry.hold_minutes.map(|m| Duration::from_secs(60 * m)),
            is: entry.is,
            is_not: entry.is_not,
        })
    }

    /// What is about the recipient cannot be meant before he was named.
    pub fn may_hold(&self, phase: Phase) -> bool {
        !(is_before_recipient(phase) && is_about_recipient(self.class))
    }

    fn fits(&self, phase: Phase, code: &str, enhanced: &str, provider: &str) -> bool {
        let one_of =
            |allowed: &[String], fits: &dyn Fn(&str) -> bool| allowed.is_empty() || allowed.iter().any(|a| fits(a));
        one_of(&self.providers, &|p| p == provider)
            && (self.phases.is_empty() || self.phases.contains(&phase))
            && one_of(&self.codes, &|c| code.starts_with(c))
            && one_of(&self.enhanced, &|pattern| enhanced_fits(pattern, enhanced))
    }
}

fn enhanced_fits(pattern: &str, enhanced: &str) -> bool {
    let (pattern, enhanced) = match pattern.strip_prefix("x.") {
        Some(rest) => (rest, enhanced.get(2..).unwrap_or_default()),
        None => (pattern, enhanced),
    };
    if pattern.ends_with('.') { enhanced.starts_with(pattern) } else { enhanced == pattern }
}
