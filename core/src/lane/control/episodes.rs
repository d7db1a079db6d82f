//! Losses as the other lanes are told of them: one record per episode, not one per event.

use std::sync::Arc;
use std::time::Duration;

use crate::lane::loss::{LostRange, Reason};
use crate::lane::own::Fact;
use crate::seam::{Instant, Uuid};
use crate::sink::Envelope;

/// A loss episode ends after this long without another loss of its reason (docs/spec/envelope.md).
pub(super) const EPISODE: Duration = Duration::from_secs(10);

/// How many episodes are told apart by stream.
const EPISODES: usize = 64;

/// How many ranges one episode names; its count stays exact beyond them.
const RANGES_PER_EPISODE: usize = 1024;

/// Losses for one reason in one stream, until no more come.
pub(super) struct Episode {
    reason: Reason,
    streamid: Option<Uuid>,
    count: u64,
    lost: Vec<LostRange>,
    last: Instant,
}

impl Episode {
    pub(super) fn fact(self, lane: Arc<str>) -> Fact {
        Fact { lane, reason: self.reason, streamid: self.streamid, count: self.count, lost: self.lost }
    }
}

/// The episodes that are not over.
#[derive(Default)]
pub(super) struct Episodes(Vec<Episode>);

impl Episodes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a loss to its episode.
    pub(super) fn note(
        &mut self,
        reason: Reason,
        envelope: Option<&Envelope>,
        count: u64,
        maybe: bool,
        now: Instant,
    ) {
        let mut streamid = envelope.map(|envelope| envelope.streamid);
        let mut envelope = envelope;
        let known = |e: &Episode| e.reason == reason && e.streamid == streamid;
        if self.0.len() >= EPISODES && !self.0.iter().any(known) {
            // With so many streams at once only the count is told; each stream declares its own losses anyway.
            streamid = None;
            envelope = None;
        }
        let at = self.0.iter().position(|e| e.reason == reason && e.streamid == streamid);
        let at = at.unwrap_or_else(|| {
            self.0.push(Episode { reason, streamid, count: 0, lost: Vec::new(), last: now });
            self.0.len() - 1
        });
        let episode = &mut self.0[at];
        episode.count += count;
        episode.last = now;
        if let Some(envelope) = envelope {
            let sequence = envelope.sequence;
            let known = episode.lost.len();
            match episode.lost.last_mut() {
                Some(last) if last.to + 1 == sequence => last.to = sequence,
                _ if known < RANGES_PER_EPISODE => {
                    episode.lost.push(LostRange {
                        from: sequence,
                        to: sequence,
                        prev: None,
                        streamid: None,
                        maybe,
                    });
                }
                _ => {}
            }
        }
    }

    /// Takes out the episodes that are over, or all.
    pub(super) fn over(&mut self, now: Instant, all: bool) -> Vec<Episode> {
        let (over, kept) =
            self.0.drain(..).partition(|episode: &Episode| all || now >= episode.last.after(EPISODE));
        self.0 = kept;
        over
    }

    /// When the next one is over.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|episode| episode.last.after(EPISODE)).min()
    }
}
