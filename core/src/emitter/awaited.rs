//! What an opening waits for, and who may wait for it.
//!
//! Guarantees: a thread that runs a host's event loop waits for an opening, its own or that of another thread, only where each
//! required class has a sink that can answer meanwhile. Otherwise it would wait for itself, and nothing of the program's that runs on
//! that loop would go on, for as long as the lanes' `timeout` says.
//!
//! How: a sink or a signer says where it is at home ([`Home`]), and a home whether this thread holds it. Where all sinks of a class are
//! held, a home may have what it runs done elsewhere for that long; where it cannot, waiting is refused at once.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::home::Home;
use crate::sink::SinkClass;

/// A lane of a required class.
#[derive(Clone)]
pub(super) struct AwaitedLane {
    pub(super) id: String,
    pub(super) classes: Vec<SinkClass>,
    pub(super) timeout: Duration,
    /// Where its sink and its signer are at home.
    pub(super) homes: Vec<Arc<dyn Home>>,
}

impl AwaitedLane {
    fn is_held(&self) -> bool {
        self.homes.iter().any(|home| home.is_held())
    }

    /// Has run elsewhere what this thread holds of it; whether that can be done.
    fn leave(&self, away: &mut Away) -> bool {
        let before = away.kept.len();
        for home in self.homes.iter().filter(|home| home.is_held()) {
            match home.leave() {
                Some(kept) => away.kept.push(kept),
                None => {
                    away.kept.truncate(before);
                    return false;
                }
            }
        }
        true
    }
}

/// What an opening waits for: each of the classes.
#[derive(Clone, Default)]
pub(crate) struct Awaited {
    pub(super) classes: Vec<SinkClass>,
    pub(super) lanes: Vec<AwaitedLane>,
}

/// What may be waited for, while this is kept.
#[derive(Default)]
pub(crate) struct Away {
    kept: Vec<Box<dyn Any>>,
    /// The longest that one of the lanes may take.
    pub(super) longest: Duration,
}

/// What may not be waited for.
pub(crate) struct Held {
    pub(super) class: SinkClass,
    /// The lanes of it.
    pub(super) lanes: Vec<String>,
}

impl Awaited {
    /// Asks whether this thread may wait; to be called by it just before it does.
    pub(crate) fn may_wait(&self) -> Result<Away, Held> {
        let mut away = Away::default();
        for class in &self.classes {
            let of = || self.lanes.iter().filter(|lane| lane.classes.contains(class));
            let mut able: Vec<_> = of().filter(|lane| !lane.is_held()).collect();
            if able.is_empty() {
                able = of().filter(|lane| lane.leave(&mut away)).collect();
            }
            if able.is_empty() {
                return Err(Held { class: *class, lanes: of().map(|lane| lane.id.clone()).collect() });
            }
            away.longest = able.iter().map(|lane| lane.timeout).fold(away.longest, Duration::max);
        }
        Ok(away)
    }
}
