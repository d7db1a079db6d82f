//! What Rust's own users write: a struct by serde beside the typed builder, `tracing` beside OpenTelemetry's appender.
//!
//! All on one thread, by its processor time: bursts of events to a lane (or a batch processor) that is emptied in between.
//! `sinkwell-bench traced sinkwell|otel one|eleven BURSTS` is for callgrind, with
//! `--toggle-collect=sinkwell_bench::idioms::counted`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{BatchLogProcessor, LogBatch, LogExporter, SdkLoggerProvider};
use serde::Serialize;
use sinkwell::Event;
use sinkwell::event::Data;
use sinkwell::json::ObjectWriter;
use sinkwell::{Emitter, EventInput};
use tracing_subscriber::prelude::*;

use crate::measure::own_cpu;
use crate::micro::{BURST, Table, empty, quiet};
use crate::table::Row;
use crate::{Failure, event};

/// The event of [`event`], as a struct.
#[derive(Serialize)]
struct Called<'a> {
    #[serde(rename = "agent.version")]
    agent_version: &'a str,
    decision: &'a str,
    #[serde(rename = "gen_ai.request.model")]
    model: &'a str,
    policy: &'a str,
    resource: &'a str,
    #[serde(rename = "session.id")]
    session_id: &'a str,
    summary: &'a str,
    #[serde(rename = "tool.name")]
    tool_name: &'a str,
    #[serde(rename = "usage.call")]
    call: i64,
    #[serde(rename = "usage.duration_ms")]
    duration_ms: f64,
    #[serde(rename = "usage.input_tokens")]
    input_tokens: u32,
    #[serde(rename = "user.confirmed")]
    confirmed: bool,
}

fn called(n: i64) -> Called<'static> {
    let [agent_version, decision, model, policy, resource, session_id, summary, tool_name] =
        event::TEXTS.map(|(_, text)| text);
    Called {
        agent_version,
        decision,
        model,
        policy,
        resource,
        session_id,
        summary,
        tool_name,
        call: n,
        duration_ms: 18.25,
        input_tokens: 1843,
        confirmed: true,
    }
}

fn builder(n: i64) -> Event<'static> {
    let event =
        event::TEXTS.into_iter().fold(Event::new(event::TYPE), |event, (key, text)| event.with(key, text));
    event
        .with("usage.call", n)
        .with("usage.duration_ms", 18.25)
        .with("usage.input_tokens", 1843)
        .with("user.confirmed", true)
}

/// Nanoseconds per call of `emit`, in bursts after each of which `settle` empties what they filled.
fn bursts(
    events: u64,
    mut emit: impl FnMut(i64),
    mut settle: impl FnMut() -> Result<(), Failure>,
) -> Result<f64, Failure> {
    let (mut spent, mut emitted) = (0.0, 0);
    while emitted < events {
        let start = own_cpu();
        for n in 0..BURST {
            emit((emitted + n).cast_signed());
        }
        spent += own_cpu() - start;
        emitted += BURST;
        settle()?;
    }
    Ok(spent * 1e9 / emitted as f64)
}

fn emitted(events: u64, emit: impl Fn(&Emitter, i64) -> sinkwell::Result<()>) -> Result<f64, Failure> {
    let emitter = quiet(1)?;
    let mut failed = None;
    let each = bursts(
        events,
        |n| {
            if let Err(e) = emit(&emitter, n) {
                failed.get_or_insert(e);
            }
        },
        || Ok(empty(&emitter, 1)?),
    )?;
    failed.map_or(Ok(each), |e| Err(e.into()))
}

/// Takes log records and forgets them.
#[derive(Debug)]
struct Forgets;

impl LogExporter for Forgets {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        black_box(batch);
        Ok(())
    }
}

fn trace(n: i64) {
    tracing::info!(
        agent.version = "2026.11.3",
        decision = "allowed",
        gen_ai.request.model = "example-model-large-2026-10-01",
        policy = "urn:example:policy/tools/read-only",
        resource = "https://tickets.example.com/api/v2/tickets/483920/comments",
        session.id = "0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b91",
        tool.name = "ticket_comments",
        usage.call = n,
        usage.duration_ms = 18.25,
        usage.input_tokens = 1843,
        user.confirmed = true,
        "Looked up the comments of a ticket to find out which release the customer runs; 14 found"
    );
}

