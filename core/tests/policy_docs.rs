//! The policies of docs/POLICY.md, each run as it stands there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::event::{Data, Trace};
use sinkwell::json::{Value, parse};
use sinkwell::policy::telemetry::{check, explain};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options};

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/POLICY.md")).unwrap()
}

/// Every document of the page, by its policy's name.
fn documents() -> Vec<(String, String)> {
    let page = page();
    let blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    let name = |text: &str| {
        let after = text.split("metadata: { name: ").nth(1).unwrap();
        after.split([',', ' ']).next().unwrap().to_owned()
    };
    blocks.map(|text| (name(&text), text)).collect()
}

/// An event: type, data, run, tenant, the flags of its trace.
type Given = (&'static str, &'static str, Option<&'static str>, Option<&'static str>, Option<u8>);

fn event(event_type: &'static str, data: &'static str) -> Given {
    (event_type, data, None, None, None)
}

/// Runs the policy of that name over events; the data that the lane `thin` then has, and how many events `whole` has.
fn run(name: &str, events: &[Given]) -> (Vec<Value>, usize) {
    let dir: PathBuf =
        std::env::temp_dir().join(format!("sinkwell-policy-docs-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let (_, text) = documents().into_iter().find(|(known, _)| known == name).expect("the page has it");
    let policy = dir.join("policy.yaml");
    std::fs::write(&policy, text).unwrap();
    let at = |file: &str| dir.join(file).display().to_string();
    let text = format!(
        "agent: {{ id: a1, tenant: acme, allow: ['acme*'] }}\nheartbeat: off\ntelemetry: [ {} ]\nlanes:\n  - {{ id: thin, sink: {{ file: {{ path: {} }} }} }}\n  - {{ id: whole, classes: [audit], sink: {{ file: {{ path: {} }} }} }}\n",
        policy.display(),
        at("thin"),
        at("whole")
    );
    let config =
        Config::load(Source::Text { text, name: None, format: Default::default() }, &SystemEnv::default())
            .unwrap();
    let emitter = Emitter::open(Options { manual: true, ..Options::new(config) }).unwrap();
    let status = String::from_utf8(emitter.policy_status()).unwrap();
    assert!(!status.contains(r#""status":"False""#), "{status}");
    for (event_type, data, run, tenant, flags) in events {
        let mut input = EventInput::new(event_type);
        input.data = Data::Json(data.as_bytes());
        input.run = *run;
        input.tenant = *tenant;
        input.trace = flags.map(|flags| Trace {
            trace_id: "0123456789abcdef0123456789abcdef",
            span_id: "0123456789abcdef",
            flags,
            state: None,
        });
        emitter.emit(input).unwrap();
    }
    emitter.shutdown(Duration::from_secs(5));
    let read = |file: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(dir.join(file)).unwrap();
        let events = text.lines().filter(|line| !line.contains(r#""origin":"core""#));
        events.map(|line| parse(line.as_bytes()).unwrap().get("data").unwrap().clone()).collect()
    };
    let seen = (read("thin"), read("whole").len());
    let _ = std::fs::remove_dir_all(&dir);
    seen
}

/// What the events of the lane say of `key`, as canonical JSON.
fn seen(lane: &[Value], key: &str) -> Vec<String> {
    let text = |value: Option<&Value>| {
        value
            .map_or_else(|| "-".to_owned(), |value| String::from_utf8(value.to_canonical().unwrap()).unwrap())
    };
    lane.iter().map(|data| text(data.get(key))).collect()
}

#[test]
fn every_policy_of_the_page_is_accepted_by_the_checker() {
    let documents = documents();
    assert_eq!(documents.len(), 13, "the first, the one with metrics, and eleven");
    let path = std::env::temp_dir().join(format!("sinkwell-policy-page-{}.yaml", std::process::id()));
    for (name, text) in documents {
        std::fs::write(&path, text).unwrap();
        let checked = check(std::slice::from_ref(&path), None, &SystemEnv::default());
        assert!(checked.good, "{name}: {:?}", checked.lines);
    }
    let _ = std::fs::remove_file(path);
}

#[test]
fn what_explain_says_is_as_the_page_shows_it() {
    let page = page();
    let shown = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let event = page.split("call that went well,\n`").nth(1).unwrap().split('`').next().unwrap();
    let (_, text) = documents().into_iter().find(|(name, _)| name == "five-percent").unwrap();
    let path = std::env::temp_dir().join(format!("sinkwell-policy-screen-{}.yaml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let said = explain(std::slice::from_ref(&path), None, event.as_bytes(), &SystemEnv::default()).unwrap();
    let _ = std::fs::remove_file(path);
    let shown = parse(shown.as_bytes()).unwrap().to_canonical().unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), String::from_utf8(shown).unwrap());
}

#[test]
fn errors_and_denials_only() {
    let events = [
        event("tool.invocation", r#"{"tool":"t","outcome":"error","n":1}"#),
        event("policy.decision", r#"{"decision":"deny","n":2}"#),
        event("policy.decision", r#"{"decision":"allow","n":3}"#),
        event("sandbox.event", r#"{"kind":"escape","n":4}"#),
        event("run.failed", r#"{"n":5}"#),
        event("run.completed", r#"{"n":6}"#),
    ];
    let (thin, whole) = run("errors-and-denials", &events);
    // Of what is terminal no policy keeps anything out.
    assert_eq!((seen(&thin, "n"), whole), (["2", "4", "5", "6"].map(String::from).to_vec(), 6));
}

#[test]
fn five_in_a_hundred_but_every_denied_call() {
    let mut events = vec![event("tool.invocation", r#"{"tool":"t","outcome":"ok"}"#); 400];
    events.extend([event("tool.invocation", r#"{"tool":"t","outcome":"denied"}"#); 20]);
    let (thin, whole) = run("five-percent", &events);
    let denied = seen(&thin, "outcome").iter().filter(|outcome| *outcome == "\"denied\"").count();
    assert_eq!((denied, whole), (20, 420));
    let others = thin.len() - denied;
    // 20 expected, 4 sigma either way.
    assert!((3..=37).contains(&others), "{others}");
    let thresholds = seen(&thin, "sampling.threshold");
    assert_eq!(thresholds.iter().filter(|threshold| *threshold == "\"f3333\"").count(), others);
    assert_eq!(thresholds.iter().filter(|threshold| *threshold == "\"0\"").count(), 20);
}

#[test]
fn without_a_noisy_tool() {
    let events = [
        event("tool.invocation", r#"{"tool":"clock"}"#),
        event("tool.invocation", r#"{"tool":"search"}"#),
        event("com.x", r#"{"tool":"clock"}"#),
    ];
    assert_eq!(seen(&run("no-clock", &events).0, "tool"), ["\"search\"", "\"clock\""]);
}

#[test]
fn whole_runs_or_none() {
    let runs: Vec<&'static str> = (0..40).map(|n| &*String::leak(format!("run-{n}"))).collect();
    let of = |run: &&'static str| {
        let data: &'static str = String::leak(format!(r#"{{"run":"{run}"}}"#));
        [("com.x", data, Some(*run), None, None), ("run.progress", data, Some(*run), None, None)]
    };
    let events: Vec<Given> = runs.iter().flat_map(of).collect();
    let (thin, _) = run("whole-runs", &events);
    let kept = seen(&thin, "run");
    assert!(kept.chunks(2).all(|pair| pair[0] == pair[1]), "both of a run's events, or neither");
    // 20 runs expected, 4 sigma either way.
    assert!((8..=32).contains(&(kept.len() / 2)), "{}", kept.len());
}

#[test]
fn where_it_ran_and_with_which_model() {
    let events = [
        event("com.x", r#"{"gen_ai.request.model":"m","http":{"request":{"header":{"x-caller":["me"]}}}}"#),
        event("com.x", "{}"),
    ];
    let (thin, _) = run("labels", &events);
    assert_eq!(seen(&thin, "deployment.environment"), ["\"production\"", "\"production\""]);
    assert_eq!(seen(&thin, "model_id"), ["\"m\"", "-"]);
    assert_eq!(seen(&thin, "caller"), ["\"me\"", "-"]);
    assert_eq!(seen(&thin, "view")[1], r#"{"added":["deployment.environment"],"policy":"labels"}"#);
}

#[test]
fn without_members_that_nobody_reads() {
    let events = [
        event("com.x", r#"{"debug_trace":1,"http":{"request":{"body":"b","size":1}}}"#),
        event("com.x", r#"{"http.request.body":"b","n":1}"#),
        event("com.x", r#"{"n":2}"#),
    ];
    let (thin, _) = run("no-debug", &events);
    assert_eq!(seen(&thin, "debug_trace"), ["-", "-", "-"]);
    assert_eq!(seen(&thin, "http")[0], r#"{"request":{"size":1}}"#);
    assert_eq!(seen(&thin, "http.request.body"), ["-", "-", "-"]);
    assert_eq!(seen(&thin, "view")[2], "-", "an event to which nothing is done stays as it is");
}

#[test]
fn nothing_of_one_tenant() {
    let events = [("com.x", r#"{"n":1}"#, None, Some("acme-secret"), None), event("com.x", r#"{"n":2}"#)];
    let (thin, whole) = run("not-theirs", &events);
    assert_eq!((seen(&thin, "n"), whole), (vec!["2".to_owned()], 2));
}

#[test]
fn slow_calls_marked_as_such() {
    let events = [
        event("tool.invocation", r#"{"tool":"t","duration_ms":999}"#),
        event("tool.invocation", r#"{"tool":"t","duration_ms":1000}"#),
        event("tool.invocation", r#"{"tool":"t","duration_ms":20000}"#),
        event("tool.invocation", r#"{"tool":"t"}"#),
    ];
    assert_eq!(seen(&run("slow", &events).0, "very_slow"), ["false", "true"]);
}

#[test]
fn without_health_checks() {
    let events = [
        event("com.x", r#"{"url":{"path":"/healthz"}}"#),
        event("com.x", r#"{"url":{"path":"/livez/db"}}"#),
        event("com.x", r#"{"url":{"path":"/healthzy"}}"#),
        event("com.x", r#"{}"#),
    ];
    assert_eq!(run("no-probes", &events).0.len(), 2);
}

#[test]
fn a_hash_in_place_of_a_field() {
    let dir = std::env::temp_dir().join(format!("sinkwell-policy-docs-hash-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let page = page();
    let redaction = page.split("```yml\n").nth(1).unwrap().split("```").next().unwrap();
    let (_, policy) = documents().into_iter().find(|(known, _)| known == "by-person").unwrap();
    std::fs::write(dir.join("policy.yaml"), policy).unwrap();
    let key = dir.join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let redaction = redaction.replace("{ env: HASH_KEY }", &format!("{{ file: {} }}", key.display()));
    let lane = dir.join("thin");
    let text = format!(
        "agent: {{ id: a1 }}\nheartbeat: off\ntelemetry: [ {} ]\nlanes:\n  - {{ id: thin, sink: {{ file: {{ path: {} }} }} }}\n{redaction}",
        dir.join("policy.yaml").display(),
        lane.display()
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options { manual: true, ..Options::new(config) }).unwrap();
    for data in [
        r#"{"user":{"id":"ana"},"n":1}"#,
        r#"{"user":{"id":"bob"}}"#,
        r#"{"user.id":"ana","user":{"id":"ana"}}"#,
    ] {
        let mut input = EventInput::new("com.x");
        input.data = Data::Json(data.as_bytes());
        emitter.emit(input).unwrap();
    }
    emitter.shutdown(Duration::from_secs(5));
    let text = std::fs::read_to_string(lane).unwrap();
    assert!(!text.contains("\"ana\"") && !text.contains("\"bob\""), "{text}");
    let events = text.lines().filter(|line| !line.contains(r#""origin":"core""#));
    let data: Vec<Value> =
        events.map(|line| parse(line.as_bytes()).unwrap().get("data").unwrap().clone()).collect();
    let person = seen(&data, "person");
    assert!(person[0] != person[1] && person[0] == person[2] && person[0].len() > 10, "{person:?}");
    assert_eq!(seen(&data, "user"), ["-", "-", "-"]);
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn what_agents_cost() {
    let (_, policy) = documents().into_iter().find(|(known, _)| known == "what-agents-cost").unwrap();
    let path = std::env::temp_dir().join(format!("sinkwell-policy-docs-cost-{}.yaml", std::process::id()));
    std::fs::write(&path, policy).unwrap();
    let text = format!(
        "agent: {{ id: a1, tenant: acme, allow: ['acme*'] }}\nheartbeat: off\ntelemetry: [ {} ]\nlanes:\n  - {{ id: gone, sink: 'null' }}\n",
        path.display()
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options { manual: true, ..Options::new(config) }).unwrap();
    for (tenant, micros) in [("acme", 5), ("acme", 7), ("acme-labs", 100)] {
        let data = format!(r#"{{"amount_micros":{micros},"currency":"EUR","rate_table_version":"1"}}"#);
        let mut input = EventInput::new("cost.estimated");
        input.data = Data::Json(data.as_bytes());
        input.tenant = Some(tenant);
        emitter.emit(input).unwrap();
    }
    let mut input = EventInput::new("policy.decision");
    input.data = Data::Json(br#"{"decision":"deny","rule":"r"}"#);
    emitter.emit(input).unwrap();
    let text = emitter.prometheus();
    for line in [
        r#"agent_cost_total{currency="EUR",tenant="acme"} 12"#,
        r#"agent_cost_total{currency="EUR",tenant="acme-labs"} 100"#,
        r#"agent_denials_total{rule="r"} 1"#,
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    emitter.shutdown(Duration::from_secs(5));
    let _ = std::fs::remove_file(path);
}

#[test]
fn as_the_trace_was_sampled() {
    let traced = |data, flags| ("com.x", data, None, None, Some(flags));
    let events = [traced(r#"{"n":1}"#, 1), traced(r#"{"n":2}"#, 0), event("com.x", r#"{"n":3}"#)];
    assert_eq!(seen(&run("with-the-trace", &events).0, "n"), ["1", "3"]);
}
