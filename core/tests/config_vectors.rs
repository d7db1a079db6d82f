//! Runs `tests/vectors/config/*.json`: what a document means, or the error it gives, word by word.
//!
//! A case has `name`, one of `yaml`, `json` (lists of lines, joined by newlines) and `mapping` (a host's
//! mapping as JSON), optional `env` and `files`, and either `error` (`kind`, `code`, `message`: a part of it,
//! `place`) or `facts` (a flat path to its value) with `warnings` (a part of each, in order). Unknown fields
//! fail, and so do no cases.

use std::io;
use std::path::{Path, PathBuf};

use sinkwell::config::{
    AuditConfig, CheckpointTarget, Config, ConsoleConfig, FileConfig, Format, KeySource, LaneConfig,
    OtlpBody, OtlpConfig, Source, SyncPolicy,
};
use sinkwell::json::{Value, parse};
use sinkwell::seam::{Env, UnixNanos, parse_time};
use sinkwell::secret::Secret;
use sinkwell::{Error, Result};

#[test]
fn config_documents() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/config");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let mut failures = Vec::new();
    let mut count = 0;
    for file in files {
        let text = std::fs::read(&file).unwrap();
        let document = parse(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        only(&document, &["about", "cases"]);
        let cases = document.get("cases").unwrap().items();
        assert!(!cases.is_empty(), "{}: no cases", file.display());
        for case in cases {
            count += 1;
            let name = case.get("name").and_then(Value::as_str).expect("a case has a name");
            if let Err(failure) = run(case) {
                failures.push(format!("{}: {name}: {failure}", file.file_stem().unwrap().display()));
            }
        }
    }
    assert!(count > 0, "no cases");
    assert!(failures.is_empty(), "{} of {count} cases fail:\n{}", failures.len(), failures.join("\n"));
}

fn only(object: &Value, known: &[&str]) {
    for (key, _) in object.members() {
        assert!(known.contains(&key.as_str()), "unknown field {key:?} in a vector");
    }
}

fn run(case: &Value) -> std::result::Result<(), String> {
    only(case, &["name", "yaml", "json", "mapping", "env", "files", "error", "facts", "warnings"]);
    let lines = |key| {
        let lines = case.get(key)?.items().iter().map(|line| line.as_str().unwrap());
        Some(lines.collect::<Vec<_>>().join("\n"))
    };
    let named = |text, name: &str, format| Source::Text { text, name: Some(name.into()), format };
    let source = match (lines("yaml"), lines("json"), case.get("mapping")) {
        (Some(text), None, None) => named(text, "sinkwell.yaml", Format::Yaml),
        (None, Some(text), None) => named(text, "sinkwell.json", Format::Json),
        (None, None, Some(mapping)) => {
            Source::Mapping(String::from_utf8(mapping.to_canonical().unwrap()).unwrap())
        }
        (None, None, None) => Source::Environment,
        _ => panic!("a case has one document at most"),
    };
    let result = Config::load(source, &Outside { case: case.clone() });
    match (case.get("error"), case.get("facts"), result) {
        (Some(expected), None, Err(error)) => compare_error(expected, &error),
        (None, Some(expected), Ok(config)) => compare_facts(expected, case.get("warnings"), &config),
        (Some(_), None, Ok(_)) => Err("loaded, an error was expected".into()),
        (None, Some(_), Err(error)) => Err(error.to_string()),
        _ => panic!("a case has either `error` or `facts`"),
    }
}

fn compare_error(expected: &Value, error: &Error) -> std::result::Result<(), String> {
    only(expected, &["kind", "code", "message", "place"]);
    let text = |key: &str| expected.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no {key}"));
    let good = error.kind().name() == text("kind")
        && Some(i64::from(error.code())) == expected.get("code").and_then(Value::as_i64)
        && error.message().contains(text("message"))
        && error.place() == Some(text("place"));
    if good { Ok(()) } else { Err(format!("{error} (code {})", error.code())) }
}

