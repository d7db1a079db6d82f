//! What every binding needs and should not write itself: opening with host sinks, the process's default emitter,
//! ambient context, and reports as JSON.
//!
//! Guarantees: the names in this JSON are the public ones, the same in every language; a binding turns it into its
//! language's types and adds nothing.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, PoisonError};

use arc_swap::ArcSwapOption;

use crate::config::{Config, Source};
use crate::emitter::{Awaited, Drained, Emitter, HostSink, LaneReport, MetricKind, Options, SinkFactory};
use crate::envelope::push_sequence;
use crate::error::{Error, ErrorKind, Result};
use crate::json::{JsonError, ObjectWriter, Value};
use crate::key::{HostSigner, SigningKey, load_signing_key};
use crate::lane::{Cursor, Health, StateRecord};
use crate::receipt::Receipt;
use crate::reentry;
use crate::seam::fork::{Mine, PerProcess};
use crate::seam::{Env, UnixNanos, Uuid, format_time};
use crate::sink::{ReadingKind, SinkClass};
use crate::sync::{Condvar, Mutex, lock};

/// A sink of the host's, as a binding describes it.
pub struct HostSinkSpec {
    /// The sink's own name: the lane's id unless `lane` gives one.
    pub name: String,
    /// The sink's own classes; empty for those of the configuration's default.
    pub classes: Vec<String>,
    /// Any keys of a lane, as a JSON object.
    pub lane: Option<String>,
    /// Makes the sink.
    pub make: SinkFactory,
}

/// What a binding passes to open an emitter.
pub struct Opening {
    /// Where the configuration comes from.
    pub source: Source,
    /// Host sinks.
    pub sinks: Vec<HostSinkSpec>,
    /// The host's signer.
    pub signer: Option<Arc<dyn HostSigner>>,
    /// Whether to run without threads.
    pub manual: bool,
}

/// Opens an emitter.
///
/// # Errors
/// As [`Emitter::open`] and [`Config::load`].
pub fn open(opening: Opening, env: &dyn Env) -> Result<Emitter> {
    open_with(opening, env, &mut |_| Ok(None))
}

/// Opens an emitter. `find` provides the sinks that lanes name and the program did not pass: a language's plug-ins.
///
/// # Errors
/// As [`open`], and those of `find`.
pub fn open_with(
    opening: Opening,
    env: &dyn Env,
    find: &mut dyn FnMut(&str) -> Result<Option<HostSinkSpec>>,
) -> Result<Emitter> {
    Emitter::open(options(opening, env, find)?)
}

/// Reads and checks what an emitter is opened with.
///
/// # Errors
/// As [`Config::load`], and those of `find`.
pub fn options(
    opening: Opening,
    env: &dyn Env,
    find: &mut dyn FnMut(&str) -> Result<Option<HostSinkSpec>>,
) -> Result<Options> {
    let hosts = Hosts { env, state: RefCell::new(HostsState { given: opening.sinks, find, failed: None }) };
    let loaded = Config::load(opening.source, &hosts);
    let HostsState { given, failed, .. } = hosts.state.into_inner();
    // Why a plug-in could not be loaded says more than that its sink is missing.
    failed.map_or(Ok(()), Err)?;
    let mut config = loaded?;
    let mut sinks = Vec::with_capacity(given.len());
    for spec in given {
        let named = config.lanes.iter().find(|lane| lane.sink.host() == Some(&*spec.name)).cloned();
        match named {
            Some(lane) => sinks.push(HostSink { name: spec.name, lane, make: spec.make }),
            None => {
                let (sink, warnings) = host_sink(&config, spec, env)?;
                config.warnings.extend(warnings);
                sinks.push(sink);
            }
        }
    }
    Ok(Options { config, sinks, signer: opening.signer, manual: opening.manual })
}

/// The environment, with what the host's sinks say about themselves.
struct Hosts<'a> {
    env: &'a dyn Env,
    state: RefCell<HostsState<'a>>,
}

struct HostsState<'a> {
    given: Vec<HostSinkSpec>,
    find: &'a mut dyn FnMut(&str) -> Result<Option<HostSinkSpec>>,
    failed: Option<Error>,
}

