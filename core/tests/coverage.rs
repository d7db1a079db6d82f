//! What `verify` says of coverage, from sealed events alone.

use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::seam::SystemEnv;
use sinkwell::verify::{Options, Verifier};
use sinkwell::{Emitter, EventInput};

#[test]
fn a_seam_was_watched_from_when_to_when() {
    let dir = std::env::temp_dir().join(format!("sinkwell-coverage-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let lane =
        |id: &str| format!(r#"{{"id":"{id}","sink":{{"file":{{"path":"{}/{id}.ndjson"}}}}}}"#, dir.display());
    // The same event stands in the streams of two lanes, and counts once.
    let document =
        format!(r#"{{"agent":{{"id":"urn:example:a"}},"lanes":[{},{}]}}"#, lane("one"), lane("two"));
    let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(sinkwell::Options::new(config)).unwrap();
    let say = |id: &str, cause: Option<&str>, time: &str, data: &str| {
        let event = EventInput {
            data: Data::Json(data.as_bytes()),
            id: Some(id),
            causation: cause,
            time: Some(time),
            ..EventInput::new("coverage")
        };
        emitter.emit(event).unwrap();
    };
    let watching = r#"{"seam":"mcp.server","package":"mcp","version":"2.3.0","state":"watching"}"#;
    say("w-1", None, "2026-01-01T10:00:00Z", watching);
    say("s-1", Some("w-1"), "2026-01-01T11:00:00Z", &watching.replace("watching", "stopped"));
    say("w-2", None, "2026-01-01T12:00:00Z", watching);
    say("w-3", None, "2026-01-01T10:30:00Z", r#"{"seam":"langchain","state":"watching"}"#);
    let wrong =
        EventInput { data: Data::Json(br#"{"seam":"x","state":"on"}"#), ..EventInput::new("coverage") };
    assert_eq!(emitter.emit(wrong).unwrap_err().place(), Some("data.state"));
    emitter.shutdown(Duration::from_secs(10));

    let mut verifier = Verifier::new(Options { coverage: true, ..Options::default() });
    verifier.read_path(&dir).unwrap();
    let (_, coverage) = verifier.coverage().unwrap();
    let watched: Vec<_> = coverage
        .watched
        .iter()
        .map(|one| {
            (one.seam.as_str(), &one.from[..19], one.until.as_deref().map(|until| until[..19].to_owned()))
        })
        .collect();
    assert_eq!(
        watched,
        [
            ("langchain", "2026-01-01T10:30:00", None),
            ("mcp.server", "2026-01-01T10:00:00", Some("2026-01-01T11:00:00".to_owned())),
            ("mcp.server", "2026-01-01T12:00:00", None),
        ]
    );
    assert!(coverage.watched[0].last_heard.is_some());
    let shown = coverage.to_string();
    assert!(shown.contains("mcp 2.3.0"), "{shown}");
    assert!(shown.contains("an end that nothing tells; last heard of 20"), "{shown}");
    std::fs::remove_dir_all(&dir).unwrap();
}
