use std::sync::LazyLock;
use std::time::Duration;

use tidings_domain::{BounceClass, Cut, EnhancedCode, Knob, PaceKey, Phase, ProviderFile, Reply, ReplyRule, Word};

use crate::consequence::{is_about_recipient, is_before_recipient};
use crate::patterns::{Hits, Patterns, WITH_GAPS};

/// The rules as they are carried, in the order of evaluation.
const FILES: [&str; 3] =
    [include_str!("../data/providers.toml"), include_str!("../data/texts.toml"), include_str!("../data/codes.toml")];

/// In place of a knob: this rule turns none.
pub(crate) const NO_KNOB: &str = "none";
/// No rule holds anything, or keeps a knob down, for longer than a week.
pub(crate) const MAX_HOLD_MINUTES: u64 = 7 * 24 * 60;

/// Compiled once: the file is part of the program, and a test reads every rule.
pub(crate) static RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::parse(&FILES).expect("the rules are part of the program and read by its tests"));

pub(crate) struct Rules {
    pub rules: Vec<Rule>,
    /// One row for each rule.
    texts: Patterns,
}

pub(crate) struct Rule {
    pub name: String,
    pub providers: Vec<String>,
    pub codes: Vec<String>,
    pub enhanced: Vec<String>,
    /// Asks for words, not for codes alone.
    pub has_text: bool,
    pub phases: Vec<Phase>,
    pub class: BounceClass,
    /// In a report these words alone do not make an address bad: some servers say "user unknown" after DATA for what a
    /// filter refused, so a code of the address family (RFC 3463 §3.2) or the word that it was RCPT is asked for.
    pub needs_evidence: bool,
    pub vague: bool,
    /// Instead of what the class turns, holds, and for whom.
    pub knob: Instead<Knob>,
    pub cut: Cut,
    pub stay: Duration,
    pub hold: Instead<Duration>,
    pub key: Option<PaceKey>,
    /// As it is written.
    pub spec: ReplyRule,
}

/// What a rule says of something that its class decides otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instead<T> {
    AsTheClass,
    Nothing,
    This(T),
}

impl<T> Instead<T> {
    pub fn of(self, class: Option<T>) -> Option<T> {
        match self {
            Self::AsTheClass => class,
            Self::Nothing => None,
            Self::This(value) => Some(value),
        }
    }
}

impl Rules {
    /// Reads the program's own files.
    fn parse(files: &[&str]) -> Result<Self, String> {
        let mut specs = Vec::new();
        for file in files {
            specs.extend(ProviderFile::parse(file).map_err(|e| e.to_string())?.rules);
        }
        // The line within one of several files says little.
        Self::compile(specs.into_iter().map(|spec| ReplyRule { line: 0, ..spec }).collect())
    }

    /// An error names the rule and its fault.
    pub fn compile(specs: Vec<ReplyRule>) -> Result<Self, String> {
        let texts = specs.iter().map(|spec| spec.text.clone()).collect::<Vec<_>>();
        let rules = specs.into_iter().map(Rule::new).collect::<Result<_, _>>()?;
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
    fn new(spec: ReplyRule) -> Result<Self, String> {
        let fault = |what: &dyn std::fmt::Display| format!("{}: {what}", spec.place());
        let class = BounceClass::parse(&spec.class).map_err(|e| fault(&e))?;
        let key = spec.key.as_deref().map(PaceKey::parse).transpose().map_err(|e| fault(&e))?;
        let knob = match spec.knob.as_deref() {
            None => Instead::AsTheClass,
            Some(NO_KNOB) => Instead::Nothing,
            Some(word) => Instead::This(Knob::parse(word).map_err(|e| fault(&e))?),
        };
        let phases: Result<Vec<Phase>, _> = spec.phase.iter().map(|p| Phase::parse(p)).collect();
        Ok(Self {
            class,
            knob,
            cut: match (spec.divide_by, spec.turn_to) {
                (_, Some(most)) => Cut::AtMost(most),
                (Some(part), None) => Cut::Part(part),
                (None, None) => Cut::default(),
            },
            stay: spec.stay_minutes.map_or(Duration::ZERO, minutes),
            key,
            hold: match spec.hold_minutes {
                None => Instead::AsTheClass,
                Some(0) => Instead::Nothing,
                Some(minutes_held) => Instead::This(minutes(minutes_held)),
            },
            needs_evidence: spec.needs_evidence,
            vague: spec.vague,
            has_text: !spec.text.is_empty(),
            phases: phases.map_err(|e| fault(&e))?,
            name: spec.name.clone(),
            providers: spec.provider.clone(),
            codes: spec.code.clone(),
            enhanced: spec.enhanced.clone(),
            spec,
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

/// Of what is written; the lint refuses more than the most.
fn minutes(written: u64) -> Duration {
    Duration::from_secs(60 * written.min(MAX_HOLD_MINUTES))
}

pub(crate) fn enhanced_fits(pattern: &str, enhanced: &str) -> bool {
    let (pattern, enhanced) = match pattern.strip_prefix("x.") {
        Some(rest) => (rest, enhanced.get(2..).unwrap_or_default()),
        None => (pattern, enhanced),
    };
    if pattern.ends_with('.') { enhanced.starts_with(pattern) } else { enhanced == pattern }
}
