//! The owner's side and the heir's side, over the real file system.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::support::*;
use crate::error::ErrorKind;
use crate::journal::{AppendError, Journal, Position, list};
use crate::seam::RealFs;
use crate::testing::TempDir;

#[test]
fn what_was_appended_is_adopted_byte_for_byte() {
    let dir = TempDir::new();
    let all = samples(0..300);
    let (mut journal, adopted) = open(dir.path());
    assert!(adopted.is_empty());
    append(&mut journal, &all[..100]);
    append(&mut journal, &all[100..]);
    assert_eq!(journal.sync().unwrap(), Position(300));
    journal.ack(Position(120)).unwrap();
    drop(journal);

    let (journal, mut adopted) = open(dir.path());
    assert_eq!(adopted.len(), 1);
    let old = &adopted[0];
    assert_eq!((old.unacknowledged(), old.damage()), (180, &[][..]));
    assert_same(old.records(), &all[120..]);
    assert_eq!(old.heads().len(), 3);
    assert_eq!(old.find(stream(1), 100).unwrap(), Some(Position(299)));
    let head = journal.head("urn:agent:1").unwrap();
    assert_eq!((head.streamid, head.sequence), (stream(1), 100));
    let mut journal = journal;
    assert!(matches!(adopted[0].finish(&mut journal), Err(AppendError::Full(_))));
    adopted[0].ack(Position(300)).unwrap();
    adopted[0].finish(&mut journal).unwrap();
    drop((journal, adopted));

    let (journal, adopted) = open(dir.path());
    assert_eq!(adopted.len(), 1, "only the second process's journal is left");
    assert_eq!(adopted[0].unacknowledged(), 0);
    assert_eq!(journal.head("urn:agent:2").unwrap().sequence, 100, "heads outlive their journal");
}

#[test]
fn acknowledged_segments_are_used_again_and_the_rest_stays() {
    let dir = TempDir::new();
    let (mut journal, _) = open(dir.path());
    let mut n = 0;
    for _ in 0..400 {
        let batch = samples(n..n + 20);
        n += 20;
        append(&mut journal, &batch);
        let position = journal.sync().unwrap();
        journal.ack(Position(position.0.saturating_sub(50))).unwrap();
    }
    let usage = journal.usage();
    assert_eq!(usage.unacknowledged, 50);
    assert!(usage.bytes <= 5 << 18, "{usage:?}");
    drop(journal);
    let (_, adopted) = open(dir.path());
    assert_same(adopted[0].records(), &samples(n - 50..n));
    assert!(adopted[0].damage().is_empty());
}

#[test]
fn what_is_to_be_kept_stays_although_it_is_acknowledged_as_long_as_there_is_room() {
    let dir = TempDir::new();
    let (mut journal, _) = open(dir.path());
    let mut n = 0;
    let mut go_on = |journal: &mut Journal, records: u64| {
        append(journal, &samples(n..n + records));
        n += records;
        let last = journal.sync().unwrap();
        journal.ack(last).unwrap();
    };
    let first = |journal: &Journal| journal.read_from(Position(0)).unwrap().next().unwrap().unwrap().position;
    go_on(&mut journal, 10);
    journal.keep_from(Some(Position(10)));
    for _ in 0..15 {
        go_on(&mut journal, 100);
    }
    assert!(journal.usage().segments > 1, "{:?}", journal.usage());
    assert_eq!(first(&journal), Position(1));
    journal.keep_from(None);
    go_on(&mut journal, 1);
    assert!(first(&journal) > Position(10));

    journal.keep_from(Some(journal.last()));
    for _ in 0..400 {
        go_on(&mut journal, 100);
    }
    assert!(journal.usage().bytes <= 5 << 18, "{:?}", journal.usage());
    journal.keep_from(Some(journal.last()));
    journal.close().unwrap();
    let (_, adopted) = open(dir.path());
    let kept = adopted[0].read_from(Position(0)).last().unwrap().unwrap();
    assert_eq!((kept.position, adopted[0].unacknowledged()), (adopted[0].last(), 0));
}

