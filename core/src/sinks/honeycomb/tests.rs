//! The sink against a double of Honeycomb's batch API, written from its public documentation: one JSON array in, one answer
//! per element out; 2 000 columns, 64 KB a text, 1 MB an event, 5 MB a request; a time beyond two hours ahead is refused here.

mod double;

use std::time::Duration;

use double::{Double, KEY, Say};
use proptest::prelude::*;

use super::*;
use crate::config::{Config, Source};
use crate::emitter::{Emitter, Options};
use crate::event::{Data, EventInput};
use crate::json::{Value, parse};
use crate::receipt::{EndState, Stage};
use crate::seam::SystemEnv;
use crate::sink::{Answer, Answers, Envelope, FailureKind, Grade, Sink as _};
use crate::testing::TempDir;

const LONG: Duration = Duration::from_secs(60);

fn envelope(n: u64, data: &str, more: &str) -> Envelope {
    let line = format!(
        r#"{{"agentid":"urn:example:a","data":{data},"id":"p/1/{n}","recordedtime":"2026-01-31T12:00:01.000000000Z","sequence":"{n}","severitynumber":9,"time":"2026-01-31T12:00:00.000000000Z","type":"com.example.x"{more}}}"#
    );
    crate::testing::envelope_of(line, 1, n)
}

