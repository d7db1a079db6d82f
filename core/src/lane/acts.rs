//! The deeds whose acts are under way, by where the journal holds their intents.
//!
//! Guarantee: as long as an act is under way, its intent stays in the journal where it can ([`Journal::keep_from`]), so
//! that the process after a crash can tell what was not finished.
//!
//! [`Journal::keep_from`]: crate::journal::Journal::keep_from

use std::collections::{BTreeSet, HashMap};

use super::sealer::{Item, Payload};
use crate::event::{Attribute, Phase};
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
        let Payload::Event(tracked) = &item.payload else { return false };
        let event = &tracked.event;
        let deed = |intent: &str| (event.agent().to_owned(), intent.to_owned());
        match event.phase {
            None => return false,
            Some(Phase::Intent) => {
                if self.places.len() >= MOST
                    && let Some(oldest) = self.places.pop_first()
                {
                    self.begun.retain(|_, place| *place != oldest);
                }
                self.begun.insert(deed(&event.id.to_string()), position);
                self.places.insert(position);
            }
            Some(Phase::Result) => {
                let intent = event.attribute(Attribute::Causation).unwrap_or_default();
                if let Some(place) = self.begun.remove(&deed(intent)) {
                    self.places.remove(&place);
                }
            }
        }
        true
    }

    /// Where the oldest of their intents is.
    pub(super) fn oldest(&self) -> Option<Position> {
        self.places.first().copied()
    }
}
