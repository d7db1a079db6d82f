//! `sinkwell vacuum` as a person runs it.

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use common::{Place, Run};
use sinkwell::json::{Value, parse};

const CONFIG: &str = "agent: { id: 'urn:example:sandbox' }\nkey: { id: k1, hmac_sha256: { file: agent.key } }\nheartbeat: off\nlanes: [{ id: kept, sink: { file: { path: kept.ndjson } } }, { id: other, sink: { file: { path: other.ndjson } } }]\n";

const LOG: &str = concat!(
    "starting\r\n",
    "{\"_e\":1,\"action\":\"transfer\",\"value\":7}\n",
    "{\"level\":\"info\"}\n",
    "2026-01-31T12:00:00Z stdout F {\"_e\":1,\"action\":\"mint\"}\n",
    "torn {\"_e\":1"
);
const PASSED: &str = "starting\r\n{\"level\":\"info\"}\ntorn {\"_e\":1";

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinkwell"));
    command
        .arg("vacuum")
        .args(arguments)
        .current_dir(place.path(""))
        .env_remove("SINKWELL_CONFIG")
        .env_remove("SINKWELL_VACUUM_TRANSPORTS")
        .env_remove("EVENT_VACUUM_TRANSPORTS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn feed(mut command: Command, input: &[u8]) -> Run {
    let mut child = command.spawn().unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input);
    let out = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { status: out.status.code(), out: text(out.stdout), err: text(out.stderr) }
}

fn run(place: &Place, arguments: &[&str], input: &str) -> Run {
    feed(command(place, arguments), input.as_bytes())
}

/// The events in a file of envelopes, sinkwell's own aside.
fn events(place: &Place, name: &str) -> Vec<Value> {
    let lines = place.read(name);
    let values = lines.lines().map(|line| parse(line.as_bytes()).unwrap());
    values.filter(|envelope| envelope.get("origin").is_none()).collect()
}

