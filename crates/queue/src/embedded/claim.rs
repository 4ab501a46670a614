use super::allowance::{Allowance, TRANSACTIONAL};
use super::budget::{LANES, Stop};
use super::clock::{Nanos, between, nanos};
use super::line::Slot;
use super::settle::{Claimed, Lease};
use super::state::{LineId, State};
use crate::{BudgetKind, CloseReason, Grant, Job, Lanes, MAX_JOBS_PER_CLAIM, More, Shard};

/// Lines and ring entries that one call looks at before it lets others have the lock.
const LOOKS: usize = 512;

/// What one look for work found.
pub enum Found {
    Grant(Grant),
    /// Nothing, until an alarm rings at this instant or something is pushed, closed or settled.
    Nothing(Option<Nanos>),
    /// The bound was reached; look again at once.
    More,
}

impl State {
    pub fn lease(&mut self, worker: &str, lanes: Lanes, max_jobs: usize, now: Nanos) -> Found {
        let chores_left = self.do_chores();
        let mut looks = LOOKS;
        if !self.ring_alarms(now) {
            for lane in lanes.iter() {
                while let Some((id, messages)) = self.next_open(lane, now, &mut looks) {
                    let max_jobs = max_jobs.clamp(1, MAX_JOBS_PER_CLAIM).min(messages as usize);
                    if let Some(grant) = self.grant(id, worker, lanes, max_jobs, now) {
                        return Found::Grant(grant);
                    }
                    looks = looks.saturating_sub(1);
                }
                if looks == 0 {
                    return Found::More;
                }
            }
            if !chores_left {
                return Found::Nothing(self.next_alarm());
            }
        }
        Found::More
    }

    /// The first line of a lane that can be served, and how many messages its gate lets through. The line stays
    /// listed, at the front; lines before it that are empty or at a limit are taken out.
    fn next_open(&mut self, lane: u8, now: Nanos, looks: &mut usize) -> Option<(LineId, u32)> {
        while let Some(&budget) = self.listed[usize::from(lane)].front() {
            if *looks == 0 {
                return None;
            }
            *looks -= 1;
            let id = LineId { budget, lane };
            if self.is_barred(budget) {
                self.unlist(id);
                continue;
            }
            let mut stop = None;
            if self.has_turn(id, now, looks) {
                match self.gate(id, now) {
                    Ok(messages) => return Some((id, messages)),
                    Err(stopped) => stop = Some(stopped),
                }
            }
            if *looks > 0 {
                self.unlist(id);
                self.leave_stopped(id, stop, now);
            }
        }
        None
    }

    fn unlist(&mut self, id: LineId) {
        self.listed[usize::from(id.lane)].pop_front();
        self.line(id).listed = false;
    }

    /// Sees to it that a line just taken out of the list is listed again when there is room.
    fn leave_stopped(&mut self, id: LineId, stop: Option<Stop>, now: Nanos) {
        match stop {
            Some(Stop { budget: BudgetKind::Route, shut }) => return self.park(id, shut.until),
            // Without an instant: it is listed again when a connection closes.
            Some(Stop { shut, .. }) => shut.until.into_iter().for_each(|at| self.set_budget_alarm(id.budget, at)),
            None => {}
        }
        // It may have been listed because its route had room, which another can use.
        self.look_after_route(self.budgets[id.budget as usize].route, now);
    }

    /// Some campaign of the line can be claimed from. Takes those that are paused or dropped, or whose stream has no
    /// room, out of the front of the ring.
    fn has_turn(&mut self, id: LineId, now: Nanos, looks: &mut usize) -> bool {
        while let Some(slot) = self.line(id).ring.front() {
            let goes_on = self.campaigns.get(&slot).is_some_and(|c| !c.paused);
            let stop = self.stream_stop(id, slot, now);
            if goes_on && stop.is_none() {
                return true;
            }
            if *looks == 0 {
                return false;
            }
            *looks -= 1;
            self.line(id).ring.drop_front();
            match stop.filter(|_| goes_on) {
                Some(shut) => self.park_at_stream(id, slot, shut),
                None => self.leave_ring(id, slot),
            }
        }
        false
    }

