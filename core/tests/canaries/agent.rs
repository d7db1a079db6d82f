//! The agents of the canaries: one per combination of gates, each with every sink.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sinkwell::config::{Config, ContentMode, LaneConfig, Source};
use sinkwell::content::Part;
use sinkwell::event::{Data, read_event};
use sinkwell::json::ObjectWriter;
use sinkwell::key::VerifyingKey;
use sinkwell::memory::MemorySink;
use sinkwell::receipt::Stage;
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{Answer, Answers, Envelope, Failure, FailureKind, Sink};
use sinkwell::verify::{TrustedKey, Verdict, Verifier};
use sinkwell::{Emitter, EventInput, HostSink, Options, SinkFactory};

use crate::marker::{Marker, May};
use crate::receiver::Receiver;

/// Names the child's folder.
pub(crate) const CHILD: &str = "SINKWELL_CANARIES";

/// The named classes, and one of the host's own.
const CLASSES: [&str; 9] = [
    "prompt",
    "system",
    "completion",
    "tool_arguments",
    "tool_result",
    "memory",
    "file",
    "message",
    "tool_definition",
];
const MODES: [ContentMode; 4] = ContentMode::ALL;

/// Which of the seven gates are open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Combination(u8);

impl Combination {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..128).map(Self)
    }

    pub(crate) fn name(self) -> String {
        format!("{:03}", self.0)
    }

    fn source(self) -> bool {
        self.0 & 1 != 0
    }
    fn sink(self) -> bool {
        self.0 & 2 != 0
    }
    fn policy(self) -> bool {
        self.0 & 4 != 0
    }
    fn redaction(self) -> bool {
        self.0 & 8 != 0
    }
    fn retention(self) -> bool {
        self.0 & 16 != 0
    }
    fn sampling(self) -> bool {
        self.0 & 32 != 0
    }
    fn limits(self) -> bool {
        self.0 & 64 != 0
    }

    /// What the source of a class permits: where its gate is closed, each lower mode is tried.
    fn permit(self, class: usize) -> ContentMode {
        if self.source() { ContentMode::Raw } else { MODES[class % 3] }
    }

    /// What the policy grants to a class.
    fn granted(self, class: usize) -> ContentMode {
        if self.policy() { ContentMode::Raw } else { MODES[(class / 3) % 3] }
    }

    /// docs/CONTENT.md, "Who sees what", in other words than the core's.
    fn effective(self, class: usize) -> ContentMode {
        let open = self.granted(class) == ContentMode::Raw
            && self.redaction()
            && self.retention()
            && self.sampling()
            && self.limits();
        let lower = self.permit(class).min(self.granted(class));
        if self.permit(class) == ContentMode::Raw && !open {
            lower.min(ContentMode::RedactedSummary)
        } else {
            lower
        }
    }

    /// A marker of this combination. The letter that is not ASCII is written in several ways.
    fn text(self, what: &str) -> String {
        format!("K{:03}{what}øK", self.0)
    }

    fn mail(self, what: &str) -> String {
        format!("k{:03}{what}k@example.com", self.0)
    }

    pub(crate) fn markers(self) -> Vec<Marker> {
        let data = if self.redaction() { May::Never } else { May::Everywhere };
        let mut markers: Vec<Marker> = ["tool", "case", "exception"]
            .map(|what| Marker { text: self.text(what), may: data, sink: self.sink() })
            .into();
        let mut add = |text: String, may| markers.push(Marker { text, may, sink: self.sink() });
        add(self.mail("data"), data);
        for what in ["panic", "bad", "signingkeythatisofthirtytwobytes", "header"] {
            add(self.text(what), May::Never);
        }
        add(self.text("detail"), May::Host);
        for (class, name) in CLASSES.iter().enumerate() {
            let effective = self.effective(class);
            for (least, what) in [(1, "summary"), (2, "ref"), (3, "text")] {
                let may = if effective as u8 >= least { May::Ceiling { class, least } } else { May::Never };
                add(self.text(&format!("{name}{what}")), may);
            }
            // Redaction has run before anything is raw.
            add(self.mail(name), May::Never);
        }
        markers
    }

    fn key(self) -> Vec<u8> {
        self.text("signingkeythatisofthirtytwobytes").into_bytes()
    }

    fn document(self, dir: &Path, endpoint: &str) -> String {
        let named = |classes: &[&str]| format!("content: {{ mode: raw, classes: [{}] }}", classes.join(", "));
        let all = named(&CLASSES);
        let half: Vec<&str> = CLASSES.iter().copied().step_by(2).collect();
        let gate = if self.sink() { all.clone() } else { "content: off".to_owned() };
        let mut content = String::from("    mode: off\n    classes:\n");
        for (class, name) in CLASSES.iter().enumerate() {
            content += &format!("      {name}: {}\n", self.granted(class).name());
        }
        if self.redaction() {
            content += "    redaction: { id: pii-1, detectors: [email], patterns: { case: 'K\\d+caseøK' }, \
                        paths: ['$.tools[*].description', '$.exception.message'] }\n";
        }
        if self.retention() || self.0 & 3 == 0 {
            content += "    retention: { class: short, window: 30d }\n";
        }
        if self.sampling() || self.0 & 3 == 1 {
            let numerator = u8::from(self.sampling());
            content += &format!(
                "    sampling: {{ key: run, rate: {{ numerator: {numerator}, denominator: 1 }} }}\n"
            );
        }
        let most = if self.limits() { "64KiB" } else { "16B" };
        content += &format!("    limits: {{ bytes: {most} }}\n");
        let dir = dir.display();
        format!(
            "agent: {{ id: 'urn:example:canary' }}\n\
             key: {{ id: k1, hmac_sha256: {{ base64: {} }} }}\n\
             journal: {{ dir: '{dir}/journal', floor: 0 }}\n\
             dead_letter: {{ dir: '{dir}/dead' }}\n\
             checkpoint: {{ file: '{dir}/checkpoints.ndjson' }}\n\
             governance:\n  content:\n{content}\
             lanes:\n\
             - {{ id: all, sink: {{ file: {{ path: '{dir}/all.ndjson' }} }}, {all} }}\n\
             - {{ id: half, sink: {{ file: {{ path: '{dir}/half.ndjson' }} }}, {} }}\n\
             - {{ id: blind, sink: {{ file: {{ path: '{dir}/blind.ndjson' }} }} }}\n\
             - {{ id: stdout, sink: stdout, {gate} }}\n\
             - {{ id: stderr, sink: stderr, {gate} }}\n\
             - {{ id: console, sink: console, {gate} }}\n\
             - {{ id: audit, sink: {{ audit_chain: {{ path: '{dir}/audit.db' }} }}, {gate} }}\n\
             - {{ id: otlp, sink: {{ otlp: {{ endpoint: '{endpoint}', protocol: http/protobuf, headers: {{ x-key: k{:03}header }} }} }}, {gate} }}\n\
             - {{ id: memory, sink: {{ host: memory }}, {gate} }}\n\
             - {{ id: panics, sink: {{ host: panics }}, retry: {{ initial: 1ms, cap: 1ms }}, {all} }}\n\
             - {{ id: refuses, sink: {{ host: refuses }}, {all} }}\n",
            STANDARD.encode(self.key()),
            named(&half),
            self.0,
        )
    }
}

