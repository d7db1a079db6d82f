//! Where sinkwell touches the world: time, randomness, files, environment.
//!
//! Guarantees: no clock, random or file-system call of the pipeline happens outside this module, so a test
//! can fix or break each of them.

mod clock;
mod env;
mod fs;
mod random;
mod stdio;

pub use clock::{Clock, Instant, ManualClock, SystemClock, UnixNanos, format_time, parse_time};
pub use env::{Env, SystemEnv};
pub use fs::{Access, FileId, Fs, FsFile, RealFs, SharedFs, Stat, absolute, check_path, create_file};
pub use random::{Random, SeededRandom, SystemRandom, Uuid};
pub(crate) use stdio::{Output, to_stderr};
