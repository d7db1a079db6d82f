//! The loader at its seams; what documents mean is in `tests/vectors/config`.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::error::{ErrorKind, Result};
use crate::seam::{Env, SystemEnv, UnixNanos};
use crate::secret::Secret;
use crate::sink::SinkClass;

/// An outside world made of maps.
#[derive(Default)]
struct Outside {
    vars: HashMap<&'static str, &'static str>,
    files: HashMap<PathBuf, Vec<u8>>,
}

impl Outside {
    fn with(vars: &[(&'static str, &'static str)]) -> Self {
        Self { vars: vars.iter().copied().collect(), files: HashMap::new() }
    }

    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }
}

impl Env for Outside {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).map(|value| (*value).to_owned())
    }
    fn program(&self) -> Option<String> {
        Some("buyer bot".into())
    }
    fn now(&self) -> UnixNanos {
        crate::seam::parse_time("2026-11-21T00:00:00Z").unwrap()
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
    fn read_private(&self, path: &Path) -> Result<Secret> {
        self.read(path).map(Secret::new).map_err(|_| crate::error::Error::key("unreadable"))
    }
}

fn yaml(text: &str) -> Source {
    Source::Text { text: text.into(), name: Some("conf/sinkwell.yaml".into()), format: Format::Yaml }
}

fn load(text: &str) -> Config {
    Config::load(yaml(text), &Outside::default()).unwrap()
}

