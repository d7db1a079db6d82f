//! A lane's controller, one situation after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::rig::{Rig, judge, judge_with};
use crate::key::SigningKey;
use crate::lane::control::Step;
use crate::lane::{After, Ask, LaneState};
use crate::receipt::{EndState, Stage};
use crate::seam::Instant;
use crate::sink::{Answer, Answers, Envelope, Failure, FailureKind};
use crate::verify::Verdict;

fn lane(keys: &str) -> Rig {
    Rig::new(&format!("{{ id: l, sink: memory, batch: {{ linger: 20ms }}, {keys} }}"), 1)
}

fn away() -> Failure {
    Failure::new(FailureKind::Network, "away")
}

fn refused() -> Failure {
    Failure::new(FailureKind::Rejected, "no")
}

#[test]
fn a_callback_of_a_lost_event_may_emit_into_the_same_lane() {
    let rig = lane("overflow: drop_oldest, queue: { events: 2, terminal_reserve: 1 }");
    let first = rig.emit(1).remove(0);
    let called = Arc::new(AtomicUsize::new(0));
    let (lane, count, next) = (Arc::clone(&rig.lane), Arc::clone(&called), rig.event(None, None, false, 0));
    first
        .on(Stage::Delivered, move || {
            count.fetch_add(1, Ordering::SeqCst);
            let mut after = After::default();
            lane.offer(&mut lane.lock(), &next, &mut after);
            after.run(&[Arc::clone(&lane)]);
        })
        .unwrap();
    rig.emit(1);
    assert_eq!(called.load(Ordering::SeqCst), 1);
    assert_eq!(rig.lane.counters().dropped, 2);
}

#[test]
fn a_sink_that_refuses_everything_even_declarations_is_no_endless_loop() {
    let mut rig = lane("overflow: block");
    rig.emit(20);
    let refuse = |batch: &[Envelope]| Answers::Each(vec![Answer::Refused(refused()); batch.len()]);
    assert!(rig.run(true, refuse) < 5);
    assert_eq!(rig.lane.health().state, LaneState::Failed);
    rig.emit(20);
    assert!(rig.run(true, refuse) < 5);
    // With nothing queued, the lane now and then sends an own envelope to find out whether the sink works again.
    rig.advance(Duration::from_secs(61));
    let mut probes = Vec::new();
    rig.run(false, |batch| {
        probes.push(batch.to_vec());
        Answers::Each(vec![Answer::Refused(refused()); batch.len()])
    });
    assert_eq!(probes.len(), 1);
    assert!(probes[0].iter().all(|e| e.own && e.event_type.ends_with("heartbeat")));
    // The sink recovers, and gets everything.
    rig.advance(Duration::from_secs(61));
    let mut got = Vec::new();
    rig.close(|batch| {
        got.extend(batch.iter().map(|e| e.bytes.to_vec()));
        Answers::Acknowledged
    });
    let report = judge(&got);
    assert_eq!(report.verdict, Verdict::Incomplete, "{report:#?}");
    assert_eq!(report.lost.get("rejected"), Some(&40));
}

#[test]
fn a_sink_that_takes_everything_in_part_even_declarations_is_no_endless_loop() {
    let one: fn(&[Envelope]) -> Answers = |_| Answers::Partial { refused: 1, failure: refused() };
    let all: fn(&[Envelope]) -> Answers = |_| Answers::Partial { refused: u64::MAX, failure: refused() };
    let each: fn(&[Envelope]) -> Answers =
        |batch| Answers::Each(vec![Answer::Uncertain(refused()); batch.len()]);
    for answer in [one, all, each] {
        let mut rig = lane("overflow: block");
        for _ in 0..2 {
            rig.emit(20);
            assert!(rig.run(true, answer) < 5);
        }
        // It takes everything again, and is told.
        rig.emit(1);
        let mut told = false;
        rig.close(|batch| {
            told |= batch.iter().any(|e| e.own && e.event_type.ends_with("policy.breach"));
            Answers::Acknowledged
        });
        assert!(told);
    }
}

