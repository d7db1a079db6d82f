//! `tests/vectors/vacuum/`: logs in, what goes through, a report and what each lane has out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::json::{Value, parse};
use sinkwell::seam::SystemEnv;
use sinkwell::vacuum::Asked;
use sinkwell::{Emitter, Options};

fn text(value: &Value) -> String {
    String::from_utf8(value.to_canonical().unwrap()).unwrap()
}

fn only(value: &Value, known: &[&str], place: &str) {
    for (key, _) in value.members() {
        assert!(known.contains(&key.as_str()), "{place}: unknown field {key:?}");
    }
}

#[test]
fn logs_become_what_the_vectors_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/vacuum");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no vectors in {}", folder.display());
    files.iter().for_each(|file| run(file));
}

fn run(file: &Path) {
    let place = file.file_name().unwrap().to_string_lossy().into_owned();
    let case = parse(&std::fs::read(file).unwrap()).unwrap();
    only(&case, &["name", "about", "config", "calls", "lanes"], &place);
    let dir = std::env::temp_dir().join(format!("sinkwell-vacuum-vectors-{}-{place}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let document = text(case.get("config").unwrap()).replace("{dir}", &dir.display().to_string());
    let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options::new(config)).unwrap();
    for call in case.get("calls").unwrap().items() {
        only(call, &["log", "process", "nonce", "format", "passed", "report", "error"], &place);
        let asked = ["process", "nonce", "format"].into_iter();
        let asked = asked.filter_map(|name| Some((name.to_owned(), call.get(name)?.clone())));
        // By hand: a nonce that is none has no canonical form.
        let asked = Value::Object(asked.collect()).to_json();
        let log = call.get("log").unwrap().as_str().unwrap();
        let done = Asked::from_json(asked.as_bytes()).and_then(|asked| emitter.vacuum(log.as_bytes(), asked));
        match (done, call.get("error")) {
            (Ok((passed, report)), None) => {
                assert_eq!(String::from_utf8(passed).unwrap(), call.get("passed").unwrap().as_str().unwrap());
                assert_eq!(text(&report.to_value()), text(call.get("report").unwrap()), "{place}");
            }
            (Err(e), Some(error)) => {
                assert_eq!(Some(e.kind().name()), error.get("kind").unwrap().as_str(), "{place}: {e}");
                assert_eq!(e.place(), error.get("where").unwrap().as_str(), "{place}: {e}");
            }
            (done, _) => panic!("{place}: {done:?}"),
        }
    }
    emitter.shutdown(Duration::from_secs(60));
    for (lane, wanted) in case.get("lanes").unwrap().members() {
        let lines = std::fs::read_to_string(dir.join(lane)).unwrap_or_default();
        let lines = lines.lines().map(|line| parse(line.as_bytes()).unwrap());
        let envelopes: Vec<Value> = lines.filter(|envelope| envelope.get("origin").is_none()).collect();
        assert_eq!(envelopes.len(), wanted.items().len(), "{place}: {lane}");
        for (envelope, wanted) in envelopes.iter().zip(wanted.items()) {
            for (name, value) in wanted.members() {
                assert_eq!(text(envelope.get(name).unwrap()), text(value), "{place}: {lane}: {name}");
            }
        }
    }
    let _ = std::fs::remove_dir_all(&dir);
}
