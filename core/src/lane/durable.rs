//! The journal's side of a durable lane: nothing goes to the sink before it is on disk, and nothing that is
//! on disk is forgotten before the sink has it.
//!
//! Guarantees: an event counts as `journaled` after the sync that covers its envelope (with `os`, after the write).
//! Acknowledgements move the cursor only contiguously. An envelope that the sink refused is acknowledged to the journal
//! only once the journal holds the declaration that names it. What dead processes left is sent first, oldest first,
//! byte for byte except for disclosures that today's policy no longer allows.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use super::Lane;
use super::acts::Acts;
use super::loss::LostRange;
use super::own::StreamHead;
use super::sealer::{Item, Payload, Sealer, SignerFailed};
use super::tail::Tail;
use crate::content::rejudge;
use crate::diagnostics::Repeat;
use crate::envelope::ContentRules;
use crate::error::{Error, Result};
use crate::event::deeds::Half;
use crate::journal::{Adopted, AppendError, Journal, Position, Record, Records, Stored, SyncSchedule};
use crate::json::{Value, parse};
use crate::seam::{Fs, Instant, SharedFs, SystemRandom, Uuid, parse_time};
use crate::settings::{JournalConfig, SyncPolicy};
use crate::sink::{Envelope, EnvelopeInner, EventId};

/// Which journal an envelope lies in, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    journal: Which,
    position: Position,
}

/// A journal of the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// This process's own, by its number: when a journal fails, another one is opened and gets the next number.
    Own(u32),
    /// One that was adopted.
    Inherited(usize),
}

/// How long to wait before another try when the journal was full or has failed.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// How many envelopes are written at a time when another journal replaces a failed one.
const KEEP: usize = 512;

/// Acknowledgements of one journal: contiguous from `next` on.
struct Settled {
    next: u64,
    ahead: BTreeSet<u64>,
}

impl Settled {
    fn from(acknowledged: Position) -> Self {
        Self { next: acknowledged.0 + 1, ahead: BTreeSet::new() }
    }

    /// Marks a position as settled; answers up to where all positions are settled, if that has moved.
    fn settle(&mut self, position: Position) -> Option<Position> {
        self.ahead.insert(position.0);
        let before = self.next;
        while self.ahead.remove(&self.next) {
            self.next += 1;
        }
        (self.next > before).then(|| Position(self.next - 1))
    }
}

struct Inherited {
    adopted: Adopted,
    records: Records,
    settled: Settled,
    /// Positions of envelopes that are never sent: no signature covers them, or today's policy cannot be applied to
    /// them.
    cut: BTreeSet<u64>,
    /// Streams of which something is signed: each of their envelopes that is sent is covered by a signature of its own
    /// or by a later one.
    signed: HashSet<Uuid>,
    read: bool,
    finished: bool,
}

/// See the module's head.
pub(crate) struct Durable {
    config: JournalConfig,
    journal: Option<Journal>,
    settled: Settled,
    schedule: SyncSchedule,
    inherited: Vec<Inherited>,
    /// Places of envelopes that the sink refused for good: settled once their declaration is on disk.
    refused: Vec<Place>,
    /// Appended; the sync is still to come, as `every` spaces syncs out.
    unsynced: VecDeque<Vec<Item>>,
    /// Sealed, but the journal was full.
    waiting: Option<Vec<Item>>,
    /// Set when the journal has failed: when to try to open another one.
    failed: Option<Instant>,
    /// How often another one was opened since something was last on disk.
    tries: u32,
    /// Why `waiting` found no room, until somebody asks.
    why_full: Option<Error>,
    /// When the journal's troubles were last logged.
    said: Repeat,
    /// How many journals of this process's own have failed.
    epoch: u32,
    /// When to try to append `waiting` again.
    again: Option<Instant>,
    /// At most so many envelopes are appended at once: more of `waiting` are too large for the journal together.
    at_most: usize,
    /// Deeds whose acts are under way.
    acts: Acts,
    /// What dead processes left of deeds.
    deeds: Vec<Half>,
}

/// What became of items that were to be journaled.
pub(crate) enum Written {
    /// On disk: they may go to the sink.
    Durable(Vec<Item>),
    /// They wait for a sync or for room.
    Waits,
    /// Too large for the journal as it is configured: they go on without it.
    Unwritable(Vec<Item>, Error),
    /// The journal failed: they go on without it, and those who wait for `journaled` get the error.
    Failed(Vec<Item>, Error),
}

