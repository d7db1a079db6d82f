//! `profile: datadog` of the `stream` sink: over the published `LogsStream` against the code that is generated from its published
//! messages (`tests/datadog`, in Go), and over both paths into `sinkwell intake`.

mod common;
#[path = "common/intake.rs"]
mod running;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{LONG, Place};
use running::{Intake, emit, emitter, written};
use sinkwell::lane::LaneState;
use sinkwell::receipt::Stage;

const QUICK: &str = ", retry: { initial: 1ms, cap: 10ms }, breaker: { open: 10ms }";

/// The peer in Go; `None`, loudly, where there is no Go or its modules are out of reach.
fn peer(place: &Place) -> Option<(Child, String)> {
    let program = place.path("peer");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/datadog");
    let built =
        Command::new("go").args(["build", "-C", folder, "-mod=readonly", "-o", &program, "."]).output();
    let why = match built {
        Ok(built) if built.status.success() => String::new(),
        Ok(built) => String::from_utf8_lossy(&built.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    if !why.is_empty() {
        let unreachable =
            ["dial tcp", "no such host", "i/o timeout", "connection refused", "deadline exceeded"];
        let required = std::env::var("SINKWELL_REQUIRE").as_deref() == Ok("all");
        assert!(!required || unreachable.iter().any(|sign| why.contains(sign)), "{why}");
        eprintln!("datadog: SKIPPED (the peer in Go cannot be built: {why})");
        return None;
    }
    let mut child = Command::new(program)
        .arg(place.path("got.ndjson"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    Some((child, format!("http://{address}")))
}

fn verified(place: &Place) {
    place.run(&["verify", "--key", &format!("k1=hmac:{}", place.path("agent.key")), "got.ndjson"]).ends(0);
}

#[test]
fn an_implementation_that_is_not_ours_rebuilds_every_envelope() {
    let place = Place::new("datadog-peer");
    let Some((mut peer, url)) = peer(&place) else { return };
    // Rotated again and again; the peer itself ends every third stream in the middle, unread.
    let sink = ", profile: datadog, headers: { dd-api-key: key-of-the-test }, lifetime: 40ms, drain: 5s";
    let agent = emitter(&place, &url, sink, QUICK);
    for n in 0..400 {
        let receipt = emit(&agent, n);
        if n % 20 == 0 {
            receipt.wait(Stage::Delivered, LONG).unwrap();
        }
    }
    let report = agent.shutdown(LONG);
    assert_eq!((report[0].1.delivered, report[0].1.pending), (400, 0));
    // What the lane says of itself depends on what was under way when the peer ended a stream.
    let lines = written(&place);
    assert_eq!(lines.values().filter(|line| !line.contains("\"origin\":\"core\"")).count(), 400);
    verified(&place);
    // A key that is not known there: everything is kept.
    let stranger = emitter(&place, &url, ", profile: datadog, headers: { dd-api-key: another }", "");
    let receipt = emit(&stranger, 0);
    let deadline = std::time::Instant::now() + LONG;
    while stranger.health()[0].1.state != LaneState::Failed {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert!(stranger.health()[0].1.summary.clone().unwrap().contains("UNAUTHENTICATED"));
    assert!(receipt.endings()[0].1.is_none());
    stranger.shutdown(Duration::ZERO);
    drop(peer.stdin.take());
    peer.wait().unwrap();
}

#[test]
fn the_intake_speaks_both_published_paths() {
    for method in ["LogsStream", "StatefulStream"] {
        let place = Place::new(&format!("datadog-{method}"));
        let tokens = place.write_secret("tokens", "first\n");
        let key = format!("k1=hmac:{}", place.path("agent.key"));
        let with = ["--out", "got.ndjson", "--key", &key, "--token-file", &tokens];
        let intake = Intake::start(&place, "127.0.0.1:0", &with);
        let url = format!("http://{}", intake.address);
        let sink = format!(
            ", profile: datadog, method: {method}, headers: {{ dd-api-key: first }}, lifetime: 40ms, drain: 60s"
        );
        let agent = emitter(&place, &url, &sink, QUICK);
        for n in 0..300 {
            let receipt = emit(&agent, n);
            if n % 20 == 0 {
                receipt.wait(Stage::Delivered, LONG).unwrap();
            }
        }
        let report = agent.shutdown(LONG);
        assert_eq!((report[0].1.delivered, report[0].1.pending), (300, 0));
        let (last, errors, status) = intake.end();
        assert_eq!(status, Some(0), "{errors}");
        assert!(last.starts_with("302 envelopes in") && last.contains(" 0 findings"), "{last}");
        assert_eq!(written(&place).len(), 302);
        verified(&place);
    }
}
