//! The deeds whose acts are under way, by where the journal holds their intents.
//!
//! Guarantee: as long as an act is under way, its intent stays in the journal where it can ([`Journal::keep_from`]), so
//! that the process after a crash can tell what was not finished.
//!
//! [`Journal::keep_from`]: crate::journal::Journal::keep_from

use std::collections::{BTreeSet, HashMap};

use super::sealer::Item;
use crate::event::deeds::Half;
use crate::journal::Position;

/// More than this many are acts that nobody ends.
const MOST: usize = 16_384;

/// See the module's head.
#[derive(Default)]
pub(super) struct Acts {
    /// By agent and the intent's id.
    begun: HashMap<(String, String), Position>,
    places: BTreeSet<Position>,
}

impl Acts {
    /// Takes note of an envelope that was appended; answers whether it was one of a deed.
    pub(super) fn note(&mut self, item: &Item, position: Position) -> bool {
        let envelope = &item.envelope;
        // Both of a deed's events are terminal.
        if envelope.own || !envelope.terminal {
            return false;
        }
        match Half::of(&envelope.bytes, envelope.streamid, envelope.sequence, "") {
            Some(Half::Intent(intent)) => {
                if self.places.len() >= MOST
                    && let Some(oldest) = self.places.pop_first()
                {
                    self.begun.retain(|_, place| *place != oldest);
                }
                self.begun.insert((intent.agentid, intent.id), position);
                self.places.insert(position);
            }
            Some(Half::Result { agentid, intent }) => {
                if let Some(place) = self.begun.remove(&(agentid, intent)) {
                    self.places.remove(&place);
                }
            }
            None => return false,
        }
        true
    }

    /// Where the oldest of their intents is.
    pub(super) fn oldest(&self) -> Option<Position> {
        self.places.first().copied()
    }
}
