//! What vectors cannot show: lines of any length, any order against a model, memory.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _, repeat};

use proptest::prelude::*;

use super::chain::{Added, Budget, Chain, Link, Marks};
use super::place::Place;
use super::ranges::Ranges;
use super::{FindingKind, Options, TrustedKey, Verdict, Verifier, verify_envelope};
use crate::error::ErrorKind;

const SOUND: &str = include_str!("../../../tests/vectors/verify/sound_hmac_sha256.json");

fn sound_lines() -> Vec<String> {
    let case = crate::json::parse(SOUND.as_bytes()).unwrap();
    let lines = case.get("inputs").unwrap().items()[0].get("lines").unwrap();
    lines.items().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_line_of_any_length_costs_no_more_than_the_limit() {
    let good = sound_lines().join("\n") + "\n";
    // 256 MiB in one line, never held.
    let input = good.as_bytes().chain(repeat(b'{').take(256 << 20)).chain(&b"\nx"[..]);
    let mut verifier = Verifier::new(Options { max_line: 1 << 20, ..Options::default() });
    verifier.read(&mut BufReader::new(input), "in").unwrap();
    let report = verifier.finish().unwrap();
    assert_eq!((report.envelopes, report.malformed), (5, 2));
    assert_eq!(report.findings[0].place.as_deref(), Some("in:6"));
    assert!(report.findings[0].note.contains("268435456 bytes"), "{}", report.findings[0].note);
    assert_eq!(report.findings[1].place.as_deref(), Some("in:7"));
}

#[test]
fn the_first_line_says_that_a_key_was_not_given_where_nothing_else_was_found() {
    let report = |id: &str, strict: bool, lines: &[String]| {
        let bytes: Vec<u8> = (0..32).collect();
        let key = TrustedKey::new(id, crate::key::VerifyingKey::hmac(&bytes).unwrap());
        let mut verifier = Verifier::new(Options { keys: vec![key], strict, ..Options::default() });
        verifier.read(&mut (lines.join("\n") + "\n").as_bytes(), "in").unwrap();
        verifier.finish().unwrap()
    };
    let lines = sound_lines();
    let text = report("k1", false, &lines).to_string();
    assert!(text.starts_with("sound: "), "{text}");
    assert!(text.contains(", closed\n"), "{text}");
    // Its id was mistyped.
    for strict in [false, true] {
        let found = report("k2", strict, &lines);
        assert_eq!(found.verdict, Verdict::Findings);
        let text = found.to_string();
        let first = "findings: signed by the key \"k1\", which was not given, so nobody can tell whether this is what was \
                     sealed (give --key ID=FILE)\n";
        assert!(text.starts_with(first), "{text}");
        assert!(text.contains(", its end unchecked\n"), "{text}");
    }
    let mut more = lines.clone();
    more.push("not an envelope".to_owned());
    let text = report("k2", false, &more).to_string();
    assert!(text.starts_with("findings: this is not what was sealed"), "{text}");
}

#[test]
fn all_findings_are_counted_where_not_all_are_kept() {
    let text = |wrong: usize| {
        let mut lines = sound_lines();
        lines.extend((0..wrong).map(|n| format!("no envelope {n}")));
        let mut verifier = Verifier::new(Options::default());
        verifier.read(&mut (lines.join("\n") + "\n").as_bytes(), "in").unwrap();
        verifier.finish().unwrap().to_string()
    };
    assert!(text(1_000).contains("… and 900 more (--format json lists them)"), "{}", text(1_000));
    let many = text(2_500);
    assert!(many.contains("… and 2400 more (--format json lists up to 1000 of each kind)"), "{many}");
}

#[test]
fn the_first_line_names_the_ends_of_open_streams_alone() {
    let mut lines = sound_lines();
    lines.pop();
    let first_line = |partial: bool| {
        let key =
            TrustedKey::new("k1", crate::key::VerifyingKey::hmac(&(0..32).collect::<Vec<u8>>()).unwrap());
        let mut verifier = Verifier::new(Options { keys: vec![key], partial, ..Options::default() });
        verifier.read(&mut (lines.join("\n") + "\n").as_bytes(), "in").unwrap();
        let mut report = verifier.finish().unwrap();
        assert_eq!((report.verdict, report.open), (Verdict::Sound, 1));
        let alone = report.to_string().lines().next().unwrap().to_owned();
        // Cut off by a crash, and gone on from by the next process: nobody closed it, and its end is known.
        let mut followed = report.streams[0].clone();
        followed.findings.clear();
        followed.last.as_mut().unwrap().sequence = 77;
        report.streams.insert(0, followed);
        (alone, report.to_string().lines().next().unwrap().to_owned())
    };
    let ending = "sound as far as it goes: 1 stream is open, ending at 4".to_owned();
    assert_eq!(first_line(false), (ending.clone(), ending.clone()));
    // There the report does not tell which of the two it is.
    assert_eq!(first_line(true), (ending, "sound as far as it goes: 1 stream is open".to_owned()));
}

#[test]
fn lines_are_whole_whatever_the_buffer() {
    let text = sound_lines().join("\n") + "\n";
    for capacity in [1, 2, 7, 100, 449, 450, 451] {
        let mut verifier = Verifier::new(Options::default());
        verifier.read(&mut BufReader::with_capacity(capacity, text.as_bytes()), "in").unwrap();
        let report = verifier.finish().unwrap();
        assert_eq!((report.envelopes, report.verdict), (5, Verdict::Unchecked), "{capacity}");
    }
}

#[test]
fn a_byte_order_mark_and_carriage_returns_change_nothing_about_the_content() {
    let text = format!("\u{feff}{}\r\n", sound_lines().join("\r\n"));
    let mut verifier = Verifier::new(Options::default());
    verifier.read(&mut text.as_bytes(), "in").unwrap();
    let report = verifier.finish().unwrap();
    assert_eq!((report.envelopes, report.malformed, report.verdict), (5, 0, Verdict::Unchecked));
    assert!(report.all_findings().all(|finding| finding.kind == FindingKind::NotCanonical));
}

#[test]
fn binary_junk_is_no_envelope_and_says_where() {
    let junk: Vec<u8> = (0..=255).cycle().take(4000).collect();
    let mut verifier = Verifier::new(Options::default());
    verifier.read(&mut &junk[..], "junk").unwrap();
    let e = verifier.finish().unwrap_err();
    assert_eq!((e.kind(), e.place()), (ErrorKind::Verification, Some("junk:1")));
}

#[test]
fn a_tail_of_nuls_is_torn_as_a_cut_line_is() {
    let whole = sound_lines().join("\n") + "\n";
    for tail in ["{\"cut", "\0\0\0\0", "{\"cut\0\0\0"] {
        let mut verifier = Verifier::new(Options::default());
        verifier.read(&mut (whole.clone() + tail).as_bytes(), "in").unwrap();
        let report = verifier.finish().unwrap();
        assert_eq!((report.envelopes, report.malformed), (5, 0), "{tail:?}");
        assert!(report.all_findings().any(|finding| finding.kind == FindingKind::Torn), "{tail:?}");
    }
    // In the middle it is something else.
    let mut verifier = Verifier::new(Options::default());
    verifier.read(&mut ("\0\0\n".to_owned() + &whole).as_bytes(), "in").unwrap();
    assert_eq!(verifier.finish().unwrap().malformed, 1);
}

#[test]
fn one_envelope_by_itself() {
    let line = &sound_lines()[1];
    assert_eq!(verify_envelope(line.as_bytes(), &[]), (Verdict::Unchecked, vec![]));
    let (verdict, findings) = verify_envelope(b"{}", &[]);
    assert_eq!((verdict, findings[0].kind), (Verdict::Findings, FindingKind::Malformed));
}

#[test]
fn more_keys_than_can_be_told_apart_are_refused() {
    let key = crate::key::VerifyingKey::hmac(&[7; 32]).unwrap();
    for (keys, taken) in [(254, true), (255, false)] {
        let keys = (0..keys).map(|n| super::TrustedKey::new(format!("k{n}"), key.clone())).collect();
        let mut verifier = Verifier::new(Options { keys, ..Options::default() });
        verifier.read(&mut (sound_lines().join("\n") + "\n").as_bytes(), "in").unwrap();
        assert_eq!(
            verifier.finish().map_err(|e| e.kind()).err(),
            (!taken).then_some(ErrorKind::InvalidArgument)
        );
    }
}

fn place(line: u64) -> Place {
    Place { source: 0, line }
}

/// Adds the envelope n of the chain in which the hash of n is n + 1000, with a good signature.
fn add(chain: &mut Chain, n: u64) -> Added {
    add_with(chain, n, (n > 1).then_some(n + 999), Marks::new(0, Some(0)))
}

fn add_with(chain: &mut Chain, n: u64, prev: Option<u64>, marks: Marks) -> Added {
    chain.add(
        Link { sequence: n, hash: n + 1000, prev, marks, place: place(n), held: None },
        &mut Budget::new(),
    )
}

#[test]
fn a_million_envelopes_take_less_than_sixteen_bytes_each() {
    let mut chain = Chain::default();
    for n in (1..=1_000_000).rev() {
        assert_eq!(add(&mut chain, n), Added::New);
    }
    assert!(chain.bytes() <= 16 * 1_000_000, "{}", chain.bytes());
    let mut chain = Chain::default();
    for n in 1..=1_000_000 {
        add(&mut chain, n);
    }
    assert!(chain.bytes() <= 16 * 1_000_000, "{}", chain.bytes());
}

#[test]
fn swapped_neighbours_all_the_way_are_joined_in_time() {
    let mut chain = Chain::default();
    for n in (1..=200_000).step_by(2) {
        add(&mut chain, n + 1);
        assert_eq!(add(&mut chain, n), Added::New);
    }
    assert_eq!(chain.holes().len(), 0);
    assert_eq!(chain.last(), Some(200_000));
}

proptest! {
    /// Whatever the order, runs know the same as a map of all envelopes.
    #[test]
    fn runs_are_a_map(numbers in prop::collection::vec(1_u64..60, 0..80)) {
        let mut chain = Chain::default();
        let mut model = BTreeMap::new();
        for &n in &numbers {
            let added = add(&mut chain, n);
            let expected = if model.insert(n, n + 1000).is_some() { Added::Same { better: false, first: false } } else { Added::New };
            prop_assert_eq!(added, expected);
        }
        for n in 0..62 {
            prop_assert_eq!(chain.get(n), model.get(&n).copied());
        }
        let missing: Vec<u64> = (5..=50).filter(|n| !model.contains_key(n)).collect();
        let got: Vec<u64> = chain.missing_of((5, 50)).into_iter().flat_map(|(from, to)| from..=to).collect();
        prop_assert_eq!(missing, got);
        let holes: Vec<u64> = chain.holes().into_iter().flat_map(|hole| hole.range.0..=hole.range.1).collect();
        let ends = model.keys().next().zip(model.keys().next_back());
        let expected: Vec<u64> = ends.map_or(Vec::new(), |(&first, &last)| {
            (first..=last).filter(|n| !model.contains_key(n)).collect()
        });
        prop_assert_eq!(holes, expected);
    }

    /// A link that does not hold is found once, whichever side comes first.
    #[test]
    fn a_broken_link_is_found_in_any_order(
        order in Just((1_u64..=20).collect::<Vec<_>>()).prop_shuffle(),
        wrong in 2_u64..=20,
    ) {
        let mut chain = Chain::default();
        for n in order {
            let prev = if n == wrong { Some(7) } else { (n > 1).then_some(n + 999) };
            add_with(&mut chain, n, prev, Marks::new(0, Some(0)));
        }
        prop_assert_eq!(chain.broken_links(), vec![(wrong, place(wrong))]);
    }

    /// In whatever order they arrive, a signature covers what stands before it, up to a link that does not hold, and
    /// nothing else.
    #[test]
    fn coverage_is_the_same_in_any_order(
        order in Just((1_u64..=20).collect::<Vec<_>>()).prop_shuffle(),
        signed in prop::collection::btree_set(1_u64..=20, 0..5),
        wrong in 1_u64..=30,
    ) {
        let mut chain = Chain::default();
        for n in order {
            let prev = if n == wrong { Some(7) } else { (n > 1).then_some(n + 999) };
            let own = signed.contains(&n).then_some(0);
            add_with(&mut chain, n, prev, Marks::new(0, own));
            chain.spread(n, &mut Vec::new());
        }
        let spread: Vec<u64> = chain.iter().filter(|(_, marks)| marks.is_covered()).map(|(n, _)| n).collect();
        chain.settle(&mut Vec::new(), |_| Vec::new());
        let covered: Vec<u64> = chain.iter().filter(|(_, marks)| marks.is_covered()).map(|(n, _)| n).collect();
        let expected: Vec<u64> = (1..=20)
            .filter(|&n| signed.iter().any(|&s| s >= n && !(n < wrong && wrong <= s)))
            .collect();
        prop_assert_eq!(&spread, &expected);
        prop_assert_eq!(covered, expected);
    }

    /// Ranges are a set.
    #[test]
    fn ranges_are_a_set(steps in prop::collection::vec((any::<bool>(), 0_u64..40, 0_u64..6), 0..40)) {
        let mut ranges = Ranges::default();
        let mut model = std::collections::BTreeSet::new();
        for (insert, at, more) in steps {
            if insert {
                ranges.insert(at, at + more);
                model.extend(at..=at + more);
            } else {
                ranges.remove(at);
                model.remove(&at);
            }
        }
        let got: Vec<u64> = ranges.iter().flat_map(|(from, to)| from..=to).collect();
        prop_assert_eq!(&got, &model.iter().copied().collect::<Vec<_>>());
        prop_assert!(ranges.iter().zip(ranges.iter().skip(1)).all(|(a, b)| a.1 + 1 < b.0));
        let missing: Vec<u64> = ranges.missing_of((3, 42)).into_iter().flat_map(|(from, to)| from..=to).collect();
        prop_assert_eq!(missing, (3..=42).filter(|n| !model.contains(n)).collect::<Vec<_>>());
        prop_assert_eq!(ranges.count(), model.len() as u64);
        prop_assert_eq!(ranges.last(), model.last().copied());
        prop_assert!((0..50).all(|n| ranges.contains(n) == model.contains(&n)));
    }
}

#[test]
fn what_strangers_say_makes_no_line_of_a_report() {
    let odd = || "a\n  b\u{1b}\u{202e}".to_owned();
    let deed = super::UnfinishedDeed {
        id: odd(),
        agentid: odd(),
        event_type: odd(),
        time: odd(),
        subject: Some(odd()),
        runid: Some(odd()),
        tool: Some(odd()),
        streamid: "s".to_owned(),
        sequence: 1,
        place: odd(),
    };
    let outcomes = BTreeMap::from([(odd(), 1)]);
    let deeds = super::DeedsReport { intents: 1, outcomes, unfinished: vec![deed] }.to_string();
    assert_eq!(deeds.lines().count(), 6, "{deeds}");
    let watched = |until, last_heard| super::Watched {
        seam: odd(),
        agentid: odd(),
        package: Some(odd()),
        version: Some(odd()),
        from: odd(),
        until,
        last_heard,
    };
    let watched = vec![watched(Some(odd()), None), watched(None, Some(odd()))];
    let coverage = super::CoverageReport { watched }.to_string();
    assert_eq!(coverage.lines().count(), 3, "{coverage}");
    for text in [deeds, coverage] {
        assert!(!text.contains(|c| c != '\n' && crate::terminal::is_hazard(c)), "{text:?}");
    }
}

#[test]
fn a_key_is_bound_to_several_agents_by_giving_it_again() {
    let key = |agent: &str| {
        let bytes: Vec<u8> = (0..32).collect();
        let key = crate::key::VerifyingKey::hmac(&bytes).unwrap();
        TrustedKey { agent: Some(agent.to_owned()), ..TrustedKey::new("k1", key) }
    };
    let input = sound_lines().join("\n") + "\n";
    let agents = |agents: &[&str]| {
        let keys = agents.iter().map(|agent| key(agent)).collect();
        let mut verifier = Verifier::new(Options { keys, ..Options::default() });
        verifier.read(&mut input.as_bytes(), "in").unwrap();
        verifier.finish().unwrap()
    };
    for good in [&["urn:other", "*"][..], &["*", "urn:other"]] {
        assert_eq!(agents(good).verdict, Verdict::Sound, "{good:?}");
    }
    let wrong = agents(&["urn:other", "urn:another"]);
    assert_eq!(wrong.verdict, Verdict::Findings);
    assert!(wrong.to_string().contains("the key is not bound to this agent"), "{wrong}");
}
