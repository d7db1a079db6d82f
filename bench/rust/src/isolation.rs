//! What a broken lane costs the others, when a lane's policy acts, and what grows with what: candidates of `isolation`
//! and `curves`.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sinkwell::event::Data;
use sinkwell::json::ObjectWriter;
use sinkwell::sink::{Answers, Envelope, Failure as SinkFailure, FailureKind, Sink};
use sinkwell::{Emitter, EventInput, HostSink, Options};

use crate::candidates::{self, document};
use crate::measure::{Figures, Load, run};
use crate::{Failure, event};

/// How the fourth lane misbehaves, once the load begins.
#[derive(Clone, Copy)]
enum Fault {
    None,
    Hang,
    Panic,
    Block,
    Refuse,
}

struct Broken {
    fault: Fault,
    begun: Arc<AtomicBool>,
}

impl Sink for Broken {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, _: &[Envelope]) -> Answers {
        if !self.begun.load(Ordering::SeqCst) {
            return Answers::Acknowledged;
        }
        match self.fault {
            Fault::None => {}
            Fault::Hang => loop {
                std::thread::park();
            },
            Fault::Panic => panic!("a sink that panics"),
            Fault::Block => std::thread::sleep(Duration::from_secs(10)),
            Fault::Refuse => {
                return Answers::RefusedBatch(SinkFailure::new(FailureKind::Rejected, "refused"));
            }
        }
        Answers::Acknowledged
    }
}

