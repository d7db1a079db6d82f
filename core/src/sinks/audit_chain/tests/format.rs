//! What the database gives out, checked by code that is not part of sinkwell: Python's standard library and the
//! `sqlite3` command.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::hex;
use crate::key::VerifyingKey;

const CHECKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/independent/merkle.py");

fn python(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new("python3")
        .arg(CHECKER)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is needed to check proofs independently");
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn says(output: &Output) -> String {
    format!(
        "{:?}: {}{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn an_independent_checker_agrees_about_proofs_of_many_sizes() {
    let mut log = Log::new();
    let batch = Sealer::new(1).some(700);
    log.deliver(&batch);
    let db = log.db();
    let leaves = batch.iter().map(|envelope| hex::text(&envelope.hash).into()).collect();
    let mut cases = vec![Value::Object(vec![("leaves".into(), Value::Array(leaves))])];
    let sizes =
        (1..=20).chain([31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300, 511, 512, 513, 699, 700]);
    for size in sizes {
        for index in (0..size).filter(|index| size < 40 || index % 37 == 0 || index + 3 > size) {
            cases.push(db.prove(&Locator::Index(index), Some(size)).unwrap().to_value());
        }
        for old in
            (0..=size).filter(|old| size < 40 || old % 41 == 0 || old + 3 > size || old.is_power_of_two())
        {
            cases.push(db.consistency(old, Some(size)).unwrap().to_value());
        }
    }
    let mut input = Vec::new();
    for case in &cases {
        case.write_canonical(&mut input).unwrap();
        input.push(b'\n');
    }
    let output = python(&["selftest"], &input);
    assert!(output.status.success(), "{}", says(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&format!("proofs {} touched ", cases.len() - 1)), "{text}");
    assert!(cases.len() > 900, "{}", cases.len());
}

#[test]
fn an_independent_checker_recomputes_an_export_and_a_single_proof() {
    let mut log = Log::new();
    let mut sealer = Sealer::new(1);
    let mut batch = sealer.some(30);
    batch.push(
        sealer
            .seal(Said {
                data: vec![("text".into(), "ünï\u{1F600}\n\"\u{E000}".into())], ..Said::default()
            }),
    );
    log.deliver(&batch);
    let file = |name: &str, bytes: &[u8]| {
        let path = log.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut export = Vec::new();
    assert_eq!(log.db().export(&mut export).unwrap(), 31);
    let export = file("export.ndjson", &export);
    let head = log.db().head().unwrap();
    let note = file("note", head.note(None).unwrap().as_str().as_bytes());
    let output = python(&["export", &export, &note], b"");
    assert!(output.status.success(), "{}", says(&output));
    assert!(says(&output).contains(&hex::text(&head.root)), "{}", says(&output));
    let other = file("other", TreeHead { root: [0; 32], ..head }.note(None).unwrap().as_str().as_bytes());
    assert_eq!(python(&["export", &export, &other], b"").status.code(), Some(1));

    let proof = log.db().prove(&Locator::Index(30), None).unwrap();
    let proof = file("proof.json", &proof.to_value().to_canonical().unwrap());
    let (right, wrong) = (file("right.json", &batch[30].bytes), file("wrong.json", &batch[29].bytes));
    let output = python(&["proof", &proof, &right], b"");
    assert!(output.status.success(), "{}", says(&output));
    assert_eq!(python(&["proof", &proof, &wrong], b"").status.code(), Some(1));
}

#[test]
fn a_note_is_signed_as_the_standard_says() {
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let public = key.verifying_key();
    let signing = SigningKey::ed25519("k1", key);
    let head = TreeHead { origin: "example.com/audit".into(), size: 17, root: [0xAB; 32] };
    let note = head.note(Some(&signing)).unwrap();
    let lines: Vec<_> = note.as_str().split('\n').collect();
    let root = STANDARD.encode([0xAB; 32]);
    assert_eq!(lines[..4], ["example.com/audit", "17", &root, ""]);
    let blob = STANDARD.decode(lines[4].strip_prefix("— example.com/audit ").unwrap()).unwrap();
    assert_eq!((lines.len(), lines[5], blob.len()), (6, "", 4 + 64));
    // C2SP signed-note: SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key), four bytes; signed is all before the
    // blank line, its newline included.
    let id = Sha256::digest([b"example.com/audit\n\x01", &public.to_bytes()[..]].concat());
    assert_eq!(blob[..4], id[..4]);
    let signature = ed25519_dalek::Signature::from_slice(&blob[4..]).unwrap();
    let text = format!("example.com/audit\n17\n{root}\n");
    public.verify_strict(text.as_bytes(), &signature).unwrap();

    let verifying: VerifyingKey = signing.public().unwrap();
    let parsed = Note::parse(note.as_str()).unwrap();
    assert_eq!(parsed.head().unwrap(), head);
    assert!(parsed.signed_by(&verifying));
    let cosigned = Note::parse(&format!("{}— witness.example/w AAAA\n", note.as_str())).unwrap();
    assert!(cosigned.signed_by(&verifying));
    let altered = Note::parse(&note.as_str().replace("\n17\n", "\n18\n")).unwrap();
    assert!(!altered.signed_by(&verifying));
    let hex_id = hex::text(&id[..4]);
    let blob = STANDARD.encode([&[1], &public.to_bytes()[..]].concat());
    assert_eq!(
        verifier_key("example.com/audit", &verifying),
        Some(format!("example.com/audit+{hex_id}+{blob}"))
    );
}

#[test]
fn with_an_hmac_key_a_note_is_unsigned() {
    let head = TreeHead { origin: "example.com/audit".into(), size: 0, root: merkle::empty_root() };
    let key = SigningKey::hmac("k1", &[7; 32]).unwrap();
    let note = head.note(Some(&key)).unwrap();
    assert_eq!(note, head.note(None).unwrap());
    assert_eq!(note.as_str(), "example.com/audit\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n");
    assert_eq!(note.head().unwrap(), head);
    for bad in ["", "a\n1\n", "a\n01\nAAAA\n\n", "a\n-1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"] {
        assert!(Note::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_sqlite_command_reads_the_database_and_is_held_by_the_triggers() {
    let mut log = Log::new();
    log.deliver(&Sealer::new(1).some(20));
    let sqlite3 = |sql: &str| {
        Command::new("sqlite3")
            .args(["-batch", "-bail"])
            .arg(&log.path)
            .arg(sql)
            .output()
            .expect("the sqlite3 command is needed as a second reader")
    };
    let output = sqlite3(
        "SELECT leaf, streamid, sequence, type, agentid, runid, tenantid, subject, time, erased, sealed ->> '$.data.tool' FROM envelopes WHERE leaf = 9",
    );
    let streamid = hex::text(&Sealer::new(1).streamid.0);
    let time = time(START + 10_000_000_000 - 500);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!(
            "9|{streamid}|10|dev.sinkwell.tool.invocation|urn:example:agent:1|run-1|acme|tool:search-10|{time}|0|search\n"
        ),
        "{}",
        says(&output)
    );
    let output = sqlite3("PRAGMA integrity_check; PRAGMA user_version; PRAGMA application_id");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n2\n1399745367\n");
    for sql in ["UPDATE envelope SET sealed = '{}'", "DELETE FROM envelope", "DELETE FROM leaf"] {
        let output = sqlite3(sql);
        assert!(!output.status.success() && says(&output).contains("audit chain"), "{}", says(&output));
    }
    assert!(log.verify().sound());
}
