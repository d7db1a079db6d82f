//! Reads envelopes and sorts what they say into streams.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

use super::claims::{Claim, Claims, Witness};
use super::edges::Edges;
use super::envelope::{Envelope, Line, Reader};
use super::findings::Findings;
use super::input::{Text, files_of, lines};
use super::options::Options;
use super::own::{self, Head, Own};
use super::place::{Place, Sources};
use super::ranges::Range;
use super::report::{FindingKind, Report};
use super::stream::{Loss, Stream, Taken, Time};
use super::trust;
use crate::audit::AuditDb;
use crate::error::{Error, Result};
use crate::seam::Uuid;

/// Verifies envelopes: feed it all input, then [`finish`](Self::finish).
pub struct Verifier {
    reader: Reader,
    state: State,
}

/// A range of numbers that retention names, and the key that said so.
pub(super) struct Erasure {
    pub(super) key: Option<usize>,
    pub(super) streamid: Uuid,
    pub(super) range: Range,
}

/// Everything that is known so far.
pub(super) struct State {
    pub(super) options: Options,
    pub(super) sources: Sources,
    pub(super) streams: Vec<Stream>,
    pub(super) index: HashMap<Uuid, usize>,
    /// The stream of the last envelope: the next is likely of the same.
    last: usize,
    lanes: BTreeMap<String, u32>,
    /// Lanes whose output the input holds, as `opened` and heartbeats show.
    pub(super) lanes_here: BTreeSet<u32>,
    pub(super) claims: Claims,
    /// Claims of checkpoint files; settled at the end, so that it does not matter when they are read.
    pub(super) file_claims: Vec<Claim>,
    pub(super) erasures: Vec<Erasure>,
    /// When heartbeats named a stream last.
    pub(super) heard: HashMap<Uuid, Time>,
    pub(super) latest: Option<Time>,
    pub(super) edges: Edges,
    pub(super) unsigned: u64,
    pub(super) malformed: u64,
    first_malformed: Option<(Place, String)>,
    /// Findings of no stream.
    pub(super) findings: Findings,
}

