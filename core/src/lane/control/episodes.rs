//! Losses as the other lanes hear of them: one record per episode, not one per event.

use std::time::Duration;

use super::{Control, Out};
use crate::lane::loss::{LostRange, Reason};
use crate::lane::own::Fact;
use crate::seam::{Instant, Uuid};
use crate::sink::Envelope;

/// A loss episode ends after this long without another loss of its reason (envelope.md).
pub(super) const EPISODE: Duration = Duration::from_secs(10);

/// Episodes that are told apart by stream.
const EPISODES: usize = 64;

/// Ranges that one episode names; its count stays exact beyond them.
const RANGES_PER_EPISODE: usize = 1024;

pub(super) struct Episode {
    reason: Reason,
    streamid: Option<Uuid>,
    count: u64,
    lost: Vec<LostRange>,
    pub(super) last: Instant,
}

impl Control {
    pub(super) fn note_episode(
        &mut self,
        reason: Reason,
        envelope: Option<&Envelope>,
        count: u64,
        maybe: bool,
        now: Instant,
    ) {
        let streamid = envelope.map(|envelope| envelope.streamid);
        let mut streamid = streamid;
        let mut envelope = envelope;
        let known = |e: &Episode| e.reason == reason && e.streamid == streamid;
        if self.episodes.len() >= EPISODES && !self.episodes.iter().any(known) {
            // Of so many streams at once only the count is told; each declares its own.
            streamid = None;
            envelope = None;
        }
        let at = self.episodes.iter().position(|e| e.reason == reason && e.streamid == streamid);
        let at = at.unwrap_or_else(|| {
            self.episodes.push(Episode { reason, streamid, count: 0, lost: Vec::new(), last: now });
            self.episodes.len() - 1
        });
        let episode = &mut self.episodes[at];
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

    /// Tells the `siem` and `audit` lanes of episodes that are over.
    pub(super) fn end_episodes(&mut self, now: Instant, flush: bool) {
        let over = |episode: &Episode| flush || now >= episode.last.after(EPISODE);
        let mut kept = Vec::new();
        for episode in self.episodes.drain(..) {
            if over(&episode) {
                self.outbox.push(Out::Loss(Fact {
                    lane: self.lane.id_arc(),
                    reason: episode.reason,
                    streamid: episode.streamid,
                    count: episode.count,
                    lost: episode.lost,
                }));
            } else {
                kept.push(episode);
            }
        }
        self.episodes = kept;
    }
}
