//! What is an event, what goes through, and in which order.

mod samples;

use proptest::prelude::*;

use super::*;
use crate::json::{Value, parse};

/// Keeps what it is given; refuses events whose data has the member `refuse`.
#[derive(Default, Debug, PartialEq)]
struct Kept {
    events: Vec<(String, Value, Option<String>, Option<String>)>,
    passed: Vec<u8>,
}

impl Taker for Kept {
    fn take(&mut self, found: &Found<'_>) -> Result<Taken> {
        if found.data.get("refuse").is_some() {
            return Err(Error::invalid_event("refused").at("data.refuse"));
        }
        let own = |text: Option<&str>| text.map(str::to_owned);
        let data = parse(found.data.bytes()).unwrap();
        self.events.push((found.event_type.to_owned(), data, own(found.time), own(found.id)));
        Ok(Taken::Sent)
    }

    fn pass(&mut self, bytes: &[u8]) -> Result<()> {
        self.passed.extend_from_slice(bytes);
        Ok(())
    }
}

fn read_cut(settings: Settings, log: &[u8], cuts: &[usize]) -> (Kept, Report) {
    let mut kept = Kept::default();
    let mut vacuum = Vacuum::new(settings).unwrap();
    let mut from = 0;
    for &cut in cuts.iter().filter(|cut| **cut <= log.len()) {
        if cut >= from {
            vacuum.push(&log[from..cut], &mut kept).unwrap();
            from = cut;
        }
    }
    vacuum.push(&log[from..], &mut kept).unwrap();
    vacuum.finish(&mut kept).unwrap();
    (kept, vacuum.report().clone())
}

fn read(format: Format, log: impl AsRef<[u8]>) -> (Kept, Report) {
    read_cut(Settings { format, ..Settings::default() }, log.as_ref(), &[])
}

/// The data of the events, as JSON, and what went through.
fn both(format: Format, log: impl AsRef<[u8]>) -> (Vec<String>, String) {
    let (kept, report) = read(format, &log);
    assert_eq!(report.events, kept.events.len() as u64);
    let events =
        kept.events.iter().map(|(_, data, ..)| String::from_utf8(data.to_canonical().unwrap()).unwrap());
    (events.collect(), String::from_utf8_lossy(&kept.passed).into_owned())
}

