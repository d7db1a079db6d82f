//! The emitter, as JavaScript sees it.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use napi::bindgen_prelude::{Env, FnArgs, Function, FunctionCallContext};
use napi_derive::napi;
use sinkwell::bridge::Door;
use sinkwell::config::Source;
use sinkwell::event::read_event;
use sinkwell::host::{
    HostSinkSpec, Opening, add_sink, configure_default, configure_default_in, counters_json, default_emitter,
    default_forbids, drained_json, health_json, load_key, open, open_default, repair, report_json,
    take_default, take_turn,
};
use sinkwell::json::ObjectWriter;
use sinkwell::key::HostSigner;
use sinkwell::seam::SystemEnv;
use sinkwell::{Attempt, Emitter, Error, EventInput, Result, SIGNAL_LIMIT, Wait};

use crate::crossing::{Crossing, Emitting, Table};
use crate::error::thrown;
use crate::event_loop::{EventLoop, Shared};
use crate::layout::{NO_ROOM, NOT_IN_TABLE};
use crate::receipt::{BLOCK, Block, NativeReceipts};
use crate::sink::{JsSigner, JsSink};
use crate::verify::duration;

/// JSON of the core's is UTF-8.
pub(crate) fn text(json: Vec<u8>) -> String {
    String::from_utf8(json).unwrap_or_default()
}

/// A sink of JavaScript's.
#[napi(object, object_to_js = false)]
pub struct SinkSpec {
    /// What `deliver` messages call it.
    pub target: u32,
    /// Its own name.
    pub name: String,
    /// Its own classes.
    pub classes: Vec<String>,
    /// Keys of a lane, as a JSON object.
    pub lane: Option<String>,
    /// A repeat of the same envelope does no harm.
    pub idempotent: bool,
}

/// What an emitter is opened with.
#[napi(object, object_to_js = false)]
pub struct OpenOptions {
    /// A file, or
    pub path: Option<String>,
    /// a mapping as JSON; neither: the environment.
    pub mapping: Option<String>,
    /// The program's name, for the default agent id.
    pub program: Option<String>,
    /// Host sinks.
    pub sinks: Vec<SinkSpec>,
    /// What `sign` messages call the signer.
    pub signer: Option<u32>,
    /// No threads.
    pub manual: bool,
}

fn environment(program: Option<String>) -> SystemEnv {
    program.map_or_else(SystemEnv::default, SystemEnv::with_program)
}

fn spec(event_loop: &Arc<Shared>, sink: SinkSpec) -> HostSinkSpec {
    let event_loop = Arc::clone(event_loop);
    let (target, idempotent) = (sink.target, sink.idempotent);
    HostSinkSpec {
        name: sink.name,
        classes: sink.classes,
        lane: sink.lane,
        make: Arc::new(move || {
            Ok(Box::new(JsSink { event_loop: Arc::clone(&event_loop), target, idempotent }))
        }),
    }
}

fn signer(event_loop: &Arc<Shared>, target: Option<u32>) -> Option<Arc<dyn HostSigner>> {
    let event_loop = Arc::clone(event_loop);
    target.map(|target| Arc::new(JsSigner { event_loop, target }) as Arc<dyn HostSigner>)
}

fn opening(event_loop: &Arc<Shared>, options: OpenOptions) -> (Opening, SystemEnv) {
    let source = match (options.path, options.mapping) {
        (Some(path), _) => Source::Path(PathBuf::from(path)),
        (None, Some(mapping)) => Source::Mapping(mapping),
        (None, None) => Source::Environment,
    };
    let sinks = options.sinks.into_iter().map(|sink| spec(event_loop, sink)).collect();
    let signer = signer(event_loop, options.signer);
    (Opening { source, sinks, signer, manual: options.manual }, environment(options.program))
}

/// An emitter's place, and the block that its next receipts go into.
struct Held {
    place: Arc<OnceLock<Arc<Emitter>>>,
    receipts: RefCell<Block>,
}

impl Held {
    fn get(&self) -> napi::Result<&Arc<Emitter>> {
        self.place.get().ok_or_else(|| thrown(Error::internal("the emitter has not been opened")))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Dropping the last reference to an emitter that was not shut down ends it, which may take longer than the
        // event loop may be held. If no thread can be started, it ends here.
        if let Some(emitter) = self.place.get().cloned() {
            self.place = Arc::default();
            let _ = std::thread::Builder::new().name("sinkwell-drop".into()).spawn(move || drop(emitter));
        }
    }
}

/// An emitter; empty until it has been opened.
#[napi]
pub struct NativeEmitter {
    held: Rc<Held>,
}

