//! What is hashed of a sealed line, and what a stub keeps of it, against `tests/vectors/seal`.

use super::digest::{envelope_hash, event_digest};
use super::line::{Line, Reader};
use crate::hex::text as hex;
use crate::json::{Value, parse};

#[test]
fn event_and_place_are_hashed_as_the_vectors_say_and_a_stub_hashes_alike() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/seal");
    let mut seen = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let vector = parse(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        for case in vector.get("cases").unwrap().items() {
            let text = |name: &str| case.get(name).and_then(Value::as_str);
            let line = text("line").unwrap();
            let expected = (text("digest").unwrap().to_owned(), text("hash").unwrap().to_owned());
            let mut reader = Reader::default();
            let place = [text("place").unwrap().as_bytes()];
            match reader.read(line.as_bytes()) {
                Line::Envelope(envelope) => {
                    let (digest, hash) = envelope.hashes();
                    assert_eq!((hex(&digest), hex(&hash)), expected, "{line}");
                    let event = event_digest([text("event").unwrap().as_bytes()]);
                    assert_eq!(hex(&event), expected.0);
                    assert_eq!(hex(&envelope_hash(place, &event)), expected.1);
                    let stub = envelope.stub();
                    let mut reader = Reader::default();
                    let Line::Stub(stub) = reader.read(stub.as_bytes()) else { panic!("{stub}") };
                    assert_eq!((hex(&stub.digest), hex(&stub.hash)), expected, "the stub of {line}");
                }
                Line::Stub(stub) => {
                    assert_eq!((hex(&stub.digest), hex(&stub.hash)), expected, "{line}");
                    assert_eq!(hex(&envelope_hash(place, &stub.digest)), expected.1);
                }
                _ => panic!("no envelope: {line}"),
            }
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} cases");
}