/// It may hold a key: nothing of it is said again.
#[test]
fn a_document_where_a_path_belongs_is_told_so_and_not_repeated() {
    for text in
        ["agent: { id: a }\nkey: { id: k, hmac_sha256: { base64: c2VjcmV0 } }", r#" {"key": "c2VjcmV0"}"#]
    {
        let error = Config::load(Source::Path(text.into()), &Outside::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        let said = error.to_string();
        assert!(said.contains("configuration: a path is expected here, and this is a document"), "{said}");
        assert!(!said.contains("c2VjcmV0"), "{said}");
    }
}

/// The documents of the conformance vectors.
fn documents() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/config");
    let mut documents = Vec::new();
    for file in ["keys.json", "lanes.json", "sinks.json", "governance.json", "content.json"] {
        let vectors = crate::json::parse(&std::fs::read(folder.join(file)).unwrap()).unwrap();
        for lines in vectors.get("cases").unwrap().items().iter().filter_map(|case| case.get("yaml")) {
            documents
                .push(lines.items().iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n"));
        }
    }
    assert!(documents.len() > 100);
    documents
}

#[test]
fn nothing_at_all_gives_a_console_on_stderr() {
    let config = Config::load(Source::Environment, &Outside::default()).unwrap();
    assert!(config.lanes_defaulted);
    assert_eq!(config.lanes.len(), 1);
    assert!(config.lanes[0].sink.get::<ConsoleConfig>().is_some_and(|console| !console.stdout));
    assert_eq!(config.agent.id, "urn:sinkwell:agent:buyer%20bot");
    assert_eq!(config.source.as_deref(), Some("urn:sinkwell:agent:buyer%20bot"));
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn the_variable_names_the_document_and_its_folder_is_that_of_its_paths() {
    let outside = Outside::with(&[("SINKWELL_CONFIG", "/etc/sw/a.yaml"), ("SINKWELL_LANES", "stdout")])
        .file("/etc/sw/a.yaml", "lanes: [{ sink: { file: { path: e.ndjson } } }]");
    let config = Config::load(Source::Environment, &outside).unwrap();
    let file = config.lanes[0].sink.get::<FileConfig>().unwrap();
    assert_eq!(file.path, Path::new("/etc/sw/e.ndjson"));
}

/// A path that the program was told to write to stays the same when the working directory changes.
#[test]
fn relative_paths_are_absolute_once_they_are_read() {
    let config = load(
        "key: { id: k, ed25519: { file: k.pem } }\n\
        journal: { dir: j }\ndead_letter: { dir: d }\ncheckpoint: { file: c }\n\
        lanes:\n- { id: f, sink: { file: { path: e } } }\n- { id: a, sink: { audit_chain: { path: a.db } } }\n\
        - { id: o, sink: { otlp: { endpoint: 'http://h', ca: ca.pem, client_certificate: c.pem, client_key: k.pem } } }\n",
    );
    let here = std::env::current_dir().unwrap().join("conf");
    assert_eq!(config.journal.unwrap().dir, here.join("j"));
    assert_eq!(config.dead_letter.unwrap().path, here.join("d"));
    assert!(
        matches!(config.checkpoint.unwrap(), CheckpointTarget::File(file) if file.path == here.join("c"))
    );
    assert!(matches!(config.key.unwrap().source, KeySource::Ed25519File(path) if path == here.join("k.pem")));
    let mut seen = 0;
    for lane in &config.lanes {
        if let Some(file) = lane.sink.get::<FileConfig>() {
            assert_eq!(file.path, here.join("e"));
        } else if let Some(audit) = lane.sink.get::<AuditConfig>() {
            assert_eq!(audit.path, here.join("a.db"));
        } else {
            let otlp = lane.sink.get::<OtlpConfig>().unwrap();
            let all = [&otlp.ca, &otlp.client_certificate, &otlp.client_key];
            assert!(all.iter().all(|path| path.as_ref().unwrap().starts_with(&here)), "{all:?}");
        }
        seen += 1;
    }
    assert_eq!(seen, 3);
    // Without a document, paths are relative to the present working directory.
    let lane = r#"{"id": "l", "sink": {"file": {"path": "e"}}}"#;
    let (lane, _) = load("").parse_lane(lane, &Outside::default()).unwrap();
    assert!(lane.sink.get::<FileConfig>().unwrap().path == std::env::current_dir().unwrap().join("e"));
}

#[test]
fn lanes_by_variable() {
    let outside = Outside::with(&[("SINKWELL_LANES", "stdout; otlp"), ("OTEL_SERVICE_NAME", "checkout")]);
    let config = Config::load(Source::Environment, &outside).unwrap();
    let ids: Vec<_> = config.lanes.iter().map(|lane| lane.id.as_str()).collect();
    assert_eq!(ids, ["stdout", "otlp"]);
    assert!(!config.lanes_defaulted);
    assert_eq!(config.agent.id, "urn:sinkwell:agent:checkout");

    let outside = Outside::with(&[("SINKWELL_LANES", "stdout;otpl")]);
    let error = Config::load(Source::Environment, &outside).unwrap_err();
    assert_eq!(error.place(), Some("SINKWELL_LANES[1]"));
    assert!(error.message().contains("did you mean `otlp`"), "{error}");
}

#[test]
fn the_lower_ceiling_and_the_higher_reserve_hold() {
    let config = load(
        "queue: { events: 100, terminal_reserve: 8 }\nlanes: [{ sink: stdout, queue: { events: 500, bytes: 16KiB, terminal_reserve: 2 } }, stderr]",
    );
    let capacity = config.lanes[0].capacity(&config.queue);
    assert_eq!(
        capacity,
        QueueCapacity { events: 100, bytes: 16 << 10, reserved_events: 8, reserved_bytes: 1 << 10 }
    );
    let none = QueueConfig::default();
    let capacity = config.lanes[1].capacity(&none);
    assert_eq!((capacity.events, capacity.reserved_events), (10_000, 625));
    let tiny = QueueConfig { events: Some(3), bytes: None, terminal_reserve: None };
    assert_eq!(config.lanes[1].capacity(&tiny).reserved_events, 1);
    let all = QueueConfig { events: Some(3), bytes: None, terminal_reserve: Some(9) };
    assert_eq!(config.lanes[1].capacity(&all).reserved_events, 3);
}

#[test]
fn governance_makes_heartbeats_only_more_frequent() {
    let every = |text| load(text).heartbeat_every();
    assert_eq!(every("governance: { heartbeat: { every: 10s } }"), Some(Duration::from_secs(10)));
    assert_eq!(every("governance: { heartbeat: { every: 10m } }"), Some(Duration::from_secs(30)));
    assert_eq!(
        every("heartbeat: off\ngovernance: { heartbeat: { every: 10m } }"),
        Some(Duration::from_secs(600))
    );
    assert_eq!(every("heartbeat: off"), None);
}

#[test]
fn a_lane_of_a_host_sink() {
    let emitter = load("lanes: [stdout]\noverflow: drop_progress");
    let outside = Outside::default();
    let (lane, _) = emitter
        .parse_lane(r#"{"sink": {"host": "Mine"}, "overflow": "block", "queue": {"events": 64}}"#, &outside)
        .unwrap();
    assert_eq!((lane.id.as_str(), lane.overflow, lane.queue.events), ("Mine", Overflow::Block, Some(64)));
    assert_eq!(lane.classes, [SinkClass::Observability]);
    let (lane, _) = emitter.parse_lane("{}", &outside).unwrap();
    assert_eq!((lane.id.as_str(), lane.overflow), ("host", Overflow::DropProgress));

    let error = emitter.parse_lane(r#"{"overfow": "block"}"#, &outside).unwrap_err();
    assert_eq!(error.place(), Some("overfow"));
    assert!(error.message().contains("did you mean `overflow`?"), "{error}");
    let error = emitter.parse_lane(r#"{"id": "stdout"}"#, &outside).unwrap_err();
    assert!(error.message().contains("unique"), "{error}");
}

#[test]
fn a_governance_policy_in_a_file_of_its_own() {
    let outside = Outside::default()
        .file("conf/governance.yaml", "version: \"1\"\nrequired_sinks:\n  - class: seim\n")
        .file("conf/good.json", "{\"requires_sink\": \"siem\"}");
    let error = Config::load(yaml("governance: governance.yaml"), &outside).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Policy);
    assert_eq!(error.place(), Some("conf/governance.yaml:3:12 required_sinks[0].class"));
    let error = Config::load(yaml("governance: gone.yaml"), &outside).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Policy);
    assert_eq!(error.place(), Some("conf/sinkwell.yaml:1:13 governance"));
    let config = Config::load(yaml("governance: good.json"), &outside).unwrap();
    assert_eq!(config.governance.unwrap().required[0].class, SinkClass::Siem);
}

#[test]
fn secrets_are_in_no_error_and_no_debug_output() {
    const MARK: &str = "hunter2hunter2hunter2hunter2hunter2";
    let outside = Outside::with(&[("SECRET", MARK)]).file("conf/short.key", "hunter2hunter2");
    let texts = [
        "key: { id: k, hmac_sha256: { env: SECRET } }\nlanes: [{ sink: { otlp: { headers: { a: \"${SECRET}\" } } } }]\nredaction: { hash_key: { env: SECRET } }".to_owned(),
        "overflow: ${SECRET}".into(),
        "lanes: ['${SECRET}']".into(),
        "lanes: [{ sink: '${SECRET}' }]".into(),
        "journal: { dir: a, budget: '${SECRET}' }".into(),
        "checkpoint: { lane: '${SECRET}' }".into(),
        "handle_signals: ${SECRET}".into(),
        "limits: { depth: '${SECRET}' }".into(),
        "governance: { requires_sink: '${SECRET}' }".into(),
        "governance: { content: { redaction: '${SECRET}' } }".into(),
        "governance: { content: { redaction: { id: a, patterns: { p: '(${SECRET}' } } } }".into(),
        "lanes: [{ sink: { otlp: { endpoint: '${SECRET}' } } }]".into(),
        "lanes: [{ sink: { otlp: { protocol: '${SECRET}' } } }]".into(),
        "redaction: { hash_key: { file: short.key } }".into(),
        format!("key: {{ id: k, hmac_sha256: {{ env: {MARK} }} }}"),
        format!("key: {{ id: k, hmac_sha256: {{ base64: '{MARK}!' }} }}"),
        format!("key: {{ id: k, hmac_sha256: {MARK} }}"),
        format!("key: {{ id: k, ed25519: {{ pem: '{MARK}' }} }}"),
        "key: { id: k, hmac_sha256: { base64: aHVudGVyMg== } }".into(),
    ];
    for text in texts {
        let shown = match Config::load(yaml(&text), &outside) {
            Ok(config) => format!("{config:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains("hunter2"), "{text}: {shown}");
        assert!(!shown.contains("aHVudGVyMg"), "{text}: {shown}");
    }
}

#[test]
fn billions_of_laughs_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        text.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    let error = Config::load(yaml(&text), &Outside::default()).unwrap_err();
    assert!(error.message().contains("aliases count"), "{error}");

    let mut deep = "a0: &a0 [x]\n".to_owned();
    for i in 1..2000 {
        deep.push_str(&format!("a{i}: &a{i} [*a{}]\n", i - 1));
    }
    let error = Config::load(yaml(&deep), &Outside::default()).unwrap_err();
    assert!(error.message().contains("nested deeper"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_the_loader(text in "\\PC{0,200}") {
        let _ = Config::load(yaml(&text), &Outside::default());
    }

    #[test]
    fn no_mangled_document_panics_the_loader(
        pieces in proptest::collection::vec(prop_oneof![
            Just("lanes:\n"), Just("  - "), Just("sink: "), Just("{ "), Just("}"), Just("["), Just("]"),
            Just("&a "), Just("*a "), Just("queue: "), Just("events: "), Just("1"), Just("-"), Just("\n"),
            Just("'"), Just("\""), Just("${"), Just("}"), Just("$"), Just("|\n"), Just("? "), Just(": "),
            Just("!!str "), Just("%TAG "), Just("---\n"), Just("...\n"), Just("#"), Just("\t"), Just("  "),
            Just("governance: "), Just("content: "), Just("key: "), Just("file"), Just("é"), Just("\u{FEFF}"),
        ], 0..40),
    ) {
        let text = pieces.concat();
        for format in [Format::Yaml, Format::Json] {
            let source = Source::Text { text: text.clone(), name: None, format };
            let _ = Config::load(source, &Outside::default());
        }
    }

    /// Valid documents, cut and recombined, reach further into the reader than random bytes do.
    #[test]
    fn every_error_of_a_damaged_document_names_its_place(
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6),
        piece in prop_oneof![Just("{"), Just("]"), Just("\n"), Just("\t"), Just("${"), Just("*a "), Just("'"), Just("- "), Just(": ")],
    ) {
        let documents = documents();
        let mut text = documents[0].clone();
        for (which, from, to) in cuts {
            let other: Vec<char> = documents[which.index(documents.len())].chars().collect();
            let mut chars: Vec<char> = text.chars().collect();
            let at = to.index(chars.len() + 1);
            chars.splice(at.., other[from.index(other.len() + 1)..].iter().copied());
            chars.splice(at..at, piece.chars());
            text = chars.into_iter().collect();
        }
        if let Err(error) = Config::load(yaml(&text), &Outside::default()) {
            prop_assert!(error.place().is_some(), "{error}");
        }
    }

    #[test]
    fn json_is_read_alike_as_json_and_as_a_mapping(id in "[^\\p{C}\"\\\\]{1,30}") {
        let text = format!("{{\"agent\": {{\"id\": \"{id}\"}}}}");
        if !id.contains("${") {
            let config = Config::load(Source::Mapping(text), &Outside::default()).unwrap();
            prop_assert_eq!(config.agent.id, id);
        }
    }
}

#[test]
fn durations_and_sizes_are_exact() {
    let duration = |text| crate::document::units::duration(text).map(|duration| duration.as_nanos());
    assert_eq!(duration("200ms"), Some(200_000_000));
    assert_eq!(duration("1.5s"), Some(1_500_000_000));
    assert_eq!(duration("30d"), Some(30 * 86_400_000_000_000));
    assert_eq!(duration("0"), Some(0));
    for text in ["", "5", "s", "-1s", "1.s", ".5s", "1e3s", "1 s ", "0.1ns", "9999999999d", "1h30m", "١s"] {
        assert_eq!(duration(text), None, "{text:?}");
    }
    let size = crate::document::units::size;
    assert_eq!(size("64MiB"), Some(64 << 20));
    assert_eq!(size("1.5KiB"), Some(1536));
    assert_eq!(size("10kB"), Some(10_000));
    assert_eq!(size("4096"), Some(4096));
    for text in ["", "+5", "-5", "1.5B", "64mib", "64Mb", "1.0000000000kB", "99999999999TiB"] {
        assert_eq!(size(text), None, "{text:?}");
    }
}

#[test]
fn the_nearest_word_is_near() {
    let nearest = crate::document::suggest::nearest;
    assert_eq!(nearest("overfow", &["overflow", "order"]), Some("overflow"));
    assert_eq!(nearest("Block-Timeout", &["timeout", "block_timeout"]), Some("block_timeout"));
    assert_eq!(nearest("sinK", &["sink", "id"]), Some("sink"));
    assert_eq!(nearest("di", &["id", "bytes"]), Some("id"));
    assert_eq!(nearest("colour", &["order", "queue"]), None);
    assert_eq!(nearest("", &["id"]), None);
}

#[test]
fn sources_are_uri_references() {
    let of = super::identity::uri_reference;
    assert_eq!(of("did:web:example.com:agents:a"), "did:web:example.com:agents:a");
    assert_eq!(of("my agent"), "my%20agent");
    assert_eq!(of("1a:b/c:d"), "1a%3Ab/c:d");
    assert_eq!(of("50%"), "50%25");
    assert_eq!(of("a%20b[0]"), "a%20b%5B0%5D");
}

#[test]
fn files_of_the_real_world() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = crate::testing::TempDir::new();
    let path = folder.path().join("sinkwell.yaml");
    let key = folder.path().join("hash.key");
    std::fs::write(&path, "redaction: { hash_key: { file: hash.key } }\nlanes: [stdout]\n").unwrap();
    std::fs::write(&key, [7; 32]).unwrap();
    let env = crate::seam::SystemEnv::with_program("probe");

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Config::load(Source::Path(path.clone()), &env).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Key);
    assert!(error.message().contains("chmod 600"), "{error}");
    assert!(error.place().unwrap().ends_with("sinkwell.yaml:1:32 redaction.hash_key.file"), "{error}");

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = Config::load(Source::Path(path), &env).unwrap();
    assert_eq!(config.redaction_hash_key.unwrap().expose(), [7; 32]);

    std::fs::write(folder.path().join("latin1.yaml"), b"agent: { id: \xe9 }").unwrap();
    let error = Config::load(Source::Path(folder.path().join("latin1.yaml")), &env).unwrap_err();
    assert!(error.message().contains("not UTF-8 from byte 13"), "{error}");
}

#[test]
fn a_content_policy_that_stands_alone() {
    let outside = Outside::default();
    let policy = ContentPolicy::parse(
        r#"{"mode": "raw_content", "classes": {"prompt": {"mode": "raw", "expires": "2020-01-01"}}}"#,
        &outside,
    )
    .unwrap();
    assert_eq!(policy.mode, ContentMode::Raw);
    assert!(policy.classes[0].1.expires.is_some());
    let error = ContentPolicy::parse("mod: raw", &outside).unwrap_err();
    assert_eq!((error.kind(), error.place()), (ErrorKind::Policy, Some("mod")));
}

#[test]
fn what_stands_behind_a_colon_without_a_space_is_not_repeated() {
    let folder = crate::testing::TempDir::new();
    let path = folder.path().join("sinkwell.yaml");
    let otlp = |headers: &str| {
        format!(
            "lanes: [ {{ sink: {{ otlp: {{ endpoint: 'http://127.0.0.1:9', headers: {{ {headers} }} }} }} }} ]"
        )
    };
    for (text, says) in [
        (
            "key: { id: k, hmac_sha256: { base64:SECRET } }".to_owned(),
            "write a space after the colon: `base64: …`",
        ),
        ("key: { id: k, hmac_sha256: { file:SECRET, file:SECRET } }".to_owned(), "there twice"),
        ("lanes: [ { sink: { honeycomb: { api_key:SECRET } } } ]".to_owned(), "`api_key: …`"),
        ("lanes: [ { sink: 'otlp:SECRET' } ]".to_owned(), "unknown sink `otlp:…`"),
        (otlp("authorization:SECRET"), "headers[\"authorization:…\"]: this is no name for a header"),
        (otlp("'authorization: Bearer SECRET'"), "this is no name for a header"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let error = Config::load(Source::Path(path.clone()), &SystemEnv::default()).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
        assert!(!error.contains("SECRET"), "{error}");
    }
}
