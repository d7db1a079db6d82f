//! Freezing: from the event that the host gave to the one that lanes share.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::input::{Data, EventInput, Ready, Trace, Words, Written, invalid_data};
use super::outside::{is_control, usable_trace};
use crate::content::{Part, Redactor};
use crate::error::{Error, Result};
use crate::glob::Globs;
use crate::hex;
use crate::json::{Canonical, ObjectWriter, compare_keys, parse_into, write_string};
use crate::seam::{Instant, UnixNanos, Uuid, parse_time};
use crate::settings::{ContentMode, Limits};
use crate::sink::{EventId, LONGEST_ID};
use crate::timeline::Timeline;
use crate::types::{self, Severity};

/// Which of a deed's two events this is (`data.phase`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// What is about to be done.
    Intent,
    /// What came of it.
    Result,
}

impl Phase {
    /// Its name in `data.phase`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Result => "result",
        }
    }
}

/// Text attributes that only some events have, in the order of their names on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Attribute {
    /// `attemptid`
    Attempt,
    /// `causationid`
    Causation,
    /// `correlationid`
    Correlation,
    /// `runid`
    Run,
    /// `subject`
    Subject,
    /// `traceparent`
    Traceparent,
    /// `tracestate`
    Tracestate,
    /// `turnid`
    Turn,
}

impl Attribute {
    pub(crate) const COUNT: usize = 8;

    /// Attributes that are ids of the host's, and so may hold people's words.
    pub(crate) const IDS: [Self; 5] =
        [Self::Attempt, Self::Causation, Self::Correlation, Self::Run, Self::Turn];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempt => "attemptid",
            Self::Causation => "causationid",
            Self::Correlation => "correlationid",
            Self::Run => "runid",
            Self::Subject => "subject",
            Self::Traceparent => "traceparent",
            Self::Tracestate => "tracestate",
            Self::Turn => "turnid",
        }
    }
}

/// A frozen event. Its debug output shows nothing that may be people's words.
pub struct Event {
    /// The id as it is sealed, the same in every lane.
    pub id: EventId,
    /// When it occurred.
    pub time: UnixNanos,
    /// When it was frozen, which is when its lanes count it as queued: for the age of a queue and the linger of a batch.
    pub(crate) made: Instant,
    /// Its severity.
    pub severity: Severity,
    /// Whether losing it would falsify a run's outcome.
    pub terminal: bool,
    /// Whether it is what a finished span came to.
    pub(crate) of_span: bool,
    /// Which of a deed's two events it is.
    pub(crate) phase: Option<Phase>,
    content: Content,
    /// How many bytes of the cost are the content's.
    content_cost: usize,
    /// Canonical data that is kept as long as the process; empty where the event has data of its own.
    always: &'static [u8],
    /// Canonical data of its own, then the attributes, then agent, type, tenant, the words of a log record and places, back to back.
    /// They are no `Arc<str>`s, as threads that count references to the same text would contend for its reference count.
    text: Box<[u8]>,
    data_end: u32,
    ends: [u32; Attribute::COUNT],
    agent_end: u32,
    type_end: u32,
    tenant_end: u32,
    /// Where in the type the prefix of built-in types ends.
    short_type: u32,
    /// Where places begin.
    words_end: u32,
}

/// Content parts.
enum Content {
    None,
    Parts(Box<Given>),
    /// Those of a log record, whose texts end there in the event's; they are made when the first lane seals the event.
    Words {
        ends: [u32; 3],
        permit: ContentMode,
    },
}

/// Content parts as the host gave them.
struct Given {
    parts: Vec<Part>,
    child: Option<Box<str>>,
}

