//! One of the two sides: its verification, and reading it again.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::envelope::line::{Envelope, Line, Reader};
use crate::error::{Error, Result};
use crate::json::{Value, parse};
use crate::verify::finish::{Settled, Shape};
use crate::verify::input::{Step, Text, walk};
use crate::verify::options::Options;
use crate::verify::report::Report;
use crate::verify::short::Short;
use crate::verify::verifier::Verifier;

/// An id and a digest, each kept short.
pub(super) type Entry = (u64, u64);

/// Which lane is looked at: `None` for all, `Some(None)` for the streams whose lane nothing names.
pub(super) type Scope = Option<Option<u32>>;

/// What was read, verified.
pub(super) struct Side {
    path: PathBuf,
    max_line: usize,
    settled: Settled,
    pub(super) report: Report,
}

/// A host's event.
pub(super) struct Event<'e, 'l> {
    pub(super) envelope: &'e Envelope<'l>,
    digest: [u8; 32],
    pub(super) stream: usize,
    /// `file:line`.
    pub(super) place: (&'e str, u64),
}

impl Event<'_, '_> {
    pub(super) fn entry(&self, short: &Short) -> Entry {
        (short.of_bytes(self.envelope.id.as_bytes()), short.of(&self.digest))
    }
}

/// A line that a good signature covers.
pub(super) enum Seen<'e, 'l> {
    Event(Event<'e, 'l>),
    /// What retention left of an event.
    Stub {
        digest: [u8; 32],
        stream: usize,
    },
    /// An envelope of sinkwell's own.
    Own {
        envelope: &'e Envelope<'l>,
        stream: usize,
    },
}

/// What a side holds of the lanes in scope.
#[derive(Default)]
pub(super) struct Held {
    /// Sorted, each once.
    pub(super) entries: Vec<Entry>,
    /// The digests of stubs, sorted.
    stubs: Vec<u64>,
    /// How many events the lane had filtered, by its heartbeats; the key is the stream of the heartbeat.
    pub(super) filtered: HashMap<usize, u64>,
    /// The earliest and the latest `recordedtime`.
    times: Option<(Box<str>, Box<str>)>,
}

impl Held {
    pub(super) fn has_id(&self, id: u64) -> bool {
        !of_id(&self.entries, id).is_empty()
    }

    pub(super) fn has_stub(&self, digest: u64) -> bool {
        self.stubs.binary_search(&digest).is_ok()
    }

    /// Whether it has another form of the same event.
    pub(super) fn has_another(&self, entry: Entry) -> bool {
        let all = of_id(&self.entries, entry.0);
        all.len() > 1 || all.first().is_some_and(|&first| first != entry)
    }

