//! What of an emitter belongs to this process.
//!
//! Guarantees: a process that opened its emitter itself finds its part without writing to memory that others share; a forked
//! child finds its own once it has opened it. A parent's part is never freed in a child: its locks may be held by threads
//! that do not exist there.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};

use super::Inner;

/// See the module's head.
pub(super) struct Part {
    /// That of the process that opened the emitter.
    first: Arc<Inner>,
    /// That of the last forked child of it that used the emitter.
    forked: ArcSwapOption<Inner>,
}

/// A part in use.
pub(crate) enum Held<'a> {
    First(&'a Inner),
    Forked(Guard<Option<Arc<Inner>>>, &'a Inner),
}

impl Deref for Held<'_> {
    type Target = Inner;

    #[inline]
    fn deref(&self) -> &Inner {
        match self {
            Self::First(inner) => inner,
            Self::Forked(inner, first) => inner.as_deref().unwrap_or(first),
        }
    }
}

impl Part {
    pub(super) fn of(inner: Arc<Inner>) -> Self {
        Self { first: inner, forked: ArcSwapOption::empty() }
    }

    /// The newest part; whether it is this process's, it says itself.
    #[inline]
    pub(super) fn load(&self) -> Held<'_> {
        if self.first.process.is_this() { Held::First(&self.first) } else { self.load_forked() }
    }

    fn load_forked(&self) -> Held<'_> {
        Held::Forked(self.forked.load(), &self.first)
    }

    /// Puts this process's part in the place of its parent's.
    pub(super) fn replace(&self, inner: Arc<Inner>) {
        std::mem::forget(self.forked.swap(Some(inner)));
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.first.process.is_this() {
            std::mem::forget(Arc::clone(&self.first));
        }
        let forked = self.forked.swap(None);
        if forked.as_ref().is_some_and(|forked| !forked.process.is_this()) {
            std::mem::forget(forked);
        }
    }
}
