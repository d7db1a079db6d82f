//! The small agent, in Rust: emits the steps of ../agent.json, as it does in every language.
//!
//! Clock, ids and key are fixed, so that all five write the same bytes to target/examples/LANGUAGE/events.ndjson.
//! Run it with SINKWELL_TESTING=1; with the name of another file of steps (`authority`) it writes those to
//! target/NAME/events.ndjson.

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sinkwell::config::{Config, Source};
use sinkwell::event::read_event;
use sinkwell::json::{ObjectWriter, Value, parse};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, Options, SHUTDOWN_LIMIT};

/// An example's key and nobody's secret: the private key of RFC 8032's first test vector, as PKCS#8.
const PRIVATE_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
const PUBLIC_KEY: &str = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// The key, and beside it its public half.
fn write_key(path: &Path) -> std::io::Result<()> {
    let pem =
        |kind: &str, text: &str| format!("-----BEGIN {kind} KEY-----\n{text}\n-----END {kind} KEY-----\n");
    fs::write(path, pem("PRIVATE", PRIVATE_KEY))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    fs::write(path.with_extension("pem.pub"), pem("PUBLIC", PUBLIC_KEY))
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let other = std::env::args().nth(1);
    let steps = root.join("examples").join(format!("{}.json", other.as_deref().unwrap_or("agent")));
    let target = match &other {
        // Apart from those of the agent, which are compared with one another.
        Some(name) => root.join("target").join(name),
        None => root.join("target/examples/rust"),
    };
    let events = target.join("events.ndjson");
    fs::create_dir_all(&target)?;
    if events.exists() {
        fs::remove_file(&events)?;
    }
    let key = target.join("agent.pem");
    write_key(&key)?;

    let example = parse(&fs::read(steps)?)?;
    let mut config = example.get("config").ok_or("it has no config")?.members().to_vec();
    // With an intake (`sinkwell intake`), there as well. A lane's name is part of what fixes its stream's id.
    let streamed = match std::env::var("EXAMPLE_INTAKE") {
        Ok(endpoint) if other.is_none() => {
            format!(r#",{{"id":"rust","sink":{{"stream":{{"endpoint":{endpoint:?}}}}}}}"#)
        }
        _ => String::new(),
    };
    let own = format!(
        r#"{{"key":{{"id":"k1","ed25519":{{"file":{:?}}}}},"lanes":[{{"id":"file","sink":{{"file":{{"path":{:?}}}}}}}{streamed}]}}"#,
        key.display().to_string(),
        events.display().to_string()
    );
    config.extend(parse(own.as_bytes())?.members().to_vec());
    let config = Config::load(Source::Mapping(Value::Object(config).to_json()), &SystemEnv::default())?;

    let emitter = Emitter::open(Options::new(config))?;
    let mut writer = ObjectWriter::new();
    for step in example.get("steps").ok_or("it has no steps")?.items() {
        let event = step.to_canonical()?;
        read_event(&event, emitter.depth_limit(), &mut writer, |input| emitter.emit(input))?;
    }
    emitter.shutdown(SHUTDOWN_LIMIT);
    Ok(())
}
