//! Hashes kept short.
//!
//! Guarantees: what is kept of a hash is 8 bytes of a keyed hash of the whole, under a key that is fresh in every run
//! and never leaves it. A plain cut to 64 bits collides on purpose within minutes; of this, nobody can tell before
//! the run which two collide.

use std::hash::{BuildHasher, Hasher as _, RandomState};

/// Makes hashes short.
#[derive(Debug, Default)]
pub(super) struct Short(RandomState);

impl Short {
    /// The short form of a hash.
    pub(super) fn of(&self, hash: &[u8; 32]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(hash);
        hasher.finish()
    }
}
