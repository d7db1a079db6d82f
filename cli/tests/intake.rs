//! `sinkwell intake` as a person runs it, with real emitters at the other end.

mod common;
#[path = "common/intake.rs"]
mod running;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{LONG, Place};
use running::{Intake, emit, emitter, written};
use sinkwell::config::{Config, Source};
use sinkwell::lane::LaneState;
use sinkwell::receipt::{EndState, Stage};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, Options};

#[test]
fn what_an_agent_streams_is_on_disk_bit_for_bit_when_it_is_acknowledged() {
    let place = Place::new("intake");
    let key = format!("k1=hmac:{}", place.path("agent.key"));
    let intake = Intake::start(&place, "127.0.0.1:0", &["--out", "got.ndjson", "--key", &key]);
    // So short a life that the stream rotates again and again.
    let emitter = emitter(&place, &format!("http://{}", intake.address), ", lifetime: 15ms, drain: 1s", "");
    for n in 0..400 {
        let receipt = emit(&emitter, n);
        if n % 20 == 0 {
            receipt.wait(Stage::Delivered, LONG).unwrap();
            let (_, ending) = receipt.endings().remove(0);
            let ending = ending.unwrap();
            assert_eq!(ending.state, EndState::Delivered);
            let sealed = ending.sealed.unwrap();
            let at = (sealed.streamid.to_string(), sealed.sequence);
            assert!(written(&place).contains_key(&at), "what is acknowledged is on disk");
        }
    }
    let report = emitter.shutdown(LONG);
    assert_eq!((report[0].1.delivered, report[0].1.pending), (400, 0));
    let (last, errors, status) = intake.end();
    assert_eq!(status, Some(0), "{errors}");
    assert!(last.starts_with("402 envelopes in") && last.contains(" 0 findings"), "{last}");
    assert_eq!(written(&place).len(), 402);
    let run = place.run(&["verify", "--key", &key, "got.ndjson"]).ends(0);
    assert!(run.out.contains("402"), "{}", run.out);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(place.path("got.ndjson")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_socket_that_another_listens_to_and_what_is_no_socket_are_left_alone() {
    let place = Place::new("intake-taken");
    let listen = format!("unix:{}", place.path("intake.sock"));
    let intake = Intake::start(&place, &listen, &["--out", "got.ndjson"]);
    let second = place.run(&["intake", "--listen", &listen, "--out", "other.ndjson"]).ends(2);
    assert!(second.err.contains("another process listens there"), "{}", second.err);
    assert_eq!(intake.end().2, Some(0));
    place.write("intake.sock", "of somebody's");
    let third = place.run(&["intake", "--listen", &listen, "--out", "other.ndjson"]).ends(2);
    assert!(third.err.contains("something else than a socket is there"), "{}", third.err);
    assert_eq!(std::fs::read_to_string(place.path("intake.sock")).unwrap(), "of somebody's");
}

#[test]
fn killed_paused_and_restarted_it_loses_nothing_that_it_acknowledged() {
    let place = Place::new("intake-killed");
    let listen = format!("unix:{}", place.path("intake.sock"));
    let start = || Intake::start(&place, &listen, &["--out", "got.ndjson"]);
    let emitter = emitter(
        &place,
        &listen,
        ", lifetime: 40ms",
        ", retry: { initial: 1ms, cap: 10ms }, breaker: { open: 10ms }",
    );
    let rounds = std::env::var("SINKWELL_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1) * 6;
    let mut receipts = Vec::new();
    let mut intake = start();
    let mut n = 0;
    for round in 0..rounds {
        let until = n + 120;
        while n < until {
            receipts.push(emit(&emitter, n));
            n += 1;
        }
        if round % 3 == 1 {
            intake.signal("-STOP");
            receipts.push(emit(&emitter, n));
            n += 1;
            intake.signal("-CONT");
        }
        // In the middle of what is under way.
        receipts[(n - 60) as usize].wait(Stage::Delivered, LONG).unwrap();
        intake.kill();
        intake = start();
    }
    let report = emitter.shutdown(LONG);
    assert_eq!((report[0].1.delivered, report[0].1.pending), (n, 0));
    let (_, errors, status) = intake.end();
    assert_eq!(status, Some(0), "{errors}");
    let lines = written(&place);
    for receipt in &receipts {
        let (_, ending) = receipt.endings().remove(0);
        let ending = ending.unwrap();
        assert_eq!(ending.state, EndState::Delivered);
        let sealed = ending.sealed.unwrap();
        assert!(lines.contains_key(&(sealed.streamid.to_string(), sealed.sequence)));
    }
    let key = format!("k1=hmac:{}", place.path("agent.key"));
    place.run(&["verify", "--key", &key, "got.ndjson"]).ends(0);
}

/// What `either_end_killed…` starts as a process of its own: emits, and says each number once it is journaled.
#[test]
#[ignore = "a part of another test"]
fn agent_process() {
    let Ok(folder) = std::env::var("AGENT_FOLDER") else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let (from, to) = (number("AGENT_FROM"), number("AGENT_TO"));
    let text = format!(
        "agent: {{ id: 'urn:example:agent' }}\nheartbeat: off\nids: derived\n\
         key: {{ id: k1, hmac_sha256: {{ file: '{folder}/agent.key' }}, sign: batch }}\n\
         journal: {{ dir: '{folder}/state', floor: 0 }}\n\
         lanes: [ {{ id: out, durable: true, sink: {{ stream: {{ endpoint: 'unix:{folder}/intake.sock', lifetime: 1s }} }}, \
         batch: {{ linger: 2ms, events: 40 }}, retry: {{ initial: 1ms, cap: 10ms }}, breaker: {{ open: 10ms }} }} ]\n",
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let emitter = Emitter::open(Options::new(Config::load(source, &SystemEnv::default()).unwrap())).unwrap();
    let mut waiting = std::collections::VecDeque::new();
    for n in from..to {
        waiting.push_back((n, emit(&emitter, n)));
        if waiting.len() > 30 {
            let (n, receipt) = waiting.pop_front().unwrap();
            // This process may stand still for a while.
            receipt.wait(Stage::Journaled, 10 * LONG).unwrap();
            // So long that a pipe holds few of them: who is killed is not far ahead of what was read.
            println!("journaled {n:<1000}");
        }
    }
    // The last one sends what all the others have left, too.
    let report = emitter.shutdown(10 * LONG);
    println!("end {} {} MiB", report[0].1.pending, running::peak(std::process::id()));
}

/// How long a pause is, and how often things are killed: `make soak` takes longer.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

#[test]
fn either_end_killed_paused_refused_and_throttled_loses_nothing_that_was_journaled() {
    let place = Place::new("intake-agent");
    let listen = format!("unix:{}", place.path("intake.sock"));
    // Who does not know the token is refused; agents of this test know none.
    let token = place.write_secret("tokens", "of another agent\n");
    let start_with =
        |more: &[&str]| Intake::start(&place, &listen, &[&["--out", "got.ndjson"], more].concat());
    let start = || start_with(&[]);
    let agent = |from: u64, to: u64| {
        let mut agent = Command::new(std::env::current_exe().unwrap());
        agent
            .args(["agent_process", "--exact", "--ignored", "--nocapture"])
            .env("AGENT_FOLDER", place.path(""));
        agent.env("AGENT_FROM", from.to_string()).env("AGENT_TO", to.to_string());
        agent.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let journaled = |line: std::io::Result<String>| {
        line.unwrap().strip_prefix("journaled ")?.trim_end().parse::<u64>().ok()
    };
    let pause = Duration::from_secs(setting("SINKWELL_PAUSE_SECONDS", 1));
    let refusal = pause.min(Duration::from_secs(5));
    let signal = |pid: u32, name: &str| {
        assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
    };
    let (mut intake, mut said, mut from, mut most) = (start(), Vec::new(), 0, 0);
    for round in 0..setting("SINKWELL_STREAM_KILLS", 6) {
        let mut child = agent(from, from + 1_000_000);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for (at, n) in lines.filter_map(journaled).take(100).enumerate() {
            said.push(n);
            match (round % 6, at) {
                (1, 30) => {
                    signal(child.id(), "-STOP");
                    std::thread::sleep(pause);
                    signal(child.id(), "-CONT");
                }
                (2, 30) => {
                    intake.signal("-STOP");
                    std::thread::sleep(pause);
                    intake.signal("-CONT");
                }
                (3, 50) => {
                    most = most.max(running::peak(intake.pid()));
                    intake.kill();
                    intake = start();
                }
                // Refused for a while, with everything that it has by then.
                (4, 30) => {
                    intake.kill();
                    intake = start_with(&["--token-file", &token]);
                    std::thread::sleep(refusal);
                    intake.kill();
                    intake = start();
                }
                // Throttled, until it has been slow for a whole agent.
                (5, 10) => {
                    intake.kill();
                    intake = start_with(&["--max-rate", "50"]);
                }
                (5, 99) => {
                    intake.kill();
                    intake = start();
                }
                _ => {}
            }
        }
        most = most.max(running::peak(child.id()));
        assert_eq!(said.len() as u64, 100 * (round + 1), "it ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        from = said.last().unwrap() + 1_000;
    }
    // The last one finds what the others left.
    let last = agent(from, from + 50).wait_with_output().unwrap();
    let last = String::from_utf8(last.stdout).unwrap();
    let end = last.lines().find_map(|line| line.strip_prefix("end ")).unwrap_or_else(|| panic!("{last}"));
    assert!(end.starts_with("0 "), "{end}");
    most = most.max(running::peak(intake.pid()));
    let (_, errors, status) = intake.end();
    assert_eq!(status, Some(0), "{errors}");
    let number = |line: String| line.split_once("\"n\":")?.1.split(',').next()?.parse::<u64>().ok();
    let there: std::collections::HashSet<u64> = written(&place).into_values().filter_map(number).collect();
    assert_eq!(said.iter().find(|n| !there.contains(n)), None, "it was journaled");
    place.run(&["verify", "--key", &format!("k1=hmac:{}", place.path("agent.key")), "got.ndjson"]).ends(0);
    println!("{} events said to be journaled; neither end had more than {most} MiB", said.len());
    assert!(most < 200, "{most} MiB");
}

/// A new stream every second, for `SINKWELL_ROTATE_SECONDS` (600), throttled.
#[test]
#[ignore = "ten minutes: make soak"]
fn rotated_every_second_it_loses_and_doubles_nothing() {
    let place = Place::new("intake-rotated");
    let key = format!("k1=hmac:{}", place.path("agent.key"));
    let intake =
        Intake::start(&place, "127.0.0.1:0", &["--out", "got.ndjson", "--max-rate", "2000", "--key", &key]);
    let emitter = emitter(&place, &format!("http://{}", intake.address), ", lifetime: 1s, drain: 60s", "");
    let until = Instant::now() + Duration::from_secs(setting("SINKWELL_ROTATE_SECONDS", 600));
    let (mut n, mut most) = (0, 0);
    while Instant::now() < until {
        let last = (0..50).map(|_| {
            n += 1;
            emit(&emitter, n)
        });
        last.last().unwrap().wait(Stage::Delivered, LONG).unwrap();
        most = most.max(running::peak(intake.pid())).max(running::peak(std::process::id()));
    }
    let report = emitter.shutdown(LONG);
    assert_eq!((report[0].1.delivered, report[0].1.pending), (n, 0));
    let text = emitter.prometheus();
    let moved =
        |name: &str| text.lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>().join("; ");
    let again = moved("sinkwell_sink_retransmissions_total");
    let (streams, failed) = (moved("sinkwell_sink_rotations_total"), moved("sinkwell_sink_errors_total"));
    let (last, errors, status) = intake.end();
    assert_eq!(status, Some(0), "{errors}");
    let lines = written(&place);
    let repeated = last.split(' ').next().unwrap().parse::<usize>().unwrap() - lines.len();
    // A machine that stands still for longer than an acknowledgement may take is no fault of the rotation's.
    println!("{repeated} repeated: {streams}; {again}; {failed}");
    assert!(repeated == 0 || !failed.is_empty(), "rotation repeats nothing");
    let events = lines.values().filter(|line| !line.contains("\"origin\":\"core\""));
    assert_eq!(events.count() as u64, n);
    place.run(&["verify", "--key", &key, "got.ndjson"]).ends(0);
    println!("{n} events; neither end had more than {most} MiB");
}

/// `SINKWELL_AGENTS` (1 000) agents into one intake: nobody starves, none costs much, they do not rotate at once.
#[test]
#[ignore = "minutes: make soak"]
fn a_thousand_agents_share_an_intake() {
    let place = Place::new("intake-thousand");
    let intake = Intake::start(&place, "127.0.0.1:0", &["--out", "got.ndjson"]);
    let begun = [intake.pid(), std::process::id()].map(running::peak);
    let agents = setting("SINKWELL_AGENTS", 1000);
    let url = format!("http://{}", intake.address);
    let emitters: Vec<Emitter> =
        (0..agents).map(|_| emitter(&place, &url, ", lifetime: 20s", ", timeout: 60s")).collect();
    let start = Instant::now();
    let mut took = Vec::new();
    let mut rotated: Vec<(Duration, u64)> = Vec::new();
    let rotations = |emitter: &Emitter| -> u64 {
        let text = emitter.prometheus();
        let line = text.lines().find(|line| line.starts_with("sinkwell_sink_rotations_total"));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    };
    for round in 0..40 {
        let receipts: Vec<_> =
            emitters.iter().map(|emitter| (0..5).map(|n| emit(emitter, n)).last().unwrap()).collect();
        let began = Instant::now();
        for receipt in receipts {
            receipt.wait(Stage::Delivered, LONG).unwrap();
            if round > 0 {
                took.push(began.elapsed());
            }
        }
        rotated.push((start.elapsed(), emitters.iter().map(&rotations).sum()));
    }
    took.sort_unstable();
    let (median, last) = (took[took.len() / 2], took[took.len() - 1]);
    let most = rotated.windows(2).map(|pair| (pair[1].1 - pair[0].1, pair[1].0 - pair[0].0)).max();
    let memory = running::peak(intake.pid()) - begun[0];
    let here = running::peak(std::process::id()) - begun[1];
    for emitter in &emitters {
        assert_eq!(emitter.shutdown(LONG)[0].1.pending, 0);
    }
    println!(
        "{agents} agents: acknowledged after {median:?} (median), {last:?} (last); {} kB a stream, {} kB an emitter; at most {most:?} rotations between two looks",
        memory * 1024 / agents,
        here * 1024 / agents
    );
    assert!(last < median * 20 + Duration::from_secs(2), "nobody starves");
    assert!(memory * 1024 / agents < 2048, "{memory} MiB");
    let (_, errors, status) = intake.end();
    assert_eq!(status, Some(0), "{errors}");
    assert_eq!(written(&place).len() as u64, agents * 202);
}

#[test]
fn an_acknowledgement_that_comes_after_the_lane_gave_up_repeats_nothing() {
    let place = Place::new("intake-late");
    let intake = Intake::start(&place, "127.0.0.1:0", &["--out", "got.ndjson"]);
    let lane = ", timeout: 500ms, retry: { initial: 3s, cap: 3s }";
    let emitter = emitter(&place, &format!("http://{}", intake.address), "", lane);
    emit(&emitter, 0).wait(Stage::Delivered, LONG).unwrap();
    intake.signal("-STOP");
    let receipt = emit(&emitter, 1);
    let deadline = Instant::now() + LONG;
    while emitter.health()[0].1.state == LaneState::Healthy {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    // What it was sent it reads now, and says so to nobody who waits; then the lane tries again.
    intake.signal("-CONT");
    receipt.wait(Stage::Delivered, LONG).unwrap();
    let report = emitter.shutdown(LONG);
    assert_eq!((report[0].1.delivered, report[0].1.pending), (2, 0));
    let (last, errors, status) = intake.end();
    assert_eq!(status, Some(0), "{errors}");
    assert_eq!(
        last.split(' ').next(),
        Some(&*written(&place).len().to_string()),
        "nothing came twice: {last}"
    );
}

#[test]
fn who_does_not_say_the_token_gets_nothing_in_and_loses_nothing() {
    let place = Place::new("intake-token");
    let tokens = place.write("tokens", "# of the fleet\nfirst\n\nsecond\n");
    let start = ["intake", "--listen", "127.0.0.1:0", "--out", "got.ndjson", "--token-file", &tokens];
    let open = place.run(&start).ends(2).err;
    assert!(open.contains("others can read this file of tokens (mode 0644)"), "{open}");
    place.write_secret("tokens", "# of the fleet\nfirst\n\nsecond\n");
    let intake = Intake::start(&place, "127.0.0.1:0", &["--out", "got.ndjson", "--token-file", &tokens]);
    let url = format!("http://{}", intake.address);
    let stranger = emitter(&place, &url, ", headers: { authorization: 'Bearer third' }", "");
    let receipt = emit(&stranger, 0);
    let deadline = Instant::now() + LONG;
    // The lane says so, and keeps everything.
    while stranger.health()[0].1.state != LaneState::Failed {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let summary = stranger.health()[0].1.summary.clone().unwrap();
    assert!(summary.contains("UNAUTHENTICATED"), "{summary}");
    assert!(receipt.endings()[0].1.is_none());
    let known = emitter(&place, &url, ", headers: { authorization: 'Bearer second' }", "");
    let receipt = emit(&known, 1);
    receipt.wait(Stage::Delivered, LONG).unwrap();
    known.shutdown(LONG);
    stranger.shutdown(Duration::ZERO);
    let (last, errors, _) = intake.end();
    assert!(last.starts_with("3 envelopes"), "{last}");
    assert!(!errors.contains("third") && !errors.contains("second"), "{errors}");
    assert_eq!(written(&place).len(), 3);
}

#[test]
fn doctor_says_what_the_peer_speaks() {
    let place = Place::new("intake-doctor");
    let intake = Intake::start(&place, "127.0.0.1:0", &["--out", "got.ndjson"]);
    let config = |address: &str| {
        format!(
            "agent: {{ id: a }}\nlanes: [ {{ id: out, sink: {{ stream: {{ endpoint: 'http://{address}' }} }} }} ]\n"
        )
    };
    place.write("s.yaml", config(&intake.address));
    let run = place.run(&["doctor", "--config", "s.yaml"]);
    assert!(run.out.contains("speaks the stream's profile compact/1"), "{}{}", run.out, run.err);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    place.write("s.yaml", config(&nobody));
    let run = place.run(&["doctor", "--config", "s.yaml"]);
    assert_eq!(run.status, Some(1));
    assert!(run.out.contains("nothing listens there"), "{}{}", run.out, run.err);
}

#[test]
fn it_gives_what_comes_to_the_sink_of_a_lane() {
    let place = Place::new("intake-lane");
    let lane = format!(
        "agent: {{ id: relay }}\nlanes: [ {{ id: store, classes: [audit], sink: {{ audit_chain: {{ path: {} }} }} }} ]\n",
        place.path("audit.db")
    );
    place.write("relay.yaml", lane);
    let wrong = place.run(&["intake", "--listen", "127.0.0.1:0", "--lane", "none", "--config", "relay.yaml"]);
    assert!(wrong.ends(2).err.contains("store"));
    let intake = Intake::start(&place, "127.0.0.1:0", &["--lane", "store", "--config", "relay.yaml"]);
    let emitter = emitter(&place, &format!("http://{}", intake.address), "", "");
    (0..30).for_each(|n| drop(emit(&emitter, n)));
    assert_eq!(emitter.shutdown(LONG)[0].1.pending, 0);
    let (last, errors, status) = intake.end();
    assert_eq!(status, Some(0), "{errors}");
    assert!(last.starts_with("32 envelopes"), "{last}");
    let key = format!("k1=hmac:{}", place.path("agent.key"));
    let run = place.run(&["verify", "--key", &key, "audit.db"]);
    assert_eq!(run.status, Some(0), "{}{}", run.out, run.err);
    assert!(run.out.contains("32"), "{}", run.out);
}
