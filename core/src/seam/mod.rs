//! Where sinkwell touches the world: time, randomness, files, environment.
//!
//! Guarantees: no clock, random or file-system call of the pipeline happens outside this module, so a test
//! can fix or break each of them.

mod clock;
mod env;
pub mod fork;
mod fs;
mod private;
mod random;
pub mod sqlite;
mod stdio;

pub use clock::{Clock, Instant, ManualClock, SystemClock, UnixNanos, format_time, parse_time};
pub use env::{Env, SystemEnv};
pub use fs::{Access, FileId, Fs, FsFile, RealFs, SharedFs, Stat, absolute, check_path, create_file};
pub(crate) use private::{PUBLIC_KEY, PUBLIC_PEM, read_private};
pub use random::{Random, SeededRandom, SystemRandom, Uuid};
pub(crate) use stdio::{Output, to_stderr};
