//! What becomes of each event, on lines made here: no key, so that form and chain are all that is checked.

use std::fmt::Write as _;

use super::*;
use crate::envelope::line::{Line, Reader};
use crate::seam::Uuid;
use crate::testing::TempDir;
use crate::verify::Verdict;

/// A stream of one lane, as its sealer would write it.
struct Lines {
    stream: Uuid,
    agent: &'static str,
    next: u64,
    prev: Option<String>,
    text: String,
}

impl Lines {
    /// A stream that is opened for `lane`.
    fn new(stream: u8, lane: &str) -> Self {
        Self::of("urn:a", stream, lane)
    }

    fn of(agent: &'static str, stream: u8, lane: &str) -> Self {
        let mut lines = Self { stream: Uuid([stream; 16]), agent, next: 1, prev: None, text: String::new() };
        lines.own("audit.chain", &format!(r#"{{"action":"opened","lane":"{lane}","sign":"none"}}"#));
        lines
    }

    fn add(&mut self, id: &str, event_type: &str, data: &str, origin: &str) -> &mut Self {
        // A second passes in the stream with each envelope.
        let prev = self.prev.as_ref().map_or(String::new(), |prev| format!(r#""prevhash":"{prev}","#));
        let line = format!(
            r#"{{"agentid":"{}","data":{data},"datacontenttype":"application/json","dataschema":"https://sinkwell.dev/schemas/governance-event/1.0","id":"{id}",{origin}{prev}"recordedtime":"2026-01-01T00:00:{:02}.000000000Z","sequence":"{:020}","severitynumber":9,"severitytext":"INFO","source":"s","specversion":"1.0","streamid":"{}","time":"2026-01-01T00:00:00.000000000Z","type":"{event_type}"}}"#,
            self.agent,
            self.next % 60,
            self.next,
            self.stream
        );
        let mut reader = Reader::default();
        let Line::Envelope(envelope) = reader.read(line.as_bytes()) else { panic!("{line}") };
        assert_eq!(envelope.form, None, "{line}");
        let mut prev = Vec::new();
        crate::hex::push(&mut prev, &envelope.hash());
        self.prev = Some(String::from_utf8(prev).unwrap());
        self.next += 1;
        writeln!(self.text, "{line}").unwrap();
        self
    }

    fn event(&mut self, id: &str) -> &mut Self {
        self.data(id, r#"{"tool":"search"}"#)
    }

    fn data(&mut self, id: &str, data: &str) -> &mut Self {
        self.add(id, "dev.sinkwell.tool.invocation", data, "")
    }

    fn own(&mut self, event_type: &str, data: &str) -> &mut Self {
        let id = format!("own-{}-{}", self.stream, self.next);
        self.add(&id, &format!("dev.sinkwell.{event_type}"), data, r#""origin":"core","#)
    }

    fn closed(&mut self) -> &mut Self {
        let (head, at) = (self.prev.clone().unwrap(), self.next - 1);
        let data = format!(
            r#"{{"action":"closed","head":"{head}","lane":"x","sequence":"{at:020}","streamid":"{}","time":"2026-01-01T00:00:00.000000000Z"}}"#,
            self.stream
        );
        self.own("audit.chain", &data)
    }

    /// Declares that as many events were lost before they had a number.
    fn lost(&mut self, count: u64) -> &mut Self {
        let (from, to) = (self.next, self.next + count - 1);
        self.next += count;
        let data = format!(
            r#"{{"count":{count},"lane":"x","lost":[{{"from":"{from:020}","to":"{to:020}"}}],"reason":"overflow"}}"#
        );
        self.own("policy.breach", &data)
    }
}

fn compared_as(a: &str, b: &str, by_lane: bool) -> Comparison {
    let dir = TempDir::new();
    let path = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (a, b) = (path("a.ndjson", a), path("b.ndjson", b));
    let options = CompareOptions { by_lane, ..Default::default() };
    let found = compare(&a, &b, &options, &mut |_| {}).unwrap();
    // The other way round the same is found.
    let turned = compare(&b, &a, &options, &mut |_| {}).unwrap();
    assert_eq!(found.verdict, turned.verdict);
    for (pair, turned) in found.pairs.iter().zip(&turned.pairs).filter(|_| !by_lane) {
        let counts = turned.counts;
        let turned = Counts { only_in_a: counts.only_in_b, only_in_b: counts.only_in_a, ..counts };
        assert_eq!(pair.counts, turned);
    }
    found
}

fn compared(a: &Lines, b: &Lines) -> Comparison {
    compared_as(&a.text, &b.text, false)
}

/// The kinds of all differences of the one pair, with their ids.
fn kinds(found: &Comparison) -> Vec<(&'static str, &str)> {
    assert_eq!(found.pairs.len(), 1);
    found.pairs[0].differences.iter().map(|d| (d.kind.name(), d.id.as_str())).collect()
}

fn lines(stream: u8, ids: &[&str]) -> Lines {
    let mut lines = Lines::new(stream, if stream == 1 { "siem" } else { "audit" });
    for id in ids {
        lines.event(id);
    }
    lines
}

#[test]
fn the_same_events_are_the_same_in_any_place() {
    let mut a = lines(1, &["e1", "e2", "e3"]);
    let mut b = lines(2, &["e3", "e1", "e2", "e1"]);
    let found = compared(a.closed(), b.closed());
    assert_eq!((kinds(&found), found.pairs[0].counts.same), (vec![], 3));
    // No key was given.
    assert_eq!((found.verdict, found.is_good()), (Verdict::Unchecked, false));
}

#[test]
fn an_event_that_a_closed_stream_has_not_is_a_finding() {
    for missing in ["e1", "e2", "e3"] {
        let ids: Vec<_> = ["e1", "e2", "e3"].into_iter().filter(|id| *id != missing).collect();
        let mut b = lines(2, &ids);
        let mut a = lines(1, &["e1", "e2", "e3"]);
        let found = compared(a.closed(), b.closed());
        assert_eq!(kinds(&found), [("only_in", missing)]);
        let at = found.pairs[0].differences[0].a.clone().unwrap();
        assert!(at.place.ends_with(&format!("a.ndjson:{}", at.sequence)), "{at:?}");
        assert_eq!(found.verdict, Verdict::Findings);
    }
    // Also where the other side has no event at all, though it was there.
    let (mut a, mut b) = (lines(1, &["e1"]), lines(2, &[]));
    assert_eq!(kinds(&compared(a.closed(), b.closed())), [("only_in", "e1"), ("nothing_in_common", "")]);
}

#[test]
fn what_an_open_or_cut_file_does_not_reach_is_not_covered() {
    let mut a = lines(1, &["e1", "e2", "e3", "e4"]);
    a.closed();
    let b = lines(2, &["e1", "e2"]);
    let found = compared(&a, &b);
    assert_eq!(kinds(&found), [("not_covered", "e3"), ("not_covered", "e4")]);
    let first = found.to_string().lines().next().unwrap().to_owned();
    assert!(first.ends_with("; only as far as both reach: 2 events lie beyond"), "{first}");
    // The end of a rotated set: what stands before it is elsewhere, what is missing in it is missing.
    let mut b = lines(2, &["e1", "e2", "e4"]);
    let rest: Vec<_> = b.closed().text.lines().skip(2).collect();
    let found = compared_as(&a.text, &(rest.join("\n") + "\n"), false);
    assert_eq!(kinds(&found), [("only_in", "e3"), ("not_covered", "e1")]);
    // A stream of which the other side has nothing: of its time, and of another.
    let mut other = Lines::of("urn:b", 3, "siem");
    let both = a.text.clone() + &other.event("f1").closed().text;
    let mut b = lines(2, &["e1", "e2", "e3", "e4"]);
    assert_eq!(kinds(&compared_as(&both, &b.closed().text, false)), [("only_in", "f1")]);
    let later = other.text.replace("2026-01-01T", "2026-01-02T");
    assert_eq!(kinds(&compared_as(&(a.text.clone() + &later), &b.text, false)), [("not_covered", "f1")]);
}

#[test]
fn a_declared_loss_accounts_for_as_many_events_of_that_agent_and_no_more() {
    let ids = ["e1", "e2", "e3", "e4"];
    let mut a = lines(1, &ids);
    a.closed();
    let mut b = lines(2, &["e1"]);
    b.lost(2).event("e4").closed();
    let found = compared(&a, &b);
    assert_eq!(kinds(&found), [("declared_loss", "e2"), ("declared_loss", "e3")]);
    let mut b = lines(2, &["e1"]);
    b.lost(1).event("e4").closed();
    assert_eq!(kinds(&compared(&a, &b)), [("only_in", "e3"), ("declared_loss", "e2")]);
    // Another agent's loss says nothing.
    let mut other = Lines::of("urn:b", 3, "audit");
    other.lost(9).closed();
    let mut b = lines(2, &["e1", "e2", "e4"]);
    let both = b.closed().text.clone() + &other.text;
    assert_eq!(kinds(&compared_as(&a.text, &both, false)), [("only_in", "e3")]);
}

#[test]
fn what_a_lane_filtered_may_be_missing_as_often_as_it_says() {
    let mut a = lines(1, &["e1", "e2", "e3"]);
    a.closed();
    for (filtered, expected) in [(2, "perhaps_filtered"), (1, "only_in")] {
        let mut b = lines(2, &["e1"]);
        b.own("heartbeat", r#"{"counters":{"filtered":1},"heads":[],"lane":"audit"}"#);
        b.own("heartbeat", &format!(r#"{{"counters":{{"filtered":{filtered}}},"heads":[],"lane":"audit"}}"#));
        let found = compared(&a, b.closed());
        let mut kinds: Vec<_> = kinds(&found).into_iter().map(|(kind, _)| kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [expected, "perhaps_filtered"]);
    }
}

#[test]
fn members_that_differ_are_named_and_never_shown() {
    let (mut a, mut b) = (lines(1, &["e1"]), lines(2, &["e1"]));
    a.data("e2", r#"{"args":{"a":[1,2],"b":1},"tool":"rm"}"#).closed();
    b.data("e2", r#"{"args":{"a":[1,3],"c":1},"tool":"ls"}"#).closed();
    let found = compared(&a, &b);
    assert_eq!(kinds(&found), [("differs", "e2")]);
    let mut members = found.pairs[0].differences[0].members.clone();
    members.sort_unstable();
    assert_eq!(members, ["data.args.a[1]", "data.args.b", "data.args.c", "data.tool"]);
    let said = format!("{found}{}", found.to_json().to_json());
    assert!(!said.contains("rm") || !said.contains("\"ls\""), "{said}");
    assert_eq!(found.verdict, Verdict::Findings);
}

#[test]
fn what_lanes_may_see_differently_is_a_note() {
    let form = |view: &str, summary: &str, digest: u8| {
        format!(
            r#"{{"content":[{{"class":"prompt","digest":"{digest:064}","mediatype":"text/plain","mode":"redacted_summary","size":1{summary}}}],"sampling.threshold":"{view}","tool":"t","view":{{"policy":"{view}"}}}}"#
        )
    };
    let (mut a, mut b) = (lines(1, &[]), lines(2, &[]));
    a.data("e1", &form("p", r#","summary":"s""#, 1)).closed();
    b.data("e1", &form("q", "", 1)).closed();
    let found = compared(&a, &b);
    assert_eq!(kinds(&found), [("view_differs", "e1")]);
    assert_eq!(found.verdict, Verdict::Unchecked);
    // The commitment itself is not among what may differ.
    let mut b = lines(2, &[]);
    b.data("e1", &form("q", "", 2)).closed();
    let found = compared(&a, &b);
    assert_eq!(kinds(&found), [("differs", "e1")]);
    assert!(found.pairs[0].differences[0].members.iter().any(|name| name == "data.content[0].digest"));
    // One side may hold two lanes' forms.
    let mut both = lines(3, &[]);
    both.data("e1", &form("q", "", 1)).closed();
    let found =
        compared_as(&(a.text.clone() + &both.text), &both.text.replace("03030303", "04040404"), false);
    assert_eq!(kinds(&found), [("view_differs", "e1")]);
}

#[test]
fn a_stub_stands_for_its_event() {
    let (mut a, mut b) = (lines(1, &["e1", "e2"]), lines(2, &["e1", "e2"]));
    a.closed();
    b.closed();
    let erased: String = b
        .text
        .lines()
        .enumerate()
        .map(|(at, line)| {
            let mut reader = Reader::default();
            let Line::Envelope(envelope) = reader.read(line.as_bytes()) else { panic!("{line}") };
            if at == 2 { envelope.stub() + "\n" } else { line.to_owned() + "\n" }
        })
        .collect();
    let found = compared_as(&a.text, &erased, false);
    assert_eq!((kinds(&found), found.pairs[0].counts.same), (vec![], 2));
}

#[test]
fn what_nothing_covers_takes_no_part() {
    // A stranger's other form of an event, put behind the file: its own finding, and no difference.
    let (mut a, mut b) = (lines(1, &["e1", "e2"]), lines(2, &["e1", "e2"]));
    a.closed();
    b.closed();
    let broken = b.text.lines().nth(1).unwrap().replace("urn:a", "").replace("search", "other");
    let found = compared_as(&a.text, &(b.text.clone() + &broken + "\n"), false);
    assert_eq!((kinds(&found), found.pairs[0].counts.same), (vec![], 2));
    assert_eq!(found.verdict, Verdict::Findings);
}

#[test]
fn lane_by_lane_shows_what_one_of_them_was_not_told() {
    let (mut one, mut two) = (lines(1, &["e1", "e2"]), Lines::new(3, "second"));
    let a = one.closed().text.clone() + &two.event("e1").closed().text;
    let mut b = lines(2, &["e1", "e2"]);
    let b = b.closed().text.clone();
    assert_eq!(kinds(&compared_as(&a, &b, false)), []);
    let found = compared_as(&a, &b, true);
    let pairs: Vec<_> = found
        .pairs
        .iter()
        .map(|pair| (pair.a.as_deref(), pair.b.as_deref(), pair.counts.same, pair.differences.len()))
        .collect();
    assert_eq!(pairs, [(Some("siem"), Some("audit"), 2, 0), (Some("second"), Some("audit"), 1, 1)]);
    assert_eq!(found.verdict, Verdict::Findings);
}

#[test]
fn many_forms_of_one_id_and_many_differences_stay_bounded() {
    let (mut a, mut b) = (lines(1, &[]), lines(2, &[]));
    for n in 0..3000 {
        a.data("same-id", &format!(r#"{{"n":{n},"tool":"t"}}"#));
        a.event(&format!("only-{n}"));
        b.data("same-id", &format!(r#"{{"n":-{},"tool":"t"}}"#, n + 1));
    }
    a.closed();
    b.closed();
    let found = compared(&a, &b);
    let pair = &found.pairs[0];
    assert_eq!((pair.counts.differs, pair.counts.only_in_a[0]), (1, 3000));
    assert_eq!(pair.differences.len(), 1001);
    let said = found.to_string();
    assert!(said.contains("… and 2901 more"), "{}", &said[..300]);
}

#[test]
fn counts_without_end_have_one() {
    // As many as no number of 64 bits counts together.
    let text: String = (0..2049_u64)
        .map(|n| {
            let mut stream = [0; 16];
            stream[8..].copy_from_slice(&n.to_be_bytes());
            let mut lines =
                Lines { stream: Uuid(stream), agent: "urn:a", next: 1, prev: None, text: String::new() };
            lines.own("heartbeat", r#"{"counters":{"filtered":9007199254740991},"heads":[],"lane":"x"}"#);
            lines.text
        })
        .collect();
    let mut a = lines(1, &["e1"]);
    let found = compared_as(&a.closed().text, &text, false);
    assert_eq!(found.pairs[0].counts.only_in_a.iter().sum::<u64>(), 1);
}
