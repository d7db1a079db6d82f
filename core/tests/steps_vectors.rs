//! `tests/vectors/steps/`: steps of frameworks in, sealed events out, as every language runs them.
//!
//! `SINKWELL_BLESS=1` writes what the core answers into the files, to be read before it is kept.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use sinkwell::bridge::{emit_step_value, intent_of_step, result_of_step};
use sinkwell::config::{Config, Source};
use sinkwell::content::Part;
use sinkwell::deed::{Deed, End, Outcome, Terms};
use sinkwell::json::{ObjectWriter, Value, parse};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, Options, Result, Wait};

mod common;
use common::{Case, cases};

#[test]
fn steps_are_the_events_that_the_vectors_say() {
    let bless = std::env::var_os("SINKWELL_BLESS").is_some();
    let dir = std::env::temp_dir().join(format!("sinkwell-steps-vectors-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for mut file in cases("steps") {
        file.only(&file.value, &["name", "about", "cases"]);
        let list = file.member(&file.value, "cases").items().to_vec();
        assert!(!list.is_empty(), "{}: no cases", file.name);
        let mut blessed = Vec::new();
        for (i, case) in list.iter().enumerate() {
            file.only(case, &["name", "calls", "events"]);
            let name = format!("{}: {}", file.name, file.text(case, "name"));
            let got = run(&file, &name, case, &dir.join(format!("{}-{i}", file.name)));
            let json = got.to_json();
            assert!(!json.contains("MARKER"), "{name}: {json}");
            if bless {
                let mut members = case.members().to_vec();
                members.retain(|(key, _)| key != "events");
                members.push(("events".to_owned(), got));
                blessed.push(Value::Object(members));
            } else {
                let canonical = |value: &Value| String::from_utf8(value.to_canonical().unwrap()).unwrap();
                assert_eq!(canonical(&got), canonical(file.member(case, "events")), "{name}");
            }
        }
        if bless {
            if let Value::Object(members) = &mut file.value {
                members.retain(|(key, _)| key != "cases");
                members.push(("cases".into(), Value::Array(blessed)));
            }
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/steps");
            std::fs::write(path.join(format!("{}.json", file.name)), file.value.to_json() + "\n").unwrap();
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

fn run(file: &Case, name: &str, case: &Value, path: &Path) -> Value {
    let document = format!(
        r#"{{"agent":{{"id":"urn:example:agent"}},"heartbeat":"off","lanes":[{{"id":"out","sink":{{"file":{{"path":"{}"}}}}}}]}}"#,
        path.display()
    );
    let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options::new(config)).unwrap();
    let mut deeds = HashMap::new();
    for call in file.member(case, "calls").items() {
        file.only(call, &["emit", "begin", "end", "error"]);
        let done = if let Some(step) = call.get("emit") {
            emit_step_value(&emitter, step, &Wait::Allowed).map(drop)
        } else if let Some(step) = call.get("begin") {
            begin(&emitter, step).map(|deed| drop(deeds.insert(file.text(step, "id").to_owned(), deed)))
        } else {
            let step = file.member(call, "end");
            let deed = deeds.remove(file.text(step, "id"));
            end(&emitter, step, deed.unwrap_or_else(|| panic!("{name}: ends what did not begin")))
        };
        match (&done, call.get("error")) {
            (Ok(()), None) => {}
            (Err(error), Some(wanted)) => {
                assert_eq!(error.kind().name(), file.text(wanted, "kind"), "{name}: {error}");
                assert_eq!(error.place(), Some(file.text(wanted, "where")), "{name}: {error}");
            }
            _ => panic!("{name}: {done:?}"),
        }
    }
    emitter.shutdown(Duration::from_secs(10));
    let lines = std::fs::read_to_string(path).unwrap();
    let sealed = lines.lines().map(|line| parse(line.as_bytes()).unwrap());
    Value::Array(sealed.filter(|event| event.get("origin").is_none()).map(|event| shown(&event)).collect())
}

fn begin(emitter: &Emitter, step: &Value) -> Result<Deed> {
    let event = intent_of_step(emitter, step)?;
    let mut writer = ObjectWriter::new();
    sinkwell::event::read_event(event.to_json().as_bytes(), emitter.depth_limit(), &mut writer, |input| {
        emitter.begin_deed(input, Terms::default(), &Wait::Allowed, &mut || true)
    })
}

fn end(emitter: &Emitter, step: &Value, mut deed: Deed) -> Result<()> {
    let said = result_of_step(emitter, step, &Wait::Allowed)?;
    let parts = said.content.items().iter().map(|part| Part::from_value(part, "content"));
    emitter.say_of_deed(&mut deed, &said.data, parts.collect::<Result<_>>()?)?;
    let end = End { outcome: Outcome::Ok, error_type: None };
    emitter.end_deed(&mut deed, end, &Wait::Allowed).map(drop)
}

/// What the vectors say of an event: no salt, no time, nothing that was measured.
fn shown(event: &Value) -> Value {
    let mut data = event.get("data").unwrap().members().to_vec();
    let is_result = data.iter().any(|(key, value)| key == "phase" && value.as_str() == Some("result"));
    data.retain(|(key, _)| key != "capture" && !(is_result && key == "duration_ms"));
    for (key, value) in &mut data {
        if key == "content" {
            let known = ["class", "mediatype", "role", "size"];
            let part = |part: &Value| {
                let members = part.members().iter().filter(|(key, _)| known.contains(&key.as_str()));
                Value::Object(members.cloned().collect())
            };
            *value = Value::Array(value.items().iter().map(part).collect());
        }
    }
    let mut members = vec![
        ("type".to_owned(), event.get("type").unwrap().clone()),
        ("data".to_owned(), Value::Object(data)),
    ];
    for name in ["subject", "runid", "causationid", "correlationid", "traceparent", "severitytext"] {
        members.extend(event.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    Value::Object(members)
}