impl Env for Hosts<'_> {
    fn host_classes(&self, name: &str) -> Vec<String> {
        let mut state = self.state.borrow_mut();
        if !state.given.iter().any(|spec| spec.name == name) {
            match (state.find)(name) {
                Ok(found) => state.given.extend(found),
                Err(e) => state.failed = state.failed.take().or(Some(e)),
            }
        }
        let spec = state.given.iter().find(|spec| spec.name == name);
        spec.map(|spec| spec.classes.clone()).unwrap_or_default()
    }

    fn var(&self, name: &str) -> Option<String> {
        self.env.var(name)
    }

    fn program(&self) -> Option<String> {
        self.env.program()
    }

    fn now(&self) -> UnixNanos {
        self.env.now()
    }

    fn read(&self, path: &std::path::Path) -> std::io::Result<Vec<u8>> {
        self.env.read(path)
    }

    fn read_private(&self, path: &std::path::Path) -> Result<crate::secret::Secret> {
        self.env.read_private(path)
    }
}

/// Adds a host's sink to a running emitter.
///
/// # Errors
/// `invalid_config`, as for any lane; `closed`.
pub fn add_sink(emitter: &Emitter, spec: HostSinkSpec, env: &dyn Env) -> Result<()> {
    let (sink, warnings) = host_sink(emitter.config(), spec, env)?;
    warnings.iter().for_each(|warning| crate::diagnostics::warn(warning));
    emitter.add_sink(sink)
}

/// The lane for a host's sink: with the sink's own name and classes, unless the lane's keys say otherwise.
fn host_sink(config: &Config, spec: HostSinkSpec, env: &dyn Env) -> Result<(HostSink, Vec<String>)> {
    if spec.name.is_empty() {
        return Err(Error::invalid_argument("a sink has no name; give it one, which its lane is called by")
            .at("sinks"));
    }
    let keys = match &spec.lane {
        None => Value::Object(Vec::new()),
        Some(text) => crate::json::parse(text.as_bytes())
            .map_err(|e| Error::invalid_config(format!("a lane's keys must be a JSON object: {e}")))?,
    };
    let Value::Object(mut members) = keys else {
        return Err(Error::invalid_config("a lane's keys must be an object"));
    };
    let mut default = |key: &str, value: Value| {
        if !members.iter().any(|(known, _)| known == key) {
            members.push((key.to_owned(), value));
        }
    };
    default("id", spec.name.as_str().into());
    if !spec.classes.is_empty() {
        default("classes", Value::Array(spec.classes.into_iter().map(Value::from).collect()));
    }
    default("sink", Value::Object(vec![("host".into(), spec.name.as_str().into())]));
    let text = Value::Object(members).to_canonical().map_err(|e| Error::invalid_config(e.to_string()))?;
    let (lane, warnings) = config.parse_lane(&String::from_utf8_lossy(&text), env)?;
    Ok((HostSink { name: spec.name, lane, make: spec.make }, warnings))
}

/// Loads a key for `change_key` from the text of a `key:` section (YAML or JSON).
///
/// # Errors
/// `invalid_config`, `key`.
pub fn load_key(section: &str, signer: Option<Arc<dyn HostSigner>>, env: &dyn Env) -> Result<SigningKey> {
    let key = Config::parse_key(section, env)?;
    load_signing_key(&key, signer)
}

/// Has a durable lane send again what its journal holds, from an envelope on, which is given by its stream's id and its
/// sequence.
///
/// # Errors
/// `invalid_argument`: this is no stream id, or no lane has this id; `unsupported`: the lane is not durable.
pub fn repair(emitter: &Emitter, lane: &str, streamid: &str, sequence: u64) -> Result<()> {
    let streamid = Uuid::parse(streamid).ok_or_else(|| {
        Error::invalid_argument("must be a stream's id, as in a cursor").at("from.streamid")
    })?;
    emitter.repair(lane, streamid, sequence)
}

/// Read without a lock, as a fork may happen at any time. A forked child that uses it opens its own part.
static DEFAULT: ArcSwapOption<Emitter> = ArcSwapOption::const_empty();

/// What [`configure_default`] was last given; if nothing, the default emitter opens from the environment.
static CONFIGURED: ArcSwapOption<Options> = ArcSwapOption::const_empty();

/// Who opens the default emitter, and who waits for that.
static OPENING: PerProcess<OpeningNow> = PerProcess::new();

#[derive(Default)]
struct OpeningNow {
    state: Mutex<OpeningState>,
    changed: Condvar,
}

#[derive(Default)]
struct OpeningState {
    /// Whether some thread opens it.
    busy: bool,
    /// Which opening that is.
    number: u64,
    /// What that thread waits for, once it is known.
    awaited: Option<Awaited>,
}

