//! Making proofs: RFC 9162, sections 2.1.3.1 and 2.1.4.1.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Hash, TILE_HEIGHT, empty_root, fold, node_hash};

/// Where the hashes of a tree are kept.
pub trait Nodes {
    /// The error of reading them.
    type Error;

    /// The roots of the complete subtrees of `256^level` leaves from the `from`-th to before the `to`-th;
    /// at level 0 the leaves themselves. At most 256 are asked for at a time, and all of them exist.
    ///
    /// # Errors
    /// They cannot be read.
    fn hashes(&self, level: u32, from: u64, to: u64) -> Result<Vec<Hash>, Self::Error>;
}

/// The root of the tree's first `size` leaves.
///
/// # Errors
/// As `nodes`.
pub fn root_at<N: Nodes>(nodes: &N, size: u64) -> Result<Hash, N::Error> {
    Tiles::<N, TILE_HEIGHT>::new(nodes, size).root()
}

/// The inclusion path of leaf `index` in the tree of `size` leaves; `index < size`.
///
/// # Errors
/// As `nodes`.
pub fn inclusion_path<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    Tiles::<N, TILE_HEIGHT>::new(nodes, size).inclusion(index)
}

/// The consistency path between the trees of `old` and of `new` leaves; empty when they are the same tree
/// or the old one was empty. `old <= new`.
///
/// # Errors
/// As `nodes`.
pub fn consistency_path<N: Nodes>(nodes: &N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    Tiles::<N, TILE_HEIGHT>::new(nodes, new).consistency(old)
}

/// The largest power of two below `n`; `n > 1`.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The tree of one size over its tiles of height `H`, each read once.
pub(super) struct Tiles<'a, N, const H: u32> {
    nodes: &'a N,
    size: u64,
    read: HashMap<(u32, u64), Vec<Hash>>,
}

impl<'a, N: Nodes, const H: u32> Tiles<'a, N, H> {
    pub(super) fn new(nodes: &'a N, size: u64) -> Self {
        Self { nodes, size, read: HashMap::new() }
    }

    pub(super) fn root(mut self) -> Result<Hash, N::Error> {
        if self.size == 0 { Ok(empty_root()) } else { self.subtree(0, self.size) }
    }

    pub(super) fn inclusion(mut self, index: u64) -> Result<Vec<Hash>, N::Error> {
        debug_assert!(index < self.size);
        let mut path = Vec::new();
        let (mut start, mut end) = (0, self.size);
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(self.subtree(middle, end)?);
                end = middle;
            } else {
                path.push(self.subtree(start, middle)?);
                start = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    pub(super) fn consistency(mut self, old: u64) -> Result<Vec<Hash>, N::Error> {
        debug_assert!(old <= self.size);
        let mut path = Vec::new();
        if old == 0 || old == self.size {
            return Ok(path);
        }
        // SUBPROOF: down to the subtree that ends where the old tree ended.
        let (mut start, mut end) = (0, self.size);
        while end != old {
            let middle = start + split(end - start);
            if old <= middle {
                path.push(self.subtree(middle, end)?);
                end = middle;
            } else {
                path.push(self.subtree(start, middle)?);
                start = middle;
            }
        }
        // If the old tree is itself a subtree, the verifier already has its root.
        if start != 0 {
            path.push(self.subtree(start, end)?);
        }
        path.reverse();
        Ok(path)
    }

    /// The root over the leaves from `start` to before `end`, as RFC 9162 splits them; `start` is a
    /// multiple of the largest power of two that fits in.
    fn subtree(&mut self, start: u64, end: u64) -> Result<Hash, N::Error> {
        let n = end - start;
        if !n.is_power_of_two() {
            let middle = start + split(n);
            let left = self.subtree(start, middle)?;
            return Ok(node_hash(&left, &self.subtree(middle, end)?));
        }
        let height = n.trailing_zeros();
        let level = height / H;
        let width = 1 << (height % H);
        let first = start >> (H * level);
        let tile = first >> H;
        let from = tile << H;
        let hashes = match self.read.entry((level, tile)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let to = (from + (1 << H)).min(self.size >> (H * level));
                entry.insert(self.nodes.hashes(level, from, to)?)
            }
        };
        let at = (first - from) as usize;
        Ok(fold(&hashes[at..at + width]))
    }
}
