//! Policies through an emitter, as a program has them.

mod content;
mod metrics;
mod schema;
mod traces;

use std::time::Duration;

use crate::config::{Config, Source};
use crate::emitter::{Emitter, Options};
use crate::event::{Data, EventInput, Trace};
use crate::json::{Value, parse};
use crate::receipt::Receipt;
use crate::seam::SystemEnv;
use crate::testing::TempDir;

/// A manual emitter with the file lanes `thin`, `other` and, of the class `audit`, `whole`.
struct Rig {
    dir: TempDir,
    emitter: Emitter,
}

impl Rig {
    fn new(telemetry: &str) -> Self {
        Self::with(TempDir::new(), telemetry, |_| Vec::new())
    }

    fn with(dir: TempDir, telemetry: &str, sinks: impl FnOnce(&Config) -> Vec<crate::HostSink>) -> Self {
        let lane = |id: &str, classes: &str| {
            format!(
                "  - {{ id: {id}, classes: [{classes}], sink: {{ file: {{ path: {}/{id} }} }} }}\n",
                dir.path().display()
            )
        };
        let text = format!(
            "agent: {{ id: a1, tenant: acme, allow: ['a*'] }}\nheartbeat: off\ntarget: {{ namespace: prod }}\nlanes:\n{}{}{}{telemetry}",
            lane("thin", "observability"),
            lane("other", "observability"),
            lane("whole", "audit"),
        );
        let source = Source::Text { text, name: None, format: Default::default() };
        let config = Config::load(source, &SystemEnv::default()).unwrap();
        let sinks = sinks(&config);
        let emitter = Emitter::open(Options { manual: true, sinks, ..Options::new(config) }).unwrap();
        Self { dir, emitter }
    }

    fn emit(&self, event_type: &str, data: &str) -> Receipt {
        let mut input = EventInput::new(event_type);
        input.data = Data::Json(data.as_bytes());
        self.emitter.emit(input).unwrap()
    }

    /// The data of host events in each file.
    fn finish(self) -> [Vec<String>; 3] {
        self.emitter.shutdown(Duration::from_secs(5));
        ["thin", "other", "whole"].map(|lane| {
            let text = std::fs::read_to_string(self.dir.path().join(lane)).unwrap();
            let events = text.lines().filter(|line| !line.contains("\"origin\":\"core\""));
            events
                .map(|line| {
                    let value = parse(line.as_bytes()).unwrap();
                    assert_eq!(value.to_canonical().unwrap(), line.as_bytes(), "canonical");
                    let data = value.get("data").unwrap().to_canonical().unwrap();
                    String::from_utf8(data).unwrap()
                })
                .collect()
        })
    }

    fn status(&self) -> Value {
        parse(&self.emitter.policy_status()).unwrap()
    }

    /// `name target: Type Reason[ < winner]` of every condition.
    fn conditions(&self) -> Vec<String> {
        let mut all = Vec::new();
        let text =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        for policy in self.status().get("policies").map(items).unwrap() {
            for target in policy.get("targets").map(items).unwrap() {
                for condition in target.get("conditions").map(items).unwrap() {
                    let winner = text(condition, "policy");
                    all.push(format!(
                        "{} {}/{}: {}={} {}{}{}",
                        text(policy, "policy"),
                        text(target, "kind"),
                        text(target, "name"),
                        text(condition, "type"),
                        text(condition, "status"),
                        text(condition, "reason"),
                        if winner.is_empty() { "" } else { " < " },
                        winner
                    ));
                }
            }
        }
        all
    }
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        _ => &[],
    }
}

fn policy(name: &str, target: &str, spec: &str) -> String {
    format!(
        "  - {{ apiVersion: sinkwell.dev/v1alpha1, kind: TelemetryPolicy, metadata: {{ name: {name} }}, spec: {{ targetRefs: [ {target} ], {spec} }} }}\n"
    )
}

const THIN: &str = "{ kind: Lane, name: thin }";
const EMITTER: &str = "{ kind: Emitter }";

