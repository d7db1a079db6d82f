//! Reads envelopes and sorts what they say into streams.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufRead;
use std::path::Path;

use super::chain::{Budget, Covered, Marks};
use super::claims::{Claim, Claims, Witness};
use super::coverage::{Coverage, CoverageReport};
use super::deeds::{Deeds, DeedsReport, Fault};
use super::edges::Edges;
use super::findings::Findings;
use super::finish::Settled;
use super::graph::Collector;
use super::input::{self, Step, Text, file_reader, lines, unreadable};
use super::options::Options;
use super::own::{self, ClaimedHead, ErasedRange, Named, Own};
use super::place::{Place, Sources};
use super::report::{FindingKind, Report};
use super::short::Short;
use super::stream::{Loss, MOST_KEYS, Newly, Said, Signed, Stream, Time};
use super::trust::{self, Standing};
use crate::envelope::line::{BAD_STUB, Envelope, Line, Reader, Stub};
use crate::error::{Error, Result};
use crate::seam::Uuid;

/// Verifies envelopes: feed it all input, then [`finish`](Self::finish).
pub struct Verifier {
    reader: Reader,
    pub(super) state: State,
}

/// When heartbeats last named a stream, for each lane and key of such heartbeats.
pub(super) type Heard = smallvec::SmallVec<[(Option<u32>, u8, Time); 1]>;

/// Everything that is known so far.
pub(super) struct State {
    pub(super) options: Options,
    pub(super) sources: Sources,
    pub(super) streams: Vec<Stream>,
    pub(super) index: HashMap<Uuid, usize>,
    /// The stream of the last envelope; the next one is likely of the same.
    last: usize,
    pub(super) lanes: BTreeMap<String, u32>,
    /// Lanes whose output the input holds, as `opened` and heartbeats show.
    pub(super) lanes_here: BTreeSet<u32>,
    pub(super) claims: Claims,
    /// Claims of checkpoint files; settled at the end, so that it does not matter when they are read.
    pub(super) file_claims: Vec<Claim>,
    /// Lanes that checkpoints name, and where one did first.
    pub(super) lanes_named: BTreeMap<u32, Place>,
    /// Checkpoint files: their sources.
    pub(super) checkpoint_files: Vec<u32>,
    /// The checkpoint files about which there is a finding.
    pub(super) faulty_files: BTreeSet<u32>,
    /// What retention erases, and the key that said so.
    pub(super) erasures: Vec<(u8, ErasedRange)>,
    pub(super) heard: HashMap<Uuid, Heard>,
    pub(super) short: Short,
    pub(super) budget: Budget,
    pub(super) latest: Option<Time>,
    pub(super) edges: Edges,
    pub(super) deeds: Deeds,
    pub(super) coverage: Coverage,
    /// Collects what the graph is made of, if one is asked for.
    pub(super) graph: Option<Collector>,
    pub(super) unsigned: u64,
    pub(super) malformed: u64,
    first_malformed: Option<(Place, String)>,
    /// Findings that belong to no stream.
    pub(super) findings: Findings,
    /// The files that were read.
    pub(super) paths: Vec<std::path::PathBuf>,
}

