// src/bin/first.rs
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::seam::SystemEnv;
use sinkwell::{Event, Options, emit};

const CONFIG: &str = r#"{
    "agent": {"id": "urn:example:buyer"},
    "key": {"id": "k1", "ed25519": {"file": "agent.pem"}},
    "lanes": [{"sink": {"file": {"path": "events.ndjson"}}}]
}"#;

fn main() -> sinkwell::Result<()> {
    let config = Config::load(Source::Mapping(CONFIG.to_owned()), &SystemEnv::default())?;
    sinkwell::configure(Options::new(config))?;
    let event = |kind| Event::new(kind).run("r-1");
    emit(event("run.started"))?;
    emit(event("tool.invocation").with("tool", "search").with("outcome", "ok"))?;
    emit(event("policy.decision").with("decision", "deny").with("rule", "no-shell"))?;
    emit(event("run.completed").with("terminal_status", "completed"))?;
    sinkwell::shutdown(Duration::from_secs(5));
    Ok(())
}