fn trace_short(n: i64) {
    tracing::info!(call = n, "called");
}

/// Emits what is counted, and nothing else.
#[inline(never)]
fn counted(trace: fn(i64)) {
    for n in 0..BURST.cast_signed() {
        trace(n);
    }
}

/// Traces bursts of events, by `sinkwell` or `otel`, and says what an event of the fastest burst took, on which other work on
/// the machine has the least to say; or to be run under callgrind, which counts instructions.
pub(crate) fn count(who: &str, fields: &str, bursts: u64) -> Result<(), Failure> {
    let trace = if fields == "one" { trace_short as fn(i64) } else { trace };
    let mut fastest = Duration::MAX;
    let mut burst = || {
        // The machine's clock: callgrind knows no thread's.
        let start = Instant::now();
        counted(trace);
        fastest = fastest.min(start.elapsed());
    };
    if who == "sinkwell" {
        let emitter = Arc::new(quiet(1)?);
        let layer = sinkwell::tracing::Layer::new().emitter(Arc::clone(&emitter));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for _ in 0..bursts {
                burst();
                empty(&emitter, 1)?;
            }
            Ok::<(), Failure>(())
        })?;
        return said(fastest);
    }
    let provider =
        SdkLoggerProvider::builder().with_log_processor(BatchLogProcessor::builder(Forgets).build()).build();
    let layer = OpenTelemetryTracingBridge::new(&provider);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for _ in 0..bursts {
            burst();
            provider.force_flush()?;
        }
        Ok::<(), Failure>(())
    })?;
    said(fastest)
}

fn said(fastest: Duration) -> Result<(), Failure> {
    println!("{:.0} ns an event", fastest.as_secs_f64() * 1e9 / BURST as f64);
    Ok(())
}

fn traced_by_us(events: u64, trace: fn(i64)) -> Result<f64, Failure> {
    let emitter = Arc::new(quiet(1)?);
    let layer = sinkwell::tracing::Layer::new().emitter(Arc::clone(&emitter));
    let admitted = || emitter.counters().first().map_or(0, |(_, counters)| counters.admitted);
    let each = tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        bursts(events, trace, || Ok(empty(&emitter, 1)?))
    })?;
    if admitted() < events { Err("not all of them were admitted".into()) } else { Ok(each) }
}

fn traced_by_otel(events: u64, trace: fn(i64)) -> Result<f64, Failure> {
    let provider =
        SdkLoggerProvider::builder().with_log_processor(BatchLogProcessor::builder(Forgets).build()).build();
    let layer = OpenTelemetryTracingBridge::new(&provider);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        bursts(events, trace, || Ok(provider.force_flush()?))
    })
}

pub(crate) fn measure(rounds: usize, quick: bool, rows: &mut Vec<Row>) -> Result<(), Failure> {
    let n = if quick { 5_000 } else { 50_000 };
    let mut table = Table::default();
    for _ in 0..rounds {
        let question = "a struct of a dozen members";
        let typed = emitted(n, |emitter, n| builder(n).emit_to(emitter).map(drop))?;
        table.put(question, "the typed builder", typed, None);
        let by_serde = emitted(n, |emitter, n| {
            Event::new(event::TYPE).data(black_box(&called(n))).emit_to(emitter).map(drop)
        })?;
        table.put(question, "serde", by_serde, Some("the typed builder"));
        let mut writer = ObjectWriter::new();
        let by_hand = {
            let emitter = quiet(1)?;
            bursts(
                n,
                |n| {
                    drop(event::write(&mut writer, n));
                    drop(
                        emitter
                            .emit(EventInput { data: Data::Object(&writer), ..EventInput::new(event::TYPE) }),
                    );
                },
                || Ok(empty(&emitter, 1)?),
            )?
        };
        table.put(question, "written by hand, member by member", by_hand, Some("the typed builder"));
        for (question, trace) in
            [("tracing, eleven fields", trace as fn(i64)), ("tracing, one field", trace_short as fn(i64))]
        {
            table.put(question, "opentelemetry-appender-tracing", traced_by_otel(n, trace)?, None);
            let ours = traced_by_us(n, trace)?;
            table.put(question, "sinkwell", ours, Some("opentelemetry-appender-tracing"));
        }
    }
    table.rows(rows);
    Ok(())
}
