//! The envelope's schema takes what docs/spec/envelope.md describes, and refuses what it forbids.

use serde_json::{Value, json};
use sinkwell_schema_tests::Schemas;

const STREAM: &str = "019b2f80-0000-7000-8000-000000000001";
const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn envelope() -> Value {
    json!({
        "specversion": "1.0",
        "id": "019b2f80-0000-7000-8000-000000000002",
        "source": "did:web:example.com:agents:buyer",
        "type": "dev.sinkwell.policy.decision",
        "subject": "tool:shell",
        "time": "2026-01-01T00:00:00.000000000Z",
        "recordedtime": "2026-01-01T00:00:00.000000001Z",
        "datacontenttype": "application/json",
        "dataschema": "https://sinkwell.dev/schemas/governance-event/1.0",
        "data": { "decision": "deny", "rule": "no-shell" },
        "agentid": "did:web:example.com:agents:buyer",
        "severitytext": "WARN",
        "severitynumber": 13,
        "streamid": STREAM,
        "sequence": "00000000000000000002",
        "prevhash": HASH,
        "sigalg": "ed25519",
        "keyid": "k1",
        "signature": "AAAA",
    })
}

/// The envelope with members put in place (`null` takes one away).
fn with(changes: Value) -> Value {
    let mut envelope = envelope();
    let members = envelope.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    envelope
}

fn own(short: &str, data: Value) -> Value {
    with(json!({ "type": format!("dev.sinkwell.{short}"), "origin": "core", "data": data }))
}

#[test]
fn what_the_page_describes_is_taken() {
    let head = json!({ "streamid": STREAM, "sequence": "00000000000000000007", "head": HASH });
    let good = [
        envelope(),
        with(json!({ "sigalg": null, "keyid": null, "signature": null })),
        with(json!({ "type": "com.example.thing", "data": {}, "newattribute": "kept" })),
        with(json!({ "dataschema": "https://sinkwell.dev/schemas/governance-event/1.7" })),
        with(json!({ "data": { "decision": "ask", "content": [
            { "class": "prompt", "mediatype": "text/plain", "size": 3, "mode": "raw", "digest": HASH } ],
            "disclosures": [ { "part": 0, "salt": "AAAAAAAAAAAAAAAAAAAAAA==", "text": "abc" } ] } })),
        own(
            "audit.chain",
            json!({ "action": "opened", "why": "restart", "sign": "batch", "lane": "stdout",
            "classes": ["debug"], "version": "0.1.0", "follows": head }),
        ),
        own(
            "audit.chain",
            json!({ "action": "closed", "lane": "stdout", "streamid": STREAM,
            "sequence": "00000000000000000007", "head": HASH, "time": "2026-01-01T00:00:00.000000000Z" }),
        ),
        own(
            "audit.chain",
            json!({ "action": "key_retiring", "keyid": "k1", "other": "k2", "alg": "hmac-sha256",
            "sha256": HASH }),
        ),
        own(
            "audit.chain",
            json!({ "action": "key_active", "keyid": "k1", "other": "k2", "alg": "hmac-sha256",
            "sha256": HASH, "sign": "each" }),
        ),
        own(
            "audit.chain",
            json!({ "action": "retention", "lane": "l", "policy": "p", "ranges": [
            { "streamid": STREAM, "agentid": "urn:a", "from": "00000000000000000003",
              "to": "00000000000000000004" } ] }),
        ),
        own(
            "policy.breach",
            json!({ "reason": "rejected", "count": 1, "lane": "stdout", "lost": [
            { "from": "00000000000000000003", "to": "00000000000000000003", "prev": HASH } ] }),
        ),
        own(
            "policy.breach",
            json!({ "reason": "overflow", "count": 2, "lane": "stdout", "lost": [
            { "from": "00000000000000000003", "to": "00000000000000000004" } ] }),
        ),
        own(
            "heartbeat",
            json!({ "lane": "stdout", "state": "healthy", "heads": [],
            "counters": { "admitted": 1, "dropped_by": { "overflow": 0 } } }),
        ),
        own(
            "sink.failed",
            json!({ "lane": "stdout", "kind": "otlp", "state": "failed", "failure": "network",
            "summary": "refused", "terminal_preserved": true, "dropped": 0 }),
        ),
        with(json!({ "type": "dev.sinkwell.policy.breach", "data": { "reason": "mine", "lost": "anything" },
            "severitytext": "ERROR", "severitynumber": 17 })),
    ];
    let validator = Schemas::load().validator("envelope");
    for envelope in good {
        if let Err(e) = validator.validate(&envelope) {
            panic!("{e} at {} in {envelope}", e.instance_path());
        }
    }
}