/// What may come out in one place.
pub(crate) struct Place {
    /// Envelopes go here.
    pub(crate) envelopes: bool,
    /// All of them do, as they are.
    pub(crate) complete: bool,
    /// Only the host sees it.
    pub(crate) host: bool,
    name: String,
}

impl Place {
    /// 0 off … 3 raw: what the lane behind this place may see of a class.
    pub(crate) fn ceiling(&self, class: usize, sink: bool) -> u8 {
        let raw = |may: bool| u8::from(may) * 3;
        match self.name.as_str() {
            "all.ndjson" => 3,
            // As the lane saw it, but without the disclosures.
            "refuses.dead.ndjson" => 2,
            "half.ndjson" => raw(class.is_multiple_of(2)),
            "audit" | "stdout" | "stderr" | "memory" | "otlp" => raw(sink),
            _ => 0,
        }
    }
}

/// What a file is; the database with its WAL, and the journal, are the audit lane's.
pub(crate) fn place_of(path: &Path) -> Place {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let within = |folder: &str| path.components().any(|part| part.as_os_str() == folder);
    let (name, envelopes, complete) = if within("journal") || name.starts_with("audit.db-") {
        ("audit".to_owned(), true, false)
    } else if name == "audit.db" {
        ("audit".to_owned(), true, true)
    } else if within("dead") {
        (name.clone(), name.ends_with(".dead.ndjson"), name.ends_with(".dead.ndjson"))
    } else {
        let lines = ["all.ndjson", "half.ndjson", "blind.ndjson", "stdout", "stderr", "memory", "otlp"];
        let is_line = lines.contains(&name.as_str());
        (name, is_line, is_line)
    };
    Place { envelopes, complete, host: name == "health", name }
}

