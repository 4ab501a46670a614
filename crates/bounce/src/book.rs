use tidings_domain::{Phase, ProviderTable, Reply, ReplyClass, ReplyRule, Verdict};

use crate::classify::{by_basic_code, of_rule};
use crate::lint::faults;
use crate::rules::{RULES, Rules, Said};

/// Rules that an operator may add: each of them costs every refusal a little.
pub const MAX_OWN_RULES: usize = 500;
/// Characters of an own rule's pattern.
const MAX_PATTERN_CHARS: usize = 1_000;

/// The rules in force: an operator's own, which are asked first, and those that the program carries.
#[derive(Default)]
pub struct RuleBook {
    own: Option<Rules>,
}

/// Why rules were not taken: every fault, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RuleFaults(String);

impl RuleBook {
    /// Without own rules.
    #[must_use]
    pub fn builtin() -> Self {
        Self::default()
    }

    /// With own rules, in this order. They may name the providers of `table`, and `mx:` ones.
    ///
    /// # Errors
    /// A rule that cannot be read, can never fire, stands twice, or is not what its samples say.
    pub fn with(own: Vec<ReplyRule>, table: &ProviderTable) -> Result<Self, RuleFaults> {
        if own.is_empty() {
            return Ok(Self::builtin());
        }
        if own.len() > MAX_OWN_RULES {
            return Err(RuleFaults(format!("there are {} own rules, and {MAX_OWN_RULES} are the most", own.len())));
        }
        if let Some(rule) = own.iter().find(|rule| rule.text.chars().count() > MAX_PATTERN_CHARS) {
            let why = "its pattern is longer than";
            return Err(RuleFaults(format!("{}: {why} {MAX_PATTERN_CHARS} characters", rule.place())));
        }
        let book = Self { own: Some(Rules::compile(own).map_err(RuleFaults)?) };
        let faults = book.own.as_ref().map_or_else(Vec::new, |own| faults(&book, &own.rules, table));
        if faults.is_empty() { Ok(book) } else { Err(RuleFaults(faults.join("\n"))) }
    }

    /// The own ones, in their order.
    pub fn own(&self) -> impl Iterator<Item = &ReplyRule> {
        self.own.iter().flat_map(|own| own.rules.iter().map(|rule| &rule.spec))
    }

    /// What a negative reply at `phase` says. `provider` is the name of the group that the peer belongs to; rules for
    /// other providers are not looked at.
    ///
    /// A positive reply is no bounce; given one, the answer is `undetermined`, to be tried again.
    #[must_use]
    pub fn classify(&self, phase: Phase, reply: &Reply, provider: &str) -> Verdict {
        let permanent = reply.class() == ReplyClass::Permanent;
        let said = Said::from(reply);
        let of = |rules: &'_ Rules| {
            rules.hearing(phase, &said, provider).first(|_| true).map(|rule| of_rule(rule, permanent, phase))
        };
        let own = self.own.as_ref().and_then(of);
        own.or_else(|| of(&RULES)).unwrap_or_else(|| by_basic_code(phase, reply.code, permanent))
    }
}

/// The rules that the program carries, in the order of evaluation.
pub fn builtin_rules() -> impl Iterator<Item = &'static ReplyRule> {
    RULES.rules.iter().map(|rule| &rule.spec)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_domain::{BounceClass, Knob, PaceKey};

    use super::*;

    #[test]
    fn an_own_rule_stands_before_the_programs() {
        let own = ReplyRule {
            name: "tss04-is-short-here".to_owned(),
            provider: vec!["yahoo".to_owned()],
            text: "\\[TSS04\\]".to_owned(),
            class: "throttled".to_owned(),
            hold_minutes: Some(5),
            knob: Some("none".to_owned()),
            key: Some("sending_domain".to_owned()),
            is: vec!["421 4.7.0 [TSS04] deferred".to_owned()],
            is_not: vec!["421 4.7.0 [TSS05] deferred".to_owned()],
            ..ReplyRule::default()
        };
        let book = RuleBook::with(vec![own], &ProviderTable::builtin().unwrap()).unwrap_or_else(|e| panic!("{e}"));
        let reply = Reply::from_text("421 4.7.0 [TSS04] Messages temporarily deferred", 0);
        let ours = book.classify(Phase::Mail, &reply, "yahoo");
        assert_eq!((ours.knob, ours.hold, ours.key), (None, Some(Duration::from_secs(300)), PaceKey::SendingDomain));
        let theirs = RuleBook::builtin().classify(Phase::Mail, &reply, "yahoo");
        assert_eq!((theirs.knob, theirs.key, theirs.class), (Some(Knob::Rate), PaceKey::Route, BounceClass::Throttled));
        assert_eq!(book.classify(Phase::Mail, &reply, "yahoo-jp").rule, "yahoo-jp-deferred");
    }
}
