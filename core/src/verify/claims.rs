//! What checkpoints, heartbeats and successors say about where streams stood.

use std::collections::HashMap;

use super::own::Head;
use super::place::Place;
use crate::seam::Uuid;

/// Whose word a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) head: Head,
    pub(super) witness: Witness,
    pub(super) lane: Option<u32>,
    pub(super) place: Place,
}

/// The claims of the input that wait: of each kind of witness the highest per stream, because the chain
/// vouches for what lies below it.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<Uuid, [Option<Claim>; 2]>);

impl Claims {
    pub(super) fn add(&mut self, claim: Claim) {
        let slot = &mut self.0.entry(claim.head.streamid).or_default()
            [usize::from(claim.witness == Witness::Follower)];
        if slot.is_none_or(|waiting| waiting.head.sequence < claim.head.sequence) {
            *slot = Some(claim);
        }
    }

    /// All that wait, in the order of the input.
    pub(super) fn finish(&mut self) -> Vec<Claim> {
        let mut claims: Vec<Claim> = self.0.drain().flat_map(|(_, slots)| slots).flatten().collect();
        claims.sort_by_key(|claim| (claim.witness == Witness::Follower, claim.place, claim.head.streamid));
        claims
    }
}