/// Three healthy lanes that lose nothing (memory, file, OTLP), alone or beside a fourth one. `healthy_per_s`
/// counts until the slowest of the three has delivered everything.
pub(crate) fn isolation(candidate: &str, load: Load, port: u16, dir: &Path) -> Result<Figures, Failure> {
    let fault = match candidate {
        "alone" | "alone, again" => None,
        "beside a healthy one" => Some(Fault::None),
        "beside one that hangs" => Some(Fault::Hang),
        "beside one that panics" => Some(Fault::Panic),
        "beside one that blocks 10 s" => Some(Fault::Block),
        "beside one that refuses" => Some(Fault::Refuse),
        other => return Err(format!("no candidate is called {other}").into()),
    };
    let healthy = candidates::three_lanes(port, dir, r#","overflow":"block""#);
    let timeout = if matches!(fault, Some(Fault::Hang)) { "1s" } else { "30s" };
    let lanes = match fault {
        None => healthy,
        Some(_) => format!(
            r#"{healthy},{{"id":"fourth","batch":{{"linger":"200ms"}},"overflow":"drop_oldest","timeout":"{timeout}","sink":{{"host":"fourth"}}}}"#
        ),
    };
    let config = candidates::config(&document(&lanes, "hmac"))?;
    let begun = Arc::new(AtomicBool::new(false));
    let sinks = match fault {
        None => Vec::new(),
        Some(fault) => {
            let begun = Arc::clone(&begun);
            vec![HostSink {
                name: "fourth".to_owned(),
                lane: config.lanes.last().ok_or("there are lanes")?.clone(),
                make: Arc::new(move || Ok(Box::new(Broken { fault, begun: Arc::clone(&begun) }))),
            }]
        }
    };
    // What the sink panics with is expected, so it is nobody's news.
    std::panic::set_hook(Box::new(|_| {}));
    let emitter = Emitter::open(Options { sinks, ..Options::new(config) })?;
    let (mut writer, mut refused) = (ObjectWriter::new(), 0_u64);
    let start = Cell::new(Instant::now());
    let mut figures = run(
        load,
        |n| {
            if n == 0 {
                begun.store(true, Ordering::SeqCst);
                start.set(Instant::now());
            }
            refused += u64::from(emit(&emitter, &mut writer, n, None).is_err());
        },
        || settle_healthy(&emitter, start.get(), load),
    );
    figures.put("refused", refused as f64);
    Ok(figures)
}

fn settle_healthy(emitter: &Emitter, start: Instant, load: Load) -> Figures {
    let deadline = Instant::now() + Duration::from_secs(60);
    let all = load.events() + crate::measure::WARM_UP;
    let slowest = || {
        let delivered = emitter.counters().into_iter().filter(|(lane, _)| lane != "fourth");
        delivered.map(|(_, counters)| counters.delivered).min().unwrap_or(0)
    };
    while slowest() < all && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut figures = Figures::default();
    figures.put("healthy_per_s", load.events() as f64 / start.elapsed().as_secs_f64());
    figures.put("healthy_lost", (all - slowest()) as f64);
    // The broken one is not waited for.
    emitter.shutdown(Duration::from_secs(1));
    for (lane, counters) in emitter.counters() {
        figures.put(&format!("{lane}_own"), counters.own as f64);
        figures.put(&format!("{lane}_dropped"), counters.dropped as f64);
        figures.put(&format!("{lane}_rejected"), counters.rejected as f64);
    }
    figures
}

pub(crate) fn emit(
    emitter: &Emitter,
    writer: &mut ObjectWriter,
    n: i64,
    agent: Option<&str>,
) -> Result<(), Failure> {
    event::write(writer, n).map_err(|e| e.message().to_owned())?;
    emitter.emit(EventInput { data: Data::Object(writer), agent, ..EventInput::new(event::TYPE) })?;
    Ok(())
}

/// `lanes-N`, `threads-N`, `size-N`, `streams-N`: what grows with what.
pub(crate) fn curve(what: &str, n: u32, load: Load, port: u16, dir: &Path) -> Result<Figures, Failure> {
    let null = |i: u32| format!(r#"{{"id":"lane{i}","batch":{{"linger":"200ms"}},"sink":"null"}}"#);
    let three = candidates::three_lanes(port, dir, "");
    let lanes = match what {
        "lanes" => (0..n).map(null).collect::<Vec<_>>().join(","),
        // Of what is large, the memory lane would keep gigabytes.
        "size" => format!("{},{},{}", null(0), null(1), null(2)),
        _ => three,
    };
    let text = document(&lanes, "hmac").replacen(r#""id":"urn:example:agent""#, AGENTS, 1);
    let emitter = candidates::open(&text, false)?;
    let settle = || {
        emitter.shutdown(Duration::from_secs(60));
        candidates::balance(&emitter)
    };
    let mut writer = ObjectWriter::new();
    let refused = AtomicU64::new(0);
    let note = |answer: Result<(), Failure>| {
        refused.fetch_add(u64::from(answer.is_err()), Ordering::Relaxed);
    };
    let mut figures = match what {
        "streams" => {
            let agents: Vec<String> = (0..n).map(|i| format!("urn:example:agent:{i}")).collect();
            let mut turn = agents.iter().cycle();
            run(load, |i| note(emit(&emitter, &mut writer, i, turn.next().map(String::as_str))), settle)
        }
        "size" => {
            let text = "x".repeat(n as usize);
            let mut large = |i: i64| -> Result<(), Failure> {
                event::write_sized(&mut writer, i, &text).map_err(|e| e.message().to_owned())?;
                emitter.emit(EventInput { data: Data::Object(&writer), ..EventInput::new(event::TYPE) })?;
                Ok(())
            };
            run(load, |i| note(large(i)), settle)
        }
        "threads" => {
            // One producer is measured; the others do the same beside it.
            let (over, others) = (AtomicBool::new(false), AtomicU64::new(0));
            std::thread::scope(|scope| {
                run(
                    load,
                    |i| {
                        // Not while warming up.
                        if i == 0 {
                            for _ in 1..n {
                                scope.spawn(|| {
                                    let mut writer = ObjectWriter::new();
                                    while !over.load(Ordering::Relaxed) {
                                        let answer = emit(&emitter, &mut writer, 1, None);
                                        // One that the shutdown overtook is not refused for want of anything.
                                        if !over.load(Ordering::Relaxed) {
                                            note(answer);
                                        }
                                        others.fetch_add(1, Ordering::Relaxed);
                                    }
                                });
                            }
                        }
                        note(emit(&emitter, &mut writer, i, None));
                    },
                    || {
                        over.store(true, Ordering::Relaxed);
                        let mut figures = Figures::default();
                        figures.put("others", others.load(Ordering::Relaxed) as f64);
                        figures.0.extend(settle().0);
                        figures
                    },
                )
            })
        }
        _ => run(load, |i| note(emit(&emitter, &mut writer, i, None)), settle),
    };
    if let (Some(others), Some(rate)) = (figures.get("others"), figures.get("rate")) {
        // All producers together, while the measured one was busy.
        figures.put("emitted_per_s", rate * (1.0 + others / load.events() as f64));
    }
    figures.put("refused", refused.into_inner() as f64);
    Ok(figures)
}

/// `overflow-POLICY`: one lane to the receiver, with a queue of 1 024 and that policy. `delivered_per_s` is what the lane
/// delivers while events come, so that, where more come than the receiver takes, it is the rate beyond which the
/// policy must act; `acted_share` is the share of the events that it dropped, refused or rejected.
pub(crate) fn overflow(policy: &str, load: Load, port: u16) -> Result<Figures, Failure> {
    let more = format!(r#","overflow":"{policy}","queue":{{"events":1024}}"#);
    let emitter = candidates::open(&document(&candidates::otlp(port, &more), "hmac"), false)?;
    // What the lane has delivered, and what it has not taken.
    let counted = || {
        let lane = emitter.counters().into_iter().next().map(|(_, counters)| counters).unwrap_or_default();
        (lane.delivered, lane.dropped + lane.rejected)
    };
    let (mut writer, refused) = (ObjectWriter::new(), Cell::new(0_u64));
    let start = Cell::new((Instant::now(), counted(), 0));
    let mut delivered_per_s = 0.0;
    let mut figures = run(
        load,
        |n| {
            // What warmed up is not counted.
            if n == 0 {
                start.set((Instant::now(), counted(), refused.get()));
            }
            refused.set(refused.get() + u64::from(emit(&emitter, &mut writer, n, None).is_err()));
        },
        || {
            let (since, (before, _), _) = start.get();
            delivered_per_s = (counted().0 - before) as f64 / since.elapsed().as_secs_f64();
            emitter.shutdown(Duration::from_secs(60));
            candidates::balance(&emitter)
        },
    );
    let (_, (_, dropped), refused_before) = start.get();
    let acted = counted().1 - dropped + refused.get() - refused_before;
    figures.put("refused", refused.get() as f64);
    figures.put("delivered_per_s", delivered_per_s);
    figures.put("acted_share", acted as f64 / load.events() as f64);
    Ok(figures)
}

pub(crate) const AGENTS: &str = r#""id":"urn:example:agent","allow":["urn:example:agent:*"]"#;

/// Processor time and memory over so many seconds in which nothing is emitted; `nobody` has no emitter.
pub(crate) fn idle(candidate: &str, seconds: u64, port: u16, dir: &Path) -> Result<Figures, Failure> {
    let lanes = document(&candidates::three_lanes(port, dir, ""), "hmac");
    let emitter = if candidate == "nobody" { None } else { Some(candidates::open(&lanes, false)?) };
    std::thread::sleep(Duration::from_millis(500));
    let before = crate::measure::cpu();
    std::thread::sleep(Duration::from_secs(seconds));
    let mut figures = Figures::default();
    figures.put("offered", 0.0);
    figures.put("cpu_ms_per_minute", (crate::measure::cpu() - before) * 1e3 * 60.0 / seconds as f64);
    figures.put("resident_kb", crate::measure::resident("VmRSS:"));
    if let Some(emitter) = emitter {
        emitter.shutdown(Duration::from_secs(5));
    }
    Ok(figures)
}
