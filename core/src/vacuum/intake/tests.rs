//! What is sent again, to whom, and what is not.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::config::{Config, Source};
use crate::emitter::{HostSink, Options, Wait};
use crate::json::parse;
use crate::seam::{ManualClock, SystemEnv};
use crate::sink::{Answer, Answers, Envelope, Failure, FailureKind, Sink};
use crate::sync::{Mutex, lock};
use crate::testing::TempDir;
use crate::vacuum::{Cursor, Marks};

/// What a receiver does with events.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Takes,
    /// Nobody is there.
    Away,
    /// Refuses for good the events with `bad` in their data.
    Refuses,
    /// Refuses one of each batch, and does not say which.
    Mumbles,
}

struct Receiver {
    does: Does,
    /// How often each id came.
    got: BTreeMap<String, u32>,
    /// The ids, as they came.
    order: Vec<String>,
}

#[derive(Clone)]
struct Scripted(Arc<Mutex<Receiver>>);

impl Sink for Scripted {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let mut receiver = lock(&self.0);
        let failure = Failure::new(FailureKind::Network, "away");
        let host = batch.iter().filter(|envelope| !envelope.own).count();
        match receiver.does {
            Does::Away => return Answers::Retry(failure, None),
            Does::Mumbles if host > 0 => return Answers::Partial { refused: 1, failure },
            _ => {}
        }
        let refuses = receiver.does == Does::Refuses;
        let answer = |envelope: &Envelope| {
            if envelope.own {
                return Answer::Acknowledged;
            }
            if refuses && String::from_utf8_lossy(&envelope.bytes).contains("bad") {
                return Answer::Refused(Failure::new(FailureKind::Rejected, "bad"));
            }
            *receiver.got.entry(envelope.id.to_string()).or_default() += 1;
            receiver.order.push(envelope.id.to_string());
            Answer::Acknowledged
        };
        Answers::Each(batch.iter().map(answer).collect())
    }
}

/// A manual emitter with two lanes, `a` and `b`, and what is behind them.
struct Rig {
    dir: TempDir,
    emitter: Option<Emitter>,
    intake: Option<Intake>,
    clock: Arc<ManualClock>,
    receivers: [Arc<Mutex<Receiver>>; 2],
    config: String,
}

const LANES: &str = "{ id: a, sink: { host: a } }, { id: b, sink: { host: b } }";

impl Rig {
    fn new(lanes: &str, more: &str) -> Self {
        let receiver =
            || Arc::new(Mutex::new(Receiver { does: Does::Takes, got: BTreeMap::new(), order: Vec::new() }));
        let dir = TempDir::new();
        let config = format!(
            "agent: {{ id: a1 }}\nheartbeat: off\nvacuum: {{ cursors: {0}/cursors.db }}\njournal: {{ dir: {0}/journal, floor: 0 }}\nlanes: [{lanes}]\n{more}",
            dir.path().display()
        );
        let clock = Arc::new(ManualClock::new(1_769_860_800_000_000_000));
        let receivers = [receiver(), receiver()];
        let mut rig = Self { dir, emitter: None, intake: None, clock, receivers, config };
        rig.start();
        rig
    }

    /// Another process, which knows only what is on disk.
    fn start(&mut self) {
        self.intake = None;
        self.emitter = None;
        let text = self.config.clone();
        let config = Config::load(
            Source::Text { text, name: None, format: Default::default() },
            &SystemEnv::default(),
        );
        let config = config.unwrap();
        let sinks = ["a", "b"].into_iter().zip(&self.receivers).filter_map(|(name, receiver)| {
            let lane = config.lanes.iter().find(|lane| lane.id == name)?.clone();
            let sink = Scripted(Arc::clone(receiver));
            Some(HostSink { name: name.to_owned(), lane, make: Arc::new(move || Ok(Box::new(sink.clone()))) })
        });
        let sinks = sinks.collect();
        crate::timeline::GIVEN.set(Some(Arc::clone(&self.clock) as _));
        let emitter = Emitter::open(Options { config, sinks, signer: None, manual: true }).unwrap();
        self.intake = Some(Intake::of(&emitter, &SystemEnv::default()).unwrap());
        self.emitter = Some(emitter);
    }

