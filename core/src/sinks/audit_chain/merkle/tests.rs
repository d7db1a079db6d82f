//! The incremental tree and the tiled proofs against RFC 9162's own recursive definitions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Range;

use super::proof::Tiles;
use super::*;

fn leaves(n: usize) -> Vec<Hash> {
    (0..n).map(|i| leaf_hash(&Sha256::digest(i.to_be_bytes()).into())).collect()
}

fn largest_power_of_two_below(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// The definitions, word for word; ranges once computed are remembered, as they come again and again.
struct Rfc<'a> {
    d: &'a [Hash],
    known: RefCell<HashMap<Range<usize>, Hash>>,
}

impl<'a> Rfc<'a> {
    fn new(d: &'a [Hash]) -> Self {
        Self { d, known: RefCell::default() }
    }

    /// Section 2.1.1.
    fn mth(&self, r: Range<usize>) -> Hash {
        if let Some(hash) = self.known.borrow().get(&r) {
            return *hash;
        }
        let hash = match r.len() {
            0 => Sha256::digest([]).into(),
            1 => self.d[r.start],
            n => {
                let k = r.start + largest_power_of_two_below(n);
                node_hash(&self.mth(r.start..k), &self.mth(k..r.end))
            }
        };
        self.known.borrow_mut().insert(r, hash);
        hash
    }

    /// Section 2.1.3.1.
    fn path(&self, m: usize, r: Range<usize>) -> Vec<Hash> {
        if r.len() == 1 {
            return Vec::new();
        }
        let k = largest_power_of_two_below(r.len());
        let middle = r.start + k;
        let (mut out, other) = if m < k {
            (self.path(m, r.start..middle), self.mth(middle..r.end))
        } else {
            (self.path(m - k, middle..r.end), self.mth(r.start..middle))
        };
        out.push(other);
        out
    }

    /// Section 2.1.4.1.
    fn subproof(&self, m: usize, r: Range<usize>, whole: bool) -> Vec<Hash> {
        if m == r.len() {
            return if whole { Vec::new() } else { vec![self.mth(r)] };
        }
        let k = largest_power_of_two_below(r.len());
        let middle = r.start + k;
        let (mut out, other) = if m <= k {
            (self.subproof(m, r.start..middle, whole), self.mth(middle..r.end))
        } else {
            (self.subproof(m - k, middle..r.end, false), self.mth(r.start..middle))
        };
        out.push(other);
        out
    }
}

/// Keeps what the database keeps: leaves, and the nodes that the frontier completes.
#[derive(Default)]
struct Kept {
    leaves: Vec<Hash>,
    nodes: HashMap<(u32, u64), Hash>,
    reads: RefCell<usize>,
}

impl Kept {
    fn push<const H: u32>(&mut self, frontier: &mut Frontier<H>, leaf: Hash) {
        self.leaves.push(leaf);
        frontier.push(leaf, |node| {
            assert_eq!(self.nodes.insert((node.level, node.index), node.hash), None, "made once");
        });
    }
}

impl Nodes for Kept {
    type Error = Infallible;
    fn hashes(&self, level: u32, from: u64, to: u64) -> Result<Vec<Hash>, Infallible> {
        assert!(to - from <= 256, "at most a tile");
        *self.reads.borrow_mut() += 1;
        Ok((from..to)
            .map(|i| if level == 0 { self.leaves[i as usize] } else { self.nodes[&(level, i)] })
            .collect())
    }
}

/// Every size up to `most`, every `step`-th of its proofs, in tiles of height `H`.
fn agrees<const H: u32>(most: usize, step: usize) {
    let leaves = leaves(most);
    let rfc = Rfc::new(&leaves);
    let (mut kept, mut frontier) = (Kept::default(), Frontier::<H>::default());
    for size in 0..=most {
        let n = size as u64;
        let root = rfc.mth(0..size);
        assert_eq!(frontier.root(), root, "size {size}");
        assert_eq!(Frontier::load(&kept, n).unwrap(), frontier, "size {size}");
        assert_eq!(Tiles::<_, H>::new(&kept, n).root().unwrap(), root, "size {size}");
        for (index, leaf) in leaves.iter().enumerate().take(size).skip(size % step).step_by(step) {
            let proof = Tiles::<_, H>::new(&kept, n).inclusion(index as u64).unwrap();
            assert_eq!(proof, rfc.path(index, 0..size), "leaf {index} of {size}");
            assert!(verify_inclusion(leaf, index as u64, n, &proof, &root));
        }
        for old in (size % step..=size).step_by(step) {
            let proof = Tiles::<_, H>::new(&kept, n).consistency(old as u64).unwrap();
            let expected = if old == 0 { Vec::new() } else { rfc.subproof(old, 0..size, true) };
            assert_eq!(proof, expected, "from {old} to {size}");
            assert!(verify_consistency(old as u64, n, &rfc.mth(0..old), &root, &proof));
        }
        if size < most {
            kept.push(&mut frontier, leaves[size]);
        }
    }
}