fn batch(n: u64) -> Vec<Envelope> {
    (0..n).map(|n| envelope(n, &format!(r#"{{"n":{n}}}"#), "")).collect()
}

fn sink_of(double: &Double, change: impl FnOnce(&mut HoneycombConfig)) -> sink::HoneycombSink {
    let mut config = HoneycombConfig { api_host: double.url(), ..HoneycombConfig::default() };
    change(&mut config);
    let env = |name: &str| match name {
        "HONEYCOMB_API_KEY" => Some(KEY.to_owned()),
        "HONEYCOMB_DATASET" => Some("my events".to_owned()),
        "OTEL_SERVICE_NAME" => Some("shop".to_owned()),
        _ => None,
    };
    sink::HoneycombSink::new(&config, Duration::from_secs(5), &env).unwrap()
}

fn sink(double: &Double) -> sink::HoneycombSink {
    sink_of(double, |_| {})
}

#[test]
fn data_becomes_columns_of_its_own_type() {
    for compression in ["none", "gzip", "zstd"] {
        let double = Double::new([]);
        let mut sink = sink_of(&double, |config| {
            compression.clone_into(&mut config.compression);
            config.depth = 2;
            config.envelope = true;
        });
        let data = r#"{"a":{"b":1,"c":{"d":true,"e":[1,2]}},"a.b":"first","duration_ms":1.5,"id":"mine","list":[1,{"x":2}],"none":null,"parent_span_id":"00f067aa0ba902b7","sampleRate":4,"value":7}"#;
        let trace = r#","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01""#;
        let sent = envelope(3, data, trace);
        assert_eq!(sink.deliver(std::slice::from_ref(&sent)), Answers::Acknowledged);
        let got = double.got();
        assert_eq!(
            (&*got[0].path, got[0].encoding.as_deref().unwrap_or("none")),
            ("/1/batch/my%20events", compression)
        );
        let event = &got[0].events[0];
        assert_eq!(event.get("time"), Some(&Value::from("2026-01-31T12:00:00.000000000Z")));
        assert_eq!(event.get("samplerate"), Some(&Value::Int(4)));
        let columns = event.get("data").unwrap();
        for (name, value) in [
            ("agentid", Value::from("urn:example:a")),
            ("type", Value::from("com.example.x")),
            ("name", Value::from("com.example.x")),
            ("service.name", Value::from("shop")),
            // The envelope's own attributes are not to be imitated.
            ("id", Value::from("p/1/3")),
            ("data.id", Value::from("mine")),
            // Of two members with one name the less nested has it, and the other is not lost.
            ("a.b", Value::from("first")),
            ("data.a.b", Value::Int(1)),
            ("a.c", Value::from(r#"{"d":true,"e":[1,2]}"#)),
            ("list", Value::from(r#"[1,{"x":2}]"#)),
            ("value", Value::Int(7)),
            ("duration_ms", Value::Float(1.5)),
            ("trace.trace_id", Value::from("0af7651916cd43dd8448eb211c80319c")),
            ("trace.span_id", Value::from("b7ad6b7169203331")),
            ("trace.parent_id", Value::from("00f067aa0ba902b7")),
            ("envelope", Value::from(&*String::from_utf8_lossy(&sent.bytes))),
        ] {
            assert_eq!(columns.get(name), Some(&value), "{name}");
        }
    }
}

#[test]
fn each_element_decides_about_its_own_event() {
    let double = Double::new([Say::Each(vec![202, 400, 429, 202, 503, 500])]);
    let Answers::Each(answers) = sink(&double).deliver(&batch(6)) else { panic!() };
    let kinds: Vec<&str> = answers
        .iter()
        .map(|answer| match answer {
            Answer::Acknowledged => "there",
            Answer::Refused(failure) if failure.kind == FailureKind::Rejected => "refused",
            Answer::Retry(failure, None) if failure.kind == FailureKind::Network => "again",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["there", "refused", "again", "there", "again", "again"]);
}

#[test]
fn an_answer_that_does_not_say_is_none() {
    let said = [
        Say::Each(vec![202]),
        Say::Each(vec![202, 202, 202]),
        Say::Raw(200, "", "[{\"status\":202},"),
        Say::Raw(200, "", "{\"status\":202}"),
        Say::Raw(200, "", "[{\"status\":202},{}]"),
        Say::Raw(202, "", ""),
        Say::CutOff,
        Say::Hang,
    ];
    for say in said {
        // Cut off and closed, it is sent again over a new connection first.
        let double = Double::new([say.clone(), say.clone()]);
        let mut sink = sink_of(&double, |_| {});
        match sink.deliver(&batch(2)) {
            Answers::Retry(failure, None) => assert_eq!(failure.kind, FailureKind::Network, "{failure:?}"),
            other => panic!("{say:?}: {other:?}"),
        }
        assert!(!sink.health().healthy);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Of an answer that was damaged anywhere: what is acknowledged, the answer says is there, and it says so of every event.
    #[test]
    fn an_answer_of_any_bytes_acknowledges_only_what_it_says_is_there(
        statuses in proptest::collection::vec(prop_oneof![Just(202), Just(400), Just(429), Just(503), -1..1000_i64], 0..5),
        damage in proptest::collection::vec((0..200_usize, any::<u8>()), 0..3),
        cut in 0..400_usize,
        events in 1..5_usize,
        status in prop_oneof![Just(200_u16), 200..600_u16],
    ) {
        let element = |status: &i64| format!("{{\"status\":{status},\"error\":\"no {KEY}\"}}");
        let elements: Vec<String> = statuses.iter().map(element).collect();
        let mut body = format!("[{}]", elements.join(",")).into_bytes();
        body.truncate(cut);
        for (at, byte) in damage {
            if let Some(there) = body.get_mut(at) {
                *there = byte;
            }
        }
        let whole = parse(&body).ok().map(|value| value.items().to_vec()).filter(|all| all.len() == events);
        // As often as it is asked.
        let double = Double::new(vec![Say::Bytes(status, body); 4]);
        let answers = sink(&double).deliver(&batch(events as u64 + 1)[1..]);
        let each = match answers {
            Answers::Each(each) => each,
            Answers::Acknowledged => vec![Answer::Acknowledged; events],
            told => {
                let told = format!("{told:?}");
                prop_assert!(!told.contains(KEY));
                return Ok(());
            }
        };
        for (at, answer) in each.iter().enumerate() {
            let told = format!("{answer:?}");
            prop_assert!(!told.contains(KEY));
            if *answer == Answer::Acknowledged {
                let said = whole.as_ref().and_then(|all| all[at].get("status")?.as_i64());
                prop_assert!((200..300).contains(&status) && said.is_some_and(|said| (200..300).contains(&said)));
            }
        }
    }
}

#[test]
fn of_the_whole_request() {
    let after = |seconds| Some(Duration::from_secs(seconds));
    for (say, kind, wait) in [
        (
            Say::Raw(401, "", "{\"error\":\"unknown API key KEY - check your credentials\"}"),
            FailureKind::Auth,
            None,
        ),
        (Say::Raw(403, "", ""), FailureKind::Auth, None),
        (Say::Raw(404, "", "{\"error\":\"dataset not found\"}"), FailureKind::Rejected, None),
        (Say::Raw(429, "", ""), FailureKind::Network, None),
        (Say::Raw(429, "Retry-After: 7\r\n", ""), FailureKind::Network, after(7)),
        (
            Say::Raw(429, "RateLimit: limit=100, remaining=0, reset=30\r\n", ""),
            FailureKind::Network,
            after(30),
        ),
        (Say::Raw(429, "RateLimit: limit=100, remaining=3, reset=30\r\n", ""), FailureKind::Network, None),
        (Say::Raw(500, "", ""), FailureKind::Network, None),
        (Say::Raw(503, "Retry-After: 2\r\n", ""), FailureKind::Network, after(2)),
    ] {
        let double = Double::new([say.clone()]);
        let mut sink = sink(&double);
        match sink.deliver(&batch(2)) {
            Answers::Retry(failure, waits) => {
                assert_eq!((failure.kind, waits), (kind, wait), "{say:?}");
                let told = format!("{failure:?} {:?}", sink.health());
                assert!(!told.contains(KEY), "{told}");
                if matches!(say, Say::Raw(404, ..)) {
                    assert!(failure.summary.contains("\"my events\""), "{}", failure.summary);
                }
            }
            other => panic!("{say:?}: {other:?}"),
        }
    }
    for status in [400, 413, 422] {
        let double = Double::new([Say::Raw(status, "", "")]);
        assert!(matches!(sink(&double).deliver(&batch(2)), Answers::RefusedBatch(_)), "{status}");
    }
}

#[test]
fn a_verdict_on_how_it_is_sent_is_none_on_the_events() {
    // Neither zstd nor gzip.
    let double = Double::new([Say::Raw(415, "", ""), Say::Raw(415, "", "")]);
    let mut sink = sink(&double);
    assert_eq!(sink.deliver(&batch(2)), Answers::Acknowledged);
    let encodings: Vec<_> = double.got().into_iter().map(|got| got.encoding).collect();
    assert_eq!(encodings, [Some("zstd".to_owned()), Some("gzip".to_owned()), None]);
    // And so from then on.
    assert_eq!(sink.deliver(&batch(1)), Answers::Acknowledged);
    assert_eq!(double.got()[3].encoding, None);
    // Nothing that is no answer of this API loses an event.
    for status in [301, 302, 405, 406, 411, 415, 451] {
        let double = Double::new([Say::Raw(status, "", "")]);
        let mut sink = sink_of(&double, |config| "none".clone_into(&mut config.compression));
        let answers = sink.deliver(&batch(2));
        assert!(matches!(answers, Answers::Retry(..)), "{status}: {answers:?}");
    }
}

#[test]
fn limits_are_held_before_sending_and_nothing_is_cut() {
    let double = Double::new([]);
    let fields = |n: usize| {
        let members: Vec<String> = (0..n).map(|n| format!("\"c{n:04}\":{n}")).collect();
        envelope(0, &format!("{{{}}}", members.join(",")), "")
    };
    let text = |n: usize| envelope(1, &format!(r#"{{"t":"{}"}}"#, "x".repeat(n)), "");
    // 16 texts of 64 000 bytes are more than 1 MB.
    let members: Vec<String> = (0..16).map(|n| format!("\"t{n}\":\"{}\"", "x".repeat(64_000))).collect();
    let large = envelope(2, &format!("{{{}}}", members.join(",")), "");
    let refused = |sink: &mut sink::HoneycombSink, batch: &[Envelope], at: usize, says: &str| {
        let Answers::Each(answers) = sink.deliver(batch) else { panic!("{says}") };
        for (i, answer) in answers.iter().enumerate() {
            match answer {
                Answer::Refused(failure) if i == at => assert!(failure.summary.contains(says), "{failure:?}"),
                Answer::Acknowledged if i != at => {}
                other => panic!("{i}: {other:?}"),
            }
        }
    };
    let mut sink = sink(&double);
    let good = || envelope(9, "{}", "");
    refused(&mut sink, &[good(), fields(2001), good()], 1, "more than the 2000 of `max_fields`");
    refused(&mut sink, &[text(65_000), good()], 0, "more than the 64000 of `max_string`");
    refused(&mut sink, &[good(), large], 1, "more than the 1000000 of `max_event`");
    // As much as there may be: the columns of the envelope count.
    assert_eq!(sink.deliver(&[fields(1990), text(64_000)]), Answers::Acknowledged);
    let got = double.got();
    let longest =
        got.last().unwrap().events[1].get("data").unwrap().get("t").unwrap().as_str().unwrap().len();
    assert_eq!(longest, 64_000);
    // A time that the receiver does not take is its own to refuse.
    let ahead = crate::testing::envelope_of(
        r#"{"data":{},"time":"2199-01-01T00:00:00.000000000Z"}"#.to_owned(),
        1,
        1,
    );
    let Answers::Each(answers) = sink.deliver(&[good(), ahead]) else { panic!() };
    assert!(matches!(&answers[..], [Answer::Acknowledged, Answer::Refused(_)]), "{answers:?}");
}

#[test]
fn requests_are_split_before_they_are_too_large() {
    let double = Double::new([]);
    let large = |n| envelope(n, &format!(r#"{{"t":"{}"}}"#, "x".repeat(60_000)), "");
    let batch: Vec<Envelope> = (0..100).map(large).collect();
    assert_eq!(sink(&double).deliver(&batch), Answers::Acknowledged);
    let got = double.got();
    assert!(got.len() == 2 && got.iter().all(|got| got.size <= 5_000_000), "{}", got.len());
    assert_eq!(got.iter().map(|got| got.events.len()).sum::<usize>(), 100);
    // What the first of two requests brought is there, whatever becomes of the second.
    let double = Double::new([Say::Normal, Say::Raw(500, "", "")]);
    let Answers::Each(answers) = sink(&double).deliver(&batch) else { panic!() };
    let there = answers.iter().filter(|answer| **answer == Answer::Acknowledged).count();
    assert!(
        there > 0 && there < 100 && answers.iter().take(there).all(|answer| *answer == Answer::Acknowledged)
    );
}

#[test]
fn a_sampling_rate_is_passed_on_where_it_is_one() {
    let double = Double::new([]);
    let rates = ["0", "-3", "1.5", "\"4\"", "null", "[]", "9007199254740991", "1"];
    let batch: Vec<Envelope> =
        (0..).zip(rates).map(|(n, rate)| envelope(n, &format!(r#"{{"sampleRate":{rate}}}"#), "")).collect();
    assert_eq!(sink(&double).deliver(&batch), Answers::Acknowledged);
    let got: Vec<Option<i64>> =
        double.got()[0].events.iter().map(|event| event.get("samplerate").and_then(Value::as_i64)).collect();
    assert_eq!(got, [None, None, None, None, None, None, Some(9_007_199_254_740_991), Some(1)]);
}

#[test]
fn a_connection_that_ended_while_the_process_was_frozen_costs_nothing() {
    let double = Double::new([Say::NormalThenClose, Say::NormalThenClose]);
    let mut sink = sink(&double);
    for _ in 0..3 {
        assert_eq!(sink.deliver(&batch(1)), Answers::Acknowledged);
    }
    assert_eq!(double.got().len(), 3);
}

#[test]
fn doctor_is_told_what_the_key_may_do() {
    let said = |access: &str, environment: &str| {
        let body = format!(
            r#"{{"api_key_access":{access},"environment":{environment},"team":{{"name":"Acme","slug":"acme"}},"type":"ingest"}}"#
        );
        let double = Double::new([Say::Text(200, body)]);
        let asked = sink(&double).ask().unwrap();
        assert_eq!(&*double.got()[0].path, "/1/auth");
        asked
    };
    let environment = r#"{"name":"Production","slug":"production"}"#;
    let (grade, text) = said(r#"{"events":true,"createDatasets":true}"#, environment);
    assert_eq!(grade, Grade::Good);
    assert!(text.contains("\"production\"") && text.contains("it makes the dataset \"my events\""), "{text}");
    let (grade, text) = said(r#"{"events":true,"createDatasets":false}"#, r#"{"name":"","slug":""}"#);
    assert_eq!(grade, Grade::Good);
    assert!(text.contains("a Classic key of the team \"acme\"") && text.contains("must be there"), "{text}");
    let (grade, _) = said(r#"{"events":false}"#, environment);
    assert_eq!(grade, Grade::Wrong);
    let double = Double::new([Say::Raw(401, "", "{\"error\":\"unknown API key KEY\"}")]);
    let failure = sink(&double).ask().unwrap_err();
    assert!(failure.kind == FailureKind::Auth && !format!("{failure:?}").contains(KEY), "{failure:?}");
}

#[test]
fn what_is_missing_is_named() {
    let none = |_: &str| None;
    let error =
        |config: HoneycombConfig| sink::HoneycombSink::new(&config, LONG, &none).err().unwrap().to_string();
    assert!(error(HoneycombConfig::default()).contains("HONEYCOMB_API_KEY"));
    let config =
        HoneycombConfig { api_key: Some(crate::secret::Secret::new(KEY.into())), ..Default::default() };
    assert!(!format!("{config:?}").contains(KEY));
    assert!(error(config).contains("HONEYCOMB_DATASET"));
    let config = HoneycombConfig {
        api_key: Some(crate::secret::Secret::new(format!("{KEY}\n").into())),
        dataset: Some("d".into()),
        ..Default::default()
    };
    assert!(!error(config).contains(KEY));
}

/// An emitter with one lane to the double.
fn emitter(double: &Double, dir: &TempDir, lane: &str) -> Emitter {
    let text = format!(
        "agent: {{ id: a1 }}\nheartbeat: off\ndead_letter: {{ dir: {} }}\nlanes: [{{ id: hny, retry: {{ initial: 1ms, cap: 2ms }}, breaker: {{ failures: 1000, open: 1ms }}, {lane} sink: {{ honeycomb: {{ api_key: {KEY}, dataset: d, api_host: '{}' }} }} }}]\n",
        dir.path().display(),
        double.url()
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    Emitter::open(Options::new(Config::load(source, &SystemEnv::default()).unwrap())).unwrap()
}

fn emit(emitter: &Emitter, data: &str) -> crate::receipt::Receipt {
    emitter
        .emit(EventInput { data: Data::Json(data.as_bytes()), ..EventInput::new("com.example.x") })
        .unwrap()
}

#[test]
fn the_books_balance_whatever_it_answers() {
    let says = [
        Say::Raw(503, "", ""),
        Say::Each(vec![]),
        Say::Raw(429, "", ""),
        Say::CutOff,
        Say::Raw(401, "", "KEY"),
        Say::Mixed,
        Say::Raw(413, "", ""),
        Say::Mixed,
    ];
    let double = Double::new(says);
    let dir = TempDir::new();
    let emitter = emitter(&double, &dir, "batch: { events: 8, linger: 1ms },");
    let too_long = format!(r#"{{"t":"{}"}}"#, "x".repeat(65_000));
    let receipts: Vec<_> = (0..60)
        .map(|n| emit(&emitter, &if n % 20 == 7 { too_long.clone() } else { format!(r#"{{"n":{n}}}"#) }))
        .collect();
    let report = emitter.shutdown(LONG);
    assert_eq!(report[0].1.pending, 0);
    let counters = &emitter.counters()[0].1;
    assert_eq!(counters.admitted, counters.delivered + counters.dropped + counters.rejected);
    assert_eq!((counters.admitted, counters.dropped), (60, 0));
    assert!(counters.rejected >= 3);
    let stored = double.stored();
    let mut delivered = 0;
    for receipt in &receipts {
        let ending = receipt.endings()[0].1.clone().unwrap();
        let there = stored.contains(&receipt.id().to_string());
        assert_eq!(there, ending.state == EndState::Delivered, "{ending:?}");
        delivered += u64::from(there);
    }
    assert_eq!(delivered, counters.delivered);
    // What was refused is in the dead-letter file, whole, and nowhere is the key.
    let mut dead = String::new();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        dead.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap_or_default());
    }
    assert_eq!(dead.matches(&"x".repeat(65_000)).count(), 3);
    let health = format!("{:?}", emitter.health());
    assert!(!dead.contains(KEY) && !health.contains(KEY));
}

#[test]
fn a_trickle_is_flushed_and_an_end_loses_nothing() {
    let double = Double::new([]);
    let dir = TempDir::new();
    let emitter = emitter(&double, &dir, "batch: { events: 1000, linger: 10ms },");
    // One event alone goes out, although no batch fills.
    emit(&emitter, "{}").wait(Stage::Delivered, LONG).unwrap();
    for n in 0..50 {
        emit(&emitter, &format!(r#"{{"n":{n}}}"#));
    }
    // Dropped without a shutdown.
    drop(emitter);
    assert_eq!(double.stored().len(), 51);
}

#[test]
fn a_full_queue_loses_nothing_without_a_word() {
    let double = Double::new(vec![Say::Raw(503, "", ""); 3]);
    let dir = TempDir::new();
    let lane = "overflow: drop_oldest, queue: { events: 4, terminal_reserve: 0 }, batch: { events: 2, linger: 1ms },";
    let emitter = emitter(&double, &dir, lane);
    let receipts: Vec<_> = (0..40).map(|n| emit(&emitter, &format!(r#"{{"n":{n}}}"#))).collect();
    emitter.shutdown(LONG);
    let counters = &emitter.counters()[0].1;
    assert_eq!(counters.admitted, counters.delivered + counters.dropped);
    let lost =
        receipts.iter().filter(|receipt| receipt.endings()[0].1.as_ref().unwrap().state == EndState::Lost);
    assert_eq!(lost.count() as u64, counters.dropped);
    // The receiver is told how many.
    let declared: i64 = double
        .all()
        .iter()
        .filter_map(|event| event.get("data"))
        .filter(|columns| columns.get("reason") == Some(&Value::from("overflow")))
        .filter_map(|columns| columns.get("count")?.as_i64())
        .sum();
    assert_eq!(declared.unsigned_abs(), counters.dropped);
}