#[test]
fn a_flagged_object_is_an_event_and_all_else_goes_through() {
    for (line, data) in [
        (r#"{"_e":1}"#, r#"{"index":0}"#),
        (r#"{"a":2,"_e":1.0}"#, r#"{"a":2,"index":0}"#),
        (" \t{ \"_e\" : 1 , \"a\" : [ {\"_e\":2} ] } \r", r#"{"a":[{"_e":2}],"index":0}"#),
        (r#"{"a":{"_e":1},"_e":1e0}"#, r#"{"a":{"_e":1},"index":0}"#),
    ] {
        for ending in ["", "\n", "\r\n"] {
            let (events, passed) = both(Format::Auto, format!("{line}{ending}"));
            assert_eq!((events, &*passed), (vec![data.to_owned()], ""), "{line}");
        }
    }
    for line in [
        "",
        "\r",
        "hello",
        r#"{"_e":2}"#,
        r#"{"_e":"1"}"#,
        r#"{"_e":true}"#,
        r#"{"_e":null}"#,
        r#"{"_e":[1]}"#,
        r#"{"_e":10}"#,
        r#"{"_e":1x}"#,
        r#"{"a":{"_e":1}}"#,
        r#"{"a":"\"_e\":1"}"#,
        r#"[{"_e":1}]"#,
        r#"{"_e":1} {"_e":1}"#,
        r#"{"_e":1},"#,
        r#"x {"_e":1}"#,
        r#"{"_e":1"#,
        r#"{"\u005fe":1}"#,
        r#"{"_E":1}"#,
        r#"{"_error":1}"#,
        "{\"_e\":1,\"a\":\"\u{1}\"}",
        "\0",
    ] {
        for ending in ["", "\n", "\r\n"] {
            let log = format!("before\n{line}{ending}");
            assert_eq!(both(Format::Auto, &log), (vec![], log.clone()), "{line}");
        }
    }
}

#[test]
fn order_and_bytes_stay() {
    let log =
        b"a\r\n\n\xff\xfe\n{\"_e\":1,\"n\":1}\nb\0c\n{\"_e\":1,\"n\":2}\r\n{\"_e\":1,\"refuse\":1}\nlast";
    let (kept, report) = read(Format::Plain, log);
    assert_eq!(kept.passed, b"a\r\n\n\xff\xfe\nb\0c\n{\"_e\":1,\"refuse\":1}\nlast");
    let indexes: Vec<i64> =
        kept.events.iter().map(|(_, data, ..)| data.get("index").unwrap().as_i64().unwrap()).collect();
    assert_eq!(indexes, [3, 5]);
    assert_eq!((report.lines, report.events, report.passed, report.refused), (8, 2, 6, 1));
    assert_eq!(report.first_refusal.as_ref().unwrap().0, 6);
}

#[test]
fn what_cannot_be_sealed_goes_through_and_is_counted() {
    let deep = format!("{{\"_e\":1,\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
    let bottomless = format!("{{\"_e\":1,\"a\":{}", "[".repeat(1 << 20));
    for (line, counts) in [
        (&*deep, [0, 1, 0]),
        (&*bottomless, [0, 0, 0]),
        (r#"{"_e":1,"a":1,"a":2}"#, [0, 0, 1]),
        (r#"{"_e":1,"_e":1}"#, [0, 0, 1]),
        (r#"{"_e":1,"\u005fe":2}"#, [0, 0, 1]),
        (r#"{"_e":1,"_type":"a","_type":"b"}"#, [0, 0, 1]),
        (r#"{"_e":1,"a":NaN}"#, [0, 0, 1]),
        (r#"{"_e":1,"a":-Infinity}"#, [0, 0, 1]),
        (r#"{"_e":1,"a":1e999}"#, [0, 0, 1]),
        (r#"{"_e":1,"a":"\ud800"}"#, [0, 0, 1]),
        (r#"{"_e":1,"a":}"#, [0, 0, 1]),
    ] {
        let (kept, report) = read(Format::Plain, line);
        assert_eq!(kept.events, []);
        assert_eq!(kept.passed, line.as_bytes());
        let shown = &line[..line.len().min(80)];
        assert_eq!([report.too_large, report.too_deep, report.refused], counts, "{shown}");
    }
    // As deep as it may be.
    let deep = format!("{{\"_e\":1,\"a\":{}{}}}", "[".repeat(63), "]".repeat(63));
    assert_eq!(read(Format::Plain, deep).1.events, 1);
}

#[test]
fn integers_that_doubles_cannot_hold_become_strings() {
    let line =
        r#"{"_e":1,"a":9007199254740993,"b":[-123456789012345678901234567890,1e21],"c":9007199254740991}"#;
    let (kept, report) = read(Format::Plain, line);
    let data = r#"{"a":"9007199254740993","b":["-123456789012345678901234567890","1e21"],"c":9007199254740991,"index":0}"#;
    assert_eq!(kept.events[0].1, parse(data.as_bytes()).unwrap());
    assert_eq!(report.integers, 3);
}

#[test]
fn what_is_ours_wins_and_nothing_is_lost() {
    let settings = Settings { process: Some("p/1".into()), nonce: Some(0), ..Settings::default() };
    let line =
        br#"{"_e":1,"process":"a","nonce":"b","index":"c","_index":"d","__index":"e","content":1,"capture":2,
        "disclosures":3,"lost":4,"phase":5,"view":6,"_log":7}"#;
    let line: Vec<u8> = line.iter().copied().filter(|byte| *byte != b'\n').collect();
    let (kept, _) = read_cut(settings, &line, &[]);
    let (event_type, data, time, id) = &kept.events[0];
    assert_eq!((event_type.as_str(), time), (EVENT_TYPE, &None));
    assert!(id.is_some());
    let expected = r#"{"__index":"e","_index":"d","___capture":2,"___content":1,"___disclosures":3,"___index":"c",
        "____log":7,"___lost":4,"___nonce":"b","___phase":5,"___process":"a","___view":6,"index":0,"nonce":0,"process":"p/1"}"#;
    assert_eq!(*data, {
        let mut value = parse(expected.as_bytes()).unwrap();
        if let Value::Object(members) = &mut value {
            members.sort_by(|a, b| crate::json::compare_keys(&a.0, &b.0));
        }
        value
    });
}

#[test]
fn ids_are_of_process_nonce_and_line() {
    let of = |process: &str| id::process(process);
    for plain in ["a", "did:web:x#1", "~a", "with space", &"x".repeat(80)] {
        assert_eq!(of(plain), plain);
    }
    let digest = of("a/b");
    assert_eq!(digest, "~c14cddc033f64b9dea80ea675cf280a015e672516090a5626781153dc68fea11");
    for other in ["", "ü", "a\tb", &"x".repeat(81), &*digest] {
        assert!(of(other).starts_with('~') && of(other).len() == 65 && of(other) != other, "{other}");
    }
    let settings = Settings { process: Some("p".into()), nonce: Some(MAX_NONCE), ..Settings::default() };
    let (kept, _) = read_cut(settings.clone(), b"x\n{\"_e\":1}\n", &[]);
    assert_eq!(kept.events[0].3.as_deref(), Some("p/9007199254740991/1"));
    let id = |process: &str, nonce, log: &[u8]| {
        let settings = Settings { process: Some(process.into()), nonce: Some(nonce), ..settings.clone() };
        read_cut(settings, log, &[3]).0.events.last().unwrap().3.clone().unwrap()
    };
    assert_eq!(id("p", 1, b"x\n{\"_e\":1}\n"), id("p", 1, b"y\n{\"_e\":1,\"time\":1769860800}\n"));
    // The longest that there is can be an event's id.
    let log = [&b"x\n".repeat(1000)[..], b"{\"_e\":1}\n"].concat();
    assert_eq!(id("a/b", MAX_NONCE, &log), format!("{digest}/9007199254740991/1000"));
    assert!(crate::sink::EventId::read(&id(&"x".repeat(80), MAX_NONCE, &log)).is_some());
    let others =
        [id("q", 1, b"x\n{\"_e\":1}\n"), id("p", 2, b"x\n{\"_e\":1}\n"), id("p", 1, b"{\"_e\":1}\n")];
    assert!(others.iter().all(|other| *other != id("p", 1, b"x\n{\"_e\":1}\n")));
    assert!(Vacuum::new(Settings { nonce: Some(MAX_NONCE + 1), ..settings.clone() }).is_err());
    assert!(Vacuum::new(Settings { process: None, ..settings }).is_err());
}

#[test]
fn a_line_says_its_type_but_none_of_sinkwells_own() {
    for (given, event_type, kept) in [
        (r#""com.example.order""#, "com.example.order", None),
        (r#""tool.invocation""#, "tool.invocation", None),
        (r#""audit.chain""#, EVENT_TYPE, Some(r#""audit.chain""#)),
        (r#""dev.sinkwell.audit.chain""#, EVENT_TYPE, Some(r#""dev.sinkwell.audit.chain""#)),
        (r#""sink.failed""#, EVENT_TYPE, Some(r#""sink.failed""#)),
        (r#""heartbeat""#, EVENT_TYPE, Some(r#""heartbeat""#)),
        (r#""no type""#, EVENT_TYPE, Some(r#""no type""#)),
        (r#""""#, EVENT_TYPE, Some(r#""""#)),
        ("7", EVENT_TYPE, Some("7")),
        ("0.5", EVENT_TYPE, Some("0.5")),
        (r#"["tool.invocation"]"#, EVENT_TYPE, Some(r#"["tool.invocation"]"#)),
        (r#"{"a":1}"#, EVENT_TYPE, Some(r#"{"a":1}"#)),
        ("null", EVENT_TYPE, Some("null")),
        ("true", EVENT_TYPE, Some("true")),
    ] {
        let (found, _) = read(Format::Plain, format!("{{\"_e\":1,\"_type\":{given}}}"));
        assert_eq!(found.events[0].0, event_type, "{given}");
        let value = kept.map(|kept| parse(kept.as_bytes()).unwrap());
        assert_eq!(found.events[0].1.get("_type"), value.as_ref(), "{given}");
    }
}

#[test]
fn times_are_read_by_their_size_and_stay_as_they_were() {
    for (given, time) in [
        (r#""2026-01-31T12:00:00.5Z""#, Some("2026-01-31T12:00:00.500000000Z")),
        (r#""2026-01-31T12:00:00+02:00""#, Some("2026-01-31T10:00:00.000000000Z")),
        ("1769860800", Some("2026-01-31T12:00:00.000000000Z")),
        ("1769860800.25", Some("2026-01-31T12:00:00.250000000Z")),
        ("1769860800123", Some("2026-01-31T12:00:00.123000000Z")),
        ("1769860800123456", Some("2026-01-31T12:00:00.123456000Z")),
        ("1769860800123456789", Some("2026-01-31T12:00:00.123456789Z")),
        (r#""1769860800123456789""#, Some("2026-01-31T12:00:00.123456789Z")),
        ("0", Some("1970-01-01T00:00:00.000000000Z")),
        (r#""2026-01-31T12:00:00""#, None),
        (r#""yesterday""#, None),
        ("-1", None),
        ("1e99", None),
        ("99999999999999999999", None),
        ("null", None),
        ("[1769860800]", None),
        (r#""""#, None),
    ] {
        for name in ["timestamp", "Timestamp", "time"] {
            let (kept, _) = read(Format::Plain, format!("{{\"{name}\":{given},\"_e\":1}}"));
            let Some((_, data, found, _)) = kept.events.first() else {
                assert_eq!(time, None, "{given}");
                continue;
            };
            assert_eq!(found.as_deref(), time, "{given}");
            assert!(data.get(name).is_some());
        }
    }
    let first = r#"{"_e":1,"time":0,"Timestamp":"x","timestamp":1769860800}"#;
    assert_eq!(read(Format::Plain, first).0.events[0].2.as_deref(), Some("2026-01-31T12:00:00.000000000Z"));
}

#[test]
fn wrappers_are_taken_off() {
    const DOCKER: &str =
        r#"{"log":"{\"_e\":1,\"a\":1}\n","stream":"stderr","time":"2026-01-31T12:00:00.5Z"}"#;
    const CRI: &str = r#"2026-01-31T13:00:00.5+01:00 stdout F {"_e":1,"a":1}"#;
    const LAMBDA: &str =
        "2026-01-31T12:00:00.500Z\t8f3c2b1e-0000-4000-8000-1234567890ab\tINFO\t{\"_e\":1,\"a\":1}";
    const LAMBDA3: &str =
        "2026-01-31T12:00:00.500Z\t8f3c2b1e-0000-4000-8000-1234567890ab\t{\"_e\":1,\"a\":1}";
    const PYTHON: &str =
        "[WARNING]\t2026-01-31T12:00:00.500Z\t8f3c2b1e-0000-4000-8000-1234567890ab\t{\"_e\":1,\"a\":1}\n";
    const JOURNAL: &str = r#"{"__REALTIME_TIMESTAMP":"1769860800500000","PRIORITY":"4","_TRANSPORT":"stdout","MESSAGE":"{\"_e\":1,\"a\":1}"}"#;
    const BYTES: &str = r#"{"__REALTIME_TIMESTAMP":"1769860800500000","MESSAGE":[123,34,95,101,34,58,49,44,34,97,34,58,49,125]}"#;
    for (format, line, log) in [
        (Format::Docker, DOCKER, r#"{"format":"docker","stream":"stderr","time":"2026-01-31T12:00:00.5Z"}"#),
        (Format::Cri, CRI, r#"{"format":"cri","stream":"stdout","time":"2026-01-31T13:00:00.5+01:00"}"#),
        (
            Format::Lambda,
            LAMBDA,
            r#"{"format":"lambda","level":"INFO","request_id":"8f3c2b1e-0000-4000-8000-1234567890ab","time":"2026-01-31T12:00:00.500Z"}"#,
        ),
        (
            Format::Lambda,
            LAMBDA3,
            r#"{"format":"lambda","request_id":"8f3c2b1e-0000-4000-8000-1234567890ab","time":"2026-01-31T12:00:00.500Z"}"#,
        ),
        (
            Format::Lambda,
            PYTHON,
            r#"{"format":"lambda","level":"WARNING","request_id":"8f3c2b1e-0000-4000-8000-1234567890ab","time":"2026-01-31T12:00:00.500Z"}"#,
        ),
        (
            Format::Journald,
            JOURNAL,
            r#"{"format":"journald","level":"warning","stream":"stdout","time":"1769860800500000"}"#,
        ),
        (Format::Journald, BYTES, r#"{"format":"journald","time":"1769860800500000"}"#),
    ] {
        for said in [format, Format::Auto] {
            let (kept, report) = read(said, line);
            assert_eq!(kept.passed, b"", "{line}");
            let (_, data, time, _) = &kept.events[0];
            let expected = format!("{{\"_log\":{log},\"a\":1,\"index\":0}}");
            assert_eq!(data.to_canonical().unwrap(), expected.as_bytes());
            assert_eq!(time.as_deref(), Some("2026-01-31T12:00:00.500000000Z"), "{line}");
            assert_eq!(report.formats[format as usize], 1);
        }
        // In another wrapper it is no event.
        let other = if format == Format::Plain { Format::Cri } else { Format::Plain };
        assert_eq!(both(other, line), (vec![], line.to_owned()));
    }
}

#[test]
fn mixed_wrappers_are_told_apart_line_by_line() {
    let log = concat!(
        "2026-01-31T12:00:00Z stdout F plain words\n",
        "{\"log\":\"words\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-31T12:00:00Z\"}\n",
        "{\"_e\":1,\"n\":1,\"log\":\"mine\",\"stream\":\"stdout\"}\n",
        "2026-01-31T12:00:00Z stdout F {\"_e\":1,\"n\":2}\r\n",
        "{\"log\":\"{\\\"_e\\\":1,\\\"n\\\":3}\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-31T12:00:00Z\"}\n",
        "2026-01-31 12:00:00 stdout F {\"_e\":1}\n",
        "{\"log\":\"words\",\"level\":\"info\"}\n",
    );
    let (kept, report) = read(Format::Auto, log);
    let numbers: Vec<i64> =
        kept.events.iter().map(|(_, data, ..)| data.get("n").unwrap().as_i64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let lines: Vec<&str> = log.lines().collect();
    let passed = format!("{}\n{}\n{}\n{}\n", lines[0], lines[1], lines[5], lines[6]);
    assert_eq!(String::from_utf8(kept.passed).unwrap(), passed);
    assert_eq!(report.formats, [0, 1, 1, 1, 0, 0]);
}

#[test]
fn parts_are_joined_within_one_stream() {
    let log = concat!(
        "2026-01-31T12:00:00Z stdout P {\"_e\":1,\n",
        "2026-01-31T12:00:01Z stderr P {\"_e\":1,\"b\n",
        "2026-01-31T12:00:02Z stdout F \"a\":1}\n",
        "2026-01-31T12:00:03Z stderr F in between\n",
        "2026-01-31T12:00:04Z stdout F after\n",
        "2026-01-31T12:00:05Z stdout P {\"_e\":1,\"a\":\n",
        "2026-01-31T12:00:06Z stdout P 2}\n",
    );
    for format in [Format::Cri, Format::Auto] {
        let (kept, report) = read(format, log);
        let data: Vec<(i64, i64)> = kept
            .events
            .iter()
            .map(|(_, data, ..)| {
                let int = |name: &str| data.get(name).unwrap().as_i64().unwrap();
                (int("a"), int("index"))
            })
            .collect();
        // The last has no end; at the end of the log it is whole all the same.
        assert_eq!(data, [(1, 0), (2, 5)]);
        let lines: Vec<&str> = log.lines().collect();
        let passed = [lines[1], lines[3], lines[4], ""].join("\n");
        assert_eq!(String::from_utf8(kept.passed).unwrap(), passed);
        assert_eq!((report.lines, report.passed, report.events), (7, 3, 2));
    }
    let docker = concat!(
        "{\"log\":\"{\\\"_e\\\":\",\"stream\":\"stdout\",\"time\":\"2026-01-31T12:00:00Z\"}\n",
        "{\"log\":\"err\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-31T12:00:00Z\"}\n",
        "{\"log\":\"1}\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-31T12:00:00Z\"}\n",
    );
    for format in [Format::Docker, Format::Auto] {
        let (kept, _) = read(format, docker);
        assert_eq!(kept.events.len(), 1);
        assert_eq!(String::from_utf8(kept.passed).unwrap(), format!("{}\n", docker.lines().nth(1).unwrap()));
    }
}

#[test]
fn what_waits_is_bounded_and_goes_through_in_order() {
    let settings = Settings { envelope: 100, format: Format::Cri, ..Settings::default() };
    let part = "2026-01-31T12:00:00Z stdout P {\"_e\":1, \n".repeat(2_000);
    let log = format!("{part}2026-01-31T12:00:00Z stderr F x\n2026-01-31T12:00:00Z stdout F }}\n{part}");
    let mut kept = Kept::default();
    let mut vacuum = Vacuum::new(settings).unwrap();
    for byte in log.as_bytes().chunks(100) {
        vacuum.push(byte, &mut kept).unwrap();
        assert!(vacuum.held.len() < 5 * vacuum.longest);
    }
    vacuum.finish(&mut kept).unwrap();
    assert_eq!((kept.events.len(), kept.passed == log.as_bytes()), (0, true));
    assert_eq!(vacuum.report().too_large, 2);
}

#[test]
fn a_line_that_was_given_up_ends_where_it_ends_and_hides_nothing_after_it() {
    const CRI: &str = "2026-01-31T12:00:00Z stdout";
    let docker = |text: &str| {
        let text = Value::from(text).to_json();
        format!("{{\"log\":{text},\"stream\":\"stdout\",\"time\":\"2026-01-31T12:00:00Z\"}}\n")
    };
    // Its end has no mark, and comes when nothing waits any more.
    let cri = format!("{}{CRI} F end\n", format!("{CRI} P {{\"_e\":1,\n").repeat(500));
    let json = format!("{}{}", docker("{\"_e\":1,").repeat(500), docker("end\n"));
    for (log, event) in
        [(cri, format!("{CRI} F {{\"_e\":1,\"n\":1}}\n")), (json, docker("{\"_e\":1,\"n\":1}\n"))]
    {
        for size in [1, 100, 1 << 20] {
            let mut kept = Kept::default();
            let mut vacuum = Vacuum::new(Settings { envelope: 100, ..Settings::default() }).unwrap();
            for piece in [&*log, &*event].concat().as_bytes().chunks(size) {
                vacuum.push(piece, &mut kept).unwrap();
            }
            vacuum.finish(&mut kept).unwrap();
            assert_eq!((kept.events.len(), kept.passed == log.as_bytes()), (1, true), "{size}");
        }
    }
}

#[test]
fn a_text_of_dockers_that_seems_to_end_is_put_together_all_the_same() {
    // The first part ends with the letters `\` and `n`, not with the end of a line.
    let log = concat!(
        "{\"log\":\"{\\\"_e\\\":1,\\\"a\\\":\\\"\\\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-31T12:00:00Z\"}\n",
        "{\"log\":\"\\\"}\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-31T12:00:00Z\"}\n",
        "{\"log\":\"words \\\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-31T12:00:00Z\"}\n",
        "{\"log\":\" words, and {\\\"a\\\":\\\"\\\\n\\\",\\\"stream\\\":1}\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-31T12:00:00Z\"}\n",
        "{\"log\":\"{\\\"_e\\\":1,\\\"a\\\":2}\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-31T12:00:00Z\"}\n",
    );
    for format in [Format::Docker, Format::Auto] {
        let (events, passed) = both(format, log);
        assert_eq!(events.len(), 2, "{events:?}");
        let through: String = log.split_inclusive('\n').skip(2).take(2).collect();
        assert_eq!(passed, through);
    }
}

#[test]
fn a_line_without_end_takes_no_memory() {
    let settings = Settings { envelope: 1000, ..Settings::default() };
    let mut vacuum = Vacuum::new(settings).unwrap();
    struct Count(u64);
    impl Taker for Count {
        fn take(&mut self, _: &Found<'_>) -> Result<Taken> {
            unreachable!()
        }
        fn pass(&mut self, bytes: &[u8]) -> Result<()> {
            self.0 += bytes.len() as u64;
            Ok(())
        }
    }
    let mut count = Count(0);
    let chunk = vec![b'x'; 1 << 20];
    vacuum.push(b"{\"_e", &mut count).unwrap();
    vacuum.push(b"\":1,\"a\":\"", &mut count).unwrap();
    for _ in 0..64 {
        vacuum.push(&chunk, &mut count).unwrap();
        assert!(vacuum.rest.capacity() + vacuum.held.len() < 64 << 10);
    }
    vacuum.push(b"\"}\n{\"a\":1}\n", &mut count).unwrap();
    vacuum.finish(&mut count).unwrap();
    let report = vacuum.report();
    assert_eq!((count.0, report.lines, report.passed, report.too_large), ((64 << 20) + 24, 2, 2, 1));
}

#[test]
fn what_cannot_be_sent_goes_through_and_the_rest_of_the_log_goes_on() {
    /// Takes no event after the first.
    #[derive(Default)]
    struct Full(u64, Vec<u8>);
    impl Taker for Full {
        fn take(&mut self, _: &Found<'_>) -> Result<Taken> {
            self.0 += 1;
            if self.0 > 1 { Err(Error::new(ErrorKind::Backpressure, "full")) } else { Ok(Taken::Sent) }
        }
        fn pass(&mut self, bytes: &[u8]) -> Result<()> {
            self.1.extend_from_slice(bytes);
            Ok(())
        }
    }
    const CRI: &str = "2026-01-31T12:00:00Z stdout";
    let log = format!("a\n{{\"_e\":1}}\n{{\"_e\":1}}\nb\n{CRI} P {{\"_e\":1,\nheld\n{CRI} F \"a\":1}}\nlast");
    let passed = log.replacen("{\"_e\":1}\n", "", 1);
    for size in [1, 7, log.len()] {
        let mut full = Full::default();
        let mut vacuum = Vacuum::new(Settings::default()).unwrap();
        for piece in log.as_bytes().chunks(size) {
            vacuum.push(piece, &mut full).unwrap();
        }
        vacuum.finish(&mut full).unwrap();
        assert_eq!(String::from_utf8(full.1).unwrap(), passed);
        let report = vacuum.report();
        assert_eq!((report.events, report.unsent, report.unsealed(), report.passed), (1, 2, 0, 7));
        assert_eq!(report.first_unsent, Some((2, "backpressure: full".to_owned())));
    }
}

#[test]
fn a_torn_last_line_is_ended_before_another_part_goes_on() {
    let through = |parts: &[&str], envelope| {
        let mut kept = Kept::default();
        let mut vacuum = Vacuum::new(Settings { envelope, ..Settings::default() }).unwrap();
        vacuum.longest = envelope;
        for part in parts {
            vacuum.push(part.as_bytes(), &mut kept).unwrap();
            vacuum.end_part(&mut kept).unwrap();
        }
        vacuum.finish(&mut kept).unwrap();
        (kept.events.len(), String::from_utf8(kept.passed).unwrap(), vacuum.report().lines)
    };
    let said = |events, passed: &str, lines| (events, passed.to_owned(), lines);
    assert_eq!(through(&["a\nto", "b\n"], 1 << 20), said(0, "a\nto\nb\n", 3));
    assert_eq!(through(&["a\nto", "{\"_e\":1}\nb"], 1 << 20), said(1, "a\nto\nb", 4));
    // The event that a torn line is leaves nothing to be ended, and the last line of all stays as it is.
    assert_eq!(through(&["{\"_e\":1}", "{\"_e\":1}", "", "x"], 1 << 20), said(2, "x", 3));
    // Too long to be looked at.
    let long = "y".repeat(200);
    assert_eq!(through(&["a\n", &long, &long, "b\n"], 100), said(0, &format!("a\n{long}\n{long}\nb\n"), 4));
    // Behind a line that waits for its end, which comes in the next part.
    let held = "2026-01-31T12:00:00Z stdout P a\nto";
    let rest = "2026-01-31T12:00:00Z stdout F b\n";
    assert_eq!(through(&[held, rest], 1 << 20), said(0, &format!("{held}\n{rest}"), 3));
}

/// A field of a journal's entry that is given with its length.
fn with_length(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b"\n", &(value.len() as u64).to_le_bytes(), value, b"\n"].concat()
}

#[test]
fn a_journal_is_read_in_its_export_form() {
    const BEGIN: &[u8] = b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1769860800500000\n__MONOTONIC_TIMESTAMP=1\n_BOOT_ID=0\nPRIORITY=4\n_TRANSPORT=stdout\n";
    let entry = |field: &[u8]| [BEGIN, field, b"SYSLOG_IDENTIFIER=app\n\n"].concat();
    let event = entry(b"MESSAGE={\"_e\":1,\"a\":\"b=c\"}\n");
    // What is in a field with a length is none of our lines, whatever it looks like; and 10 is the end of a line.
    let bytes = entry(&with_length("MESSAGE", b"{\"_e\":1,\n\n\"a\":\"b=c\"}"));
    let ten = entry(&with_length("MESSAGE", b"  {\"_e\":1}"));
    assert_eq!(ten[BEGIN.len() + 8..][..8], [10, 0, 0, 0, 0, 0, 0, 0]);
    let other = entry(b"MESSAGE=words\n");
    let inner = entry(&with_length("COREDUMP", b"x\n{\"_e\":1}\n\n"));
    for format in [Format::Journald, Format::Auto] {
        for (log, events) in [(&event, 1), (&bytes, 1), (&ten, 1), (&other, 0), (&inner, 0)] {
            for ending in ["", "after\n"] {
                let log = [&log[..], ending.as_bytes()].concat();
                let (kept, report) = read(format, &log);
                assert_eq!(kept.events.len(), events, "{}", log.escape_ascii());
                let passed = if events == 1 { ending.as_bytes() } else { &log };
                assert_eq!(kept.passed.escape_ascii().to_string(), passed.escape_ascii().to_string());
                assert_eq!(report.formats[Format::Journald as usize], events as u64);
                for cut in 0..log.len() {
                    let settings = Settings { format, ..Settings::default() };
                    assert_eq!(read_cut(settings, &log, &[cut]), (read(format, &log)));
                }
            }
        }
        let (kept, _) = read(format, &event);
        let (_, data, time, _) = &kept.events[0];
        let expected = r#"{"_log":{"format":"journald","level":"warning","stream":"stdout","time":"1769860800500000"},"a":"b=c","index":0}"#;
        assert_eq!(data.to_canonical().unwrap(), expected.as_bytes());
        assert_eq!(time.as_deref(), Some("2026-01-31T12:00:00.500000000Z"));
        // Many, with an entry that is torn at the end of the log, and one without the empty line between.
        let log = [&event[..], &other, &bytes, &event[..event.len() - 1], &event[..event.len() - 1]].concat();
        let (kept, _) = read(format, &log);
        assert_eq!((kept.events.len(), kept.passed == other), (4, true));
    }
    // Nobody said that it is a journal's.
    assert_eq!(read(Format::Plain, &event).0.events.len(), 0);
}

#[test]
fn an_entry_that_is_none_hides_nothing() {
    let huge = [b"MESSAGE\n", &u64::MAX.to_le_bytes()[..], b"\n"].concat();
    let torn = [b"MESSAGE\n", &3_u64.to_le_bytes()[..], b"abcd\n"].concat();
    for not in [b"no field\n".to_vec(), b"=x\n".to_vec(), b"{\"a\":\"=\"}\n".to_vec(), torn, huge] {
        let padding = b"words\n".repeat(400);
        let log = [b"__CURSOR=x\n", &not[..], &padding, b"{\"_e\":1,\"n\":1}\nlast\n"].concat();
        let settings = Settings { envelope: 100, ..Settings::default() };
        let mut kept = Kept::default();
        let mut vacuum = Vacuum::new(settings).unwrap();
        vacuum.longest = 300;
        vacuum.push(&log, &mut kept).unwrap();
        vacuum.finish(&mut kept).unwrap();
        assert_eq!(kept.events.len(), 1, "{}", not.escape_ascii());
        assert_eq!(kept.passed.len(), log.len() - "{\"_e\":1,\"n\":1}\n".len());
    }
}

/// A line of a log, of any wrapper, whole, in parts, hostile or not.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        Just(br#"{"_e":1,"a":"x"}"#.to_vec()),
        Just(br#"{"a":[1,{"_e":1}],"_e":1}"#.to_vec()),
        Just(br#"{"_e":1,"#.to_vec()),
        Just(br#""b":2}"#.to_vec()),
        Just(br#"{"_e":1,"refuse":1}"#.to_vec()),
        Just(b"words \"_e\" words".to_vec()),
        proptest::collection::vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n'), 0..40),
    ];
    (text, 0..9_u8, any::<bool>()).prop_map(|(text, wrapper, flip)| {
        let stream = if flip { "stdout" } else { "stderr" };
        let quoted = |text: &[u8]| Value::from(&*String::from_utf8_lossy(text)).to_json();
        match wrapper {
            0 => [format!("2026-01-31T12:00:00Z {stream} F ").as_bytes(), &text].concat(),
            1 => [format!("2026-01-31T12:00:00Z {stream} P ").as_bytes(), &text].concat(),
            2 => {
                let text = if flip { [&*text, b"\n"].concat() } else { text };
                format!(r#"{{"log":{},"stream":"stdout","time":"x"}}"#, quoted(&text)).into_bytes()
            }
            3 => format!(r#"{{"MESSAGE":{},"__REALTIME_TIMESTAMP":"1"}}"#, quoted(&text)).into_bytes(),
            4 => [b"__CURSOR=x\n__REALTIME_TIMESTAMP=1\nMESSAGE=", &*text, b"\n"].concat(),
            5 => [b"__CURSOR=x\n", &*with_length("MESSAGE", &text)].concat(),
            _ => text,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// However the stream is cut, it is the same; and every line is taken or goes through, in order.
    #[test]
    fn cuts_change_nothing_and_nothing_is_lost(
        lines in proptest::collection::vec(line(), 0..20),
        format in 0..Format::ALL.len(),
        cuts in proptest::collection::vec(0..600_usize, 0..12),
        small in any::<bool>(),
    ) {
        let log = lines.join(&b'\n');
        let mut cuts = cuts;
        cuts.sort_unstable();
        let settings = Settings {
            format: Format::ALL[format],
            // So small that what waits is given up.
            envelope: if small { 1 } else { 1 << 20 },
            ..Settings::default()
        };
        let mut vacuum = Vacuum::new(settings.clone()).unwrap();
        if small {
            vacuum.longest = 60;
        }
        let mut whole = Kept::default();
        vacuum.push(&log, &mut whole).unwrap();
        vacuum.finish(&mut whole).unwrap();
        let report = vacuum.report().clone();

        let mut vacuum = Vacuum::new(settings).unwrap();
        if small {
            vacuum.longest = 60;
        }
        let mut cut = Kept::default();
        let mut from = 0;
        for to in cuts.into_iter().filter(|to| *to <= log.len()) {
            vacuum.push(&log[from..to], &mut cut).unwrap();
            from = to;
        }
        vacuum.push(&log[from..], &mut cut).unwrap();
        vacuum.finish(&mut cut).unwrap();
        prop_assert_eq!(&whole, &cut);
        prop_assert_eq!(&report, vacuum.report());

        // What went through is the log without some of its lines.
        let mut passed = whole.passed.split_inclusive(|byte| *byte == b'\n').peekable();
        let mut missing = 0_u64;
        for line in log.split_inclusive(|byte| *byte == b'\n') {
            if passed.peek() == Some(&line) { passed.next(); } else { missing += 1; }
        }
        prop_assert!(passed.next().is_none(), "something went through that was not there");
        prop_assert!(missing >= report.events);
        prop_assert_eq!(report.lines, missing + report.passed);
    }
}