#[test]
fn every_head_and_proof_up_to_300_leaves_is_the_recursive_definitions() {
    agrees::<2>(300, 1);
    agrees::<1>(100, 1);
    agrees::<8>(600, 97);
}

#[test]
fn trees_of_several_tile_levels_agree_too() {
    let leaves = leaves(65_536 + 256 * 3 + 17);
    let rfc = Rfc::new(&leaves);
    let all = 0..leaves.len();
    let (mut kept, mut frontier) = (Kept::default(), Frontier::<TILE_HEIGHT>::default());
    for leaf in &leaves {
        kept.push(&mut frontier, *leaf);
    }
    let size = leaves.len() as u64;
    let root = rfc.mth(all.clone());
    assert_eq!(frontier.root(), root);
    for index in [0, 1, 255, 256, 32_767, 65_535, 65_536, 65_791, 65_792, leaves.len() - 1] {
        *kept.reads.borrow_mut() = 0;
        let proof = inclusion_path(&kept, index as u64, size).unwrap();
        assert_eq!(proof, rfc.path(index, all.clone()), "leaf {index}");
        assert!(*kept.reads.borrow() <= 6, "a proof reads two tiles a level at most");
    }
    for old in [1, 255, 256, 257, 40_000, 65_535, 65_536, 65_537, leaves.len() - 1, leaves.len()] {
        let proof = consistency_path(&kept, old as u64, size).unwrap();
        assert_eq!(proof, rfc.subproof(old, all.clone(), true), "from {old}");
        assert!(verify_consistency(old as u64, size, &rfc.mth(0..old), &root, &proof));
    }
}

#[test]
fn a_proof_that_was_touched_does_not_hold() {
    let leaves = leaves(100);
    let (mut kept, mut frontier) = (Kept::default(), Frontier::<TILE_HEIGHT>::default());
    for leaf in &leaves {
        kept.push(&mut frontier, *leaf);
    }
    let root = frontier.root();
    let rfc = Rfc::new(&leaves);
    for index in 0..100 {
        let proof = inclusion_path(&kept, index, 100).unwrap();
        let leaf = &leaves[index as usize];
        assert!(!verify_inclusion(leaf, index, 100, &proof[1..], &root), "shorter");
        assert!(!verify_inclusion(leaf, index ^ 1, 100, &proof, &root), "another index");
        assert!(!verify_inclusion(leaf, 100, 100, &proof, &root), "beyond");
        let longer = [&proof[..], &[root]].concat();
        assert!(!verify_inclusion(leaf, index, 100, &longer, &root), "longer");
        for at in 0..proof.len() {
            let mut bad = proof.clone();
            bad[at][0] ^= 1;
            assert!(!verify_inclusion(leaf, index, 100, &bad, &root), "changed at {at}");
        }
    }
    for old in 1..100 {
        let old_root = rfc.mth(0..old);
        let proof = consistency_path(&kept, old as u64, 100).unwrap();
        assert!(!verify_consistency(old as u64, 100, &root, &root, &proof), "another old root");
        assert!(!verify_consistency(old as u64, 100, &old_root, &old_root, &proof), "another new root");
        assert!(!verify_consistency(old as u64, 100, &old_root, &root, &proof[1..]), "shorter");
        for at in 0..proof.len() {
            let mut bad = proof.clone();
            bad[at][31] ^= 1;
            assert!(!verify_consistency(old as u64, 100, &old_root, &root, &bad), "changed at {at}");
        }
    }
}

#[test]
fn the_hashes_are_those_of_the_standard() {
    // RFC 9162: HASH() of nothing for the empty tree; the known vector of Certificate Transparency's tests.
    assert_eq!(
        crate::hex::text(&empty_root()),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    let empty_leaf: Hash = Sha256::digest([0]).into();
    assert_eq!(
        crate::hex::text(&empty_leaf),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
}