crate::sync::thread_local! {
    /// This thread opens the default emitter: so does all that it runs meanwhile, a plug-in, a logger, a sink's maker.
    static OPENS: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread opens the default emitter.
pub(crate) fn opens_default() -> bool {
    OPENS.with(Cell::get)
}

/// Who opens the default emitter, until this is dropped.
pub struct Turn(Mine<OpeningNow>);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        (state.busy, state.awaited) = (false, None);
        drop(state);
        self.0.changed.notify_all();
    }
}

/// Makes the calling thread the next to open the default emitter, or another one to which it gives this; unless somebody opens it
/// now. What is emitted from here on goes to what is opened then, and opens nothing before.
pub fn take_turn() -> Option<Turn> {
    let opening_now = OPENING.get();
    let mut state = lock(&opening_now.state);
    if state.busy {
        return None;
    }
    (state.busy, state.number) = (true, state.number + 1);
    drop(state);
    Some(Turn(opening_now))
}

/// Runs `open` alone among those who open the default emitter; it tells what it will wait for. What runs for the opening, what is
/// inside a sink, for which that may wait, and a thread that runs what that waits for are not kept waiting by it, as they would wait
/// for themselves.
fn alone<T>(turn: Option<Turn>, open: impl FnOnce(&mut dyn FnMut(&Awaited)) -> Result<T>) -> Result<T> {
    struct Opens;
    impl Drop for Opens {
        fn drop(&mut self) {
            OPENS.with(|opens| opens.set(false));
        }
    }
    let turn = turn.map_or_else(await_turn, Ok)?;
    OPENS.with(|opens| opens.set(true));
    let _opens = Opens;
    open(&mut |awaited| {
        lock(&turn.0.state).awaited = Some(awaited.clone());
        turn.0.changed.notify_all();
    })
}