impl Event {
    /// The canonical bytes of `data` as the host gave it.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        if self.always.is_empty() { &self.text[..self.data_end as usize] } else { self.always }
    }

    fn attributes_len(&self) -> usize {
        (self.ends[Attribute::COUNT - 1] - self.data_end) as usize
    }

    /// A text attribute, if the event has it.
    #[must_use]
    pub fn attribute(&self, attribute: Attribute) -> Option<&str> {
        let i = attribute as usize;
        let start = if i == 0 { self.data_end } else { self.ends[i - 1] };
        let range = start as usize..self.ends[i] as usize;
        (!range.is_empty()).then(|| std::str::from_utf8(&self.text[range]).unwrap_or_default())
    }

    /// The emitting agent.
    #[must_use]
    pub fn agent(&self) -> &str {
        std::str::from_utf8(self.agent_bytes()).unwrap_or_default()
    }

    /// The type as on the wire.
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.part(self.agent_end, self.type_end)
    }

    /// As [`event_type`](Self::event_type), its bytes.
    pub(crate) fn event_type_bytes(&self) -> &[u8] {
        &self.text[self.agent_end as usize..self.type_end as usize]
    }

    /// Tenant scope.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        Some(self.part(self.type_end, self.tenant_end)).filter(|tenant| !tenant.is_empty())
    }

    /// Whether it has content parts.
    pub(crate) fn has_content(&self) -> bool {
        !matches!(self.content, Content::None)
    }

    /// Its content parts.
    pub(crate) fn parts(&self) -> Cow<'_, [Part]> {
        match &self.content {
            Content::None => Cow::Borrowed(&[]),
            Content::Parts(given) => Cow::Borrowed(&given.parts),
            Content::Words { .. } => Cow::Owned(self.words().parts()),
        }
    }

    /// For content: the child agent or the extension that it comes from.
    pub(crate) fn child(&self) -> Option<&str> {
        match &self.content {
            Content::Parts(given) => given.child.as_deref(),
            Content::None | Content::Words { .. } => None,
        }
    }

    /// Where the values of its data's top-level members are, one after the other; none where it was not noted.
    #[inline]
    pub(crate) fn places(&self) -> &[Noted] {
        self.text[self.words_end as usize..].as_chunks().0
    }

    /// The type without the prefix of built-in types, if it is one; UTF-8.
    #[inline]
    pub(crate) fn short_type_bytes(&self) -> &[u8] {
        &self.text[self.short_type as usize..self.type_end as usize]
    }

    /// As [`agent`](Self::agent), its bytes.
    #[inline]
    pub(crate) fn agent_bytes(&self) -> &[u8] {
        &self.text[self.ends[Attribute::COUNT - 1] as usize..self.agent_end as usize]
    }

    fn words(&self) -> Words<'_> {
        let Content::Words { ends: [message, attributes, exception], permit } = self.content else {
            return Words::default();
        };
        let part = |start: u32, end: u32| &self.text[start as usize..end as usize];
        Words {
            message: part(self.tenant_end, message),
            attributes: part(message, attributes),
            exception: part(attributes, exception),
            permit,
        }
    }

    fn part(&self, start: u32, end: u32) -> &str {
        std::str::from_utf8(&self.text[start as usize..end as usize]).unwrap_or_default()
    }

    /// How many bytes the event counts for in a queue: its text, and a fixed share for the rest.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.always.len() + self.agent_end as usize + 256 + self.content_cost
    }
}

impl Event {
    /// Before anything is known of it.
    #[inline]
    pub(crate) fn blank() -> Self {
        Self {
            id: EventId::Uuid(Uuid([0; 16])),
            time: 0,
            made: Instant::default(),
            severity: Severity::default(),
            terminal: false,
            of_span: false,
            phase: None,
            content: Content::None,
            content_cost: 0,
            always: &[],
            text: Box::default(),
            data_end: 0,
            ends: [0; Attribute::COUNT],
            agent_end: 0,
            type_end: 0,
            tenant_end: 0,
            short_type: 0,
            words_end: 0,
        }
    }

    /// An event of sinkwell's own, about itself. `event_type` is the prefix and the name; `data` is canonical.
    pub(crate) fn own(
        id: Uuid,
        time: UnixNanos,
        event_type: [&str; 2],
        severity: Severity,
        agent: &str,
        tenant: Option<&str>,
        data: Box<[u8]>,
    ) -> Self {
        let mut text = data.into_vec();
        let end = |text: &[u8]| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let data_end = end(&text);
        text.extend_from_slice(agent.as_bytes());
        let agent_end = end(&text);
        text.extend_from_slice(event_type[0].as_bytes());
        let short_type = end(&text);
        text.extend_from_slice(event_type[1].as_bytes());
        let type_end = end(&text);
        text.extend_from_slice(tenant.unwrap_or_default().as_bytes());
        let tenant_end = end(&text);
        Self {
            id: id.into(),
            time,
            made: Instant::default(),
            severity,
            terminal: true,
            of_span: false,
            phase: None,
            content: Content::None,
            content_cost: 0,
            always: &[],
            text: text.into_boxed_slice(),
            data_end,
            ends: [data_end; Attribute::COUNT],
            agent_end,
            type_end,
            tenant_end,
            short_type,
            words_end: tenant_end,
        }
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Event({} {})", self.event_type(), self.id)
    }
}

