//! `sinkwell intake` and strangers: what a few bytes may make it keep, measured from outside.
#![cfg(target_os = "linux")]

mod common;
#[path = "common/intake.rs"]
mod running;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use common::{LONG, Place};
use running::{Intake, emit, emitter};

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// One stream over a connection of its own, on which these bytes are said; what came back.
fn say(address: &str, body: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", address),
        (":path", "/sinkwell.stream.v1.Intake/Stream"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("sinkwell-stream", "compact/1"),
    ] {
        // A literal that is not indexed.
        head.extend(
            [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat(),
        );
    }
    let mut peer = TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(LONG)).unwrap();
    let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    said.extend(frame(4, 0, 0, &[]));
    said.extend(frame(1, 4, 1, &head));
    let mut pieces = body.chunks(16_000).peekable();
    while let Some(piece) = pieces.next() {
        said.extend(frame(0, u8::from(pieces.peek().is_none()), 1, piece));
    }
    // It may have heard enough before it has read all.
    let _ = peer.write_all(&said);
    let mut heard = Vec::new();
    let mut some = [0; 4096];
    while !ends(&heard) {
        match peer.read(&mut some) {
            Ok(0) | Err(_) => break,
            Ok(n) => heard.extend_from_slice(&some[..n]),
        }
    }
    heard
}

/// Whether a frame among these ends stream 1, or the connection.
fn ends(mut bytes: &[u8]) -> bool {
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if (head[3] == 1 && head[4] & 1 == 1) || matches!(head[3], 3 | 7) {
            return true;
        }
        let Some(rest) = rest.get(length..) else { break };
        bytes = rest;
    }
    false
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

/// A message with one batch of which the plain part is `head`, then so many zeros, as zstd's own repeated blocks.
fn batch(number: u64, head: &[u8], zeros: usize) -> Vec<u8> {
    // A frame of unknown size, with a window of 1 MiB.
    let mut zstd = vec![0x28, 0xB5, 0x2F, 0xFD, 0, 80];
    let block = |kind: u32, size: usize| ((size as u32) << 3 | kind << 1).to_le_bytes()[..3].to_vec();
    zstd.extend(block(0, head.len()));
    zstd.extend(head);
    for _ in 0..zeros.div_ceil(128 << 10) {
        zstd.extend(block(1, 128 << 10));
        zstd.push(0);
    }
    let data = [&[0; 4][..], &varint(zstd.len() as u64), &zstd, &[0]].concat();
    let message = [&[8][..], &varint(number), &[18], &varint(data.len() as u64), &data].concat();
    [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat()
}

#[test]
fn no_stranger_makes_it_keep_more_than_it_allows() {
    let place = Place::new("intake-hostile");
    let intake = Intake::start(
        &place,
        "127.0.0.1:0",
        &["--out", "got.ndjson", "--max-batch", "4MiB", "--max-state", "4MiB"],
    );
    let begun = running::peak(intake.pid());
    let bool = 4;
    let strangers = [
        // Four gigabytes of one line, in 130 kB.
        batch(1, &[1, 0, 1, 0], 4 << 30),
        // Many schemas of as many values as are allowed.
        batch(
            1,
            &[&[1][..], &varint(4096), &varint(256), &[bool; 256], &[0; 256], &varint(256), &[bool; 256]]
                .concat(),
            4 << 20,
        ),
        // One schema of one text, and 65 536 events of it, again and again: values by the million.
        batch(
            1,
            &[&[1, 1, 200, 1][..], &[1; 200], &[0; 200], &varint(60_000), &[1; 60_000], &[0xFF; 25]].concat(),
            32 << 20,
        ),
        // A batch that is not of the first number, ids of what was never defined, a length of two gigabytes that never comes.
        batch(7, &[1, 0, 0], 0),
        batch(1, &[1, 1, 1, 7, 0, 1, 1, 1, 200, 1], 0),
        vec![0, 0x7F, 0xFF, 0xFF, 0xFF, 0],
    ];
    for (n, stranger) in strangers.iter().enumerate() {
        assert!(stranger.len() < 1 << 18, "{n}: {}", stranger.len());
        for _ in 0..3 {
            let heard = say(&intake.address, stranger);
            assert!(ends(&heard), "{n}: it is told that it is not understood: {heard:?}");
        }
    }
    let most = running::peak(intake.pid());
    println!("{begun} MiB before, at most {most} MiB");
    assert!(most < begun + 80, "{begun} MiB before, {most} MiB at most");
    // Nobody else is the worse for it.
    let emitter = emitter(&place, &format!("http://{}", intake.address), "", "");
    (0..50).for_each(|n| drop(emit(&emitter, n)));
    assert_eq!(emitter.shutdown(LONG)[0].1.pending, 0);
    let (last, errors, status) = intake.end();
    assert_eq!(status, Some(0), "{errors}");
    assert!(last.starts_with("52 envelopes"), "{last}");
}
