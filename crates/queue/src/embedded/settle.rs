use std::collections::VecDeque;

use super::allowance::Allowance;
use super::budget::Budget;
use super::clock::{Nanos, nanos};
use super::fifo::Packed;
use super::line::{Pile, Slot};
use super::state::{LineId, State};
use super::window::Minute;
use crate::{Grant, Job, Lanes, LeaseState, Limits, Sent, Settle, Shard};

/// One connection slot in somebody's hands.
#[derive(Debug)]
pub struct Lease {
    pub line: LineId,
    pub worker: Box<str>,
    /// What its holder serves.
    pub lanes: Lanes,
    pub expires: Nanos,
    /// Claimed and not settled.
    pub claimed: VecDeque<Claimed>,
    /// Messages charged to this connection.
    pub messages: u32,
}

#[derive(Debug, Clone, Copy)]
pub struct Claimed {
    pub slot: Slot,
    pub job: Job,
    /// In which it was charged.
    pub minute: Minute,
}

impl State {
    pub fn settle(&mut self, grant: &Grant, settled: &[(Job, Settle)], now: Nanos) -> LeaseState {
        if self.extend(grant, now) == LeaseState::Lost {
            return LeaseState::Lost;
        }
        let (mut released, mut void) = (Vec::new(), Vec::new());
        let mut line = None;
        for (job, how) in settled {
            let Some((id, claimed)) = self.take_claimed(grant.id, *job) else { continue };
            line = Some(id);
            match how {
                Settle::Done => self.done(id, claimed.slot, now),
                Settle::RetryIn(delay) => {
                    self.unlease(id, claimed.slot);
                    self.add_delayed(id, claimed.slot, *job, now.saturating_add(nanos(*delay)));
                    self.tidy_campaign(claimed.slot);
                }
                Settle::Release => released.push(claimed),
                Settle::Void => {
                    self.on_stream(id.budget, claimed.slot, now, |stream| stream.refund(now, &[claimed.minute]));
                    self.unlease(id, claimed.slot);
                    self.tidy_campaign(claimed.slot);
                    void.push(claimed.minute);
                }
            }
        }
        if let Some(id) = line {
            self.set_line_alarm(id);
            self.release(id, &released, now);
            self.give_back(id, &void, now);
            if let Some(lease) = self.leases.get_mut(&grant.id) {
                lease.messages = lease.messages.saturating_sub((released.len() + void.len()) as u32);
            }
        }
        LeaseState::Held
    }

    /// Matches by delivery and campaign: the attempt may have moved on.
    fn take_claimed(&mut self, grant: u64, job: Job) -> Option<(LineId, Claimed)> {
        let lease = self.leases.get_mut(&grant)?;
        let same = |c: &Claimed| c.job.delivery == job.delivery && c.job.campaign == job.campaign;
        let place = lease.claimed.iter().position(same)?;
        Some((lease.line, lease.claimed.remove(place)?))
    }

    pub fn unlease(&mut self, id: LineId, slot: Slot) {
        self.line(id).leased -= 1;
        if let Some(campaign) = self.campaigns.get_mut(&slot) {
            campaign.leased -= 1;
        }
    }

    fn done(&mut self, id: LineId, slot: Slot, now: Nanos) {
        let options = self.options.clone();
        let destination = &mut self.budget(id.budget).allowance;
        let mut rose = destination.done(0, now, &options);
        let held_until = destination.last_hold_end();
        self.on_stream(id.budget, slot, now, |stream| rose |= stream.done(held_until, now, &options));
        self.unlease(id, slot);
        self.tidy_campaign(slot);
        if rose {
            self.room_again(id.budget, now);
        }
    }

    /// Puts jobs back to the front of their lists, in their order, and their tokens back to the rate.
    fn release(&mut self, id: LineId, released: &[Claimed], now: Nanos) {
        if released.is_empty() {
            return;
        }
        for claimed in released.iter().rev() {
            self.on_stream(id.budget, claimed.slot, now, |stream| stream.refund(now, &[claimed.minute]));
            self.unlease(id, claimed.slot);
            self.put_back(id, *claimed);
        }
        let charged: Vec<Minute> = released.iter().map(|c| c.minute).collect();
        self.give_back(id, &charged, now);
    }

    /// The tokens of messages that were not begun, by the minutes in which they were charged.
    fn give_back(&mut self, id: LineId, charged: &[Minute], now: Nanos) {
        if !charged.is_empty() {
            self.on_allowances(id.budget, |a| a.refund(now, charged));
            self.room_again(id.budget, now);
        }
    }

    /// A destination and its route may have room: looks at what waits for them.
    pub fn room_again(&mut self, budget: u32, now: Nanos) {
        self.list_all(budget);
        self.look_after_streams(budget, now);
        self.look_after_route(self.budgets[budget as usize].route, now);
    }

    /// A dropped campaign's job does not come back.
    pub fn put_back(&mut self, id: LineId, claimed: Claimed) {
        let Some(campaign) = self.campaigns.get_mut(&claimed.slot) else { return };
        campaign.ready += 1;
        let pile = self.piles.entry((id.number(), claimed.slot)).or_insert_with(|| {
            campaign.lines.insert(id.number());
            Pile::default()
        });
        pile.ready.push_front(Packed::new(claimed.job));
        self.line(id).ready += 1;
        self.offer(id, claimed.slot);
    }

    pub fn extend(&mut self, grant: &Grant, now: Nanos) -> LeaseState {
        let expires = now.saturating_add(nanos(self.options.lease));
        match self.leases.get_mut(&grant.id) {
            Some(lease) => {
                lease.expires = expires;
                LeaseState::Held
            }
            None => LeaseState::Lost,
        }
    }

    pub fn close(&mut self, grant: &Grant, now: Nanos) {
        if let Some(mut lease) = self.leases.remove(&grant.id) {
            self.release(lease.line, lease.claimed.make_contiguous(), now);
            self.free_connection(lease.line.budget, now);
        }
    }

    pub fn free_connection(&mut self, budget: u32, now: Nanos) {
        self.on_allowances(budget, |a| a.connections = a.connections.saturating_sub(1));
        self.budget(budget).used_at = now;
        self.room_again(budget, now);
    }

    pub fn set_limits(&mut self, shard: &Shard, limits: Limits, now: Nanos) {
        let id = self.line_id(shard, now);
        self.budget(id.budget).allowance.set_limits(limits, now);
        self.list_all(id.budget);
    }

    pub fn sent(&mut self, shard: &Shard, sent: Sent, now: Nanos) {
        let id = self.line_id(shard, now);
        self.budget(id.budget).allowance.sent(sent, now);
    }

    pub fn forget_if_idle(&mut self, index: u32, now: Nanos) {
        if !self.budgets[index as usize].is_forgettable(now, &self.options) {
            return;
        }
        let name = self.budget(index).name.clone();
        if self.by_name.get(&name) == Some(&index) {
            self.by_name.remove(&name);
            let nothing = Allowance::new(Limits::UNLIMITED, self.calendar, now);
            *self.budget(index) = Budget::new("".into(), nothing, now);
            self.vacant.push(index);
        }
    }
}