/// The emitting agent, with the limits of its events.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) agent: Arc<str>,
    pub(crate) tenant: Option<Arc<str>>,
    pub(crate) source: String,
    pub(crate) prefix: String,
    pub(crate) allow: Globs,
    pub(crate) limits: Limits,
    pub(crate) policy_version: Option<String>,
}

/// What is the same in all log records of an emitter.
struct Known {
    /// Agent, type and tenant, back to back.
    names: Box<[u8]>,
    /// Where in it the agent, the prefix of built-in types and the type end.
    agent: u32,
    short: u32,
    event_type: u32,
    terminal: bool,
}

impl Known {
    fn of(identity: &Identity) -> Self {
        const NAME: &str = "log.record";
        let mut names = Vec::new();
        let mut put = |text: &str| {
            names.extend_from_slice(text.as_bytes());
            u32::try_from(names.len()).unwrap_or(u32::MAX)
        };
        let (agent, short, event_type) = (put(&identity.agent), put(&identity.prefix), put(NAME));
        put(identity.tenant.as_deref().unwrap_or_default());
        let terminal = types::Builtin::find(NAME).is_some_and(types::Builtin::is_terminal);
        Self { names: names.into(), agent, short, event_type, terminal }
    }
}

/// Turns inputs into events.
pub(crate) struct Freezer {
    pub(crate) identity: Arc<Identity>,
    pub(crate) timeline: Arc<Timeline>,
    /// Redacts the host's ids, as receipts must have them as they are sealed.
    redactor: Option<Arc<Redactor>>,
    near: types::NearNames,
    records: Known,
    /// Whether events note where the members of their data are, for policies, which ask for them.
    noting: AtomicBool,
    /// How many bytes every envelope of this emitter has beyond its event's own text, at full width.
    overhead: usize,
}

/// Where a member's value is in data, and whether it is a string with escapes, as an event notes it: see [`note`].
pub(crate) type Noted = [u8; 8];

/// Notes it.
#[inline]
pub(crate) fn note(value: Range<usize>, escaped: bool) -> Noted {
    ((value.end as u64) << 32 | (value.start as u64) << 1 | u64::from(escaped)).to_le_bytes()
}

/// What was noted.
#[inline]
pub(crate) fn noted(place: Noted) -> (usize, usize, bool) {
    let place = u64::from_le_bytes(place);
    ((place as u32 >> 1) as usize, (place >> 32) as usize, place & 1 == 1)
}

/// Members of data of which an event notes where they are. Where there are more, policies look for them, so that no event holds
/// much that is not counted.
const NOTED: usize = 128;

/// Signature, key id, hashes, times, ids, names of attributes and punctuation, at full width.
const ENVELOPE_OVERHEAD: usize = 1100;

thread_local! {
    static WRITER: RefCell<ObjectWriter> = RefCell::new(ObjectWriter::new());
}

/// Gives `f` an empty writer that this thread keeps: its buffers have grown to what events here need.
pub(crate) fn with_writer<T>(depth: usize, f: impl FnOnce(&mut ObjectWriter) -> T) -> T {
    WRITER.with(|writer| match writer.try_borrow_mut() {
        Ok(mut writer) => {
            writer.reset(depth);
            f(&mut writer)
        }
        // `emit` was called inside an `emit` of the same thread (by a signal handler, an allocator's hook, or a value of
        // the host's that emits while it is read).
        Err(_) => f(&mut ObjectWriter::with_depth(depth)),
    })
}

impl Freezer {
    pub(crate) fn new(identity: Arc<Identity>, timeline: Arc<Timeline>) -> Self {
        let policy = identity.policy_version.as_ref().map_or(0, String::len);
        let overhead = ENVELOPE_OVERHEAD + identity.source.len() + policy;
        let (near, noting) = (types::NearNames::default(), AtomicBool::new(false));
        let records = Known::of(&identity);
        Self { identity, timeline, redactor: None, near, records, noting, overhead }
    }

