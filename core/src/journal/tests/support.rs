//! What the journal's tests share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::error::Result;
use crate::journal::{Adopted, Journal, Record, Stored};
use crate::seam::{Fs, RealFs, SeededRandom, Uuid};
use crate::settings::{JournalConfig, SyncPolicy};

pub(crate) fn config(dir: &Path) -> JournalConfig {
    JournalConfig {
        dir: dir.to_owned(),
        sync: SyncPolicy::Always,
        budget: 4 << 20,
        floor: 0,
        access: crate::seam::Access::default(),
    }
}

pub(crate) fn open_with(
    fs: Arc<dyn Fs>,
    config: &JournalConfig,
    lane: &str,
) -> Result<(Journal, Vec<Adopted>)> {
    // Each one is later than the one before, so that they are adopted in the order in which they were made.
    static OPENED: AtomicI64 = AtomicI64::new(1_700_000_000_000);
    let millis = OPENED.fetch_add(1, Ordering::Relaxed);
    Journal::open(fs, Arc::new(SeededRandom::new(5)), config, lane, "file", millis * 1_000_000)
}

pub(crate) fn open(dir: &Path) -> (Journal, Vec<Adopted>) {
    open_with(Arc::new(RealFs), &config(dir), "audit").unwrap()
}

/// An envelope of `len` bytes, all of whose fields follow from `n`.
pub(crate) struct Sample {
    n: u64,
    agent: String,
    bytes: Vec<u8>,
}

impl Sample {
    pub(crate) fn new(n: u64, len: usize) -> Self {
        let text = format!("{{\"n\":{n}}}");
        let bytes = text.bytes().cycle().take(len.max(text.len())).collect();
        Self { n, agent: format!("urn:agent:{}", n % 3), bytes }
    }

    pub(crate) fn record(&self) -> Record<'_> {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&self.n.to_be_bytes());
        Record {
            streamid: stream(self.n % 3),
            agentid: &self.agent,
            sequence: 1 + self.n / 3,
            hash,
            digest: hash,
            recordedtime: i64::try_from(self.n).unwrap(),
            own: self.n.is_multiple_of(5),
            terminal: self.n.is_multiple_of(7),
            closes: false,
            span: None,
            signed: true,
            bytes: &self.bytes,
        }
    }

    pub(crate) fn is(&self, stored: &Stored) -> bool {
        let r = self.record();
        stored.streamid == r.streamid
            && *stored.agentid == *r.agentid
            && stored.sequence == r.sequence
            && stored.hash == r.hash
            && stored.recordedtime == r.recordedtime
            && (stored.own, stored.terminal, stored.closes) == (r.own, r.terminal, r.closes)
            && *stored.bytes == *r.bytes
    }
}

pub(crate) fn stream(n: u64) -> Uuid {
    let mut id = [7; 16];
    id[15] = u8::try_from(n).unwrap();
    Uuid(id)
}

pub(crate) fn samples(range: std::ops::Range<u64>) -> Vec<Sample> {
    range.map(|n| Sample::new(n, 40 + usize::try_from(n * 37 % 300).unwrap())).collect()
}

pub(crate) fn append(journal: &mut Journal, samples: &[Sample]) {
    let records: Vec<_> = samples.iter().map(Sample::record).collect();
    journal.append(&records).unwrap();
}

pub(crate) fn assert_same(stored: impl Iterator<Item = Result<Stored>>, samples: &[Sample]) {
    let stored: Vec<_> = stored.map(Result::unwrap).collect();
    assert_eq!(stored.len(), samples.len());
    for (stored, sample) in stored.iter().zip(samples) {
        assert!(sample.is(stored), "{stored:?} is not {:?}", sample.record());
    }
}
