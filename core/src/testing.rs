//! Helpers for the crate's own tests.

pub(crate) mod simfs;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory that goes when the test ends.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("sinkwell-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How many times as much `make soak` does.
pub(crate) fn soak() -> u64 {
    std::env::var("SINKWELL_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// Calls `one` for many seeds, as `core/tests/fuzz.rs` does: so many, or for `SINKWELL_FUZZ_SECONDS`, from
/// `SINKWELL_FUZZ_SEED` (1) on; names the seed of a failure.
pub(crate) fn fuzz(iterations: u64, mut one: impl FnMut(u64)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let watch = std::time::Instant::now();
    let seconds = number("SINKWELL_FUZZ_SECONDS").map(std::time::Duration::from_secs);
    let first = number("SINKWELL_FUZZ_SEED").unwrap_or(1);
    let mut seed = first;
    while seconds.map_or(seed < first + iterations, |seconds| watch.elapsed() < seconds) {
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(seed)));
        assert!(run.is_ok(), "run again with SINKWELL_FUZZ_SEED={seed}");
        seed += 1;
    }
    println!("{} inputs", seed - first);
}

/// An envelope for what only writes its line, of a stream named by one byte.
pub(crate) fn envelope_of(line: String, stream: u8, sequence: u64) -> crate::sink::Envelope {
    use crate::seam::Uuid;
    crate::sink::Envelope::new(crate::sink::EnvelopeInner {
        bytes: line.into_bytes(),
        id: Uuid([0; 16]).into(),
        event_type: "t".into(),
        own: false,
        terminal: false,
        signed: true,
        streamid: Uuid([stream; 16]),
        sequence,
        span: None,
        hash: [0; 32],
        digest: [0; 32],
        prevhash: None,
        agentid: "a".into(),
        time: 0,
        recordedtime: 0,
        severity: 9,
    })
}
