//! The two places where policies act (`lane::shape`), with a policy that uses both fully.

use super::*;
use crate::envelope::Redacted;
use crate::lane::{Filter, InForce, Route, Shapable, Shaping};
use crate::verify::{Options as VerifyOptions, Verdict, Verifier};

/// Filters, in every lane, each event of a type that begins with `com.noise`, and writes its own name into the others.
struct Toy {
    name: &'static str,
    routed: std::sync::Mutex<Vec<(usize, Option<Filter>)>>,
}

impl Toy {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, routed: Default::default() })
    }
}

impl Shaping for Toy {
    fn span(&self, _: usize, _: &crate::event::Event) -> Option<crate::sink::SpanForm> {
        None
    }

    fn has_views(&self) -> bool {
        true
    }

    fn route(&self, event: Shapable<'_>, route: &mut Route<'_>) {
        let noise = event.event_type().starts_with("com.noise");
        let filter = noise.then_some(Filter::Matches);
        // Either way of saying it.
        if event.event_type().len().is_multiple_of(2) {
            route.decide(|_| (filter, 7));
        } else {
            route.decide_alike(filter, 7);
        }
    }

    fn routed(&self, _: Shapable<'_>, route: &Route<'_>) {
        let mut routed = self.routed.lock().unwrap();
        route.verdicts(|lanes, filter, note| {
            assert_eq!(note, 7);
            routed.extend(lanes.iter().map(|lane| (*lane, filter)));
        });
    }

