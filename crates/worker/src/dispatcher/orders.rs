//! Tells the queue what persons order for a destination: hold it, or lift what holds it. The orders stand in the database, so a queue that
//! lost everything is told the holds again.

use tidings_domain::{Destination, PaceAct, UnixMs};
use tidings_queue::{Queue, Scope, Shard, ShardStatus, Signal, Snapshot};
use tidings_store::{NewPaceEvent, PaceCommand, PaceOf, PaceOrder, Store};

use crate::now;
use crate::sender::pace_of;

/// The lane does not matter: all lanes of a destination share its budget.
const ANY_LANE: u8 = 2;

pub struct Orders {
    store: Store,
    queue: Queue,
}

impl Orders {
    pub fn new(store: Store, queue: Queue) -> Self {
        Self { store, queue }
    }

    /// Tells what is new.
    pub async fn keep_up(&self) -> anyhow::Result<()> {
        for order in self.store.untold_pace_orders().await? {
            self.obey(&order).await;
            self.write_down(&order).await?;
            self.store.told_pace_order(order.id, now()).await?;
        }
        Ok(())
    }

    /// Destinations that the queue did not know before, or knows no more: the holds that stand hold them, too.
    pub async fn meet(&self, shards: &[Shard]) -> anyhow::Result<()> {
        if shards.is_empty() {
            return Ok(());
        }
        for order in self.store.standing_pace_holds(now()).await? {
            for shard in shards.iter().filter(|shard| concerns(&order, &shard.name)) {
                self.obey_at(&order, shard).await;
            }
        }
        Ok(())
    }

    async fn obey(&self, order: &PaceOrder) {
        for shard in targets(order, &self.queue.snapshot().await) {
            self.obey_at(order, &shard).await;
        }
    }

    async fn obey_at(&self, order: &PaceOrder, shard: &Shard) {
        match order.command {
            PaceCommand::Lift => {
                self.queue.release(shard, &format!("Lifted by {}", order.by)).await;
            }
            PaceCommand::HoldUntil(until) if until > now() => {
                let why = format!("Held by {}: {}", order.by, order.why);
                self.queue.signal(shard, Signal::hold(Scope::Destination, until.since(now()), why)).await;
            }
            PaceCommand::HoldUntil(_) => {}
        }
    }

    async fn write_down(&self, order: &PaceOrder) -> anyhow::Result<()> {
        let of = PaceOf { provider: order.provider.clone(), route: order.route, stream: String::new() };
        let (act, until) = match order.command {
            PaceCommand::HoldUntil(until) => (PaceAct::Hold, Some(until)),
            PaceCommand::Lift => {
                self.store.end_holds(of.clone(), now()).await?;
                (PaceAct::Lift, None)
            }
        };
        self.store.note_pace(event(order, of, act, until), now()).await?;
        Ok(())
    }
}

fn event(order: &PaceOrder, of: PaceOf, act: PaceAct, until: Option<UnixMs>) -> NewPaceEvent {
    NewPaceEvent {
        of,
        act,
        turn: None,
        until,
        class: None,
        rule: String::new(),
        why: order.why.clone(),
        by: order.by.clone(),
        attention: String::new(),
    }
}

/// The destinations that the queue knows; the one that the order names, which may have nothing to do now; and for a lift the sending
/// domains there.
fn targets(order: &PaceOrder, seen: &Snapshot) -> Vec<Shard> {
    let ours: Vec<&ShardStatus> = seen.shards.iter().filter(|status| concerns(order, &status.shard.name)).collect();
    let mut names: Vec<String> = ours.iter().map(|status| status.shard.name.to_string()).collect();
    names.push(Destination::of(&order.provider).by(order.route.map(|route| route.0)).to_string());
    names.sort_unstable();
    names.dedup();
    let mut targets: Vec<Shard> = names.into_iter().map(|name| Shard::new(ANY_LANE, name)).collect();
    if order.command == PaceCommand::Lift {
        for status in ours {
            let streams = status.streams.iter().map(|stream| status.shard.clone().with_stream(stream.stream.as_str()));
            targets.extend(streams);
        }
    }
    targets
}

/// Whether the order is for this destination of the queue.
fn concerns(order: &PaceOrder, name: &str) -> bool {
    let (provider, route) = pace_of(name);
    provider == order.provider && (order.route.is_none() || order.route == route)
}