fn compare_facts(
    expected: &Value,
    warnings: Option<&Value>,
    config: &Config,
) -> std::result::Result<(), String> {
    assert!(!expected.members().is_empty(), "facts are never empty");
    let facts = facts(config);
    for (path, value) in expected.members() {
        let Some((_, fact)) = facts.iter().find(|(known, _)| known == path) else {
            let known: Vec<_> = facts.iter().map(|(path, _)| path.as_str()).collect();
            return Err(format!("no fact {path}; there are {known:?}"));
        };
        if fact != value {
            return Err(format!("{path} is {fact:?}, expected {value:?}"));
        }
    }
    let expected = warnings.map(Value::items).unwrap_or_default();
    let alike = expected.len() == config.warnings.len()
        && expected.iter().zip(&config.warnings).all(|(part, all)| all.contains(part.as_str().unwrap()));
    if alike { Ok(()) } else { Err(format!("warnings {:?}", config.warnings)) }
}

/// Durations in milliseconds, sizes in bytes, times in nanoseconds as strings.
fn facts(config: &Config) -> Vec<(String, Value)> {
    let mut facts = Facts::default();
    let mut put = |path: &str, value| facts.put(path, value);
    put("agent.id", text(&config.agent.id));
    put("agent.tenant", optional(config.agent.tenant.as_deref()));
    put("agent.allow", list(&config.agent.allow));
    put("source", optional(config.source.as_deref()));
    put("type_prefix", text(&config.type_prefix));
    put("ids", text(if config.derived_ids { "derived" } else { "random" }));
    if let Some(key) = &config.key {
        let source = match &key.source {
            KeySource::Ed25519File(path) => format!("ed25519 file {}", written(path)),
            KeySource::Ed25519Pem(_) => "ed25519 pem".into(),
            KeySource::HmacFile(path) => format!("hmac file {}", written(path)),
            KeySource::HmacBytes(bytes) => format!("hmac {} bytes", bytes.expose().len()),
            KeySource::Host(algorithm) => format!("host {}", algorithm.name()),
        };
        put("key.id", text(&key.id));
        put("key.source", text(&source));
        put("key.allow_group_readable", Value::Bool(key.allow_group_readable));
    }
    if let Some(journal) = &config.journal {
        put("journal.dir", path(&journal.dir));
        put("journal.sync", sync(journal.sync));
        put("journal.budget", int(journal.budget));
        put("journal.floor", int(journal.floor));
    }
    put("heartbeat", config.heartbeat.map_or(Value::Null, |every| int(every.as_millis())));
    put("overflow", optional(config.overflow.map(|overflow| overflow.name())));
    put("handle_signals", Value::Bool(config.handle_signals));
    put("limits.envelope", int(config.limits.envelope));
    put("limits.depth", int(config.limits.depth));
    put("disabled", Value::Bool(config.disabled));
    put("lanes_defaulted", Value::Bool(config.lanes_defaulted));
    put("redaction_hash_key", Value::Bool(config.redaction_hash_key.is_some()));
    put("dead_letter", config.dead_letter.as_ref().map_or(Value::Null, |dir| path(&dir.path)));
    let checkpoint = config.checkpoint.as_ref().map(|target| match target {
        CheckpointTarget::File(file) => format!("file {}", written(&file.path)),
        CheckpointTarget::Lane(id) => format!("lane {id}"),
    });
    put("checkpoint", optional(checkpoint.as_deref()));
    put("metrics.listen", optional(config.metrics.listen.map(|address| address.to_string()).as_deref()));
    let watched = config.watch_policies.map(|every| every.as_millis());
    put("watch_policies", watched.map_or(Value::Null, int));
    put("metrics.every", int(config.metrics.every.as_millis()));
    if let Some(testing) = &config.testing {
        put("testing.clock", text(&testing.clock.to_string()));
        put("testing.step", int(testing.step.as_millis()));
        put("testing.seed", int(testing.seed));
    }
    put("lanes", list(&config.lanes.iter().map(|lane| lane.id.clone()).collect::<Vec<_>>()));
    if let Some(governance) = &config.governance {
        let required = governance.required.iter();
        let required = required.map(|sink| format!("{} {:?}", sink.class.name(), sink.on_unhealthy));
        put("governance.version", optional(governance.version.as_deref()));
        put("governance.required", list(&required.collect::<Vec<_>>()));
        put("governance.allow_drop", list(&governance.allow_drop));
        put("governance.heartbeat", governance.heartbeat.map_or(Value::Null, |d| int(d.as_millis())));
    }
    for lane in &config.lanes {
        lane_facts(&mut facts, lane, config);
    }
    content_facts(&mut facts, config);
    facts.0
}