impl NativeEmitter {
    pub(crate) fn get(&self) -> napi::Result<&Arc<Emitter>> {
        self.held.get()
    }
}

/// Emits the event that the table holds; see `NativeEmitter::emitting`.
fn emit(held: &Held, table: &RefCell<Table>, call: &FunctionCallContext<'_>) -> napi::Result<f64> {
    let emitter = held.get()?;
    let mut table = table.try_borrow_mut().map_err(|_| thrown(Error::internal("the table is in use")))?;
    table.take(call)?;
    let Emitting { inside, patient, waited } = table.emitting();
    let wait = match (patient, inside) {
        (true, _) => Wait::Elsewhere(duration(waited).map_err(thrown)?),
        (false, true) => Wait::Inside,
        (false, false) => Wait::Never,
    };
    let depth = emitter.depth_limit();
    let attempt = table.read(depth, |input, rest| match rest {
        None => emitter.emit_waiting(input, &wait),
        Some(rest) => read_event(rest.as_bytes(), depth, &mut ObjectWriter::new(), |other| {
            emitter
                .emit_waiting(EventInput { event_type: input.event_type, data: input.data, ..other }, &wait)
        }),
    });
    table.shrink();
    drop(table);
    let Ok(attempt) = attempt else { return Ok(NOT_IN_TABLE) };
    match attempt.map_err(thrown)? {
        Attempt::Accepted(receipt) => {
            let block = held.receipts.borrow();
            let mut block = block.borrow_mut();
            block.push(receipt);
            #[allow(clippy::cast_precision_loss, reason = "a block is small")]
            Ok((block.len() - 1) as f64)
        }
        Attempt::NoRoom(limit) => Ok(NO_ROOM - limit.as_secs_f64() * 1e3),
    }
}

#[napi]
impl NativeEmitter {
    /// An emitter that has not been opened.
    #[napi(constructor)]
    #[allow(clippy::new_without_default, reason = "for JavaScript only")]
    pub fn new() -> Self {
        Self { held: Rc::new(Held { place: Arc::default(), receipts: RefCell::default() }) }
    }

    /// The process's default emitter.
    #[napi(factory, catch_unwind)]
    pub fn process_default(program: Option<String>) -> napi::Result<Self> {
        let emitter = default_emitter(&environment(program)).map_err(thrown)?;
        let this = Self::new();
        let _ = this.held.place.set(emitter);
        Ok(this)
    }

    /// Whether the process's default emitter is open.
    #[napi(catch_unwind)]
    pub fn default_is_open() -> bool {
        open_default().is_some()
    }

    /// Opens it as the process's default emitter, on a thread of its own.
    #[napi(catch_unwind)]
    pub fn configure_default(&self, event_loop: &EventLoop, token: u32, options: OpenOptions) {
        let place = Arc::clone(&self.held.place);
        let (opening, env) = opening(&event_loop.shared, options);
        // Here, so that an event of the program's next line does not open another.
        let turn = take_turn();
        event_loop.shared.run(token, move || {
            let _ = place.set(configure_default_in(turn, opening, &env)?);
            Ok(String::new())
        });
    }

    /// Opens it as the process's default emitter, here and now.
    #[napi(catch_unwind)]
    pub fn configure_default_sync(&self, event_loop: &EventLoop, options: OpenOptions) -> napi::Result<()> {
        let (opening, env) = opening(&event_loop.shared, options);
        let _ = self.held.place.set(configure_default(opening, &env).map_err(thrown)?);
        Ok(())
    }

    /// Takes the default emitter away, so that the next use opens another.
    #[napi(catch_unwind)]
    pub fn forget_default() {
        drop(take_default());
    }

    /// Ends the default emitter, where there is one, here and now: for `exit` of the process.
    #[napi(catch_unwind)]
    pub fn end_default(timeout: f64) -> napi::Result<()> {
        let timeout = duration(timeout).map_err(thrown)?;
        if let Some(emitter) = take_default() {
            emitter.shutdown(timeout);
        }
        Ok(())
    }

    /// Opens it on a thread of its own.
    #[napi(catch_unwind)]
    pub fn open(&self, event_loop: &EventLoop, token: u32, options: OpenOptions) {
        let place = Arc::clone(&self.held.place);
        let (opening, env) = opening(&event_loop.shared, options);
        event_loop.shared.run(token, move || {
            let _ = place.set(Arc::new(open(opening, &env)?));
            Ok(String::new())
        });
    }

