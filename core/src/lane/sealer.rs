//! The sealer of a lane: gives events their place in a stream.
//!
//! Guarantees: sequences are given in queue order, by one thread at a time; a stream's chain continues unbroken over
//! the events that it declares lost; own envelopes are sealed here, in front of the next event, from notes that merge
//! while they wait; at most `streams` are open. Sealing needs no signature, as no hash holds one. What is sealed
//! together is signed together ([`Sealer::sign`]), each envelope or the last of each stream, before any of it is
//! written or sent.

mod keys;
mod losses;
mod signing;
mod spare;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use self::signing::Unsigned;
use self::spare::Spare;
use super::Lane;
use super::loss::{Loss, Losses, Reason};
use super::own::{self, Body, Note, StreamHead, StreamNote, StreamState, Why};
use super::shape::Shapable;
use crate::envelope::{
    ContentRules, EventDigest, Prepared, SEQUENCE_BOUND, SealError, Sealing, StreamText, seal,
};
use crate::event::{Event, Identity};
use crate::key::{SignFailure, SigningKey};
use crate::lane::{EndState, Ending, Tracked};
use crate::seam::{UnixNanos, Uuid};
use crate::settings::ContentCeiling;
use crate::sink::{Envelope, EnvelopeHash, SinkClass, SpanForm};
use crate::timeline::Timeline;

/// A checkpoint is sealed every so many envelopes of a stream (docs/spec/envelope.md).
const CHECKPOINT_EVERY: u64 = 1024;

/// An envelope on its way, and what is needed if it does not arrive.
pub(crate) struct Item {
    pub(crate) envelope: Envelope,
    pub(crate) payload: Payload,
    /// How often it was given to the sink.
    pub(crate) tries: u32,
    /// Whether it is its stream's `closed`.
    pub(crate) closes: bool,
    /// Where a journal has it.
    pub(crate) place: Option<super::durable::Place>,
    /// Places of refused envelopes that the journal may forget once this one is on disk: this envelope, or an earlier
    /// one of its batch, declares them lost.
    pub(crate) covers: Vec<super::durable::Place>,
    /// Set while the envelope has no signature and may still get one.
    pub(crate) unsigned: Option<Unsigned>,
}

impl Item {
    pub(crate) fn new(envelope: Envelope, payload: Payload) -> Self {
        Self { envelope, payload, tries: 0, closes: false, place: None, covers: Vec::new(), unsigned: None }
    }
}

/// An event that a lane has taken from its queue. If the lane panics while it holds the event, the receipt ends as
/// `uncertain` instead of hanging.
pub(crate) struct Held {
    tracked: Arc<Tracked>,
    lane: usize,
    durable: bool,
}

impl Held {
    pub(crate) fn new(tracked: Arc<Tracked>, lane: &Lane) -> Self {
        Self { tracked, lane: lane.index, durable: lane.durable() }
    }
}

impl std::ops::Deref for Held {
    type Target = Arc<Tracked>;

    fn deref(&self) -> &Arc<Tracked> {
        &self.tracked
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tracked.end(self.lane, self.durable, || Ending {
                state: EndState::Uncertain,
                reason: Some("internal"),
                sealed: None,
                when: self.tracked.event.time,
            });
        }
    }
}

/// What an envelope carries. An event takes little room: what is rare and large is boxed.
pub(crate) enum Payload {
    /// A host's event.
    Event(Held),
    /// A declaration of loss: merged back if it is refused.
    Declaration(Box<Loss>),
    /// Something another part of the emitter asked to say.
    Note(Box<Note>),
    /// A checkpoint or `closed`: written to the second place once acknowledged.
    Checkpoint,
    /// `key_retiring` or `key_active`: sent until acknowledged, even after it was refused and declared lost.
    KeyChange {
        /// Whether it has been declared lost.
        declared: bool,
    },
    /// `opened`
    Opened,
    /// Any other own envelope.
    Own,
    /// An envelope that was sealed before: a dead process's, or one that `repair` sends again.
    Replayed,
    /// A sealed envelope of another lane (a checkpoint): only passed on.
    Foreign,
}