    /// Ends the process, as far as a test can: what is queued dies with it.
    fn kill(&mut self) {
        self.intake.as_ref().unwrap().settle();
        std::mem::forget(self.intake.take());
        std::mem::forget(self.emitter.take());
    }

    fn does(&self, lane: usize, does: Does) {
        lock(&self.receivers[lane]).does = does;
    }

    fn read(&self, nonce: u64, log: &str) -> (String, Report) {
        let (emitter, intake) = (self.emitter.as_ref().unwrap(), self.intake.as_ref().unwrap());
        let asked = Asked { process: Some("p".to_owned()), nonce: Some(nonce), format: Format::Auto };
        let mut out = Vec::new();
        let mut drawing = intake.start(emitter, asked).unwrap();
        let report = drawing.read(&mut log.as_bytes(), emitter, &Wait::Never, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), report)
    }

    fn drain(&self) {
        for lane in self.emitter.as_ref().unwrap().lanes().iter() {
            self.emitter.as_ref().unwrap().drain(lane.id()).unwrap();
        }
        self.intake.as_ref().unwrap().settle();
    }

    fn cursors(&self) -> Cursors {
        Cursors::open_known(self.dir.path().join("cursors.db")).unwrap()
    }

    /// The nonce up to which all is delivered, of both lanes.
    fn delivered(&self) -> [Option<u64>; 2] {
        let all = self.cursors().read("p").unwrap();
        ["a", "b"].map(|id| all.iter().find(|(lane, _)| lane == id).and_then(|(_, marks)| marks.delivered))
    }

    /// How many events came, and the most often that one of them did.
    fn got(&self, lane: usize) -> (usize, u32) {
        let receiver = lock(&self.receivers[lane]);
        (receiver.got.len(), receiver.got.values().copied().max().unwrap_or(0))
    }

    /// Whether a lane got both events of each of these nonces, once each and in order.
    fn got_in_order(&self, lane: usize, nonces: std::ops::Range<u64>) -> bool {
        let expected = nonces.flat_map(|nonce| [format!("p/{nonce}/1"), format!("p/{nonce}/3")]);
        lock(&self.receivers[lane]).order.iter().cloned().eq(expected)
    }
}

const TWO: &str = "x\n{\"_e\":1,\"n\":1}\ny\n{\"_e\":1,\"n\":2}\n";

#[test]
fn what_was_delivered_is_not_sent_again() {
    let mut rig = Rig::new(LANES, "");
    for nonce in [0, 1, 5] {
        let (passed, report) = rig.read(nonce, TWO);
        assert_eq!((&*passed, report.events, report.skipped), ("x\ny\n", 2, 0));
    }
    // Not before it is acknowledged.
    assert_eq!(rig.delivered(), [None, None]);
    rig.drain();
    assert_eq!(rig.delivered(), [Some(5), Some(5)]);
    rig.kill();
    rig.start();
    for nonce in [0, 1, 5, 6] {
        let (passed, report) = rig.read(nonce, TWO);
        let again = u64::from(nonce < 6) * 2;
        assert_eq!((&*passed, report.events, report.skipped), ("x\ny\n", 2 - again, again));
        let by: Vec<_> = report.skipped_by.iter().map(|s| (&*s.lane, s.nonce, s.cursor, s.events)).collect();
        let all = [("a", nonce, 5, 2), ("b", nonce, 5, 2)];
        assert_eq!(by, if nonce < 6 { all.to_vec() } else { vec![] });
    }
    rig.drain();
    assert_eq!((rig.got(0), rig.got(1), rig.delivered()), ((8, 1), (8, 1), [Some(6), Some(6)]));
    // Of another process nothing is known, and without a nonce nothing is remembered.
    assert_eq!(rig.cursors().read("q").unwrap(), []);
    assert!(lock(&rig.receivers[0]).got.contains_key("p/0/3"));
}