fn record(item: &Item) -> Record<'_> {
    let envelope = &item.envelope;
    Record {
        streamid: envelope.streamid,
        agentid: &envelope.agentid,
        sequence: envelope.sequence,
        hash: envelope.hash,
        digest: envelope.digest,
        signed: envelope.signed,
        span: envelope.span,
        recordedtime: envelope.recordedtime,
        own: envelope.own,
        terminal: envelope.terminal,
        closes: item.closes,
        bytes: &envelope.bytes,
    }
}

fn records(items: &[Item]) -> Vec<Record<'_>> {
    items.iter().map(record).collect()
}

#[cfg(test)]
thread_local! {
    /// The file system of journals that are opened on this thread.
    pub(crate) static GIVEN_FS: std::cell::RefCell<Option<Arc<dyn Fs>>> = const { std::cell::RefCell::new(None) };
}

fn filesystem(config: &JournalConfig) -> Arc<dyn Fs> {
    #[cfg(test)]
    if let Some(fs) = GIVEN_FS.with_borrow(Clone::clone) {
        return fs;
    }
    Arc::new(SharedFs(config.access))
}

impl Durable {
    /// Opens the lane's journal and takes over what dead processes left for it.
    ///
    /// # Errors
    /// Kind `journal`.
    pub(crate) fn open(config: &JournalConfig, lane: &Lane, kind: &str, sealer: &mut Sealer) -> Result<Self> {
        let now = lane.timeline.unix_nanos();
        let (journal, adopted) =
            Journal::open(filesystem(config), Arc::new(SystemRandom), config, lane.id(), kind, now)?;
        let mut inherited = Vec::with_capacity(adopted.len());
        let mut deeds = Vec::new();
        for adopted in adopted {
            let tail = Tail::of(&adopted, sealer.key());
            for head in adopted.heads() {
                let known = StreamHead { streamid: head.streamid, sequence: head.sequence, head: head.hash };
                let known = tail.heads.get(&head.streamid).copied().unwrap_or(known);
                sealer.adopt(Arc::clone(&head.agentid), known);
            }
            if !tail.lost.is_empty() {
                sealer.inherit_damage(tail.events, tail.lost);
            }
            for damage in adopted.damage() {
                let ranges = damage.lost.iter().map(|lost| LostRange {
                    from: lost.from,
                    to: lost.to,
                    prev: None,
                    streamid: Some(lost.streamid),
                    maybe: false,
                });
                sealer.inherit_damage(damage.count(), ranges.collect());
            }
            deeds.extend(deeds_of(&adopted));
            let settled = Settled::from(adopted.acknowledged());
            inherited.push(Inherited {
                records: adopted.records(),
                adopted,
                settled,
                cut: tail.positions,
                signed: tail.heads.into_keys().collect(),
                read: false,
                finished: false,
            });
        }
        Ok(Self {
            config: config.clone(),
            journal: Some(journal),
            settled: Settled::from(Position(0)),
            schedule: SyncSchedule::new(lane.config.sync),
            inherited,
            refused: Vec::new(),
            unsynced: VecDeque::new(),
            waiting: None,
            failed: None,
            tries: 0,
            why_full: None,
            said: Repeat::default(),
            epoch: 0,
            again: None,
            at_most: usize::MAX,
            acts: Acts::default(),
            deeds,
        })
    }

    /// Takes what dead processes left of deeds: what their journals hold, delivered or not.
    pub(crate) fn take_deeds(&mut self) -> Vec<Half> {
        std::mem::take(&mut self.deeds)
    }

