//! The record codec and the segment reader, on good bytes and on bad ones.

use proptest::prelude::*;

use super::support::*;
use crate::journal::record::{Kind, Position, Record, decode, encode, size};
use crate::journal::scan::{Scan, Step};
use crate::journal::segment::{DATA, Header};
use crate::seam::Uuid;
use crate::sink::{SpanForm, SpanThreshold};
use crate::testing::simfs::Rng;

const SALT: u32 = 0x1234_5678;

prop_compose! {
    fn any_sample()(
        streamid in any::<[u8; 16]>(), sequence in any::<u64>(), hash in any::<[u8; 32]>(),
        recordedtime in any::<i64>(), flags in any::<(bool, bool, bool)>(), agentid in ".{0,80}",
        bytes in proptest::collection::vec(any::<u8>(), 0..2000), span in any_span(),
    ) -> (Uuid, u64, [u8; 32], i64, (bool, bool, bool), String, Vec<u8>, Option<SpanForm>) {
        (Uuid(streamid), sequence, hash, recordedtime, flags, agentid, bytes, span)
    }
}

fn any_span() -> impl Strategy<Value = Option<SpanForm>> {
    let threshold = prop_oneof![
        Just(SpanThreshold::Brought),
        Just(SpanThreshold::Unknown),
        any::<u64>().prop_map(SpanThreshold::Set),
    ];
    proptest::option::of(threshold.prop_map(|threshold| SpanForm { threshold }))
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(sample in any_sample(), position in any::<u64>(), salt in any::<u32>()) {
        let (streamid, sequence, hash, recordedtime, (own, terminal, closes), agentid, bytes, span) = &sample;
        let record = Record {
            streamid: *streamid, agentid, sequence: *sequence, hash: *hash, digest: *hash, recordedtime: *recordedtime,
            own: *own, terminal: *terminal, closes: *closes, signed: *own, span: *span, bytes,
        };
        let mut out = vec![0xAA; 8];
        encode(&mut out, salt, Kind::Envelope, Position(position), &record);
        prop_assert_eq!(out.len() - 8, size(&record).unwrap());
        prop_assert_eq!(out.len() % 8, 0);
        let found = decode(&out[8..], salt).ok().unwrap();
        prop_assert_eq!((found.kind, found.position, found.size), (Kind::Envelope, Position(position), out.len() - 8));
        let r = found.record;
        prop_assert_eq!(
            (r.streamid, r.agentid, r.sequence, r.hash, r.recordedtime, r.own, r.terminal, r.closes, r.bytes, r.span),
            (*streamid, agentid.as_str(), *sequence, *hash, *recordedtime, *own, *terminal, *closes, bytes.as_slice(), *span)
        );
        prop_assert!(decode(&out[8..], salt ^ 1).is_err(), "another segment's record");
    }

    #[test]
    fn one_flipped_bit_is_never_a_record(sample in any_sample(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (streamid, sequence, hash, recordedtime, _, agentid, bytes, span) = &sample;
        let record = Record {
            streamid: *streamid, agentid, sequence: *sequence, hash: *hash, digest: *hash, recordedtime: *recordedtime,
            own: false, terminal: false, closes: false, signed: true, span: *span, bytes,
        };
        let mut out = Vec::new();
        encode(&mut out, SALT, Kind::Envelope, Position(1), &record);
        let threshold = span.is_some_and(|form| matches!(form.threshold, SpanThreshold::Set(_)));
        let used = 24 + 96 + if threshold { 8 } else { 0 } + agentid.len() + bytes.len();
        out[at.index(used)] ^= 1 << bit;
        prop_assert!(decode(&out, SALT).is_err());
    }
}

/// A segment's bytes holding `samples`, and where each record begins.
fn segment(samples: &[Sample], size: usize, filler: u8) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = vec![0; DATA];
    let mut offsets = Vec::new();
    for (i, sample) in samples.iter().enumerate() {
        offsets.push(bytes.len());
        encode(&mut bytes, SALT, Kind::Envelope, Position(i as u64 + 1), &sample.record());
    }
    bytes.resize(size.max(bytes.len()), filler);
    (bytes, offsets)
}

fn positions(bytes: &[u8], reused: bool) -> Vec<u64> {
    Scan::new(bytes, SALT, reused)
        .filter_map(|step| if let Step::Record(found) = step { Some(found.position.0) } else { None })
        .collect()
}

