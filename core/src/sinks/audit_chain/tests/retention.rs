//! Retention: what it erases, what it leaves, and envelopes that look like retention and are none.

use rusqlite::Connection;

use super::*;
use crate::error::ErrorKind;
use crate::hex;

/// Seals the own envelope that names the ranges.
pub(super) fn announce(sealer: &mut Sealer, ranges: &[ErasedRange]) -> Envelope {
    sealer.seal(Said {
        event_type: Some("dev.sinkwell.audit.chain"),
        own: true,
        data: vec![
            ("action".into(), "retention".into()),
            ("lane".into(), "audit".into()),
            ("policy".into(), "ninety-days".into()),
            ("ranges".into(), Value::Array(ranges.iter().map(ErasedRange::to_value).collect())),
        ],
        ..Said::default()
    })
}

fn opened(sealer: &mut Sealer) -> Envelope {
    sealer.seal(Said {
        event_type: Some("dev.sinkwell.audit.chain"),
        own: true,
        data: vec![("action".into(), "opened".into())],
        ..Said::default()
    })
}

#[test]
fn old_envelopes_become_stubs_and_every_proof_still_holds() {
    let mut log = Log::new();
    let (mut one, mut two) = (Sealer::new(1), Sealer::new(2));
    let mut all = vec![opened(&mut one)];
    all.extend(one.some(299));
    all.push(opened(&mut one));
    all.extend(one.some(99));
    all.extend(two.some(100));
    log.deliver(&all);
    let before = log.db().head().unwrap();
    let proofs: Vec<_> = (0..500).map(|i| log.db().prove(&Locator::Index(i), None).unwrap()).collect();

    let handle = log.sink.handle();
    let cutoff = START + 351 * 1_000_000_000;
    let plan = handle.plan_retention(cutoff, u64::MAX).unwrap();
    let range = |sealer: &Sealer, from, to| ErasedRange {
        streamid: sealer.streamid,
        agentid: sealer.agentid.to_string(),
        from,
        to,
    };
    assert_eq!(plan, [range(&one, 2, 350), range(&two, 1, 100)]);

    // Before the retention envelope is in the log, nothing is erased.
    let announced = announce(&mut one, &plan);
    let e = handle.apply_retention(&announced.hash).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{e}");
    log.deliver(std::slice::from_ref(&announced));
    assert_eq!(handle.apply_retention(&announced.hash).unwrap().erased, 348 + 100);
    assert_eq!(handle.apply_retention(&announced.hash).unwrap().erased, 0, "once is enough");
    assert_eq!(handle.plan_retention(cutoff, u64::MAX).unwrap(), []);

    let report = log.verify();
    assert!(report.sound(), "{report:?}");
    assert_eq!((report.head.size, report.envelopes, report.erased), (501, 53, 448));
    let db = log.db();
    for proof in proofs {
        assert_eq!(db.prove(&Locator::Index(proof.index), Some(500)).unwrap(), proof);
        assert!(db.prove(&Locator::Index(proof.index), None).unwrap().verify());
    }
    assert!(db.verify(&VerifyOptions { heads: vec![before] }).unwrap().sound());
    for (i, line) in log.lines().iter().enumerate().take(500) {
        let envelope = &all[i];
        if line.as_bytes() == &*envelope.bytes {
            assert!(envelope.own || envelope.recordedtime >= cutoff, "{line}");
            continue;
        }
        assert!(!envelope.own && envelope.recordedtime < cutoff);
        // Place, digest and signature, as they were sealed; nothing else.
        let sealed = crate::json::parse(&envelope.bytes).unwrap();
        let kept = ["keyid", "prevhash", "recordedtime", "sequence", "sigalg", "signature", "streamid"];
        let mut members: Vec<_> =
            kept.iter().filter_map(|key| Some(((*key).to_owned(), sealed.get(key)?.clone()))).collect();
        members.push(("eventdigest".into(), hex::text(&envelope.digest).into()));
        members.push(("stub".into(), "sinkwell-v1".into()));
        assert_eq!(line.as_bytes(), Value::Object(members).to_canonical().unwrap());
    }
    // What was erased is still known: its repeat is dropped, not stored again.
    log.deliver(&all);
    assert_eq!(log.db().head().unwrap().size, 501);
}

