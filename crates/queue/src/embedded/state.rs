use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::alarms::Alarm;
use super::allowance::Allowance;
use super::budget::{Budget, LANES};
use super::campaigns::{Campaign, Chore};
use super::clock::{NEVER, Nanos, nanos};
use super::fifo::Packed;
use super::hash::NumberMap;
use super::line::{Later, Line, Pile, Slot};
use super::recovery::Recovering;
use super::route::Route;
use super::settle::Lease;
use super::window::Calendar;
use crate::job::route_of;
use crate::{Job, QueueOptions, Shard};

/// A destination's place in the list of budgets, and a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineId {
    pub budget: u32,
    pub lane: u8,
}

impl LineId {
    /// Both in one number, for keys.
    pub const fn number(self) -> u32 {
        self.budget * LANES as u32 + self.lane as u32
    }

    pub const fn from_number(number: u32) -> Self {
        Self { budget: number / LANES as u32, lane: (number % LANES as u32) as u8 }
    }
}

/// Everything the queue knows, behind one lock. Each method does a bounded amount of work.
pub struct State {
    pub options: QueueOptions,
    pub calendar: Calendar,
    pub budgets: Vec<Budget>,
    /// Places in `budgets` that are free again.
    pub vacant: Vec<u32>,
    pub by_name: HashMap<Arc<str>, u32>,
    /// Budgets of routes: never forgotten, for they are somebody's decision.
    pub routes: Vec<Route>,
    pub by_route: HashMap<Arc<str>, u32>,
    pub campaigns: NumberMap<Slot, Campaign>,
    pub by_campaign: HashMap<i64, Slot>,
    pub next_slot: Slot,
    /// By line and campaign.
    pub piles: NumberMap<(u32, Slot), Pile>,
    /// For each lane, the destinations that can perhaps be served, in turn. One that turns out to be at a limit is
    /// taken out, and listed again when the limit ends.
    pub listed: [VecDeque<u32>; LANES],
    pub alarms: BinaryHeap<Reverse<Alarm>>,
    pub leases: NumberMap<u64, Lease>,
    pub recovering: NumberMap<u64, Recovering>,
    pub last_fence: u64,
    /// Routes that this process takes no jobs of.
    pub barred: HashSet<String>,
    pub chores: VecDeque<Chore>,
    /// Memory to be freed outside the lock.
    pub garbage: Vec<Pile>,
    /// Grants told to close for others' sake, whose workers have not come back yet.
    pub told_to_close: usize,
    /// Lines listed since the lock was taken: so many waiters are worth waking.
    pub newly_listed: [usize; LANES],
    /// The soonest alarm moved forward since the lock was taken.
    pub alarm_moved: bool,
    /// Where the search for forgettable destinations goes on.
    pub forget_from: u32,
}

impl State {
    pub fn new(options: QueueOptions, calendar: Calendar) -> Self {
        Self {
            options,
            calendar,
            budgets: Vec::new(),
            vacant: Vec::new(),
            by_name: HashMap::new(),
            routes: Vec::new(),
            by_route: HashMap::new(),
            campaigns: NumberMap::default(),
            by_campaign: HashMap::new(),
            next_slot: 0,
            piles: NumberMap::default(),
            listed: Default::default(),
            alarms: BinaryHeap::new(),
            leases: NumberMap::default(),
            recovering: NumberMap::default(),
            last_fence: 0,
            barred: HashSet::new(),
            chores: VecDeque::new(),
            garbage: Vec::new(),
            told_to_close: 0,
            newly_listed: [0; LANES],
            alarm_moved: false,
            forget_from: 0,
        }
    }

    pub fn budget(&mut self, index: u32) -> &mut Budget {
        &mut self.budgets[index as usize]
    }

    pub fn line(&mut self, id: LineId) -> &mut Line {
        &mut self.budgets[id.budget as usize].lanes[usize::from(id.lane)]
    }

    pub fn line_id(&mut self, shard: &Shard, now: Nanos) -> LineId {
        LineId { budget: self.budget_index(&shard.name, now), lane: shard.lane.min(LANES as u8 - 1) }
    }

    fn budget_index(&mut self, name: &Arc<str>, now: Nanos) -> u32 {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let allowance = Allowance::new(self.options.default_limits, self.calendar, now);
        let mut budget = Budget::new(Arc::clone(name), allowance, now);
        budget.route = self.by_route.get(route_of(name)).copied();
        let index = match self.vacant.pop() {
            Some(index) => {
                *self.budget(index) = budget;
                index
            }
            None => {
                self.budgets.push(budget);
                self.budgets.len() as u32 - 1
            }
        };
        self.by_name.insert(Arc::clone(name), index);
        index
    }