#[test]
fn what_is_uncertain_ends_alone_and_is_declared_as_that() {
    let mut rig = lane("overflow: block");
    let receipts = rig.emit(3);
    let mut got = Vec::new();
    let Step::Deliver(_, batch) = rig.step(true) else { panic!("nothing to deliver") };
    let unknown = |e: &Envelope| Failure::new(FailureKind::Network, format!("{}", e.sequence));
    let middle = batch.iter().filter(|e| !e.own).nth(1).unwrap().sequence;
    let answer = |e: &Envelope| match e.sequence == middle {
        true => Answer::Uncertain(unknown(e)),
        false => Answer::Acknowledged,
    };
    got.extend(batch.iter().filter(|e| e.sequence != middle).map(|e| e.bytes.to_vec()));
    rig.answer(Answers::Each(batch.iter().map(answer).collect()));
    let state = |i: usize| receipts[i].endings()[0].1.as_ref().unwrap().state;
    assert_eq!(
        [state(0), state(1), state(2)],
        [EndState::Delivered, EndState::Uncertain, EndState::Delivered]
    );
    let counters = rig.lane.counters();
    assert_eq!((counters.delivered, counters.rejected, counters.pending), (2, 1, 0));
    rig.close(|batch| {
        got.extend(batch.iter().map(|e| e.bytes.to_vec()));
        Answers::Acknowledged
    });
    let report = judge(&got);
    assert_eq!(report.verdict, Verdict::Incomplete, "{report:#?}");
    assert_eq!(report.lost.get("uncertain"), Some(&1));
}

#[test]
fn nothing_is_sealed_after_closed() {
    let mut rig = lane("overflow: block");
    rig.emit(3);
    let mut got = Vec::new();
    rig.run(true, |batch| {
        got.extend(batch.iter().map(|e| e.bytes.to_vec()));
        Answers::Acknowledged
    });
    rig.lane.ask(Ask::Close(Instant::NEVER));
    let Step::Deliver(_, batch) = rig.step(true) else { panic!("closed is to be delivered") };
    got.extend(batch.iter().map(|e| e.bytes.to_vec()));
    // While `closed` is on its way another lane fails, and the host emits.
    let record = crate::lane::StateRecord {
        lane: "other".into(),
        kind: "memory",
        state: LaneState::Failed,
        failure: Some(FailureKind::Network),
        summary: "away".into(),
        terminal_preserved: true,
        dropped: 0,
        acked: None,
        repair: None,
        unsafe_replay: None,
    };
    rig.lane.ask(Ask::Note(crate::lane::Note::State(record)));
    let late = rig.emit(1).remove(0);
    assert_eq!(late.endings()[0].1.as_ref().unwrap().state, EndState::Lost);
    rig.answer(Answers::Acknowledged);
    rig.run(true, |batch| panic!("{batch:?} after closed"));
    assert_eq!(judge(&got).verdict, Verdict::Sound);
}

#[test]
fn auth_failures_keep_everything() {
    let mut rig = lane("overflow: drop_oldest, retry: { give_up: 1s }");
    rig.emit(5);
    let no = || Failure::new(FailureKind::Auth, "401");
    for answer in [
        Answers::Retry(no(), None),
        Answers::RefusedBatch(no()),
        Answers::Each(vec![Answer::Refused(no()); 6]),
    ] {
        let Step::Deliver(_, batch) = rig.step(true) else { panic!("nothing to deliver") };
        assert_eq!(batch.len(), 6);
        rig.answer(answer);
        assert_eq!(rig.lane.health().state, LaneState::Failed);
        rig.advance(Duration::from_secs(100));
    }
    assert_eq!(rig.lane.counters().pending, 5);
    rig.close(|_| Answers::Acknowledged);
    assert_eq!(rig.lane.counters().delivered, 5);
}

#[test]
fn the_cursor_moves_only_contiguously() {
    let mut rig = lane("overflow: block");
    rig.emit(3);
    let Step::Deliver(_, batch) = rig.step(true) else { panic!("nothing to deliver") };
    assert_eq!(batch.len(), 4);
    let retry = Answer::Retry(away(), None);
    let yes = Answer::Acknowledged;
    rig.answer(Answers::Each(vec![yes.clone(), yes.clone(), retry, yes]));
    assert_eq!(rig.lane.health().acked.unwrap().sequence, batch[1].sequence);
    let Step::Deliver(_, again) = rig.step(true) else { panic!("nothing to deliver") };
    assert_eq!(again.len(), 1);
    rig.answer(Answers::Acknowledged);
    assert_eq!(rig.lane.health().acked.unwrap().sequence, batch[3].sequence);
}

