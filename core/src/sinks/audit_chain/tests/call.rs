//! The operations as JSON: they give the same answers as the functions, and an error names the wrong argument.

use super::*;
use crate::error::ErrorKind;
use crate::json::parse;

fn ask(log: &Log, operation: &str, arguments: &str) -> crate::Result<Value> {
    call(&log.path, operation, &parse(arguments.as_bytes()).unwrap())
}

#[test]
fn the_answers_are_those_of_the_functions() {
    let mut log = Log::new();
    let mut sealer = Sealer::new(1);
    let all = sealer.some(25);
    log.deliver(&all);
    let (db, id) = (log.db(), all[7].id.clone());
    let proof = db.prove(&Locator::Index(7), None).unwrap().to_value();
    let stream = all[7].streamid;
    for arguments in [
        format!(r#"{{"id":"{id}"}}"#),
        r#"{"index":7,"id":null}"#.to_owned(),
        format!(r#"{{"stream":"{stream}","sequence":8}}"#),
    ] {
        assert_eq!(ask(&log, "prove", &arguments).unwrap(), proof);
    }
    let shorter = db.prove(&Locator::Index(7), Some(9)).unwrap().to_value();
    assert_eq!(ask(&log, "prove", r#"{"index":7,"size":9}"#).unwrap(), shorter);
    assert_eq!(
        ask(&log, "consistency", r#"{"old":9}"#).unwrap(),
        db.consistency(9, None).unwrap().to_value()
    );
    let note = ask(&log, "head", "null").unwrap();
    let note = note.get("note").unwrap();
    let heads = Value::Object(vec![("heads".into(), Value::Array(vec![note.clone()]))]).to_json();
    let report = ask(&log, "verify", &heads).unwrap();
    assert_eq!(report.get("verdict").and_then(Value::as_str), Some("sound"));
    let found = ask(&log, "query", r#"{"run":"run-1","limit":3,"type":"tool.*"}"#).unwrap();
    assert_eq!(found.items().len(), 3);
    let to = log.dir.path().join("export.ndjson");
    let lines = ask(&log, "export", &format!(r#"{{"to":"{}"}}"#, to.display())).unwrap();
    assert_eq!(lines.get("lines"), Some(&Value::Int(25)));
    assert_eq!(std::fs::read_to_string(to).unwrap().lines().collect::<Vec<_>>(), log.lines());
}

#[test]
fn what_is_asked_wrongly_is_named() {
    let mut log = Log::new();
    log.deliver(&Sealer::new(1).some(3));
    for (operation, arguments, place) in [
        ("erase", "{}", None),
        ("head", "[]", None),
        ("head", r#"{"key":"a.pem"}"#, Some("key")),
        ("prove", "{}", None),
        ("prove", r#"{"index":1,"id":"00000000-0000-7000-8000-000000000000"}"#, None),
        ("prove", r#"{"index":-1}"#, Some("index")),
        ("prove", r#"{"id":"17"}"#, None),
        ("prove", r#"{"id":""}"#, Some("id")),
        ("consistency", "{}", Some("old")),
        ("query", r#"{"since":"yesterday"}"#, Some("since")),
        ("query", r#"{"run":17}"#, Some("run")),
        ("verify", r#"{"heads":[17]}"#, Some("heads[0]")),
        ("export", "{}", Some("to")),
        ("export", r#"{"to":"/proc/none"}"#, Some("/proc/none")),
    ] {
        let e = ask(&log, operation, arguments).unwrap_err();
        assert_eq!(
            (e.kind(), e.place()),
            (ErrorKind::InvalidArgument, place),
            "{operation} {arguments}: {e}"
        );
    }
}