    /// Whether something sealed waits for room in the journal.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether everything that goes through the journal is on disk.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiting.is_none() && self.unsynced.is_empty() && self.inherited.iter().all(|old| old.read)
    }

    /// Tries to append `waiting` again. A part of it that is appended separately is signed separately, by `sign`.
    pub(crate) fn try_again(
        &mut self,
        now: Instant,
        sign: impl Fn(&mut [Item]) -> std::result::Result<(), SignerFailed>,
    ) -> Option<Written> {
        if self.again.is_some_and(|at| now < at) {
            return None;
        }
        let mut items = self.waiting.take()?;
        if items.len() > self.at_most {
            let rest = items.split_off(self.at_most);
            if sign(&mut items).is_err() {
                items.extend(rest);
                self.waiting = Some(items);
                self.again = Some(now.after(AGAIN));
                return Some(Written::Waits);
            }
            let written = self.write(items, now);
            match &mut self.waiting {
                Some(waiting) => waiting.extend(rest),
                None => {
                    self.waiting = Some(rest);
                    self.again = Some(now);
                }
            }
            return Some(written);
        }
        self.at_most = usize::MAX;
        Some(self.write(items, now))
    }

    /// When it must be called again at the latest.
    pub(crate) fn due(&self) -> Option<Instant> {
        let again = self.waiting.as_ref().and(self.again);
        [self.sync_at(), again, self.failed].into_iter().flatten().min()
    }

    /// When the lane ends: syncs what was appended, if that can still be done, and gives back what was sealed and not
    /// appended.
    pub(crate) fn give_back(&mut self, now: Instant) -> (Option<Written>, Vec<Item>) {
        let synced = self.sync_if_due(now, true);
        (synced, self.waiting.take().unwrap_or_default())
    }

    /// Takes the places of refused envelopes that no envelope sealed so far settles.
    pub(crate) fn take_refused(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.refused)
    }

    /// Appends sealed envelopes, and syncs as the lane's policy says.
    pub(crate) fn write(&mut self, mut items: Vec<Item>, now: Instant) -> Written {
        let Some(journal) = &mut self.journal else {
            return Written::Failed(items, Error::journal("the lane's journal has failed"));
        };
        // A checkpoint of another lane is journaled by that lane, not here.
        let (foreign, own): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| matches!(item.payload, Payload::Foreign));
        items = own;
        let last = match journal.append(&records(&items)) {
            Ok(last) => last,
            Err(AppendError::TooLarge(e)) if items.len() == 1 => {
                // It can never be appended, and everything behind it would wait for ever.
                items.extend(foreign);
                return Written::Unwritable(items, e);
            }
            Err(AppendError::TooLarge(_)) => {
                self.at_most = (items.len() / 2).max(1);
                items.extend(foreign);
                self.waiting = Some(items);
                self.again = Some(now);
                return Written::Waits;
            }
            Err(AppendError::Full(e)) => {
                items.extend(foreign);
                self.waiting = Some(items);
                self.again = Some(now.after(AGAIN));
                self.why_full = Some(e);
                return Written::Waits;
            }
            Err(AppendError::Failed(e)) => {
                items.extend(foreign);
                return self.fail(items, e, now);
            }
        };
        let first = last.0 + 1 - items.len() as u64;
        let mut deeds = false;
        for (n, item) in items.iter_mut().enumerate() {
            let position = Position(first + n as u64);
            item.place = Some(Place { journal: Which::Own(self.epoch), position });
            deeds |= self.acts.note(item, position);
        }
        if deeds {
            journal.keep_from(self.acts.oldest());
        }
        items.extend(foreign);
        self.schedule.appended(now);
        if matches!(self.schedule.policy(), SyncPolicy::Every(_)) {
            self.unsynced.push_back(items);
            return Written::Waits;
        }
        if !self.schedule.journaled_when_written()
            && let Err(e) = journal.sync()
        {
            return self.fail(items, e, now);
        }
        self.schedule.synced();
        self.tries = 0;
        self.settle_covered(&mut items);
        Written::Durable(items)
    }

    /// When the next sync is due.
    pub(crate) fn sync_at(&self) -> Option<Instant> {
        if self.unsynced.is_empty() { None } else { self.schedule.deadline() }
    }

    /// Syncs if that is due, and answers the envelopes that are now on disk.
    pub(crate) fn sync_if_due(&mut self, now: Instant, hurry: bool) -> Option<Written> {
        if self.unsynced.is_empty() || !(hurry || self.schedule.due(now)) {
            return None;
        }
        let mut items: Vec<Item> = self.unsynced.drain(..).flatten().collect();
        let Some(journal) = &mut self.journal else {
            return Some(Written::Failed(items, Error::journal("the lane's journal has failed")));
        };
        if let Err(e) = journal.sync() {
            return Some(self.fail(items, e, now));
        }
        self.schedule.synced();
        self.tries = 0;
        self.settle_covered(&mut items);
        Some(Written::Durable(items))
    }

    fn fail(&mut self, mut items: Vec<Item>, e: Error, now: Instant) -> Written {
        // At once, unless the last one that was opened has not held anything either.
        self.failed = Some(if self.tries == 0 { now } else { self.next_try(now) });
        self.epoch += 1;
        self.journal = None;
        // Their places are the failed journal's.
        self.acts = Acts::default();
        let earlier: Vec<Item> = self.unsynced.drain(..).flatten().collect();
        items.splice(0..0, earlier);
        for item in &mut items {
            item.place = None;
        }
        Written::Failed(items, e)
    }

    /// Each try leaves a directory if the disk takes that and nothing more: so they become rare.
    fn next_try(&self, now: Instant) -> Instant {
        now.after(AGAIN * (1 << self.tries.saturating_sub(1).min(3)))
    }

    /// Why what waits found no room in the journal, if that is news.
    pub(crate) fn take_why_full(&mut self) -> Option<Error> {
        self.why_full.take()
    }

    /// Logs what is wrong with the journal, at a bounded rate.
    pub(crate) fn say(&mut self, lane: &Lane, wrong: &Error) {
        let now = lane.now();
        if self.said.may_speak(now) {
            self.said.speak(now);
            crate::diagnostics::warn(&format!("lane {:?}: {wrong}", lane.id()));
        }
    }

    /// After a failure: tries to open another journal, once that is due; answers whether it did.
    pub(crate) fn reopen(&mut self, lane: &Lane, kind: &str) -> Result<bool> {
        let at = lane.now();
        if self.failed.is_none_or(|failed| at < failed) {
            return Ok(false);
        }
        self.tries += 1;
        self.failed = Some(self.next_try(at));
        let now = lane.timeline.unix_nanos();
        // What the failed journal left is not adopted: this process still holds it in memory.
        let (journal, adopted) = Journal::open(
            filesystem(&self.config),
            Arc::new(SystemRandom),
            &self.config,
            lane.id(),
            kind,
            now,
        )?;
        drop(adopted);
        self.journal = Some(journal);
        self.settled = Settled::from(Position(0));
        self.failed = None;
        Ok(true)
    }

    /// Whether the journal has failed and no other one could be opened yet.
    pub(crate) fn is_broken(&self) -> bool {
        self.journal.is_none()
    }

    /// Whether this process's current journal holds the envelope at `place`.
    pub(crate) fn holds(&self, place: Option<Place>) -> bool {
        let own = Which::Own(self.epoch);
        self.journal.is_some() && place.is_some_and(|place| place.journal == own)
    }

    /// After another journal was opened: writes to it the envelopes that are sealed, not yet delivered, and in no
    /// journal that still works, so that `journaled` is true of them again.
    pub(crate) fn keep(&mut self, items: &mut [&mut Item], now: Instant) -> Result<()> {
        let own = Which::Own(self.epoch);
        let mut kept = false;
        for items in items.chunks_mut(KEEP) {
            let Some(journal) = &mut self.journal else { break };
            let last = match journal.append(&items.iter().map(|item| record(item)).collect::<Vec<_>>()) {
                Ok(last) => last,
                Err(AppendError::Failed(e)) => {
                    self.fail(Vec::new(), e.clone(), now);
                    return Err(e);
                }
                // They go on without the journal, as envelopes that are too large for it do.
                Err(AppendError::Full(e) | AppendError::TooLarge(e)) => return Err(e),
            };
            let first = last.0 + 1 - items.len() as u64;
            for (n, item) in items.iter_mut().enumerate() {
                item.place = Some(Place { journal: own, position: Position(first + n as u64) });
            }
            kept = true;
        }
        if kept
            && let Some(journal) = &mut self.journal
            && let Err(e) = journal.sync()
        {
            self.fail(Vec::new(), e.clone(), now);
            return Err(e);
        }
        if kept {
            self.tries = 0;
        }
        Ok(())
    }

    /// Whether an item that is to be delivered lies in a journal that has failed, or in none.
    pub(crate) fn lacks(&self, item: &Item) -> bool {
        match item.place.map(|place| place.journal) {
            Some(Which::Inherited(_)) => false,
            Some(Which::Own(epoch)) => epoch != self.epoch,
            None => !matches!(item.payload, Payload::Foreign | Payload::Replayed),
        }
    }

    /// Takes note that the sink has the envelopes at these places. A cursor is written once for all of them.
    pub(crate) fn acknowledge(&mut self, places: impl IntoIterator<Item = Place>) {
        let mut own = None;
        let mut inherited: Vec<(usize, Position)> = Vec::new();
        for place in places {
            if self.waiting.is_some() {
                // Room may have been made.
                self.again = Some(Instant::default());
            }
            match place.journal {
                Which::Own(epoch) if epoch == self.epoch => own = self.settled.settle(place.position).or(own),
                // A failed journal keeps no cursor any more: the process that adopts it sends the envelope again, which
                // is harmless.
                Which::Own(_) => {}
                Which::Inherited(at) => {
                    let Some(old) = self.inherited.get_mut(at) else { continue };
                    let Some(position) = old.settled.settle(place.position) else { continue };
                    match inherited.last_mut() {
                        Some((last, reached)) if *last == at => *reached = position,
                        _ => inherited.push((at, position)),
                    }
                }
            }
        }
        if let (Some(position), Some(journal)) = (own, &mut self.journal)
            && let Err(e) = journal.ack(position)
        {
            // If the cursor cannot be written, a crash leads to sending again, which is harmless.
            crate::diagnostics::warn(&e.to_string());
        }
        for (at, position) in inherited {
            if let Some(old) = self.inherited.get_mut(at)
                && let Err(e) = old.adopted.ack(position)
            {
                crate::diagnostics::warn(&e.to_string());
            }
            self.finish_inherited(at);
        }
    }

    fn finish_inherited(&mut self, at: usize) {
        if let (Some(old), Some(journal)) = (self.inherited.get_mut(at), &mut self.journal)
            && old.read
            && !old.finished
            && old.settled.next > old.adopted.last().0
        {
            old.finished = true;
            if let Err(e) = old.adopted.finish(journal) {
                crate::diagnostics::warn(&e.error().to_string());
            }
        }
    }

    /// Takes note that the sink will never have the envelope at `place`.
    pub(crate) fn refuse(&mut self, place: Option<Place>) {
        self.refused.extend(place);
    }

    fn settle_covered(&mut self, items: &mut [Item]) {
        let covered: Vec<Place> =
            items.iter_mut().flat_map(|item| std::mem::take(&mut item.covers)).collect();
        self.acknowledge(covered);
    }

    /// The next envelopes that a dead process left, oldest first: about a batch, and on until the signatures that cover
    /// them, as nobody sends an envelope again that the sink has acknowledged. An envelope to which today's policy
    /// cannot be applied is lost: `sealer` declares it.
    pub(crate) fn replay(&mut self, lane: &Lane, rules: &ContentRules, sealer: &mut Sealer) -> Vec<Item> {
        let batch = lane.config.batch;
        let mut items = Vec::new();
        let mut bytes = 0;
        let mut uncovered: HashSet<Uuid> = HashSet::new();
        for at in 0..self.inherited.len() {
            let old = &mut self.inherited[at];
            while !old.read && (!uncovered.is_empty() || (items.len() < batch.events && bytes < batch.bytes))
            {
                match old.records.next() {
                    Some(Ok(stored)) if old.cut.contains(&stored.position.0) => {}
                    Some(Ok(stored)) => {
                        bytes += stored.bytes.len();
                        let place = Place { journal: Which::Inherited(at), position: stored.position };
                        let (streamid, sequence, own) = (stored.streamid, stored.sequence, stored.own);
                        let signed = stored.signed;
                        match replayed(stored, Some(place), lane, rules) {
                            Some(item) => {
                                items.push(item);
                                if signed {
                                    uncovered.remove(&streamid);
                                } else if old.signed.contains(&streamid) {
                                    uncovered.insert(streamid);
                                }
                            }
                            None => {
                                old.cut.insert(place.position.0);
                                let lost = LostRange {
                                    from: sequence,
                                    to: sequence,
                                    prev: None,
                                    streamid: Some(streamid),
                                    maybe: false,
                                };
                                sealer.inherit_damage(u64::from(!own), vec![lost]);
                            }
                        }
                    }
                    Some(Err(e)) => {
                        crate::diagnostics::warn(&e.to_string());
                        old.read = true;
                    }
                    None => old.read = true,
                }
            }
            if !old.read {
                return items;
            }
            // If envelopes of this journal are still uncovered, their signature could not be read.
            uncovered.clear();
            if old.finished {
                continue;
            }
            self.skip_damage(at);
            self.finish_inherited(at);
        }
        items
    }

    /// Settles the positions that damage destroyed or that are cut, as no acknowledgement will ever come for them.
    fn skip_damage(&mut self, at: usize) {
        let old = &mut self.inherited[at];
        let mut moved = None;
        let damage = old.adopted.damage().iter().filter_map(|damage| damage.positions);
        let cut = old.cut.iter().map(|&at| (Position(at), Position(at)));
        for position in damage.chain(cut).flat_map(|(from, to)| from.0..=to.0) {
            if position >= old.settled.next {
                moved = old.settled.settle(Position(position)).or(moved);
            }
        }
        if let Some(position) = moved
            && let Err(e) = old.adopted.ack(position)
        {
            crate::diagnostics::warn(&e.to_string());
        }
    }

    /// For `repair`: the envelopes of a stream that are still on disk, from that sequence on.
    pub(crate) fn from(
        &self,
        streamid: Uuid,
        sequence: u64,
        lane: &Lane,
        rules: &ContentRules,
    ) -> Result<Vec<Item>> {
        let missing = || {
            Error::journal(format!(
                "{streamid}/{sequence} is no longer in this lane's journal; export it from an audit chain"
            ))
            .at(lane.id())
        };
        let journal = self.journal.as_ref().ok_or_else(missing)?;
        let position = journal.find(streamid, sequence)?.ok_or_else(missing)?;
        let records = journal.read_from(Position(position.0 - 1))?;
        let items = records.map(|stored| stored.map(|stored| replayed(stored, None, lane, rules)));
        items.filter_map(Result::transpose).collect()
    }

    /// Closes the journal in good order; the next process sends what is not acknowledged.
    pub(crate) fn close(&mut self) {
        if let Some(journal) = self.journal.take()
            && let Err(e) = journal.close()
        {
            crate::diagnostics::warn(&e.to_string());
        }
    }
}