impl Payload {
    /// Whether its stream no longer counts it as outstanding.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self, Self::KeyChange { declared: true })
    }

    /// 1 for a host's event, else 0.
    pub(crate) fn events(&self) -> u64 {
        u64::from(matches!(self, Self::Event(_)))
    }

    /// Whether it gets a signature even from a key that signs only one envelope of each batch (docs/spec/envelope.md).
    fn is_always_signed(&self) -> bool {
        match self {
            Self::Opened | Self::Checkpoint | Self::KeyChange { .. } | Self::Declaration(_) => true,
            Self::Note(note) => matches!(**note, Note::Fact(_) | Note::Retention { .. }),
            _ => false,
        }
    }

    /// Whether it is another lane's.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign)
    }

    /// How many events a declaration of its loss counts: 1 for a host's event, also for one of a dead process.
    fn counted(&self, envelope: &Envelope) -> u64 {
        match self {
            Self::Replayed => u64::from(!envelope.own),
            other => other.events(),
        }
    }
}

struct Stream {
    streamid: Uuid,
    agent: Arc<str>,
    text: StreamText,
    /// The number the next envelope gets.
    next: u64,
    last: Option<(EnvelopeHash, UnixNanos)>,
    /// Envelopes since the last checkpoint.
    since_checkpoint: u64,
    /// Sealed and neither acknowledged nor given up.
    outstanding: u64,
    losses: Losses,
    /// The sealer's count of uses when the stream was last used.
    used: u64,
    closed: bool,
}

impl Sealer {
    fn last_head(streamid: Uuid, next: u64, last: Option<(EnvelopeHash, UnixNanos)>) -> Option<StreamHead> {
        let (head, _) = last?;
        Some(StreamHead { streamid, sequence: next - 1, head })
    }
}

impl Stream {
    fn head(&self) -> Option<StreamHead> {
        let (head, _) = self.last?;
        Some(StreamHead { streamid: self.streamid, sequence: self.next - 1, head })
    }
}

/// What sealing needs to know of the emitter.
pub(crate) struct SealContext {
    pub(crate) identity: Arc<Identity>,
    pub(crate) timeline: Arc<Timeline>,
    /// Why the emitter's streams are opened.
    pub(crate) why: Why,
    /// What governance says about content.
    pub(crate) content: ContentRules,
}

/// What is sealed of an event: its data, which of its bytes are outside of the digest, where the digest is kept that
/// lanes share, and what becomes of the span that it is of.
type Form<'a> = (&'a [u8], Range<usize>, Option<&'a OnceLock<EventDigest>>, Option<SpanForm>);

/// See the module's head.
pub(crate) struct Sealer {
    context: Arc<SealContext>,
    lane: Arc<str>,
    /// The emitter's own agent. Like all names that the sealer clones often, it is the lane's own copy of the `Arc`, so
    /// that lanes don't contend for one reference count.
    own: Arc<str>,
    classes: Vec<SinkClass>,
    ceiling: ContentCeiling,
    key: Option<SigningKey>,
    /// How long a host's signer is waited for; where not, it is called on the thread that seals.
    signer_timeout: Option<Duration>,
    /// A key that takes over before the next envelope.
    next_key: Option<SigningKey>,
    /// `key_retiring` is sealed, but the retiring key has not signed it yet.
    retiring: bool,
    /// How often in a row the signer has failed.
    failed: Cell<u32>,
    /// After so many failures of a retiring key's signer, the next key signs.
    patience: u32,
    limit: usize,
    /// In a tree, as one agent or a few are found there with fewer instructions than a hash of a name takes.
    streams: BTreeMap<Arc<str>, Stream>,
    /// The agent whose stream was used last, if it is still open.
    latest: Option<Arc<str>>,
    types: InternedNames,
    /// Open streams by when they were last used.
    by_use: BTreeMap<u64, Arc<str>>,
    /// The last envelopes of streams that are no longer open, for the latest `limit` agents.
    gone: HashMap<Arc<str>, StreamHead>,
    gone_order: VecDeque<Arc<str>>,
    /// Streams opened, closed and left since the last checkpoint in the lane's own stream.
    changes: Vec<StreamNote>,
    /// The reason that streams opened from now on state.
    why: Why,
    /// Agents whose stream this sealer itself has closed or left.
    reopened: HashSet<Arc<str>>,
    /// Whether declarations may be sealed: not after the sink has refused one until it acknowledges something.
    pub(crate) may_declare: bool,
    /// Losses that no open stream can declare yet: what dead processes lost, and what happens between a
    /// journal's failure and the next stream.
    waiting: Losses,
    /// Losses with sequences, of agents whose stream is no longer open: the agent's next stream is opened to declare
    /// them.
    orphans: BTreeMap<Arc<str>, Losses>,
    uses: u64,
    sealed: u64,
    opened: u64,
    /// Whether the stream that was sealed in last owes a checkpoint.
    owes_checkpoint: bool,
    spare: Spare,
    scratch: Vec<u8>,
}

