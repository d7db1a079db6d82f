//! Who is measured.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::logs::{Logger as _, LoggerProvider as _};
use opentelemetry_otlp::{Protocol, WithExportConfig as _};
use opentelemetry_sdk::logs::{BatchLogProcessor, SdkLoggerProvider};
use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::json::ObjectWriter;
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options};

use crate::measure::{Figures, Load, run};
use crate::{event, isolation, signing};

type Failure = Box<dyn std::error::Error>;

/// What a run says when somebody cannot be started.
pub(crate) fn measure(candidate: &str, load: Load, port: u16, dir: &Path) -> Result<Figures, Failure> {
    if let Load::Idle(seconds) = load {
        return isolation::idle(candidate, seconds, port, dir);
    }
    if candidate.starts_with("alone") || candidate.starts_with("beside") {
        return isolation::isolation(candidate, load, port, dir);
    }
    if let Some(policy) = candidate.strip_prefix("overflow-") {
        return isolation::overflow(policy, load, port);
    }
    if let Some(rest) = candidate.strip_prefix("signing ") {
        return signing::measure(rest, load, port, dir);
    }
    if let Some((what, n)) = candidate.rsplit_once('-')
        && let Ok(n) = n.parse()
    {
        return isolation::curve(what, n, load, port, dir);
    }
    match candidate {
        "otel" => otel(load, port),
        "three" => sinkwell(load, &three(port, dir, "hmac"), false),
        "three-ready" => sinkwell(load, &three(port, dir, "hmac"), true),
        // A linger that is over between two events: every worker sleeps when the next one comes.
        "three-ready-rested" => sinkwell(load, &three(port, dir, "hmac").replace("200ms", "2ms"), true),
        "one-ready-rested" => {
            sinkwell(load, &document(&otlp(port, ""), "hmac").replace("200ms", "2ms"), true)
        }
        "queue-and-wake" => queue_and_wake(load),
        "three-block" => sinkwell(load, &document(&three_lanes(port, dir, BLOCK), "hmac"), false),
        "otlp" => sinkwell(load, &document(&otlp(port, ""), "hmac"), false),
        "otlp-block" => sinkwell(load, &document(&otlp(port, BLOCK), "hmac"), false),
        "otlp-ed25519" => sinkwell(load, &document(&otlp(port, ""), "ed25519"), false),
        "otlp-ed25519-batch" => sinkwell(load, &document(&otlp(port, ""), "ed25519-batch"), false),
        other => Err(format!("no candidate is called {other}").into()),
    }
}

/// Callers wait where a lane has no room.
const BLOCK: &str = r#","overflow":"block""#;

pub(crate) fn otlp(port: u16, more: &str) -> String {
    format!(
        r#"{{"id":"otlp","batch":{{"linger":"200ms"}},"sink":{{"otlp":{{"endpoint":"http://127.0.0.1:{port}","protocol":"http/protobuf","compression":"none"}}}}{more}}}"#
    )
}

/// Memory, file and OTLP; `more` is said of each.
pub(crate) fn three_lanes(port: u16, dir: &Path, more: &str) -> String {
    let linger = r#""batch":{"linger":"200ms"}"#;
    let file = dir.join("events.ndjson");
    format!(
        r#"{{"id":"memory",{linger}{more},"sink":"memory"}},{{"id":"file",{linger}{more},"sink":{{"file":{{"path":{file:?}}}}}}},{}"#,
        otlp(port, more)
    )
}

fn three(port: u16, dir: &Path, algorithm: &str) -> String {
    document(&three_lanes(port, dir, ""), algorithm)
}

/// The test key of RFC 8410, section 10.3: a secret of nobody's.
const ED25519: &str = "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\\n-----END PRIVATE KEY-----";

const HMAC: &str = r#""hmac_sha256":{"base64":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}"#;