impl Verifier {
    /// A verifier that trusts `options.keys`.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            reader: Reader::default(),
            state: State {
                options,
                sources: Sources::default(),
                streams: Vec::new(),
                index: HashMap::new(),
                last: usize::MAX,
                lanes: BTreeMap::new(),
                lanes_here: BTreeSet::new(),
                claims: Claims::default(),
                file_claims: Vec::new(),
                erasures: Vec::new(),
                heard: HashMap::new(),
                latest: None,
                edges: Edges::default(),
                unsigned: 0,
                malformed: 0,
                first_malformed: None,
                findings: Findings::default(),
            },
        }
    }

    /// Reads a file, or of a directory the files whose names hold `.ndjson`, `.jsonl` or `.log`, by name. Of
    /// an audit database it reads what it exports; findings number its leaves from 1.
    ///
    /// # Errors
    /// Kind `verification`: it cannot be read.
    pub fn read_path(&mut self, path: &Path) -> Result<()> {
        if path.is_dir() {
            let files = files_of(path).map_err(|e| unreadable(path, &e))?;
            if files.is_empty() {
                let what =
                    "the directory holds no file of envelopes (*.ndjson, *.jsonl, *.log); name the file";
                return Err(Error::verification(what).at(path.display().to_string()));
            }
            return files.iter().try_for_each(|file| self.read_path(file));
        }
        if AuditDb::is_one(path) {
            return self.read_database(path);
        }
        let file = File::open(path).map_err(|e| unreadable(path, &e))?;
        self.read(&mut file_reader(file), &path.display().to_string())
    }

    fn read_database(&mut self, path: &Path) -> Result<()> {
        let source = self.state.sources.add(&path.display().to_string());
        AuditDb::open_read(path)?.for_each_line(0, |leaf, line| {
            self.line(Place { source, line: leaf + 1 }, Text::Whole(line));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(())
    }

    /// Reads envelopes, one a line; `name` is what findings call the input.
    ///
    /// # Errors
    /// Kind `verification`: reading failed.
    pub fn read(&mut self, reader: &mut dyn BufRead, name: &str) -> Result<()> {
        let source = self.state.sources.add(name);
        let max = self.state.options.max_line;
        lines(reader, max, |line, text| self.line(Place { source, line }, text))
            .map_err(|e| Error::verification(format!("reading failed: {e}")).at(name))
    }

    /// Reads envelopes that another source keeps, one an item: a database, a message queue. Findings number
    /// them from 1.
    ///
    /// # Errors
    /// The first error of `items`.
    pub fn read_items<T: AsRef<[u8]>>(
        &mut self,
        items: impl IntoIterator<Item = Result<T>>,
        name: &str,
    ) -> Result<()> {
        let source = self.state.sources.add(name);
        for (i, item) in items.into_iter().enumerate() {
            self.line(Place { source, line: i as u64 + 1 }, Text::Whole(item?.as_ref()));
        }
        Ok(())
    }

    /// Reads a checkpoint file: what it says is held against the input, in whichever order both are read.
    ///
    /// # Errors
    /// Kind `verification`: it cannot be read, or holds no checkpoint.
    pub fn read_checkpoints(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path).map_err(|e| unreadable(path, &e))?;
        self.read_checkpoints_from(&mut file_reader(file), &path.display().to_string())
    }

    /// As [`read_checkpoints`](Self::read_checkpoints), from a reader.
    ///
    /// # Errors
    /// Kind `verification`.
    pub fn read_checkpoints_from(&mut self, reader: &mut dyn BufRead, name: &str) -> Result<()> {
        let source = self.state.sources.add(name);
        let max = self.state.options.max_line;
        let mut seen = false;
        lines(reader, max, |line, text| {
            let bytes = match text {
                Text::Whole(bytes) | Text::Rest(bytes) => bytes.trim_ascii(),
                Text::TooLong(_) => b"?",
            };
            if !bytes.is_empty() {
                seen |= self.checkpoint_line(Place { source, line }, bytes);
            }
        })
        .map_err(|e| Error::verification(format!("reading failed: {e}")).at(name))?;
        if seen {
            Ok(())
        } else {
            Err(Error::verification("the file holds no checkpoint, so nothing can be held against it")
                .at(name))
        }
    }

    /// Takes a line of a checkpoint file; answers whether it is an envelope.
    fn checkpoint_line(&mut self, place: Place, bytes: &[u8]) -> bool {
        let state = &mut self.state;
        let envelope = match self.reader.read(bytes) {
            Line::Envelope(envelope) => envelope,
            Line::Stub(_) => {
                state.findings.add(FindingKind::Malformed, None, Some(place), "a stub is no checkpoint");
                return false;
            }
            Line::Other { note, .. } => {
                state.findings.add(FindingKind::Malformed, None, Some(place), note);
                return false;
            }
        };
        if let Err((kind, note)) = trust::check(&envelope, &state.options.keys) {
            state.findings.at(kind, envelope.sequence, place, format!("in a checkpoint file: {note}"));
        } else if envelope.core
            && let Own::Checkpoint { lane, heads, .. } | Own::Heartbeat { lane, heads } = own::read(&envelope)
        {
            let lane = lane.map(|lane| state.lane(lane));
            let hash = super::envelope::short(&envelope.hash());
            let itself = Head { streamid: envelope.streamid, sequence: envelope.sequence, hash };
            state.file_claims.push(Claim { head: itself, witness: Witness::Itself, lane, place });
            let claims = heads.into_iter().map(|head| Claim { head, witness: Witness::File, lane, place });
            state.file_claims.extend(claims);
        }
        true
    }

    fn line(&mut self, place: Place, text: Text<'_>) {
        let (bytes, ended) = match text {
            Text::Whole(bytes) => (bytes, true),
            Text::Rest(bytes) => (bytes, false),
            Text::TooLong(length) => {
                let max = self.state.options.max_line;
                let note =
                    format!("no envelope: a line of {length} bytes, more than the {max} that are read");
                return self.state.malformed(place, None, note);
            }
        };
        if bytes.trim_ascii().is_empty() {
            return;
        }
        // A byte order mark is no part of JSON, but some editors put one there.
        let bytes =
            if place.line == 1 { bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes) } else { bytes };
        match self.reader.read(bytes) {
            Line::Envelope(envelope) => self.state.envelope(&envelope, place),
            Line::Stub(stub) => {
                let stream = self.state.stream(stub.streamid);
                let stream = &mut self.state.streams[stream];
                stream.only_checkpoints = false;
                stream.stub(&stub, place);
            }
            // After a loss of power the tail may be there in length only: NULs where a line was to be.
            Line::Other { json: false, .. }
                if !ended && (bytes.first() == Some(&b'{') || bytes.iter().all(|&byte| byte == 0)) =>
            {
                let note = "the last line is unfinished: the writer was cut off, or is still writing";
                self.state.findings.add(FindingKind::Torn, None, Some(place), note);
            }
            Line::Other { note, .. } => self.state.malformed(place, None, note),
        }
    }

    /// Judges all that was read.
    ///
    /// # Errors
    /// Kind `verification`: there was no envelope in the input.
    pub fn finish(self) -> Result<Report> {
        if self.state.streams.is_empty() {
            let (what, place) = match &self.state.first_malformed {
                None => ("the input is empty".to_owned(), None),
                Some((place, note)) => {
                    let lines = if self.state.malformed == 1 { "line is" } else { "lines are" };
                    let what = format!("{} {lines} something else; the first: {note}", self.state.malformed);
                    (what, Some(self.state.sources.show(*place)))
                }
            };
            let error = Error::verification(format!("there is no envelope in the input: {what}"));
            return Err(place.into_iter().fold(error, Error::at));
        }
        Ok(self.state.finish())
    }
}

