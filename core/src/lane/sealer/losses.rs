//! What a sealer owes: declarations of events that did not arrive.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Item, Payload, Sealer, SignerFailed};
use crate::lane::loss::{Loss, Losses, LostRange, Reason};
use crate::lane::own;
use crate::seam::Uuid;
use crate::sink::Envelope;

/// How many ranges one declaration names, so that it stays far below the limit of an envelope.
const RANGES_PER_DECLARATION: usize = 2048;

impl Sealer {
    /// Takes over the losses of a dead process's journal; the ranges name their streams.
    pub(crate) fn inherit_damage(&mut self, count: u64, ranges: Vec<LostRange>) {
        self.waiting.add_damage(count, ranges);
    }

    /// Keeps what a stream that ends still owes: the agent's next stream declares sequences, the lane's own stream mere
    /// counts.
    pub(super) fn orphan(&mut self, agent: &Arc<str>, losses: Losses, of: Uuid) {
        if losses.is_empty() {
            return;
        }
        let mut numbered = Losses::default();
        numbered.inherit(losses, of);
        self.orphans.entry(Arc::clone(agent)).or_default().inherit(numbered, of);
    }

    /// Adds events of an agent that were dropped before they had a sequence.
    pub(crate) fn lose_unsealed(&mut self, agent: &str, reason: Reason, count: u64) {
        match self.streams.get_mut(agent) {
            Some(stream) => stream.losses.add_unnumbered(reason, count),
            None => {
                let own = self.own_agent();
                let losses = match self.streams.get_mut(&own) {
                    Some(stream) => &mut stream.losses,
                    None => &mut self.waiting,
                };
                losses.add_elsewhere(reason, agent, count);
            }
        }
    }

    /// Adds a sealed envelope that will not arrive.
    pub(crate) fn lose_sealed(&mut self, item: &Item, reason: Reason) {
        let events = item.payload.counted(&item.envelope);
        let (losses, of) = self.losses_for(&item.envelope);
        let to = item.envelope.sequence;
        // A stream's first envelope names its predecessor. Without it nobody can know that the stream continues the
        // predecessor's sequences, so everything from 1 on counts as missing.
        let from = if item.envelope.prevhash.is_none() { 1 } else { to };
        let prev = item.envelope.prevhash;
        losses.add_range(reason, events, LostRange { from, to, prev, streamid: of, maybe: false });
    }

    /// Where the loss of this envelope waits to be declared, and which stream its range must name.
    fn losses_for(&mut self, envelope: &Envelope) -> (&mut Losses, Option<Uuid>) {
        match self.streams.get_mut(&envelope.agentid) {
            Some(stream) => {
                let of = (stream.streamid != envelope.streamid).then_some(envelope.streamid);
                (&mut stream.losses, of)
            }
            None => {
                let losses = self.orphans.entry(Arc::clone(&envelope.agentid)).or_default();
                (losses, Some(envelope.streamid))
            }
        }
    }

    /// Seals the declarations that the agent's stream owes, and skips a sequence for each event that had none.
    pub(super) fn declare_in(&mut self, agent: &Arc<str>, out: &mut Vec<Item>) -> Result<(), SignerFailed> {
        let Some(stream) = self.streams.get_mut(agent) else { return Ok(()) };
        let mut owed: VecDeque<Loss> = stream.losses.take().into();
        while let Some(mut loss) = owed.pop_front() {
            if loss.ranges.len() > RANGES_PER_DECLARATION {
                let rest = loss.ranges.split_off(RANGES_PER_DECLARATION);
                // Of several declarations only the last carries the count and the skip.
                owed.push_front(Loss { ranges: rest, ..loss.clone() });
                loss.count = 0;
                loss.unnumbered = 0;
            }
            let next = self.streams.get(agent).map_or(1, |stream| stream.next);
            let skip = loss.unnumbered;
            let mut numbered = loss.clone();
            if skip > 0 {
                let range =
                    LostRange { from: next, to: next + skip - 1, prev: None, streamid: None, maybe: false };
                numbered.push(range);
                numbered.unnumbered = 0;
            }
            let body = own::loss(&self.lane, &numbered, &numbered.ranges, numbered.agent.as_deref());
            if let Err(e) = self.seal_own(agent, body, Payload::Declaration(Box::new(numbered)), skip, out) {
                if let Some(stream) = self.streams.get_mut(agent) {
                    owed.push_front(loss);
                    owed.into_iter().for_each(|loss| stream.losses.restore(loss, None));
                }
                return Err(e);
            }
        }
        Ok(())
    }

    /// Declares what every open stream owes.
    pub(crate) fn declare(&mut self, out: &mut Vec<Item>) -> Result<(), SignerFailed> {
        // Only a stream of the same agent can declare sequences: the agent's next one is opened for that.
        let orphaned: Vec<_> = self.orphans.keys().cloned().collect();
        for agent in orphaned {
            self.open(&agent, out)?;
            self.declare_in(&agent, out)?;
        }
        let mut agents: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, s)| !s.losses.is_empty())
            .map(|(agent, _)| Arc::clone(agent))
            .collect();
        agents.sort();
        for agent in agents {
            self.declare_in(&agent, out)?;
        }
        Ok(())
    }

    /// Whether any loss is still to be declared.
    pub(crate) fn owes(&self) -> bool {
        !self.orphans.is_empty()
            || !self.waiting.is_empty()
            || self.streams.values().any(|stream| !stream.losses.is_empty())
    }

    /// Takes back a declaration that was lost itself.
    pub(crate) fn restore(&mut self, envelope: &Envelope, loss: Loss) {
        let (losses, of) = self.losses_for(envelope);
        losses.restore(loss, of);
    }

    /// Adds an envelope that the receiver may have refused, of a batch of which it refused `count`.
    pub(crate) fn lose_maybe(&mut self, item: &Item, count: u64) {
        let at = item.envelope.sequence;
        let (losses, of) = self.losses_for(&item.envelope);
        let prev = item.envelope.prevhash;
        let range = LostRange { from: at, to: at, prev, streamid: of, maybe: true };
        losses.add_range(Reason::Uncertain, count, range);
    }
}