/// What an adopted journal holds of deeds, delivered or not.
fn deeds_of(adopted: &Adopted) -> Vec<Half> {
    let place = adopted.path().display().to_string();
    let mut deeds = Vec::new();
    for stored in adopted.read_from(Position(0)) {
        match stored {
            Ok(stored) if stored.own || !stored.terminal => {}
            Ok(stored) => deeds.extend(Half::of(&stored.bytes, stored.streamid, stored.sequence, &place)),
            Err(e) => crate::diagnostics::warn(&e.to_string()),
        }
    }
    deeds
}

/// The item for an envelope that was sealed before and is sent again, after today's policy was applied to it; `None` if
/// that cannot be done, so that it must not be sent.
fn replayed(stored: Stored, place: Option<Place>, lane: &Lane, rules: &ContentRules) -> Option<Item> {
    let Stored {
        streamid,
        agentid,
        sequence,
        hash,
        digest,
        recordedtime,
        own,
        terminal,
        closes,
        signed,
        span,
        bytes,
        ..
    } = stored;
    let value = parse(&bytes).ok()?;
    let discloses = value.get("data").is_none_or(|data| data.get("disclosures").is_some());
    let bytes = if discloses { lane_line(&bytes, lane, rules)? } else { bytes.into() };
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let prevhash = crate::hex::read(text("prevhash").as_bytes());
    let inner = EnvelopeInner {
        id: EventId::read(text("id")).unwrap_or(EventId::Uuid(Uuid([0; 16]))),
        event_type: text("type").into(),
        own,
        terminal,
        signed,
        streamid,
        sequence,
        span,
        hash,
        digest,
        prevhash,
        agentid,
        time: parse_time(text("time")).unwrap_or(recordedtime),
        recordedtime,
        severity: value
            .get("severitynumber")
            .and_then(Value::as_i64)
            .and_then(|n| u8::try_from(n).ok())
            .unwrap_or(9),
        bytes,
    };
    Some(Item {
        envelope: Envelope::new(inner),
        payload: Payload::Replayed,
        tries: 0,
        closes,
        place,
        covers: Vec::new(),
        unsigned: None,
    })
}

/// The line after today's policy for this lane; `None` if it cannot be told whether the line discloses anything.
fn lane_line(bytes: &[u8], lane: &Lane, rules: &ContentRules) -> Option<Vec<u8>> {
    let now = lane.timeline.unix_nanos();
    rejudge(bytes, rules.policy.as_ref(), &lane.config.content, now).ok()
}
