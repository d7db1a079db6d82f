//! Where sinkwell touches the world: time, randomness, files, environment.
//!
//! Guarantees: no clock, random or file-system call of the pipeline happens outside this module, so a test
//! can fix or break each of them. The compiler holds that: `core/clippy.toml` forbids them everywhere else.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod clock;
mod env;
pub mod fork;
mod fs;
mod given;
mod private;
mod random;
pub mod sqlite;
mod stdio;

#[cfg(feature = "otlp")]
pub(crate) use clock::read_time;
pub(crate) use clock::time_text;
pub use clock::{Clock, Instant, ManualClock, SystemClock, UnixNanos, format_time, parse_time};
pub(crate) use clock::{Stopwatch, pause};
pub use env::{Env, SystemEnv};
pub use fs::{Access, FileId, Fs, FsFile, RealFs, SharedFs, Stat, absolute, check_path, create_file};
#[cfg(feature = "otlp")]
pub(crate) use given::executable;
pub(crate) use given::{entries, exists, metadata, processors, read, var_os};
#[cfg(feature = "otlp")]
pub(crate) use private::others_read_key;
#[cfg(feature = "intake")]
pub(crate) use private::{Kept, read_kept};
pub(crate) use private::{PUBLIC_KEY, PUBLIC_PEM, read_private, remove, write_new};
pub use random::{Random, SeededRandom, SystemRandom, Uuid};
pub(crate) use random::{Series, fill};
pub(crate) use stdio::{Output, to_stderr};
