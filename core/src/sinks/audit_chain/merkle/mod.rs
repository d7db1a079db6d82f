//! The Merkle tree of RFC 9162, section 2.1, over the envelopes' hashes.
//!
//! Guarantees: a leaf is `SHA-256(0x00 ‖ envelope hash)`, a node `SHA-256(0x01 ‖ left ‖ right)`, nothing is
//! padded, the empty tree is `SHA-256("")`. Appending costs one node hash on average and memory for at
//! most 255 hashes a level, whatever the size.
//!
//! How: the tree is cut into tiles of 256. Kept are the leaves, and the root of every *complete* subtree
//! of 256, 256², 256³ … leaves, which never changes again. Everything in between is computed on request: a head or a
//! proof reads at most one tile per level.

mod check;
mod proof;

#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

pub use check::{verify_consistency, verify_inclusion};
pub use proof::{Nodes, consistency_path, inclusion_path, root_at};

use crate::sink::EnvelopeHash;

/// A hash of the tree.
pub type Hash = [u8; 32];

/// Binary levels in a tile. Frontier and proofs take it as a parameter, so that tests reach many levels of
/// tiles with few leaves.
pub(super) const TILE_HEIGHT: u32 = 8;

/// The leaf that stands for an envelope.
#[must_use]
pub fn leaf_hash(envelope: &EnvelopeHash) -> Hash {
    let mut input = [0; 33];
    input[1..].copy_from_slice(envelope);
    Sha256::digest(input).into()
}

/// The node over two others.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    Sha256::digest(input).into()
}

/// The root of the empty tree.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root over a row of subtrees' hashes, all of one height except that the last may be smaller. Pairs are joined
/// level by level, and a last hash without a partner moves up unchanged, which gives RFC 9162's split at the largest
/// power of two.
fn fold(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    let mut len = row.len();
    while len > 1 {
        for i in 0..len / 2 {
            row[i] = node_hash(&row[2 * i], &row[2 * i + 1]);
        }
        if len % 2 == 1 {
            row[len / 2] = row[len - 1];
        }
        len = len.div_ceil(2);
    }
    row.first().copied().unwrap_or_else(empty_root)
}

/// The root of a complete subtree of `256^level` leaves, the `index`-th of that size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// 1 for 256 leaves, 2 for 65 536, and so on.
    pub level: u32,
    /// Its place among the subtrees of that size, from 0.
    pub index: u64,
    /// Its root.
    pub hash: Hash,
}

/// The right edge of the tree: what appending needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier<const H: u32 = TILE_HEIGHT> {
    size: u64,
    /// For each level the hashes since the last complete tile, fewer than 256.
    open: Vec<Vec<Hash>>,
}

impl<const H: u32> Frontier<H> {
    /// Reads the edge of a tree of `size` leaves from the stored nodes.
    ///
    /// # Errors
    /// As `nodes`.
    pub fn load<N: Nodes>(nodes: &N, size: u64) -> Result<Self, N::Error> {
        let mut open = Vec::new();
        let mut level = 0;
        while size >> (H * level) > 0 {
            let to = size >> (H * level);
            open.push(nodes.hashes(level, (to >> H) << H, to)?);
            level += 1;
        }
        Ok(Self { size, open })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; `completed` gets the root of every tile that this completes, lowest first.
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(Node)) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0.. {
            if self.open.len() == level {
                self.open.push(Vec::with_capacity(1 << H));
            }
            let open = &mut self.open[level];
            open.push(hash);
            if open.len() < 1 << H {
                return;
            }
            hash = fold(open);
            open.clear();
            let level = level as u32 + 1;
            completed(Node { level, index: (self.size >> (H * level)) - 1, hash });
        }
    }

    /// The root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut rest: Option<Hash> = None;
        for open in &self.open {
            if open.is_empty() {
                continue;
            }
            let mut row = open.clone();
            row.extend(rest);
            rest = Some(fold(&row));
        }
        rest.unwrap_or_else(empty_root)
    }
}