    /// Whether events are to note where the members of their data are.
    pub(crate) fn note_places(&self, noting: bool) {
        self.noting.store(noting, Ordering::Relaxed);
    }

    /// Sets the redactor for the host's ids.
    pub(crate) fn redacting(self, redactor: Option<Arc<Redactor>>) -> Self {
        Self { redactor, ..self }
    }

    /// Checks and completes an event.
    ///
    /// # Errors
    /// Kind `invalid_event`, with the path. Nothing of the event is kept then.
    pub(crate) fn freeze(&self, mut input: EventInput<'_>) -> Result<Event> {
        let mut event = Event::blank();
        self.freeze_into(&mut event, &mut input, None, None)?;
        Ok(event)
    }

    /// As [`freeze`](Self::freeze), into one that is blank, of this run unless the event names its own. An event of a deed says which of the two it is (`data.phase`), and is terminal
    /// whatever its type.
    ///
    /// # Errors
    /// As [`freeze`](Self::freeze).
    pub(crate) fn freeze_into(
        &self,
        event: &mut Event,
        input: &mut EventInput<'_>,
        run: Option<&str>,
        phase: Option<Phase>,
    ) -> Result<()> {
        match input.data {
            Data::Object(writer) => self.freeze_with(event, input, writer, run, phase),
            Data::None | Data::Json(_) => with_writer(self.identity.limits.depth, |writer| {
                self.freeze_text(event, input, writer, run, phase)
            }),
        }
    }

    fn freeze_text(
        &self,
        event: &mut Event,
        input: &mut EventInput<'_>,
        writer: &mut ObjectWriter,
        run: Option<&str>,
        phase: Option<Phase>,
    ) -> Result<()> {
        match input.data {
            Data::Json(text) => parse_into(text, writer),
            _ => writer.begin_object().and_then(|()| writer.end_object()),
        }
        .map_err(|e| invalid_data(&e))?;
        self.freeze_with(event, input, writer, run, phase)
    }

    fn freeze_with(
        &self,
        event: &mut Event,
        input: &mut EventInput<'_>,
        writer: &ObjectWriter,
        run: Option<&str>,
        phase: Option<Phase>,
    ) -> Result<()> {
        let identity = &*self.identity;
        let data = writer.finish().map_err(|e| invalid_data(&e))?;
        let resolved = if self.near.knows(input.event_type) {
            types::Resolved::own(input.event_type)
        } else {
            let resolved = types::resolve(input.event_type, &identity.prefix)?;
            if resolved.builtin().is_none() {
                self.near.look_at(input.event_type, &identity.prefix);
            }
            resolved
        };
        let default_severity = resolved.check_written(&data)?;
        self.complete(event, input, resolved, default_severity, data, run, phase)
    }