/// Names that recur, such as event types, as the lane's own `Arc`s; only the latest few.
#[derive(Default)]
struct InternedNames {
    known: Vec<Arc<str>>,
    next: usize,
}

impl InternedNames {
    const MOST: usize = 8;

    /// The type of this event.
    fn get(&mut self, event: &Event) -> &Arc<str> {
        let name = event.event_type_bytes();
        let at = self.known.iter().position(|known| *known.as_bytes() == *name).unwrap_or_else(|| {
            let at = self.next % Self::MOST;
            self.next = at + 1;
            if at == self.known.len() {
                self.known.push(event.event_type().into());
            } else {
                self.known[at] = event.event_type().into();
            }
            at
        });
        &self.known[at]
    }
}

/// What is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Event,
    Own,
    /// An own envelope that is signed whatever the key's mode, as verification of others depends on it.
    Signed,
}

/// A host's signer failed: the lane waits and tries again.
#[derive(Debug)]
pub(crate) struct SignerFailed(pub(crate) SignFailure);

impl Sealer {
    pub(crate) fn new(context: Arc<SealContext>, lane: &Lane, key: Option<SigningKey>) -> Self {
        Self {
            why: context.why,
            own: (&*context.identity.agent).into(),
            context,
            lane: lane.id_arc(),
            classes: lane.classes().to_vec(),
            ceiling: lane.config.content.clone(),
            key,
            next_key: None,
            signer_timeout: None,
            retiring: false,
            failed: Cell::new(0),
            patience: lane.config.breaker.failures,
            limit: lane.config.streams.max(2),
            streams: BTreeMap::new(),
            latest: None,
            types: InternedNames::default(),
            by_use: BTreeMap::new(),
            gone: HashMap::new(),
            gone_order: VecDeque::new(),
            changes: Vec::new(),
            reopened: HashSet::new(),
            may_declare: true,
            waiting: Losses::default(),
            orphans: BTreeMap::new(),
            uses: 0,
            sealed: 0,
            opened: 0,
            owes_checkpoint: false,
            spare: Spare::new(lane.config.batch.events),
            scratch: Vec::new(),
        }
    }

    fn own_agent(&self) -> Arc<str> {
        Arc::clone(&self.own)
    }

    /// Takes over the last envelope that a journal has of a dead process's stream: the agent's next stream names it as
    /// its predecessor.
    pub(crate) fn adopt(&mut self, agent: Arc<str>, head: StreamHead) {
        self.remember(agent, head);
    }

    /// To be called when the lane's journal has failed: every stream ends, and the agent's next event begins a new
    /// stream that names the old one.
    pub(crate) fn begin_anew(&mut self) {
        self.why = Why::JournalFailed;
        for (agent, stream) in std::mem::take(&mut self.streams) {
            self.orphan(&agent, stream.losses, stream.streamid);
            if let Some(head) = Self::last_head(stream.streamid, stream.next, stream.last) {
                self.remember(agent, head);
            }
        }
        self.latest = None;
        self.by_use.clear();
        self.reopened.clear();
        self.changes.clear();
    }

