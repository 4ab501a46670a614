//! Writes down what the queue does by itself: knobs that rise after clean work, holds that end. What turned them down is written by the
//! sender that heard the reply.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_domain::{PaceAct, UnixMs};
use tidings_queue::{PastTurn, Queue};
use tidings_store::{NewPaceEvent, PaceOf, Store};

use crate::now;
use crate::sender::{knob_word, pace_of};

/// A knob rises once a minute at the most, and the queue keeps the last twenty turns: nothing is missed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Old events are removed now and then.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// Instants are made from "so long ago", which differs by a little from look to look.
const SAME_TURN_MS: i64 = 1_500;
const BY: &str = "Tidings";

pub struct PaceKeeper {
    store: Store,
    queue: Queue,
    looked: Option<Instant>,
    pruned: Option<Instant>,
    began: UnixMs,
    /// The last turn of each destination, and of each sending domain there, that is written down.
    told: HashMap<(Arc<str>, String), UnixMs>,
}

impl PaceKeeper {
    pub fn new(store: Store, queue: Queue) -> Self {
        Self { store, queue, looked: None, pruned: None, began: now(), told: HashMap::new() }
    }

    /// Looks every few seconds.
    pub async fn keep_up(&mut self) -> anyhow::Result<()> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        let seen = self.queue.snapshot().await;
        for status in &seen.shards {
            let name = &status.shard.name;
            self.note_raises((Arc::clone(name), String::new()), &status.history).await?;
            for stream in &status.streams {
                self.note_raises((Arc::clone(name), stream.stream.clone()), &stream.history).await?;
            }
        }
        self.told.retain(|(name, _), _| seen.shards.iter().any(|status| status.shard.name == *name));
        self.store.end_past_holds(now()).await?;
        if self.pruned.is_none_or(|at| at.elapsed() >= PRUNE_EVERY) {
            self.store.prune_pace_events(now()).await?;
            self.pruned = Some(Instant::now());
        }
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// The queue tells the latest turn first. All lanes of a destination share its history.
    async fn note_raises(&mut self, of: (Arc<str>, String), history: &[PastTurn]) -> anyhow::Result<()> {
        let at = now();
        // Of what was before this process led, the leader of then has written what it saw.
        let mut last = self.told.get(&of).copied().unwrap_or(self.began);
        for past in history.iter().rev() {
            let when = UnixMs(at.0 - i64::try_from(past.ago.as_millis()).unwrap_or(i64::MAX));
            if when.0 <= last.0 + SAME_TURN_MS {
                continue;
            }
            last = when;
            if past.turn.to > past.turn.from {
                let (provider, route) = pace_of(&of.0);
                let event = NewPaceEvent {
                    of: PaceOf { provider: provider.to_owned(), route, stream: of.1.clone() },
                    act: PaceAct::Up,
                    turn: Some((knob_word(past.turn.knob), past.turn.from, past.turn.to)),
                    until: None,
                    class: None,
                    rule: String::new(),
                    why: past.why.clone(),
                    by: BY.to_owned(),
                    attention: String::new(),
                };
                self.store.note_pace(event, when).await?;
            }
        }
        self.told.insert(of, last);
        Ok(())
    }
}