    pub fn push(&mut self, shard: &Shard, workspace: i64, jobs: &[Job], now: Nanos) {
        let id = self.line_id(shard, now);
        self.budget(id.budget).used_at = now;
        for run in jobs.chunk_by(|a, b| a.campaign == b.campaign) {
            let slot = self.slot_of(run[0].campaign, workspace, &shard.stream);
            self.add_ready(id, slot, run);
        }
    }

    fn add_ready(&mut self, id: LineId, slot: Slot, jobs: &[Job]) {
        let Some(campaign) = self.campaigns.get_mut(&slot) else { return };
        campaign.ready += jobs.len();
        let pile = self.piles.entry((id.number(), slot)).or_insert_with(|| {
            campaign.lines.insert(id.number());
            Pile::default()
        });
        jobs.iter().for_each(|job| pile.ready.push_back(Packed::new(*job)));
        self.line(id).ready += jobs.len();
        self.offer(id, slot);
    }

    /// Lets a pile that has ready jobs take its turn, unless it does already or its campaign is paused.
    pub fn offer(&mut self, id: LineId, slot: Slot) {
        let (Some(campaign), Some(pile)) = (self.campaigns.get_mut(&slot), self.piles.get_mut(&(id.number(), slot)))
        else {
            return;
        };
        if pile.in_ring || pile.at_stream || pile.ready.is_empty() {
            return;
        }
        if campaign.paused {
            if !pile.parked {
                pile.parked = true;
                campaign.parked.push(id.number());
            }
            return;
        }
        pile.in_ring = true;
        let workspace = campaign.workspace;
        self.line(id).ring.push_back(workspace, slot);
        self.list(id);
    }

    /// Says that a line can perhaps be served.
    pub fn list(&mut self, id: LineId) {
        let line = self.line(id);
        if line.listed || line.parked || line.ring.is_empty() {
            return;
        }
        line.listed = true;
        self.listed[usize::from(id.lane)].push_back(id.budget);
        self.newly_listed[usize::from(id.lane)] += 1;
    }

    pub fn is_barred(&self, budget: u32) -> bool {
        !self.barred.is_empty() && self.barred.contains(route_of(&self.budgets[budget as usize].name))
    }

    pub fn bar_routes(&mut self, routes: &[String]) {
        // Told before each lease, and nearly always the same.
        if routes.len() == self.barred.len() && routes.iter().all(|route| self.barred.contains(route)) {
            return;
        }
        let before = std::mem::replace(&mut self.barred, routes.iter().cloned().collect());
        for budget in 0..self.budgets.len() as u32 {
            let was_barred = before.contains(route_of(&self.budgets[budget as usize].name));
            if was_barred && !self.is_barred(budget) {
                self.list_all(budget);
            }
        }
    }

    /// A limit of the destination has ended or moved: looks at its lanes again.
    pub fn list_all(&mut self, budget: u32) {
        for lane in 0..LANES as u8 {
            self.list(LineId { budget, lane });
        }
    }

    pub fn push_delayed(&mut self, shard: &Shard, workspace: i64, jobs: &[(Job, Duration)], now: Nanos) {
        let id = self.line_id(shard, now);
        self.budget(id.budget).used_at = now;
        for (job, delay) in jobs {
            let slot = self.slot_of(job.campaign, workspace, &shard.stream);
            self.add_delayed(id, slot, *job, now.saturating_add(nanos(*delay)));
        }
        self.set_line_alarm(id);
    }

    /// The line's alarm is left to the caller.
    pub fn add_delayed(&mut self, id: LineId, slot: Slot, job: Job, due: Nanos) {
        let Some(campaign) = self.campaigns.get_mut(&slot) else { return };
        campaign.delayed += 1;
        let pile = self.piles.entry((id.number(), slot)).or_insert_with(|| {
            campaign.lines.insert(id.number());
            Pile::default()
        });
        pile.delayed += 1;
        let line = self.line(id);
        line.delayed += 1;
        line.later.push(Reverse(Later { due: due.min(NEVER - 1), job: Packed::new(job), slot }));
    }

    /// After a pile lost a job: an empty one is taken away, and so is a campaign with nothing left.
    pub fn tidy(&mut self, id: LineId, slot: Slot) {
        let key = (id.number(), slot);
        if self.piles.get(&key).is_some_and(|p| p.ready.is_empty() && p.delayed == 0) {
            self.piles.remove(&key);
            if let Some(campaign) = self.campaigns.get_mut(&slot) {
                campaign.lines.remove(&id.number());
            }
        }
        self.tidy_campaign(slot);
    }

    pub fn tidy_campaign(&mut self, slot: Slot) {
        if let Some(id) = self.campaigns.get(&slot).filter(|c| c.is_blank()).map(|c| c.id) {
            self.campaigns.remove(&slot);
            self.by_campaign.remove(&id);
        }
    }
}