    /// For a pile whose ring entry was taken out: parks it if the campaign is paused.
    fn leave_ring(&mut self, id: LineId, slot: Slot) {
        if let Some(pile) = self.piles.get_mut(&(id.number(), slot)) {
            pile.in_ring = false;
            self.offer(id, slot);
        }
    }

    fn grant(&mut self, id: LineId, worker: &str, lanes: Lanes, max_jobs: usize, now: Nanos) -> Option<Grant> {
        self.unlist(id);
        let limit = self.message_limit(id);
        let claimed = self.take(id, max_jobs, now);
        self.list_quietly(id);
        if !claimed.is_empty() {
            self.on_allowances(id.budget, |a| a.connections += 1);
        }
        self.look_after_route(self.budgets[id.budget as usize].route, now);
        if claimed.is_empty() {
            return None;
        }
        let shard = Shard::new(id.lane, self.budget(id.budget).name.clone());
        let jobs: Vec<Job> = claimed.iter().map(|c| c.job).collect();
        self.last_fence += 1;
        let fence = self.last_fence;
        let expires = now.saturating_add(nanos(self.options.lease));
        let messages = jobs.len() as u32;
        self.leases.insert(
            fence,
            Lease { line: id, worker: worker.into(), lanes, expires, claimed: claimed.into(), messages },
        );
        Some(Grant { id: fence, fence, shard, jobs, messages_left: left(limit, messages), lanes })
    }

    /// To the end of the list, without calling for a waiter: the one at work sees to it.
    fn list_quietly(&mut self, id: LineId) {
        let newly = self.newly_listed;
        self.list(id);
        self.newly_listed = newly;
    }

    /// Takes up to `max` jobs, one from each campaign in turn, and charges them.
    fn take(&mut self, id: LineId, max: usize, now: Nanos) -> Vec<Claimed> {
        let mut claimed = Vec::with_capacity(max.min(self.line(id).ready));
        let mut looks = LOOKS;
        while claimed.len() < max && self.has_turn(id, now, &mut looks) {
            let ring = &mut self.line(id).ring;
            let alone = ring.is_single();
            let Some(slot) = ring.pop_turn() else { break };
            let turn = if alone { max - claimed.len() } else { 1 };
            let turn = turn.min(self.stream_room(id, slot, now) as usize);
            self.take_from(id, slot, turn, now, &mut claimed);
        }
        let count = claimed.len() as u32;
        self.line(id).ready -= claimed.len();
        self.line(id).leased += claimed.len();
        self.on_allowances(id.budget, |a| a.charge(now, count));
        self.budget(id.budget).used_at = now;
        claimed
    }

    fn take_from(&mut self, id: LineId, slot: Slot, turn: usize, now: Nanos, claimed: &mut Vec<Claimed>) {
        let minute = self.calendar.minute(now);
        let (Some(campaign), Some(pile)) = (self.campaigns.get_mut(&slot), self.piles.get_mut(&(id.number(), slot)))
        else {
            return;
        };
        let before = claimed.len();
        let jobs = std::iter::from_fn(|| pile.ready.pop_front()).take(turn);
        claimed.extend(jobs.map(|job| Claimed { slot, job: job.job(campaign.id), minute }));
        let count = claimed.len() - before;
        campaign.ready -= count;
        campaign.leased += count;
        let workspace = campaign.workspace;
        pile.in_ring = !pile.ready.is_empty();
        if pile.in_ring {
            self.line(id).ring.push_back(workspace, slot);
        } else {
            self.tidy(id, slot);
        }
        self.on_stream(id.budget, slot, now, |stream| stream.charge(now, count as u32));
    }