/// Waits until nobody else opens the default emitter.
fn await_turn() -> Result<Turn> {
    let opening_now = OPENING.get();
    let mut state = lock(&opening_now.state);
    // Of which opening it was asked whether this thread may wait for it, and what keeps that so.
    let (mut asked, mut away) = (None, None);
    while state.busy {
        if opens_default() || reentry::is_inside() {
            return Err(Error::new(
                ErrorKind::Closed,
                "the default emitter is being opened, and is not waited for by what runs for that, or inside a sink, a signer or a \
                 logger; open it before",
            ));
        }
        let Some(awaited) = state.awaited.clone().filter(|_| asked != Some(state.number)) else {
            state = opening_now.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        asked = Some(state.number);
        // The host's code is asked: no lock is held.
        drop(state);
        away = Some(awaited.may_wait().map_err(|_| {
            Error::new(
                ErrorKind::Closed,
                "the default emitter is being opened, and waits for a sink that the event loop of this thread runs: await that first, \
                 as by `await configure(…)`",
            )
        })?);
        state = lock(&opening_now.state);
    }
    (state.busy, state.number) = (true, state.number + 1);
    drop(state);
    drop(away);
    Ok(Turn(opening_now))
}

/// Opens the process's default emitter as the program says, instead of from the environment. After a shutdown the next
/// use opens it again, in the way that was last given here.
///
/// # Errors
/// As [`open`]; `invalid_argument` if it is open already, as its events would then go to two emitters; `closed` while it is being
/// opened, for what runs for that and what is inside a sink.
pub fn configure_default(opening: Opening, env: &dyn Env) -> Result<Arc<Emitter>> {
    configure_default_with(opening, env, &mut |_| Ok(None))
}

/// As [`configure_default`], in a turn that was taken before.
///
/// # Errors
/// As [`configure_default`].
pub fn configure_default_in(turn: Option<Turn>, opening: Opening, env: &dyn Env) -> Result<Arc<Emitter>> {
    configure_in(turn, || options(opening, env, &mut |_| Ok(None)))
}

/// As [`configure_default`]; `find` as for [`open_with`].
///
/// # Errors
/// As [`configure_default`], and those of `find`.
pub fn configure_default_with(
    opening: Opening,
    env: &dyn Env,
    find: &mut dyn FnMut(&str) -> Result<Option<HostSinkSpec>>,
) -> Result<Arc<Emitter>> {
    configure_default_as(|| options(opening, env, find))
}

/// As [`configure_default`], with what `options` gives.
///
/// # Errors
/// Those of `options`, and as [`configure_default`].
pub fn configure_default_as(options: impl FnOnce() -> Result<Options>) -> Result<Arc<Emitter>> {
    configure_in(None, options)
}

fn configure_in(turn: Option<Turn>, options: impl FnOnce() -> Result<Options>) -> Result<Arc<Emitter>> {
    alone(turn, |tell| {
        if open_default().is_some() {
            return Err(Error::invalid_argument(
                "the default emitter is open already; configure it before the first event, or shut it down first",
            ));
        }
        let options = Arc::new(options()?);
        let emitter = Arc::new(Emitter::open_by(Arc::clone(&options), tell)?);
        CONFIGURED.store(Some(options));
        DEFAULT.store(Some(Arc::clone(&emitter)));
        Ok(emitter)
    })
}

/// The process's default emitter, opened on first use, and again after it was shut down: from what
/// [`configure_default`] was given last, else from the environment.
///
/// # Errors
/// As [`open`]; `closed` as for [`configure_default`].
pub fn default_emitter(env: &dyn Env) -> Result<Arc<Emitter>> {
    if let Some(emitter) = open_default() {
        return Ok(emitter);
    }
    alone(None, |tell| {
        if let Some(emitter) = open_default() {
            return Ok(emitter);
        }
        let given = CONFIGURED.load_full().map_or_else(
            || {
                let source = Source::Environment;
                let opening = Opening { source, sinks: Vec::new(), signer: None, manual: false };
                options(opening, env, &mut |_| Ok(None)).map(Arc::new)
            },
            Ok,
        )?;
        let emitter = Arc::new(Emitter::open_by(given, tell)?);
        DEFAULT.store(Some(Arc::clone(&emitter)));
        Ok(emitter)
    })
}

/// Whether governance forbids that a caller goes on who could not have the default emitter, for an error of this kind
/// ([`ErrorKind::name`]). Telemetry costs the program something only where its configuration says so: what is required is down, the
/// governance policy cannot be read, the emitter's opening waits for what is required, or the configuration requires what fails closed
/// and something else is amiss (a key, a journal). One that cannot be read at all may have required it: it forbids, too.
#[must_use]
pub fn default_forbids(kind: &str, env: &dyn Env) -> bool {
    let forbidden = [ErrorKind::RequiredSinkUnavailable, ErrorKind::Policy, ErrorKind::Closed];
    if forbidden.iter().any(|known| known.name() == kind) {
        return true;
    }
    let fails_closed =
        |config: &Config| config.governance.as_ref().is_some_and(|governance| governance.fails_closed());
    match CONFIGURED.load_full() {
        Some(options) => fails_closed(&options.config),
        None => Config::load(Source::Environment, env).map_or(true, |config| fails_closed(&config)),
    }
}

/// A new id like an event's, for a run to which the host gives no name.
#[must_use]
pub fn new_id() -> String {
    use crate::seam::{Clock as _, Random as _, SystemClock, SystemRandom};
    Uuid::v7(SystemClock::default().unix_nanos(), SystemRandom.bytes16("", 0)).to_string()
}

/// The process's default emitter, if it is open.
#[must_use]
pub fn open_default() -> Option<Arc<Emitter>> {
    DEFAULT.load_full().filter(|emitter| !emitter.is_closed())
}

/// Takes the default emitter out, so that the caller can shut it down; the next use opens another.
pub fn take_default() -> Option<Arc<Emitter>> {
    DEFAULT.swap(None)
}

type Written = std::result::Result<(), JsonError>;

fn object(write: impl FnOnce(&mut ObjectWriter) -> Written) -> Vec<u8> {
    let mut w = ObjectWriter::new();
    let written = w.begin_object().and_then(|()| write(&mut w)).and_then(|()| w.end_object());
    debug_assert!(written.is_ok(), "{written:?}");
    w.finish().map_or_else(|_| b"{}".to_vec(), |done| done.bytes().to_vec())
}

fn text(w: &mut ObjectWriter, key: &str, value: &str) -> Written {
    w.key(key)?;
    w.string(value)
}

fn number(w: &mut ObjectWriter, key: &str, value: u64) -> Written {
    w.key(key)?;
    w.int(i128::from(value))
}

fn maybe(w: &mut ObjectWriter, key: &str, value: Option<&str>) -> Written {
    w.key(key)?;
    match value {
        Some(value) => w.string(value),
        None => w.null(),
    }
}

fn time(w: &mut ObjectWriter, key: &str, value: UnixNanos) -> Written {
    let mut out = Vec::with_capacity(30);
    format_time(&mut out, value);
    text(w, key, std::str::from_utf8(&out).unwrap_or_default())
}

fn padded(w: &mut ObjectWriter, key: &str, value: u64) -> Written {
    let mut out = Vec::with_capacity(20);
    push_sequence(&mut out, value);
    text(w, key, std::str::from_utf8(&out).unwrap_or_default())
}

fn cursor(w: &mut ObjectWriter, key: &str, cursor: Option<&Cursor>) -> Written {
    w.key(key)?;
    let Some(cursor) = cursor else { return w.null() };
    w.begin_object()?;
    text(w, "streamid", &cursor.streamid.to_string())?;
    padded(w, "sequence", cursor.sequence)?;
    number(w, "export", cursor.export)?;
    w.end_object()
}

/// `{lane: {state, reason, streamid, sequence, hash, digest, when}}`; a lane in which the event has not ended has
/// `null`.
#[must_use]
pub fn endings_json(receipt: &Receipt) -> Vec<u8> {
    object(|w| {
        for (lane, ending) in receipt.endings() {
            w.key(lane)?;
            let Some(ending) = ending else {
                w.null()?;
                continue;
            };
            w.begin_object()?;
            text(w, "state", ending.state.name())?;
            maybe(w, "reason", ending.reason)?;
            match &ending.sealed {
                Some(sealed) => {
                    text(w, "streamid", &sealed.streamid.to_string())?;
                    number(w, "sequence", sealed.sequence)?;
                    for (key, value) in [("hash", &sealed.hash), ("digest", &sealed.digest)] {
                        text(w, key, &crate::hex::text(value))?;
                    }
                }
                None => {
                    for key in ["streamid", "sequence", "hash", "digest"] {
                        w.key(key)?;
                        w.null()?;
                    }
                }
            }
            time(w, "when", ending.when)?;
            w.end_object()?;
        }
        Ok(())
    })
}

/// `{"id": …, "lanes": {lane: "enqueued"}, "evicted": {lane: n}}`
#[must_use]
pub fn receipt_json(receipt: &Receipt) -> Vec<u8> {
    object(|w| {
        text(w, "id", &receipt.id().to_string())?;
        w.key("lanes")?;
        w.begin_object()?;
        for (lane, admission) in receipt.lanes() {
            text(w, lane, &admission.to_string())?;
        }
        w.end_object()?;
        w.key("evicted")?;
        w.begin_object()?;
        for (lane, n) in receipt.evicted() {
            number(w, lane, u64::from(n))?;
        }
        w.end_object()
    })
}

/// `{lane: {admitted, …, dropped_by: {reason: n}, rejected_by: {…}, filtered_by: {…}}}`
#[must_use]
pub fn counters_json(emitter: &Emitter) -> Vec<u8> {
    object(|w| {
        for (lane, counters) in emitter.counters() {
            w.key(&lane)?;
            counters.write(w)?;
        }
        Ok(())
    })
}

/// `{metrics: [{name, kind, unit, description, points: [{attributes, value}]}]}`, which a binding registers with a
/// host's meter.
#[must_use]
pub fn metrics_json(emitter: &Emitter) -> Vec<u8> {
    let object = |members: Vec<(&str, Value)>| {
        Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let own = emitter.metrics().into_iter().map(|metric| {
        let points = metric.points.into_iter().map(|point| {
            let attributes = point.attributes.into_iter().map(|(key, value)| (key, value.into())).collect();
            let value = Value::Int(i64::try_from(point.value).unwrap_or(i64::MAX));
            object(vec![("attributes", object(attributes)), ("value", value)])
        });
        object(vec![
            ("name", metric.name.into()),
            ("kind", metric.kind.name().into()),
            ("unit", metric.unit.into()),
            ("description", metric.description.into()),
            ("points", Value::Array(points.collect())),
        ])
    });
    let derived =
        emitter.derived().into_iter().filter(|reading| reading.kind == ReadingKind::Sum).map(|reading| {
            let whole = reading.whole;
            let points = reading.points.into_iter().map(|point| {
                let attributes = Value::Object(
                    point.attributes.into_iter().map(|(key, value)| (key, value.into())).collect(),
                );
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "it is whole; beyond 2^53 it is not exact in any case"
                )]
                let value = if whole { Value::Int(point.value as i64) } else { Value::Float(point.value) };
                object(vec![("attributes", attributes), ("value", value)])
            });
            object(vec![
                ("name", reading.name.into()),
                ("kind", MetricKind::Counter.name().into()),
                ("unit", reading.unit.into()),
                ("description", reading.description.into()),
                ("points", Value::Array(points.collect())),
            ])
        });
    object(vec![("metrics", Value::Array(own.chain(derived).collect()))]).to_json().into_bytes()
}

