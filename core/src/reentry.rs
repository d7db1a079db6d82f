//! Whether this thread is inside a sink's delivery or a host's callback, where an `emit` must not wait.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

crate::sync::thread_local! {
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// Whether an `emit` on this thread must not wait.
pub(crate) fn is_inside() -> bool {
    INSIDE.with(|depth| depth.get() > 0)
}

/// Runs a callback of the host's as inside; a panic in it is contained and gives `None`.
pub(crate) fn inside<T>(f: impl FnOnce() -> T) -> Option<T> {
    INSIDE.with(|depth| depth.set(depth.get() + 1));
    let result = catch_unwind(AssertUnwindSafe(f));
    INSIDE.with(|depth| depth.set(depth.get() - 1));
    result.ok()
}
