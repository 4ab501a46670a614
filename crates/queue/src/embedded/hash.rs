use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// For keys that we number ourselves: nobody outside can choose them, so a multiplication is enough.
#[derive(Default)]
pub struct Mix(u64);

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        // The table uses the top bits and the bottom bits; a multiplication leaves the bottom ones weak.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(29) ^ n).wrapping_mul(ODD);
    }
}

pub type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;
pub type NumberSet<K> = HashSet<K, BuildHasherDefault<Mix>>;
