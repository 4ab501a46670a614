//! What is wrong with rules: such as can never fire, stand twice, are taken by an earlier one, or are not what their samples say.

use std::ops::RangeInclusive;

use tidings_domain::{Phase, ProviderTable, Reply, ReplyRule, Word};

use crate::book::RuleBook;
use crate::consequence::knob;
use crate::rules::{MAX_HOLD_MINUTES, Rule};

/// Who has no rules of his own.
const ANYBODY: &str = "mx:example.org";
/// What a knob can be divided by.
const DIVISORS: RangeInclusive<u32> = 2..=100;

/// Every fault of these rules, one a line. `book` holds them, so that what is before them is seen too.
pub(crate) fn faults(book: &RuleBook, rules: &[Rule], table: &ProviderTable) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let mut fault = |what: String| faults.push(format!("{}: {what}", rule.spec.place()));
        alone(rule, table, &mut fault);
        against_earlier(rule, &rules[..at], &mut fault);
        by_samples(book, rule, &mut fault);
    }
    faults
}

/// What can be said of a rule without the others.
fn alone(rule: &Rule, table: &ProviderTable, fault: &mut impl FnMut(String)) {
    if rule.name.is_empty() || rule.name.contains(char::is_whitespace) {
        fault("a name without spaces is needed".to_owned());
    }
    if rule.codes.is_empty() && rule.enhanced.is_empty() && !rule.has_text {
        fault("it has neither code nor text: it would hold for every reply".to_owned());
    }
    for provider in &rule.providers {
        if table.provider(provider).is_none() && !provider.starts_with("mx:") {
            fault(format!("can never fire: there is no provider {provider:?}"));
        }
    }
    for code in rule.codes.iter().filter(|code| !is_code(code)) {
        fault(format!("can never fire for the code {code:?}: refusals begin with 4 or 5 and have three digits"));
    }
    for pattern in rule.enhanced.iter().filter(|pattern| !is_enhanced(pattern)) {
        fault(format!("can never fire for the enhanced code {pattern:?}: written 5.7.1, x.7.1 or 5.7."));
    }
    if !codes_agree(rule) {
        fault("can never fire: code and enhanced code are of two classes".to_owned());
    }
    let phases = if rule.phases.is_empty() { Phase::ALL } else { &rule.phases };
    if !phases.iter().any(|phase| rule.may_hold(*phase)) {
        fault(format!("can never fire: {} says something of the recipient, who is not named so early", rule.class));
    }
    let is_too_long = |minutes: Option<u64>| minutes.is_some_and(|minutes| minutes > MAX_HOLD_MINUTES);
    if is_too_long(rule.spec.hold_minutes) || is_too_long(rule.spec.stay_minutes) {
        fault(format!("holds for longer than {MAX_HOLD_MINUTES} minutes, which is a week"));
    }
    cuts(rule, fault);
}

/// How far it turns a knob, and whether it turns any.
fn cuts(rule: &Rule, fault: &mut impl FnMut(String)) {
    let ReplyRule { divide_by, turn_to, stay_minutes, .. } = rule.spec;
    if divide_by.is_some() && turn_to.is_some() {
        fault("divides a knob and turns it to a number: only one of both can be".to_owned());
    }
    if divide_by.is_some_and(|by| !DIVISORS.contains(&by)) {
        fault(format!("divides a knob by {} to {} only", DIVISORS.start(), DIVISORS.end()));
    }
    if turn_to == Some(0) {
        fault("turns a knob to nothing: that is what a hold is for".to_owned());
    }
    let says_how = divide_by.is_some() || turn_to.is_some() || stay_minutes.is_some();
    if says_how && rule.knob.of(knob(rule.class)).is_none() {
        fault("says how far to turn a knob, and turns none".to_owned());
    }
}

fn against_earlier(rule: &Rule, earlier: &[Rule], fault: &mut impl FnMut(String)) {
    let same = |other: &&Rule| {
        let (a, b) = (&rule.spec, &other.spec);
        (&a.provider, &a.code, &a.enhanced, &a.phase, &a.text) == (&b.provider, &b.code, &b.enhanced, &b.phase, &b.text)
    };
    if earlier.iter().any(|other| other.name == rule.name) {
        fault("its name is taken".to_owned());
    }
    if let Some(other) = earlier.iter().find(same) {
        fault(format!("has the same conditions as {}", other.name));
    }
}

/// Each sample goes through all rules, for each provider that the rule names.
fn by_samples(book: &RuleBook, rule: &Rule, fault: &mut impl FnMut(String)) {
    if rule.spec.is.is_empty() || rule.spec.is_not.is_empty() {
        fault("samples are needed: a reply that it must match, and one that it must not".to_owned());
    }
    let phases = if rule.phases.is_empty() { &[Phase::Rcpt] } else { &rule.phases[..] };
    let phase = phases.iter().copied().find(|phase| rule.may_hold(*phase)).unwrap_or(Phase::Rcpt);
    let anybody = [ANYBODY.to_owned()];
    let providers = if rule.providers.is_empty() { &anybody[..] } else { &rule.providers[..] };
    for provider in providers {
        let found = |text: &str| book.classify(phase, &Reply::from_text(text, 0), provider).rule;
        for text in &rule.spec.is {
            let found = found(text);
            if found != rule.name {
                fault(format!("{text:?} from {provider} is taken by {found}"));
            }
        }
        for text in rule.spec.is_not.iter().filter(|text| found(text) == rule.name) {
            fault(format!("{text:?} from {provider} must not match"));
        }
    }
}

