//! The event: what host code gives, and the frozen form that every lane shares.
//!
//! Guarantees: an event is checked completely before any lane sees it; what is frozen never changes; one
//! buffer holds all of its text, so that freezing costs one copy. What only sealing needs (escaped
//! attributes, redaction, commitments) is made once, off the caller's thread, by the first lane that seals.

mod ambient;
pub(crate) mod deeds;
mod freeze;
mod input;
mod outside;

pub use crate::sink::EventId;
pub use ambient::Ambient;
pub use deeds::UnfinishedDeed;
#[cfg(test)]
pub(crate) use freeze::note;
pub use freeze::{Attribute, Event};
pub(crate) use freeze::{Freezer, Identity, Noted, Phase, check_attribute, noted, with_writer};
pub(crate) use input::read_parts;
pub(crate) use input::read_value;
pub use input::{Data, EventInput, Trace, invalid_data, read_event};
#[doc(hidden)]
pub use input::{Ready, Words, Written};
pub(crate) use outside::usable_trace;
pub use outside::{outside_text, outside_trace};