#[test]
fn keep_matches_fields_and_drop() {
    let spec = r#"events: { keep: [ { cel: 'event.type == "policy.decision" && event.data.decision == "deny"' } ], matches: [ { cel: 'event.severity >= WARN || event.data.http.status >= 500' } ], fields: [ { key: env, value: { literal: production } }, { key: model_id, value: { attribute: gen_ai.request.model } }, { key: caller, value: { header: X-Caller } }, { key: slow, value: { cel: 'event.data.ms > 4000' } } ], drop: [ debug_trace, a.b ] }"#;
    let rig = Rig::new(&format!("telemetry:\n{}", policy("standard", THIN, spec)));
    rig.emit("policy.decision", r#"{"decision":"deny","debug_trace":"x"}"#);
    rig.emit("policy.decision", r#"{"decision":"allow"}"#);
    rig.emit("com.x", r#"{"http":{"status":503,"request":{"header":{"x-caller":["me","you"]}}},"a":{"b":1,"c":2},"gen_ai.request.model":"m","ms":5000}"#);
    rig.emit("com.x", r#"{"http.status":200}"#);
    let (_, counters) = rig.emitter.counters().swap_remove(0);
    assert_eq!((counters.admitted, counters.filtered), (2, 2));
    let status = String::from_utf8(rig.emitter.policy_status()).unwrap();
    assert!(status.contains(r#""counters":{"dropped":{"disabled":0,"drop":0,"matches":2,"sampling":0},"evaluated":4,"failed":0,"matched":2,"unmatched":1,"without_key":0},"policy":"standard","rules":{"spec.events.keep[0]":1,"spec.events.matches[0]":1}"#), "{status}");
    let [thin, other, whole] = rig.finish();
    assert_eq!(
        thin,
        [
            r#"{"decision":"deny","env":"production","view":{"added":["env"],"dropped":["debug_trace"],"policy":"standard"}}"#,
            r#"{"a":{"c":2},"caller":"me","env":"production","gen_ai.request.model":"m","http":{"request":{"header":{"x-caller":["me","you"]}},"status":503},"model_id":"m","ms":5000,"slow":true,"view":{"added":["caller","env","model_id","slow"],"dropped":["a.b"],"policy":"standard"}}"#,
        ]
    );
    assert_eq!((other.len(), whole.len()), (4, 4));
    assert!(whole.iter().chain(&other).all(|data| !data.contains("view")));
}

/// The truth table of docs/POLICY.md.
#[test]
fn what_does_not_come_out_true() {
    let table = [
        ("event.data.n == 1", true),
        ("event.data.n == 2", false),
        ("event.data.absent == 1", false),
        ("event.data.n > 'text'", false),
        ("event.data.n * 9223372036854775807 * 2 > 0 && event.data.n / 0 == 1", true),
    ];
    for (source, kept) in table {
        let spec = format!("events: {{ matches: [ {{ cel: \"{source}\" }} ] }}");
        let rig = Rig::new(&format!("telemetry:\n{}", policy("p", EMITTER, &spec)));
        rig.emit("com.x", r#"{"n":1}"#);
        let [thin, other, whole] = rig.finish();
        assert_eq!(
            (thin.len(), other.len(), whole.len()),
            (usize::from(kept), usize::from(kept), 1),
            "{source}"
        );
    }
}

#[test]
fn precedence_goes_by_target_and_section_and_the_order_of_documents_changes_nothing() {
    let mark = |name: &str| format!("events: {{ fields: [ {{ key: by, value: {{ literal: {name} }} }} ] }}");
    let mut documents = [
        policy("lane", THIN, &mark("lane")),
        policy("agent", "{ kind: Agent, name: a2 }", &mark("agent")),
        policy("space", "{ kind: Namespace, name: prod }", &mark("space")),
        policy("emitter", EMITTER, &mark("emitter")),
        policy("lane-too", THIN, &mark("lane-too")),
        policy("elsewhere", "{ kind: Namespace, name: test }", &mark("x")),
        policy("audited", "{ kind: Lane, name: whole }", &mark("x")),
        policy("typo", THIN, "event: {}"),
    ];
    let mut seen = Vec::new();
    for round in 0..4 {
        documents.rotate_left(3);
        if round == 2 {
            documents.reverse();
        }
        let rig = Rig::new(&format!("telemetry:\n{}", documents.concat()));
        rig.emit("com.x", "{}");
        let mut input = EventInput::new("com.x");
        input.agent = Some("a2");
        rig.emitter.emit(input).unwrap();
        let conditions = rig.conditions();
        seen.push((conditions, rig.finish()));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    let (conditions, [thin, other, _]) = &seen[0];
    let by = |data: &[String]| {
        data.iter()
            .map(|data| parse(data.as_bytes()).unwrap().get("by").unwrap().as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(by(thin), ["lane", "lane"]);
    assert_eq!(by(other), ["space", "agent"]);
    assert_eq!(
        *conditions,
        [
            "agent Agent/a2: Accepted=True Accepted",
            "agent Agent/a2: Programmed=True Programmed",
            "audited Lane/whole: Accepted=False Invalid",
            "elsewhere Namespace/test: Accepted=False TargetNotFound",
            "emitter Emitter/: Accepted=True Accepted",
            "emitter Emitter/: Programmed=False Overridden < lane",
            "lane Lane/thin: Accepted=True Accepted",
            "lane Lane/thin: Programmed=True Programmed",
            "lane-too Lane/thin: Accepted=False Conflicted < lane",
            "space Namespace/prod: Accepted=True Accepted",
            "space Namespace/prod: Programmed=True Programmed",
            "typo Lane/thin: Accepted=False Invalid",
        ]
    );
}

#[test]
fn what_a_policy_may_not_say_is_refused_with_its_field() {
    let cases = [
        ("events: { drop: [ decision ] }", "spec.events.drop[0]"),
        ("events: { drop: [ source ] }", "spec.events.drop[0]"),
        ("events: { drop: [ content ] }", "spec.events.drop[0]"),
        (
            "events: { fields: [ { key: authz.principal, value: { literal: x } } ] }",
            "spec.events.fields[0].key",
        ),
        ("events: { mode: true }", "spec.events.mode"),
        ("events: { matches: [ { cel: 'event.data.x ==' } ] }", "spec.events.matches[0].cel"),
        ("events: { matches: [ { cel: '1 + 1' } ] }", "spec.events.matches[0].cel"),
        ("events: { keeep: [] }", "spec.events.keeep"),
        ("sampling: { rate: { numerator: 5, denominator: 4 } }", "spec.sampling.rate"),
        ("sampling: {}", "spec.sampling.rate"),
    ];
    for (spec, field) in cases {
        let rig = Rig::new(&format!("telemetry:\n{}", policy("p", THIN, spec)));
        let status = String::from_utf8(rig.emitter.policy_status()).unwrap();
        assert!(status.contains(&format!("\"field\":\"{field}\"")), "{spec}: {status}");
        assert_eq!(rig.conditions(), ["p Lane/thin: Accepted=False Invalid"]);
        rig.emit("com.x", "{}");
        assert_eq!(rig.finish()[0], ["{}"], "inert");
    }
}

#[test]
fn sampling_is_consistent_and_says_so() {
    let spec = |n: u32| format!("sampling: {{ rate: {{ numerator: {n}, denominator: 100 }}, key: trace }}");
    let documents = format!(
        "telemetry:\n{}{}",
        policy("five", THIN, &spec(5)),
        policy("half", "{ kind: Lane, name: other }", &spec(50))
    );
    let rig = Rig::new(&documents);
    let traces: Vec<String> = (0..400_u64)
        .map(|n| {
            use sha2::Digest as _;
            let digest: [u8; 32] = sha2::Sha256::digest(n.to_be_bytes()).into();
            digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
        })
        .collect();
    for trace in &traces {
        let mut input = EventInput::new("com.x");
        let data = format!(r#"{{"trace":"{trace}"}}"#);
        input.data = Data::Json(data.as_bytes());
        input.trace = Some(Trace { trace_id: trace, span_id: "0123456789abcdef", flags: 1, state: None });
        rig.emitter.emit(input).unwrap();
    }
    rig.emit("com.x", "{}");
    let [thin, other, whole] = rig.finish();
    assert_eq!(whole.len(), 401);
    let of = |data: &[String]| {
        data.iter()
            .filter_map(|data| {
                parse(data.as_bytes()).unwrap().get("trace").and_then(Value::as_str).map(str::to_owned)
            })
            .collect::<Vec<_>>()
    };
    // From the page: kept where the low 56 bits of the trace's id are at least the threshold.
    let kept = |threshold: u64| {
        traces
            .iter()
            .filter(|trace| u64::from_str_radix(&trace[18..], 16).unwrap() >= threshold)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&thin), kept(0xf_3333 << 36));
    assert_eq!(of(&other), kept(8 << 52));
    assert!(
        of(&thin).iter().all(|trace| of(&other).contains(trace)),
        "a higher rate keeps what a lower one keeps"
    );
    assert!(
        thin[0].contains(r#""sampling.threshold":"f3333""#)
            && other[0].contains(r#""sampling.threshold":"8""#),
        "{}",
        thin[0]
    );
    assert_eq!(thin.last().unwrap(), "{}", "no key: kept, without a threshold");
}

#[test]
fn reloading_puts_a_set_in_force_and_keeps_the_last_good_one() {
    let dir = TempDir::new();
    let path = dir.path().join("policies.yaml");
    let document = |name: &str, by: &str| {
        format!(
            "apiVersion: sinkwell.dev/v1alpha1\nkind: TelemetryPolicy\nmetadata: {{ name: {name} }}\nspec:\n  targetRefs: [ {THIN} ]\n  events: {{ fields: [ {{ key: by, value: {{ literal: {by} }} }} ] }}\n"
        )
    };
    std::fs::write(&path, document("p", "one")).unwrap();
    let rig = Rig::new(&format!("telemetry: [ {} ]\n", path.display()));
    let by = |text: String| {
        std::fs::write(&path, text).unwrap();
        rig.emitter.reload_policies().unwrap();
        rig.emit("com.x", "{}");
        rig.conditions()
    };
    rig.emit("com.x", "{}");
    assert_eq!(
        by(document("p", "two")),
        ["p Lane/thin: Accepted=True Accepted", "p Lane/thin: Programmed=True Programmed"]
    );
    assert_eq!(by("nonsense: [".to_owned()), ["p Lane/thin: Accepted=False Invalid"]);
    assert_eq!(
        by(document("p", "three").replace("events", "evnets")),
        ["p Lane/thin: Accepted=False Invalid"]
    );
    assert_eq!(by(format!("# first\n---\n{}---\n{}", document("p", "four"), document("q", "five"))).len(), 3);
    by(String::new());
    let [thin, ..] = rig.finish();
    let seen: Vec<_> =
        thin.iter().map(|data| data.split('"').nth(3).unwrap_or_default().to_owned()).collect();
    assert_eq!(seen, ["one", "two", "two", "two", "four", ""]);
}

/// A small seeded generator, so that a failing seed fails again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % n
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn some(&mut self, of: &[&str], most: usize, each: impl Fn(&str) -> String) -> String {
        let n = self.below(most + 1);
        let mut all: Vec<String> = (0..n).map(|_| each(self.one(of))).collect();
        all.sort();
        all.dedup();
        format!("[ {} ]", all.join(", "))
    }
}

/// A document that may say anything, good or bad, about anything.
fn any_policy(dice: &mut Dice, n: usize) -> String {
    const CEL: [&str; 12] = [
        "true",
        "false",
        "event.severity >= WARN",
        "event.data.n % 2 == 0",
        "event.data.missing == 1",
        "event.data.n / 0 == 1",
        "event.terminal",
        "event.type.startsWith('com.')",
        "event.type.startsWith('audit') || event.type.startsWith('sink')",
        "event.data.note.contains('a') ? event.data.n > 3 : true",
        "event.data.lost == 1",
        "event.data.n in [1, 2, 3]",
    ];
    const KEYS: [&str; 10] = [
        "n",
        "note",
        "deep.er",
        "added",
        "view",
        "content",
        "reason",
        "decision",
        "sampling.threshold",
        "amount_micros",
    ];
    const TARGETS: [&str; 9] = [
        "{ kind: Lane, name: thin }",
        "{ kind: Lane, name: other }",
        "{ kind: Lane, name: whole }",
        "{ kind: Lane, name: siem }",
        "{ kind: Agent, name: a1 }",
        "{ kind: Tenant, name: acme }",
        "{ kind: Namespace, name: prod }",
        "{ kind: Gateway, name: none }",
        "{ kind: Emitter }",
    ];
    let rule = |cel: &str| format!("{{ cel: \"{cel}\" }}");
    let keep = dice.some(&CEL, 2, rule);
    let matches = dice.some(&CEL, 3, rule);
    let literal = dice
        .one(&["{ literal: x }", "{ attribute: n }", "{ cel: 'event.data.n * 2' }", "{ header: h }"])
        .to_owned();
    let fields = dice.some(&KEYS, 2, |key| format!("{{ key: {key}, value: {literal} }}"));
    let drop = dice.some(&KEYS, 2, str::to_owned);
    let mode = dice.one(&["Enabled", "Enabled", "Disabled"]);
    let rate = dice.below(101);
    let sampling = if dice.below(2) == 0 {
        format!(", sampling: {{ key: run, rate: {{ numerator: {rate}, denominator: 100 }} }}")
    } else {
        String::new()
    };
    let target = dice.one(&TARGETS);
    let spec = format!(
        "events: {{ mode: {mode}, keep: {keep}, matches: {matches}, fields: {fields}, drop: {drop} }}{sampling}"
    );
    policy(&format!("p{n}"), target, &spec)
}

/// What lanes got, and the status, under these documents.
fn outcome(documents: &[String]) -> ([Vec<String>; 3], Vec<String>) {
    const GIVEN: [(&str, &str); 9] = [
        ("com.x", r#"{"n":1,"note":"abc"}"#),
        ("com.x", r#"{"deep":{"er":1},"n":2,"sampling.threshold":"mine"}"#),
        ("policy.decision", r#"{"decision":"deny","n":3}"#),
        ("sandbox.event", r#"{"kind":"escape","n":4}"#),
        ("com.y", "{}"),
        ("run.completed", r#"{"n":6,"note":"abc"}"#),
        ("cost.estimated", r#"{"amount_micros":5,"currency":"EUR","n":7,"rate_table_version":"1"}"#),
        ("policy.breach", r#"{"n":8,"reason":"r"}"#),
        ("model.usage", r#"{"n":9,"source":{"family":"run"}}"#),
    ];
    let siem = crate::sinks::memory::MemorySink::default();
    let sink = siem.clone();
    let rig = Rig::with(TempDir::new(), &format!("telemetry:\n{}", documents.concat()), |config| {
        let (lane, _) = config.parse_lane("{ id: siem, classes: [siem] }", &SystemEnv::default()).unwrap();
        vec![crate::HostSink {
            name: "siem".to_owned(),
            lane,
            make: std::sync::Arc::new(move || Ok(Box::new(sink.clone()))),
        }]
    });
    for (n, (event_type, data)) in GIVEN.iter().enumerate() {
        let mut input = EventInput::new(event_type);
        input.data = Data::Json(data.as_bytes());
        let run = format!("run-{n}");
        input.run = Some(&run);
        rig.emitter.emit(input).unwrap();
    }
    let conditions = rig.conditions();
    let dir = rig.dir.path().to_owned();
    rig.emitter.flush(Duration::from_secs(5));
    for lane in ["thin", "other", "whole"] {
        let text = std::fs::read_to_string(dir.join(lane)).unwrap_or_default();
        for line in text.lines().filter(|line| line.contains("\"origin\":\"core\"")) {
            assert!(!line.contains("\"view\""), "{line}");
        }
    }
    let lanes = rig.finish();
    let all: Vec<String> = GIVEN.iter().map(|(_, data)| (*data).to_owned()).collect();
    assert_eq!(lanes[2], all, "an audit lane gets everything, as it was given");
    let data = |envelope: &crate::sink::Envelope| {
        let value = parse(&envelope.bytes).unwrap();
        String::from_utf8(value.get("data").unwrap().to_canonical().unwrap()).unwrap()
    };
    let of_siem: Vec<_> = siem.envelopes().iter().filter(|envelope| !envelope.own).map(data).collect();
    assert_eq!(of_siem, all, "so does a siem lane");
    for lane in &lanes[..2] {
        let terminal: Vec<_> = lane.iter().filter(|data| all[5..].contains(data)).cloned().collect();
        assert_eq!(terminal, all[5..], "terminal events are in every lane, as they were given");
    }
    (lanes, conditions)
}

#[test]
fn whatever_policies_say_audit_siem_terminal_and_own_are_whole_and_order_changes_nothing() {
    let rounds = if std::env::var_os("SINKWELL_LONG").is_some() { 2000 } else { 60 };
    for seed in 1..=rounds {
        let mut dice = Dice(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let count = 1 + dice.below(6);
        let mut documents: Vec<String> = (0..count).map(|n| any_policy(&mut dice, n)).collect();
        let first = outcome(&documents);
        documents.rotate_left(dice.below(count));
        documents.reverse();
        assert_eq!(outcome(&documents), first, "seed {seed}: {documents:#?}");
    }
}

#[test]
fn reloading_under_load_loses_nothing_and_shapes_nothing_by_halves() {
    const EVENTS: usize = 4000;
    let rounds = if std::env::var_os("SINKWELL_LONG").is_some() { 1000 } else { 50 };
    let dir = TempDir::new();
    let policies = dir.path().join("policies.yaml");
    let shape = |by: &str, drop: &str| {
        let value = format!("value: {{ literal: {by} }}");
        let spec = format!(
            "events: {{ fields: [ {{ key: one, {value} }}, {{ key: two, {value} }} ], drop: [ {drop} ] }}"
        );
        policy("p", EMITTER, &spec).trim_start().trim_start_matches("- ").to_owned()
    };
    let write = |text: &str| std::fs::write(&policies, text).unwrap();
    write(&shape("a", "of_b"));
    let text = format!(
        "agent: {{ id: a1 }}\nheartbeat: off\ntelemetry: [ {} ]\nlanes:\n  - {{ id: thin, sink: {{ file: {{ path: {}/thin }} }} }}\n",
        policies.display(),
        dir.path().display()
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let emitter = Emitter::open(Options::new(Config::load(source, &SystemEnv::default()).unwrap())).unwrap();
    let emitted = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..EVENTS {
                let data = format!(r#"{{"n":{n},"of_a":1,"of_b":1}}"#);
                let mut input = EventInput::new("com.x");
                input.data = Data::Json(data.as_bytes());
                emitter.emit(input).unwrap();
                emitted.store(n + 1, std::sync::atomic::Ordering::Release);
            }
        });
        for round in 0..rounds {
            match round % 3 {
                0 => write(&shape("b", "of_a")),
                1 => write("spec: ["),
                _ => write(&shape("a", "of_b")),
            }
            emitter.reload_policies().unwrap();
            // Spread over the events, whichever thread is faster.
            let due = EVENTS * round / rounds / 2;
            while emitted.load(std::sync::atomic::Ordering::Acquire) < due {
                std::thread::yield_now();
            }
        }
    });
    emitter.shutdown(Duration::from_secs(20));
    let text = std::fs::read_to_string(dir.path().join("thin")).unwrap();
    let mut seen = Vec::new();
    for line in text.lines().filter(|line| !line.contains("\"origin\":\"core\"")) {
        let value = parse(line.as_bytes()).unwrap();
        let data = value.get("data").unwrap();
        let said = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        assert_eq!(said("one"), said("two"), "{line}");
        assert_eq!(
            (data.get("of_a").is_some(), data.get("of_b").is_some()),
            if said("one") == "a" { (true, false) } else { (false, true) }
        );
        seen.push(data.get("n").and_then(Value::as_i64).unwrap());
    }
    assert!(seen.iter().copied().eq(0..EVENTS as i64), "{} of {EVENTS}", seen.len());
}

/// A field may ask for an attribute: it gets what the envelope shows of it.
#[test]
fn what_is_added_is_taken_from_the_redacted_event() {
    let spec = "events: { fields: [ { key: about, value: { cel: event.subject } }, { key: by, value: { cel: 'event.run + \"!\"' } }, { key: mail, value: { attribute: user.mail } } ] }";
    let redaction = "governance: { content: { redaction: { id: r, detectors: [email] } } }\n";
    let rig = Rig::new(&format!("{redaction}telemetry:\n{}", policy("p", THIN, spec)));
    let mut input = EventInput::new("com.x");
    input.data = Data::Json(br#"{"user":{"mail":"jane@example.com"}}"#);
    input.subject = Some("to jane@example.com");
    input.run = Some("jane@example.com");
    rig.emitter.emit(input).unwrap();
    let path = rig.dir.path().join("thin");
    let read = || std::fs::read_to_string(&path).unwrap();
    rig.emitter.flush(Duration::from_secs(5));
    let envelopes = read();
    assert!(!envelopes.contains("jane@"), "{envelopes}");
    let envelope =
        parse(envelopes.lines().find(|line| !line.contains("\"origin\":\"core\"")).unwrap().as_bytes())
            .unwrap();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap().to_owned();
    let data = envelope.get("data").unwrap();
    assert_eq!(text(data, "about"), text(&envelope, "subject"));
    assert_eq!(text(data, "by"), format!("{}!", text(&envelope, "runid")));
    assert_eq!(text(data, "mail"), text(data.get("user").unwrap(), "mail"));
}

/// Of the rules before, nothing that a thread remembers is said of those after: neither where members are nor what a regular
/// expression said of a text, though the events are the same.
#[test]
fn what_is_remembered_of_rules_ends_with_them() {
    let dir = TempDir::new();
    let path = dir.path().join("policies.yaml");
    let write = |cel: &str| {
        let document = policy("p", THIN, &format!("events: {{ matches: [ {{ cel: \"{cel}\" }} ] }}"));
        std::fs::write(&path, document.trim_start().trim_start_matches("- ")).unwrap();
    };
    write("false");
    let rig = Rig::new(&format!("telemetry:\n  - {}", path.display()));
    let asked = [
        ("event.data.s.matches('a+b')", true),
        ("event.data.s.matches('a+c')", false),
        ("event.data.t.matches('a+b')", false),
        ("event.data.o.s.matches('a+b')", false),
        ("event.data.o.s.matches('a+c')", true),
        ("event.data.s == 'xaab and more'", true),
        ("event.data.t == 'xaab and more'", false),
        ("event.data.o.s == 'xaac and more'", true),
        ("event.data.o.t == 'xaac and more'", false),
    ];
    let mut expected = 0;
    for (cel, holds) in asked.into_iter().chain(asked.into_iter().rev()) {
        write(cel);
        rig.emitter.reload_policies().unwrap();
        for _ in 0..4 {
            rig.emit("com.x", r#"{"o":{"s":"xaac and more","t":"y"},"s":"xaab and more","t":"y"}"#);
        }
        expected += if holds { 4 } else { 0 };
        let lane = rig.emitter.counters().into_iter().find(|(lane, _)| lane == "thin").unwrap().1;
        assert_eq!(lane.admitted, expected, "{cel}");
    }
    rig.finish();
}

#[test]
fn a_file_that_is_gone_leaves_its_policies_in_force_until_it_is_back() {
    let dir = TempDir::new();
    let path = dir.path().join("policies.yaml");
    let mark = |name: &str, target: &str, by: &str| {
        policy(name, target, &format!("events: {{ fields: [ {{ key: by, value: {{ literal: {by} }} }} ] }}"))
    };
    let write = |by: &str| {
        let document = mark("p", THIN, by);
        std::fs::write(&path, document.trim_start().trim_start_matches("- ")).unwrap();
    };
    write("one");
    let inline = mark("inline", "{ kind: Lane, name: other }", "inline");
    let rig = Rig::new(&format!("telemetry:\n  - {}\n{inline}", path.display()));
    let reload = || {
        rig.emitter.reload_policies().unwrap();
        rig.emit("com.x", "{}");
        rig.conditions()[2..].to_vec()
    };
    let good = ["p Lane/thin: Accepted=True Accepted", "p Lane/thin: Programmed=True Programmed"];
    assert_eq!(reload(), good);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(reload(), ["p Lane/thin: Accepted=False Invalid"]);
    // However often it is read again meanwhile.
    assert_eq!(reload(), ["p Lane/thin: Accepted=False Invalid"]);
    write("two");
    assert_eq!(reload(), good);
    let [thin, other, _] = rig.finish();
    let by = |lane: &[String]| {
        let by =
            |data: &String| parse(data.as_bytes()).unwrap().get("by").unwrap().as_str().unwrap().to_owned();
        lane.iter().map(by).collect::<Vec<_>>()
    };
    assert_eq!(by(&thin), ["one", "one", "one", "two"]);
    assert_eq!(by(&other), ["inline"; 4]);
}
