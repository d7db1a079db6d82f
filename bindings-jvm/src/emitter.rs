//! The emitter as the JVM sees it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sinkwell::config::{Format, Source};
use sinkwell::host::{self, Opening};
use sinkwell::{Emitter, Error, SHUTDOWN_LIMIT, bridge};

use crate::emit::{Emitted, wait};
use crate::error::{Failure, guarded};
use crate::event::with_input;
use crate::mail::Completion;
use crate::process::system;
use crate::receipt::NativeReceipt;
use crate::sink::{HostSink, signer, spec};

/// Every emitter that may have to be ended when the process ends.
static OPEN: Mutex<Vec<Weak<Emitter>>> = Mutex::new(Vec::new());

/// Where a configuration comes from.
#[derive(uniffi::Enum)]
pub enum From {
    /// Environment variables, or the default.
    Environment,
    /// A file.
    Path {
        /// Its path.
        path: String,
    },
    /// A document.
    Text {
        /// YAML or JSON.
        text: String,
        /// What errors call it.
        name: Option<String>,
    },
    /// Values of the host's, as JSON: errors name the key only.
    Mapping {
        /// The JSON.
        json: String,
    },
}

/// An emitter.
#[derive(uniffi::Object)]
pub struct NativeEmitter {
    pub(crate) emitter: Arc<Emitter>,
}

fn handle(emitter: Arc<Emitter>) -> Arc<NativeEmitter> {
    Arc::new(NativeEmitter { emitter })
}

/// What an emitter is opened with.
#[derive(uniffi::Record)]
pub struct Terms {
    from: From,
    sinks: Vec<HostSink>,
    signer: Option<u64>,
    manual: bool,
    program: Option<String>,
}

impl Terms {
    fn opening(self) -> (Opening, sinkwell::seam::SystemEnv) {
        let source = match self.from {
            From::Environment => Source::Environment,
            From::Path { path } => Source::Path(PathBuf::from(path)),
            From::Text { text, name } => Source::Text { text, name, format: Format::default() },
            From::Mapping { json } => Source::Mapping(json),
        };
        let opening = Opening {
            source,
            sinks: self.sinks.into_iter().map(spec).collect(),
            signer: self.signer.map(signer),
            manual: self.manual,
        };
        (opening, system(self.program.as_deref()))
    }
}

/// Opens an emitter; waits until every required class has a healthy sink.
#[uniffi::export]
fn open_emitter(terms: Terms) -> Result<Arc<NativeEmitter>, Failure> {
    let emitter = guarded(|| {
        let (opening, env) = terms.opening();
        Ok(Arc::new(host::open(opening, &env)?))
    })?;
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|emitter| emitter.strong_count() > 0);
    open.push(Arc::downgrade(&emitter));
    Ok(handle(emitter))
}

/// Opens the process's default emitter as the program says.
#[uniffi::export]
fn configure_default(terms: Terms) -> Result<Arc<NativeEmitter>, Failure> {
    let emitter = guarded(|| {
        let (opening, env) = terms.opening();
        host::configure_default(opening, &env)
    })?;
    Ok(handle(emitter))
}

/// The process's default emitter, opened on first use.
#[uniffi::export]
fn default_emitter(program: Option<String>) -> Result<Arc<NativeEmitter>, Failure> {
    Ok(handle(guarded(|| host::default_emitter(&system(program.as_deref())))?))
}

/// Takes the default emitter away, so that it can be ended; the next use opens another.
#[uniffi::export]
fn take_default() -> Option<Arc<NativeEmitter>> {
    host::take_default().map(handle)
}

/// Ends every emitter, each within the core's own limit: the JVM, or the class loader, ends.
#[uniffi::export]
fn end_all() {
    let mut emitters: Vec<_> = {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.drain(..).filter_map(|emitter| emitter.upgrade()).collect()
    };
    emitters.extend(host::take_default());
    // All at once: each may take as long as its slowest sink.
    std::thread::scope(|scope| {
        for emitter in &emitters {
            scope.spawn(|| emitter.shutdown(SHUTDOWN_LIMIT));
        }
    });
}

