//! The last known envelope of each stream, for the `follows` of the stream after it.
//!
//! Guarantees: for each agent the newest stream is known, across segments, sub-journals and restarts, up
//! to [`MOST`] agents. A segment begins with all of them, so that older segments can go.

use std::collections::HashMap;
use std::sync::Arc;

use super::record::{Record, size};
use crate::seam::{UnixNanos, Uuid};
use crate::sink::EnvelopeHash;

/// The last envelope that a journal knows of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The stream.
    pub streamid: Uuid,
    /// Its agent.
    pub agentid: Arc<str>,
    /// Sequence of its last envelope.
    pub sequence: u64,
    /// Hash of its last envelope.
    pub hash: EnvelopeHash,
    /// When that was sealed.
    pub recordedtime: UnixNanos,
    /// Whether that was its `closed`.
    pub closed: bool,
}

impl Head {
    pub(super) fn of(record: &Record<'_>) -> Self {
        Self {
            streamid: record.streamid,
            agentid: Arc::from(record.agentid),
            sequence: record.sequence,
            hash: record.hash,
            recordedtime: record.recordedtime,
            closed: record.closes,
        }
    }

    pub(super) fn as_record(&self) -> Record<'_> {
        Record {
            streamid: self.streamid,
            agentid: &self.agentid,
            sequence: self.sequence,
            hash: self.hash,
            digest: [0; 32],
            recordedtime: self.recordedtime,
            own: false,
            terminal: false,
            closes: self.closed,
            signed: false,
            span: None,
            bytes: &[],
        }
    }
}

/// Twice what a lane keeps open by default: room for the open streams and as many evicted ones.
pub(super) const MOST: usize = 4096;

/// One head per agent.
#[derive(Clone, Debug, Default)]
pub(super) struct Heads(HashMap<Arc<str>, Head>);

impl Heads {
    /// Takes note of an appended or read envelope.
    pub(super) fn note(&mut self, record: &Record<'_>) {
        if let Some(head) = self.0.get_mut(record.agentid) {
            head.streamid = record.streamid;
            head.sequence = record.sequence;
            head.hash = record.hash;
            head.recordedtime = record.recordedtime;
            head.closed = record.closes;
        } else {
            self.make_room();
            let head = Head::of(record);
            self.0.insert(Arc::clone(&head.agentid), head);
        }
    }

    /// Takes over a head that another sub-journal knew, unless a newer one is known.
    pub(super) fn inherit(&mut self, head: &Head) {
        let newer = self.0.get(&head.agentid).is_some_and(|mine| mine.order() >= head.order());
        if !newer {
            self.make_room();
            self.0.insert(Arc::clone(&head.agentid), head.clone());
        }
    }

    /// All of them, in an order that does not depend on hashing.
    pub(super) fn sorted(&self) -> Vec<&Head> {
        let mut heads: Vec<_> = self.0.values().collect();
        heads.sort_by_key(|head| head.order());
        heads
    }

    /// That of `agentid`.
    pub(super) fn get(&self, agentid: &str) -> Option<&Head> {
        self.0.get(agentid)
    }

    /// Bytes that all of them take in a segment.
    pub(super) fn size(&self) -> u64 {
        self.0.values().filter_map(|head| size(&head.as_record())).map(|size| size as u64).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn make_room(&mut self) {
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.values().min_by_key(|head| head.order())
        {
            let agent = Arc::clone(&oldest.agentid);
            self.0.remove(&agent);
        }
    }
}

impl Head {
    /// Streams of one agent follow each other in time, and their ids are time-ordered (UUIDv7).
    fn order(&self) -> (UnixNanos, Uuid, u64) {
        (self.recordedtime, self.streamid, self.sequence)
    }
}
