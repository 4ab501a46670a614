use std::collections::VecDeque;

use super::hash::NumberMap;
use super::line::Slot;

/// Whose turn it is: workspaces in turn, and in each its campaigns in turn, so that a workspace with a hundred campaigns
/// does not get a hundred shares.
#[derive(Debug, Default)]
pub struct Ring {
    workspaces: VecDeque<i64>,
    /// None of the lists is empty.
    campaigns: NumberMap<i64, VecDeque<Slot>>,
}

impl Ring {
    pub fn is_empty(&self) -> bool {
        self.workspaces.is_empty()
    }

    /// One workspace with one campaign: nobody to take turns with.
    pub fn is_single(&self) -> bool {
        self.workspaces.len() == 1 && self.campaigns.values().all(|slots| slots.len() == 1)
    }

    pub fn front(&self) -> Option<Slot> {
        self.campaigns.get(self.workspaces.front()?)?.front().copied()
    }

    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.campaigns.values().flatten().copied()
    }

    pub fn push_back(&mut self, workspace: i64, slot: Slot) {
        let slots = self.campaigns.entry(workspace).or_default();
        if slots.is_empty() {
            self.workspaces.push_back(workspace);
        }
        slots.push_back(slot);
    }

    /// Takes the front campaign out, as one that has no turn: its workspace keeps its place.
    pub fn drop_front(&mut self) {
        let Some(workspace) = self.workspaces.front().copied() else { return };
        if self.pop_campaign(workspace).is_some_and(|(_, is_last)| is_last) {
            self.workspaces.pop_front();
        }
    }

    /// Takes the front campaign out for its turn: its workspace goes to the back.
    pub fn pop_turn(&mut self) -> Option<Slot> {
        let workspace = self.workspaces.pop_front()?;
        let (slot, is_last) = self.pop_campaign(workspace)?;
        if !is_last {
            self.workspaces.push_back(workspace);
        }
        Some(slot)
    }

    fn pop_campaign(&mut self, workspace: i64) -> Option<(Slot, bool)> {
        let slots = self.campaigns.get_mut(&workspace)?;
        let slot = slots.pop_front()?;
        let is_last = slots.is_empty();
        if is_last {
            self.campaigns.remove(&workspace);
        }
        Some((slot, is_last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspaces_take_turns_and_then_their_campaigns() {
        let mut ring = Ring::default();
        [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (3, 31)].iter().for_each(|(w, s)| ring.push_back(*w, *s));
        let turns: Vec<_> = (0..8)
            .filter_map(|_| {
                let slot = ring.pop_turn()?;
                ring.push_back(i64::from(slot / 10), slot);
                Some(slot)
            })
            .collect();
        assert_eq!(turns, [10, 20, 30, 11, 20, 31, 12, 20]);
    }

    #[test]
    fn one_that_has_no_turn_costs_its_workspace_none() {
        let mut ring = Ring::default();
        [(1, 10), (1, 11), (2, 20)].iter().for_each(|(w, s)| ring.push_back(*w, *s));
        ring.drop_front();
        assert_eq!(ring.front(), Some(11));
        ring.drop_front();
        assert_eq!(ring.front(), Some(20));
        assert!(ring.is_single());
        ring.drop_front();
        assert!(ring.is_empty() && ring.slots().next().is_none());
    }
}
