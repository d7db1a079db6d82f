//! What the tests of the stream have in common: events as an agent emits them, sealed as a lane seals them.

mod measure;
mod peer;
mod whole;

pub(super) use whole::whatever;

use std::sync::Arc;
use std::time::Duration;

use crate::config::Source;
use crate::emitter::{Emitter, HostSink, Options};
use crate::event::{Data, EventInput};
use crate::seam::SystemEnv;
use crate::settings::Config;
use crate::sink::Envelope;
use crate::sinks::memory::MemorySink;
use crate::testing::TempDir;
use crate::verify::TrustedKey;

/// What kind of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// A generated agent's: runs of tool calls, decisions, usage and cost, each structured.
    Agent,
    /// With a sentence of free text in each.
    Text,
    /// With content, of which commitments are sealed.
    Content,
    /// Those of `examples/agent.json`, again and again.
    Demo,
}

/// How they are sealed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed {
    pub(super) alg: &'static str,
    pub(super) sign: &'static str,
    pub(super) batch: usize,
    /// `ids`
    pub(super) ids: &'static str,
}

pub(super) const EACH: Sealed = Sealed { alg: "ed25519", sign: "each", batch: 100, ids: "random" };

/// About `n` envelopes.
pub(super) fn events(n: usize, load: Load, sealed: Sealed) -> Vec<Envelope> {
    events_and_key(n, load, sealed).0
}

/// The same, and what verifies them.
fn events_and_key(n: usize, load: Load, sealed: Sealed) -> (Vec<Envelope>, TrustedKey) {
    let dir = TempDir::new();
    let key = dir.path().join("k");
    let alg = match sealed.alg {
        "ed25519" => crate::settings::SignatureAlgorithm::Ed25519,
        _ => crate::settings::SignatureAlgorithm::HmacSha256,
    };
    crate::key::generate(alg, &key).unwrap();
    let text = format!(
        "agent: {{ id: 'urn:example:agent:support', tenant: acme }}\nheartbeat: off\nids: {}\n\
         key: {{ id: k1, {}: {{ file: {} }}, sign: {} }}\n\
         lanes: [ {{ id: out, sink: {{ host: out }}, queue: {{ events: 100000, bytes: 1GiB }}, batch: {{ events: {}, bytes: 64MiB, linger: 5s }} }} ]\n",
        sealed.ids,
        sealed.alg,
        key.display(),
        sealed.sign,
        sealed.batch,
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).unwrap();
    let memory = MemorySink::keeping(1 << 20);
    let kept = memory.clone();
    let lane = config.lanes[0].clone();
    let sinks =
        vec![HostSink { name: "out".into(), lane, make: Arc::new(move || Ok(Box::new(kept.clone()))) }];
    let options = Options { config, sinks, signer: None, manual: false };
    let emitter = Emitter::open(options).unwrap();
    let mut agent = Agent { emitter: &emitter, random: Rng(7), count: 0 };
    while agent.count < n {
        match load {
            Load::Demo => agent.demo(),
            load => agent.run(load),
        }
    }
    emitter.shutdown(Duration::from_secs(60));
    let key = match sealed.alg {
        "ed25519" => format!("k1=ed25519:{}.pub", key.display()),
        _ => format!("k1=hmac:{}", key.display()),
    };
    (memory.envelopes(), TrustedKey::from_argument(&key).unwrap())
}

/// splitmix64
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

struct Agent<'a> {
    emitter: &'a Emitter,
    random: Rng,
    count: usize,
}

/// Where in an agent's work an event happens.
struct At<'a> {
    run: &'a str,
    turn: &'a str,
    trace: &'a str,
}

const TOOLS: [&str; 9] = [
    "ticket_search",
    "ticket_comments",
    "file_read",
    "file_write",
    "http_get",
    "db_query",
    "calendar_list",
    "mail_draft",
    "shell",
];
const MODELS: [&str; 3] =
    ["example-large-2026-10-01", "example-small-2026-08-12", "example-reasoning-2026-11-02"];
const RULES: [&str; 6] =
    ["tools-by-name", "read-only-default", "no-shell", "business-hours", "data-residency", "cost-cap"];
const WORDS: [&str; 24] = [
    "looked", "customer", "the", "release", "found", "comments", "ticket", "which", "runs", "after", "a",
    "to", "of", "restart", "queue", "fails", "with", "timeout", "and", "then", "works", "again", "until",
    "noon",
];

