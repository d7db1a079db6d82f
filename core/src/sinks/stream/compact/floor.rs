//! What no encoding of columns could undercut by much: the arithmetic that measurements are held to.
//!
//! Signatures, digests and ids at their first sight, and the random bits of ids that follow none, count as they are; every other column, over
//! the whole run, counts by itself under zstd-19, in whichever of two forms is shorter: as text, or, of numbers and times,
//! as varints of the differences. What is predicted (stream, sequence, chain) counts nothing.

use std::collections::{BTreeMap, HashSet};

use super::bits::{put_varint, zigzag};
use super::table::{Kind, v7_parts};
use super::walk::{How, Parsed, Walk};
use crate::sink::Envelope;

#[derive(Default)]
struct Column {
    text: Vec<u8>,
    differences: Vec<u8>,
    last: i64,
    raw: f64,
}

/// Bytes by column, of all envelopes together.
pub(in crate::sinks::stream) fn floor(lines: &[Envelope]) -> BTreeMap<String, f64> {
    let mut columns = BTreeMap::<(String, u64), Column>::new();
    let (mut walk, mut seen) = (Walk::default(), HashSet::<Vec<u8>>::new());
    let mut near = HashSet::<u128>::new();
    let mut shapes = BTreeMap::<Vec<u8>, usize>::new();
    for envelope in lines {
        let line = &envelope.bytes;
        assert!(walk.run(line, How { coarse: false, paths: true }));
        let next = shapes.len();
        let shape = *shapes.entry(walk.skeleton.clone()).or_insert(next);
        let time = walk.leaves.iter().find_map(|leaf| match (leaf.kind, leaf.parsed) {
            (Kind::EventTime, Parsed::Time(time)) => Some(time),
            _ => None,
        });
        columns.entry(("shape".to_owned(), 0)).or_default().text.push(shape as u8);
        for leaf in &walk.leaves {
            let text = &line[leaf.at.clone()];
            let key = line[..leaf.at.start].rsplit(|&b| b == b'"').nth(2).unwrap_or_default();
            let name = format!("{:?} {}", leaf.kind, String::from_utf8_lossy(key));
            let column = columns.entry((name, leaf.path)).or_default();
            match (leaf.kind, leaf.parsed) {
                (Kind::Stream | Kind::Sequence | Kind::Previous, _) => {}
                (Kind::Base64, Parsed::Bytes(count)) => column.raw += f64::from(count),
                (Kind::Hex, Parsed::Bytes(count)) if seen.insert(text.to_vec()) => {
                    column.raw += f64::from(count)
                }
                (Kind::Uuid, Parsed::Uuid(uuid)) if seen.insert(text.to_vec()) => match v7_parts(&uuid) {
                    Some((millis, random)) => {
                        // One that counts on from another has no random bits of its own.
                        if !near.contains(&random.wrapping_sub(1)) {
                            column.raw += 74.0 / 8.0;
                        }
                        near.insert(random);
                        let at = time.unwrap_or_default().div_euclid(1_000_000);
                        put_varint(&mut column.differences, zigzag(millis - at));
                        put_varint(&mut column.text, zigzag(millis - at));
                    }
                    None => column.raw += 16.0,
                },
                (_, Parsed::Time(time)) => {
                    put_varint(&mut column.differences, zigzag(time.wrapping_sub(column.last)));
                    column.text.extend_from_slice(text);
                    column.last = time;
                }
                (_, Parsed::Number(number)) => {
                    put_varint(&mut column.differences, zigzag(number.mantissa - column.last));
                    column.differences.push(number.scale);
                    column.text.extend_from_slice(text);
                    column.text.push(b'\n');
                    column.last = number.mantissa;
                }
                _ => {
                    column.text.extend_from_slice(text);
                    column.text.push(b'\n');
                }
            }
        }
    }
    let under = |bytes: &[u8]| zstd::bulk::compress(bytes, 19).unwrap().len();
    columns
        .into_iter()
        .map(|((name, path), column)| {
            let text = under(&column.text);
            let rest =
                if column.differences.is_empty() { text } else { text.min(under(&column.differences)) };
            (format!("{name} {path:04x}"), column.raw + rest as f64)
        })
        .collect()
}