    fn remember(&mut self, agent: Arc<str>, head: StreamHead) {
        if self.gone.insert(Arc::clone(&agent), head).is_none() {
            self.gone_order.push_back(agent);
        }
        while self.gone_order.len() > self.limit {
            if let Some(oldest) = self.gone_order.pop_front() {
                self.reopened.remove(&oldest);
                self.gone.remove(&oldest);
            }
        }
    }

    /// Whether the lane's own stream is open; it is the first to be opened and stays.
    pub(crate) fn started(&self) -> bool {
        self.streams.contains_key(&*self.context.identity.agent)
    }

    /// Opens the lane's own stream.
    pub(crate) fn start(&mut self, out: &mut Vec<Item>) -> Result<(), SignerFailed> {
        let agent = self.own_agent();
        self.open(&agent, out)?;
        if let Some(stream) = self.streams.get_mut(&agent) {
            for loss in self.waiting.take() {
                stream.losses.restore(loss, None);
            }
        }
        Ok(())
    }

    /// Opens the agent's stream unless it is open, and marks it used.
    fn open(&mut self, agent: &Arc<str>, out: &mut Vec<Item>) -> Result<(), SignerFailed> {
        if self.latest.as_ref() == Some(agent) {
            // Most events follow one of the same agent.
            return Ok(());
        }
        self.uses += 1;
        if let Some(stream) = self.streams.get_mut(agent) {
            self.latest = Some(Arc::clone(agent));
            self.by_use.remove(&stream.used);
            stream.used = self.uses;
            self.by_use.insert(self.uses, Arc::clone(agent));
            return Ok(());
        }
        if self.streams.len() >= self.limit {
            self.evict(out)?;
        }
        let follows = self.gone.get(agent).copied();
        let why = match self.why {
            _ if self.reopened.contains(agent) => Why::Reopened,
            Why::Start if follows.is_some() => Why::Restart,
            why => why,
        };
        let recorded = self.context.timeline.recorded(self.sealed);
        let random = self.context.timeline.bytes16(&format!("stream:{}", self.lane), self.opened);
        let streamid = Uuid::v7(recorded, random);
        let stream = Stream {
            streamid,
            agent: Arc::clone(agent),
            text: StreamText::of(
                agent,
                &self.context.identity.source,
                self.context.identity.policy_version.as_deref(),
                streamid,
            ),
            next: follows.map_or(1, |head| head.sequence + 1),
            last: None,
            since_checkpoint: 0,
            outstanding: 0,
            losses: Losses::default(),
            used: self.uses,
            closed: false,
        };
        self.streams.insert(Arc::clone(agent), stream);
        let body = own::opened(why, &self.lane, &self.classes, self.key.as_ref(), follows.as_ref());
        match self.seal_own(agent, body, Payload::Opened, 0, out) {
            Ok(()) => {
                self.opened += 1;
                self.latest = Some(Arc::clone(agent));
                self.by_use.insert(self.uses, Arc::clone(agent));
                self.gone.remove(agent);
                self.gone_order.retain(|gone| gone != agent);
                if let (Some(owed), Some(stream)) = (self.orphans.remove(agent), self.streams.get_mut(agent))
                {
                    let mut owed = owed;
                    for loss in owed.take() {
                        stream.losses.restore(loss, None);
                    }
                }
                self.note_change(agent, StreamState::Open);
                Ok(())
            }
            Err(e) => {
                self.streams.remove(agent);
                Err(e)
            }
        }
    }

    fn note_change(&mut self, agent: &Arc<str>, state: StreamState) {
        if *agent == self.context.identity.agent {
            return;
        }
        if let Some(head) = self.streams.get(agent).and_then(Stream::head) {
            self.changes.push(StreamNote { agent: Arc::clone(agent), state, head });
        }
    }