    /// Opens it here and now.
    #[napi(catch_unwind)]
    pub fn open_sync(&self, event_loop: &EventLoop, options: OpenOptions) -> napi::Result<()> {
        let (opening, env) = opening(&event_loop.shared, options);
        let _ = self.held.place.set(Arc::new(open(opening, &env).map_err(thrown)?));
        Ok(())
    }

    /// The function that emits the event which the table of `crossing` describes and `text` spells out. Never
    /// waits. It answers with the place of the receipt in the block, or with a number below 0: [`NOT_IN_TABLE`],
    /// [`NO_ROOM`]. A function, since a method has to find out first whose it is.
    #[napi(catch_unwind, ts_return_type = "(text: string) => number")]
    pub fn emitting<'env>(
        &self,
        env: &'env Env,
        crossing: &Crossing,
    ) -> napi::Result<Function<'env, FnArgs<(String,)>, f64>> {
        let (held, table) = (Rc::clone(&self.held), Rc::clone(&crossing.table));
        env.create_function_from_closure("emit", move |call| emit(&held, &table, &call))
    }

    /// The block that the next receipts go into.
    #[napi(catch_unwind)]
    pub fn receipts(&self) -> NativeReceipts {
        let block = Block::new(RefCell::new(Vec::with_capacity(BLOCK)));
        *self.held.receipts.borrow_mut() = Rc::clone(&block);
        NativeReceipts { block }
    }

    /// Hands `token` to the event loop when a blocking lane that has no room has some again.
    #[napi(catch_unwind)]
    pub fn on_room(&self, event_loop: &EventLoop, token: u32) -> napi::Result<()> {
        let shared = Arc::clone(&event_loop.shared);
        self.get()?.on_room(move || shared.reached(token)).map_err(thrown)
    }

    /// Whether the configuration says `handle_signals`.
    #[napi(catch_unwind)]
    pub fn handles_signals(&self) -> napi::Result<bool> {
        Ok(self.get()?.config().handle_signals)
    }

    /// Has a durable lane export again from an envelope on.
    #[napi(catch_unwind)]
    pub fn repair(&self, lane: String, streamid: String, sequence: f64) -> napi::Result<()> {
        if sequence.fract() != 0.0 || !(0.0..9.0e15).contains(&sequence) {
            let wrong = Error::invalid_argument("must be a number, as in a cursor").at("from.sequence");
            return Err(thrown(wrong));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "looked at above")]
        repair(self.get()?, &lane, &streamid, sequence as u64).map_err(thrown)
    }

    /// Throws if an event would be refused now.
    #[napi(catch_unwind)]
    pub fn ensure_ready(&self) -> napi::Result<()> {
        self.get()?.ensure_ready().map_err(thrown)
    }

    /// The most bytes that an event's data may have.
    #[napi(catch_unwind)]
    pub fn data_limit(&self) -> napi::Result<u32> {
        Ok(u32::try_from(Door::envelope_limit(&**self.get()?)).unwrap_or(u32::MAX))
    }

    /// Whether it has been shut down, by whatever thread.
    #[napi(catch_unwind)]
    pub fn is_closed(&self) -> napi::Result<bool> {
        Ok(self.get()?.is_closed())
    }

    /// Throws where governance forbids that what the program does goes on.
    #[napi(catch_unwind)]
    pub fn may_go_on(&self) -> napi::Result<()> {
        self.get()?.may_go_on().map_err(thrown)
    }

    /// Whether governance forbids going on without the default emitter, which an error of this kind kept from being had.
    #[napi(catch_unwind)]
    pub fn default_forbids(kind: String, program: Option<String>) -> bool {
        default_forbids(&kind, &environment(program))
    }

    /// Counters per lane, as JSON.
    #[napi(catch_unwind)]
    pub fn counters(&self) -> napi::Result<String> {
        Ok(text(counters_json(self.get()?)))
    }

    /// The deeds of processes before this one that have no result, as JSON.
    #[napi(catch_unwind)]
    pub fn unfinished(&self) -> napi::Result<String> {
        Ok(text(self.get()?.unfinished_json().map_err(thrown)?))
    }

    /// What became of each policy document, as JSON.
    #[napi(catch_unwind)]
    pub fn policy_status(&self) -> napi::Result<String> {
        Ok(text(self.get()?.policy_status()))
    }

    /// Reads the telemetry policies again.
    #[napi(catch_unwind)]
    pub fn reload_policies(&self) -> napi::Result<()> {
        self.get()?.reload_policies().map_err(thrown)
    }

    /// How many events were kept out.
    #[napi(catch_unwind)]
    pub fn refused(&self) -> napi::Result<f64> {
        #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        Ok(self.get()?.refused() as f64)
    }

    /// Health per lane, as JSON.
    #[napi(catch_unwind)]
    pub fn health(&self) -> napi::Result<String> {
        Ok(text(health_json(self.get()?)))
    }

    /// How many events wait in a lane.
    #[napi(catch_unwind)]
    pub fn queued(&self, lane: String) -> napi::Result<f64> {
        #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        self.get()?.queued(&lane).map(|n| n as f64).map_err(thrown)
    }

    fn act(
        &self,
        event_loop: &EventLoop,
        token: u32,
        work: impl FnOnce(&Emitter) -> Result<String> + Send + 'static,
    ) -> napi::Result<()> {
        let emitter = Arc::clone(self.get()?);
        event_loop.shared.run(token, move || work(&emitter));
        Ok(())
    }

    /// Delivers what a lane of a manual emitter holds.
    #[napi(catch_unwind)]
    pub fn drain(&self, event_loop: &EventLoop, token: u32, lane: String) -> napi::Result<()> {
        self.act(event_loop, token, move |emitter| Ok(text(drained_json(&emitter.drain(&lane)?))))
    }

    /// Waits until all is delivered or declared; the report comes as JSON.
    #[napi(catch_unwind)]
    pub fn flush(&self, event_loop: &EventLoop, token: u32, timeout: f64) -> napi::Result<()> {
        let timeout = duration(timeout).map_err(thrown)?;
        self.act(event_loop, token, move |emitter| Ok(text(report_json(&emitter.flush(timeout)))))
    }

    /// Ends the emitter; the report comes as JSON.
    #[napi(catch_unwind)]
    pub fn shutdown(&self, event_loop: &EventLoop, token: u32, timeout: f64) -> napi::Result<()> {
        let timeout = duration(timeout).map_err(thrown)?;
        self.act(event_loop, token, move |emitter| Ok(text(report_json(&emitter.shutdown(timeout)))))
    }

    /// Flushes here and now: for `exit` of a worker thread, which leaves the default emitter to the others.
    #[napi(catch_unwind)]
    pub fn flush_sync(&self, timeout: f64) -> napi::Result<()> {
        self.get()?.flush(duration(timeout).map_err(thrown)?);
        Ok(())
    }

    /// Ends the emitter here and now: for `exit`, when nothing else runs any more.
    #[napi(catch_unwind)]
    pub fn shutdown_sync(&self, timeout: f64) -> napi::Result<()> {
        self.get()?.shutdown(duration(timeout).map_err(thrown)?);
        Ok(())
    }

    /// Adds a sink.
    #[napi(catch_unwind)]
    pub fn add_sink(&self, event_loop: &EventLoop, sink: SinkSpec) -> napi::Result<()> {
        add_sink(self.get()?, spec(&event_loop.shared, sink), &SystemEnv::default()).map_err(thrown)
    }

    /// Seals with another key: `section` is a `key:` section as JSON.
    #[napi(catch_unwind)]
    pub fn change_key(
        &self,
        event_loop: &EventLoop,
        section: String,
        target: Option<u32>,
    ) -> napi::Result<()> {
        let key = load_key(&section, signer(&event_loop.shared, target), &SystemEnv::default());
        key.and_then(|key| self.held.place.get().map_or(Ok(()), |emitter| emitter.change_key(&key)))
            .map_err(thrown)
    }

    /// Counters in the Prometheus text format.
    #[napi(catch_unwind)]
    pub fn prometheus(&self) -> napi::Result<String> {
        Ok(self.get()?.prometheus())
    }

    /// Counters and states as instruments, in JSON.
    #[napi(catch_unwind)]
    pub fn metrics(&self) -> napi::Result<String> {
        Ok(text(sinkwell::host::metrics_json(self.get()?)))
    }

    /// What histograms are to be given that this reader has not been given yet, in JSON; 0 is a new reader.
    #[napi(catch_unwind)]
    pub fn recordings(&self, reader: u32) -> napi::Result<String> {
        Ok(text(sinkwell::host::recordings_json(self.get()?, reader)))
    }
}

/// How long, in milliseconds, an ending may take that nobody set a limit for.
#[napi(catch_unwind)]
pub fn ending_limit() -> f64 {
    SIGNAL_LIMIT.as_secs_f64() * 1e3
}

/// How many receipts a block takes.
#[napi(catch_unwind)]
pub fn block_size() -> u32 {
    u32::try_from(BLOCK).unwrap_or(u32::MAX)
}