#[test]
fn events_are_sealed_and_the_rest_goes_through() {
    let place = Place::new("vacuum");
    place.write("sinkwell.yaml", CONFIG);
    let arguments = ["--config", "sinkwell.yaml", "--process", "ao-1", "--nonce", "41"];
    let run = run(&place, &arguments, LOG);
    assert_eq!((run.status, &*run.out), (Some(0), PASSED), "{}", run.err);
    assert_eq!(run.err, "sinkwell: 5 lines: 2 events (flagged lines: 1 plain, 1 cri), 3 passed\n");
    for name in ["kept.ndjson", "other.ndjson"] {
        let events = events(&place, name);
        assert_eq!(events.len(), 2);
        let data =
            |at: usize| String::from_utf8(events[at].get("data").unwrap().to_canonical().unwrap()).unwrap();
        assert_eq!(data(0), r#"{"action":"transfer","index":1,"nonce":41,"process":"ao-1","value":7}"#);
        assert_eq!(
            data(1),
            r#"{"_log":{"format":"cri","stream":"stdout","time":"2026-01-31T12:00:00Z"},"action":"mint","index":3,"nonce":41,"process":"ao-1"}"#
        );
        let id = |at: usize| events[at].get("id").unwrap().as_str().unwrap().to_owned();
        assert_eq!([id(0), id(1)], ["ao-1/41/1", "ao-1/41/3"]);
        assert_eq!(events[1].get("time"), Some(&Value::from("2026-01-31T12:00:00.000000000Z")));
    }
    let key = place.key();
    place.run(&["verify", "--key", &key, &place.path("kept.ndjson")]).ends(0);
}

#[test]
fn a_dry_run_shows_what_it_would_send() {
    let place = Place::new("vacuum-dry");
    let arguments = ["--dry-run", "--process", "p", "--nonce", "0", "--json"];
    let run = run(&place, &arguments, LOG);
    assert_eq!(run.status, Some(0), "{}", run.err);
    assert_eq!(
        run.out,
        concat!(
            "{\"data\":{\"action\":\"transfer\",\"index\":1,\"nonce\":0,\"process\":\"p\",\"value\":7},\"id\":\"p/0/1\",\"type\":\"vacuum.event\"}\n",
            "{\"data\":{\"_log\":{\"format\":\"cri\",\"stream\":\"stdout\",\"time\":\"2026-01-31T12:00:00Z\"},\"action\":\"mint\",\"index\":3,\"nonce\":0,\"process\":\"p\"},\"id\":\"p/0/3\",\"time\":\"2026-01-31T12:00:00.000000000Z\",\"type\":\"vacuum.event\"}\n",
        )
    );
    let report = parse(run.err.trim().as_bytes()).unwrap();
    assert_eq!(report.get("events"), Some(&Value::Int(2)));
    assert_eq!(report.get("formats").unwrap().to_json(), r#"{"plain":1,"cri":1}"#);
}

#[test]
fn it_is_off_until_somebody_says_where_events_go() {
    let place = Place::new("vacuum-off");
    let off = run(&place, &[], LOG);
    assert_eq!((off.status, &*off.out, &*off.err), (Some(0), LOG, ""));
    let mut blank = command(&place, &[]);
    blank.env("SINKWELL_VACUUM_TRANSPORTS", " ; ");
    let off = feed(blank, LOG.as_bytes());
    assert_eq!((off.status, &*off.out, &*off.err), (Some(0), LOG, ""));
}

#[test]
fn transports_are_picked_by_name() {
    let place = Place::new("vacuum-transports");
    place.write("sinkwell.yaml", CONFIG);
    for name in ["SINKWELL_VACUUM_TRANSPORTS", "EVENT_VACUUM_TRANSPORTS"] {
        let mut picked = command(&place, &["--config", "sinkwell.yaml"]);
        picked.env(name, " ; other ;console; ");
        let run = feed(picked, b"{\"_e\":1}\n");
        assert_eq!(run.status, Some(0), "{}", run.err);
        assert!(run.err.contains("vacuum.event"), "the console shows it: {}", run.err);
        assert_eq!(run.out, "");
    }
    assert_eq!(events(&place, "other.ndjson").len(), 2);
    assert!(!std::path::Path::new(&place.path("kept.ndjson")).exists());
    // A sink that needs no lane needs what the environment says of it.
    let mut alone = command(&place, &["--transports", "honeycomb"]);
    alone.env_remove("HONEYCOMB_API_KEY").env("HONEYCOMB_DATASET", "sandbox");
    let unknown = feed(alone, LOG.as_bytes());
    assert_eq!((unknown.status, &*unknown.out), (Some(2), ""));
    assert!(unknown.err.contains("HONEYCOMB_API_KEY"), "{}", unknown.err);
    for (name, says) in [("kinesis", "otlp"), ("nope", "there are kept, other, console")] {
        let run = run(&place, &["--config", "sinkwell.yaml", "--transports", name], LOG);
        assert_eq!((run.status, &*run.out), (Some(2), ""));
        assert!(run.err.contains(says) && run.err.contains(name), "{}", run.err);
    }
}

#[test]
fn what_cannot_be_sealed_is_said() {
    let place = Place::new("vacuum-refused");
    let log = "{\"_e\":1,\"a\":1,\"a\":2}\n";
    place.write("sinkwell.yaml", CONFIG);
    let run = run(&place, &["--config", "sinkwell.yaml"], log);
    assert_eq!((run.status, &*run.out), (Some(1), log));
    assert!(
        run.err.contains("1 flagged but refused") && run.err.contains("\"a\" is there twice"),
        "{}",
        run.err
    );
}

#[test]
fn a_lane_that_takes_no_more_ends_nothing() {
    let place = Place::new("vacuum-unsent");
    // The one lane holds two events, lets nobody wait for long, and writes to a standard error that nobody reads yet.
    let lane = "lanes: [{ id: shown, overflow: block, block_timeout: 1ms, queue: { events: 2, terminal_reserve: 0 }, sink: console }]";
    let config = format!("{}{lane}\n", &CONFIG[..CONFIG.find("lanes:").unwrap()]);
    place.write("sinkwell.yaml", &config);
    let events: String = (0..4000).map(|n| format!("{{\"_e\":1,\"n\":{n}}}\n")).collect();
    let log = format!("before\n{events}2026-01-31T12:00:00Z stdout P held\nafter\ntorn");
    let path = place.write("app.log", &log);
    let mut child = command(&place, &["--config", "sinkwell.yaml", "--json", &path]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut passed = String::new();
    while !passed.contains("_e") {
        assert!(out.read_line(&mut passed).unwrap() > 0, "every event was sent");
    }
    let mut said = child.stderr.take().unwrap();
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        said.read_to_string(&mut text).unwrap();
        text
    });
    out.read_to_string(&mut passed).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let said = said.join().unwrap();
    let report = said.lines().last().unwrap();
    let report = parse(report.as_bytes()).unwrap();
    let count = |name: &str| report.get(name).unwrap().as_i64().unwrap();
    assert!(count("unsent") > 0 && count("events") > 0 && count("events") + count("unsent") == 4000);
    assert!(report.get("first_unsent").unwrap().to_json().contains("backpressure"));
    // What went through is the log without the lines of the events that were sent, in order.
    let mut lines = passed.split_inclusive('\n').peekable();
    let missing = log.split_inclusive('\n').filter(|line| lines.next_if_eq(line).is_none()).count();
    assert_eq!((lines.next(), missing as i64), (None, count("events")));
}

#[test]
fn what_was_read_before_a_file_that_is_not_there_goes_through() {
    let place = Place::new("vacuum-gone");
    let first = place.write("a.log", "one\n2026-01-31T12:00:00Z stdout P held\ntorn");
    let run = run(&place, &["--dry-run", &first, "nowhere.log"], "");
    assert_eq!((run.status, run.err.contains("nowhere.log")), (Some(2), true), "{}", run.err);
    place.write("sinkwell.yaml", CONFIG);
    let run = self::run(&place, &["--config", "sinkwell.yaml", &first, "nowhere.log"], "");
    assert_eq!(
        (run.status, &*run.out),
        (Some(2), "one\n2026-01-31T12:00:00Z stdout P held\ntorn"),
        "{}",
        run.err
    );
}

#[test]
fn a_nonce_that_was_delivered_is_not_sent_again() {
    let place = Place::new("vacuum-cursors");
    place.write("sinkwell.yaml", format!("vacuum: {{ cursors: c.db, transports: [kept] }}\n{CONFIG}"));
    let send =
        |nonce: &str| run(&place, &["--config", "sinkwell.yaml", "--process", "p", "--nonce", nonce], LOG);
    for nonce in ["0", "3"] {
        let run = send(nonce);
        assert_eq!((run.status, &*run.out), (Some(0), PASSED), "{}", run.err);
    }
    let again = send("3");
    assert_eq!((again.status, &*again.out), (Some(0), PASSED), "{}", again.err);
    let says = "2 events that every lane has already; lane kept has nonce 3 already, its cursor stands at 3";
    assert!(again.err.contains(says), "{}", again.err);
    assert!(!std::path::Path::new(&place.path("other.ndjson")).exists());
    let ids = || -> Vec<String> {
        events(&place, "kept.ndjson")
            .iter()
            .map(|event| event.get("id").unwrap().as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(), ["p/0/1", "p/0/3", "p/3/1", "p/3/3"]);
    let cursors = |arguments: &[&str]| {
        let (first, rest) = arguments.split_first().unwrap();
        run(&place, &[&["cursors", first, "--cursors", "c.db"][..], rest].concat(), "")
    };
    let ls = cursors(&["ls"]);
    assert_eq!((ls.status, &*ls.out), (Some(0), "p kept: delivered 3\n"), "{}", ls.err);
    assert_eq!(cursors(&["set", "--process", "p", "--lane", "kept", "2"]).status, Some(0));
    let ls = cursors(&["ls", "--json"]);
    assert_eq!(
        ls.out,
        "{\"process\":\"p\",\"lane\":\"kept\",\"delivered\":2,\"journaled\":2,\"undone\":null}\n"
    );
    send("3");
    send("1");
    assert_eq!(ids()[4..], ["p/3/1", "p/3/3"]);
    assert_eq!(cursors(&["rm", "--process", "p"]).status, Some(0));
    assert_eq!(cursors(&["rm", "--process", "p"]).status, Some(1));
    assert_eq!(cursors(&["ls"]).out, "");
    for (arguments, says) in [
        (&["cursors", "ls"][..], "--cursors"),
        (&["cursors", "ls", "--cursors", "nowhere.db"][..], "no such database"),
        (&["cursors", "ls", "--cursors", "sinkwell.yaml"][..], "nothing was changed"),
        (&["cursors", "set", "--cursors", "c.db", "--process", "p", "--lane", "l", "-1"][..], "-1"),
    ] {
        let run = run(&place, arguments, "");
        assert_eq!((run.status, run.err.contains(says)), (Some(2), true), "{arguments:?}: {}", run.err);
    }
}

#[test]
fn arguments_that_mean_nothing_are_refused() {
    let place = Place::new("vacuum-arguments");
    for (arguments, says) in [
        (&["--format", "syslog"][..], "journald"),
        (&["--nonce", "1"][..], "--process"),
        (&["--process", "p", "--nonce", "9007199254740992"][..], "2^53-1"),
        (&["--follow"][..], "--follow"),
        (&["nowhere.log"][..], "nowhere.log"),
    ] {
        let run = run(&place, arguments, "");
        assert_eq!((run.status, &*run.out), (Some(2), ""), "{arguments:?}");
        assert!(run.err.contains(says), "{arguments:?}: {}", run.err);
    }
}

#[test]
fn files_are_read_one_after_the_other() {
    let place = Place::new("vacuum-files");
    let first = place.write("a.log", "2026-01-31T12:00:00Z stdout P {\"_e\":1,\nx");
    let second = place.write("b.log", "2026-01-31T12:00:00Z stdout F \"a\":1}\n{\"_e\":1}");
    let run = run(&place, &["--dry-run", &first, &second], "");
    let data: Vec<String> = run
        .out
        .lines()
        .map(|line| parse(line.as_bytes()).unwrap().get("data").unwrap().get("index").unwrap().to_json())
        .collect();
    assert_eq!(data, ["0", "3"], "{}", run.err);
}

/// A child that is ended when the test is.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_file_is_followed_through_its_rotations_until_a_signal() {
    let place = Place::new("vacuum-follow");
    place.write("sinkwell.yaml", CONFIG);
    let log = place.write("app.log", "{\"_e\":1,\"n\":1}\none\n2026-01-31T12:00:00Z stdout P {\"_e\":1,\n");
    let mut child = command(&place, &["--config", "sinkwell.yaml", "--follow", &log]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut child = Following(child);
    let mut line = String::new();
    let mut next = move || {
        line.clear();
        out.read_line(&mut line).unwrap();
        line.clone()
    };
    assert_eq!(next(), "one\n");
    // Renamed away, with a line that goes on in the next file.
    std::fs::rename(&log, place.path("app.log.1")).unwrap();
    place.write("app.log", "2026-01-31T12:00:00Z stdout F \"n\":2}\ntwo\n");
    assert_eq!(next(), "two\n");
    // Twice at once, with a last line that is torn. The new file counts when its writer has begun to write it.
    let mut grow = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    std::fs::rename(place.path("app.log.1"), place.path("app.log.3")).unwrap();
    std::fs::rename(&log, place.path("app.log.2")).unwrap();
    place.write("app.log", "");
    grow.write_all(b"late\nto").unwrap();
    assert_eq!(next(), "late\n");
    place.write("app.log.1", "between\n");
    place.write("app.log.err", "another\n");
    place.write("app.log", "{\"_e\":1,\"n\":25}\nnew\n");
    assert_eq!([next(), next(), next()], ["to\n", "between\n", "new\n"]);
    // Cut.
    place.write("app.log", "3\n");
    assert_eq!(next(), "3\n");
    let mut grow = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    grow.write_all(b"{\"_e\":1,\"n\":3}\nfour\n").unwrap();
    assert_eq!(next(), "four\n");
    let pid = child.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = child.0.wait().unwrap();
    assert!(status.code().is_none(), "it ends as the signal ends a process: {status}");
    let numbers: Vec<Value> = events(&place, "kept.ndjson")
        .iter()
        .map(|event| event.get("data").unwrap().get("n").unwrap().clone())
        .collect();
    assert_eq!(numbers, [1, 2, 25, 3].map(Value::Int));
    let mut said = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("the file was cut"), "{said}");
}

/// Waits until a process does no more than wait to be continued.
fn stopped(pid: &str) {
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    while !state().rsplit_once(") ").unwrap().1.starts_with('T') {
        std::thread::yield_now();
    }
}

#[test]
fn a_file_that_is_written_anew_between_two_looks_is_read_anew() {
    let place = Place::new("vacuum-follow-anew");
    place.write("sinkwell.yaml", CONFIG);
    let log = place.write("app.log", "{\"_e\":1,\"n\":1}\none\n");
    let mut child = command(&place, &["--config", "sinkwell.yaml", "--follow", &log]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut child = Following(child);
    let mut line = String::new();
    let mut next = move || {
        line.clear();
        out.read_line(&mut line).unwrap();
        line.clone()
    };
    assert_eq!(next(), "one\n");
    let pid = child.0.id().to_string();
    let signal =
        |signal: &str| assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    // Written anew while nobody looks, as a program does that is started again: longer than it was, and as long.
    for (text, last) in
        [("{\"_e\":1,\"n\":2}\nand more\ntwo\n", "two\n"), ("{\"_e\":1,\"n\":3}\nand more\nsix\n", "six\n")]
    {
        signal("-STOP");
        stopped(&pid);
        place.write("app.log", text);
        signal("-CONT");
        assert_eq!([next(), next()], ["and more\n", last]);
    }
    // A writer that was not told that its file was cut leaves a hole before it, which is no new beginning.
    let at = std::fs::metadata(&log).unwrap().len();
    signal("-STOP");
    stopped(&pid);
    place.write("app.log", "");
    let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"{\"_e\":1,\"n\":4}\nten\n", at).unwrap();
    signal("-CONT");
    assert_eq!(next(), "ten\n");
    signal("-TERM");
    child.0.wait().unwrap();
    let numbers: Vec<Value> = events(&place, "kept.ndjson")
        .iter()
        .map(|event| event.get("data").unwrap().get("n").unwrap().clone())
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4].map(Value::Int));
    let mut said = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("the file was cut").count(), 3, "{said}");
}

