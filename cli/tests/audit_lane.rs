//! An emitter with an audit chain: heads announced, old envelopes erased as policy says, and everything that
//! was proved before still proved, by the command and by programs that share no code with it.

mod common;

use common::{Place, at, kinds, text};
use sinkwell::json::{Value, parse};

/// An audit chain that keeps ninety days, and a lane of class `siem` that hears of it.
fn config(clock: &str) -> String {
    format!(
        "testing: {{ clock: \"{clock}\", step: 1s, seed: {} }}\nlanes:\n\
         - {{ id: audit, sink: {{ audit_chain: {{ path: audit.db, retention: {{ policy: ninety-days, max_age: 90d }} }} }} }}\n\
         - {{ id: siem, classes: [siem], sink: {{ host: siem }} }}\n",
        clock[..4].parse::<u16>().unwrap()
    )
}

/// The data of the own envelopes that say `action`.
fn said(place: &Place, file: &str, action: &str) -> Vec<Value> {
    let all = place.read(file);
    let own = all.lines().map(|line| parse(line.as_bytes()).unwrap());
    own.filter(|e| e.get("origin").is_some())
        .map(|e| at(&e, "data").clone())
        .filter(|data| data.get("action").and_then(Value::as_str) == Some(action))
        .collect()
}

fn audit(place: &Place, arguments: &[&str], status: i32) -> Value {
    place.run(&[&["audit"], arguments, &["--format", "json"]].concat()).ends(status).json()
}

#[test]
fn heads_are_announced_to_siem_lanes_and_are_of_the_log() {
    let place = Place::new("heads");
    place.emitted(&config("2026-01-01T00:00:00Z"), 20);
    let heads = said(&place, "siem.ndjson", "tree_head");
    let last = heads.last().expect("a head was announced");
    assert_eq!(text(last, "lane"), "audit");
    // The note is the head, as the command and the independent program read it; the log has grown by `closed`.
    assert!(matches!(at(last, "size"), Value::Int(21..=22)), "{last:?}");
    place.write("head.note", text(last, "note"));
    let report = audit(&place, &["verify", "audit.db", "--head", "head.note"], 0);
    assert_eq!(text(&report, "verdict"), "sound");
    place.write("export.ndjson", place.run(&["audit", "export", "audit.db"]).ends(0).out);
    let (good, told) = place.independent(&["merkle.py", "export", "export.ndjson", "head.note"]);
    assert!(good && told.contains("is of this log"), "{told}");
    assert!(said(&place, "export.ndjson", "tree_head").is_empty(), "a log is not told of itself");
}

