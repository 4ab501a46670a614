use std::collections::VecDeque;

use crate::Job;

/// Jobs in one block of a list. A block is allocated as it fills, so that a list of three jobs costs a few dozen
/// bytes, and is never moved once full, so that a list of a million costs no long copy under the lock.
const BLOCK_JOBS: usize = 256;

/// A job without its campaign, which its list knows: 12 bytes instead of 24.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Packed {
    high: i32,
    low: u32,
    attempt: i16,
}

impl Packed {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "two halves of one number")]
    pub const fn new(job: Job) -> Self {
        Self { high: (job.delivery >> 32) as i32, low: job.delivery as u32, attempt: job.attempt }
    }

    pub const fn job(self, campaign: i64) -> Job {
        Job { delivery: ((self.high as i64) << 32) | self.low as i64, campaign, attempt: self.attempt }
    }
}

/// First in, first out; and what was taken can be put back to the front.
#[derive(Debug, Default)]
pub struct Fifo {
    blocks: VecDeque<Vec<Packed>>,
    /// How many of the first block are gone.
    taken: usize,
    /// Put back; the last is the first.
    returned: Vec<Packed>,
    len: usize,
}

impl Fifo {
    pub const fn len(&self) -> usize {
        self.len
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn push_back(&mut self, job: Packed) {
        self.len += 1;
        match self.blocks.back_mut() {
            Some(block) if block.len() < BLOCK_JOBS => block.push(job),
            _ => self.blocks.push_back(vec![job]),
        }
    }

    pub fn push_front(&mut self, job: Packed) {
        self.len += 1;
        self.returned.push(job);
    }

    pub fn pop_front(&mut self) -> Option<Packed> {
        let job = self.returned.pop().or_else(|| self.pop_block())?;
        self.len -= 1;
        Some(job)
    }

    fn pop_block(&mut self) -> Option<Packed> {
        let block = self.blocks.front()?;
        let job = *block.get(self.taken)?;
        self.taken += 1;
        if self.taken == block.len() {
            self.blocks.pop_front();
            self.taken = 0;
        }
        Some(job)
    }

    /// Bytes on the heap.
    #[cfg(test)]
    fn heap_bytes(&self) -> usize {
        let jobs: usize = self.blocks.iter().map(Vec::capacity).sum::<usize>() + self.returned.capacity();
        jobs * size_of::<Packed>() + self.blocks.capacity() * size_of::<Vec<Packed>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(delivery: i64) -> Job {
        Job { delivery, campaign: 7, attempt: 3 }
    }

    #[test]
    fn packing_keeps_every_id() {
        for delivery in [0, 1, -1, i64::MAX, i64::MIN, 0x1_0000_0000, 0xffff_ffff] {
            assert_eq!(Packed::new(job(delivery)).job(7), job(delivery));
        }
    }

    #[test]
    fn order_is_kept_over_blocks_and_returns() {
        let mut fifo = Fifo::default();
        (0..1_000).for_each(|i| fifo.push_back(Packed::new(job(i))));
        let first: Vec<_> = (0..300).filter_map(|_| fifo.pop_front()).collect();
        first.iter().rev().for_each(|j| fifo.push_front(*j));
        (1_000..1_100).for_each(|i| fifo.push_back(Packed::new(job(i))));
        assert_eq!(fifo.len(), 1_100);
        let all: Vec<_> = std::iter::from_fn(|| fifo.pop_front()).map(|p| p.job(7).delivery).collect();
        assert_eq!(all, (0..1_100).collect::<Vec<_>>());
        assert!(fifo.is_empty());
    }

    #[test]
    fn a_long_list_costs_at_most_13_bytes_a_job_and_an_empty_one_little() {
        let mut fifo = Fifo::default();
        (0..1_000_000).for_each(|i| fifo.push_back(Packed::new(job(i))));
        assert!(fifo.heap_bytes() <= 13_000_000, "{}", fifo.heap_bytes());
        while fifo.pop_front().is_some() {}
        assert!(fifo.heap_bytes() < 200_000, "{}", fifo.heap_bytes());
    }
}
