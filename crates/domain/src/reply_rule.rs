use serde::{Deserialize, Serialize};

/// What replies of some kind mean, as it is written down: in the program's own tables, in an operator's file, or on screen. It fires
/// when all of its conditions hold. `bounce` compiles it and says what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyRule {
    pub name: String,
    /// Whose replies; none: everybody's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provider: Vec<String>,
    /// The start of a reply code: "4", "42" or "421".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<String>,
    /// "5.1.1", or "5.1." for all of its details; "x.1.1" for any class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enhanced: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phase: Vec<String>,
    /// A regular expression; `…` is anything within the same sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What it means: a [`BounceClass`](crate::BounceClass).
    pub class: String,
    /// Needs more evidence than its words.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needs_evidence: bool,
    /// Its words say less than a specific code does.
    #[serde(default, skip_serializing_if = "is_false")]
    pub vague: bool,
    /// The [`Knob`](crate::Knob) that it turns, or "none", instead of what the class turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knob: Option<String>,
    /// Divides the knob by this, instead of by two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divide_by: Option<u32>,
    /// Turns the knob to this at the most: messages a minute, connections, or messages for each connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_to: Option<u32>,
    /// So long the knob stays there, however clean the sending is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stay_minutes: Option<u64>,
    /// Instead of what the class holds; 0: no hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_minutes: Option<u64>,
    /// For whom it turns and holds: a [`PaceKey`](crate::PaceKey), instead of the class's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Replies that must be found to be of this rule.
    pub is: Vec<String>,
    /// Replies that must not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is_not: Vec<String>,
    /// Where it stands in its file; 0: in none.
    #[serde(skip)]
    pub line: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl ReplyRule {
    /// `line 12: rule ours` where it stands in a file, for faults.
    #[must_use]
    pub fn place(&self) -> String {
        if self.line == 0 { format!("rule {}", self.name) } else { format!("line {}: rule {}", self.line, self.name) }
    }
}