#[test]
fn a_call_past_its_timeout_is_not_repeated_and_its_late_answer_counts() {
    let mut rig = lane("overflow: block, timeout: 1s");
    let receipt = rig.emit(1).remove(0);
    assert!(matches!(rig.step(true), Step::Deliver(..)));
    rig.advance(Duration::from_secs(2));
    assert!(matches!(rig.step(true), Step::Wait(..)));
    assert_eq!(rig.lane.health().state, LaneState::Failed);
    rig.advance(Duration::from_secs(3600));
    assert!(matches!(rig.step(true), Step::Wait(..)), "no second call until the first returns");
    rig.answer(Answers::Acknowledged);
    assert!(receipt.reached(Stage::Delivered));
    assert_eq!(rig.lane.health().state, LaneState::Healthy);
    let states: Vec<LaneState> = rig.records().iter().map(|record| record.state).collect();
    assert_eq!(states, [LaneState::Failed, LaneState::Healthy], "once per change");
}

#[test]
fn a_shutdown_gives_up_by_itself_when_its_time_is_over() {
    let mut rig = lane("overflow: block");
    let receipt = rig.emit(1).remove(0);
    assert!(matches!(rig.step(true), Step::Deliver(..)));
    rig.lane.ask(Ask::Close(rig.lane.now().after(Duration::from_secs(5))));
    let Step::Wait(Some(at), _) = rig.step(false) else { panic!("it waits for the sink, but not for ever") };
    assert!(at <= rig.lane.now().after(Duration::from_secs(5)));
    rig.advance(Duration::from_secs(5));
    assert!(matches!(rig.step(false), Step::Done));
    assert_eq!(receipt.endings()[0].1.as_ref().unwrap().state, EndState::Uncertain);
}

#[test]
fn a_lost_terminal_event_is_a_record_once_per_episode() {
    let mut rig = lane("overflow: drop_progress, queue: { events: 2, terminal_reserve: 1 }");
    rig.run(true, |_| Answers::Acknowledged);
    for _ in 0..5 {
        rig.offer(&rig.event(None, None, true, 0));
        rig.run(false, |_| Answers::Acknowledged);
    }
    let records = rig.records();
    assert_eq!(records.len(), 1);
    assert!(!records[0].terminal_preserved && records[0].failure == Some(FailureKind::Overflow));
}

#[test]
fn losses_are_noticed_while_the_sink_hangs() {
    let mut rig = lane("overflow: drop_oldest, queue: { events: 2, terminal_reserve: 1 }");
    rig.emit(1);
    assert!(matches!(rig.step(true), Step::Deliver(..)));
    rig.advance(Duration::from_secs(60));
    assert!(matches!(rig.step(false), Step::Wait(..)));
    rig.lane.lock().phase = crate::lane::core::Phase::Waiting;
    rig.emit(2);
    assert!(rig.lane.lock().attention, "the first drop wakes the lane");
    rig.lane.lock().phase = crate::lane::core::Phase::Waiting;
    let Step::Wait(Some(at), _) = rig.step(false) else { panic!("the episode's end is waited for") };
    assert_eq!(at, rig.lane.now().after(Duration::from_secs(10)));
    rig.lane.lock().phase = crate::lane::core::Phase::Waiting;
    rig.emit(1);
    assert!(!rig.lane.lock().attention, "others need not");
}

