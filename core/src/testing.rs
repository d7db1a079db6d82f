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

/// An envelope for what only writes its line, of a stream named by one byte.
pub(crate) fn envelope_of(line: String, stream: u8, sequence: u64) -> crate::sink::Envelope {
    use crate::seam::Uuid;
    crate::sink::Envelope::new(crate::sink::EnvelopeInner {
        bytes: line.into_bytes().into(),
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
