//! What `emit` refuses, as a host gives it: with the right kind and place, and as if it had not come.
//! (`tests/vectors/emit/refused.json` has what a JSON document can say; here are texts that are no good JSON,
//! and limits to the byte.)

use std::path::{Path, PathBuf};

use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::seam::{Env, SystemEnv};
use sinkwell::{Emitter, ErrorKind, EventInput, Options, Result};

/// The environment, in which `testing` is allowed.
struct Testing;

impl Env for Testing {
    fn var(&self, name: &str) -> Option<String> {
        (name == "SINKWELL_TESTING").then(|| "1".to_owned())
    }
    fn program(&self) -> Option<String> {
        None
    }
    fn now(&self) -> sinkwell::seam::UnixNanos {
        0
    }
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        SystemEnv::default().read(path)
    }
    fn read_private(&self, path: &Path) -> Result<sinkwell::secret::Secret> {
        SystemEnv::default().read_private(path)
    }
}

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-bad-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// What a lane gets when `emit` is done with an emitter of fixed time and ids.
    fn lines(&self, file: &str, emit: impl FnOnce(&Emitter)) -> String {
        let path = self.0.join(file);
        let text = format!(
            "agent: {{ id: own, allow: [\"own/*\"] }}\nheartbeat: off\n\
             testing: {{ clock: \"2026-01-01T00:00:00Z\", step: 1ms, seed: 7 }}\n\
             lanes:\n- {{ id: file, sink: {{ file: {{ path: '{}' }} }} }}\n",
            path.display()
        );
        let config =
            Config::load(Source::Text { text, name: None, format: Default::default() }, &Testing).unwrap();
        let emitter = Emitter::open(Options::new(config)).unwrap();
        emit(&emitter);
        emitter.shutdown(std::time::Duration::from_secs(30));
        std::fs::read_to_string(path).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn give(emitter: &Emitter, data: &[u8]) -> Result<()> {
    let input = EventInput { data: Data::Json(data), ..EventInput::new("com.example.step") };
    emitter.emit(input).map(drop)
}

fn nested(depth: usize) -> Vec<u8> {
    // `data` itself is 1.
    ["{\"a\":".repeat(depth - 1).as_str(), "{}", &"}".repeat(depth - 1)].concat().into_bytes()
}

/// Data whose envelope has `len` bytes more than that of empty data.
fn padded(len: usize) -> Vec<u8> {
    format!("{{\"a\":\"{}\"}}", "x".repeat(len - 6)).into_bytes()
}

/// The most that data can hold below the limit of 1 MiB, as `emit` reckons.
fn largest(emitter: &Emitter) -> usize {
    let (mut fits, mut over) = (1 << 10, 1 << 20);
    while over - fits > 1 {
        let middle = (fits + over) / 2;
        if give(emitter, &padded(middle)).is_ok() { fits = middle } else { over = middle }
    }
    fits
}

#[test]
fn bad_data_is_refused_by_its_place_and_leaves_no_trace() {
    let place = Place::new("data");
    let good = |emitter: &Emitter| give(emitter, br#"{"n":1}"#).unwrap();
    let expected = place.lines("expected.ndjson", |emitter| (0..2).for_each(|_| good(emitter)));
    for (name, data, at) in [
        ("lone_surrogate", br#"{"a":{"b":"\ud800"}}"#.to_vec(), "data"),
        ("lone_surrogate_key", br#"{"\udfff":1}"#.to_vec(), "data"),
        ("duplicate", br#"{"a":{"b":1,"b":1}}"#.to_vec(), "data"),
        ("escaped_duplicate", br#"{"a":1,"\u0061":2}"#.to_vec(), "data"),
        ("nan", br#"{"a":NaN}"#.to_vec(), "data"),
        ("infinity", br#"{"a":[1,1e999]}"#.to_vec(), "data"),
        ("large_integer", br#"{"a":[0,9007199254740992]}"#.to_vec(), "data.a[1]"),
        ("large_fraction", br#"{"a":9007199254740993.0}"#.to_vec(), "data.a"),
        ("not_utf8", b"{\"a\":\"\xff\"}".to_vec(), "data"),
        ("array", b"[1]".to_vec(), "data"),
        ("text", b"\"text\"".to_vec(), "data"),
        ("number", b"17".to_vec(), "data"),
        ("half", b"{\"a\":".to_vec(), "data"),
        ("two", b"{}{}".to_vec(), "data"),
        ("too_deep", nested(65), "data"),
        ("disclosures", br#"{"disclosures":[]}"#.to_vec(), "data.disclosures"),
    ] {
        let lines = place.lines(&format!("{name}.ndjson"), |emitter| {
            good(emitter);
            let e = give(emitter, &data).expect_err(name);
            assert_eq!(e.kind(), ErrorKind::InvalidEvent, "{name}: {e}");
            assert!(e.place().is_some_and(|place| place.starts_with(at)), "{name}: {e}");
            assert_eq!(emitter.counters()[0].1.admitted, 1, "{name}");
            good(emitter);
        });
        assert_eq!(lines, expected, "{name}");
    }
}

#[test]
fn limits_hold_to_the_level_and_to_the_byte() {
    let place = Place::new("limits");
    let lines = place.lines("limits.ndjson", |emitter| {
        give(emitter, &nested(64)).unwrap();
        let most = largest(emitter);
        give(emitter, &padded(most)).unwrap();
        let e = give(emitter, &padded(most + 1)).unwrap_err();
        assert!(e.kind() == ErrorKind::InvalidEvent && e.message().contains("limit"), "{e}");
    });
    let longest = lines.lines().map(str::len).max().unwrap();
    // Reckoned with the stream's attributes at full width: nothing that was taken is over the limit, and what
    // is taken comes close to it.
    assert!(longest <= 1 << 20 && longest > (1 << 20) - 1024, "{longest}");
}

#[test]
fn an_agent_that_is_not_covered_and_a_type_that_is_none_are_refused() {
    let place = Place::new("agents");
    place.lines("agents.ndjson", |emitter| {
        for (agent, good) in [("own", true), ("own/part", true), ("other", false), ("own-but-not", false)] {
            let input = EventInput { agent: Some(agent), ..EventInput::new("com.example.step") };
            match emitter.emit(input) {
                Ok(_) => assert!(good, "{agent}"),
                Err(e) => {
                    assert!(!good && e.kind() == ErrorKind::InvalidEvent, "{agent}: {e}");
                    assert_eq!(e.place(), Some("agent"));
                }
            }
        }
        for bad in
            ["", "with space", "audit.chain", "dev.sinkwell.audit.chain", "heartbeat", "sink.recovered"]
        {
            let e = emitter.emit(EventInput::new(bad)).expect_err(bad);
            assert_eq!((e.kind(), e.place()), (ErrorKind::InvalidEvent, Some("type")), "{bad}");
        }
    });
}
