use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;
use tidings_domain::{BounceClass, EnhancedCode, Knob, Phase, Reply, Word};

use crate::consequence::{is_about_recipient, is_before_recipient};
use crate::patterns::{Hits, Patterns, WITH_GAPS};

/// The rules as they are carried, in the order of evaluation.
const FILES: [&str; 3] =
    [include_str!("../data/providers.toml"), include_str!("../data/texts.toml"), include_str!("../data/codes.toml")];

/// Compiled once: the file is part of the program, and a test reads every rule.
pub(crate) static RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::parse(&FILES).expect("the rules are part of the program and read by its tests"));

pub(crate) struct Rules {
    pub rules: Vec<Rule>,
    /// One row for each rule.
    texts: Patterns,
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
        let texts = Patterns::new(texts.iter().map(String::as_str), WITH_GAPS)?;
        Ok(Self { rules, texts })
    }

    pub fn hearing<'a>(&'a self, phase: Phase, said: &'a Said, provider: &'a str) -> Hearing<'a> {
        Hearing {
            rules: &self.rules,
            phase,
            code: said.code.to_string(),
            enhanced: said.enhanced.map(|e| e.to_string()).unwrap_or_default(),
            provider,
            hits: self.texts.hits(&said.text),
        }
    }
}

/// The rules before one text. Words are looked for only as far as they are needed, since that is what costs.
pub(crate) struct Hearing<'a> {
    rules: &'a [Rule],
    phase: Phase,
    code: String,
    enhanced: String,
    provider: &'a str,
    hits: Hits<'a>,
}

impl<'a> Hearing<'a> {
    /// The first wanted rule that matches and may hold at that phase.
    pub fn first(&self, wanted: impl Fn(&Rule) -> bool) -> Option<&'a Rule> {
        let fits = |rule: &Rule| {
            wanted(rule)
                && rule.may_hold(self.phase)
                && rule.fits(self.phase, &self.code, &self.enhanced, self.provider)
        };
        let mut rules = self.rules.iter().enumerate();
        rules.find(|(row, rule)| fits(rule) && self.hits.holds(*row)).map(|(_, rule)| rule)
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
