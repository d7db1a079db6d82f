//! Short hashes: 8 bytes in place of 32.
//!
//! Guarantees: a short hash is a keyed hash of the whole, 8 bytes long, under a key that is fresh in every run and
//! never leaves it. For hashes that are merely cut to 64 bits, an attacker finds two that collide within minutes; for
//! these, nobody can know before the run which two will.

use std::hash::{BuildHasher, Hasher as _, RandomState};

/// Makes hashes short.
#[derive(Debug, Default)]
pub(super) struct Short(RandomState);

impl Short {
    /// The short form of a hash.
    pub(super) fn of(&self, hash: &[u8; 32]) -> u64 {
        self.of_bytes(hash)
    }

    /// The short form of any bytes.
    pub(super) fn of_bytes(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attacker who searches for half an hour finds hashes that are equal in any eight bytes that he chooses.
    #[test]
    fn hashes_that_collide_when_they_are_cut_are_told_apart() {
        let short = Short::default();
        let one: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        for same in 0..=24 {
            let mut other = one.map(|byte| !byte);
            other[same..same + 8].copy_from_slice(&one[same..same + 8]);
            assert_ne!(short.of(&one), short.of(&other), "bytes {same} to {}", same + 8);
        }
        for differs in 0..32 {
            let mut other = one;
            other[differs] ^= 1;
            assert_ne!(short.of(&one), short.of(&other), "byte {differs}");
        }
        assert_eq!(short.of(&one), short.of(&one.clone()));
    }

    #[test]
    fn what_collides_in_one_run_says_nothing_about_the_next() {
        let hash = [7; 32];
        let runs: std::collections::HashSet<u64> = (0..64).map(|_| Short::default().of(&hash)).collect();
        assert!(runs.len() > 60, "each run has a key of its own");
    }
}
