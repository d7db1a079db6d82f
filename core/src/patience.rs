//! How a thread of the host waits for a lane: it looks for a moment, then it sleeps.
//!
//! Guarantees: whoever waits is woken by the ring, however close both come. Only a thread that is the only one to wait looks, for
//! [`LOOK`] at most, only where another processor can do what is waited for, and the more seldom the more often it was in
//! vain. Every other wait sleeps from the start.
//!
//! Why to look at all: a sync of a good disk takes about a tenth of a millisecond, and to put a thread to sleep and wake it
//! again costs a fifth of that, much more on a virtual machine whose processor has nothing else to do (docs/PERFORMANCE.md).

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use crate::seam::Stopwatch;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex, lock};

/// The longest look.
const LOOK: Duration = Duration::from_micros(300);

/// How often whoever waits is asked whether to go on.
const ASK: Duration = Duration::from_millis(100);

/// A thread that was kept from looking for so long was not running.
const GAP: Duration = Duration::from_micros(50);

/// The most waits that sleep at once, after looks that were in vain, before another one looks.
const MOST: u32 = 64;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Rung,
    Over,
    GivenUp,
}

/// Rings once, for the one thread that waits for it.
#[derive(Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
    /// Whether somebody sleeps until it rings.
    sleeps: Mutex<bool>,
    ring: Condvar,
}

impl Bell {
    /// Wakes whoever waits.
    pub(crate) fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        // Whoever is about to sleep holds the lock until it does.
        if *lock(&self.sleeps) {
            self.ring.notify_all();
        }
    }

    fn has_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    /// Waits for the ring, until `limit` is over, or until `go_on`, called ten times a second, answers `false`.
    pub(crate) fn wait(&self, limit: Duration, go_on: &mut dyn FnMut() -> bool) -> Waited {
        let start = Stopwatch::start();
        while !self.has_rung() {
            let left = start.left(limit);
            let mut sleeps = lock(&self.sleeps);
            if !self.has_rung() && !left.is_zero() {
                *sleeps = true;
                let waited = self.ring.wait_timeout(sleeps, left.min(ASK));
                sleeps = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
                *sleeps = false;
            }
            // The lock must be free while `go_on` runs the host's code: the thread that rings needs it.
            drop(sleeps);
            if self.has_rung() {
                break;
            }
            if left.is_zero() {
                return Waited::Over;
            }
            if !go_on() {
                return Waited::GivenUp;
            }
        }
        Waited::Rung
    }
}

/// Counts a thread that waits for what should be done in a moment, for as long as the answer lives.
pub(crate) fn waiting() -> Waiting<'static> {
    static LOOKS: Looks = Looks::new();
    LOOKS.wait()
}

/// Who waits for what should be done in a moment, and how looking went.
struct Looks {
    /// How many threads wait. If the process is forked meanwhile, none of the child ever looks.
    waiting: AtomicU32,
    /// How many waits sleep at once before another one looks: more after each look in vain, fewer after each other.
    vain: AtomicU32,
    /// So many of those are still to come.
    rest: AtomicU32,
}

impl Looks {
    const fn new() -> Self {
        Self { waiting: AtomicU32::new(0), vain: AtomicU32::new(0), rest: AtomicU32::new(0) }
    }

    fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }
}

/// See [`waiting`].
pub(crate) struct Waiting<'a>(&'a Looks);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Waiting<'_> {
    /// Looks until it is seen, or for as long as that is worth it; answers whether it was seen.
    pub(crate) fn look(&self, limit: Duration, mut seen: impl FnMut() -> bool) -> bool {
        let looks = self.0;
        let alone = || looks.waiting.load(Ordering::Relaxed) == 1;
        if cfg!(feature = "shuttle") || crate::seam::processors() < 2 || limit < LOOK || !alone() {
            return false;
        }
        let rest = looks.rest.load(Ordering::Relaxed);
        if rest > 0 {
            looks.rest.store(rest - 1, Ordering::Relaxed);
            return false;
        }
        let start = Stopwatch::start();
        let mut last = start;
        let mut done = seen();
        // Nothing else can run on this processor meanwhile: to let it, by a yield, would put this thread behind all of it. Where
        // something did run, there is enough of it to make a look too dear.
        while !done && alone() && start.elapsed() < LOOK && last.elapsed() < GAP {
            last = Stopwatch::start();
            std::hint::spin_loop();
            done = seen();
        }
        let vain = looks.vain.load(Ordering::Relaxed);
        let vain = if done { vain / 2 } else { (vain * 4).clamp(1, MOST) };
        looks.vain.store(vain, Ordering::Relaxed);
        looks.rest.store(vain, Ordering::Relaxed);
        done
    }
}

#[cfg(test)]
mod tests;