    /// Ends the stream that was idle longest (never the lane's own): closes it, or leaves it without `closed` if
    /// something in it is outstanding or undeclared.
    fn evict(&mut self, out: &mut Vec<Item>) -> Result<(), SignerFailed> {
        let own = self.own_agent();
        let Some(agent) = self.by_use.values().find(|agent| **agent != own).cloned() else {
            return Ok(());
        };
        if self.may_declare {
            self.declare_in(&agent, out)?;
        }
        let settled = self.streams.get(&agent).is_some_and(|s| s.outstanding == 0 && s.losses.is_empty());
        if settled {
            self.close(&agent, out)?;
        } else {
            self.note_change(&agent, StreamState::Left);
        }
        if let Some(stream) = self.streams.remove(&agent) {
            self.latest = self.latest.take().filter(|latest| *latest != agent);
            self.by_use.remove(&stream.used);
            if let Some(head) = Self::last_head(stream.streamid, stream.next, stream.last) {
                self.reopened.insert(Arc::clone(&agent));
                self.remember(Arc::clone(&agent), head);
            }
            self.orphan(&agent, stream.losses, stream.streamid);
        }
        Ok(())
    }

    /// Seals a host's event, after the own envelopes that its stream owes. Answers a reason if the event cannot be
    /// sealed and is lost; its stream then declares it.
    pub(crate) fn seal_event(
        &mut self,
        lane: &Lane,
        tracked: &Arc<Tracked>,
        out: &mut Vec<Item>,
    ) -> Result<Option<Reason>, SignerFailed> {
        self.change_key(out)?;
        let event = &tracked.event;
        let agent = self.agent(event);
        self.open(&agent, out)?;
        let context = &*self.context;
        let scratch = &mut self.scratch;
        let mut prepare = || Prepared::of(event, &context.content, &context.timeline, scratch).ok();
        let alone;
        let prepared = match tracked.prepared.get() {
            Some(prepared) => prepared.as_deref(),
            // Nobody else will ask for it: no other lane, and no receipt for a salt.
            None if tracked.is_in_one_lane() && !event.has_content() => {
                alone = prepare();
                alone.as_ref()
            }
            None => tracked.prepared.get_or_init(|| prepare().map(Box::new)).as_deref(),
        };
        let Some(prepared) = prepared else {
            // An event that could not be redacted does not leave the process.
            self.lose_unsealed(&agent, Reason::Serialization, 1);
            return Ok(Some(Reason::Serialization));
        };
        let view = match &tracked.shaping {
            Some(shaping) if lane.may_be_shaped() => {
                Shapable::of(event).and_then(|event| shaping.view(lane.index, event, &prepared.redacted))
            }
            _ => None,
        };
        let span = match &tracked.shaping {
            _ if !event.of_span => None,
            Some(shaping) if lane.may_be_shaped() => shaping.span(lane.index, event),
            _ => Some(SpanForm::default()),
        };
        let base = view.as_deref().unwrap_or_else(|| prepared.data(event));
        let content = prepared.lane_data(event, base, &self.ceiling, &context.timeline);
        let (data, disclosed) = match &content {
            Some(content) => (content.bytes.as_slice(), content.disclosed.clone()),
            None => (base, 0..0),
        };
        // A digest is shared only between lanes that seal the event in the same form, so not by a lane with its own
        // view.
        let digest = if view.is_none() { prepared.shared_digest(&self.ceiling) } else { None };
        match self.seal_in(&agent, event, prepared, (data, disclosed, digest, span), Kind::Event, 0) {
            Ok((envelope, unsigned)) => {
                let payload = Payload::Event(Held::new(Arc::clone(tracked), lane));
                out.push(Item { unsigned, ..Item::new(envelope, payload) });
                self.checkpoint_if_due(&agent, out).map(|()| None)
            }
            Err(SealError::TooLarge) => {
                self.lose_unsealed(&agent, Reason::TooLarge, 1);
                Ok(Some(Reason::TooLarge))
            }
        }
    }

    /// This lane's own copy of an agent's name.
    fn agent(&self, event: &Event) -> Arc<str> {
        match &self.latest {
            Some(latest) if *latest.as_bytes() == *event.agent_bytes() => Arc::clone(latest),
            _ => {
                let name = event.agent();
                self.streams.get_key_value(name).map_or_else(|| name.into(), |(known, _)| Arc::clone(known))
            }
        }
    }

