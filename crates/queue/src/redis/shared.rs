//! What all handles of a process share: the way to the server, and what was last heard from it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::call::{Call, GaveUp, Patience};
use super::channels::Channels;
use super::reply::Header;
use super::wire::Wire;
use super::{EXPIRED_STEP, FORGET_STEP, RedisClock, SHORT_PATIENCE, open, report};
use crate::job::route_of;
use crate::{ExpiredLease, QueueOptions, Shard, Snapshot, Trouble};

pub struct Shared {
    pub wire: Wire,
    pub prefix: String,
    /// This process, as the functions know it.
    pub client: String,
    pub options: QueueOptions,
    pub clock: RedisClock,
    pub partitions: Vec<Partition>,
    pub channels: Channels,
    /// Something was listed.
    pub work: Notify,
    /// An alarm moved forward: only the timekeeper listens.
    pub alarm_moved: Notify,
    /// Calls of `lease`, and of these the ones that serve each lane.
    pub waiting: AtomicUsize,
    pub waiting_for: [AtomicUsize; 3],
    /// Partitions take turns in being asked first.
    pub turn: AtomicUsize,
    /// Routes that this process takes no jobs of, separated by commas.
    pub barred: Mutex<String>,
    /// How many reports were begun.
    pub reports: AtomicU64,
    /// The last one, and its number.
    pub last_report: tokio::sync::Mutex<(u64, Snapshot)>,
}

/// What was last heard from a partition.
#[derive(Default)]
pub struct Partition {
    pub epoch: AtomicU64,
    pub state: Mutex<Heard>,
}

#[derive(Default)]
pub struct Heard {
    pub lowest: u8,
    pub alarm: Option<Instant>,
    pub down: Option<(Instant, Trouble, String)>,
}

impl Partition {
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// Calls other than pushes are served, as far as is known.
    pub fn answers(&self) -> bool {
        self.down.as_ref().is_none_or(|(_, trouble, _)| *trouble == Trouble::OutOfMemory)
    }
}

impl Shared {
    /// FNV-1a over the part of the shard's name that names its route, so that all shards of a route lie together: the
    /// same in every process and release.
    pub fn partition(&self, name: &str) -> usize {
        let hash = route_of(name)
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        usize::try_from(hash % self.partitions.len() as u64).unwrap_or(0)
    }

    /// What the keys of a partition begin with.
    pub fn base(&self, partition: usize) -> String {
        open::base(&self.prefix, partition)
    }

    /// Where jobs are pushed to, and whose they are.
    pub fn origin(&self, shard: &Shard, workspace: i64) -> Vec<String> {
        let lane = shard.lane.min(report::LAST_LANE).to_string();
        vec![lane, shard.name.to_string(), shard.stream.to_string(), workspace.to_string()]
    }

    /// Of this process, by lane.
    pub fn waiting_by_lane(&self) -> [String; 3] {
        self.waiting_for.each_ref().map(|count| count.load(SeqCst).to_string())
    }

    /// Leases that ran out, and whether there are more.
    pub async fn expired_in(&self, partition: usize) -> Result<(Vec<ExpiredLease>, bool), GaveUp> {
        let args = vec![EXPIRED_STEP.to_string(), FORGET_STEP.to_string()];
        let call = Call { partition, function: "expired", args, once: false };
        let (_, reply) = self.call(&call, Patience::Until(Instant::now() + SHORT_PATIENCE)).await?;
        Ok(report::expired(reply).unwrap_or_else(|odd| {
            tracing::error!(%odd, "expired leases cannot be read");
            Default::default()
        }))
    }

    pub async fn surely(
        &self,
        partition: usize,
        function: &'static str,
        args: Vec<String>,
        once: bool,
    ) -> Vec<redis::Value> {
        let call = Call { partition, function, args, once };
        // Endless patience does not give up.
        self.call(&call, Patience::Endless).await.map(|(_, reply)| reply).unwrap_or_default()
    }

    /// Takes in what a reply says besides its answer, and wakes whom it concerns.
    /// `grows` says that it was a push, for which a full server has no room.
    pub fn note(&self, partition: usize, header: Header, grows: bool) {
        let place = &self.partitions[partition];
        let before = place.epoch.swap(header.epoch, SeqCst);
        if before != 0 && before != header.epoch {
            tracing::warn!(partition, "the queue in Redis was emptied; it has to be filled from the ledger");
        }
        let mut heard = place.heard();
        // A full server answers everything else meanwhile.
        let came_back = heard.down.take_if(|(_, trouble, _)| grows || *trouble != Trouble::OutOfMemory);
        heard.lowest = header.lowest;
        let old = std::mem::replace(&mut heard.alarm, header.due_in.map(|due| Instant::now() + due));
        let sooner = heard.alarm.is_some_and(|new| old.is_none_or(|old| new < old));
        drop(heard);
        if let Some((since, trouble, _)) = came_back {
            tracing::info!(%trouble, seconds = since.elapsed().as_secs(), "Redis serves again");
            self.wake(self.waiting.load(SeqCst));
        }
        if sooner {
            self.alarm_moved.notify_one();
        }
        if header.newly_listed > 0 {
            self.wake(header.newly_listed);
        }
    }

    pub fn note_trouble(&self, partition: usize, trouble: Trouble, why: String) {
        let mut heard = self.partitions[partition].heard();
        let since = heard.down.as_ref().map(|(since, ..)| *since);
        if since.is_none() {
            tracing::warn!(%trouble, why, "Redis does not serve; trying again");
        }
        heard.down = Some((since.unwrap_or_else(Instant::now), trouble, why));
    }

    pub fn barred(&self) -> String {
        self.barred.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn wake(&self, lines: usize) {
        // One permit stays for who is just about to wait.
        (0..lines.min(self.waiting.load(SeqCst)).max(1)).for_each(|_| self.work.notify_one());
    }
}