fn limit(timeout_ms: Option<u64>) -> Duration {
    timeout_ms.map_or(SHUTDOWN_LIMIT, Duration::from_millis)
}

#[uniffi::export]
impl NativeEmitter {
    /// What `Fast.emit` calls it by, for as long as this object lives.
    fn address(&self) -> i64 {
        Arc::as_ptr(&self.emitter) as usize as i64
    }

    /// `Fast.emit` by way of uniffi, for comparison (bench/jvm).
    fn emit(&self, buffer: Vec<u8>, waited_ms: i64) -> Result<Emitted, Failure> {
        let emit = || {
            with_input(&buffer, &[], self.emitter.depth_limit(), |input| {
                self.emitter.emit_waiting(input, &wait(waited_ms))
            })
        };
        Ok(match guarded(emit)? {
            sinkwell::Attempt::Accepted(receipt) => {
                Emitted::Receipt { receipt: Arc::new(NativeReceipt { receipt }) }
            }
            sinkwell::Attempt::NoRoom(limit) => {
                Emitted::NoRoom { limit_ms: crate::emit::milliseconds(limit) }
            }
        })
    }

    /// Has the token told once a blocking lane without room has some again.
    fn on_room(&self, token: u64) -> Result<(), Failure> {
        let done = Completion::new(token);
        Ok(guarded(|| self.emitter.on_room(move || done.tell(Ok(Vec::new()))))?)
    }

    /// Emits a log record, given as a stream of values.
    fn emit_log(&self, record: Vec<u8>, waited_ms: i64) -> Result<(), Failure> {
        Ok(guarded(|| bridge::emit_log(&*self.emitter, &record, &blocking(waited_ms)))?)
    }

    /// Emits the events that a span stands for, given as a stream of values; says how many.
    fn emit_span(&self, span: Vec<u8>, waited_ms: i64) -> Result<u64, Failure> {
        Ok(guarded(|| bridge::emit_span(&*self.emitter, &span, &blocking(waited_ms)))? as u64)
    }

    /// Emits the events that a step of a framework's run stands for, given as a stream of values; says how many.
    fn emit_step(&self, step: Vec<u8>, waited_ms: i64) -> Result<u64, Failure> {
        Ok(guarded(|| bridge::emit_step(&*self.emitter, &step, &blocking(waited_ms)))? as u64)
    }

    /// The intent of a tool's call that is a deed, of a step given as a stream of values: an event, as JSON.
    fn step_intent(&self, step: Vec<u8>) -> Result<Vec<u8>, Failure> {
        Ok(guarded(|| bridge::intent_of_step_json(&*self.emitter, &step))?)
    }

    /// What the deed of a tool's call says of its end: `{"data", "content"}`, as JSON. A refusal is emitted here as the
    /// decision that it is.
    fn step_result(&self, step: Vec<u8>, waited_ms: i64) -> Result<Vec<u8>, Failure> {
        Ok(guarded(|| bridge::result_of_step_json(&*self.emitter, &step, &blocking(waited_ms)))?)
    }

    /// Says whether an emit would be let through now.
    fn ensure_ready(&self) -> Result<(), Failure> {
        Ok(self.emitter.ensure_ready()?)
    }

    /// JSON, by lane.
    fn counters(&self) -> Vec<u8> {
        host::counters_json(&self.emitter)
    }

    /// JSON, by lane.
    fn health(&self) -> Vec<u8> {
        host::health_json(&self.emitter)
    }

    /// JSON: deeds of processes before this one that have no result.
    fn unfinished(&self) -> Result<Vec<u8>, Failure> {
        Ok(guarded(|| self.emitter.unfinished_json())?)
    }

    /// JSON.
    fn policy_status(&self) -> Vec<u8> {
        self.emitter.policy_status()
    }

    /// Reads the telemetry policies again.
    fn reload_policies(&self) -> Result<(), Failure> {
        Ok(guarded(|| self.emitter.reload_policies())?)
    }