/// Whatever the core can record as a failure, a reader of the schema knows, and nothing else.
#[test]
fn the_failure_kinds_of_the_schema_are_those_of_the_core() {
    let ours: Vec<_> = sinkwell::sink::FailureKind::ALL.iter().map(|kind| json!(kind.name())).collect();
    for name in ["sink.failed", "sink.recovered"] {
        let path = format!("{}/../../schemas/governance-event/1.0/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(schema["properties"]["failure"]["enum"], json!(ours), "{name}");
    }
}

#[test]
fn what_the_page_forbids_is_refused() {
    let bad = [
        ("a required attribute missing", with(json!({ "recordedtime": null }))),
        ("an empty attribute", with(json!({ "subject": "" }))),
        ("a control character", with(json!({ "subject": "a\u{7}" }))),
        ("an attribute's name", with(json!({ "agent_id": "x" }))),
        ("a type with a space", with(json!({ "type": "a b" }))),
        ("another origin", with(json!({ "origin": "host" }))),
        (
            "an unknown major",
            with(json!({ "dataschema": "https://sinkwell.dev/schemas/governance-event/2.0" })),
        ),
        ("severities that differ", with(json!({ "severitynumber": 9 }))),
        ("a sequence past 2^53's digits", with(json!({ "sequence": "10000000000000000000" }))),
        ("a number as sequence", with(json!({ "sequence": 2 }))),
        ("a short hash", with(json!({ "prevhash": "00" }))),
        ("half a signature", with(json!({ "keyid": null }))),
        ("a time without nanoseconds", with(json!({ "time": "2026-01-01T00:00:00Z" }))),
        ("data of the wrong type", with(json!({ "data": { "decision": "maybe" } }))),
        ("data that is a list", with(json!({ "data": [] }))),
        (
            "own word without origin",
            with(json!({ "type": "dev.sinkwell.heartbeat",
            "data": { "lane": "l", "state": "healthy", "counters": {}, "heads": [] } })),
        ),
        (
            "a disclosure with more members",
            with(json!({ "data": { "decision": "ask", "disclosures": [
            { "part": 0, "salt": "AAAAAAAAAAAAAAAAAAAAAA==", "text": "abc", "more": 1 } ] } })),
        ),
        (
            "a loss without its lane",
            own("policy.breach", json!({ "reason": "overflow", "count": 1, "lost": [] })),
        ),
        (
            "a reason not on the list",
            own(
                "policy.breach",
                json!({ "reason": "mood", "count": 1, "lane": "l",
            "lost": [] }),
            ),
        ),
        (
            "an opened without why",
            own(
                "audit.chain",
                json!({ "action": "opened", "sign": "each", "lane": "l", "classes": [],
            "version": "0" }),
            ),
        ),
        (
            "an opened that does not say what is signed",
            own(
                "audit.chain",
                json!({ "action": "opened", "why": "start", "lane": "l", "classes": [],
            "version": "0" }),
            ),
        ),
        (
            "retention of nobody's",
            own(
                "audit.chain",
                json!({ "action": "retention", "lane": "l", "policy": "p", "ranges": [
            { "streamid": STREAM, "from": "00000000000000000003", "to": "00000000000000000004" } ] }),
            ),
        ),
        (
            "a key by two names",
            own(
                "audit.chain",
                json!({ "action": "key_active", "keyid": "a", "other": "b",
            "alg": "ed25519", "spki": "AAAA", "sha256": HASH }),
            ),
        ),
    ];
    let validator = Schemas::load().validator("envelope");
    for (what, envelope) in bad {
        assert!(!validator.is_valid(&envelope), "{what}: {envelope}");
    }
}

#[test]
fn a_stub_has_its_place_its_digest_and_its_signature_and_no_more() {
    let validator = Schemas::load().validator("stub");
    let stub = json!({
        "stub": "sinkwell-v1",
        "eventdigest": HASH,
        "streamid": STREAM,
        "sequence": "00000000000000000002",
        "prevhash": HASH,
        "recordedtime": "2026-01-01T00:00:00.000000001Z",
        "sigalg": "ed25519",
        "keyid": "k1",
        "signature": "AAAA",
    });
    assert!(validator.is_valid(&stub), "{stub}");
    let with = |name: &str, value: Value| {
        let mut stub = stub.clone();
        stub[name] = value;
        stub
    };
    let without = |names: &[&str]| {
        let mut stub = stub.clone();
        for name in names {
            stub.as_object_mut().expect("an object").remove(*name);
        }
        stub
    };
    for good in [without(&["prevhash"]), without(&["sigalg", "keyid", "signature"])] {
        assert!(validator.is_valid(&good), "{good}");
    }
    let bad = [
        with("stub", json!("sinkwell-v2")),
        with("note", json!("more")),
        with("hash", json!(HASH)),
        without(&["eventdigest"]),
        without(&["recordedtime"]),
        without(&["keyid"]),
    ];
    for bad in bad {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}