fn is_code(code: &str) -> bool {
    (1..=3).contains(&code.len()) && code.starts_with(['4', '5']) && code.bytes().all(|b| b.is_ascii_digit())
}

/// Three numbers, of which the last may be left out, and the first be any.
fn is_enhanced(pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.split('.').collect();
    let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    match parts[..] {
        [class, subject, detail] => {
            matches!(class, "4" | "5" | "x") && number(subject) && (detail.is_empty() || number(detail))
        }
        _ => false,
    }
}

/// Some code of the rule and some enhanced code of it begin alike.
fn codes_agree(rule: &Rule) -> bool {
    let first = |text: &String| text.chars().next();
    let agree = |code: &String| rule.enhanced.iter().any(|e| e.starts_with('x') || first(e) == first(code));
    rule.codes.is_empty() || rule.enhanced.is_empty() || rule.codes.iter().any(agree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RULES;

    /// Each rule must fire for its own samples, through all rules before it: dead and shadowed rules are found here.
    #[test]
    fn the_programs_own_rules_have_no_fault() {
        let table = ProviderTable::builtin().unwrap();
        let faults = faults(&RuleBook::builtin(), &RULES.rules, &table);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    fn ours() -> ReplyRule {
        let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        ReplyRule {
            name: "ours".to_owned(),
            provider: texts(&["google"]),
            text: "come back on monday".to_owned(),
            class: "throttled".to_owned(),
            is: texts(&["421 Come back on Monday"]),
            is_not: texts(&["421 Come back on Tuesday"]),
            ..ReplyRule::default()
        }
    }

    fn said(rules: Vec<ReplyRule>) -> String {
        RuleBook::with(rules, &ProviderTable::builtin().unwrap()).err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_can_never_fire_is_refused_in_words() {
        let list = |text: &str| vec![text.to_owned()];
        assert_eq!(said(vec![ours()]), "");
        let faults = [
            (ReplyRule { provider: list("gmail"), ..ours() }, "there is no provider \"gmail\""),
            (ReplyRule { text: String::new(), ..ours() }, "neither code nor text"),
            (ReplyRule { code: list("250"), ..ours() }, "refusals begin with 4 or 5"),
            (ReplyRule { enhanced: list("4.7"), ..ours() }, "written 5.7.1"),
            (ReplyRule { code: list("4"), enhanced: list("5.7.1"), ..ours() }, "of two classes"),
            (ReplyRule { phase: list("greeting"), class: "bad_address".to_owned(), ..ours() }, "not named so early"),
            (ReplyRule { is_not: Vec::new(), ..ours() }, "samples are needed"),
            (ReplyRule { is: list("421 Come back on Friday"), ..ours() }, "is taken by"),
            (ReplyRule { is_not: list("421 come back on Monday!"), ..ours() }, "must not match"),
            (ReplyRule { hold_minutes: Some(20_000), ..ours() }, "which is a week"),
            (ReplyRule { stay_minutes: Some(20_000), ..ours() }, "which is a week"),
            (ReplyRule { divide_by: Some(4), turn_to: Some(1), ..ours() }, "only one of both"),
            (ReplyRule { divide_by: Some(1), ..ours() }, "by 2 to 100 only"),
            (ReplyRule { turn_to: Some(0), ..ours() }, "turns a knob to nothing"),
            (ReplyRule { knob: Some("none".to_owned()), divide_by: Some(4), ..ours() }, "and turns none"),
            (ReplyRule { text: "(".to_owned(), ..ours() }, "regex"),
            (ReplyRule { class: "slow".to_owned(), ..ours() }, "unknown word"),
            (ReplyRule { knob: Some("volume".to_owned()), ..ours() }, "unknown word"),
            (ReplyRule { key: Some("campaign".to_owned()), line: 7, ..ours() }, "line 7: rule ours: unknown word"),
        ];
        for (rule, words) in faults {
            let said = said(vec![rule]);
            assert!(said.contains(words), "{said:?} does not say {words:?}");
        }
    }

    #[test]
    fn duplicates_and_shadows_are_refused() {
        let again = ReplyRule { name: "again".to_owned(), ..ours() };
        assert!(said(vec![ours(), ours()]).contains("its name is taken"));
        assert!(said(vec![ours(), again.clone()]).contains("same conditions as ours"));
        let narrower = ReplyRule {
            text: "come back on monday morning".to_owned(),
            is: vec!["421 come back on monday morning".to_owned()],
            ..again
        };
        assert!(said(vec![ours(), narrower]).contains("is taken by ours"));
    }
}
