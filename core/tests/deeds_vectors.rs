//! `tests/vectors/deeds/`: calls of deeds in, what each lane has out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sinkwell::config::Source;
use sinkwell::content::Part;
use sinkwell::deed::{Deed, End, Outcome, Terms, Until};
use sinkwell::host::{self, HostSinkSpec, Opening};
use sinkwell::json::{ObjectWriter, Value, parse};
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{Answers, Envelope, Failure, FailureKind, Sink};
use sinkwell::{Emitter, Error, Result, Wait};

const ATTRIBUTES: [&str; 11] = [
    "subject",
    "runid",
    "turnid",
    "attemptid",
    "agentid",
    "tenantid",
    "correlationid",
    "causationid",
    "childid",
    "traceparent",
    "tracestate",
];

fn text(value: &Value) -> String {
    String::from_utf8(value.to_canonical().unwrap()).unwrap()
}

fn only(place: &str, value: &Value, known: &[&str]) {
    for (key, _) in value.members() {
        assert!(known.contains(&key.as_str()), "{place}: unknown field {key:?}");
    }
}

/// The sink `siem`, which is down when it is told so.
struct Siem(Arc<AtomicBool>);

impl Sink for Siem {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, _: &[Envelope]) -> Answers {
        if self.0.load(Ordering::SeqCst) {
            Answers::Retry(Failure::new(FailureKind::Network, "down"), None)
        } else {
            Answers::Acknowledged
        }
    }
}

#[test]
fn deeds_come_to_what_the_vectors_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/deeds");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no vectors in {}", folder.display());
    files.iter().for_each(|file| run(file));
}

