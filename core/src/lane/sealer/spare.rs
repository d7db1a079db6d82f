//! Memory of envelopes that the sink has, for the next ones: a lane seals as many as it delivers, and a line is too large for
//! the allocator's quick ways.
//!
//! Guarantees: no more than a batch of envelopes is kept, none with room for a line of more than [`LONGEST`] bytes, and none
//! after the lane has had nothing to do for as long as a batch lingers. No envelope of an event with content is kept: what
//! people said goes when it went before.

use super::{Item, Payload, Sealer};
use crate::seam::Instant;
use crate::sink::Envelope;

/// Longer lines are rare.
const LONGEST: usize = 4096;
/// The allocator has quick ways for this many.
const FEW: usize = 64;

/// See the module's head.
pub(super) struct Spare {
    pub(super) envelopes: Vec<Envelope>,
    most: usize,
    /// Since the lane has had nothing to do: when it lets go of them.
    until: Option<Instant>,
}

impl Spare {
    pub(super) fn new(most: usize) -> Self {
        Self { envelopes: Vec::new(), most, until: None }
    }
}

impl Sealer {
    /// The sink has these. Those that nobody else holds are kept for the next ones.
    pub(crate) fn reuse(&mut self, items: Vec<Item>) {
        if items.len() < FEW {
            return;
        }
        let Spare { envelopes, most, until } = &mut self.spare;
        *until = None;
        for item in items {
            let Item { mut envelope, payload: Payload::Event(event), .. } = item else { continue };
            let fits = envelopes.len() < *most && envelope.bytes.capacity() <= LONGEST;
            if fits && !event.event.has_content() && envelope.is_sole() {
                envelopes.push(envelope);
            }
        }
    }

    /// The lane has nothing to do now. If that stays so until the time that this answers, it is to be asked again: then no
    /// memory is kept any more.
    pub(crate) fn rest(&mut self, now: Instant, linger: std::time::Duration) -> Option<Instant> {
        if self.spare.envelopes.is_empty() {
            return None;
        }
        let until = *self.spare.until.get_or_insert(now.after(linger));
        if now < until {
            return Some(until);
        }
        self.spare = Spare::new(self.spare.most);
        None
    }

    /// How many are kept.
    #[cfg(test)]
    pub(in crate::lane) fn spare(&self) -> usize {
        self.spare.envelopes.len()
    }
}