    fn view(&self, _: usize, event: Shapable<'_>, redacted: &Redacted) -> Option<Vec<u8>> {
        assert_eq!(event.data(), redacted.data(&event), "nothing redacts here");
        Some(format!(r#"{{"seen":"{}"}}"#, self.name).into_bytes())
    }
}

/// Lanes `thin`, `whole` (audit) and `tight` (blocking, with room for one event), each into a file of that name.
fn three(dir: &TempDir) -> Emitter {
    let file = |id: &str| format!("sink: {{ file: {{ path: {}/{id} }} }}", dir.path().display());
    let text = format!(
        "agent: {{ id: a1 }}\nheartbeat: off\nlanes:\n  - {{ id: thin, {} }}\n  - {{ id: whole, classes: [audit], {} }}\n  - {{ id: tight, overflow: block, queue: {{ events: 2, terminal_reserve: 1 }}, {} }}\n",
        file("thin"),
        file("whole"),
        file("tight"),
    );
    Emitter::open(Options { manual: true, ..Options::new(config(&text)) }).unwrap()
}

fn emit(emitter: &Emitter, event_type: &str) -> Receipt {
    let mut input = EventInput::new(event_type);
    input.data = Data::Json(if event_type == "cost.estimated" {
        br#"{"amount_micros":5,"currency":"EUR","rate_table_version":"1"}"#
    } else {
        br#"{"secret":1}"#
    });
    emitter.emit_with(input, Wait::Never).unwrap()
}

fn put(emitter: &Emitter, toy: Option<Arc<Toy>>) {
    let shaping = toy.map(|toy| toy as Arc<dyn Shaping>);
    emitter
        .inner
        .load()
        .bus
        .shape(Arc::new(move |_| InForce { shaping: shaping.clone(), ..InForce::default() }));
}

fn lines(dir: &TempDir, lane: &str) -> Vec<String> {
    let text = std::fs::read_to_string(dir.path().join(lane)).unwrap();
    text.lines().filter(|line| !line.contains("\"origin\":\"core\"")).map(str::to_owned).collect()
}

#[test]
fn a_filtered_event_enters_no_lane_waits_for_none_and_is_counted_by_reason() {
    let dir = TempDir::new();
    let emitter = three(&dir);
    let toy = Toy::new("a");
    put(&emitter, Some(toy.clone()));
    // `tight` has room for one event: ten that are not for it need none.
    let receipts: Vec<_> = (0..10).map(|_| emit(&emitter, "com.noise.x")).collect();
    let said: Vec<_> = receipts[9].lanes().map(|(lane, what)| (lane.to_owned(), what.to_string())).collect();
    let expected = [("thin", "filtered"), ("whole", "enqueued"), ("tight", "filtered")];
    assert_eq!(said, expected.map(|(lane, what)| (lane.to_owned(), what.to_owned())));
    for id in ["thin", "whole", "tight"] {
        emitter.drain(id).unwrap();
    }
    assert!(receipts[9].reached(Stage::Delivered));
    let states: Vec<_> =
        receipts[9].endings().into_iter().map(|(_, end)| end.unwrap().state.name()).collect();
    assert_eq!(states, ["filtered", "delivered", "filtered"]);
    for (lane, counters) in emitter.counters() {
        let kept = u64::from(lane == "whole") * 10;
        assert_eq!((counters.admitted, counters.delivered, counters.filtered), (kept, kept, 10 - kept));
        let by: Vec<_> = counters.filtered_by().collect();
        assert_eq!(by, if kept == 0 { vec![(Filter::Matches, 10)] } else { vec![] });
    }
    assert_eq!(toy.routed.lock().unwrap().len(), 20, "only lanes that may be shaped are asked about");
    assert!(
        emitter.prometheus().contains("sinkwell_lane_filtered_by_total{lane=\"thin\",reason=\"matches\"} 10")
    );
    let json = String::from_utf8(crate::host::counters_json(&emitter)).unwrap();
    assert!(json.contains(r#""filtered_by":{"matches":10}"#), "{json}");
}

#[test]
fn an_event_that_is_refused_is_not_counted_as_filtered() {
    let dir = TempDir::new();
    let emitter = three(&dir);
    let toy = Toy::new("a");
    put(&emitter, Some(toy.clone()));
    emit(&emitter, "com.x");
    assert!(emitter.emit_with(EventInput::new("com.x"), Wait::Never).is_err());
    assert_eq!(toy.routed.lock().unwrap().len(), 2);
}

#[test]
fn audit_lanes_terminal_events_and_own_envelopes_are_whole_and_every_lane_verifies() {
    let dir = TempDir::new();
    let emitter = three(&dir);
    put(&emitter, Some(Toy::new("a")));
    let receipt = emit(&emitter, "com.x");
    for id in ["thin", "whole", "tight"] {
        emitter.drain(id).unwrap();
    }
    emit(&emitter, "cost.estimated");
    emitter.shutdown(Duration::from_secs(5));
    for (lane, shaped) in [("thin", true), ("whole", false), ("tight", true)] {
        let lines = lines(&dir, lane);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].contains(r#""data":{"seen":"a"}"#), shaped, "{}", lines[0]);
        assert_eq!(lines[0].contains(r#""data":{"secret":1}"#), !shaped, "{}", lines[0]);
        assert!(lines[1].contains(r#""data":{"amount_micros":5,"#), "{}", lines[1]);
        let mut verifier = Verifier::new(VerifyOptions::default());
        verifier.read_path(&dir.path().join(lane)).unwrap();
        let verdict = verifier.finish().unwrap().verdict;
        assert_eq!(verdict, Verdict::Unchecked, "nobody signed, and all else is well");
    }
    let digests: Vec<_> =
        receipt.endings().into_iter().map(|(_, ending)| ending.unwrap().sealed.unwrap().digest).collect();
    assert_eq!(digests[0], digests[2], "the same view, the same digest");
    assert_ne!(digests[0], digests[1], "another view, another digest");
}

#[test]
fn what_routed_an_event_shapes_it_whatever_is_in_force_by_then() {
    let dir = TempDir::new();
    let emitter = three(&dir);
    let shape = |toy: Option<Arc<Toy>>| put(&emitter, toy);
    shape(Some(Toy::new("first")));
    emit(&emitter, "com.x");
    shape(Some(Toy::new("second")));
    emitter.drain("tight").unwrap();
    emit(&emitter, "com.x");
    shape(None);
    emitter.drain("tight").unwrap();
    emit(&emitter, "com.noise.x");
    emitter.shutdown(Duration::from_secs(5));
    let lines = lines(&dir, "thin");
    let seen = [r#""data":{"seen":"first"}"#, r#""data":{"seen":"second"}"#, r#""data":{"secret":1}"#];
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().zip(seen).all(|(line, seen)| line.contains(seen)), "{lines:?}");
}

/// An emitter without policies checks only two `Option`s, and so does one with policies that say nothing about its lanes:
/// nothing else is called.
#[test]
fn policies_that_say_nothing_leave_an_events_way_as_it_is() {
    let dir = TempDir::new();
    let in_force = |target: &str, spec: &str| {
        let telemetry = if spec.is_empty() {
            String::new()
        } else {
            format!(
                "telemetry:\n  - {{ apiVersion: sinkwell.dev/v1alpha1, kind: TelemetryPolicy, metadata: {{ name: p }}, spec: {{ targetRefs: [ {target} ], {spec} }} }}\n"
            )
        };
        let file = |id: &str| format!("sink: {{ file: {{ path: {}/{id} }} }}", dir.path().display());
        let text = format!(
            "agent: {{ id: a1 }}\nheartbeat: off\nlanes:\n  - {{ id: thin, {} }}\n  - {{ id: whole, classes: [audit], {} }}\n{telemetry}",
            file("thin"),
            file("whole"),
        );
        let emitter = Emitter::open(Options { manual: true, ..Options::new(config(&text)) }).unwrap();
        let in_force = emitter.inner.load().bus.set().in_force.clone();
        emitter.shutdown(Duration::from_secs(5));
        (in_force.shaping.is_some(), in_force.measuring.is_some())
    };
    let (all, some) = ("{ kind: Emitter }", "events: { matches: [ { cel: 'event.severity >= WARN' } ] }");
    let metrics = "metrics: { overrides: [ { name: all, type: Counter } ] }";
    assert_eq!(in_force(all, some), (true, false));
    assert_eq!(in_force(all, metrics), (false, true));
    for (target, spec) in [
        (all, ""),
        (all, "evnets: {}"),
        ("{ kind: Namespace, name: elsewhere }", some),
        ("{ kind: Lane, name: whole }", some),
        ("{ kind: Lane, name: thin }", metrics),
    ] {
        assert_eq!(in_force(target, spec), (false, false), "{target} {spec}");
    }
}