fn run(file: &Path) {
    let place = file.file_name().unwrap().to_string_lossy().into_owned();
    let case = parse(&std::fs::read(file).unwrap()).unwrap();
    only(&place, &case, &["name", "about", "config", "calls", "events"]);
    let dir = std::env::temp_dir().join(format!("sinkwell-deeds-vectors-{}-{place}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let document = text(case.get("config").unwrap()).replace("{dir}", &dir.display().to_string());
    let down = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&down);
    let sinks = if document.contains(r#""host":"siem""#) {
        vec![HostSinkSpec {
            name: "siem".to_owned(),
            classes: Vec::new(),
            lane: None,
            make: Arc::new(move || Ok(Box::new(Siem(Arc::clone(&told))))),
        }]
    } else {
        Vec::new()
    };
    let opening = Opening { source: Source::Mapping(document), sinks, signer: None, manual: false };
    let emitter = host::open(opening, &SystemEnv::default()).unwrap();
    for (i, call) in case.get("calls").unwrap().items().iter().enumerate() {
        let place = format!("{place}: calls[{i}]");
        only(&place, call, &["emit", "error", "deed", "down", "unready"]);
        if let Some(event) = call.get("emit") {
            let emitted = with_event(&emitter, event, |input| emitter.emit(input).map(drop));
            compare(&place, emitted, call.get("error"));
        } else if let Some(deed) = call.get("deed") {
            only(&place, deed, &["event", "until", "timeout_ms", "says", "ends", "error"]);
            compare(&place, act(&place, &emitter, deed), deed.get("error"));
        } else if call.get("down").is_some() {
            down.store(true, Ordering::SeqCst);
        } else {
            while emitter.ensure_ready().is_ok() {
                std::thread::yield_now();
            }
        }
    }
    let ended = Duration::from_millis(if down.load(Ordering::SeqCst) { 500 } else { 10_000 });
    emitter.shutdown(ended);
    for (lane, wanted) in case.get("events").unwrap().members() {
        events(&format!("{place}: {lane}"), &dir.join(lane), wanted.items());
    }
    let _ = std::fs::remove_dir_all(&dir);
}

fn with_event<T>(
    emitter: &Emitter,
    event: &Value,
    f: impl FnOnce(sinkwell::EventInput<'_>) -> Result<T>,
) -> Result<T> {
    let mut writer = ObjectWriter::new();
    sinkwell::event::read_event(text(event).as_bytes(), emitter.depth_limit(), &mut writer, f)
}

fn compare(place: &str, came: Result<()>, wanted: Option<&Value>) {
    match (came, wanted) {
        (Ok(()), None) => {}
        (Err(error), Some(wanted)) => {
            only(place, wanted, &["kind", "where", "message"]);
            let said = |key: &str| wanted.get(key).and_then(Value::as_str);
            assert_eq!(Some(error.kind().name()), said("kind"), "{place}: {error}");
            assert!(said("where") == Some("*") || said("where") == error.place(), "{place}: {error}");
            assert!(error.to_string().contains(said("message").unwrap_or_default()), "{place}: {error}");
        }
        (came, wanted) => panic!("{place}: {came:?}, not {wanted:?}"),
    }
}

/// As a binding does it, which tells the core how the act ended.
fn act(place: &str, emitter: &Emitter, call: &Value) -> Result<()> {
    let until = call.get("until").map(|until| Until::parse(until.as_str().unwrap())).transpose()?;
    let timeout = call
        .get("timeout_ms")
        .map_or(Terms::TIMEOUT, |ms| Duration::from_millis(u64::try_from(ms.as_i64().unwrap()).unwrap()));
    let terms = Terms { until, timeout };
    let mut deed = with_event(emitter, call.get("event").unwrap(), |input| {
        emitter.begin_deed(input, terms, &Wait::Allowed, &mut || true)
    })?;
    for said in call.get("says").map(Value::items).unwrap_or_default() {
        only(place, said, &["data", "content", "error"]);
        compare(place, say(emitter, &mut deed, said), said.get("error"));
    }
    let outcome = Outcome::parse(call.get("ends").and_then(Value::as_str).unwrap_or("ok"))?;
    let error_type = (outcome != Outcome::Ok).then_some("Raised");
    emitter.end_deed(&mut deed, End { outcome, error_type }, &Wait::Allowed).map(drop)
}

fn say(emitter: &Emitter, deed: &mut Deed, said: &Value) -> Result<()> {
    let parts = said.get("content").map(Value::items).unwrap_or_default().iter().enumerate();
    let parts = parts
        .map(|(i, part)| Part::from_value(part, &format!("content[{i}]")))
        .collect::<Result<_, Error>>()?;
    emitter.say_of_deed(deed, said.get("data").unwrap(), parts)
}

/// `"*"` stands for anything that is there.
fn same(got: &Value, wanted: &Value) -> bool {
    match (got, wanted) {
        (_, Value::String(any)) if any == "*" => true,
        (Value::Object(got), Value::Object(wanted)) => {
            let of = |key: &str| got.iter().find(|(known, _)| known == key).map(|(_, value)| value);
            got.len() == wanted.len()
                && wanted.iter().all(|(key, value)| of(key).is_some_and(|got| same(got, value)))
        }
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(got, wanted)| same(got, wanted))
        }
        _ => got == wanted,
    }
}

fn events(place: &str, file: &Path, wanted: &[Value]) {
    let lines = std::fs::read_to_string(file).unwrap();
    let all = lines.lines().map(|line| parse(line.as_bytes()).unwrap());
    let got: Vec<Value> = all.filter(|event| event.get("origin").is_none()).collect();
    assert_eq!(got.len(), wanted.len(), "{place}: {lines}");
    for (i, (event, wanted)) in got.iter().zip(wanted).enumerate() {
        let place = format!("{place}[{i}]");
        only(&place, wanted, &["type", "severity", "of", "data", "attributes"]);
        assert_eq!(event.get("type"), wanted.get("type"), "{place}");
        assert_eq!(event.get("severitytext"), wanted.get("severity"), "{place}");
        let data = (event.get("data").unwrap(), wanted.get("data").unwrap());
        assert!(same(data.0, data.1), "{place}: {}, not {}", text(data.0), text(data.1));
        let mut attributes = wanted.get("attributes").unwrap().members().to_vec();
        if let Some(of) = wanted.get("of") {
            let intent = &got[usize::try_from(of.as_i64().unwrap()).unwrap()];
            attributes.push(("causationid".to_owned(), intent.get("id").unwrap().clone()));
        }
        for name in ATTRIBUTES {
            let wanted = attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value);
            assert_eq!(event.get(name), wanted, "{place}: {name}");
        }
    }
}