#[test]
fn a_nonce_that_comes_late_or_is_on_its_way_is_skipped_and_named() {
    let rig = Rig::new(LANES, "");
    rig.read(7, TWO);
    for nonce in [3, 7] {
        let (passed, report) = rig.read(nonce, TWO);
        assert_eq!((&*passed, report.events, report.skipped), ("x\ny\n", 0, 2));
        assert_eq!((report.skipped_by[0].nonce, report.skipped_by[0].cursor), (nonce, 7));
        assert!(report.to_value().to_json().contains(r#""skipped_by":[{"lane":"a","#));
    }
    rig.drain();
    assert_eq!((rig.got(0), rig.delivered()), ((2, 1), [Some(7), Some(7)]));
}

#[test]
fn a_nonce_without_events_is_done() {
    let rig = Rig::new(LANES, "");
    rig.read(4, "only words\n");
    rig.read(5, "{\"_e\":1,\"a\":NaN}\n");
    rig.drain();
    assert_eq!(rig.delivered(), [Some(5), Some(5)]);
}

#[test]
fn each_lane_goes_on_by_itself_and_one_that_was_away_for_an_hour_gets_what_it_missed() {
    let mut rig = Rig::new(LANES, "");
    rig.does(0, Does::Away);
    for nonce in 0..3 {
        rig.read(nonce, TWO);
        rig.drain();
        rig.clock.advance(Duration::from_secs(20 * 60));
        assert_eq!(rig.delivered(), [None, Some(nonce)]);
    }
    // The process ends meanwhile, and the log is read again from its beginning.
    rig.kill();
    rig.start();
    rig.does(0, Does::Takes);
    for nonce in 0..4 {
        let (_, report) = rig.read(nonce, TWO);
        let by: Vec<_> = report.skipped_by.iter().map(|skipped| &*skipped.lane).collect();
        assert_eq!((report.events, by), (2, if nonce < 3 { vec!["b"] } else { vec![] }));
    }
    rig.clock.advance(Duration::from_secs(60));
    rig.drain();
    assert!(rig.got_in_order(0, 0..4) && rig.got_in_order(1, 0..4));
    assert_eq!(rig.delivered(), [Some(3), Some(3)]);
    // The same without an end of the process: its events wait, and go out in order.
    rig.does(0, Does::Away);
    rig.read(4, TWO);
    rig.drain();
    rig.clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(rig.delivered(), [Some(3), Some(4)]);
    rig.does(0, Does::Takes);
    rig.drain();
    assert!(rig.got_in_order(0, 0..5) && rig.got_in_order(1, 0..5));
    assert_eq!(rig.delivered(), [Some(4), Some(4)]);
}

#[test]
fn a_durable_lane_that_was_away_for_an_hour_gets_what_it_missed_from_its_journal() {
    let mut rig = Rig::new("{ id: a, durable: true, sink: { host: a } }, { id: b, sink: { host: b } }", "");
    rig.does(0, Does::Away);
    for nonce in 0..3 {
        rig.read(nonce, TWO);
        rig.drain();
        rig.clock.advance(Duration::from_secs(20 * 60));
        assert_eq!(rig.delivered(), [None, Some(nonce)]);
    }
    // An orderly end: what is not delivered stays in the journal, which the next process adopts.
    rig.start();
    rig.does(0, Does::Takes);
    for nonce in 0..4 {
        let (_, report) = rig.read(nonce, TWO);
        assert_eq!((report.events, report.skipped), if nonce < 3 { (0, 2) } else { (2, 0) });
    }
    rig.clock.advance(Duration::from_secs(60));
    rig.drain();
    assert!(rig.got_in_order(0, 0..4) && rig.got_in_order(1, 0..4), "{:?}", lock(&rig.receivers[0]).order);
}

#[test]
fn a_nonce_counts_wholly_or_not_at_all() {
    // Two places only: of three events the first goes.
    let lanes = "{ id: a, overflow: drop_oldest, queue: { events: 2, terminal_reserve: 0 }, sink: { host: a } }, { id: b, sink: { host: b } }";
    let rig = Rig::new(lanes, "");
    rig.read(0, TWO);
    rig.drain();
    rig.read(1, &format!("{TWO}{TWO}"));
    rig.drain();
    assert_eq!(rig.delivered(), [Some(0), Some(1)]);
    let marks = rig.cursors().read("p").unwrap()[0].1;
    assert_eq!(marks, Marks { delivered: Some(0), journaled: None, undone: Some(1) });
    // What comes after it is sent, and the cursor stays.
    rig.read(2, TWO);
    rig.drain();
    assert_eq!((rig.delivered(), rig.got(0).1), ([Some(0), Some(2)], 1));
    // Read again, part by part of what has room.
    let (emitter, intake) = (rig.emitter.as_ref().unwrap(), rig.intake.as_ref().unwrap());
    let asked = || Asked { process: Some("p".to_owned()), nonce: Some(1), format: Format::Auto };
    let mut drawing = intake.start(emitter, asked()).unwrap();
    for _ in 0..2 {
        drawing.push(TWO.as_bytes(), emitter, &Wait::Never, &mut Vec::new()).unwrap();
        rig.drain();
        assert_eq!(rig.delivered()[0], Some(0));
    }
    drawing.finish(true, emitter, &Wait::Never, &mut Vec::new()).unwrap();
    rig.drain();
    rig.read(2, TWO);
    rig.drain();
    assert_eq!(rig.delivered(), [Some(2), Some(2)]);
    assert_eq!(rig.cursors().read("p").unwrap()[0].1.undone, None);
    // One whose reading was broken off does not count either.
    let mut drawing = intake.start(emitter, Asked { nonce: Some(3), ..asked() }).unwrap();
    drawing.push(TWO.as_bytes(), emitter, &Wait::Never, &mut Vec::new()).unwrap();
    drop(drawing);
    // It can be read again at once, while what was sent of it is still on its way.
    let (_, report) = rig.read(3, TWO);
    assert_eq!((report.events, report.skipped_by.len()), (2, 0));
    rig.does(0, Does::Away);
    rig.drain();
    assert_eq!(rig.delivered(), [Some(2), Some(3)]);
}

#[test]
fn refused_for_good_is_done_and_uncertain_is_not() {
    let rig = Rig::new(LANES, "");
    rig.does(0, Does::Refuses);
    rig.does(1, Does::Mumbles);
    rig.read(0, "{\"_e\":1,\"a\":\"bad\"}\n{\"_e\":1}\n");
    for _ in 0..4 {
        rig.drain();
        rig.clock.advance(Duration::from_secs(600));
    }
    assert_eq!(rig.delivered(), [Some(0), None]);
    assert_eq!(rig.cursors().read("p").unwrap()[1].1.undone, Some(0));
}

#[test]
fn what_is_journaled_is_not_taken_again() {
    let mut rig = Rig::new("{ id: a, durable: true, sink: { host: a } }, { id: b, sink: { host: b } }", "");
    rig.does(0, Does::Away);
    rig.does(1, Does::Away);
    rig.read(0, TWO);
    rig.drain();
    let marks: Vec<_> = rig.cursors().read("p").unwrap();
    let journaled = Marks { delivered: None, journaled: Some(0), undone: None };
    assert_eq!(marks, [("a".to_owned(), journaled)]);
    rig.kill();
    // The dead process's lock on its journal goes with it; here its journal is left to itself.
    rig.start();
    let (_, report) = rig.read(0, TWO);
    assert_eq!((report.events, report.skipped_by.len(), &*report.skipped_by[0].lane), (2, 1, "a"));
}

#[test]
fn transports_are_lanes_and_what_is_required_is_always_among_them() {
    let by = |vacuum: &str, governance: &str| {
        let lanes = "{ id: a, classes: [siem], sink: { host: a } }, { id: b, sink: { host: b } }";
        let mut rig = Rig::new(lanes, governance);
        rig.config = rig.config.replace("vacuum: { cursors", &format!("vacuum: {{ {vacuum} cursors"));
        rig.start();
        let (passed, report) = rig.read(0, TWO);
        rig.drain();
        assert_eq!(passed.lines().count() as u64, report.passed);
        (report.events, rig.got(0).0, rig.got(1).0)
    };
    assert_eq!(by("", ""), (2, 2, 2));
    assert_eq!(by("transports: [b],", ""), (2, 0, 2));
    assert_eq!(by("transports: [],", ""), (0, 0, 0));
    let required = "governance: { version: '1', required_sinks: [{ class: siem }] }";
    assert_eq!(by("transports: [b],", required), (2, 2, 2));
    let mut rig = Rig::new(LANES, "");
    rig.config = rig.config.replace("vacuum: {", "vacuum: { transports: [nope],");
    let text = rig.config.clone();
    let source = Source::Text {
        text: text.replace("host: a", "memory: {}").replace("host: b", "memory: {}"),
        name: None,
        format: Default::default(),
    };
    let emitter = Emitter::open(Options {
        manual: true,
        ..Options::new(Config::load(source, &SystemEnv::default()).unwrap())
    })
    .unwrap();
    let error = Intake::of(&emitter, &SystemEnv::default()).unwrap_err();
    assert!(error.message().contains("\"nope\" is no transport; there are a, b"), "{error}");
}

#[test]
fn it_is_off_until_the_configuration_says_otherwise() {
    let mut rig = Rig::new(LANES, "");
    rig.config = rig.config.lines().filter(|line| !line.starts_with("vacuum")).collect::<Vec<_>>().join("\n");
    rig.start();
    assert!(!rig.intake.as_ref().unwrap().is_on());
    let (passed, report) = rig.read(0, &format!("{TWO}torn"));
    assert_eq!((passed, report.events, report.lines, report.passed), (format!("{TWO}torn"), 0, 5, 5));
}

#[test]
fn cursors_can_be_moved_by_hand_and_another_file_is_left_alone() {
    let dir = TempDir::new();
    let path = dir.path().join("c.db");
    assert!(Cursors::open_known(&path).unwrap_err().message().contains("no such database"));
    let cursors = Cursors::open(&path).unwrap();
    let marks = |delivered| Marks { delivered, journaled: None, undone: None };
    let cursor =
        |lane: &str, delivered| Cursor { process: "p".into(), lane: lane.into(), marks: marks(delivered) };
    cursors.advance(&[cursor("a", Some(5)), cursor("b", Some(3))]).unwrap();
    // Up only, whatever another process says.
    Cursors::open(&path).unwrap().advance(&[cursor("a", Some(4)), cursor("b", Some(4))]).unwrap();
    assert_eq!(cursors.list().unwrap(), [cursor("a", Some(5)), cursor("b", Some(4))]);
    cursors.set("p", "a", Some(1)).unwrap();
    cursors.set("p", "b", None).unwrap();
    let taken: Vec<_> = cursors.read("p").unwrap().iter().map(|(_, marks)| marks.taken()).collect();
    assert_eq!(taken, [Some(1), None]);
    assert_eq!((cursors.remove("p", Some("b")).unwrap(), cursors.remove("p", None).unwrap()), (1, 1));
    assert_eq!(cursors.list().unwrap(), []);
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Neither text nor another program's database.
    let other = dir.path().join("other.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    let text = dir.path().join("text");
    std::fs::write(&text, "not a database, but long enough to be taken for one").unwrap();
    for path in [other, text] {
        let before = std::fs::read(&path).unwrap();
        let error = Cursors::open(&path).unwrap_err();
        assert!(error.message().contains("nothing was changed"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
    assert!(parse(cursor("a", Some(5)).to_value().to_json().as_bytes()).is_ok());
}

#[test]
fn a_reader_that_fails_keeps_nothing_back() {
    struct Failing(bool);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(std::io::Error::other("the disk is gone"));
            }
            let log = b"2026-01-31T12:00:00Z stdout P held\ntorn";
            buffer[..log.len()].copy_from_slice(log);
            Ok(log.len())
        }
    }
    let rig = Rig::new(LANES, "");
    let emitter = rig.emitter.as_ref().unwrap();
    let mut passed = Vec::new();
    let mut drawing = Intake::to_all(None).start(emitter, Asked::default()).unwrap();
    let error = drawing.read(&mut Failing(false), emitter, &Wait::Never, &mut passed).unwrap_err();
    assert!(error.message().contains("the disk is gone"));
    assert_eq!(passed, b"2026-01-31T12:00:00Z stdout P held\ntorn");
}
