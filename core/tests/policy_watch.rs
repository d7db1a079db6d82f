//! Files of policies that are watched: a change is in force without a call, a bad one leaves the last good one, and is said
//! once.

use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sinkwell::config::{Config, Source};
use sinkwell::diagnostics::set_logger;
use sinkwell::json::{Value, parse};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options};

static HEARD: (Mutex<Vec<String>>, Condvar) = (Mutex::new(Vec::new()), Condvar::new());
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the log has so many lines with this in it; how many there are.
fn heard(what: &str, least: usize) -> usize {
    let deadline = Instant::now() + PATIENCE;
    let mut lines = HEARD.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let count = lines.iter().filter(|line| line.contains(what)).count();
        if count >= least {
            return count;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "{what:?} was not said: {lines:?}");
        lines = HEARD.1.wait_timeout(lines, left).unwrap().0;
    }
}

fn document(name: &str, by: &str) -> String {
    format!(
        "apiVersion: sinkwell.dev/v1alpha1\nkind: TelemetryPolicy\nmetadata: {{ name: {name} }}\nspec:\n  targetRefs: [ {{ kind: Lane, name: {name} }} ]\n  events: {{ fields: [ {{ key: by, value: {{ literal: {by} }} }} ] }}\n"
    )
}

/// As a tool that leaves no half of a file does it.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// Has [`heard`] hear, whichever test comes first.
fn listen() {
    set_logger(|_, text| {
        HEARD.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
        HEARD.1.notify_all();
    });
}