    fn seal_own(
        &mut self,
        agent: &Arc<str>,
        body: Body,
        payload: Payload,
        skip: u64,
        out: &mut Vec<Item>,
    ) -> Result<(), SignerFailed> {
        let context = Arc::clone(&self.context);
        let recorded = context.timeline.recorded(self.sealed);
        let random = context.timeline.own(&self.lane, self.sealed);
        let event = Event::own(
            Uuid::v7(recorded, random),
            recorded,
            [&context.identity.prefix, body.event_type],
            body.severity,
            agent,
            context.identity.tenant.as_deref(),
            body.data,
        );
        let prepared = Prepared::plain(&event, &context.content, &mut self.scratch);
        let kind = if payload.is_always_signed() { Kind::Signed } else { Kind::Own };
        match self.seal_in(agent, &event, &prepared, (event.data(), 0..0, None, None), kind, skip) {
            Ok((envelope, unsigned)) => {
                out.push(Item { unsigned, ..Item::new(envelope, payload) });
                Ok(())
            }
            Err(SealError::TooLarge) => {
                Err(SignerFailed(SignFailure::said("an envelope of our own is too large".to_owned())))
            }
        }
    }

    /// Seals an event with its agent's stream's next sequence, after skipping `skip` of them.
    fn seal_in(
        &mut self,
        agent: &Arc<str>,
        event: &Event,
        prepared: &Prepared,
        (data, disclosed, digest, span): Form<'_>,
        kind: Kind,
        skip: u64,
    ) -> Result<(Envelope, Option<Unsigned>), SealError> {
        let identity = &*self.context.identity;
        let recordedtime = self.context.timeline.recorded(self.sealed);
        let Some(stream) = self.streams.get_mut(agent) else {
            debug_assert!(false, "a stream is opened before anything is sealed in it");
            return Err(SealError::TooLarge);
        };
        let own = kind != Kind::Event;
        let (now, room) = signing::at_once(self.key.as_ref(), kind);
        let sequence = stream.next + skip;
        debug_assert!(sequence < SEQUENCE_BOUND);
        let sealing = Sealing {
            event,
            agent,
            event_type: self.types.get(event),
            wire: &prepared.wire,
            data,
            disclosed,
            digest,
            // Own envelopes are small, and bounded by other means.
            limit: if own { usize::MAX } else { identity.limits.envelope },
            own,
            streamid: stream.streamid,
            sequence,
            prevhash: stream.last.map(|(hash, _)| hash),
            recordedtime,
            span,
        };
        let (envelope, opening) =
            seal(&sealing, &mut stream.text, now, room, &mut self.spare.envelopes, &mut self.scratch)?;
        stream.next = sequence + 1;
        stream.last = Some((envelope.hash, recordedtime));
        stream.outstanding += 1;
        stream.since_checkpoint += 1;
        self.owes_checkpoint = stream.since_checkpoint >= CHECKPOINT_EVERY;
        self.sealed += 1;
        let unsigned = (self.key.is_some() && now.is_none())
            .then_some(Unsigned { opening, always: kind == Kind::Signed });
        Ok((envelope, unsigned))
    }

    /// To be called when an event of this agent has just been sealed.
    fn checkpoint_if_due(&mut self, agent: &Arc<str>, out: &mut Vec<Item>) -> Result<(), SignerFailed> {
        if self.owes_checkpoint {
            self.checkpoint(agent, "checkpoint", out)?;
        }
        if self.changes.len() as u64 >= CHECKPOINT_EVERY && self.streams.contains_key(&self.own) {
            let own = self.own_agent();
            self.checkpoint(&own, "checkpoint", out)?;
        }
        Ok(())
    }

