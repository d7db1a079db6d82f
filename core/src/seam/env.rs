//! What the outside tells a process: environment variables, its own name, files named by a path.
//!
//! Guarantees: the configuration loader learns of the outside only through [`Env`], so that a document always loads the
//! same under the same `Env`.

use std::io;
use std::path::Path;

use super::{Clock as _, SystemClock, UnixNanos};
use crate::error::Result;
use crate::secret::Secret;

/// The outside, as the configuration sees it.
pub trait Env {
    /// An environment variable; `None` when unset or not Unicode.
    fn var(&self, name: &str) -> Option<String>;

    /// The name of the running program, for the default agent id.
    fn program(&self) -> Option<String>;

    /// The time against which a policy's `expires` is judged.
    fn now(&self) -> UnixNanos;

    /// The classes that a host's sink of this name declares; none if there is no such sink, or if it declares none.
    fn host_classes(&self, name: &str) -> Vec<String> {
        let _ = name;
        Vec::new()
    }

    /// The bytes of a document.
    ///
    /// # Errors
    /// As the operating system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The bytes of a key file, which others must not be able to read.
    ///
    /// # Errors
    /// Kind `key`: unreadable, or readable by others.
    fn read_private(&self, path: &Path) -> Result<Secret>;
}

/// The process's own environment.
#[derive(Clone, Debug, Default)]
pub struct SystemEnv {
    program: Option<String>,
}

impl SystemEnv {
    /// The environment of a host whose program is called `program`: a script, for instance, of which the operating
    /// system knows only the interpreter.
    #[must_use]
    pub fn with_program(program: impl Into<String>) -> Self {
        Self { program: Some(program.into()) }
    }
}

impl Env for SystemEnv {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn program(&self) -> Option<String> {
        self.program.clone().or_else(|| {
            let first = std::env::args_os().next()?;
            Some(Path::new(&first).file_stem()?.to_string_lossy().into_owned())
        })
    }

    fn now(&self) -> UnixNanos {
        SystemClock::default().unix_nanos()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn read_private(&self, path: &Path) -> Result<Secret> {
        super::read_private(path, false).map(|bytes| Secret::new(bytes.to_vec()))
    }
}