fn lane_facts(facts: &mut Facts, lane: &LaneConfig, config: &Config) {
    let capacity = lane.capacity(&config.queue);
    let mut put = |key: &str, value| facts.put(&format!("lanes.{}.{key}", lane.id), value);
    put("sink", text(lane.sink.kind()));
    put("classes", list(&lane.classes.iter().map(|class| class.name().to_owned()).collect::<Vec<_>>()));
    put("queue.events", int(capacity.events));
    put("queue.bytes", int(capacity.bytes));
    put("queue.reserved_events", int(capacity.reserved_events));
    put("queue.reserved_bytes", int(capacity.reserved_bytes));
    put("overflow", text(lane.overflow.name()));
    put("block_timeout", int(lane.block_timeout.as_millis()));
    put("batch.events", int(lane.batch.events));
    put("batch.bytes", int(lane.batch.bytes));
    put("batch.linger", int(lane.batch.linger.as_millis()));
    put("timeout", int(lane.timeout.as_millis()));
    put("retry.initial", int(lane.retry.initial.as_millis()));
    put("retry.cap", int(lane.retry.cap.as_millis()));
    put("retry.give_up", lane.retry.give_up.map_or(Value::Null, |give_up| int(give_up.as_millis())));
    put("breaker.failures", int(lane.breaker.failures));
    put("breaker.open", int(lane.breaker.open.as_millis()));
    put("durable", Value::Bool(lane.durable));
    put("sync", sync(lane.sync));
    put("in_flight", int(lane.in_flight));
    put("content.mode", text(lane.content.mode.name()));
    put("content.classes", list(&lane.content.classes));
    put("streams", int(lane.streams));
    if let Some(file) = lane.sink.get::<FileConfig>() {
        put("file.path", path(&file.path));
        put("file.rotate.size", file.rotate_bytes.map_or(Value::Null, int));
        put("file.rotate.age", file.rotate_age.map_or(Value::Null, |age| int(age.as_millis())));
        put("file.keep", file.keep.map_or(Value::Null, int));
        put("file.fsync", Value::Bool(file.fsync));
    }
    if let Some(otlp) = lane.sink.get::<OtlpConfig>() {
        let body = match otlp.body {
            OtlpBody::String => "string",
            OtlpBody::Map => "map",
            OtlpBody::None => "none",
        };
        let headers: Vec<_> = otlp.headers.iter().map(|(name, _)| name.clone()).collect();
        put("otlp.endpoint", optional(otlp.endpoint.as_deref()));
        put("otlp.protocol", optional(otlp.protocol.as_deref()));
        put("otlp.compression", optional(otlp.compression.as_deref()));
        put("otlp.headers", list(&headers));
        put("otlp.body", text(body));
    }
    if let Some(audit) = lane.sink.get::<AuditConfig>() {
        put("audit.path", path(&audit.path));
        put("audit.retention", optional(audit.retention.as_ref().map(|r| r.policy.as_str())));
    }
    if let Some(console) = lane.sink.get::<ConsoleConfig>() {
        put("console.stdout", Value::Bool(console.stdout));
        put("console.color", console.color.map_or(Value::Null, Value::Bool));
    }
    if let Some(name) = lane.sink.host() {
        put("host", text(name));
    }
}

