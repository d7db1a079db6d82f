//! The questions that the vacuum was made for, asked of what a sandbox printed: of the audit database, and of what arrives at
//! Honeycomb, grouped as Honeycomb would.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use common::Place;
use sinkwell::json::{Value, parse};

/// `tests/honeycomb/double.py`; it ends with its standard input.
struct Double {
    child: Child,
    address: String,
}

impl Double {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/honeycomb/double.py");
        let mut command = Command::new("python3");
        let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let address = url.trim().strip_prefix("http://").unwrap().to_owned();
        Self { child, address }
    }

    fn events(&self) -> Vec<Value> {
        let mut to = TcpStream::connect(&self.address).unwrap();
        to.write_all(b"GET /_kept HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        to.read_to_string(&mut text).unwrap();
        let kept = parse(text.split_once("\r\n\r\n").unwrap().1.as_bytes()).unwrap();
        let all = kept.get("events").unwrap().items().iter().map(|event| event.get("data").unwrap().clone());
        all.filter(|columns| columns.get("type") == Some(&"dev.sinkwell.vacuum.event".into())).collect()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A line at so many hours ago.
fn line(hours: u64, members: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    format!("{{\"_e\":1,\"timestamp\":{},{members}}}\n", now - hours * 3600)
}

/// What two messages to a process made it print.
fn logs() -> [(u64, String); 2] {
    let error = |hours, nonce_of: &str, reason: &str| {
        line(
            hours,
            &format!(
                r#""handler":"transfer","level":"error","sender":"{nonce_of}","action":"transfer","reason":"{reason}""#
            ),
        )
    };
    let transfer = |hours, sender: &str, value: &str| {
        line(
            hours,
            &format!(r#""handler":"transfer","sender":"{sender}","action":"transfer","value":{value}"#),
        )
    };
    let first = [
        "starting\n".to_owned(),
        transfer(50, "alice", "1000"),
        transfer(47, "alice", "0.1"),
        transfer(1, "bob", "0.2"),
        error(1, "bob", "insufficient funds"),
        error(1, "bob", "insufficient funds"),
        line(1, r#""handler":"info""#),
    ];
    let second = [
        // More than a double holds: it comes as a string.
        transfer(0, "carol", "9007199254740993"),
        error(0, "bob", "insufficient funds"),
        error(0, "carol", "not \\\"allowed\\\"\\u001b[31m"),
        line(0, r#""handler":"info""#),
        "plain\n".to_owned(),
    ];
    [(41, first.concat()), (42, second.concat())]
}

/// Counts by the texts of columns, as `COUNT GROUP BY` does.
fn counted(events: &[Value], by: &[&str]) -> BTreeMap<Vec<String>, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        let of = |name: &&str| event.get(name).map_or("-".to_owned(), Value::to_json);
        *counts.entry(by.iter().map(of).collect()).or_default() += 1;
    }
    counts
}

#[test]
fn the_three_questions_are_answered() {
    let place = Place::new("questions");
    let double = Double::start();
    place.write(
        "sinkwell.yaml",
        format!(
            "agent: {{ id: 'urn:example:sandbox' }}\nkey: {{ id: k1, hmac_sha256: {{ file: agent.key }} }}\nheartbeat: off\nlanes:\n  - {{ id: audit, sink: {{ audit_chain: {{ path: audit.db }} }} }}\n  - {{ id: honeycomb, sink: {{ honeycomb: {{ api_key: hcaik_01abcdefghijklmnopqrstuvwxyz, dataset: sandbox, api_host: 'http://{}', compression: gzip }} }} }}\n",
            double.address
        ),
    );
    let send = |nonce: u64, log: &str| {
        let path = place.write("app.log", log);
        let nonce = nonce.to_string();
        let sent = place.run(&[
            "vacuum",
            "--config",
            "sinkwell.yaml",
            "--process",
            "ao-1",
            "--nonce",
            &nonce,
            &path,
        ]);
        assert_eq!(sent.status, Some(0), "{}", sent.err);
        assert!(!sent.out.contains("_e"), "{}", sent.out);
    };
    for (nonce, log) in logs() {
        send(nonce, &log);
    }
    let arrived = double.events();
    assert_eq!(arrived.len(), 10);
    // A crash sent the second log again, to both.
    send(42, &logs()[1].1);
    let ask = |arguments: &[&str]| {
        let asked =
            place.run(&[&["audit", "query", "audit.db", "--type", "vacuum.event"], arguments].concat());
        assert_eq!(asked.status, Some(0), "{}", asked.err);
        asked.out
    };

    // Errors, grouped by nonce, sender, action and reason.
    let by = ["--by", "nonce", "--by", "sender", "--by", "action", "--by", "reason"];
    let errors = [&["--where", "level=error"][..], &by].concat();
    assert_eq!(
        ask(&errors),
        concat!(
            "count  nonce  sender  action    reason\n",
            "    2  41     bob     transfer  insufficient funds\n",
            "    1  42     bob     transfer  insufficient funds\n",
            "    1  42     carol   transfer  not \"allowed\"\\u{1b}[31m\n",
            "4 events in 3 groups; 2 came again and count once\n"
        )
    );
    let failed: Vec<Value> =
        arrived.iter().filter(|event| event.get("level") == Some(&"error".into())).cloned().collect();
    let counts = counted(&failed, &["nonce", "sender", "action", "reason"]);
    let key = |texts: [&str; 4]| texts.map(str::to_owned).to_vec();
    let funds = "\"insufficient funds\"";
    assert_eq!(counts.len(), 3);
    assert_eq!(counts[&key(["41", "\"bob\"", "\"transfer\"", funds])], 2);
    assert_eq!(counts[&key(["42", "\"bob\"", "\"transfer\"", funds])], 1);

    // The total value transferred in the last 48 hours, to the last digit.
    let total = ["--since", "48h", "--where", "action=transfer", "--has", "value", "--sum", "value"];
    assert_eq!(
        ask(&total),
        "count               value\n    3  9007199254740993.3\n3 events in 1 groups; 1 came again and count once\n"
    );
    let json = ask(&[&total[..], &["--format", "json"]].concat());
    let json = parse(json.as_bytes()).unwrap();
    assert_eq!(
        json.get("groups").unwrap().to_json(),
        r#"[{"by":{},"count":3,"sum":{"value":{"numbers":3,"others":0,"sum":"9007199254740993.3"}}}]"#
    );
    // Honeycomb adds up doubles, and a column of numbers: what no double holds is there as text, not as a wrong number.
    let recent: Vec<&Value> = arrived
        .iter()
        .filter(|event| event.get("value").is_some())
        .filter(|event| event.get("timestamp").unwrap().as_i64() > logs_since())
        .collect();
    let values: Vec<String> = recent.iter().map(|event| event.get("value").unwrap().to_json()).collect();
    assert_eq!(values, ["0.1", "0.2", "\"9007199254740993\""]);

    // How often each handler ran.
    assert_eq!(
        ask(&["--by", "handler"]),
        "count  handler\n    8  transfer\n    2  info\n10 events in 2 groups; 4 came again and count once\n"
    );
    let ran = counted(&arrived, &["handler"]);
    assert_eq!((ran[&vec!["\"transfer\"".to_owned()]], ran[&vec!["\"info\"".to_owned()]]), (8, 2));
    // What came twice is the same event for it, too.
    let ids = |events: &[Value]| counted(events, &["id"]);
    let again = double.events();
    assert_eq!((again.len(), ids(&again).len()), (14, 10));

    place.run(&["verify", "--key", &place.key(), &place.path("audit.db")]).ends(0);
    for (arguments, says) in [
        (&["--where", "level=error"][..], "--by"),
        (&["--count", "--where", "level"], "MEMBER=VALUE"),
        (&["--count", "--limit", "3"], "--limit"),
        (&["--by", "handler", "--groups", "1"], "more than 1 groups"),
        (&["--count", "--since", "yesterday"], "48h"),
    ] {
        let asked = place.run(&[&["audit", "query", "audit.db"], arguments].concat());
        assert_eq!((asked.status, asked.err.contains(says)), (Some(2), true), "{arguments:?}: {}", asked.err);
    }
}

/// 48 hours ago.
fn logs_since() -> Option<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now - 48 * 3600).ok()
}
