use std::collections::VecDeque;
use std::sync::Arc;

use super::clock::{Nanos, between};
use crate::{HISTORY_TURNS, PastTurn, Turn};

/// The last turns of a budget's knobs.
#[derive(Debug, Default)]
pub struct History(VecDeque<Past>);

#[derive(Debug)]
struct Past {
    turn: Turn,
    at: Nanos,
    why: Arc<str>,
}

impl History {
    pub fn add(&mut self, turn: Turn, why: Arc<str>, at: Nanos) {
        self.0.truncate(HISTORY_TURNS - 1);
        self.0.push_front(Past { turn, at, why });
    }

    /// The latest first.
    pub fn seen(&self, now: Nanos) -> Vec<PastTurn> {
        let seen = |p: &Past| PastTurn { turn: p.turn, ago: between(p.at, now), why: p.why.to_string() };
        self.0.iter().map(seen).collect()
    }
}
