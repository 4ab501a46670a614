use std::collections::hash_set;
use std::sync::Arc;

use super::hash::NumberSet;
use super::line::Slot;
use super::state::{LineId, State};

/// Lines that one call takes care of for a resumed or dropped campaign.
const CHORE_LINES: usize = 256;

#[derive(Debug)]
pub struct Campaign {
    pub id: i64,
    /// As the last push said.
    pub workspace: i64,
    pub stream: Arc<str>,
    pub paused: bool,
    pub ready: usize,
    pub delayed: usize,
    pub leased: usize,
    /// Lines where it has a pile, by number.
    pub lines: NumberSet<u32>,
    /// Of these, the ones whose pile was met while it is paused.
    pub parked: Vec<u32>,
}

/// What is left to do after a call that only changed a mark: done bit by bit by the calls that follow.
#[derive(Debug)]
pub enum Chore {
    /// Offer these lines' piles again.
    Offer(Slot, Vec<u32>),
    /// Take these lines' piles away.
    Purge(Slot, hash_set::IntoIter<u32>),
}

impl Campaign {
    fn new(id: i64) -> Self {
        Self {
            id,
            workspace: 0,
            stream: "".into(),
            paused: false,
            ready: 0,
            delayed: 0,
            leased: 0,
            lines: NumberSet::default(),
            parked: Vec::new(),
        }
    }

    pub const fn is_blank(&self) -> bool {
        self.ready + self.delayed + self.leased == 0 && !self.paused
    }
}

impl State {
    /// The campaign's number here, a new one if it is not known.
    pub fn slot(&mut self, campaign: i64) -> Slot {
        if let Some(slot) = self.by_campaign.get(&campaign) {
            return *slot;
        }
        let slot = self.next_slot;
        self.next_slot = self.next_slot.wrapping_add(1);
        self.by_campaign.insert(campaign, slot);
        self.campaigns.insert(slot, Campaign::new(campaign));
        slot
    }

    /// As [`slot`](Self::slot), and notes whose campaign it is.
    pub fn slot_of(&mut self, campaign: i64, workspace: i64, stream: &Arc<str>) -> Slot {
        let slot = self.slot(campaign);
        if let Some(campaign) = self.campaigns.get_mut(&slot) {
            campaign.workspace = workspace;
            if campaign.stream != *stream {
                campaign.stream = Arc::clone(stream);
            }
        }
        slot
    }

    pub fn pause_campaign(&mut self, campaign: i64) {
        let slot = self.slot(campaign);
        if let Some(campaign) = self.campaigns.get_mut(&slot) {
            campaign.paused = true;
        }
    }

    pub fn resume_campaign(&mut self, campaign: i64) {
        let Some(&slot) = self.by_campaign.get(&campaign) else { return };
        let Some(campaign) = self.campaigns.get_mut(&slot) else { return };
        campaign.paused = false;
        let parked = std::mem::take(&mut campaign.parked);
        if !parked.is_empty() {
            self.chores.push_back(Chore::Offer(slot, parked));
        }
        self.tidy_campaign(slot);
        self.do_chores();
    }

    pub fn drop_campaign(&mut self, campaign: i64) {
        let Some(slot) = self.by_campaign.remove(&campaign) else { return };
        let Some(campaign) = self.campaigns.remove(&slot) else { return };
        if !campaign.lines.is_empty() {
            self.chores.push_back(Chore::Purge(slot, campaign.lines.into_iter()));
        }
        self.do_chores();
    }

    /// Does a bounded part of what is left to do. True when more is left.
    pub fn do_chores(&mut self) -> bool {
        for _ in 0..CHORE_LINES {
            match self.chores.front_mut() {
                None => return false,
                Some(Chore::Offer(slot, lines)) => match (*slot, lines.pop()) {
                    (slot, Some(line)) => self.unpark(LineId::from_number(line), slot),
                    (_, None) => drop(self.chores.pop_front()),
                },
                Some(Chore::Purge(slot, lines)) => match (*slot, lines.next()) {
                    (slot, Some(line)) => self.purge(LineId::from_number(line), slot),
                    (_, None) => drop(self.chores.pop_front()),
                },
            }
        }
        !self.chores.is_empty()
    }

    /// If the campaign was paused again meanwhile, this parks the pile again.
    fn unpark(&mut self, id: LineId, slot: Slot) {
        if let Some(pile) = self.piles.get_mut(&(id.number(), slot)) {
            pile.parked = false;
            self.offer(id, slot);
        }
    }

    /// The ring and the heap of delayed jobs may still name the campaign; who meets that finds it unknown.
    fn purge(&mut self, id: LineId, slot: Slot) {
        let Some(pile) = self.piles.remove(&(id.number(), slot)) else { return };
        let line = self.line(id);
        line.ready -= pile.ready.len();
        line.delayed -= pile.delayed;
        self.garbage.push(pile);
        self.sift_delayed(id);
    }

    /// Takes dropped campaigns' jobs from the top of the heap, and from all of it when they are the larger part.
    fn sift_delayed(&mut self, id: LineId) {
        let line = &mut self.budgets[id.budget as usize].lanes[usize::from(id.lane)];
        let piles = &self.piles;
        let lives = |slot: Slot| piles.contains_key(&(id.number(), slot));
        if line.later.len() > 2 * line.delayed {
            line.later.retain(|later| lives(later.0.slot));
        }
        while line.later.peek().is_some_and(|later| !lives(later.0.slot)) {
            line.later.pop();
        }
    }
}