#[test]
fn a_policy_that_names_nothing_that_is_here_is_warned_of_once() {
    listen();
    let folder = std::env::temp_dir().join(format!("sinkwell-targets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let policy = |name: &str, targets: &str| {
        format!(
            "apiVersion: sinkwell.dev/v1alpha1\nkind: TelemetryPolicy\nmetadata: {{ name: {name} }}\nspec:\n  targetRefs: [ {targets} ]\n  events: {{ drop: [ x ] }}\n"
        )
    };
    let file = folder.join("misspelt.yaml");
    let documents = |name: &str| {
        let all = [
            policy("misspelt", &format!("{{ kind: Lane, name: {name} }}, {{ kind: Agent, name: other }}")),
            policy(
                "in-part",
                "{ kind: Lane, name: collector }, { kind: Lane, name: colector }, { kind: Agent, name: b }",
            ),
            policy("untouchable", "{ kind: Lane, name: log }"),
            // This one is the lane's, and another says all that this one does.
            policy("overridden", "{ kind: Emitter }"),
            policy("theirs", "{ kind: Agent, name: other }"),
            policy("another", "{ kind: Tenant, name: other }"),
            policy("a-third", "{ kind: Agent, name: third }"),
        ];
        replace(&file, &all.join("---\n"));
    };
    documents("colector");
    let text = format!(
        "agent: {{ id: a }}\ntelemetry: [ {} ]\nlanes: [ {{ id: collector, sink: memory }}, {{ id: log, sink: {{ file: {{ path: {}/log }} }}, classes: [audit] }} ]\n",
        file.display(),
        folder.display()
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let emitter = Emitter::open(Options::new(Config::load(source, &SystemEnv::default()).unwrap())).unwrap();
    let (nowhere, in_part, untouchable) = (
        "policy misspelt has no effect here: spec.targetRefs[0]: Lane \"colector\": no lane has this id; there are collector, log; \
         nor has it by its other targets (1)",
        "policy in-part: spec.targetRefs[1]: Lane \"colector\": no lane has this id; there are collector, log",
        "policy untouchable has no effect here: spec.targetRefs[0]: Lane \"log\": the lane's classes are audit; no policy",
    );
    let once = || {
        for said in [nowhere, in_part, untouchable] {
            assert_eq!(heard(said, 1), 1, "{said}");
        }
        assert_eq!(heard("policy overridden", 0), 0);
        // One line for all that are for others.
        assert_eq!(
            heard(
                "policies theirs, another and 1 more have no effect here, as they are for others (theirs: spec.targetRefs[0]: Agent \"other\": ",
                1
            ),
            1
        );
        assert_eq!(heard("a-third", 0), 0);
        // For whom a policy is besides may well be elsewhere.
        assert_eq!(heard("\"b\"", 0), 0);
    };
    once();
    emitter.reload_policies().unwrap();
    once();
    documents("colektor");
    emitter.reload_policies().unwrap();
    assert_eq!(heard("Lane \"colektor\"", 1), 1);
    once();
    emitter.shutdown(PATIENCE);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_policy_whose_target_another_has_is_warned_of_once() {
    listen();
    let folder = std::env::temp_dir().join(format!("sinkwell-conflicts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let policy = |name: &str, created: &str, targets: &str, value: &str| {
        format!(
            "apiVersion: sinkwell.dev/v1alpha1\nkind: TelemetryPolicy\nmetadata: {{ name: {name}{created} }}\nspec:\n  targetRefs: [ {targets} ]\n  events: {{ fields: [ {{ key: by, value: {{ literal: {value} }} }} ] }}\n"
        )
    };
    let file = folder.join("conflicts.yaml");
    let lane = "{ kind: Lane, name: collector }";
    let older = ", creationTimestamp: 2026-01-01T00:00:00Z";
    let documents = |winner: &str| {
        let mut all = vec![
            policy(winner, older, &format!("{lane}, {{ kind: Emitter }}"), "kept"),
            policy("a-later", "", lane, "s3cret"),
            policy(
                "b-later",
                "",
                &format!("{lane}, {{ kind: Emitter }}, {{ kind: Agent, name: a }}"),
                "s3cret",
            ),
        ];
        // A platform's many: the log does not grow with them.
        all.extend((0..20).map(|n| policy(&format!("many-{n}"), "", lane, "s3cret")));
        replace(&file, &all.join("---\n"));
    };
    documents("oldest");
    let text = format!(
        "agent: {{ id: a }}\ntelemetry: [ {} ]\nlanes: [ {{ id: collector, sink: memory }} ]\n",
        file.display()
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let emitter = Emitter::open(Options::new(Config::load(source, &SystemEnv::default()).unwrap())).unwrap();
    let by = |winner: &str| {
        assert_eq!(
            heard(
                &format!(
                    "policy a-later has no effect at spec.targetRefs[0]: Lane \"collector\": policy {winner} has this target, as it is older or comes first by name"
                ),
                1
            ),
            1
        );
        let both = format!(
            "policy b-later has no effect at spec.targetRefs[0]: Lane \"collector\": policy {winner} has this target"
        );
        assert_eq!(heard(&both, 1), 1);
        assert_eq!(
            heard(
                &format!(
                    "{winner} has this target, as it is older or comes first by name; and so with 1 of its other targets"
                ),
                1
            ),
            1
        );
        assert_eq!(
            heard(&format!("policy {winner} has this target"), 1),
            16,
            "a line for each of the first few"
        );
    };
    by("oldest");
    let more =
        "6 more policies have no effect at some of their targets, which others have; their status says which";
    assert_eq!(heard(more, 1), 1);
    emitter.reload_policies().unwrap();
    by("oldest");
    assert_eq!(heard("policy oldest has no effect", 0), 0);
    // Another one has it now, which is news.
    documents("aged");
    emitter.reload_policies().unwrap();
    by("aged");
    by("oldest");
    assert_eq!(heard(more, 1), 1);
    assert_eq!(heard("s3cret", 0), 0);
    emitter.shutdown(PATIENCE);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_change_is_in_force_without_a_call_and_a_bad_one_leaves_the_last_good_one() {
    listen();
    let folder = std::env::temp_dir().join(format!("sinkwell-watch-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.join(format!("{name}.yaml")));
    replace(&first, &document("first", "one"));
    replace(&second, &document("second", "one"));
    let text = format!(
        "agent: {{ id: a }}\nheartbeat: off\nwatch_policies: 10ms\ntelemetry: [ {}, {} ]\nlanes:\n  - {{ id: first, sink: {{ file: {{ path: {}/a }} }} }}\n  - {{ id: second, sink: {{ file: {{ path: {}/b }} }} }}\n",
        first.display(),
        second.display(),
        folder.display(),
        folder.display(),
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options::new(config)).unwrap();
    // What the lanes put into an event that is emitted now.
    let shaped = || {
        emitter.emit(EventInput::new("com.example.n")).unwrap();
        emitter.flush(PATIENCE);
        ["a", "b"].map(|lane| {
            let text = std::fs::read_to_string(folder.join(lane)).unwrap();
            let line = text.lines().rfind(|line| !line.contains("\"origin\":\"core\"")).unwrap();
            let by = parse(line.as_bytes()).unwrap().get("data").and_then(|data| data.get("by")).cloned();
            by.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
        })
    };
    let until = |expected: [&str; 2]| {
        let deadline = Instant::now() + PATIENCE;
        while shaped() != expected {
            assert!(Instant::now() < deadline, "{:?} and not {expected:?}", shaped());
        }
    };
    assert_eq!(shaped(), ["one", "one"]);
    replace(&first, &document("first", "two"));
    until(["two", "one"]);
    // Bad, gone, bad: the first goes on as it was, whatever becomes of the second.
    let bad = document("first", "three").replace("events:", "evnets:");
    replace(&first, &bad);
    heard("the last good one stays in force: spec.evnets", 1);
    replace(&second, &document("second", "two"));
    until(["two", "two"]);
    replace(&first, &format!("{bad}# and more\n"));
    replace(&second, &document("second", "three"));
    until(["two", "three"]);
    assert_eq!(heard("the last good one stays in force: spec.evnets", 1), 1);
    std::fs::remove_file(&first).unwrap();
    heard("the file cannot be read", 1);
    assert_eq!(shaped(), ["two", "three"]);
    let status = String::from_utf8(emitter.policy_status()).unwrap();
    assert!(status.contains("the file cannot be read"), "{status}");
    replace(&first, &document("first", "four"));
    until(["four", "three"]);
    emitter.shutdown(PATIENCE);
    std::fs::remove_dir_all(folder).unwrap();
}