impl Agent<'_> {
    fn below(&mut self, n: u64) -> u64 {
        self.random.next() % n
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let at = self.below(list.len() as u64);
        list[at as usize]
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits.div_ceil(16)).map(|_| format!("{:016x}", self.random.next())).collect::<String>()[..digits]
            .to_owned()
    }

    fn uuid(&mut self) -> String {
        let random = u128::from(self.random.next()) << 64 | u128::from(self.random.next());
        let bytes = random.to_be_bytes();
        crate::seam::Uuid::v7(1_764_000_000_000_000_000 + (self.count as i64) * 3_000_000, bytes).to_string()
    }

    fn sentence(&mut self) -> String {
        let n = 8 + self.below(12);
        (0..n).map(|_| self.pick(&WORDS)).collect::<Vec<_>>().join(" ")
    }

    fn emit(&mut self, event_type: &str, subject: &str, data: &str, at: &At<'_>, load: Load) {
        let span = self.hex(16);
        let mut data = data.to_owned();
        if load == Load::Text {
            let text = self.sentence();
            data.insert_str(data.len() - 1, &format!(r#","reason":"{text}""#));
        }
        let mut input = EventInput::new(event_type);
        input.data = Data::Json(data.as_bytes());
        input.subject = Some(subject);
        input.run = Some(at.run);
        input.turn = Some(at.turn);
        input.trace = Some(crate::event::Trace { trace_id: at.trace, span_id: &span, flags: 1, state: None });
        let text = self.sentence();
        if load == Load::Content {
            input.content = vec![crate::content::Part::text("tool_arguments", text.as_str())];
        }
        self.emitter.emit(input).unwrap();
        self.count += 1;
    }

    /// A run of a few turns.
    fn run(&mut self, load: Load) {
        let (run, trace) = (self.uuid(), self.hex(32));
        let model = self.pick(&MODELS);
        let subject = format!("run:{run}");
        self.emit(
            "run.started",
            &subject,
            r#"{"goal":"answer"}"#,
            &At { run: &run, turn: "t0", trace: &trace },
            load,
        );
        for turn in 1..2 + self.below(4) {
            let turn = format!("t{turn}");
            let at = At { run: &run, turn: &turn, trace: &trace };
            for _ in 0..1 + self.below(3) {
                let (tool, rule) = (self.pick(&TOOLS), self.pick(&RULES));
                let call = format!("call_{}", self.hex(16));
                let digest = self.hex(64);
                let duration = self.below(90_000) as f64 / 100.0;
                let subject = format!("tool:{tool}");
                let decision = format!(
                    r#"{{"action":"{tool}","decision":"allow","rule":"{rule}","evaluated_rules":{},"gen_ai.tool.call.id":"{call}","duration_ms":{}}}"#,
                    4 + self.below(9),
                    self.below(400) as f64 / 1000.0
                );
                self.emit("policy.decision", &subject, &decision, &at, load);
                let (outcome, size) = (if self.below(12) == 0 { "error" } else { "ok" }, self.below(40_000));
                let tool = format!(
                    r#"{{"tool":"{tool}","outcome":"{outcome}","duration_ms":{duration},"gen_ai.tool.call.id":"{call}","arguments_digest":"sha256:{digest}","result_bytes":{size},"mcp.method.name":"tools/call","mcp.session.id":"{trace}"}}"#
                );
                self.emit("tool.invocation", &subject, &tool, &at, load);
            }
            let (input, output) = (500 + self.below(20_000), self.below(1500));
            let usage = format!(
                r#"{{"source.family":"model","provider":"example","model":"{model}","input_tokens":{input},"output_tokens":{output},"total_tokens":{},"gen_ai.response.finish_reasons":["stop"]}}"#,
                input + output
            );
            self.emit("model.usage", model, &usage, &at, load);
            let cost = format!(
                r#"{{"amount_micros":{},"currency":"EUR","rate_table_version":"2026-01"}}"#,
                input * 3 + output * 15
            );
            self.emit("cost.estimated", model, &cost, &at, load);
        }
        let end = format!(r#"{{"terminal_status":"completed","duration_ms":{}}}"#, self.below(60_000));
        self.emit("run.completed", &subject, &end, &At { run: &run, turn: "t0", trace: &trace }, load);
    }

    fn demo(&mut self) {
        let example = include_str!("../../../../../examples/agent.json");
        let example = crate::json::parse(example.as_bytes()).unwrap();
        let mut writer = crate::json::ObjectWriter::new();
        for step in example.get("steps").unwrap().items() {
            let event = step.to_canonical().unwrap();
            crate::event::read_event(&event, 64, &mut writer, |input| self.emitter.emit(input)).unwrap();
            self.count += 1;
        }
    }
}
