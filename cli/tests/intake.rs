//! `sinkwell intake` as a person runs it, with real emitters at the other end.

mod common;
#[path = "common/intake.rs"]
mod running;

use std::time::{Duration, Instant};

use common::{LONG, Place};
use running::{Intake, emit, emitter, written};
use sinkwell::lane::LaneState;
use sinkwell::receipt::{EndState, Stage};

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
fn killed_paused_and_restarted_it_loses_nothing_that_it_acknowledged() {
    let place = Place::new("intake-killed");
    let listen = format!("unix:{}", place.path("intake.sock"));
    let start = || {
        let _ = std::fs::remove_file(place.path("intake.sock"));
        Intake::start(&place, &listen, &["--out", "got.ndjson"])
    };
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

#[test]
fn who_does_not_say_the_token_gets_nothing_in_and_loses_nothing() {
    let place = Place::new("intake-token");
    let tokens = place.write("tokens", "# of the fleet\nfirst\n\nsecond\n");
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