    /// Claims again for an open connection. `idle` is how many workers wait for work of each lane: while one does,
    /// nobody need give way to it.
    pub fn more(&mut self, grant: &Grant, max_jobs: usize, idle: [usize; LANES], now: Nanos) -> More {
        self.do_chores();
        self.ring_alarms(now);
        let expires = now.saturating_add(nanos(self.options.lease));
        let Some(lease) = self.leases.get_mut(&grant.id) else { return More::Close(CloseReason::LeaseLost) };
        lease.expires = expires;
        let (id, lease_lanes, carried) = (lease.line, lease.lanes, lease.messages);
        if let Some(reason) = self.must_close(id, lease_lanes, carried, idle, now) {
            return More::Close(reason);
        }
        if !self.has_turn(id, now, &mut LOOKS.clone()) {
            return More::Empty;
        }
        let room = self.room(id, now).min(left(self.message_limit(id), carried));
        if room == 0 {
            return More::Wait(between(now, self.turn_at(id, now)));
        }
        let claimed = self.take(id, max_jobs.clamp(1, MAX_JOBS_PER_CLAIM).min(room as usize), now);
        let jobs = claimed.iter().map(|c| c.job).collect();
        if let Some(lease) = self.leases.get_mut(&grant.id) {
            lease.messages = lease.messages.saturating_add(claimed.len() as u32);
            lease.claimed.extend(claimed);
        }
        More::Jobs(jobs)
    }

    /// When an open connection that found no token is to ask again. Not all come for the next one: each is told the token after that of
    /// whoever was told before, until all that are open have been told. Nothing is kept for it; the first lane need not queue.
    fn turn_at(&mut self, id: LineId, now: Nanos) -> Nanos {
        let room_at = self.room_at(id, now);
        let interval = self.allowances(id).map(Allowance::interval).max().unwrap_or(0);
        let budget = self.budget(id.budget);
        let last = room_at.saturating_add(interval.saturating_mul(budget.allowance.connections.into()));
        let turn = room_at.max(budget.told.saturating_add(interval));
        budget.told = if id.lane == TRANSACTIONAL || turn >= last { room_at } else { turn };
        budget.told
    }

    fn must_close(
        &mut self,
        id: LineId,
        lanes: Lanes,
        carried: u32,
        idle: [usize; LANES],
        now: Nanos,
    ) -> Option<CloseReason> {
        if self.allowances(id).any(|a| a.held_until(now).is_some()) {
            return Some(CloseReason::Held);
        }
        if self.allowances(id).any(|a| a.has_surplus(now)) {
            return Some(CloseReason::TooManyConnections);
        }
        if left(self.message_limit(id), carried) == 0 {
            return Some(CloseReason::MessagesUsedUp);
        }
        // A token that this lane took would be missing there.
        let own_lower = (0..id.lane).any(|lane| {
            let lower = LineId { budget: id.budget, lane };
            self.has_turn(lower, now, &mut LOOKS.clone())
        });
        if own_lower || self.lower_lane_waits_for_route(id) {
            return Some(CloseReason::LowerLaneWaits);
        }
        let nobody_is_idle = |lane: u8| idle[usize::from(lane)] == 0;
        if lanes.iter().take_while(|l| *l < id.lane).any(|l| nobody_is_idle(l) && self.somebody_waits(l, id, now)) {
            return Some(CloseReason::LowerLaneWaits);
        }
        let had_turn = carried >= self.options.turn_messages && nobody_is_idle(id.lane);
        (had_turn && self.somebody_waits(id.lane, id, now)).then_some(CloseReason::TurnOver)
    }

    /// A line of this lane, of another destination, can be served, and fewer were told to make way than there are.
    fn somebody_waits(&mut self, lane: u8, for_line: LineId, now: Nanos) -> bool {
        let Some((first, _)) = self.next_open(lane, now, &mut LOOKS.clone()) else { return false };
        let list = &self.listed[usize::from(lane)];
        let others = list.len() - usize::from(first.budget == for_line.budget);
        let waits = others > self.told_to_close;
        self.told_to_close += usize::from(waits);
        waits
    }
}

const fn left(limit: u32, carried: u32) -> u32 {
    if limit == u32::MAX { u32::MAX } else { limit.saturating_sub(carried) }
}