    /// Prometheus text.
    fn prometheus(&self) -> String {
        self.emitter.prometheus()
    }

    /// JSON: instruments for a host's meter.
    fn metrics(&self) -> Vec<u8> {
        host::metrics_json(&self.emitter)
    }

    /// How many events were turned away.
    fn refused(&self) -> u64 {
        self.emitter.refused()
    }

    /// How many events wait in a lane to be sealed.
    fn queued(&self, lane: String) -> Result<u64, Failure> {
        Ok(self.emitter.queued(&lane)? as u64)
    }

    /// How deep data may nest.
    fn depth_limit(&self) -> u64 {
        self.emitter.depth_limit() as u64
    }

    /// How many bytes an event's envelope may have.
    fn size_limit(&self) -> u64 {
        bridge::Door::envelope_limit(&*self.emitter) as u64
    }

    /// Whether it was shut down.
    fn is_closed(&self) -> bool {
        self.emitter.is_closed()
    }

    /// Delivers what a lane of a manual emitter holds: `{"count", "records"}`.
    fn drain(&self, lane: String) -> Result<Vec<u8>, Failure> {
        Ok(guarded(|| Ok(host::drained_json(&self.emitter.drain(&lane)?)))?)
    }

    /// Has the token told once every lane has delivered what it was given, or the time is over.
    fn flush(&self, timeout_ms: Option<u64>, token: u64) -> Result<(), Failure> {
        self.on_own_thread(token, move |emitter| host::report_json(&emitter.flush(limit(timeout_ms))))
    }

    /// Ends it; tells the token.
    fn shutdown(&self, timeout_ms: Option<u64>, token: u64) -> Result<(), Failure> {
        self.on_own_thread(token, move |emitter| host::report_json(&emitter.shutdown(limit(timeout_ms))))
    }

    /// Flushes on this thread: a manual emitter has no other.
    fn flush_here(&self, timeout_ms: Option<u64>) -> Result<Vec<u8>, Failure> {
        Ok(guarded(|| Ok(host::report_json(&self.emitter.flush(limit(timeout_ms)))))?)
    }

    /// Ends it on this thread.
    fn shutdown_here(&self, timeout_ms: Option<u64>) -> Result<Vec<u8>, Failure> {
        Ok(guarded(|| Ok(host::report_json(&self.emitter.shutdown(limit(timeout_ms)))))?)
    }

    /// Adds a lane for a host's sink.
    fn add_sink(&self, sink: HostSink) -> Result<(), Failure> {
        let spec = spec(sink);
        Ok(guarded(|| host::add_sink(&self.emitter, spec, &system(None)))?)
    }

    /// Seals with another key from the next envelope on.
    fn change_key(&self, key: String, by: Option<u64>) -> Result<(), Failure> {
        let by = by.map(signer);
        Ok(guarded(|| self.emitter.change_key(&host::load_key(&key, by, &system(None))?))?)
    }

    /// Has a durable lane send again what its journal holds.
    fn repair(&self, lane: String, streamid: String, sequence: u64) -> Result<(), Failure> {
        Ok(guarded(|| host::repair(&self.emitter, &lane, &streamid, sequence))?)
    }
}

impl NativeEmitter {
    /// Runs what may take long on a thread of its own.
    fn on_own_thread(
        &self,
        token: u64,
        run: impl FnOnce(&Emitter) -> Vec<u8> + Send + 'static,
    ) -> Result<(), Failure> {
        let emitter = Arc::clone(&self.emitter);
        let spawned = std::thread::Builder::new().name("sinkwell-flush".into()).spawn(move || {
            let done = Completion::new(token);
            done.tell(guarded(|| Ok(run(&emitter))));
        });
        spawned.map_err(|e| Error::internal(format!("no thread to wait on: {e}")))?;
        Ok(())
    }
}

/// A bridge waits on its thread; Kotlin sees to it that this is no virtual one.
pub(crate) fn blocking(waited_ms: i64) -> sinkwell::Wait {
    if waited_ms >= 0 { sinkwell::Wait::Allowed } else { wait(waited_ms) }
}