#[test]
fn files_are_private_and_a_closed_journal_keeps_only_its_heads() {
    let dir = TempDir::new();
    let root = dir.path().join("state");
    let (mut journal, _) = open(&root);
    append(&mut journal, &samples(0..9));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&root), mode(journal.path())), (0o700, 0o700));
    for entry in std::fs::read_dir(journal.path()).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    journal.sync().unwrap();
    journal.ack(Position(9)).unwrap();
    journal.close().unwrap();
    let overview = list(&(Arc::new(RealFs) as _), &root).unwrap();
    let sub = &overview.journals[0];
    assert!(!sub.in_use && sub.bytes < 8192 && sub.heads.len() == 3 && sub.damage.is_empty());
    let (journal, adopted) = open(&root);
    assert_eq!((adopted[0].unacknowledged(), journal.head("urn:agent:0").unwrap().sequence), (0, 3));
}

#[test]
fn the_budget_refuses_whole_appends_and_takes_them_after_acknowledgement() {
    let dir = TempDir::new();
    let (mut journal, _) = open(dir.path());
    let batch = samples(0..50);
    let records: Vec<_> = batch.iter().map(|s| s.record()).collect();
    let mut taken = 0;
    let error = loop {
        match journal.append(&records) {
            Ok(position) => taken = position.0,
            Err(e) => break e,
        }
        assert!(taken < 100_000);
    };
    let AppendError::Full(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), ErrorKind::Journal);
    assert!(error.message().contains("budget"), "{error}");
    assert_eq!(
        (journal.last(), journal.read_from(Position(0)).unwrap().count() as u64),
        (Position(taken), taken)
    );
    assert!(journal.usage().bytes <= 4 << 20);
    journal.ack(Position(taken)).unwrap();
    assert_eq!(journal.append(&records).unwrap(), Position(taken + 50));
}

#[test]
fn the_smallest_budgets_still_pass_everything_on() {
    for budget in [64 << 10, 128 << 10, 200_000, 1 << 20] {
        let dir = TempDir::new();
        let mut config = config(dir.path());
        config.budget = budget;
        let (mut journal, _) = open_with(Arc::new(RealFs), &config, "audit").unwrap();
        for round in 0..200 {
            let batch = samples(round * 30..round * 30 + 30);
            append(&mut journal, &batch);
            let position = journal.sync().unwrap();
            journal.ack(position).unwrap();
            assert!(journal.usage().bytes <= budget, "{:?} of {budget}", journal.usage());
        }
    }
}

#[test]
fn the_floor_refuses_too() {
    let dir = TempDir::new();
    let mut config = config(dir.path());
    config.floor = u64::MAX / 2;
    let (mut journal, _) = open_with(Arc::new(RealFs), &config, "audit").unwrap();
    let error = journal.append(&[samples(0..1)[0].record()]).unwrap_err();
    assert!(matches!(&error, AppendError::Full(e) if e.message().contains("journal.floor")), "{error:?}");
}

#[test]
fn what_can_never_fit_is_not_called_full() {
    let dir = TempDir::new();
    let (mut journal, _) = open(dir.path());
    let huge = Sample::new(0, 5 << 20);
    assert!(matches!(journal.append(&[huge.record()]), Err(AppendError::TooLarge(_))));
    let large = Sample::new(1, (2 << 20) - (16 << 10));
    assert_eq!(journal.append(&[large.record()]).unwrap(), Position(1));
}

#[test]
fn another_lane_or_sink_adopts_nothing_and_a_live_journal_is_nobodys() {
    let dir = TempDir::new();
    let fs: Arc<dyn crate::seam::Fs> = Arc::new(RealFs);
    let (mut journal, _) = open(dir.path());
    append(&mut journal, &samples(0..3));
    journal.sync().unwrap();
    assert!(open(dir.path()).1.is_empty(), "in use");
    drop(journal);
    assert!(open_with(Arc::clone(&fs), &config(dir.path()), "other").unwrap().1.is_empty());
    let random = Arc::new(crate::seam::SystemRandom);
    let other = Journal::open(Arc::clone(&fs), random, &config(dir.path()), "audit", "otlp", 0).unwrap();
    assert!(other.1.is_empty());
    let ours: u64 = open(dir.path()).1.iter().map(|a| a.unacknowledged()).sum();
    assert_eq!(ours, 3);
}