#[test]
fn any_damage_costs_only_the_records_it_touches() {
    let mut rng = Rng(11);
    let all = samples(0..40);
    let (good, offsets) = segment(&all, 32 << 10, 0);
    let end = *offsets.last().unwrap() + size(&all[39].record()).unwrap();
    for _ in 0..400 {
        let mut bytes = good.clone();
        let from = DATA + usize::try_from(rng.below((end - DATA) as u64)).unwrap();
        let to = end.min(from + 1 + usize::try_from(rng.below(1500)).unwrap());
        for byte in &mut bytes[from..to] {
            *byte ^= 1 + u8::try_from(rng.below(255)).unwrap();
        }
        let untouched: Vec<u64> = (0..40)
            .filter(|&i| {
                // Padding may be damaged without harm.
                let record = all[i].record();
                let len = 24 + 96 + record.agentid.len() + record.bytes.len();
                to <= offsets[i] || from >= offsets[i] + len
            })
            .map(|i| i as u64 + 1)
            .collect();
        assert_eq!(positions(&bytes, false), untouched, "damage at {from}..{to}");
    }
}

#[test]
fn a_torn_tail_is_told_from_the_end() {
    let all = samples(0..5);
    let (good, offsets) = segment(&all, 8 << 10, 0);
    let last = offsets[4];
    let end = last + size(&all[4].record()).unwrap();
    let tail = |bytes: &[u8], reused| match Scan::new(bytes, SALT, reused).last() {
        Some(Step::End { at, torn }) => (at, torn),
        _ => panic!("a scan ends with its end"),
    };
    assert_eq!(tail(&good, false), (end, false));
    for cut in last + 1..end {
        let mut bytes = good.clone();
        bytes[cut..].fill(0);
        let whole = 24 + 96 + all[4].record().agentid.len() + all[4].record().bytes.len();
        let expected = if cut >= last + whole { (end, false) } else { (last, true) };
        assert_eq!(tail(&bytes, false), expected, "cut at {}", cut - last);
    }
    // In a reused file, stale bytes follow the records: only a whole header shows that a record was begun.
    let (stale, _) = segment(&all, 8 << 10, 0xEE);
    assert_eq!(tail(&stale, true), (end, false));
    let mut bytes = stale;
    bytes[last + 60..].fill(0xEE);
    assert_eq!(tail(&bytes, true), (last, true));
}

#[test]
fn a_record_inside_an_envelope_is_not_one() {
    // Somebody who can write an envelope may know the layout, but not the salt.
    let inner = Sample::new(9, 100);
    let mut forged = vec![b' '; 8];
    encode(&mut forged, SALT ^ 0xFFFF, Kind::Envelope, Position(2), &inner.record());
    let mut record = inner.record();
    record.bytes = &forged;
    let mut bytes = vec![0; DATA];
    encode(&mut bytes, SALT, Kind::Envelope, Position(1), &record);
    bytes[DATA] ^= 1;
    bytes.resize(8 << 10, 0);
    assert_eq!(positions(&bytes, false), Vec::<u64>::new());
}

#[test]
fn no_bytes_whatever_make_the_reader_fall_over() {
    let mut rng = Rng(7);
    let all = samples(0..20);
    let (good, _) = segment(&all, 12 << 10, 0);
    for round in 0..3000 {
        let mut bytes = good.clone();
        for _ in 0..=rng.below(6) {
            let at = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
            match rng.below(4) {
                0 => bytes[at] ^= 1 << rng.below(8),
                1 => bytes.truncate(at),
                2 => {
                    let len = usize::try_from(rng.below(600)).unwrap().min(bytes.len() - at);
                    let from = usize::try_from(rng.below((bytes.len() - len + 1) as u64)).unwrap();
                    bytes.copy_within(from..from + len, at);
                }
                _ => {
                    let end = bytes.len().min(at + 64);
                    bytes[at..end].fill_with(|| rng.next().to_le_bytes()[0]);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        let _ = Header::decode(&bytes);
        let mut ends = 0;
        for step in Scan::new(&bytes, SALT, round % 2 == 0) {
            match step {
                Step::Record(found) => {
                    let n = usize::try_from(found.position.0).unwrap() - 1;
                    let (mine, its) = (all[n].record(), found.record);
                    assert_eq!(
                        (mine.sequence, mine.agentid, mine.bytes),
                        (its.sequence, its.agentid, its.bytes)
                    );
                }
                Step::Hole(from, to) => assert!(from < to && to <= bytes.len()),
                Step::End { at, .. } => {
                    assert!(at <= bytes.len().max(DATA));
                    ends += 1;
                }
            }
        }
        assert_eq!(ends, 1);
    }
}