    #[allow(clippy::too_many_arguments, reason = "what of an event is known by then")]
    fn complete(
        &self,
        event: &mut Event,
        input: &mut EventInput<'_>,
        resolved: types::Resolved<'_>,
        default_severity: Severity,
        data: Canonical<'_>,
        run: Option<&str>,
        phase: Option<Phase>,
    ) -> Result<()> {
        let identity = &*self.identity;
        let severity = match input.severity {
            Some(given) => given.parse()?,
            None => default_severity,
        };
        let terminal = match (resolved.builtin(), input.terminal) {
            (Some(built_in), None) => built_in.is_terminal(),
            (Some(built_in), Some(given)) if given == built_in.is_terminal() => given,
            (Some(_), Some(_)) => {
                return Err(Error::invalid_event(
                    "a built-in type says itself whether it is terminal; leave it out",
                )
                .at("terminal"));
            }
            (None, given) => given.unwrap_or(false),
        };
        if phase.is_some() && input.terminal == Some(false) {
            return Err(
                Error::invalid_event("the events of a deed are terminal; leave it out").at("terminal")
            );
        }
        let terminal = terminal || phase.is_some();
        let agent = self.scoped("agent", input.agent, &identity.agent)?;
        let tenant = match (input.tenant, &identity.tenant) {
            (None, own) => own.as_deref(),
            (Some(given), own) => {
                Some(self.scoped("tenant", Some(given), own.as_deref().unwrap_or_default())?)
            }
        };
        let (event_time, made, event_random) = self.timeline.event();
        let time = match input.time {
            None => event_time,
            Some(text) => parse_time(text).ok_or_else(|| {
                Error::invalid_event(
                    "must be an RFC 3339 time between 1970 and 2262, as 2026-01-31T12:00:00.5Z",
                )
                .at("time")
            })?,
        };
        let id = match input.id {
            None => EventId::Uuid(Uuid::v7(event_time, event_random)),
            Some(text) => self.own_id(text)?,
        };
        let trace = input.trace.as_ref().and_then(usable_trace);
        let traceparent = trace.as_ref().map(traceparent);
        if let Some(child) = input.child {
            check_attribute("child", child)?;
        }
        for (i, part) in input.content.iter().enumerate() {
            part.check_nth(i)?;
        }

        // As on the wire.
        let event_type = match resolved.builtin() {
            Some(built_in) => [identity.prefix.as_str(), built_in.name()],
            None => ["", input.event_type],
        };
        let about_run = || resolved.builtin().is_some_and(|built_in| built_in.name().starts_with("run."));
        let with_parent = match input.parent_run {
            Some(parent) if about_run() && data.get("parent_run").is_none() => {
                check_attribute("parent_run", parent)?;
                Some(with_text(&data, "parent_run", parent))
            }
            _ => None,
        };
        let with_phase = phase.map(|phase| match &with_parent {
            // An event about a run may be a deed's, too.
            Some(text) => add_text(text, "phase", phase.name()),
            None => Ok(with_text(&data, "phase", phase.name())),
        });
        let with_phase = with_phase.transpose()?;
        let bytes = with_phase.as_deref().or(with_parent.as_deref()).unwrap_or(data.bytes());
        let run = input.run.or(run);
        // Most events have none of them.
        let attributes = (run.is_some()
            || traceparent.is_some()
            || input.subject.is_some()
            || input.causation.is_some()
            || input.correlation.is_some()
            || input.turn.is_some()
            || input.attempt.is_some())
        .then(|| {
            [
                ("attempt", input.attempt),
                ("causation", input.causation),
                ("correlation", input.correlation),
                ("run", run),
                ("subject", input.subject),
                ("trace", traceparent.as_ref().map(|text| std::str::from_utf8(text).unwrap_or_default())),
                ("trace.state", trace.and_then(|trace| trace.state)),
                ("turn", input.turn),
            ]
        });
        let length = bytes.len()
            + attributes.iter().flatten().map(|(_, value)| value.map_or(0, str::len)).sum::<usize>()
            + agent.len()
            + event_type[0].len()
            + event_type[1].len()
            + tenant.map_or(0, str::len);
        // Of data that is changed here nobody knows.
        let noting = self.noting.load(Ordering::Relaxed) && with_parent.is_none() && phase.is_none();
        let values =
            noting.then(|| data.values()).filter(|values| values.len() <= NOTED && bytes.len() < 1 << 31);
        let length = length + values.as_ref().map_or(0, |values| 8 * values.len());
        // Checked once: no part ends behind the whole.
        let whole = offset(length)?;
        let end = |text: &Vec<u8>| u32::try_from(text.len()).unwrap_or(whole);
        let mut text = Vec::with_capacity(length);
        text.extend_from_slice(bytes);
        let data_end = end(&text);
        let mut ends = [data_end; Attribute::COUNT];
        if let Some(attributes) = &attributes {
            for ((name, value), at) in attributes.iter().zip(&mut ends) {
                if let Some(value) = value {
                    check_attribute(name, value)?;
                    text.extend_from_slice(value.as_bytes());
                }
                *at = end(&text);
            }
        }
        text.extend_from_slice(agent.as_bytes());
        let agent_end = end(&text);
        if !event_type[0].is_empty() {
            text.extend_from_slice(event_type[0].as_bytes());
        }
        let short_type = end(&text);
        text.extend_from_slice(event_type[1].as_bytes());
        let type_end = end(&text);
        if let Some(tenant) = tenant {
            text.extend_from_slice(tenant.as_bytes());
        }
        let tenant_end = end(&text);
        let (content, content_cost) = if input.content.is_empty() {
            (Content::None, 0)
        } else {
            let parts = std::mem::take(&mut input.content);
            let cost = parts.iter().map(Part::cost).sum();
            (Content::Parts(Box::new(Given { parts, child: input.child.map(Into::into) })), cost)
        };
        if let Some(values) = values {
            let from = text.len();
            text.resize(from + 8 * values.len(), 0);
            let (places, _) = text[from..].as_chunks_mut();
            for (place, (value, escaped)) in places.iter_mut().zip(values) {
                *place = note(value, escaped);
            }
        }
        event.id = id;
        event.time = time;
        event.made = made;
        event.severity = severity;
        event.terminal = terminal;
        event.of_span = input.of_span;
        event.phase = phase;
        event.content = content;
        event.content_cost = content_cost;
        event.data_end = data_end;
        event.ends = ends;
        event.agent_end = agent_end;
        event.type_end = type_end;
        event.tenant_end = tenant_end;
        event.short_type = short_type;
        event.words_end = tenant_end;
        event.text = text.into_boxed_slice();
        self.check_size(event)
    }