impl Verifier {
    /// A verifier that trusts `options.keys`.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            reader: Reader::default(),
            state: State {
                graph: options.graph.then(Collector::default),
                options,
                sources: Sources::default(),
                streams: Vec::new(),
                index: HashMap::new(),
                last: usize::MAX,
                lanes: BTreeMap::new(),
                lanes_here: BTreeSet::new(),
                claims: Claims::default(),
                file_claims: Vec::new(),
                lanes_named: BTreeMap::new(),
                checkpoint_files: Vec::new(),
                faulty_files: BTreeSet::new(),
                erasures: Vec::new(),
                heard: HashMap::new(),
                short: Short::default(),
                budget: Budget::new(),
                latest: None,
                edges: Edges::default(),
                deeds: Deeds::default(),
                coverage: Coverage::default(),
                unsigned: 0,
                malformed: 0,
                first_malformed: None,
                findings: Findings::default(),
                paths: Vec::new(),
            },
        }
    }

    /// Reads a file, or those files of a directory whose names contain `.ndjson`, `.jsonl` or `.log`, sorted by name.
    /// An audit database is read as its export would be; findings number its leaves from 1.
    ///
    /// # Errors
    /// Kind `verification`: it cannot be read.
    pub fn read_path(&mut self, path: &Path) -> Result<()> {
        let max = self.state.options.max_line;
        input::walk(path, max, &mut |step| match step {
            Step::Source(name) => {
                self.state.sources.add(name);
                self.state.paths.push(name.into());
            }
            Step::Line(line, text) => {
                let source = self.state.sources.latest();
                self.line(Place { source, line }, text);
            }
        })
    }

    /// Says that the input of [`read`](Self::read) is the file at `path`, so that the report can name files that stand
    /// beside it.
    pub fn look_beside(&mut self, path: &Path) {
        self.state.paths.push(path.to_owned());
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

    /// Reads a checkpoint file. Its checkpoints are compared with the input, in whichever order both are read.
    ///
    /// # Errors
    /// Kind `verification`: it cannot be read, or holds no checkpoint.
    pub fn read_checkpoints(&mut self, path: &Path) -> Result<()> {
        let file = crate::seam::sqlite::open_plain(path).map_err(|e| unreadable(path, &e))?;
        self.read_checkpoints_from(&mut file_reader(file), &path.display().to_string())
    }

    /// As [`read_checkpoints`](Self::read_checkpoints), from a reader.
    ///
    /// # Errors
    /// Kind `verification`.
    pub fn read_checkpoints_from(&mut self, reader: &mut dyn BufRead, name: &str) -> Result<()> {
        let source = self.state.sources.add(name);
        self.state.checkpoint_files.push(source);
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

    /// Takes a line of a checkpoint file; returns whether it is an envelope.
    fn checkpoint_line(&mut self, place: Place, bytes: &[u8]) -> bool {
        let state = &mut self.state;
        let envelope = match self.reader.read(bytes) {
            Line::Envelope(envelope) => envelope,
            Line::Stub(_) | Line::BadStub { .. } => {
                state.faulty_files.insert(place.source);
                state.findings.add(FindingKind::Malformed, None, Some(place), "a stub is no checkpoint");
                return false;
            }
            Line::Other { note, .. } => {
                state.faulty_files.insert(place.source);
                state.findings.add(FindingKind::Malformed, None, Some(place), note);
                return false;
            }
        };
        let hash = envelope.hash();
        let keys = &state.options.keys;
        let own = match trust::schema(&envelope) {
            Some(fault) => Standing::Wrong(fault),
            None => trust::signature(&envelope.seal, &hash, Some(&envelope.agentid), keys),
        };
        let own = match (own, &envelope.form) {
            (Standing::Good(_), Some(form)) => Standing::Wrong((FindingKind::Malformed, form.clone().into())),
            (own, _) => own,
        };
        // The lines of a checkpoint file form no chain, so that only an envelope's own signature counts.
        let key = match own {
            Standing::Good(key) => key,
            Standing::Unsigned => {
                let note = "in a checkpoint file: no signature, though a key was given";
                state.faulty_files.insert(place.source);
                state.findings.at(FindingKind::Unsigned, envelope.sequence, place, note);
                return true;
            }
            Standing::Wrong((kind, note)) => {
                let note = format!("in a checkpoint file: {note}");
                state.faulty_files.insert(place.source);
                state.findings.at(kind, envelope.sequence, place, note);
                return true;
            }
        };
        let key = key.and_then(|key| u8::try_from(key).ok()).unwrap_or(u8::MAX);
        if envelope.core
            && let Own::Checkpoint { lane, heads, .. } | Own::Heartbeat { lane, heads } =
                own::read(&envelope, &state.short)
        {
            let lane = lane.map(|lane| state.lane(lane));
            if let Some(lane) = lane {
                state.lanes_named.entry(lane).or_insert(place);
            }
            let sequence = envelope.sequence;
            let itself = ClaimedHead { streamid: envelope.streamid, sequence, hash: state.short.of(&hash) };
            let agentid = Some((*envelope.agentid).into());
            state.file_claims.push(Claim {
                head: itself,
                witness: Witness::Itself,
                lane,
                place,
                key,
                agentid,
            });
            let claims = heads.into_iter().map(|Named { head, agentid }| {
                let agentid = agentid
                    .or_else(|| (head.streamid == envelope.streamid).then(|| (*envelope.agentid).into()));
                Claim { head, witness: Witness::File, lane, place, key, agentid }
            });
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
            Line::Stub(stub) => self.state.stub(&stub, place),
            Line::BadStub { streamid, sequence, begins } => {
                let stream = self.state.stream(streamid);
                self.state.streams[stream].fill_number(sequence, begins);
                self.state.malformed(place, Some((stream, sequence)), BAD_STUB.into());
            }
            // After a loss of power a file may have its new length but not its content: NULs where the last line should
            // be.
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
    /// Kind `verification`: there was no envelope in the input, or a checkpoint file has nothing to do with it. Kind
    /// `invalid_argument`: more than 254 keys.
    pub fn finish(self) -> Result<Report> {
        self.settle().map(|(report, _)| report)
    }

    /// As [`finish`](Self::finish), and what the input says of deeds; [`Options::deeds`] must be set.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn deeds(self) -> Result<(Report, DeedsReport)> {
        self.settle().map(|(report, settled)| (report, settled.deeds))
    }

    /// As [`finish`](Self::finish), and what the input says of coverage; [`Options::coverage`] must be set.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn coverage(self) -> Result<(Report, CoverageReport)> {
        self.settle().map(|(report, settled)| (report, settled.coverage))
    }

    /// As [`finish`](Self::finish), and what a comparison needs to know of the streams.
    pub(super) fn settle(self) -> Result<(Report, Settled)> {
        let keys = self.state.options.keys.len();
        if keys > MOST_KEYS {
            // The chain has one byte for a key (`MOST_KEYS`).
            let what = format!(
                "{keys} keys were given, and at most {MOST_KEYS} are taken at a time; verify in parts"
            );
            return Err(Error::invalid_argument(what));
        }
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
        self.state.finish()
    }
}

impl State {
    /// The index of a stream; a new stream is added.
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
        if let Some((kind, note)) = trust::schema(envelope) {
            // How an unknown schema is hashed is unknown too.
            let stream = &mut self.streams[index];
            stream.fill(envelope, place);
            stream.envelopes += 1;
            return stream.findings.at(kind, envelope.sequence, place, note);
        }
        let hash = envelope.hash();
        if let Some(graph) = &mut self.graph {
            graph.take(envelope, &hash, place);
        }
        let keys = &self.options.keys;
        let own = match trust::signature(&envelope.seal, &hash, Some(&envelope.agentid), keys) {
            Standing::Good(key) => Signed::Good(key),
            Standing::Unsigned => Signed::Unsigned,
            Standing::Wrong((kind, note)) => {
                self.streams[index].findings.at(kind, envelope.sequence, place, note);
                Signed::Noted
            }
        };
        let said = if envelope.core { own::read(envelope, &self.short) } else { Own::Other };
        let edges = self
            .options
            .edges
            .then(|| ((*envelope.id).into(), envelope.has_authz.then(|| envelope.data.into())));
        let checkpoint = matches!(said, Own::Checkpoint { .. });
        let malformed = envelope.form.clone();
        let deed = self.deeds.read(envelope, self.options.deeds);
        let coverage = self.options.coverage.then(|| Coverage::read(envelope)).flatten().map(Box::new);
        let says = deed.is_some()
            || coverage.is_some()
            || edges.is_some()
            || malformed.is_some()
            || !matches!(said, Own::Other);
        let said = says.then(|| Said {
            sequence: envelope.sequence,
            begins: envelope.prev.is_none(),
            time: envelope.recordedtime.as_bytes().try_into().ok(),
            place,
            own: said,
            malformed,
            edges,
            deed,
            coverage,
        });
        let stream = &mut self.streams[index];
        let with = (&self.short, &mut self.budget);
        let taken = stream.take(envelope, &hash, own, said, place, with);
        stream.only_checkpoints &= checkpoint || !taken.kept;
        if let Some((kind, note)) = trust::disclosures(envelope) {
            stream.findings.at(kind, envelope.sequence, place, note);
        }
        if !envelope.canonical {
            let note = "the content is right, but the bytes are not in RFC 8785 form";
            stream.findings.at(FindingKind::NotCanonical, envelope.sequence, place, note);
        }
        self.latest = self.latest.max(stream.heard);
        self.believe_all(index, &taken.covered);
    }

    fn stub(&mut self, stub: &Stub<'_>, place: Place) {
        let index = self.stream(stub.streamid);
        let stream = &mut self.streams[index];
        stream.only_checkpoints = false;
        let keys = self.options.keys.as_slice();
        let own = match trust::signature(&stub.seal, &stub.hash, None, keys) {
            Standing::Good(key) => Signed::Good(key),
            Standing::Unsigned => Signed::Unsigned,
            Standing::Wrong((kind, note)) => {
                stream.findings.at(kind, stub.sequence, place, format!("a stub: {note}"));
                Signed::Noted
            }
        };
        let covered = stream.stub(stub, own, place, (keys, &self.short, &mut self.budget));
        self.believe_all(index, &covered);
    }

    /// Acts on what envelopes said that have just become covered.
    pub(super) fn believe_all(&mut self, index: usize, covered: &Newly) {
        for &one in covered {
            let apart = self.streams[index].is_of_another(one);
            if let Some(said) = self.streams[index].heard_of(one, &mut self.budget)
                && !apart
            {
                self.believe(index, said, one.key);
            }
        }
    }

    /// Spreads coverage as far as it reaches in every stream, and acts on what the newly covered envelopes say.
    pub(super) fn settle_coverage(&mut self) {
        for index in 0..self.streams.len() {
            self.settle_stream(index);
            if std::mem::take(&mut self.streams[index].disowned) {
                self.settle_stream(index);
                self.streams[index].end_again();
            }
        }
    }

    fn settle_stream(&mut self, index: usize) {
        {
            // An envelope may speak of any stream, but this stream is borrowed until coverage is settled: acted on
            // afterwards.
            let mut late: Vec<(Covered, Option<Said>)> = Vec::new();
            let stream = &mut self.streams[index];
            stream.settle(|covered, said| {
                let bridges = match &said {
                    Some(Said { own: Own::Loss { ranges, .. }, malformed: None, .. }) => own::bridges(ranges),
                    _ => Vec::new(),
                };
                late.push((covered, said));
                bridges
            });
            for (covered, said) in late {
                let apart = self.streams[index].is_of_another(covered);
                if let Some(said) = said
                    && !apart
                {
                    self.believe(index, said, covered.key);
                }
            }
        }
    }

    /// Acts on what a covered own envelope says; `key` vouches for it.
    fn believe(&mut self, index: usize, said: Said, key: u8) {
        let Said { sequence, begins, time, place, own, malformed, edges, deed, coverage } = said;
        if let Some(note) = malformed {
            let stream = &mut self.streams[index];
            if stream.chain.marks(sequence).is_some_and(Marks::is_noted) {
                // There is a finding about its signature already.
                return;
            }
            stream.envelopes -= 1;
            return self.malformed(place, Some((index, sequence)), note);
        }
        if let Some((id, data)) = edges {
            self.edges.id(&id);
            if let Some(data) = data {
                self.edges.edges(&data, index, sequence, place);
            }
        }
        if let Some(told) = coverage {
            self.coverage.take(*told, index);
        }
        if let Some(told) = deed {
            for (fault, at) in self.deeds.take(told, index, sequence, place) {
                let (kind, note) = match fault {
                    Fault::Second => (
                        FindingKind::SecondResult,
                        "another result of a deed that has one: an act is done once",
                    ),
                    Fault::Early => (
                        FindingKind::EarlyResult,
                        "it stands before the intent: the act was not held up for it",
                    ),
                };
                self.streams[at.stream].findings.at(kind, at.sequence, at.place, note);
            }
        }
        match own {
            Own::Opened { lane, follows, sign } => {
                let lane = lane.map(|lane| self.lane(lane));
                self.lanes_here.extend(lane);
                let stream = &mut self.streams[index];
                stream.lane = lane;
                stream.modes.extend(sign.map(|mode| (sequence, mode)));
                if let Some(head) = follows {
                    if begins {
                        stream.start = head.sequence.checked_add(1);
                    }
                    let agentid = Some(stream.agentid.clone());
                    self.claim(Claim { head, witness: Witness::Follower, lane, place, key, agentid });
                }
            }
            Own::Checkpoint { lane, heads, closed } => {
                let lane = lane.map(|lane| self.lane(lane));
                if let Some(lane) = lane {
                    self.lanes_named.entry(lane).or_insert(place);
                }
                let stream = &mut self.streams[index];
                stream.lane = stream.lane.or(lane);
                if closed {
                    stream.close(sequence);
                }
                let (id, agent) = (stream.id, stream.agentid.clone());
                for Named { head, agentid } in heads {
                    let agentid = agentid.or_else(|| (head.streamid == id).then(|| agent.clone()));
                    self.claim(Claim { head, witness: Witness::Input, lane, place, key, agentid });
                }
            }
            Own::Heartbeat { lane, heads } => {
                let lane = lane.map(|lane| self.lane(lane));
                self.lanes_here.extend(lane);
                let stream = &mut self.streams[index];
                stream.lane = stream.lane.or(lane);
                for Named { head, agentid } in heads {
                    if let Some(time) = time
                        && self.options.silence.is_some()
                    {
                        let heard = self.heard.entry(head.streamid).or_default();
                        match heard.iter_mut().find(|(of, by, _)| (*of, *by) == (lane, key)) {
                            Some((_, _, last)) => *last = time.max(*last),
                            None => heard.push((lane, key, time)),
                        }
                    }
                    self.claim(Claim { head, witness: Witness::Input, lane, place, key, agentid });
                }
            }
            Own::KeyRetiring { keyid } => {
                let named = |at: &usize| self.options.keys.get(*at).map(|key| &key.id) == keyid.as_ref();
                if let Some(key) = (0..self.options.keys.len()).find(named) {
                    self.streams[index].retire(key, sequence);
                }
            }
            Own::KeyActive { sign } => {
                self.streams[index].modes.extend(sign.map(|mode| (sequence, mode)));
            }
            Own::Retention { ranges } => {
                self.erasures.extend(ranges.into_iter().map(|range| (key, range)));
            }
            Own::Loss { reason, count, lane, streamid, agentid, ranges } => {
                let lane = lane.map(|lane| self.lane(lane));
                let stream = &mut self.streams[index];
                stream.bridges.extend(own::bridges(&ranges));
                stream.losses.push(Loss { reason, count, lane, streamid, agentid, ranges, sequence, place });
            }
            Own::Other => {}
        }
    }

    /// Whether the key that vouches for a claim may speak about the stream at `index`; `None` as long as that stream's
    /// agent is not proven.
    pub(super) fn may_claim(&self, claim: &Claim, index: usize) -> Option<bool> {
        let Some(key) = self.options.keys.get(usize::from(claim.key)) else { return Some(true) };
        let stream = &self.streams[index];
        if key.agent.is_none() {
            return Some(true);
        }
        stream.agent_proven.then(|| key.covers(&stream.agentid))
    }

    /// Settles a claim of the input at once if the envelope that it names is there, so that few claims have to wait.
    fn claim(&mut self, claim: Claim) {
        if claim.witness == Witness::Input
            && let Some(&index) = self.index.get(&claim.head.streamid)
        {
            let stream = &mut self.streams[index];
            stream.checkpointed = stream.checkpointed.max(claim.head.sequence);
        }
        let present = self.index.get(&claim.head.streamid).copied();
        if !present.is_some_and(|index| self.settle(&claim, index)) {
            self.claims.add(claim);
        }
    }

    /// Compares a claim with the envelope that it names. Returns whether the claim is settled: the envelope is there,
    /// or the claim's key may not speak about the stream.
    pub(super) fn settle(&mut self, claim: &Claim, index: usize) -> bool {
        match self.may_claim(claim, index) {
            None => return false,
            Some(false) => return true,
            Some(true) => {}
        }
        let stream = &mut self.streams[index];
        let sequence = claim.head.sequence;
        match stream.chain.holds(sequence, claim.head.hash) {
            None => return false,
            Some(true) => {
                if claim.witness == Witness::Follower {
                    stream.followed = stream.followed.max(sequence);
                }
                return true;
            }
            Some(false) => {}
        }
        let (kind, note) = match claim.witness {
            Witness::Itself => {
                (FindingKind::Conflict, "the checkpoint file has another envelope with this sequence")
            }
            Witness::Follower => {
                (FindingKind::Altered, "it is not the envelope that the stream after it names as its last")
            }
            Witness::Input | Witness::File => {
                (FindingKind::Altered, "it is not the envelope that a checkpoint or heartbeat names")
            }
        };
        stream.findings.at(kind, sequence, claim.place, note);
        true
    }
}
