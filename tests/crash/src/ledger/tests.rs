//! A judge must condemn: each promise broken is found.

use super::*;

fn line(sequence: u64, event: Option<Event>, id: &str, more: &str) -> String {
    let data = event.map_or(String::new(), |(run, thread, n)| {
        format!(r#""data":{{"n":{n},"run":{run},"thread":{thread}}},"#)
    });
    let origin = if event.is_none() { r#""origin":"core","# } else { "" };
    format!(r#"{{{data}{origin}"id":"{id}","more":"{more}","sequence":"{sequence}","streamid":"s"}}"#)
}

fn id(n: u64) -> String {
    format!("00000000-0000-7000-8000-{n:012}")
}

/// Two events of one thread, told.
fn told() -> Told {
    let mut told = Told::default();
    for n in 0..2 {
        assert_eq!(told.take(0, &format!("1 {n} {}", id(n))), Ok(true));
    }
    told
}

#[test]
fn lines_that_tell_nothing_are_passed_over_and_gaps_are_not() {
    let mut told = told();
    for line in ["opening", "open", "1 2 0000", ""] {
        assert_eq!(told.take(0, line), Ok(false), "{line:?}");
    }
    told.take(0, &format!("1 3 {}", id(3))).unwrap_err();
}

#[test]
fn what_was_told_must_be_somewhere_and_in_the_end_delivered() {
    let (told, mut ledger) = (told(), Ledger::default());
    ledger.book(&told, line(1, Some((0, 1, 0)), &id(0), "").as_bytes(), Found::Delivered).unwrap();
    assert!(ledger.balance(&told, false).unwrap_err().contains("lost"));
    ledger.book(&told, line(2, Some((0, 1, 1)), &id(1), "").as_bytes(), Found::Waiting).unwrap();
    ledger.balance(&told, false).unwrap();
    assert!(ledger.balance(&told, true).unwrap_err().contains("not delivered"));
    ledger.book(&told, line(2, Some((0, 1, 1)), &id(1), "").as_bytes(), Found::Delivered).unwrap();
    ledger.balance(&told, true).unwrap();
    assert_eq!((ledger.delivered(), ledger.repeats()), (2, 0));
}

#[test]
fn a_place_holds_one_line_and_an_event_has_one_place() {
    let (told, mut ledger) = (told(), Ledger::default());
    let first = line(1, Some((0, 1, 0)), &id(0), "");
    ledger.book(&told, first.as_bytes(), Found::Waiting).unwrap();
    ledger.book(&told, line(1, Some((0, 1, 0)), &id(0), "x").as_bytes(), Found::Delivered).unwrap_err();
    ledger.book(&told, line(2, Some((0, 1, 0)), &id(0), "").as_bytes(), Found::Delivered).unwrap_err();
}

#[test]
fn nothing_is_invented_and_nothing_acknowledged_that_is_not_there() {
    let (told, mut ledger) = (told(), Ledger::default());
    for (event, id) in [((0, 1, 0), id(9)), ((0, 1, 2 + BURST), id(5)), ((7, 1, BURST), id(5))] {
        let line = line(1, Some(event), &id, "");
        let e = Ledger::default().book(&told, line.as_bytes(), Found::Delivered).unwrap_err();
        assert!(e.contains("invented"), "{e}");
    }
    let own = line(3, None, &id(4), "");
    ledger.book(&told, own.as_bytes(), Found::Acknowledged).unwrap_err();
    ledger.book(&told, own.as_bytes(), Found::Delivered).unwrap();
    ledger.book(&told, own.as_bytes(), Found::Acknowledged).unwrap();
}

#[test]
fn a_hole_in_a_threads_events_is_found() {
    let (mut told, mut ledger) = (Told::default(), Ledger::default());
    told.take(0, &format!("1 0 {}", id(0))).unwrap();
    for n in [0, 2] {
        let line = line(n + 1, Some((0, 1, n)), &id(n), "");
        ledger.book(&told, line.as_bytes(), Found::Delivered).unwrap();
    }
    ledger.balance(&told, false).unwrap();
    assert!(ledger.balance(&told, true).unwrap_err().contains("has 2, not 1"));
}
