//! Errors of the core as the JVM gets them: kind, code, message and place. Kotlin makes the exception.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sinkwell::{Error, ErrorKind};

/// An error of the core.
#[derive(Debug, uniffi::Error)]
pub enum Failure {
    /// What the core said.
    Core {
        /// One of the closed list.
        kind: String,
        /// Its frozen number.
        code: u8,
        /// What happened, and what to do.
        what: String,
        /// A path, a key, a sink.
        place: Option<String>,
    },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Core { kind, what, .. } = self;
        write!(f, "{kind}: {what}")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core {
            kind: error.kind().name().to_owned(),
            code: error.code(),
            what: error.message().to_owned(),
            place: error.place().map(str::to_owned),
        }
    }
}

/// Runs a call; a panic in the core becomes an error of the kind `internal`.
pub(crate) fn guarded<T>(run: impl FnOnce() -> sinkwell::Result<T>) -> sinkwell::Result<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Internal, "a defect of sinkwell was contained; please report it"))
    })
}

/// Every kind of error with its code.
#[uniffi::export]
fn error_kinds() -> std::collections::HashMap<String, u8> {
    ErrorKind::ALL.iter().map(|kind| (kind.name().to_owned(), kind.code())).collect()
}
