//! Content: the words of people, and the only way out of the process they have.
//!
//! Guarantees: content leaves only as a disclosure of a part whose sealed mode is `raw`, to a lane that
//! names its class and may see `raw`, while the retention window is open; text that was redacted is not written
//! anywhere; no text of a part is in an error, a log or a debug print.
//!
//! How: a [`Part`] is validated at `emit`. The first lane that seals the event makes a [`Prepared`] of its
//! parts: [`Redactor`] rewrites the text, the [gates](gate) decide the mode, a salt and a digest commit to
//! the redacted bytes. Every lane then writes its own view of it under its [ceiling](view). What a file
//! discloses is checked and stripped by [`disclosure`]; a replay is judged again by [`rejudge`].

pub mod disclosure;
pub mod gate;
mod grant;
mod part;
mod prepared;
pub mod redact;
mod replay;
pub mod sampling;

#[cfg(test)]
mod tests;

pub use disclosure::{check_disclosures, commit, strip};
pub use gate::{Decision, Gate, Gates, Request, evaluate, evaluate_json};
pub use grant::view;
pub(crate) use part::mode_from_name;
pub use part::{Body, Part, validate_class};
pub use prepared::{EventFacts, Prepared};
pub use redact::{Explained, Redactor};
pub use replay::rejudge;

pub use crate::settings::ContentMode;
