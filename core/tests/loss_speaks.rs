//! What goes wrong in silence elsewhere is said to the host's logger: a lane that cannot deliver, one that ends with
//! events left, a second emitter on one file, log records and spans that are refused.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sinkwell::bridge::{emit_log, emit_span};
use sinkwell::config::{Config, Source};
use sinkwell::diagnostics::{Level, set_logger};
use sinkwell::key::HostSigner;
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, Event, Options, Wait};

static HEARD: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

fn listen() {
    set_logger(|level, text| {
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).push((level, text.to_owned()));
    });
}

#[test]
fn a_second_emitter_on_one_file_is_warned_of_and_verify_names_the_other_file() {
    listen();
    let folder = std::env::temp_dir().join(format!("sinkwell-two-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("events.ndjson");
    let open = || {
        let text = format!(
            r#"{{"agent":{{"id":"a"}},"lanes":[{{"id":"f","sink":{{"file":{{"path":"{}"}}}}}}]}}"#,
            path.display()
        );
        Emitter::open(Options::new(Config::load(Source::Mapping(text), &SystemEnv::default()).unwrap()))
            .unwrap()
    };
    let (first, second) = (open(), open());
    for emitter in [&first, &second] {
        Event::new("com.example.n").emit_to(emitter).unwrap();
        emitter.shutdown(Duration::from_secs(5));
    }
    let asked = format!("another emitter of this process writes {}", path.display());
    let heard = HEARD.lock().unwrap().iter().filter(|(_, said)| said.starts_with(&asked)).count();
    assert_eq!(heard, 1);
    let mut verifier = sinkwell::verify::Verifier::new(sinkwell::verify::Options::default());
    verifier.read_path(&path).unwrap();
    let report = verifier.finish().unwrap();
    let other = format!("{}.{}", path.display(), std::process::id());
    assert_eq!(report.beside, [other.as_str()]);
    assert!(report.to_string().contains(&format!("not read: {other}")), "{report}");
    let mut verifier = sinkwell::verify::Verifier::new(sinkwell::verify::Options::default());
    verifier.read_path(&folder).unwrap();
    assert!(verifier.finish().unwrap().beside.is_empty());
    // Where the first has ended, the file is free again.
    open().shutdown(Duration::from_secs(5));
    assert_eq!(HEARD.lock().unwrap().iter().filter(|(_, said)| said.starts_with(&asked)).count(), 1);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_thousand_events_to_a_closed_port_do_not_end_without_a_word() {
    listen();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let text = format!(
        r#"{{"agent":{{"id":"a"}},"lanes":[{{"id":"collector","sink":{{"otlp":{{"endpoint":"http://{address}","protocol":"http/protobuf"}}}}}}]}}"#
    );
    let config = Config::load(Source::Mapping(text), &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options::new(config)).unwrap();
    for _ in 0..1000 {
        Event::new("tool.invocation").with("tool", "search").emit_to(&emitter).unwrap();
    }
    emitter.flush(Duration::from_millis(1));
    let left = emitter.shutdown(Duration::from_secs(2));
    assert_eq!(left[0].1.pending, 1000);
    let heard: Vec<_> =
        HEARD.lock().unwrap().iter().filter(|(_, said)| said.contains("collector")).cloned().collect();
    let warned = |text: &str| {
        heard.iter().filter(|(level, said)| *level == Level::Warn && said.contains(text)).count()
    };
    assert_eq!(warned("lane \"collector\" is degraded (network)"), 1, "{heard:#?}");
    assert_eq!(warned("lane \"collector\" ended with 1000 events undelivered (shutdown)"), 1, "{heard:#?}");
    assert_eq!(heard.len(), 2, "{heard:#?}");
}

#[test]
fn what_a_lane_holds_whose_signer_never_answers_does_not_go_without_a_word() {
    struct Never(Mutex<Receiver<()>>);
    impl HostSigner for Never {
        fn sign(&self, _: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
            let _ = self.0.lock().unwrap().recv();
            Err("never".to_owned())
        }
    }

    listen();
    let text = r#"{"agent":{"id":"a"},"key":{"id":"k","alg":"ed25519","signer":"host"},"lanes":[{"id":"unsigned","sink":"null"}]}"#;
    let config = Config::load(Source::Mapping(text.to_owned()), &SystemEnv::default()).unwrap();
    let (release, held) = channel();
    let signer: Arc<dyn HostSigner> = Arc::new(Never(Mutex::new(held)));
    let emitter = Emitter::open(Options { signer: Some(signer), ..Options::new(config) }).unwrap();
    Event::new("com.example.n").emit_to(&emitter).unwrap();
    let left = emitter.shutdown(Duration::from_millis(100));
    assert_eq!(left[0].1.pending, 1);
    let heard = HEARD.lock().unwrap().clone();
    let about = "lane \"unsigned\" did not end in time, and holds 1 event undelivered (shutdown)";
    assert_eq!(heard.iter().filter(|(_, said)| said.starts_with(about)).count(), 1, "{heard:#?}");
    drop(release);
}

#[test]
fn a_journal_without_room_says_what_its_lane_waits_for() {
    listen();
    let folder = std::env::temp_dir().join(format!("sinkwell-full-{}", std::process::id()));
    let text = format!(
        r#"{{"agent":{{"id":"a"}},"journal":{{"dir":"{}","floor":"1000000GiB"}},"lanes":[{{"id":"kept","sink":"null","durable":true}}]}}"#,
        folder.display()
    );
    let config = Config::load(Source::Mapping(text), &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options::new(config)).unwrap();
    Event::new("com.example.n").emit_to(&emitter).unwrap();
    emitter.flush(Duration::from_millis(100));
    let health = emitter.health().into_iter().find(|(id, _)| id == "kept").unwrap().1;
    assert_eq!(health.summary.as_deref(), Some("the journal has no room"), "{health:?}");
    assert_eq!(emitter.shutdown(Duration::from_millis(100))[0].1.pending, 1);
    let heard = HEARD.lock().unwrap().clone();
    let about: Vec<_> =
        heard.iter().filter(|(_, said)| said.starts_with("lane \"kept\": journal: ")).collect();
    assert_eq!(about.len(), 1, "{heard:#?}");
    assert!(about[0].1.contains("lower the floor"), "{about:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn log_records_and_spans_that_nobody_takes_any_more_do_not_end_without_a_word() {
    listen();
    let open = |id: &str| {
        let text = format!(
            r#"{{"agent":{{"id":"a"}},"lanes":[{{"id":"{id}","sink":"null","overflow":"block","queue":{{"events":1,"terminal_reserve":0}}}}]}}"#
        );
        let config = Config::load(Source::Mapping(text), &SystemEnv::default()).unwrap();
        Emitter::open(Options { manual: true, ..Options::new(config) }).unwrap()
    };
    let heard = |text: &str| {
        let heard = HEARD.lock().unwrap();
        heard.iter().filter(|(level, said)| *level == Level::Warn && said.contains(text)).count()
    };

    let emitter = open("narrow");
    Event::new("com.example.n").emit_to(&emitter).unwrap();
    for _ in 0..3 {
        emit_log(&emitter, br#"{"message":"words"}"#, &Wait::Never).unwrap_err();
    }
    assert_eq!(
        heard("1 log record was not emitted (backpressure, lane \"narrow\"): the lane's queue was full"),
        1
    );
    emitter.shutdown(Duration::from_secs(5));
    assert_eq!(heard("2 more log records were not emitted (backpressure, lane \"narrow\")"), 1);
    assert_eq!(emitter.refused(), 3);

    let ended = r#"{"name":"n","end_unix_nano":"1"}"#;
    for _ in 0..2 {
        emit_log(&emitter, br#"{"message":"words"}"#, &Wait::Allowed).unwrap_err();
        emit_span(&emitter, ended.as_bytes(), &Wait::Allowed).unwrap_err();
    }
    emit_span(&emitter, br#"{"name":7}"#, &Wait::Allowed).unwrap_err();
    assert_eq!(heard("1 log record was not emitted (closed): the emitter has been shut down"), 1);
    assert_eq!(heard("1 event of a span was not emitted (closed): the emitter has been shut down"), 1);
    assert_eq!(heard("1 event of a span was not emitted (invalid_argument): span.name: must be a string"), 1);
    drop(emitter);
    assert_eq!(heard("1 more log record was not emitted (closed)"), 1);
    assert_eq!(heard("1 more event of a span was not emitted (closed)"), 1);
    assert_eq!(heard("words"), 0);
}
