//! Which process this is: a forked child must not touch its parent's threads, files or random pool.
//!
//! A binding calls [`note_child`] from its fork handler; everything that must not be shared compares
//! [`generation`] with the one it was made in. One relaxed load, so that `emit` can afford it.

use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between this process and the one that loaded the library.
#[must_use]
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// To be called in a forked child, before anything else of sinkwell runs there.
pub fn note_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