#[test]
fn a_file_that_is_written_anew_as_it_was_is_said() {
    let place = Place::new("vacuum-follow-same");
    place.write("sinkwell.yaml", CONFIG);
    let text = "{\"_e\":1,\"n\":1}\none\n";
    let log = place.write("app.log", text);
    let mut child = command(&place, &["--config", "sinkwell.yaml", "--follow", &log]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let said = BufReader::new(child.stderr.take().unwrap());
    let child = Following(child);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    let (tell, told) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in said.lines() {
            let _ = tell.send(line.unwrap());
        }
    });
    let pid = child.0.id().to_string();
    let signal =
        |signal: &str| assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    // Its first look may come after this has been done: then it is done again.
    let mut line = String::new();
    for _ in 0..10 {
        signal("-STOP");
        stopped(&pid);
        let modified = || std::fs::metadata(&log).unwrap().modified().unwrap();
        let before = modified();
        // A file's time moves in steps.
        while modified() == before {
            place.write("app.log", text);
        }
        signal("-CONT");
        match told.recv_timeout(std::time::Duration::from_secs(2)) {
            Ok(said) => {
                line = said;
                break;
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(e) => panic!("it ended, and said nothing: {e}"),
        }
    }
    assert!(line.contains("app.log: the file was written to while it was followed"), "{line}");
    drop(child);
    reader.join().unwrap();
}

