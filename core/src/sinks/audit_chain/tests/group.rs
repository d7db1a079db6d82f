//! Counting and adding up.

use super::*;
use crate::error::ErrorKind;
use crate::json::parse;

/// A log in which each event has one of these as its data.
fn log_of(all: &[&str]) -> Log {
    let mut log = Log::new();
    let mut sealer = Sealer::new(1);
    let batch: Vec<_> = all.iter().map(|data| sealed(&mut sealer, data)).collect();
    log.deliver(&batch);
    log
}

fn sealed(sealer: &mut Sealer, data: &str) -> Envelope {
    let data = parse(data.as_bytes()).unwrap().members().to_vec();
    sealer.seal(Said { event_type: Some("com.example.ledger"), data, ..Said::default() })
}

fn ask(log: &Log, arguments: &str) -> crate::Result<String> {
    let answer = call(&log.path, "group", &parse(arguments.as_bytes()).unwrap())?;
    Ok(answer.get("groups").unwrap().to_json())
}

#[test]
fn events_count_by_what_they_have() {
    let log = log_of(&[
        r#"{"a":"x","v":0.1}"#,
        r#"{"a":"x","v":0.2}"#,
        r#"{"a":1,"v":"9007199254740993"}"#,
        r#"{"a":"1","v":-1}"#,
        r#"{"a":null}"#,
        r#"{"v":"seven"}"#,
        r#"{"a":[1,{"b":"c"}],"v":true}"#,
    ]);
    // A string is no number, and what is not there is not null. A sum is exact, also of numbers written as strings.
    let expected = concat!(
        r#"[{"by":{"a":"x"},"count":2,"sum":{"v":{"sum":"0.3","numbers":2,"others":0}}},"#,
        r#"{"by":{"a":"1"},"count":1,"sum":{"v":{"sum":"-1","numbers":1,"others":0}}},"#,
        r#"{"by":{},"count":1,"sum":{"v":{"sum":"0","numbers":0,"others":1}}},"#,
        r#"{"by":{"a":1},"count":1,"sum":{"v":{"sum":"9007199254740993","numbers":1,"others":0}}},"#,
        r#"{"by":{"a":[1,{"b":"c"}]},"count":1,"sum":{"v":{"sum":"0","numbers":0,"others":1}}},"#,
        r#"{"by":{"a":null},"count":1,"sum":{"v":{"sum":"0","numbers":0,"others":0}}}]"#,
    );
    assert_eq!(ask(&log, r#"{"by":["a"],"sum":["v"]}"#).unwrap(), expected);
    let one = |arguments: &str, expected: &str| {
        assert_eq!(ask(&log, arguments).unwrap(), expected, "{arguments}");
    };
    one("{}", r#"[{"by":{},"count":7,"sum":{}}]"#);
    one(r#"{"where":{"a":"1"}}"#, r#"[{"by":{},"count":2,"sum":{}}]"#);
    one(r#"{"where":{"a":1,"v":-1}}"#, r#"[{"by":{},"count":1,"sum":{}}]"#);
    one(r#"{"where":{"a":null}}"#, r#"[{"by":{},"count":1,"sum":{}}]"#);
    one(r#"{"has":["a"]}"#, r#"[{"by":{},"count":6,"sum":{}}]"#);
    one(
        r#"{"has":["a"],"by":["/data/a/1/b"],"where":{"v":true}}"#,
        r#"[{"by":{"/data/a/1/b":"c"},"count":1,"sum":{}}]"#,
    );
    one(
        r#"{"by":["/type","/severitynumber"]}"#,
        r#"[{"by":{"/type":"com.example.ledger","/severitynumber":9},"count":7,"sum":{}}]"#,
    );
    // Nothing that fits is no group, and no event at all is one of none.
    one(r#"{"by":["a"],"where":{"a":"none"}}"#, "[]");
    one(
        r#"{"sum":["v"],"run":"none"}"#,
        r#"[{"by":{},"count":0,"sum":{"v":{"sum":"0","numbers":0,"others":0}}}]"#,
    );
    one(r#"{"type":"*.ledger","after":4}"#, r#"[{"by":{},"count":2,"sum":{}}]"#);
    one(
        r#"{"since":"2026-01-01T00:00:03Z","until":"2026-01-01T00:00:05Z"}"#,
        r#"[{"by":{},"count":2,"sum":{}}]"#,
    );
}

#[test]
fn a_member_may_be_called_anything() {
    let names = [
        "a.b",
        "/",
        "~",
        "~1",
        "'); DROP TABLE leaf; --",
        "\u{0}",
        "\u{202e}",
        "*",
        "0",
        "a=b",
        "data",
        "\"",
        "$.x",
    ];
    for name in names {
        let data = Value::Object(vec![(name.to_owned(), "kept".into())]).to_json();
        let log = log_of(&[&data, r#"{"other":1}"#]);
        let pointer = format!("/data/{}", name.replace('~', "~0").replace('/', "~1"));
        for member in [name, &pointer] {
            if member == "/" {
                continue;
            }
            let list = Value::Array(vec![member.into()]).to_json();
            let found = call(
                &log.path,
                "group",
                &parse(format!(r#"{{"by":{list},"has":{list}}}"#).as_bytes()).unwrap(),
            );
            let found = found.unwrap();
            let groups = found.get("groups").unwrap().items();
            assert_eq!(groups.len(), 1, "{member:?}");
            assert_eq!(groups[0].get("by").unwrap().get(member), Some(&Value::from("kept")), "{member:?}");
        }
        assert!(log.verify().sound());
    }
}

#[test]
fn an_event_that_came_again_counts_once() {
    let mut log = Log::new();
    let mut first = Sealer::new(1);
    let one = sealed(&mut first, r#"{"v":1}"#);
    log.deliver(&[one.clone(), one.clone()]);
    // After a crash, in a stream of its own: the same event under the same id.
    let mut again = Sealer::new(1);
    again.streamid = Uuid::v7(START, [9; 16]);
    again.id = Some(one.id.to_string());
    log.deliver(&[sealed(&mut again, r#"{"v":1}"#)]);
    // The same id from another agent is another event.
    let mut other = Sealer::new(2);
    other.id = Some(one.id.to_string());
    log.deliver(&[sealed(&mut other, r#"{"v":5}"#)]);
    let groups = log.db().group(
        &Filter::default(),
        &Grouping { sum: vec![Member::read("v").unwrap()], ..Grouping::default() },
    );
    let groups = groups.unwrap();
    assert_eq!((groups.events, groups.repeated, groups.erased), (2, 1, 0));
    assert_eq!(groups.groups[0].sums[0].sum, "6");
}

#[test]
fn what_retention_erased_is_in_no_group_and_is_told() {
    let mut log = Log::new();
    let mut sealer = Sealer::new(1);
    let all = sealer.some(20);
    log.deliver(&all);
    let handle = log.sink.handle();
    let ranges = handle.plan_retention(all[5].recordedtime, u64::MAX).unwrap();
    let announced = retention::announce(&mut sealer, &ranges);
    log.deliver(std::slice::from_ref(&announced));
    handle.apply_retention(&announced.hash).unwrap();
    let filter = Filter { event_type: Some("tool.*".into()), ..Filter::default() };
    let groups = log.db().group(&filter, &Grouping::default()).unwrap();
    assert_eq!((groups.events, groups.groups[0].count, groups.erased), (15, 15, 5));
}

#[test]
fn what_is_beyond_a_bound_is_an_error() {
    let all: Vec<String> =
        (0..34).map(|n| format!(r#"{{"n":{n},"t":"{}{n}"}}"#, "x".repeat(1 << 20))).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let log = log_of(&all);
    let error = |arguments: &str| {
        let e = ask(&log, arguments).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{e}");
        (e.place().map(str::to_owned), e.to_string())
    };
    assert!(ask(&log, r#"{"by":["n"],"groups":34}"#).is_ok());
    let (place, text) = error(r#"{"by":["n"],"groups":33}"#);
    assert_eq!(place.as_deref(), Some("groups"));
    assert!(text.contains("more than 33 groups"), "{text}");
    let (place, text) = error(r#"{"by":["t"]}"#);
    assert_eq!(place.as_deref(), Some("by"));
    assert!(text.contains("64 MiB"), "{text}");
    let many: Vec<String> = (0..17).map(|n| format!(r#""m{n}""#)).collect();
    for (arguments, place) in [
        (r#"{"by":"n"}"#.to_owned(), "by"),
        (r#"{"by":[1]}"#.to_owned(), "by[0]"),
        (r#"{"by":["n",""]}"#.to_owned(), "by[1]"),
        (r#"{"sum":["/data/~2"]}"#.to_owned(), "sum[0]"),
        (r#"{"sum":["/data/~"]}"#.to_owned(), "sum[0]"),
        (r#"{"by":["n","/data/n"]}"#.to_owned(), "by"),
        (format!(r#"{{"has":[{}]}}"#, many.join(",")), "has"),
        (r#"{"where":["n"]}"#.to_owned(), "where"),
        (r#"{"where":{"n":[1]}}"#.to_owned(), "where.n"),
        (r#"{"groups":0}"#.to_owned(), "groups"),
        (r#"{"groups":100001}"#.to_owned(), "groups"),
        (r#"{"limit":1}"#.to_owned(), "limit"),
        (r#"{"since":"48 years"}"#.to_owned(), "since"),
    ] {
        assert_eq!(error(&arguments).0.as_deref(), Some(place), "{arguments}");
    }
}