#[test]
fn an_idempotent_sink_has_several_batches_and_the_cursor_waits_for_the_oldest() {
    let mut rig = Rig::new("{ sink: { host: h }, order: 3, batch: { events: 2, linger: 0ms } }", 11);
    rig.run(true, |_| Answers::Acknowledged);
    let receipts = rig.emit(8);
    let mut calls = Vec::new();
    while let Step::Deliver(call, batch) = rig.step(true) {
        calls.push((call, batch));
    }
    assert_eq!(calls.len(), 3, "as many as `order` says");
    let cursor = |rig: &Rig| rig.lane.health().acked.unwrap().sequence;
    let start = cursor(&rig);
    rig.answer_call(calls[2].0, Answers::Acknowledged);
    rig.answer_call(calls[1].0, Answers::Acknowledged);
    assert_eq!(cursor(&rig), start, "the oldest is still away");
    assert!(receipts[4].reached(Stage::Delivered) && !receipts[0].reached(Stage::Delivered));
    rig.answer_call(calls[0].0, Answers::Acknowledged);
    assert_eq!(cursor(&rig), calls[2].1.last().unwrap().sequence, "over all that were ahead");

    // A batch that fails is sent again alone.
    let Step::Deliver(last, _) = rig.step(true) else { panic!("the fourth batch") };
    rig.answer_call(last, Answers::Retry(away(), None));
    rig.emit(4);
    let Step::Deliver(again, batch) = rig.step(true) else { panic!("the fourth batch again") };
    assert_eq!(batch.len(), 2);
    assert!(matches!(rig.step(true), Step::Wait(..)), "a sink that has just failed gets one call");
    rig.answer_call(again, Answers::Acknowledged);
    rig.close(|_| Answers::Acknowledged);
    assert!(receipts.iter().all(|receipt| receipt.reached(Stage::Delivered)));
}

#[test]
fn a_change_of_key_is_sent_until_it_is_acknowledged() {
    let mut rig = Rig::new("{ sink: memory, batch: { linger: 0ms } }", 12);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    rig.run(true, |batch| {
        lines.extend(batch.iter().map(|envelope| envelope.bytes.to_vec()));
        Answers::Acknowledged
    });
    rig.lane.lock().new_key = Some(SigningKey::hmac("k2", b"another key, at least 32 bytes long").unwrap());
    rig.emit(1);
    let about_keys = |envelope: &Envelope| String::from_utf8_lossy(&envelope.bytes).contains("key_");
    let mut unwanted = Vec::new();
    rig.run(true, |batch| {
        let answers = batch.iter().map(|envelope| {
            if about_keys(envelope) {
                unwanted.push(envelope.bytes.to_vec());
                return Answer::Refused(refused());
            }
            lines.push(envelope.bytes.to_vec());
            Answer::Acknowledged
        });
        Answers::Each(answers.collect())
    });
    assert_eq!(unwanted.len(), 2, "retiring and active");
    rig.advance(Duration::from_secs(60));
    rig.emit(1);
    rig.run(true, |batch| {
        lines.extend(batch.iter().map(|envelope| envelope.bytes.to_vec()));
        Answers::Acknowledged
    });
    assert!(unwanted.iter().all(|line| lines.contains(line)), "the same bytes, again");
    rig.close(|batch| {
        lines.extend(batch.iter().map(|envelope| envelope.bytes.to_vec()));
        Answers::Acknowledged
    });
    let report = judge_with(&lines, &[("k2", b"another key, at least 32 bytes long")]);
    assert_eq!(report.streams.len(), 1, "{report}");
    assert!(report.verdict <= Verdict::Incomplete, "{report}");
    assert!(report.streams[0].closed, "{report}");
}

#[test]
fn no_receipt_hangs_when_the_lane_itself_panics() {
    let mut rig = Rig::new("{ sink: memory, batch: { linger: 0ms } }", 13);
    rig.run(true, |_| Answers::Acknowledged);
    let receipt = rig.emit(1).remove(0);
    let Step::Deliver(call, _) = rig.step(true) else { panic!("one batch") };
    // The clock is read when the acknowledgement has come: the batch is in a local variable then.
    rig.broken.store(true, Ordering::SeqCst);
    let control = std::panic::AssertUnwindSafe(|| rig.answer_call(call, Answers::Acknowledged));
    assert!(std::panic::catch_unwind(control).is_err());
    assert_eq!(receipt.endings()[0].1.as_ref().unwrap().state, EndState::Uncertain);
}

