//! `tests/vectors/host-sinks/`: what a host's sink answers, and the counters that follow, as every language runs them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sinkwell::config::{Config, Source};
use sinkwell::json::{ObjectWriter, Value, parse};
use sinkwell::seam::SystemEnv;
use sinkwell::sink::{Answer, Answers, Envelope, Outcome, Said, Sink};
use sinkwell::{Emitter, EventInput, HostSink, Options};

mod common;
use common::cases;

/// A sink that answers by a script, and how often it was given each event.
#[derive(Clone)]
struct Scripted {
    batch: bool,
    raises: bool,
    rules: HashMap<i64, Vec<String>>,
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    first: Option<String>,
    given: HashMap<i64, usize>,
}

impl Scripted {
    /// What it says of an event now; of sinkwell's own, always that it took it.
    fn word(&self, told: &mut Told, envelope: &Envelope) -> String {
        let number = parse(&envelope.bytes).unwrap().get("data").unwrap().get("n").and_then(Value::as_i64);
        let Some(rule) =
            number.filter(|_| !envelope.own).and_then(|n| self.rules.get(&n).map(|rule| (n, rule)))
        else {
            return "taken".to_owned();
        };
        let times = told.given.entry(rule.0).or_default();
        let word = rule.1[(*times).min(rule.1.len() - 1)].clone();
        *times += 1;
        word
    }
}

fn answer(word: &str) -> Answer {
    let outcome = match word {
        "taken" => Outcome::Taken,
        "refuse" => Outcome::Refused,
        "uncertain" => Outcome::Uncertain,
        "retry" => Outcome::Retry(None),
        "nonsense" => Outcome::Nonsense,
        other => panic!("no answer: {other}"),
    };
    outcome.answer("Scripted", None)
}

impl Sink for Scripted {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let mut told = self.told.lock().unwrap();
        let first = if batch.iter().any(|one| !one.own) { told.first.take() } else { None };
        let words = batch.iter().map(|envelope| self.word(&mut told, envelope)).collect::<Vec<_>>();
        let mut answers = words.iter().map(|word| answer(word));
        let said = match first.as_deref() {
            Some("short") => Said::Each(vec![Answer::Acknowledged; batch.len() - 1]),
            Some("long") => Said::Each(vec![Answer::Acknowledged; batch.len() + 1]),
            Some("nonsense") => Said::Nonsense("Response".to_owned()),
            Some(other) => panic!("no first answer: {other}"),
            None if !self.batch => {
                let until = words.iter().position(|word| word == "retry" || word == "nonsense");
                // What comes after it was not given to the sink.
                for untold in until.map_or(&[][..], |at| &batch[at + 1..]) {
                    let n =
                        parse(&untold.bytes).unwrap().get("data").unwrap().get("n").and_then(Value::as_i64);
                    if let Some(times) = n.and_then(|n| told.given.get_mut(&n)) {
                        *times -= 1;
                    }
                }
                Said::OneByOne(answers.take(until.map_or(batch.len(), |at| at + 1)).collect())
            }
            None if self.raises => Said::AsOne(
                answers.find(|answer| *answer != Answer::Acknowledged).unwrap_or(Answer::Acknowledged),
            ),
            None if words.iter().any(|word| word == "nonsense") => Said::Nonsense("Response".to_owned()),
            None => Said::Each(answers.collect()),
        };
        said.answers(batch.len())
    }
}

#[test]
fn the_same_answers_make_the_same_counters() {
    for file in cases("host-sinks") {
        file.only(&file.value, &["name", "about", "config", "events", "cases"]);
        let list = file.member(&file.value, "cases").items();
        assert!(!list.is_empty(), "{}: no cases", file.name);
        for case in list {
            file.only(case, &["name", "form", "rules", "how", "first", "timeout_ms", "counters"]);
            let name = file.text(case, "name");
            let rules = file.member(case, "rules").items().iter().map(|rule| {
                let words = file.member(rule, "answers").items().iter();
                let words = words.map(|word| word.as_str().unwrap().to_owned()).collect();
                (file.member(rule, "event").as_i64().unwrap(), words)
            });
            let first = case.get("first").and_then(Value::as_str).map(str::to_owned);
            let sink = Scripted {
                batch: file.text(case, "form") == "batch",
                raises: case.get("how").and_then(Value::as_str) == Some("raise"),
                rules: rules.collect(),
                told: Arc::new(Mutex::new(Told { first, given: HashMap::new() })),
            };
            let text = file.member(&file.value, "config").to_json();
            let config = Config::load(Source::Mapping(text), &SystemEnv::default()).unwrap();
            let lane = config.lanes[0].clone();
            let make = Arc::new(move || Ok(Box::new(sink.clone()) as Box<dyn Sink>));
            let sinks = vec![HostSink { name: "scripted".into(), lane, make }];
            let emitter = Emitter::open(Options { config, sinks, signer: None, manual: false }).unwrap();
            for n in 0..file.member(&file.value, "events").as_i64().unwrap() {
                let mut writer = ObjectWriter::new();
                writer.begin_object().unwrap();
                writer.key("n").unwrap();
                writer.int(n.into()).unwrap();
                writer.end_object().unwrap();
                let mut event = EventInput::new("com.example.n");
                event.data = sinkwell::event::Data::Object(&writer);
                emitter.emit(event).unwrap();
            }
            let timeout = u64::try_from(file.member(case, "timeout_ms").as_i64().unwrap()).unwrap();
            emitter.flush(Duration::from_millis(timeout));
            let counters = emitter.counters().remove(0).1;
            for (key, expected) in file.member(case, "counters").members() {
                let got = match &**key {
                    "admitted" => counters.admitted,
                    "delivered" => counters.delivered,
                    "rejected" => counters.rejected,
                    "dropped" => counters.dropped,
                    "pending" => counters.pending,
                    other => panic!("unknown counter {other}"),
                };
                assert_eq!(Some(got), expected.as_i64().and_then(|n| u64::try_from(n).ok()), "{name}: {key}");
            }
            emitter.shutdown(Duration::ZERO);
        }
    }
}
