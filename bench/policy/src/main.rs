//! What telemetry policies cost the thread that emits, and their rules beside the crate `cel`.
//!
//! ```text
//! cargo run --release -p sinkwell-bench-policy -- [--rounds 9] [--events 20000]
//! ```
//!
//! Each figure is the processor time of the emitting thread for one event, the median over the rounds with the lowest
//! and the highest; candidates take turns within each round, so that a machine that slows down slows them all. Emitters
//! are manual, with lanes that forget what they are given, so that nothing but `emit` is measured. Ten rules, regular
//! expressions among them, are run over an event of a dozen members; all but the last come out false or absent, so all
//! ten are run.
//!
//! Sources that mean harm are read as rules of a document on a thread with 512 KiB of stack, and what they came to is asked of
//! an event with a long text; the slowest of them, and how many were refused, is the last row.
//!
//! "Other texts" are events of which no two in 5 000 have the same message, path or client, so that nothing is remembered of them.
//!
//! `count LANES nothing|rules EVENTS [other]` emits so many events without, or with, the ten rules and prints nothing: to be run under
//! callgrind with `--toggle-collect=sinkwell_bench_policy::counted`, as instructions are the same whatever else a machine does.
//!
//! A rule alone filters every event but for the last one, and what it filters is spared its lane: those figures tell
//! rules apart, and are no share of the whole.
//!
//! What the rules cost is also measured from pair to pair, as the difference to the emitter without policies in the same
//! round. "nothing to say" is a policy on a target that is not there: it is read, reported, and in nobody's way.

use std::hint::black_box;

use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options};

mod hostile;
mod ten;

use ten::{EVENT, RULES, varied};

type Failure = Box<dyn std::error::Error>;