#[test]
fn what_retention_erased_leaves_every_proof_and_says_so_itself() {
    let place = Place::new("retention");
    place.emitted(&config("2025-01-01T00:00:00Z"), 30);
    let before = audit(&place, &["head", "audit.db"], 0);
    place.write("before.note", text(&before, "note"));
    let line = place.run(&["audit", "export", "audit.db"]).ends(0).out.lines().nth(7).unwrap().to_owned();
    let id = text(&parse(line.as_bytes()).unwrap(), "id").to_owned();
    let proof = place.run(&["audit", "prove", "audit.db", "--id", &id, "--format", "json"]).ends(0).out;
    place.write("proof.json", &proof);
    place.write("envelope.json", &line);

    // Half a year later what the first process wrote is too old; what this one writes is not.
    place.emitted(&config("2025-07-01T00:00:00Z"), 10);
    let export = place.run(&["audit", "export", "audit.db"]).ends(0).out;
    place.write("export.ndjson", &export);
    let stubs = export.lines().filter(|line| line.contains("\"stub\"")).count();
    assert_eq!(stubs, 30, "every event of the first process, none of its own envelopes");
    let announced = said(&place, "export.ndjson", "retention");
    assert_eq!(announced.len(), 1, "{announced:?}");
    assert_eq!(text(&announced[0], "policy"), "ninety-days");
    assert_eq!(at(&announced[0], "ranges").items().len(), 1);
    assert!(
        !export.contains("\"n\":3,") || export.matches("\"n\":3,").count() == 1,
        "one is erased, one is new"
    );

    // The database, the head kept elsewhere, and the proof made before all hold.
    let report = audit(&place, &["verify", "audit.db", "--head", "before.note"], 0);
    assert_eq!((text(&report, "verdict"), at(&report, "erased")), ("sound", &Value::Int(30)));
    let (good, told) = place.independent(&["merkle.py", "proof", "proof.json", "envelope.json"]);
    assert!(good && told.contains("about this envelope"), "{told}");
    let (good, told) = place.independent(&["merkle.py", "export", "export.ndjson", "before.note"]);
    assert!(good && told.contains("is of this log"), "{told}");
    // Proofs of an erased leaf, and that the log was only added to, are made as before.
    let size = at(&before, "size").as_i64().unwrap().to_string();
    for arguments in [&["prove", "audit.db", "--index", "7"][..], &["consistency", "audit.db", &size]] {
        place.write("again.json", audit(&place, arguments, 0).to_json());
        let (good, told) = place.independent(&["merkle.py", "proof", "again.json"]);
        assert!(good, "{arguments:?}: {told}");
    }
    let again = audit(&place, &["prove", "audit.db", "--index", "7", "--size", &size], 0);
    assert_eq!(again, parse(proof.trim().as_bytes()).unwrap(), "the same proof");
    assert_eq!(
        audit(&place, &["query", "audit.db", "--run", "r-1", "--limit", "1"], 0).get("index"),
        Some(&Value::Int(35))
    );

    // Both verifiers: what is missing is what was announced.
    let key = place.key();
    for input in ["export.ndjson", "audit.db"] {
        let report = place.run(&["verify", "--key", &key, "--format", "json", input]).ends(0).json();
        assert_eq!((text(&report, "verdict"), at(&report, "erased")), ("incomplete", &Value::Int(30)));
        assert_eq!(kinds(&report), ["erased"]);
    }
    let (good, told) = place.independent(&["verify.py", &key, "export.ndjson"]);
    let report = parse(told.trim().as_bytes()).unwrap();
    assert!(good, "{told}");
    assert_eq!((text(&report, "verdict"), at(&report, "erased")), ("incomplete", &Value::Int(30)));

    // With the announcement taken out of the export, the stubs have no warrant.
    let unannounced: String = export
        .lines()
        .filter(|line| !line.contains("\"retention\""))
        .map(|line| line.to_owned() + "\n")
        .collect();
    place.write("unannounced.ndjson", unannounced);
    let report =
        place.run(&["verify", "--key", &key, "--format", "json", "unannounced.ndjson"]).ends(1).json();
    assert!(kinds(&report).contains(&"removed"), "{:?}", kinds(&report));
    let (good, told) = place.independent(&["verify.py", &key, "unannounced.ndjson"]);
    assert!(!good && told.contains("\"removed\""), "{told}");
}

#[test]
fn an_erasure_behind_the_logs_back_is_found() {
    let place = Place::new("behind");
    place.emitted(&config("2026-01-01T00:00:00Z"), 10);
    let key = place.key();
    assert_eq!(text(&audit(&place, &["verify", "audit.db"], 0), "verdict"), "sound");
    // Whoever may write the file can drop its triggers.
    let db = rusqlite::Connection::open(place.path("audit.db")).unwrap();
    db.execute_batch("DELETE FROM envelope WHERE leaf = 5").expect_err("the trigger refuses");
    let triggers: Vec<(String, String)> = db
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (name, _) in &triggers {
        db.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    db.execute_batch("DELETE FROM envelope WHERE leaf = 5").unwrap();
    let found = |report: &Value| -> Vec<String> {
        at(report, "findings").items().iter().map(|f| text(f, "kind").to_owned()).collect()
    };
    let report = audit(&place, &["verify", "audit.db"], 1);
    assert!(
        found(&report).contains(&"removed".into()) && found(&report).contains(&"schema".into()),
        "{report:?}"
    );
    // Even with a stub in its place and the triggers as they were.
    db.execute_batch("INSERT INTO stub VALUES (5, '')").unwrap();
    for (_, sql) in &triggers {
        db.execute_batch(sql).unwrap();
    }
    drop(db);
    let report = audit(&place, &["verify", "audit.db"], 1);
    assert_eq!(found(&report), ["removed", "altered"], "{report:?}");
    assert_eq!(at(&report, "findings.0.index"), &Value::Int(5));
    // The export shows it to who has the key alone.
    let run = place.run(&["verify", "--key", &key, "--format", "json", "audit.db"]).ends(1);
    assert_eq!(kinds(&run.json()), ["removed"], "{}", run.out);
    let said = place.run(&["audit", "verify", "audit.db"]).ends(1).out;
    assert!(said.starts_with("findings") && said.contains("removed"), "{said}");
}
