//! Waiting for work, and claiming it.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use redis::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::call::{Call, GaveUp, Patience};
use super::channels::Lent;
use super::reply::{self, Header, Odd};
use super::{Redis, SHORT_PATIENCE, Shared, words};
use crate::{CloseReason, Grant, Job, Lanes, MAX_JOBS_PER_CLAIM, More, Shard};

/// A partition that does not answer for so long is left alone until the tick finds that it does.
const CLAIM_PATIENCE: Duration = Duration::from_secs(1);
/// Higher than any.
const NO_LANE: u8 = 3;

enum Claimed {
    Grant(Grant, Header),
    Nothing,
    Again,
}

impl Redis {
    pub async fn lease(&self, worker: &str, lanes: Lanes, max_jobs: usize, wait: Duration) -> Option<Grant> {
        let shared = &*self.shared;
        let deadline = Instant::now() + wait;
        let who = Who { worker: worker.to_owned(), lanes, max_jobs, deadline };
        let mut waiter = Waiter { shared, lanes, counted: false };
        let mut first = true;
        loop {
            let told = shared.work.notified();
            if let Some((grant, header)) = self.claim(&who, first).await {
                drop(waiter);
                if header.listed > 0 && shared.waiting.load(SeqCst) > 0 {
                    shared.work.notify_one();
                }
                return Some(grant);
            }
            first = false;
            if Instant::now() >= deadline {
                return None;
            }
            waiter.count();
            tokio::select! {
                () = told => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// In a task of its own: the caller may be dropped, but what the server granted must come back to it.
    async fn claim(&self, who: &Who, first: bool) -> Option<(Grant, Header)> {
        let (sender, receiver) = oneshot::channel();
        let (queue, who) = (self.clone(), who.clone());
        tokio::spawn(async move {
            let found = queue.claim_somewhere(&who, first).await;
            if let Err(Some((grant, _))) = sender.send(found) {
                queue.close(&grant).await;
            }
        });
        receiver.await.ok().flatten()
    }

    async fn claim_somewhere(&self, who: &Who, first: bool) -> Option<(Grant, Header)> {
        let shared = &self.shared;
        for partition in shared.in_order() {
            let mut first = first;
            loop {
                match shared.claim_in(partition, who, first).await {
                    Ok(Claimed::Grant(grant, header)) => return Some((grant, header)),
                    Ok(Claimed::Again) => first = false,
                    Ok(Claimed::Nothing) | Err(GaveUp) => break,
                }
            }
        }
        None
    }

    /// Claims again for an open connection. While the server is away, the connection is given up after a while.
    pub async fn more(&self, grant: &Grant, max_jobs: usize) -> More {
        let shared = &*self.shared;
        let partition = shared.partition(&grant.shard.name);
        if shared.lower_lane_elsewhere(partition, grant) {
            return More::Close(CloseReason::LowerLaneWaits);
        }
        let max = max_jobs.clamp(1, MAX_JOBS_PER_CLAIM).to_string();
        let mut args = vec![grant.fence.to_string(), max];
        args.extend(shared.waiting_by_lane());
        args.push(shared.barred());
        let call = Call { partition, function: "more", args, once: true };
        let Ok((_, reply)) = shared.call(&call, Patience::Until(Instant::now() + SHORT_PATIENCE)).await else {
            return More::Close(CloseReason::QueueAway);
        };
        read_more(reply).unwrap_or_else(|odd| {
            tracing::error!(%odd, "a claim cannot be read");
            More::Close(CloseReason::QueueAway)
        })
    }
}

impl Shared {
    /// The partitions that answer, those first that were last heard to have the lowest lane. When one answers again,
    /// the tick sees it and wakes who waits.
    fn in_order(&self) -> Vec<usize> {
        let count = self.partitions.len();
        let from = self.turn.fetch_add(1, SeqCst);
        let turns = (0..count).map(|n| (from.wrapping_add(n)) % count);
        let mut order: Vec<_> = turns.filter(|p| self.partitions[*p].heard().answers()).collect();
        order.sort_by_key(|p| self.partitions[*p].heard().lowest);
        order
    }

    async fn claim_in(self: &Arc<Self>, partition: usize, who: &Who, first: bool) -> Result<Claimed, GaveUp> {
        let max = who.max_jobs.clamp(1, MAX_JOBS_PER_CLAIM).to_string();
        let lanes = who.lanes.iter().map(|lane| lane.to_string()).collect();
        let args = vec![who.worker.clone(), lanes, max, String::from(if first { "1" } else { "0" }), self.barred()];
        let call = Call { partition, function: "claim", args, once: true };
        let lent = self.channels.lend();
        let patience = Patience::Until(who.deadline.min(Instant::now() + CLAIM_PATIENCE));
        let Ok((header, reply)) = self.call_as(&call, lent.request, patience).await else {
            tokio::spawn(Arc::clone(self).give_back(call, lent, who.lanes));
            return Err(GaveUp);
        };
        Ok(read_claim(reply, header, who.lanes).unwrap_or_else(|odd| {
            tracing::error!(%odd, "a claim cannot be read");
            Claimed::Nothing
        }))
    }

    /// The server may have granted what nobody waits for any more: asks until that is known, and closes it. After the
    /// time of a lease it ran out anyhow.
    async fn give_back(self: Arc<Self>, call: Call, lent: Lent, lanes: Lanes) {
        let patience = Patience::Until(Instant::now() + self.options.lease);
        let answer = self.call_as(&call, lent.request, patience).await;
        if let Ok((header, reply)) = answer
            && let Ok(Claimed::Grant(grant, _)) = read_claim(reply, header, lanes)
        {
            self.surely(call.partition, "close", vec![grant.fence.to_string()], false).await;
        }
    }

    /// Another partition has work in a lower lane that this worker serves, by what was last heard of it, and nobody here
    /// is idle. Told once: what is heard next decides anew.
    fn lower_lane_elsewhere(&self, partition: usize, grant: &Grant) -> bool {
        self.waiting.load(SeqCst) == 0
            && self.partitions.iter().enumerate().any(|(n, other)| {
                let mut heard = other.heard();
                let serves = heard.lowest < grant.shard.lane && grant.lanes.contains(heard.lowest);
                let lower = n != partition && serves && heard.answers();
                if lower {
                    heard.lowest = NO_LANE;
                }
                lower
            })
    }
}

fn read_claim(reply: Vec<Value>, header: Header, lanes: Lanes) -> Result<Claimed, Odd> {
    let what = reply.first().map(reply::text).transpose()?.unwrap_or_default();
    match what.as_str() {
        "nothing" => return Ok(Claimed::Nothing),
        "again" => return Ok(Claimed::Again),
        _ => {}
    }
    let [_, fence, lane, name, left, jobs] = &reply[..] else { return Err(Odd::new(&reply)) };
    let fence = reply::number(fence)?;
    let shard = Shard::new(reply::number(lane)?, reply::text(name)?);
    let grant = Grant { id: fence, fence, shard, jobs: read_jobs(jobs)?, messages_left: reply::number(left)?, lanes };
    Ok(Claimed::Grant(grant, header))
}

fn read_more(reply: Vec<Value>) -> Result<More, Odd> {
    let what = reply.first().map(reply::text).transpose()?.unwrap_or_default();
    let about = || reply.get(1).ok_or_else(|| Odd::new(&reply));
    Ok(match what.as_str() {
        "jobs" => More::Jobs(read_jobs(about()?)?),
        "wait" => More::Wait(reply::micros(about()?)?.unwrap_or_default()),
        "empty" => More::Empty,
        "close" => More::Close(match reply::text(about()?)?.as_str() {
            "messages" => CloseReason::MessagesUsedUp,
            "held" => CloseReason::Held,
            "connections" => CloseReason::TooManyConnections,
            "lower" => CloseReason::LowerLaneWaits,
            "turn" => CloseReason::TurnOver,
            _ => CloseReason::LeaseLost,
        }),
        _ => return Err(Odd::new(&reply)),
    })
}

fn read_jobs(value: &Value) -> Result<Vec<Job>, Odd> {
    let values = reply::list(value.clone())?;
    let pairs = values.chunks_exact(2);
    pairs.map(|p| words::job(&reply::text(&p[0])?, &reply::text(&p[1])?).ok_or_else(|| Odd::new(&p))).collect()
}

/// Who asks, for how much, and how long he waits.
#[derive(Clone)]
struct Who {
    worker: String,
    lanes: Lanes,
    max_jobs: usize,
    deadline: Instant,
}

/// Somebody inside `lease` who found nothing.
struct Waiter<'a> {
    shared: &'a Shared,
    lanes: Lanes,
    counted: bool,
}

impl Waiter<'_> {
    fn count(&mut self) {
        if !self.counted {
            self.counted = true;
            self.shared.waiting.fetch_add(1, SeqCst);
            for lane in self.lanes.iter() {
                self.shared.waiting_for[usize::from(lane)].fetch_add(1, SeqCst);
            }
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.counted {
            self.shared.waiting.fetch_sub(1, SeqCst);
            for lane in self.lanes.iter() {
                self.shared.waiting_for[usize::from(lane)].fetch_sub(1, SeqCst);
            }
        }
    }
}
