//! `tests/vectors/policy/`: a configuration with telemetry policies and events in, what each lane has out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::json::{ObjectWriter, Value, parse};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, Options};

const MEMBERS: [&str; 8] = ["name", "about", "config", "events", "data", "filtered", "conditions", "metrics"];

fn text(value: &Value) -> String {
    String::from_utf8(value.to_canonical().unwrap()).unwrap()
}

#[test]
fn lanes_get_what_the_vectors_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/policy");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no vectors in {}", folder.display());
    files.iter().for_each(|file| run(file));
}

fn conditions(emitter: &Emitter) -> Vec<String> {
    let status = parse(&emitter.policy_status()).unwrap();
    let said =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut all = Vec::new();
    for policy in status.get("policies").unwrap().items() {
        for target in policy.get("targets").unwrap().items() {
            for one in target.get("conditions").unwrap().items() {
                let (policy, kind, name) =
                    (said(policy, "policy"), said(target, "kind"), said(target, "name"));
                let (what, status, reason) = (said(one, "type"), said(one, "status"), said(one, "reason"));
                all.push(format!("{policy} {kind}/{name}: {what}={status} {reason}"));
            }
        }
    }
    all.sort();
    all
}

fn run(file: &Path) {
    let place = file.file_name().unwrap().to_string_lossy().into_owned();
    let case = parse(&std::fs::read(file).unwrap()).unwrap();
    for (key, _) in case.members() {
        assert!(MEMBERS.contains(&key.as_str()), "{place}: unknown field {key:?}");
    }
    let dir = std::env::temp_dir().join(format!("sinkwell-policy-vectors-{}-{place}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let document = text(case.get("config").unwrap()).replace("{dir}", &dir.display().to_string());
    let config = Config::load(Source::Mapping(document), &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options::new(config)).unwrap();
    let mut writer = ObjectWriter::new();
    for event in case.get("events").unwrap().items() {
        let event = text(event);
        let emit = |input: sinkwell::EventInput<'_>| emitter.emit(input);
        sinkwell::event::read_event(event.as_bytes(), emitter.depth_limit(), &mut writer, emit).unwrap();
    }
    for (lane, counters) in emitter.counters() {
        let wanted = case.get("filtered").unwrap().get(&lane).unwrap();
        let wanted: Vec<_> =
            wanted.members().iter().map(|(key, n)| (key.clone(), n.as_i64().unwrap())).collect();
        let mut got: Vec<_> = counters
            .filtered_by()
            .map(|(filter, n)| (filter.name().to_owned(), i64::try_from(n).unwrap()))
            .collect();
        got.sort();
        assert_eq!(got, wanted, "{place}: {lane}");
    }
    let wanted: Vec<_> = case
        .get("conditions")
        .unwrap()
        .items()
        .iter()
        .map(|line| line.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(conditions(&emitter), wanted, "{place}");
    emitter.reload_policies().unwrap();
    assert_eq!(conditions(&emitter), wanted, "{place}: read again");
    if let Some(wanted) = case.get("metrics") {
        let text = emitter.prometheus();
        let derived = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("sinkwell_"));
        let wanted: Vec<_> = wanted.items().iter().map(|line| line.as_str().unwrap()).collect();
        assert_eq!(derived.collect::<Vec<_>>(), wanted, "{place}");
    }
    emitter.shutdown(Duration::from_secs(10));
    for (lane, data) in case.get("data").unwrap().members() {
        let lines = std::fs::read_to_string(dir.join(lane)).unwrap();
        let got: Vec<_> = lines
            .lines()
            .filter(|line| !line.contains(r#""origin":"core""#))
            .map(|line| text(parse(line.as_bytes()).unwrap().get("data").unwrap()))
            .collect();
        let wanted: Vec<_> = data.items().iter().map(text).collect();
        assert_eq!(got, wanted, "{place}: {lane}");
    }
    let _ = std::fs::remove_dir_all(&dir);
}
