//! What checkpoints, heartbeats and successors say about where streams stood.

use std::collections::HashMap;

use super::own::ClaimedHead;
use super::place::Place;
use crate::seam::Uuid;

/// Who makes a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Witness {
    /// A checkpoint, `closed` or heartbeat in the input.
    Input,
    /// The stream that follows it.
    Follower,
    /// A checkpoint file: an envelope that it lists.
    File,
    /// A checkpoint file: the checkpoint itself, which is an envelope of its stream.
    Itself,
}

/// A claim that could not be settled when it was read.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) head: ClaimedHead,
    pub(super) witness: Witness,
    pub(super) lane: Option<u32>,
    pub(super) place: Place,
    /// The key that vouches for it.
    pub(super) key: u8,
    /// The agent whose stream it is, by the claim.
    pub(super) agentid: Option<Box<str>>,
}

/// The claims of the input that wait. Per stream, kind of witness and key only the highest is kept, because the chain
/// vouches for what lies below it. Claims of different keys are kept apart, so that a key that may not speak about a
/// stream cannot push out the claim of one that may.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<(Uuid, bool, u8), Claim>);

impl Claims {
    pub(super) fn add(&mut self, claim: Claim) {
        let slot = (claim.head.streamid, claim.witness == Witness::Follower, claim.key);
        match self.0.entry(slot) {
            std::collections::hash_map::Entry::Occupied(mut held)
                if held.get().head.sequence < claim.head.sequence =>
            {
                held.insert(claim);
            }
            std::collections::hash_map::Entry::Occupied(_) => {}
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(claim);
            }
        }
    }

    /// All that wait: those of checkpoints and heartbeats first, then those of successors, each in the order of the
    /// input.
    pub(super) fn finish(&mut self) -> Vec<Claim> {
        let mut claims: Vec<Claim> = self.0.drain().map(|(_, claim)| claim).collect();
        claims.sort_by_key(|claim| (claim.witness == Witness::Follower, claim.place, claim.head.streamid));
        claims
    }
}