fn unreadable(path: &Path, e: &std::io::Error) -> Error {
    Error::verification(format!("it cannot be read: {e}")).at(path.display().to_string())
}

fn file_reader(file: impl Read) -> BufReader<impl Read> {
    BufReader::with_capacity(256 << 10, file)
}

impl State {
    /// The index of a stream, which is made if it is new.
    fn stream(&mut self, id: Uuid) -> usize {
        if self.streams.get(self.last).is_none_or(|stream| stream.id != id) {
            let streams = &mut self.streams;
            self.last = *self.index.entry(id).or_insert_with(|| {
                streams.push(Stream::new(id));
                streams.len() - 1
            });
        }
        self.last
    }

    fn lane(&mut self, name: String) -> u32 {
        let next = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        *self.lanes.entry(name).or_insert(next)
    }

    fn malformed(&mut self, place: Place, at: Option<(usize, u64)>, note: String) {
        self.malformed += 1;
        if self.first_malformed.is_none() {
            self.first_malformed = Some((place, note.clone()));
        }
        match at {
            Some((stream, sequence)) => {
                self.streams[stream].findings.at(FindingKind::Malformed, sequence, place, note);
            }
            None => self.findings.add(FindingKind::Malformed, None, Some(place), note),
        }
    }

    fn envelope(&mut self, envelope: &Envelope<'_>, place: Place) {
        let index = self.stream(envelope.streamid);
        let checked = trust::check(envelope, &self.options.keys);
        let key = match checked {
            Ok(key) => key,
            Err((FindingKind::Malformed, note)) => {
                self.streams[index].fill(envelope, place);
                return self.malformed(place, Some((index, envelope.sequence)), note.into_owned());
            }
            Err((kind, note)) => {
                let stream = &mut self.streams[index];
                stream.envelopes += 1;
                self.unsigned += u64::from(envelope.seal.signature.is_none());
                stream.fill(envelope, place);
                return stream.findings.at(kind, envelope.sequence, place, note);
            }
        };
        let said = if envelope.core { own::read(envelope) } else { Own::Other };
        let retiring = matches!(said, Own::KeyRetiring);
        let stream = &mut self.streams[index];
        let before = stream.envelopes;
        let taken = stream.take(envelope, key, retiring, place);
        if stream.envelopes > before {
            self.unsigned += u64::from(envelope.seal.signature.is_none());
        }
        if let Some((kind, note)) = trust::disclosures(envelope) {
            stream.findings.at(kind, envelope.sequence, place, note);
        }
        if !envelope.canonical {
            let note = "the content is right, but the bytes are not in RFC 8785 form";
            stream.findings.at(FindingKind::NotCanonical, envelope.sequence, place, note);
        }
        let Taken::Believed = taken else { return };
        stream.only_checkpoints &= matches!(said, Own::Checkpoint { .. });
        self.latest = self.latest.max(stream.heard);
        if self.options.edges {
            self.edges.id(&envelope.id);
            if envelope.has_authz {
                self.edges.edges(envelope.data, index, envelope.sequence, place);
            }
        }
        self.believe(index, envelope, key, said, place);
    }

