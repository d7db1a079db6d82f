//! SIGKILL at any point: this test binary starts itself as a writer and kills it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::*;

const CHILD: &str = "SINKWELL_TEST_AUDIT_CHILD";

/// Rounds, unless SINKWELL_TEST_ROUNDS says otherwise.
const ROUNDS: u32 = 30;

/// Not a test of its own: the writer that gets killed. Says after each batch how much was acknowledged.
#[test]
#[ignore = "started by another test"]
fn child() {
    let path = std::env::var(CHILD).expect("started by another test");
    let round: u8 = std::env::var("SINKWELL_TEST_ROUND").unwrap().parse().unwrap();
    let mut sink = AuditSink::open(AuditOptions::new(path)).unwrap();
    let mut sealer = Sealer::new(round);
    for n in 0.. {
        assert_eq!(sink.deliver(&sealer.some(1 + n * 7 % 40)), Answers::Acknowledged);
        println!("size {}", sink.handle().head().unwrap().size);
    }
}

#[test]
fn a_killed_writer_loses_nothing_that_was_acknowledged() {
    let rounds = std::env::var("SINKWELL_TEST_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let log = Log::new();
    let mut kept: Vec<TreeHead> = Vec::new();
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "sinks::audit_chain::tests::crash::child",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(CHILD, &log.path)
            .env("SINKWELL_TEST_ROUND", (round % 200).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Another number of batches every time; where in the next one it is hit is up to the machine.
        let mut acknowledged = 0;
        let mut wanted = round * 7 % 13;
        while wanted > 0 {
            let line = lines.next().expect("the writer goes on until it is killed").unwrap();
            if let Some(size) = line.strip_prefix("size ") {
                acknowledged = size.parse().unwrap();
                wanted -= 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            if let Some(size) = line.unwrap().strip_prefix("size ") {
                acknowledged = size.parse().unwrap();
            }
        }
        let report = log.db().verify(&VerifyOptions { heads: kept.clone() }).unwrap();
        assert!(report.sound(), "round {round}: {report:?}");
        assert!(report.head.size >= acknowledged, "round {round}: {} < {acknowledged}", report.head.size);
        kept = vec![report.head];
    }
    assert!(kept[0].size > 0, "something was written at all");
}