#[test]
fn what_waits_for_its_end_goes_out_before_a_signal_ends_it() {
    let place = Place::new("vacuum-signal");
    place.write("sinkwell.yaml", CONFIG);
    for (signal, last, sent) in [("-TERM", "torn {", 1), ("-TERM", "{\"_e\":1,\"n\":2}", 2)] {
        let mut child = command(&place, &["--config", "sinkwell.yaml"]).spawn().unwrap();
        // It goes on waiting for more.
        let mut input = child.stdin.take().unwrap();
        let held = "2026-01-31T12:00:00Z stdout P held\n";
        input.write_all(format!("{{\"_e\":1,\"n\":1}}\none\n{held}behind it\n{last}").as_bytes()).unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut child = Following(child);
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "one\n");
        let pid = child.0.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let torn = if sent == 1 { last } else { "" };
        assert_eq!(rest, format!("{held}behind it\n{torn}"), "{signal}");
        assert!(child.0.wait().unwrap().code().is_none(), "it ends as the signal ends a process");
        assert_eq!(events(&place, "kept.ndjson").len(), sent, "{signal}");
        std::fs::remove_file(place.path("kept.ndjson")).unwrap();
        drop(input);
    }
}

#[test]
fn a_name_that_is_no_lane_is_placed_where_it_was_given() {
    let place = Place::new("vacuum-named");
    place.write("sinkwell.yaml", CONFIG);
    place.write("listed.yaml", format!("{CONFIG}vacuum: {{ transports: [nope] }}\n"));
    let mut by_environment = command(&place, &["--config", "sinkwell.yaml"]);
    by_environment.env("SINKWELL_VACUUM_TRANSPORTS", "nope");
    for (run, place) in [
        (run(&place, &["--config", "sinkwell.yaml", "--transports", "nope"], LOG), "--transports"),
        (run(&place, &["--config", "listed.yaml"], LOG), "vacuum.transports"),
        (feed(by_environment, LOG.as_bytes()), "SINKWELL_VACUUM_TRANSPORTS"),
    ] {
        let said = format!("sinkwell: invalid_config: {place}: \"nope\" is no transport; there are ");
        assert!(run.status == Some(2) && run.err.starts_with(&said), "{}", run.err);
    }
}