#[test]
fn a_receiver_can_ask_for_five_minutes_and_the_lane_is_failed_where_that_is_longer_than_its_breaker() {
    for (asked, state, waits) in [
        (Duration::from_secs(20), LaneState::Degraded, Duration::from_secs(20)),
        (Duration::from_secs(61), LaneState::Failed, Duration::from_secs(61)),
        (Duration::from_secs(10_000_000_000), LaneState::Failed, Duration::from_secs(300)),
        (Duration::MAX, LaneState::Failed, Duration::from_secs(300)),
    ] {
        for each in [false, true] {
            let mut rig = lane("overflow: block");
            rig.emit(1);
            rig.advance(Duration::from_secs(1));
            let busy = |batch: &[Envelope]| match each {
                true => Answers::Each(vec![Answer::Retry(away(), Some(asked)); batch.len()]),
                false => Answers::Retry(away(), Some(asked)),
            };
            assert_eq!(rig.run(false, busy), 1, "{asked:?}");
            assert_eq!(rig.lane.health().state, state, "{asked:?}");
            rig.advance(waits - Duration::from_millis(1));
            assert_eq!(rig.run(false, |_| Answers::Acknowledged), 0, "{asked:?}: not before");
            rig.advance(Duration::from_millis(1));
            assert!(rig.run(false, |_| Answers::Acknowledged) > 0, "{asked:?}: it is tried again then");
            assert_eq!(rig.lane.health().state, LaneState::Healthy);
        }
    }
}

#[test]
fn a_lane_says_what_it_loses_and_what_it_ends_with() {
    let mut rig = lane("overflow: drop_oldest, queue: { events: 4, terminal_reserve: 1 }");
    rig.run(true, |_| Answers::Acknowledged);
    rig.emit(6);
    rig.advance(Duration::from_millis(20));
    rig.run(false, |_| Answers::Retry(away(), None));
    let said = |rig: &Rig| format!("{:?}", rig.control.said());
    assert!(said(&rig).contains("3 events lost (overflow)"), "{}", said(&rig));
    assert!(said(&rig).contains("is degraded (network): away; 3 events wait"), "{}", said(&rig));
    assert_eq!(rig.control.said().len(), 2);
    // More losses for the same reason are not logged until the minute is over; then the lane logs them by itself.
    rig.emit(4);
    rig.run(false, |_| Answers::Retry(away(), None));
    assert_eq!(rig.control.said().len(), 2, "{}", said(&rig));
    rig.advance(Duration::from_secs(60));
    rig.run(false, |_| Answers::Retry(away(), None));
    assert!(said(&rig).contains("1 more event lost (overflow)"), "{}", said(&rig));
    assert!(said(&rig).contains("is degraded (network): away; 6 events wait"), "{}", said(&rig));
    rig.lane.ask(Ask::Close(rig.lane.now()));
    rig.run(true, |_| Answers::Acknowledged);
    assert!(said(&rig).contains("ended with 6 events undelivered (shutdown)"), "{}", said(&rig));
}

#[test]
fn envelopes_that_the_sink_lets_go_are_written_anew_and_those_that_it_keeps_are_not() {
    let keys = "{ id: l, sink: memory, batch: { linger: 20ms, events: 100 }, overflow: block }";
    let mut rig = Rig::new(keys, 1);
    let (mut lines, mut kept): (Vec<Vec<u8>>, Vec<Envelope>) = Default::default();
    for n in 0..1_000 {
        // Now longer, now shorter than the one whose memory it gets; a few are too long to be kept.
        let pad = if n % 50 == 49 { 5_000 } else { n * 37 % 90 };
        rig.offer(&rig.event(None, None, false, pad)).unwrap();
    }
    while let Step::Deliver(_, batch) = rig.step(false) {
        lines.extend(batch.iter().map(|envelope| envelope.bytes.clone()));
        kept.extend(batch.iter().step_by(3).cloned());
        drop(batch);
        rig.answer(Answers::Acknowledged);
        assert!((1..=100).contains(&rig.control.spare()), "nobody else holds two of three");
    }
    let Step::Wait(Some(until), _) = rig.step(false) else { panic!("no end of what is kept") };
    assert!(rig.control.spare() > 0 && until == rig.lane.now().after(Duration::from_millis(20)));
    rig.advance(Duration::from_millis(20));
    assert!(matches!(rig.step(false), Step::Wait(None, _)));
    assert_eq!(rig.control.spare(), 0, "a lane that has nothing to do keeps nothing");
    rig.close(|batch| {
        lines.extend(batch.iter().map(|envelope| envelope.bytes.clone()));
        Answers::Acknowledged
    });
    let report = judge(&lines);
    assert_eq!((report.verdict, report.envelopes), (Verdict::Sound, lines.len() as u64), "{report:#?}");
    assert!(kept.len() > 300 && kept.iter().all(|envelope| lines.contains(&envelope.bytes)));
}