#[test]
fn a_forked_child_is_refused_its_parents_journal() {
    // A journal made in generation n is not usable in n + 1.
    let dir = TempDir::new();
    let (mut journal, _) = open(dir.path());
    journal.pretend_forked();
    for error in [
        journal.sync().unwrap_err(),
        journal.ack(Position(0)).unwrap_err(),
        journal.append(&[]).unwrap_err().into(),
    ] {
        assert!(error.message().contains("parent process"), "{error}");
    }
}

#[test]
fn large_and_small_appends_cross_the_prepared_stretch_alike() {
    let dir = TempDir::new();
    let mut config = config(dir.path());
    config.budget = 1 << 30;
    let (mut journal, _) = open_with(Arc::new(RealFs), &config, "audit").unwrap();
    // Segments of 8 MiB, zeros 1 MiB ahead, single writes above 256 KiB without them: 30 MiB of all.
    let sizes = [40_000, 300_000, 900, 900_000, 200_000];
    let all: Vec<_> = (0..100).map(|n: u64| Sample::new(n, sizes[(n % 5) as usize] + n as usize)).collect();
    for sample in &all {
        append(&mut journal, std::slice::from_ref(sample));
        journal.sync().unwrap();
    }
    assert!(journal.usage().segments > 3);
    assert_same(journal.read_from(Position(0)).unwrap(), &all);
    drop(journal);
    let (_, adopted) = open(dir.path());
    assert!(adopted[0].damage().is_empty());
    assert_same(adopted[0].records(), &all);
}

#[test]
fn more_agents_than_a_segment_has_room_for_are_all_remembered() {
    let dir = TempDir::new();
    let (mut journal, _) = open(dir.path());
    let agents: Vec<String> = (0..3000).map(|n| format!("urn:agent:{n:0100}")).collect();
    for (n, agent) in agents.iter().enumerate() {
        let mut record = samples(1..2)[0].record().streamid;
        record.0[..8].copy_from_slice(&(n as u64).to_be_bytes());
        let record = crate::journal::Record {
            streamid: record,
            agentid: agent,
            sequence: 1,
            hash: [3; 32],
            digest: [4; 32],
            recordedtime: n as i64,
            own: false,
            terminal: false,
            closes: true,
            span: None,
            signed: true,
            bytes: b"{}",
        };
        let position = journal.append(&[record]).unwrap();
        journal.ack(position).unwrap();
    }
    journal.close().unwrap();
    let (journal, _) = open(dir.path());
    for (n, agent) in agents.iter().enumerate() {
        assert_eq!(journal.head(agent).unwrap().recordedtime, n as i64);
    }
}

#[test]
fn the_schedule_follows_the_policy() {
    use crate::journal::SyncSchedule;
    use crate::seam::Instant;
    use crate::settings::SyncPolicy;
    use std::time::Duration;
    let at = |millis: u64| Instant(millis * 1_000_000);
    let mut always = SyncSchedule::new(SyncPolicy::Always);
    assert!(!always.due(at(9)));
    always.appended(at(10));
    assert!(always.due(at(10)));
    always.synced();
    assert!(!always.due(at(11)));

    let mut every = SyncSchedule::new(SyncPolicy::Every(Duration::from_millis(5)));
    every.appended(at(10));
    every.appended(at(14));
    assert_eq!(every.deadline(), Some(at(15)), "the oldest counts");
    assert!(!every.due(at(14)) && every.due(at(15)));

    let mut os = SyncSchedule::new(SyncPolicy::Os);
    os.appended(at(10));
    assert!(!os.due(at(1000)) && os.journaled_when_written() && !every.journaled_when_written());
}