fn content_facts(facts: &mut Facts, config: &Config) {
    let content = config.governance.as_ref().and_then(|governance| governance.content.as_ref());
    let Some(content) = content else { return };
    let mut put = |key: &str, value| facts.put(&format!("content.{key}"), value);
    put("mode", text(content.mode.name()));
    for (class, rule) in &content.classes {
        put(&format!("{class}.mode"), text(rule.mode.name()));
        put(&format!("{class}.tenants"), list(&rule.tenants));
        put(&format!("{class}.agents"), list(&rule.agents));
        put(&format!("{class}.expires"), rule.expires.map_or(Value::Null, |at| text(&at.to_string())));
    }
    if let Some(redaction) = &content.redaction {
        let patterns: Vec<_> = redaction.patterns.iter().map(|(_, pattern)| pattern.clone()).collect();
        put("redaction.id", text(&redaction.id));
        put("redaction.detectors", list(&redaction.detectors));
        put("redaction.paths", list(&redaction.paths));
        put("redaction.patterns", list(&patterns));
        put("redaction.keep", list(&redaction.keep));
        put("redaction.replace", text(&format!("{:?}", redaction.replace)));
        put("redaction.keep_identifiers", Value::Bool(redaction.keep_identifiers));
    }
    if let Some(retention) = &content.retention {
        put("retention", text(&format!("{} {}", retention.class, retention.window.as_secs())));
    }
    if let Some(sampling) = &content.sampling {
        put("sampling", text(&format!("{} {}/{}", sampling.key, sampling.numerator, sampling.denominator)));
    }
    put("limits.bytes", content.limits.bytes.map_or(Value::Null, int));
    put("limits.parts", content.limits.parts.map_or(Value::Null, int));
    put("limits.tokens", content.limits.tokens.map_or(Value::Null, int));
    put("limits.media_bytes", content.limits.media_bytes.map_or(Value::Null, int));
    put("children", list(&content.children));
}

#[derive(Default)]
struct Facts(Vec<(String, Value)>);

impl Facts {
    fn put(&mut self, path: &str, value: Value) {
        self.0.push((path.to_owned(), value));
    }
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn optional(value: Option<&str>) -> Value {
    value.map_or(Value::Null, text)
}

/// A path as the document has it: relative ones are made absolute when they are read.
fn written(path: &Path) -> String {
    let here = std::env::current_dir().unwrap();
    assert!(path.is_absolute(), "{path:?}");
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

fn path(path: &Path) -> Value {
    text(&written(path))
}

fn list(items: &[String]) -> Value {
    Value::Array(items.iter().map(|item| text(item)).collect())
}

fn int<T: TryInto<i64>>(int: T) -> Value {
    Value::Int(int.try_into().ok().expect("within 63 bits"))
}

fn sync(sync: SyncPolicy) -> Value {
    match sync {
        SyncPolicy::Always => text("always"),
        SyncPolicy::Os => text("os"),
        SyncPolicy::Every(every) => text(&format!("every {} ms", every.as_millis())),
    }
}

/// The outside world of a case: it is the same on every machine.
struct Outside {
    case: Value,
}

impl Env for Outside {
    fn var(&self, name: &str) -> Option<String> {
        Some(self.case.get("env")?.get(name)?.as_str()?.to_owned())
    }
    fn program(&self) -> Option<String> {
        Some("vector".into())
    }
    fn now(&self) -> UnixNanos {
        parse_time("2026-11-21T00:00:00Z").unwrap()
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = self.case.get("files").and_then(|files| files.get(path.to_str()?)?.as_str());
        text.map(Into::into).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
    fn read_private(&self, path: &Path) -> Result<Secret> {
        self.read(path).map(Secret::new).map_err(|e| Error::key(format!("the key file cannot be read: {e}")))
    }
}