/// How the panics of a host's sink begin here.
const WORDS: &str = "the host's own words: ";

/// Panics twice with a marker in its text, then takes everything.
struct Panics(Arc<AtomicUsize>, String);

impl Sink for Panics {
    fn kind(&self) -> &'static str {
        "host"
    }
    fn deliver(&mut self, _: &[Envelope]) -> Answers {
        if self.0.fetch_add(1, Ordering::Relaxed) < 2 {
            panic!("{WORDS}{}", self.1);
        }
        Answers::Acknowledged
    }
}

/// Refuses every event of the host for good, saying why in words that only the host may see.
struct Refuses(String);

impl Sink for Refuses {
    fn kind(&self) -> &'static str {
        "host"
    }
    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let refuse = || {
            let failure = Failure::new(FailureKind::Rejected, "refused").detail(self.0.as_str());
            Answer::Refused(failure)
        };
        Answers::Each(batch.iter().map(|e| if e.own { Answer::Acknowledged } else { refuse() }).collect())
    }
}

/// Every combination, each in a folder of its own.
pub(crate) fn run_all(dir: &Path) {
    // What a host's panic prints is the host's; this host prints nothing.
    let usual = std::panic::take_hook();
    #[allow(clippy::incompatible_msrv, reason = "tests run with the pinned compiler alone")]
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.payload_as_str().is_some_and(|text| text.starts_with(WORDS)) {
            usual(panic);
        }
    }));
    let receiver = Receiver::start();
    for combination in Combination::all() {
        run(combination, dir, &receiver.endpoint, &receiver);
    }
}

fn run(combination: Combination, dir: &Path, endpoint: &str, receiver: &Receiver) {
    let folder = dir.join(combination.name());
    std::fs::create_dir_all(folder.join("dead")).unwrap();
    let text = combination.document(&folder, endpoint);
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).unwrap();
    let mut told = vec![format!("{:?}", config)];
    let memory = MemorySink::default();
    let emitter = Emitter::open(options(config, combination, &memory)).unwrap();

    let mut input = EventInput::new("com.example.turn");
    let data = format!(
        r#"{{"mail":"{}","tools":[{{"name":"search","description":"{}"}}],"note":"see {}","exception":{{"message":"{}"}}}}"#,
        combination.mail("data"),
        combination.text("tool"),
        combination.text("case"),
        combination.text("exception"),
    );
    input.data = Data::Json(data.as_bytes());
    input.run = Some("r-1");
    // Outside of the retention window, where that is what closes the gate.
    input.time = (!combination.retention()).then_some("2020-01-01T00:00:00Z");
    for (class, name) in CLASSES.iter().enumerate() {
        let text = |what: &str| combination.text(&format!("{name}{what}"));
        let body = format!("\"{}\"\n{}", text("text"), combination.mail(name));
        let mut part = Part::text(name, body).permit(combination.permit(class));
        part.summary = Some(text("summary"));
        part.reference = Some(text("ref"));
        input.content.push(part);
    }
    told.push(format!("{input:?}"));
    let receipt = emitter.emit(input).unwrap();
    told.push(format!("{receipt:?}"));
    told.extend(refusals(&emitter, &combination.text("bad")));
    receipt.wait(Stage::Delivered, Duration::from_secs(30)).unwrap();
    told.push(format!("{emitter:?} {:?} {:?}", receipt.endings(), emitter.counters()));
    told.push(String::from_utf8(sinkwell::host::endings_json(&receipt)).unwrap());
    told.push(String::from_utf8(sinkwell::host::receipt_json(&receipt)).unwrap());
    told.push(String::from_utf8(sinkwell::host::counters_json(&emitter)).unwrap());
    told.push(emitter.prometheus());
    std::fs::write(folder.join("health"), sinkwell::host::health_json(&emitter)).unwrap();
    // Before the end, while the database's WAL is there.
    for name in ["audit.db-wal", "audit.db-shm"] {
        std::fs::copy(folder.join(name), folder.join(format!("{name}.live"))).unwrap();
    }
    let ended = emitter.shutdown(Duration::from_secs(30));
    told.push(format!("{ended:?}"));
    assert!(ended.iter().all(|(_, lane)| lane.pending == 0), "{ended:?}");
    let kept = memory.envelopes();
    told.push(format!("{kept:?}"));
    told.extend(kept.iter().map(|envelope| format!("{:?}", **envelope)));
    let lines: Vec<&[u8]> = kept.iter().map(|envelope| &*envelope.bytes).collect();
    std::fs::write(folder.join("memory"), lines.join(&b'\n')).unwrap();
    std::fs::write(folder.join("otlp"), receiver.take()).unwrap();
    std::fs::write(folder.join("told"), told.join("\n")).unwrap();
}

