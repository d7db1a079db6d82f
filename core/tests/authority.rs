//! docs/LANES.md, "What a sink cannot do": a sink of the host's that answers nonsense, panics, emits from inside and
//! ends the emitter changes no event, no decision and nothing of another lane.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::json::{Value, parse};
use sinkwell::memory::MemorySink;
use sinkwell::receipt::{EndState, Stage};
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{Answer, Answers, Envelope, Failure, FailureKind, Sink};
use sinkwell::{Emitter, EventInput, HostSink, Options, SinkFactory};

const EVENTS: u64 = 40;

/// Tries something else at each delivery.
struct Unruly {
    emitter: Arc<OnceLock<Weak<Emitter>>>,
    turn: usize,
    inside: Arc<Mutex<Vec<String>>>,
}

impl Sink for Unruly {
    fn kind(&self) -> &'static str {
        "host"
    }
    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        self.turn += 1;
        if let Some(emitter) = self.emitter.get().and_then(Weak::upgrade) {
            let result = emitter.emit(EventInput::new("com.example.inside"));
            self.inside.lock().unwrap().push(format!("{:?}", result.map(|_| ())));
            // A sink that flushes or waits for itself must not hang.
            emitter.flush(Duration::from_secs(1));
        }
        let failure = || Failure::new(FailureKind::Rejected, "because");
        match self.turn % 6 {
            0 => panic!("unruly"),
            1 => Answers::Each(Vec::new()),
            2 => Answers::Each(vec![Answer::Acknowledged; batch.len() + 7]),
            3 => Answers::Partial { refused: u64::MAX, failure: failure() },
            4 => Answers::RefusedBatch(failure()),
            _ => Answers::Retry(failure(), Some(Duration::ZERO)),
        }
    }
}

/// What the well-behaved lane holds of the host's own events, without the stream's own attributes.
fn seen(memory: &MemorySink) -> Vec<Value> {
    let values = memory.envelopes().into_iter().filter(|envelope| !envelope.own);
    values
        .map(|envelope| parse(&envelope.bytes).unwrap())
        .filter(|value| value.get("type").and_then(Value::as_str) != Some("com.example.inside"))
        .map(|value| {
            let what = ["type", "data", "runid", "severitytext", "subject"];
            Value::Object(
                value.members().iter().filter(|(key, _)| what.contains(&key.as_str())).cloned().collect(),
            )
        })
        .collect()
}

fn run(unruly: bool) -> (Vec<Value>, Vec<String>) {
    #[allow(clippy::incompatible_msrv, reason = "tests run with the pinned compiler alone")]
    std::panic::set_hook(Box::new(|panic| {
        if panic.payload_as_str() != Some("unruly") {
            eprintln!("{panic}");
        }
    }));
    let text = "agent: { id: a1 }\nheartbeat: off\nlanes:\n- { id: good, sink: { host: good }, batch: { linger: 1ms } }\n\
        - { id: unruly, sink: { host: unruly }, batch: { linger: 1ms, events: 3 }, retry: { initial: 1ms, cap: 1ms }, breaker: { open: 1ms } }\n";
    let source = Source::Text { text: text.into(), name: None, format: Default::default() };
    let mut config = Config::load(source, &SystemEnv::default()).unwrap();
    let memory = MemorySink::default();
    let (emitter, inside) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(Vec::new())));
    let (kept, to, log) = (memory.clone(), Arc::clone(&emitter), Arc::clone(&inside));
    let good: SinkFactory = Arc::new(move || Ok(Box::new(kept.clone())));
    let bad: SinkFactory = Arc::new(move || {
        Ok(Box::new(Unruly { emitter: Arc::clone(&to), turn: 0, inside: Arc::clone(&log) }))
    });
    if !unruly {
        config.lanes.truncate(1);
    }
    let sinks = config
        .lanes
        .iter()
        .zip([("good", good), ("unruly", bad)])
        .map(|(lane, (name, make))| HostSink { name: name.into(), lane: lane.clone(), make });
    let options = Options { sinks: sinks.collect(), config, signer: None, manual: false };
    let open = Arc::new(Emitter::open(options).unwrap());
    emitter.set(Arc::downgrade(&open)).unwrap();
    let mut receipts = Vec::new();
    for n in 0..EVENTS {
        let data = format!(r#"{{"decision":"deny","rule":"no-shell","action":"{n}"}}"#);
        let mut input = EventInput::new("policy.decision");
        input.data = Data::Json(data.as_bytes());
        input.run = Some("r-1");
        receipts.push(open.emit(input).expect("a sink keeps no event out"));
        let mut end = EventInput::new("run.completed");
        end.data = Data::Json(br#"{"terminal_status":"completed"}"#);
        end.run = Some("r-1");
        receipts.push(open.emit(end).expect("a sink keeps no event out"));
    }
    for receipt in &receipts {
        receipt.wait(Stage::Delivered, Duration::from_secs(60)).expect("no receipt hangs");
        let good = receipt.endings()[0].1.clone().unwrap();
        assert_eq!(good.state, EndState::Delivered);
    }
    for (lane, counters) in open.counters() {
        let known = counters.delivered + counters.dropped + counters.rejected + counters.pending;
        assert_eq!(counters.admitted, known, "{lane}: {counters:?}");
    }
    assert!(open.ensure_ready().is_ok());
    open.shutdown(Duration::from_secs(5));
    let inside = inside.lock().unwrap().clone();
    (seen(&memory), inside)
}

#[test]
fn a_sink_that_tries_everything_changes_nothing_for_anybody_else() {
    let (alone, _) = run(false);
    let (beside, inside) = run(true);
    assert_eq!(alone.len() as u64, 2 * EVENTS);
    assert_eq!(alone, beside);
    assert!(!inside.is_empty(), "it never had its turn");
    let boundary = parse(Emitter::authority_boundary().as_bytes()).unwrap();
    assert!(boundary.get("may_change").unwrap().items().is_empty());
}
