//! `tests/vectors/emit/`: a configuration and events in, sealed lines or errors out, byte for byte.
//!
//! `SINKWELL_BLESS=1` writes what the core seals into the files; the independent verifier in
//! `tests/independent` is what judges it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::json::{ObjectWriter, Value, parse};
use sinkwell::seam::{Env, SystemEnv, UnixNanos};
use sinkwell::secret::Secret;
use sinkwell::{Emitter, Options};

/// The process's environment, in which testing is allowed.
struct TestingEnv(SystemEnv);

impl Env for TestingEnv {
    fn var(&self, name: &str) -> Option<String> {
        if name == "SINKWELL_TESTING" { Some("1".into()) } else { None }
    }
    fn program(&self) -> Option<String> {
        Some("vectors".into())
    }
    fn now(&self) -> UnixNanos {
        self.0.now()
    }
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        self.0.read(path)
    }
    fn read_private(&self, path: &Path) -> sinkwell::Result<Secret> {
        self.0.read_private(path)
    }
}

fn known(value: &Value, allowed: &[&str], place: &str) {
    for (key, _) in value.members() {
        assert!(allowed.contains(&key.as_str()), "{place}: unknown field {key:?}");
    }
}

fn text(value: &Value) -> String {
    String::from_utf8(value.to_canonical().unwrap()).unwrap()
}

#[test]
fn events_are_sealed_as_the_vectors_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/emit");
    let bless = std::env::var_os("SINKWELL_BLESS").is_some();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no vectors in {}", folder.display());
    for file in files {
        run(&file, bless);
    }
}

fn run(file: &Path, bless: bool) {
    let place = file.file_name().unwrap().to_string_lossy().into_owned();
    let mut case = parse(&std::fs::read(file).unwrap()).unwrap();
    known(&case, &["name", "about", "config", "events", "expected"], &place);
    let dir = std::env::temp_dir().join(format!("sinkwell-emit-{}-{place}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let document = text(case.get("config").unwrap()).replace("{dir}", &dir.display().to_string());
    let config = Config::load(Source::Mapping(document), &TestingEnv(SystemEnv::default())).unwrap();
    let emitter = Emitter::open(Options::new(config)).unwrap();
    let events = case.get("events").unwrap().items();
    assert!(!events.is_empty(), "{place}: no events");
    let mut writer = ObjectWriter::new();
    for (i, step) in events.iter().enumerate() {
        let place = format!("{place} event {i}");
        known(step, &["event", "error"], &place);
        let event = text(step.get("event").unwrap());
        let result =
            sinkwell::event::read_event(event.as_bytes(), emitter.depth_limit(), &mut writer, |input| {
                emitter.emit(input)
            });
        match (result, step.get("error")) {
            (Ok(_), None) => {}
            (Err(e), Some(want)) => {
                known(want, &["kind", "code", "where", "message"], &place);
                let field = |key: &str| want.get(key).and_then(Value::as_str);
                assert_eq!(Some(e.kind().name()), field("kind"), "{place}: {e}");
                assert_eq!(
                    Some(i64::from(e.code())),
                    want.get("code").and_then(Value::as_i64),
                    "{place}: {e}"
                );
                if want.get("where").is_some_and(|place| *place != Value::Null) {
                    assert_eq!(e.place(), field("where"), "{place}: {e}");
                }
                if let Some(part) = field("message") {
                    assert!(e.message().contains(part), "{place}: {e}");
                }
            }
            (Ok(_), Some(want)) => panic!("{place}: accepted, but should be {}", text(want)),
            (Err(e), None) => panic!("{place}: {e}"),
        }
    }
    emitter.shutdown(Duration::from_secs(10));
    let mut expected = Vec::new();
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let lines = std::fs::read_to_string(&path).unwrap();
        let lines = lines.lines().map(Value::from).collect();
        expected.push((path.file_name().unwrap().to_string_lossy().into_owned(), Value::Array(lines)));
    }
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    std::fs::remove_dir_all(&dir).unwrap();
    if bless {
        if let Value::Object(members) = &mut case {
            members.retain(|(key, _)| key != "expected");
            members.push(("expected".into(), Value::Object(expected)));
        }
        std::fs::write(file, text(&case) + "\n").unwrap();
    } else {
        let want = case.get("expected").unwrap();
        assert_eq!(want.members().len(), expected.len(), "{place}: files");
        for (name, lines) in &expected {
            let want = want.get(name).unwrap_or_else(|| panic!("{place}: unexpected file {name}"));
            for (n, (got, want)) in lines.items().iter().zip(want.items()).enumerate() {
                assert_eq!(got, want, "{place}: {name}:{}", n + 1);
            }
            assert_eq!(lines.items().len(), want.items().len(), "{place}: lines of {name}");
        }
    }
}
