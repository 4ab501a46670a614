//! Leases that ran out. Their jobs are handed over again and again until somebody says what became of them, so that
//! whoever asks may die at any moment.

use super::clock::{Nanos, nanos};
use super::settle::Lease;
use super::state::State;
use crate::{ExpiredLease, HAND_OUT_AGAIN, Job, Shard};

/// Destinations that one call examines for being long idle.
const FORGET_STEPS: usize = 2_000;

#[derive(Debug)]
pub struct Recovering {
    lease: Lease,
    /// When its jobs are handed out again.
    again_at: Nanos,
}

impl State {
    /// No token comes back: whether these messages left is not known here.
    pub fn expired(&mut self, now: Nanos) -> Vec<ExpiredLease> {
        let gone: Vec<u64> = self.leases.iter().filter(|(_, l)| l.expires <= now).map(|(id, _)| *id).collect();
        for fence in gone {
            let Some(lease) = self.leases.remove(&fence) else { continue };
            let budget = lease.line.budget;
            if !lease.claimed.is_empty() {
                self.recovering.insert(fence, Recovering { lease, again_at: now });
            }
            self.free_connection(budget, now);
        }
        let mut handed = Vec::new();
        for (fence, recovering) in self.recovering.iter_mut().filter(|(_, r)| r.again_at <= now) {
            recovering.again_at = now.saturating_add(nanos(HAND_OUT_AGAIN));
            let lease = &recovering.lease;
            let name = self.budgets[lease.line.budget as usize].name.clone();
            handed.push(ExpiredLease {
                fence: *fence,
                worker: lease.worker.to_string(),
                shard: Shard::new(lease.line.lane, name),
                jobs: lease.claimed.iter().map(|c| c.job).collect(),
            });
        }
        handed.sort_by_key(|lease| lease.fence);
        self.forget_idle(now);
        handed
    }

    pub fn recovered(&mut self, fence: u64, again: &[Job], now: Nanos) {
        let Some(Recovering { lease, .. }) = self.recovering.remove(&fence) else { return };
        for claimed in lease.claimed.iter().rev() {
            self.unlease(lease.line, claimed.slot);
            if again.contains(&claimed.job) {
                self.put_back(lease.line, *claimed);
            } else {
                self.tidy_campaign(claimed.slot);
            }
        }
        self.room_again(lease.line.budget, now);
    }

    fn forget_idle(&mut self, now: Nanos) {
        for _ in 0..FORGET_STEPS.min(self.budgets.len()) {
            self.forget_from = (self.forget_from + 1) % self.budgets.len() as u32;
            self.forget_streams(self.forget_from, now);
            self.forget_if_idle(self.forget_from, now);
        }
    }
}