    /// The event of a log record, of this run: what [`freeze`](Self::freeze) makes of the same record.
    ///
    /// # Errors
    /// As [`freeze`](Self::freeze): it is too large.
    pub(crate) fn freeze_record(
        &self,
        event: &mut Event,
        record: &Ready<'_>,
        run: Option<&str>,
    ) -> Result<()> {
        let Ready { data, severity, words, trace } = *record;
        let Known { names, agent, short, event_type, terminal } = &self.records;
        let (time, made, random) = self.timeline.event();
        let trace = trace.as_ref().and_then(usable_trace);
        let traceparent = trace.as_ref().map(traceparent);
        let state = trace.and_then(|trace| trace.state);
        if let Some(run) = run {
            check_attribute("run", run)?;
        }
        let parent = traceparent.as_ref().map_or(&[] as &[u8], |text| text.as_slice());
        let (run, state) = (run.unwrap_or_default().as_bytes(), state.unwrap_or_default().as_bytes());
        let (data, always): (&[u8], &'static [u8]) = match data {
            Written::Here(data) => (data, &[]),
            Written::Always(data) => (&[], data),
        };
        let length = data.len() + run.len() + parent.len() + state.len() + names.len() + words.len();
        // Checked once: no part ends behind the whole.
        let whole = offset(length)?;
        let end = |text: &Vec<u8>| u32::try_from(text.len()).unwrap_or(whole);
        let mut text = Vec::with_capacity(length);
        text.extend_from_slice(data);
        let data_end = end(&text);
        let mut ends = [data_end; Attribute::COUNT];
        if !(run.is_empty() && parent.is_empty()) {
            text.extend_from_slice(run);
            ends[Attribute::Run as usize..].fill(end(&text));
            text.extend_from_slice(parent);
            ends[Attribute::Traceparent as usize..].fill(end(&text));
            text.extend_from_slice(state);
            ends[Attribute::Tracestate as usize..].fill(end(&text));
        }
        let from = end(&text);
        text.extend_from_slice(names);
        let tenant_end = end(&text);
        let (content, content_cost) = if words.is_empty() {
            (Content::None, 0)
        } else {
            let mut put = |part: &[u8]| {
                if !part.is_empty() {
                    text.extend_from_slice(part);
                }
                end(&text)
            };
            let ends = [put(words.message), put(words.attributes), put(words.exception)];
            (Content::Words { ends, permit: words.permit }, words.cost())
        };
        event.id = EventId::Uuid(Uuid::v7(time, random));
        event.time = time;
        event.made = made;
        event.severity = severity;
        event.terminal = *terminal;
        event.of_span = false;
        event.phase = None;
        event.content = content;
        event.content_cost = content_cost;
        event.data_end = data_end;
        event.ends = ends;
        event.agent_end = from + agent;
        event.type_end = from + event_type;
        event.tenant_end = tenant_end;
        event.short_type = from + short;
        event.words_end = whole;
        event.always = always;
        event.text = text.into_boxed_slice();
        self.check_size(event)
    }

    /// The host's own id, in the form in which it is sealed.
    fn own_id(&self, text: &str) -> Result<EventId> {
        let read = |text: &str| {
            EventId::read(text).ok_or_else(|| {
                Error::invalid_event(format!(
                    "must be 1 to {LONGEST_ID} printable ASCII characters; leave it out to get a UUID"
                ))
                .at("id")
            })
        };
        let id = read(text)?;
        match (&id, &self.redactor) {
            // Redacted as every id is: its words don't leave, but references to it still match.
            (EventId::Own(text), Some(redactor)) => read(&redactor.redact_id(text)?),
            _ => Ok(id),
        }
    }