#[test]
fn nothing_of_what_was_erased_is_left_in_the_files() {
    let mut log = Log::new();
    let mut sealer = Sealer::new(1);
    let said = |n: u64| Said {
        run: Some(format!("erased-run-{n}")),
        tenant: Some(format!("erased-tenant-{n}")),
        subject: Some(format!("erased-subject-{n}")),
        data: vec![(
            "note".into(),
            format!("erased-data-{n} ").repeat(if n.is_multiple_of(7) { 900 } else { 5 }).into(),
        )],
        ..Said::default()
    };
    for start in (0..600).step_by(40) {
        let batch: Vec<_> = (start..start + 40).map(|n| sealer.seal(said(n))).collect();
        log.deliver(&batch);
    }
    let handle = log.sink.handle();
    let held = |text: &str| {
        std::fs::read_dir(log.dir.path())
            .unwrap()
            .any(|file| contains(&std::fs::read(file.unwrap().path()).unwrap(), text.as_bytes()))
    };
    for text in ["erased-run-", "erased-tenant-", "erased-subject-", "erased-data-"] {
        assert!(held(text), "{text} should be there before");
    }
    let plan = handle.plan_retention(i64::MAX, u64::MAX).unwrap();
    let announced = announce(&mut sealer, &plan);
    assert_eq!(log.sink.deliver(std::slice::from_ref(&announced)), Answers::Acknowledged);
    assert_eq!(handle.apply_retention(&announced.hash).unwrap().erased, 600);
    for text in ["erased-run-", "erased-tenant-", "erased-subject-", "erased-data-"] {
        assert!(!held(text), "{text} is still in the files");
    }
    assert!(log.verify().sound());
    // And the log goes on, with names that were forgotten.
    log.deliver(&[sealer.seal(said(1))]);
    assert!(log.verify().sound());
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[test]
fn a_plan_is_bounded_and_never_runs_over_an_envelope_that_must_stay() {
    let mut log = Log::new();
    let mut sealer = Sealer::new(1);
    let mut batch = sealer.some(5);
    // A clock that was set back: the sixth is recorded after the ones around it.
    sealer.recorded += 1_000_000_000_000;
    batch.extend(sealer.some(1));
    sealer.recorded -= 1_001_000_000_000;
    batch.extend(sealer.some(4));
    log.deliver(&batch);
    let handle = log.sink.handle();
    let range =
        |from, to| ErasedRange { streamid: sealer.streamid, agentid: sealer.agentid.to_string(), from, to };
    let cutoff = START + 100 * 1_000_000_000;
    assert_eq!(handle.plan_retention(cutoff, u64::MAX).unwrap(), [range(1, 5), range(7, 10)]);
    assert_eq!(handle.plan_retention(cutoff, 3).unwrap(), [range(1, 3)]);
    assert_eq!(handle.plan_retention(START, u64::MAX).unwrap(), []);
}

#[test]
fn an_erasure_without_such_an_envelope_is_found() {
    let mut log = Log::new();
    let (mut one, mut host) = (Sealer::new(1), Sealer::new(2));
    log.deliver(&one.some(20));
    // A host's own event that looks like one: only `origin: core` speaks for sinkwell.
    let ranges = [ErasedRange { streamid: one.streamid, agentid: one.agentid.to_string(), from: 1, to: 20 }];
    let fake = host.seal(Said {
        event_type: Some("com.example.audit.chain"),
        data: vec![
            ("action".into(), "retention".into()),
            ("ranges".into(), Value::Array(ranges.iter().map(ErasedRange::to_value).collect())),
        ],
        ..Said::default()
    });
    log.deliver(std::slice::from_ref(&fake));
    let handle = log.sink.handle();
    assert_eq!(handle.apply_retention(&fake.hash).unwrap_err().kind(), ErrorKind::InvalidArgument);
    // An own one that covers something else.
    let other = announce(&mut one, &[ErasedRange { from: 1, to: 5, ..ranges[0].clone() }]);
    log.deliver(std::slice::from_ref(&other));
    assert_eq!(handle.apply_retention(&other.hash).unwrap().erased, 5);
    let db = Connection::open(&log.path).unwrap();
    db.execute_batch("INSERT INTO stub VALUES (7, '')").expect_err("not covered");
    // The trigger looks at the table of erasures, `verify` at the sealed retention envelope.
    db.execute_batch(
        "INSERT INTO erasure SELECT 1, 8, 8, leaf FROM envelope WHERE own = 1;
         INSERT INTO stub VALUES (7, '');",
    )
    .unwrap();
    let report = log.verify();
    // An envelope was erased without permission, and its stub does not give the leaf's hash.
    let kinds: Vec<_> = report.findings.iter().map(|finding| (finding.kind, finding.index)).collect();
    assert_eq!(kinds, [(AuditFindingKind::Removed, Some(7)), (AuditFindingKind::Altered, Some(7))]);
}

#[test]
fn a_retention_that_was_cut_short_is_finished_by_the_next_call() {
    let mut log = Log::new();
    let mut sealer = Sealer::new(1);
    log.deliver(&sealer.some(2_500));
    let handle = log.sink.handle();
    let plan = handle.plan_retention(i64::MAX, u64::MAX).unwrap();
    let announced = announce(&mut sealer, &plan);
    log.deliver(std::slice::from_ref(&announced));
    {
        let mut writer = super::super::writer::Writer::open(AuditOptions::new(&log.path)).unwrap();
        let mut ranges = super::super::retention::admit(&mut writer, &announced.hash).unwrap();
        let erased = super::super::retention::erase_some(&mut writer, &mut ranges[0]).unwrap();
        assert_eq!((erased, ranges[0].done), (1_000, false));
    }
    assert!(log.verify().sound(), "half done is sound as well");
    assert_eq!(handle.apply_retention(&announced.hash).unwrap().erased, 1_500);
    assert_eq!(log.verify().erased, 2_500);
}
