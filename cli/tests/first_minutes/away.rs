// src/bin/away.rs
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, Event, Options};

const CONFIG: &str = r#"{
    "agent": {"id": "urn:example:buyer"},
    "lanes": [{"id": "collector", "sink": {"otlp": {"endpoint": "http://localhost:9"}}}]
}"#;

fn main() -> sinkwell::Result<()> {
    let config = Config::load(Source::Mapping(CONFIG.to_owned()), &SystemEnv::default())?;
    let emitter = Emitter::open(Options::new(config))?;
    Event::new("com.example.n").emit_to(&emitter)?;
    emitter.shutdown(Duration::from_secs(1));
    Ok(())
}