    /// The emitter's own value, or another one that `agent.allow` covers.
    fn scoped<'a>(&self, name: &str, given: Option<&'a str>, own: &'a str) -> Result<&'a str> {
        match given {
            None => Ok(own),
            // Without a tenant, an empty one does not count as the emitter's own.
            Some(given) if *given == *own && !own.is_empty() => Ok(own),
            Some(given) => {
                check_attribute(name, given)?;
                if !self.identity.allow.matches(given) {
                    return Err(Error::invalid_event(format!(
                        "{given:?} is not the emitter's own and matches no glob of agent.allow"
                    ))
                    .at(name));
                }
                Ok(given)
            }
        }
    }

    /// Refuses an event whose envelope would be larger than the limit, by its size before redaction.
    #[inline]
    fn check_size(&self, event: &Event) -> Result<()> {
        let own_id = event.id.own().map_or(0, |id| 2 * id.len());
        let size =
            self.overhead + event.always.len() + event.tenant_end as usize + event.content_cost + own_id;
        if size <= self.identity.limits.envelope / 2 { Ok(()) } else { self.check_large(event, size) }
    }

    /// As [`check_size`](Self::check_size), with what escaping adds to the attributes: at most as much again.
    #[inline(never)]
    fn check_large(&self, event: &Event, size: usize) -> Result<()> {
        let limit = self.identity.limits.envelope;
        let attributes = event.data_end as usize..event.data_end as usize + event.attributes_len();
        // One byte for each quote and backslash. Control characters never get here.
        let size = size + event.text[attributes].iter().filter(|b| matches!(b, b'"' | b'\\')).count();
        if size > limit {
            return Err(Error::invalid_event(format!(
                "the envelope would be {size} bytes, over the limit of {limit}; nothing is truncated: send less, or a reference"
            ))
            .at("data"));
        }
        Ok(())
    }
}

/// Canonical data with one more member, whose key it does not have yet.
fn with_text(data: &Canonical<'_>, key: &str, value: &str) -> Vec<u8> {
    let mut out = vec![b'{'];
    let mut put = |key: &str, value: &dyn Fn(&mut Vec<u8>)| {
        if out.len() > 1 {
            out.push(b',');
        }
        write_string(&mut out, key);
        out.push(b':');
        value(&mut out);
    };
    let text = |out: &mut Vec<u8>| write_string(out, value);
    let mut written = false;
    for (known, bytes) in data.members() {
        if !written && compare_keys(key, known).is_lt() {
            put(key, &text);
            written = true;
        }
        put(known, &|out| out.extend_from_slice(bytes));
    }
    if !written {
        put(key, &text);
    }
    out.push(b'}');
    out
}

/// As [`with_text`], from canonical bytes.
fn add_text(data: &[u8], key: &str, value: &str) -> Result<Vec<u8>> {
    let mut writer = ObjectWriter::new();
    writer.reset(usize::MAX);
    parse_into(data, &mut writer).map_err(|e| invalid_data(&e))?;
    let data = writer.finish().map_err(|e| invalid_data(&e))?;
    Ok(with_text(&data, key, value))
}

fn offset(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| Error::invalid_event("larger than 4 GiB").at("data"))
}

/// CloudEvents strings: not empty, no control characters.
pub(crate) fn check_attribute(name: &str, value: &str) -> Result<()> {
    if value.is_empty() {
        return Err(Error::invalid_event("is empty; leave it out instead").at(name));
    }
    // Text of only printable ASCII, as most is, needs no decoding.
    let plain = value.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    if !plain && value.chars().any(is_control) {
        return Err(Error::invalid_event("holds a control character; attributes may not").at(name));
    }
    Ok(())
}

/// `00-<trace id>-<span id>-<flags>` (W3C Trace Context), from a valid trace context.
fn traceparent(trace: &Trace<'_>) -> [u8; 55] {
    let mut text = [b'-'; 55];
    text[..2].copy_from_slice(b"00");
    text[3..35].copy_from_slice(trace.trace_id.as_bytes());
    text[36..52].copy_from_slice(trace.span_id.as_bytes());
    text[53..].copy_from_slice(&hex::pair(trace.flags));
    text
}
