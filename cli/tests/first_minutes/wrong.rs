// src/bin/wrong.rs
use sinkwell::config::{Config, Source};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, Event, Options};

fn open(config: &str) -> sinkwell::Result<Emitter> {
    let config = Config::load(Source::Mapping(config.to_owned()), &SystemEnv::default())?;
    Emitter::open(Options::new(config))
}

fn main() -> sinkwell::Result<()> {
    let emitter = open(r#"{"agent": {"id": "urn:example:buyer"}, "lanes": ["null"]}"#)?;
    for event in [
        Event::new("tool.invocation").with("outcome", "ok"),
        Event::new("tool.invocation").with("tool", "search").with("took", f64::NAN),
    ] {
        if let Err(error) = event.emit_to(&emitter) {
            println!("{error}");
        }
    }
    if let Err(error) = open(r#"{"agent": {"id": "a"}, "lanes": [{"sink": {"file": {"paht": "e.ndjson"}}}]}"#) {
        println!("{error}");
    }
    Ok(())
}