fn options(config: Config, combination: Combination, memory: &MemorySink) -> Options {
    let lane = |name: &str| -> LaneConfig {
        let named = |lane: &&LaneConfig| lane.sink.host() == Some(name);
        config.lanes.iter().find(named).unwrap().clone()
    };
    let memory = memory.clone();
    let makers: [(&str, SinkFactory); 3] = [
        ("memory", Arc::new(move || Ok(Box::new(memory.clone())))),
        ("panics", Arc::new(move || Ok(Box::new(Panics(Arc::default(), combination.text("panic")))))),
        ("refuses", Arc::new(move || Ok(Box::new(Refuses(combination.text("detail")))))),
    ];
    let sinks = makers
        .into_iter()
        .map(|(name, make)| HostSink { name: name.into(), lane: lane(name), make })
        .collect();
    Options { config, sinks, signer: None, manual: false }
}

/// What refused events and calls say, with the marker in every value.
fn refusals(emitter: &Emitter, marker: &str) -> Vec<String> {
    let events = [
        format!(r#"{{"type":"com.x","data":{{"a":"{marker}","#),
        format!(r#"{{"type":"com.x","data":"{marker}"}}"#),
        format!(r#"{{"type":"com.x","data":{{"a":"{marker}\ud800"}}}}"#),
        format!(r#"{{"type":"com.x","data":{{"a":["{marker}",9007199254740993]}}}}"#),
        format!(r#"{{"type":"com.x","data":{{"a":"{marker}","a":"{marker}"}}}}"#),
        format!(r#"{{"type":"com.x","data":{{"content":"{marker}"}}}}"#),
        format!(r#"{{"type":"com.x","data":{{"disclosures":"{marker}"}}}}"#),
        format!(r#"{{"type":"com.x","data":{{"a":"{}"}}}}"#, marker.repeat(120_000)),
        format!(r#"{{"type":"com.x","content":"{marker}"}}"#),
        format!(r#"{{"type":"com.x","content":["{marker}"]}}"#),
        format!(r#"{{"type":"com.x","content":[{{"class":"reasoning","text":"{marker}"}}]}}"#),
        format!(r#"{{"type":"com.x","content":[{{"class":"prompt","text":["{marker}"]}}]}}"#),
        format!(r#"{{"type":"com.x","content":[{{"class":"prompt","bytes":"{marker}"}}]}}"#),
        format!(r#"{{"type":"com.x","content":[{{"class":"prompt","text":"x","tokens":"{marker}"}}]}}"#),
        format!(r#"{{"type":"tool.invocation","data":{{"outcome":"ok","note":"{marker}"}}}}"#),
        format!(r#"{{"type":"tool.invocation","data":{{"tool":"x","outcome":"{marker}"}}}}"#),
        format!(r#"{{"type":"heartbeat","data":{{"a":"{marker}"}}}}"#),
        format!("{marker} is no JSON"),
    ];
    let mut writer = ObjectWriter::new();
    let mut refusal = |event: &String| {
        let depth = emitter.depth_limit();
        let result = read_event(event.as_bytes(), depth, &mut writer, |input| emitter.emit(input));
        let error = result.expect_err(&event[..event.len().min(200)]);
        format!("{error} {error:?}")
    };
    let mut told: Vec<String> = events.iter().map(&mut refusal).collect();
    told.push(format!("{writer:?}"));
    told
}

/// Whatever the gates: what the three files hold is sound.
pub(crate) fn verify(folder: &Path, combination: &Combination) {
    for name in ["all.ndjson", "half.ndjson", "blind.ndjson"] {
        let path: PathBuf = folder.join(name);
        let key = VerifyingKey::hmac(&combination.key()).unwrap();
        let mut verifier = Verifier::new(sinkwell::verify::Options {
            keys: vec![TrustedKey::new("k1", key)],
            ..Default::default()
        });
        verifier.read_path(&path).unwrap();
        let report = verifier.finish().unwrap();
        assert_eq!(report.verdict, Verdict::Sound, "{}: {report}", path.display());
    }
}
