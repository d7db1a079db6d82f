//! `watch_policies`: files of policies that are looked at every so often, so that a change is in force without a call.
//!
//! Guarantees: what is looked at is what the files hold, so that it does not matter how they were replaced (a mounted
//! `ConfigMap` swaps links). Files that hold what they held when they were last read are not read as policies again, and a
//! change counts as [`reload_policies`](crate::Emitter::reload_policies) does: as one set, without losing an event, and a
//! document that turned bad leaves the last good one in force, which the log says once. The thread keeps no emitter alive
//! and ends with it.
//!
//! How: a thread of its own, as files may hang (a network's); none without the key, without files, and in a manual
//! emitter, whose program reloads when it likes.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Inner, Options, open};
use crate::config::{Config, TelemetrySource};
use crate::diagnostics;
use crate::reentry;
use crate::seam::{Env, Stopwatch, SystemEnv};
use crate::sync::{Condvar, Mutex, lock, thread};

/// Ends the thread when it is dropped.
pub(super) struct Watch(Arc<Shared>);

#[derive(Default)]
struct Shared {
    stop: Mutex<bool>,
    changed: Condvar,
}

impl Watch {
    /// Watches, if the configuration says so and there are files; `seen`: what they held before the emitter read them.
    pub(super) fn start(inner: &Arc<Inner>, options: &Arc<Options>, seen: Seen) {
        let config = &options.config;
        let files = files(config);
        let Some(every) = config.watch_policies.filter(|_| !inner.disabled && !options.manual) else {
            return;
        };
        if files.is_empty() {
            return;
        }
        let shared = Arc::<Shared>::default();
        let (of, weak, options) = (Arc::clone(&shared), Arc::downgrade(inner), Arc::clone(options));
        let spawned = thread::Builder::new()
            .name("sinkwell-watch".to_owned())
            .stack_size(512 * 1024)
            .spawn(move || of.run(every, &files, seen, &weak, &options));
        match spawned {
            Ok(_) => *lock(&inner.watch) = Some(Self(shared)),
            Err(e) => {
                diagnostics::warn(&format!("policies are not watched: no thread for it: {}", e.kind()));
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *lock(&self.0.stop) = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn run(
        &self,
        every: Duration,
        files: &[PathBuf],
        mut seen: Seen,
        inner: &Weak<Inner>,
        options: &Options,
    ) {
        while self.wait(every) {
            let Some(inner) = inner.upgrade() else { return };
            let now = Seen::of(files);
            if now != seen && reentry::inside(|| open::reload(&inner, &options.config)).is_none() {
                diagnostics::warn(
                    "policies are not read again: the thread that does it failed; please report",
                );
            }
            seen = now;
        }
    }

    /// Whether it goes on, after so long.
    fn wait(&self, every: Duration) -> bool {
        let start = Stopwatch::start();
        let mut stop = lock(&self.stop);
        loop {
            let left = start.left(every);
            if *stop || left.is_zero() {
                return !*stop;
            }
            let waited = self.changed.wait_timeout(stop, left);
            stop = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }
}

/// The files that the configuration names.
fn files(config: &Config) -> Vec<PathBuf> {
    let file = |source: &TelemetrySource| match source {
        TelemetrySource::File(path) => Some(path.clone()),
        TelemetrySource::Inline { .. } => None,
    };
    config.telemetry.iter().filter_map(file).collect()
}

/// What each file holds; `None`: it cannot be read. By default none has been looked at.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Seen(Vec<Option<[u8; 32]>>);

impl Seen {
    /// What they hold now, where they are to be watched.
    pub(super) fn now(config: &Config) -> Self {
        if config.watch_policies.is_some() { Self::of(&files(config)) } else { Self::default() }
    }

    fn of(files: &[PathBuf]) -> Self {
        let env = SystemEnv::default();
        let digest = |path: &PathBuf| Some(Sha256::digest(env.read(path).ok()?).into());
        Self(files.iter().map(digest).collect())
    }
}