/// A manual emitter of so many lanes that forget, with a policy of these rules on this target.
fn open(lanes: usize, policy: Option<(&str, &[&str])>, events: u64) -> Result<Emitter, Failure> {
    let telemetry = policy.map(|(target, rules)| {
        let rules: Vec<_> = rules.iter().map(|rule| format!("{{\"cel\":\"{rule}\"}}")).collect();
        format!(
            r#"{{"apiVersion":"sinkwell.dev/v1alpha1","kind":"TelemetryPolicy","metadata":{{"name":"ten"}},"spec":{{"targetRefs":[{target}],"events":{{"matches":[{}]}}}}}}"#,
            rules.join(",")
        )
    });
    let queue = format!(r#""queue":{{"events":{},"bytes":"1GiB"}}"#, events * 2);
    let lane = |n| format!(r#"{{"id":"l{n}","sink":"null",{queue}}}"#);
    let lanes: Vec<_> = (0..lanes).map(lane).collect();
    let text = format!(
        r#"{{"agent":{{"id":"urn:x"}},"heartbeat":"off",{queue},"lanes":[{}],"telemetry":[{}]}}"#,
        lanes.join(","),
        telemetry.unwrap_or_default()
    );
    let config = Config::load(Source::Mapping(text), &SystemEnv::default())?;
    Ok(Emitter::open(Options { manual: true, ..Options::new(config) })?)
}

/// Processor time of this thread, in seconds.
fn own_cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Nanoseconds for one of so many calls.
fn time(calls: u64, mut call: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let start = own_cpu();
    for _ in 0..calls {
        call()?;
    }
    Ok((own_cpu() - start) * 1e9 / calls as f64)
}

/// `texts`: the data of the events, one after the other.
fn emit(emitter: &Emitter, texts: &[String], events: u64) -> Result<f64, Failure> {
    let mut texts = texts.iter().cycle();
    time(events, || one(emitter, texts.next()))
}

fn one(emitter: &Emitter, text: Option<&String>) -> Result<(), Failure> {
    let data = Data::Json(text.map_or(&b"{}"[..], |text| text.as_bytes()));
    emitter.emit(black_box(EventInput { data, ..EventInput::new("tool.invocation") }))?;
    Ok(())
}

/// Emits what is counted, and nothing else.
#[inline(never)]
fn counted(emitter: &Emitter, texts: &[String], events: u64) -> Result<(), Failure> {
    texts.iter().cycle().zip(0..events).try_for_each(|(text, _)| one(emitter, Some(text)))
}

/// Takes what is queued away, so that every round begins alike.
fn empty(emitter: &Emitter) -> Result<(), Failure> {
    let lanes: Vec<_> = emitter.counters().into_iter().map(|(id, _)| id).collect();
    for lane in lanes {
        while emitter.drain(&lane)?.count > 0 {}
    }
    Ok(())
}

/// The rules in the crate `cel`, each as often as an event asks for them all, with the event at hand as its values.
struct Cel {
    programs: Vec<cel::Program>,
    event: serde_json::Value,
}

impl Cel {
    fn new() -> Result<Self, Failure> {
        // What our rules call by name it has under `event`; a member with dots in its name it cannot ask for.
        let rules = RULES.map(|rule| rule.replace("ERROR", "17"));
        let compile = |rule: &String| cel::Program::compile(rule).map_err(|e| format!("{rule}: {e}"));
        let programs = rules.iter().map(compile).collect::<Result<_, _>>()?;
        let data: serde_json::Value = serde_json::from_str(EVENT)?;
        let event =
            serde_json::json!({"type": "tool.invocation", "severity": 9, "agent": "urn:x", "data": data});
        Ok(Self { programs, event })
    }

    fn context(&self) -> Result<cel::Context<'static, 'static>, Failure> {
        let mut context = cel::Context::default();
        context.add_variable("event", &self.event).map_err(|e| e.to_string())?;
        Ok(context)
    }

    /// All ten; one that asks for what is absent fails, as ours come out absent.
    fn run(&self, context: &cel::Context<'_, '_>) {
        for program in &self.programs {
            drop(black_box(program.execute(black_box(context))));
        }
    }
}

/// Whether `cel` comes to what ours come to: none is true but the last.
fn agrees(cel: &Cel, context: &cel::Context<'_, '_>) -> bool {
    let is_true = |program: &cel::Program| matches!(program.execute(context), Ok(cel::Value::Bool(true)));
    cel.programs.iter().map(is_true).eq((1..=RULES.len()).map(|n| n == RULES.len()))
}

/// An environment whose only file has these bytes.
struct Held(Vec<u8>);

impl sinkwell::seam::Env for Held {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn program(&self) -> Option<String> {
        None
    }

    fn now(&self) -> sinkwell::seam::UnixNanos {
        0
    }

    fn read(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Ok(self.0.clone())
    }

    fn read_private(&self, _: &std::path::Path) -> sinkwell::Result<sinkwell::secret::Secret> {
        Err(sinkwell::Error::invalid_argument("there are no keys here"))
    }
}

/// What a hostile source took to be read, and then for an event: the least of three, in milliseconds.
struct Hostile {
    source: String,
    refused: bool,
    read: f64,
    asked: f64,
}

fn least(mut once: impl FnMut()) -> f64 {
    let times = (0..3).map(|_| {
        let start = own_cpu();
        once();
        (own_cpu() - start) * 1e3
    });
    times.fold(f64::INFINITY, f64::min)
}

fn hostile() -> Vec<Hostile> {
    let path = [std::path::PathBuf::from("policy.json")];
    let event = serde_json::json!({"type": "com.example.x", "data": {"s": "a".repeat(200_000)}}).to_string();
    let measured = hostile::sources().into_iter().map(|source| {
        let document = serde_json::json!({
            "apiVersion": "sinkwell.dev/v1alpha1", "kind": "TelemetryPolicy", "metadata": {"name": "hostile"},
            "spec": {"targetRefs": [{"kind": "Emitter"}], "events": {"matches": [{"cel": source}]}},
        });
        let env = Held(document.to_string().into_bytes());
        let check = || sinkwell::policy::telemetry::check(&path, None, &env);
        let refused = check().status.windows(9).any(|text| text == b"\"Invalid\"");
        let read = least(|| drop(black_box(check())));
        let asked = || sinkwell::policy::telemetry::explain(&path, None, event.as_bytes(), &env);
        // Explaining reads the document as well.
        let asked = if refused { 0.0 } else { least(|| drop(black_box(asked()))) - read };
        Hostile { source, refused, read, asked }
    });
    measured.collect()
}

/// The median, the lowest and the highest.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

fn main() -> Result<(), Failure> {
    let (mut rounds, mut events) = (9_usize, 20_000_u64);
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (same, other) = ([EVENT.to_owned()], varied(5000));
    if let [name, lanes, what, events, texts @ ..] = args.as_slice()
        && name == "count"
    {
        let texts = if texts.is_empty() { &same[..] } else { &other[..] };
        let (lanes, events) = (lanes.parse()?, events.parse()?);
        let rules = (what == "rules").then_some((r#"{"kind":"Emitter"}"#, &RULES[..]));
        let emitter = open(lanes, rules, events)?;
        return counted(&emitter, texts, events);
    }
    for pair in args.chunks(2) {
        match pair {
            [name, value] if name == "--rounds" => rounds = value.parse::<usize>()?.max(1),
            [name, value] if name == "--events" => events = value.parse::<u64>()?.max(1),
            other => return Err(format!("unknown option {}", other.join(" ")).into()),
        }
    }
    let all = Some((r#"{"kind":"Emitter"}"#, &RULES[..]));
    let idle = Some((r#"{"kind":"Namespace","name":"elsewhere"}"#, &RULES[..]));
    let mut emitters = Vec::new();
    for (lanes, texts, of) in [(1, &same[..], ""), (3, &same[..], ""), (1, &other[..], ", other texts")] {
        for (name, policy) in [("no policy", None), ("nothing to say", idle), ("ten rules", all)] {
            emitters.push((lanes, format!("{name}{of}"), open(lanes, policy, events)?, texts, Vec::new()));
        }
    }
    let cel = Cel::new()?;
    let context = cel.context()?;
    if !agrees(&cel, &context) {
        return Err("cel comes to something else".into());
    }
    let (mut evaluated, mut built) = (Vec::new(), Vec::new());
    // A round before those that count.
    for round in 0..=rounds {
        for (_, _, emitter, texts, took) in &mut emitters {
            let nanos = emit(emitter, texts, events)?;
            empty(emitter)?;
            if round > 0 {
                took.push(nanos);
            }
        }
        let (run, build) = (
            time(events / 10, || {
                cel.run(&context);
                Ok(())
            })?,
            time(events / 10, || {
                cel.run(&cel.context()?);
                Ok(())
            })?,
        );
        if round > 0 {
            evaluated.push(run);
            built.push(build);
        }
    }
    let mut each = Vec::new();
    for rule in RULES {
        let alone = [rule];
        let emitter = open(1, Some((r#"{"kind":"Emitter"}"#, &alone[..])), events)?;
        let mut took = Vec::new();
        for round in 0..=rounds {
            let without = emit(&emitters[0].2, &same, events)?;
            let with = emit(&emitter, &same, events)?;
            empty(&emitters[0].2)?;
            empty(&emitter)?;
            if round > 0 {
                took.push(with - without);
            }
        }
        each.push((rule, took));
    }
    println!("| what | ns, median | lowest to highest |\n| --- | --- | --- |");
    let row = |what: String, values: Vec<f64>| {
        let (median, low, high) = spread(values);
        println!("| {what} | {median:.0} | {low:.0} to {high:.0} |");
    };
    for (lanes, name, _, _, took) in &emitters {
        row(format!("emit, {lanes} lane(s), {name}"), took.clone());
    }
    for group in emitters.chunks(3) {
        let [(lanes, _, _, _, without), (_, idle_name, _, _, idle), (_, name, _, _, with)] = group else {
            continue;
        };
        let beside = |other: &Vec<f64>| other.iter().zip(without).map(|(a, b)| a - b).collect();
        row(format!("more than no policy, {lanes} lane(s), {idle_name}"), beside(idle));
        row(format!("more than no policy, {lanes} lane(s), {name}"), beside(with));
    }
    for (rule, took) in each {
        row(format!("more than no policy, 1 lane(s), `{}` alone", rule.replace('|', "\\|")), took);
    }
    row("the crate cel, ten rules, event at hand as its values".to_owned(), evaluated);
    row("the crate cel, ten rules, values made of the event first".to_owned(), built);
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let all = small.spawn(hostile)?.join().map_err(|_| "a hostile source ended its thread")?;
    let slowest = |of: fn(&Hostile) -> f64| {
        let worst = all.iter().max_by(|a, b| of(a).total_cmp(&of(b)));
        worst.map(|one| {
            let beginning: String = one.source.chars().take(40).collect();
            format!("{:.2} ms (`{}`)", of(one), beginning.replace('|', "\\|").escape_debug())
        })
    };
    println!(
        "| {} hostile sources, {} of them refused: the slowest to read | {} | |",
        all.len(),
        all.iter().filter(|one| one.refused).count(),
        slowest(|one| one.read).unwrap_or_default()
    );
    println!(
        "| the slowest of the others for an event with a text of 200 000 bytes | {} | |",
        slowest(|one| one.asked).unwrap_or_default()
    );
    Ok(())
}
