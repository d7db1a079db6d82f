//! Authorization edges (`data.authz`) and the ids that they may lead to.
//!
//! Guarantees: 8 bytes per envelope (a hash of its id), and 4 more while lists are merged; edges whose target was seen
//! are forgotten.

use std::hash::{BuildHasher, RandomState};

use super::authz;
use super::place::Place;
use crate::json::parse;

const BLOCK: usize = 4096;

/// An edge whose target was not seen yet.
pub(super) struct Edge {
    target: u64,
    pub(super) stream: usize,
    pub(super) sequence: u64,
    pub(super) place: Place,
    pub(super) member: &'static str,
    pub(super) id: Box<str>,
}

/// All ids of good envelopes, and the edges whose target was not among them so far.
#[derive(Default)]
pub(super) struct Edges {
    state: RandomState,
    /// Sorted lists, each at least twice as long as the next.
    levels: Vec<Vec<u64>>,
    fresh: Vec<u64>,
    open: Vec<Edge>,
    /// How many open edges there may be before they are looked up.
    limit: usize,
}

impl Edges {
    /// Notes the id of an envelope.
    pub(super) fn id(&mut self, id: &str) {
        self.fresh.push(self.state.hash_one(id));
        if self.fresh.len() < BLOCK {
            return;
        }
        self.fresh.sort_unstable();
        self.levels.push(std::mem::take(&mut self.fresh));
        while let [.., a, b] = &mut self.levels[..]
            && a.len() < 2 * b.len()
        {
            a.reserve_exact(b.len());
            a.append(b);
            // The standard sort merges two sorted runs in linear time.
            a.sort();
            self.levels.pop();
        }
    }

    /// Notes the edges of an envelope.
    pub(super) fn edges(&mut self, data: &[u8], stream: usize, sequence: u64, place: Place) {
        let Ok(data) = parse(data) else { return };
        for (member, id) in authz::links(&data) {
            let target = self.state.hash_one(id);
            self.open.push(Edge { target, stream, sequence, place, member, id: id.into() });
        }
        if self.open.len() >= self.limit.max(BLOCK) {
            self.look_up();
            self.limit = 2 * self.open.len();
        }
    }

    fn look_up(&mut self) {
        self.fresh.sort_unstable();
        let (levels, fresh) = (&self.levels, &self.fresh);
        self.open.retain(|edge| {
            let seen = |list: &Vec<u64>| list.binary_search(&edge.target).is_ok();
            !seen(fresh) && !levels.iter().any(seen)
        });
    }

    /// The edges whose target was not seen.
    pub(super) fn finish(&mut self) -> Vec<Edge> {
        self.look_up();
        std::mem::take(&mut self.open)
    }
}
