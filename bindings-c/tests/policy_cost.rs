//! What policies cost the thread that emits: no allocation, and little time.
//!
//! Here and not in the core, as counting allocations takes `unsafe`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options};

/// The system's allocator, counting what this thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends may have no counter any more.
        let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[path = "../../bench/policy/src/ten.rs"]
mod ten;

use ten::{EVENT, RULES, varied};

/// A manual emitter of so many lanes that forget, with these rules.
fn open(rules: &[&str], lanes: usize) -> Emitter {
    let list: Vec<_> = rules.iter().map(|rule| format!("{{\"cel\":\"{rule}\"}}")).collect();
    let events = format!(r#""events":{{"matches":[{}]}}"#, list.join(","));
    open_with(if rules.is_empty() { "" } else { &events }, lanes)
}

/// The same with a policy that says this, if anything.
fn open_with(says: &str, lanes: usize) -> Emitter {
    let policy = format!(
        r#"{{"apiVersion":"sinkwell.dev/v1alpha1","kind":"TelemetryPolicy","metadata":{{"name":"ten"}},"spec":{{"targetRefs":[{{"kind":"Emitter"}}],{says}}}}}"#,
    );
    let telemetry = if says.is_empty() { String::new() } else { policy };
    let lane = |n| format!(r#"{{"id":"l{n}","sink":"null","queue":{{"events":9000}}}}"#);
    let lanes: Vec<_> = (0..lanes).map(lane).collect();
    let text = format!(
        r#"{{"agent":{{"id":"urn:x"}},"heartbeat":"off","lanes":[{}],"telemetry":[{telemetry}]}}"#,
        lanes.join(",")
    );
    let config = Config::load(Source::Mapping(text), &SystemEnv::default()).unwrap();
    let emitter = Emitter::open(Options { manual: true, ..Options::new(config) }).unwrap();
    let status = String::from_utf8(emitter.policy_status()).unwrap();
    assert!(!status.contains("False"), "{status}");
    emitter
}

/// Allocations and nanoseconds of so many emits, of these texts one after the other.
fn measure(emitter: &Emitter, texts: &[String], events: usize) -> (u64, u128) {
    let before = ALLOCATIONS.get();
    let start = Instant::now();
    for text in texts.iter().cycle().take(events) {
        let mut input = EventInput::new("tool.invocation");
        input.data = Data::Json(text.as_bytes());
        emitter.emit(input).unwrap();
    }
    let took = start.elapsed().as_nanos();
    (ALLOCATIONS.get() - before, took)
}

#[test]
fn ten_rules_allocate_nothing_once_they_are_warm() {
    let metrics = r#""metrics":{"overrides":[{"name":"calls","type":"Counter","dimensions":[{"key":"tool","value":{"attribute":"tool"}},{"key":"type","value":{"cel":"event.type"}}]},{"name":"took","type":"Histogram","value":{"attribute":"duration_ms"}}]}"#;
    // And what a policy counts, once a set of dimensions is known.
    let emitters = [
        open(&[], 3),
        open(&RULES, 3),
        open_with(metrics, 3),
        open(&[], 3),
        open(&RULES, 3),
        open_with(metrics, 3),
    ];
    // The last three are given texts that nobody has seen yet.
    let (same, others) = ([EVENT.to_owned()], varied(7500));
    let mut others = others.chunks(500);
    let mut measure_all = |chunks: usize| {
        let others = others.by_ref().take(chunks).flatten().cloned().collect::<Vec<_>>();
        let measured = emitters.iter().enumerate().map(|(i, emitter)| {
            let measured = measure(emitter, if i < 3 { &same[..] } else { &others[..] }, 500 * chunks);
            ["l0", "l1", "l2"].iter().for_each(|lane| drop(emitter.drain(lane).unwrap()));
            measured
        });
        measured.collect::<Vec<_>>()
    };
    measure_all(1);
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..7 {
        let measured = measure_all(2);
        took.iter_mut().zip(&measured).for_each(|(took, (_, nanos))| took.push(nanos / 1000));
        // What the rules ask for is found, put together and searched without asking the allocator for anything.
        for group in measured.chunks(3) {
            assert_eq!(group[0].0, group[1].0);
            assert_eq!(group[0].0, group[2].0);
        }
    }
    took.iter_mut().for_each(|all| all.sort_unstable());
    let [without, with] = [took[0][3], took[1][3]];
    println!(
        "an emit: {without} ns without policies, {with} ns with ten rules; {} ns for the rules",
        with.saturating_sub(without)
    );
    let counters = emitters[1].counters();
    assert!(counters.iter().all(|(_, counters)| counters.filtered == 0 && counters.admitted == 7500));
}