    /// Acts on what a good own envelope says.
    fn believe(
        &mut self,
        index: usize,
        envelope: &Envelope<'_>,
        key: Option<usize>,
        said: Own,
        place: Place,
    ) {
        let sequence = envelope.sequence;
        match said {
            Own::Opened { lane, follows } => {
                let lane = lane.map(|lane| self.lane(lane));
                self.lanes_here.extend(lane);
                self.streams[index].lane = lane;
                if let Some(head) = follows {
                    if envelope.prev.is_none() {
                        self.streams[index].start = head.sequence.checked_add(1);
                    }
                    self.claim(Claim { head, witness: Witness::Follower, lane, place });
                }
            }
            Own::Checkpoint { lane, heads, closed } => {
                let lane = lane.map(|lane| self.lane(lane));
                let stream = &mut self.streams[index];
                stream.lane = stream.lane.or(lane);
                if closed {
                    stream.close(sequence);
                }
                for head in heads {
                    self.claim(Claim { head, witness: Witness::Input, lane, place });
                }
            }
            Own::Heartbeat { lane, heads } => {
                let lane = lane.map(|lane| self.lane(lane));
                self.lanes_here.extend(lane);
                let stream = &mut self.streams[index];
                stream.lane = stream.lane.or(lane);
                let time: Option<Time> = envelope.recordedtime.as_bytes().try_into().ok();
                for head in heads {
                    if let Some(time) = time
                        && self.options.silence.is_some()
                    {
                        let heard = self.heard.entry(head.streamid).or_insert(time);
                        *heard = time.max(*heard);
                    }
                    self.claim(Claim { head, witness: Witness::Input, lane, place });
                }
            }
            Own::KeyRetiring => {
                if let Some(key) = key {
                    self.streams[index].retire(key, sequence);
                }
            }
            Own::Retention { ranges } => {
                let erasures = ranges.into_iter().map(|(streamid, range)| Erasure { key, streamid, range });
                self.erasures.extend(erasures);
            }
            Own::Loss { reason, count, lane, streamid, ranges } => {
                let lane = lane.map(|lane| self.lane(lane));
                let loss = Loss { reason, count, lane, streamid, ranges, sequence, place };
                self.streams[index].losses.push(loss);
            }
            Own::Other => {}
        }
    }

    /// Settles a claim of the input at once if its envelope is there, so that few have to wait.
    fn claim(&mut self, claim: Claim) {
        let present = self.index.get(&claim.head.streamid).copied();
        if !present.is_some_and(|index| self.settle(&claim, index)) {
            self.claims.add(claim);
        }
    }

    /// Holds a claim against the envelope that it is about; answers whether that is there.
    pub(super) fn settle(&mut self, claim: &Claim, index: usize) -> bool {
        let stream = &mut self.streams[index];
        let sequence = claim.head.sequence;
        if !stream.runs.holds(sequence, claim.head.hash) {
            if stream.runs.get(sequence).is_none() {
                return false;
            }
            let (kind, note) = match claim.witness {
                Witness::Itself => {
                    (FindingKind::Conflict, "the checkpoint file has another envelope with this sequence")
                }
                Witness::Follower => (
                    FindingKind::Altered,
                    "it is not the envelope that the stream after it names as its last",
                ),
                Witness::Input | Witness::File => {
                    (FindingKind::Altered, "it is not the envelope that a checkpoint or heartbeat names")
                }
            };
            stream.findings.at(kind, sequence, claim.place, note);
        }
        true
    }
}