    /// Seals `checkpoint` or `closed` about what the stream holds so far.
    fn checkpoint(
        &mut self,
        agent: &Arc<str>,
        action: &str,
        out: &mut Vec<Item>,
    ) -> Result<(), SignerFailed> {
        let Some((before, (_, time))) = self.streams.get(agent).and_then(|s| Some((s.head()?, s.last?)))
        else {
            return Ok(());
        };
        let own = *agent == self.context.identity.agent;
        if own {
            // The heads of open streams have moved since they were noted: name the current ones.
            for change in &mut self.changes {
                let current = self.streams.get(&change.agent).filter(|s| s.streamid == change.head.streamid);
                if change.state == StreamState::Open
                    && let Some(head) = current.and_then(Stream::head)
                {
                    change.head = head;
                }
            }
        }
        let body = own::checkpoint(action, &self.lane, &before, time, own.then_some(self.changes.as_slice()));
        self.seal_own(agent, body, Payload::Checkpoint, 0, out)?;
        if let Some(item) = out.last_mut() {
            item.closes = action == "closed";
        }
        if own {
            self.changes.clear();
        }
        if let Some(stream) = self.streams.get_mut(agent) {
            stream.since_checkpoint = 0;
            stream.closed |= action == "closed";
        }
        Ok(())
    }

    fn close(&mut self, agent: &Arc<str>, out: &mut Vec<Item>) -> Result<(), SignerFailed> {
        self.checkpoint(agent, "closed", out)?;
        self.note_change(agent, StreamState::Closed);
        Ok(())
    }

    /// Seals `closed` in every stream with nothing outstanding or undeclared; in the lane's own stream last.
    pub(crate) fn close_all(&mut self, out: &mut Vec<Item>) -> Result<(), SignerFailed> {
        let own = self.own_agent();
        let mut agents: Vec<_> = self.streams.keys().filter(|agent| **agent != own).cloned().collect();
        agents.sort();
        agents.push(own);
        for agent in agents {
            let ready = self
                .streams
                .get(&agent)
                .is_some_and(|s| s.outstanding == 0 && s.losses.is_empty() && !s.closed);
            if ready {
                self.close(&agent, out)?;
            }
        }
        Ok(())
    }

    /// Seals, in the lane's own stream, what another part of the emitter asked for.
    pub(crate) fn say(&mut self, note: Note, out: &mut Vec<Item>) -> Result<(), SignerFailed> {
        let own = self.own_agent();
        let body = own::note(&note, &self.lane);
        self.seal_own(&own, body, Payload::Note(Box::new(note)), 0, out)
    }

    /// Seals a heartbeat in the lane's own stream, with the heads of the other streams.
    pub(crate) fn heartbeat(
        &mut self,
        state: super::health::LaneState,
        counters: &super::counters::Counters,
        out: &mut Vec<Item>,
    ) -> Result<(), SignerFailed> {
        let own = self.own_agent();
        let mut others: Vec<_> = self.streams.values().filter(|stream| stream.agent != own).collect();
        others.sort_by_key(|stream| stream.streamid);
        let heads: Vec<StreamHead> = others.into_iter().filter_map(Stream::head).collect();
        let body = own::heartbeat(&self.lane, state, counters, &heads);
        self.seal_own(&own, body, Payload::Own, 0, out)
    }

    /// The envelope is no longer outstanding: it was acknowledged, or never will be.
    pub(crate) fn settle(&mut self, envelope: &Envelope) {
        self.settle_all(std::iter::once(envelope));
    }

    /// The same for several; neighbours of one stream are counted at once.
    pub(crate) fn settle_all<'a>(&mut self, envelopes: impl Iterator<Item = &'a Envelope>) {
        let mut envelopes = envelopes.peekable();
        while let Some(envelope) = envelopes.next() {
            let mut count = 1;
            while envelopes.next_if(|next| next.streamid == envelope.streamid).is_some() {
                count += 1;
            }
            if let Some(stream) = self.streams.get_mut(&envelope.agentid)
                && stream.streamid == envelope.streamid
            {
                stream.outstanding = stream.outstanding.saturating_sub(count);
            }
        }
    }

    /// How many streams are without a `closed`.
    pub(crate) fn open_streams(&self) -> usize {
        self.streams.values().filter(|stream| !stream.closed).count()
    }

    /// The wall-clock time, for what stands in no envelope.
    pub(crate) fn unix_nanos(&self) -> UnixNanos {
        self.context.timeline.unix_nanos()
    }
}