/// What a host's histograms are to be given that this reader has not been given yet: `{reader, recordings: [{name, unit,
/// description, buckets, points: [{attributes, values: [[value, times]]}]}]}`. Reader 0 is a new one, which gets its number
/// and no values yet. Every histogram is there, also one that has nothing new.
#[must_use]
pub fn recordings_json(emitter: &Emitter, reader: u32) -> Vec<u8> {
    let object = |members: Vec<(&str, Value)>| {
        Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let (reader, recordings) = emitter.recordings(reader);
    let recordings = recordings.into_iter().map(|recording| {
        let points = recording.points.into_iter().map(|point| {
            let attributes = point.attributes.into_iter().map(|(key, value)| (key, value.into())).collect();
            let times = |count: u64| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
            let values = point.values.into_iter();
            let values = values.map(|(value, count)| Value::Array(vec![Value::Float(value), times(count)]));
            object(vec![
                ("attributes", Value::Object(attributes)),
                ("values", Value::Array(values.collect())),
            ])
        });
        object(vec![
            ("name", recording.name.into()),
            ("unit", recording.unit.into()),
            ("description", recording.description.into()),
            ("buckets", Value::Array(recording.ends.iter().copied().map(Value::Float).collect())),
            ("points", Value::Array(points.collect())),
        ])
    });
    let all = vec![("reader", Value::Int(reader.into())), ("recordings", Value::Array(recordings.collect()))];
    object(all).to_json().into_bytes()
}

/// `{lane: {state, since, failure, summary, detail, acked, classes}}`; a checkpoint file is listed as
/// `checkpoint:file`, without classes.
#[must_use]
pub fn health_json(emitter: &Emitter) -> Vec<u8> {
    let one = |w: &mut ObjectWriter, id: &str, health: &Health, classes: &[SinkClass]| -> Written {
        w.key(id)?;
        w.begin_object()?;
        text(w, "state", health.state.name())?;
        time(w, "since", health.since)?;
        maybe(w, "failure", health.failure.map(crate::sink::FailureKind::name))?;
        maybe(w, "summary", health.summary.as_deref())?;
        maybe(w, "detail", health.detail.as_deref())?;
        cursor(w, "acked", health.acked.as_ref())?;
        w.key("classes")?;
        w.begin_array()?;
        for class in classes {
            w.string(class.name())?;
        }
        w.end_array()?;
        w.end_object()
    };
    object(|w| {
        let lanes = emitter.lanes();
        lanes.iter().try_for_each(|lane| one(w, lane.id(), &lane.health(), lane.classes()))?;
        emitter.checkpoint_health().map_or(Ok(()), |(name, health)| one(w, name, &health, &[]))
    })
}

/// `{lane: {delivered, pending, journaled, where}}`
#[must_use]
pub fn report_json(report: &[(String, LaneReport)]) -> Vec<u8> {
    object(|w| {
        for (lane, report) in report {
            w.key(lane)?;
            w.begin_object()?;
            number(w, "delivered", report.delivered)?;
            number(w, "pending", report.pending)?;
            number(w, "journaled", report.journaled)?;
            text(w, "where", report.place.name())?;
            w.end_object()?;
        }
        Ok(())
    })
}

/// `{"count": n, "records": [{lane, kind, state, failure, summary, terminal_preserved, dropped, acked,
/// repair, unsafe_replay}]}`
#[must_use]
pub fn drained_json(drained: &Drained) -> Vec<u8> {
    let one = |w: &mut ObjectWriter, record: &StateRecord| -> Written {
        w.begin_object()?;
        text(w, "lane", &record.lane)?;
        text(w, "kind", record.kind)?;
        text(w, "state", record.state.name())?;
        maybe(w, "failure", record.failure.map(crate::sink::FailureKind::name))?;
        text(w, "summary", &record.summary)?;
        w.key("terminal_preserved")?;
        w.bool(record.terminal_preserved)?;
        number(w, "dropped", record.dropped)?;
        cursor(w, "acked", record.acked.as_ref())?;
        cursor(w, "repair", record.repair.as_ref())?;
        maybe(w, "unsafe_replay", record.unsafe_replay)?;
        w.end_object()
    };
    object(|w| {
        number(w, "count", drained.count)?;
        w.key("records")?;
        w.begin_array()?;
        drained.records.iter().try_for_each(|record| one(w, record))?;
        w.end_array()
    })
}