    /// Whether `time` lies within the times that it holds.
    pub(super) fn reaches(&self, time: &str) -> bool {
        self.times.as_ref().is_some_and(|(first, last)| &**first <= time && time <= &**last)
    }
}

impl Side {
    pub(super) fn verify(path: &Path, options: Options, progress: &mut dyn FnMut(u64)) -> Result<Self> {
        let max_line = options.max_line;
        let unreadable = |e: std::io::Error| {
            Error::verification(format!("it cannot be read: {e}")).at(path.display().to_string())
        };
        let found = crate::seam::metadata(path).map_err(unreadable)?;
        if !found.is_file() && !found.is_dir() {
            // A pipe is empty when it is read again: all its events would seem to be missing.
            let what = "it is read more than once, which a pipe cannot be; write it to a file first";
            return Err(Error::verification(what).at(path.display().to_string()));
        }
        let mut verifier = Verifier::new(options);
        verifier.read_path(path)?;
        progress(found.len());
        let (report, settled) = verifier.settle().map_err(|e| match e.place() {
            Some(_) => e,
            None => e.at(path.display().to_string()),
        })?;
        Ok(Self { path: path.to_owned(), max_line, settled, report })
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn stream(&self, at: usize) -> Option<&Shape> {
        self.settled.streams.get(at)
    }

    /// The lanes that have streams here; streams that are here only as checkpoints in another lane don't count.
    pub(super) fn lanes(&self) -> Vec<Option<u32>> {
        let here = self.settled.streams.iter().filter(|stream| !stream.carried);
        here.map(|stream| stream.lane).collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(super) fn lane_name(&self, scope: Scope) -> Option<String> {
        let lane = usize::try_from(scope??).ok()?;
        self.settled.lanes.get(lane).cloned()
    }

    /// How many events are declared lost there, by agent.
    pub(super) fn lost(&self, scope: Scope) -> HashMap<Box<str>, u64> {
        let mut lost: HashMap<Box<str>, u64> = HashMap::new();
        let of_scope =
            self.settled.lost.iter().filter(|((lane, _), _)| scope.is_none_or(|scope| scope == *lane));
        for ((_, agent), &count) in of_scope {
            let all = lost.entry(agent.clone()).or_default();
            *all = all.saturating_add(count);
        }
        lost
    }

    /// Reads the input again and calls `take` for each line of `scope` that a good signature covers.
    pub(super) fn each(
        &self,
        scope: Scope,
        progress: &mut dyn FnMut(u64),
        take: &mut dyn FnMut(Seen<'_, '_>),
    ) -> Result<()> {
        const STEP: u64 = 1 << 20;
        let mut reader = Reader::default();
        let mut name = String::new();
        let mut read = 0;
        let settled = &self.settled;
        let of_scope = |stream: usize| {
            let shape = &settled.streams[stream];
            !shape.carried && scope.is_none_or(|scope| scope == shape.lane)
        };
        walk(&self.path, self.max_line, &mut |step| {
            let (line, bytes) = match step {
                Step::Source(of) => {
                    of.clone_into(&mut name);
                    return;
                }
                Step::Line(line, Text::Whole(bytes) | Text::Rest(bytes)) => (line, bytes),
                Step::Line(_, Text::TooLong(_)) => return,
            };
            read += bytes.len() as u64;
            if read >= STEP {
                progress(std::mem::take(&mut read));
            }
            let bytes = if line == 1 { bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes) } else { bytes };
            match reader.read(bytes) {
                Line::Envelope(envelope) if envelope.form.is_none() && envelope.unknown_schema.is_none() => {
                    let (digest, hash) = envelope.hashes();
                    let stream = settled.covering(envelope.streamid, envelope.sequence, &hash);
                    let Some(stream) = stream.filter(|&stream| of_scope(stream)) else { return };
                    take(if envelope.core {
                        Seen::Own { envelope: &envelope, stream }
                    } else {
                        Seen::Event(Event { envelope: &envelope, digest, stream, place: (&name, line) })
                    });
                }
                Line::Stub(stub) => {
                    let stream = settled.covering(stub.streamid, stub.sequence, &stub.hash);
                    if let Some(stream) = stream.filter(|&stream| of_scope(stream)) {
                        take(Seen::Stub { digest: stub.digest, stream });
                    }
                }
                Line::Envelope(_) | Line::BadStub { .. } | Line::Other { .. } => {}
            }
        })?;
        progress(read);
        Ok(())
    }

    pub(super) fn collect(&self, scope: Scope, short: &Short, progress: &mut dyn FnMut(u64)) -> Result<Held> {
        let mut held = Held::default();
        self.each(scope, progress, &mut |seen| {
            let time = match &seen {
                Seen::Event(event) => {
                    push(&mut held.entries, event.entry(short));
                    &event.envelope.recordedtime
                }
                Seen::Stub { digest, .. } => return push(&mut held.stubs, short.of(digest)),
                Seen::Own { envelope, stream } => {
                    if let Some(filtered) = filtered(envelope) {
                        let most = held.filtered.entry(*stream).or_default();
                        *most = filtered.max(*most);
                    }
                    &envelope.recordedtime
                }
            };
            match &mut held.times {
                None => held.times = Some(((**time).into(), (**time).into())),
                Some((first, _)) if **time < **first => *first = (**time).into(),
                Some((_, last)) if **time > **last => *last = (**time).into(),
                Some(_) => {}
            }
        })?;
        held.entries.sort_unstable();
        held.entries.dedup();
        held.stubs.sort_unstable();
        Ok(held)
    }
}

/// How many events a heartbeat says that its lane had filtered.
fn filtered(envelope: &Envelope<'_>) -> Option<u64> {
    if !envelope.event_type.ends_with("heartbeat") {
        return None;
    }
    let data = parse(envelope.data).ok()?;
    u64::try_from(data.get("counters")?.get("filtered").and_then(Value::as_i64)?).ok()
}

/// Appends; grows by an eighth at a time, so that little memory stays unused.
pub(super) fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 8 + 64);
    }
    list.push(item);
}

/// The entries of an id.
pub(super) fn of_id(entries: &[Entry], id: u64) -> &[Entry] {
    let from = entries.partition_point(|&(other, _)| other < id);
    let count = entries[from..].partition_point(|&(other, _)| other == id);
    &entries[from..from + count]
}

/// Takes the entries of an id off the front.
pub(super) fn take_id<'e>(entries: &mut &'e [Entry], id: u64) -> &'e [Entry] {
    let count = entries.iter().take_while(|&&(other, _)| other == id).count();
    let (taken, rest) = entries.split_at(count);
    *entries = rest;
    taken
}