pub(crate) fn document(lanes: &str, algorithm: &str) -> String {
    let key = match algorithm {
        "ed25519" => format!(r#"{{"id":"k1","ed25519":{{"pem":"{ED25519}"}}}}"#),
        "ed25519-batch" => format!(r#"{{"id":"k1","sign":"batch","ed25519":{{"pem":"{ED25519}"}}}}"#),
        "hmac-batch" => format!(r#"{{"id":"k1","sign":"batch",{HMAC}}}"#),
        "host" => r#"{"id":"k1","alg":"ed25519","signer":"host"}"#.into(),
        "host-batch" => r#"{"id":"k1","alg":"ed25519","signer":"host","sign":"batch"}"#.into(),
        _ => format!(r#"{{"id":"k1",{HMAC}}}"#),
    };
    format!(r#"{{"agent":{{"id":"urn:example:agent"}},"key":{key},"lanes":[{lanes}]}}"#)
}

/// A configuration by its text.
pub(crate) fn config(document: &str) -> sinkwell::Result<Config> {
    Config::load(Source::Mapping(document.to_owned()), &SystemEnv::default())
}

/// An emitter by its configuration.
pub(crate) fn open(document: &str, manual: bool) -> sinkwell::Result<Emitter> {
    Emitter::open(Options { manual, ..Options::new(config(document)?) })
}

/// What became of everything, by lane; `unaccounted` is what nothing says anything of.
pub(crate) fn balance(emitter: &Emitter) -> Figures {
    let mut figures = Figures::default();
    for (lane, counters) in emitter.counters() {
        figures.put(&format!("{lane}_delivered"), counters.delivered as f64);
        figures.put(&format!("{lane}_dropped"), counters.dropped as f64);
        figures.put(&format!("{lane}_rejected"), counters.rejected as f64);
        figures.put(&format!("{lane}_own"), counters.own as f64);
        let balance = counters.admitted.cast_signed()
            - (counters.delivered + counters.dropped + counters.rejected + counters.pending).cast_signed();
        figures.put(&format!("{lane}_unaccounted"), balance as f64);
    }
    figures
}

fn sinkwell(load: Load, document: &str, ready: bool) -> Result<Figures, Failure> {
    let emitter = open(document, false)?;
    let mut writer = ObjectWriter::new();
    event::write(&mut writer, 0).map_err(|e| e.message().to_owned())?;
    let (mut failed, mut first) = (0_u64, None);
    let mut figures = run(
        load,
        |n| {
            if !ready {
                event::write(&mut writer, n).expect("the event is valid JSON");
            }
            let input = EventInput { data: Data::Object(&writer), ..EventInput::new(event::TYPE) };
            if let Err(e) = emitter.emit(input) {
                failed += 1;
                first.get_or_insert(e);
            }
        },
        || {
            emitter.shutdown(Duration::from_secs(60));
            balance(&emitter)
        },
    );
    figures.put("refused", failed as f64);
    if let Some(first) = first {
        eprintln!("{failed} refused, the first: {first}");
    }
    Ok(figures)
}

/// The least that a caller can do who hands an event to a thread that sleeps: a queue behind a mutex, and a wake.
fn queue_and_wake(load: Load) -> Result<Figures, Failure> {
    let shared = Arc::new((Mutex::new((VecDeque::new(), false)), Condvar::new()));
    let theirs = Arc::clone(&shared);
    let taker = std::thread::spawn(move || {
        let (queue, wake) = &*theirs;
        let mut guard = queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let taken: VecDeque<Arc<[u8]>> = std::mem::take(&mut guard.0);
            if taken.is_empty() {
                if guard.1 {
                    break;
                }
                guard = wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
            } else {
                drop(guard);
                drop(taken);
                guard = queue.lock().unwrap_or_else(PoisonError::into_inner);
            }
        }
    });
    let event: Arc<[u8]> = vec![b'x'; 500].into();
    let (queue, wake) = &*shared;
    let figures = run(
        load,
        |_| {
            queue.lock().unwrap_or_else(PoisonError::into_inner).0.push_back(Arc::clone(&event));
            wake.notify_one();
        },
        || {
            queue.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
            wake.notify_one();
            Figures::default()
        },
    );
    taker.join().map_err(|_| "the taker panicked")?;
    Ok(figures)
}

fn otel(load: Load, port: u16) -> Result<Figures, Failure> {
    let exporter = opentelemetry_otlp::LogExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("http://127.0.0.1:{port}/v1/logs"))
        .build()?;
    let provider =
        SdkLoggerProvider::builder().with_log_processor(BatchLogProcessor::builder(exporter).build()).build();
    let logger = provider.logger("bench");
    Ok(run(
        load,
        |n| {
            let mut record = logger.create_log_record();
            event::fill(&mut record, n);
            logger.emit(record);
        },
        || {
            if let Err(e) = provider.shutdown() {
                eprintln!("the OpenTelemetry SDK at its end: {e}");
            }
            Figures::default()
        },
    ))
}
