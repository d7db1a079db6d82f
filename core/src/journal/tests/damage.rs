//! What the heir is told about data that could not be read, and where the damaged segments go.

use std::path::PathBuf;
use std::sync::Arc;

use super::support::*;
use crate::journal::segment::{DATA, Header};
use crate::journal::{Adopted, DamageKind, Journal, LostRange, Position, list};
use crate::seam::Fs;
use crate::settings::JournalConfig;
use crate::testing::simfs::SimFs;

struct World {
    fs: SimFs,
    config: JournalConfig,
}

impl World {
    fn new() -> Self {
        Self { fs: SimFs::new(3), config: config(std::path::Path::new("/state")) }
    }

    fn open(&self) -> (Journal, Vec<Adopted>) {
        open_with(Arc::new(self.fs.clone()), &self.config, "audit").unwrap()
    }

    /// A dead process's journal of `n` envelopes, and its segment files.
    fn leave(&self, n: u64) -> Vec<PathBuf> {
        let (mut journal, _) = self.open();
        for i in 0..n {
            append(&mut journal, &samples(i..i + 1));
        }
        journal.sync().unwrap();
        let path = journal.path().to_owned();
        drop(journal);
        let segment = |path: &PathBuf| path.extension().is_some_and(|e| e == "log");
        self.fs.list(&path).unwrap().into_iter().filter(segment).collect()
    }
}

/// Where in `bytes` the envelope `n` lies.
fn find(bytes: &[u8], n: u64) -> usize {
    let sample = samples(n..n + 1);
    let needle = sample[0].record().bytes;
    bytes.windows(needle.len()).position(|window| window == needle).unwrap()
}

#[test]
fn a_flipped_bit_costs_one_envelope_which_is_named_and_the_segment_is_kept() {
    let world = World::new();
    let segments = world.leave(30);
    assert_eq!(segments.len(), 1);
    let at = find(&world.fs.bytes(&segments[0]), 10);
    world.fs.flip(&segments[0], at, 3);

    let (mut journal, mut adopted) = world.open();
    let old = &mut adopted[0];
    let damage = old.damage().to_vec();
    assert_eq!((damage.len(), damage[0].kind, damage[0].count()), (1, DamageKind::Hole, 1));
    assert_eq!(damage[0].positions, Some((Position(11), Position(11))));
    // Envelope 10 is the fourth of stream 1.
    assert_eq!(damage[0].lost, [LostRange { streamid: stream(1), from: 4, to: 4 }]);
    let rest: Vec<_> =
        samples(0..30).into_iter().enumerate().filter(|&(n, _)| n != 10).map(|(_, s)| s).collect();
    assert_same(old.records(), &rest);
    old.ack(Position(30)).unwrap();
    old.finish(&mut journal).unwrap();

    let fs: Arc<dyn Fs> = Arc::new(world.fs.clone());
    let overview = list(&fs, &world.config.dir).unwrap();
    assert_eq!((overview.journals.len(), overview.damaged.len()), (1, 1));
    assert_eq!(
        find(&world.fs.bytes(&overview.damaged[0]), 11) % 8,
        find(&world.fs.bytes(&overview.damaged[0]), 11) % 8
    );
}

#[test]
fn a_segment_without_a_header_is_lost_whole_and_its_neighbours_are_not() {
    let world = World::new();
    let segments = world.leave(2000);
    assert!(segments.len() > 2);
    let base = |path| Header::decode(&world.fs.bytes(path)).unwrap().base.0;
    let (before, after) = (base(&segments[1]), base(&segments[2]) - base(&segments[1]));
    // One of the two copies of the header may be damaged.
    world.fs.flip(&segments[1], 20, 0);
    assert!(world.open().1[0].damage().is_empty());
    world.fs.flip(&segments[1], 2048 + 20, 0);
    let (_, adopted) = world.open();
    let damage = adopted[0].damage();
    assert_eq!((damage.len(), damage[0].kind), (1, DamageKind::Header));
    let (first, last) = (before + 1, before + after);
    assert_eq!(damage[0].positions, Some((Position(first), Position(last))));
    assert_eq!(damage[0].lost.iter().map(|lost| lost.to - lost.from + 1).sum::<u64>(), after);
    assert_eq!(adopted[0].records().count() as u64, 2000 - after);
}

#[test]
fn a_segment_that_is_gone_is_missed() {
    let world = World::new();
    let segments = world.leave(2000);
    world.fs.remove_file(&segments[1]).unwrap();
    let (_, adopted) = world.open();
    let damage = adopted[0].damage();
    assert_eq!((damage.len(), damage[0].kind), (1, DamageKind::Missing));
    assert_eq!(damage[0].count(), 2000 - adopted[0].records().count() as u64);
}

#[test]
fn a_torn_tail_is_cut_and_told() {
    let world = World::new();
    let segments = world.leave(10);
    let at = find(&world.fs.bytes(&segments[0]), 9);
    world.fs.flip(&segments[0], at, 0);
    let (_, adopted) = world.open();
    assert_eq!(adopted[0].damage().len(), 1);
    assert_eq!((adopted[0].damage()[0].kind, adopted[0].damage()[0].count()), (DamageKind::TornTail, 0));
    assert_same(adopted[0].records(), &samples(0..9));
}

#[test]
fn damage_to_what_is_acknowledged_is_none() {
    let world = World::new();
    let (mut journal, _) = world.open();
    append(&mut journal, &samples(0..20));
    journal.sync().unwrap();
    journal.ack(Position(12)).unwrap();
    let segment = journal.path().join("0000000001.log");
    drop(journal);
    world.fs.flip(&segment, find(&world.fs.bytes(&segment), 5), 0);
    let (_, adopted) = world.open();
    assert_eq!(adopted[0].damage().iter().map(|d| d.count()).sum::<u64>(), 0);
    assert_same(adopted[0].records(), &samples(12..20));
}

#[test]
fn a_damaged_cursor_means_sending_again() {
    let world = World::new();
    let (mut journal, _) = world.open();
    append(&mut journal, &samples(0..20));
    journal.sync().unwrap();
    journal.ack(Position(5)).unwrap();
    journal.ack(Position(12)).unwrap();
    let cursor = journal.path().join("cursor");
    drop(journal);
    world.fs.flip(&cursor, 16, 0);
    assert_same(world.open().1[0].records(), &samples(5..20));
    world.fs.flip(&cursor, 512 + 16, 0);
    assert_same(world.open().1[0].records(), &samples(0..20));
}

#[test]
fn every_bit_of_a_small_journal_may_flip_and_nothing_is_invented() {
    let used = {
        let world = World::new();
        let segment = &world.leave(4)[0];
        find(&world.fs.bytes(segment), 3) + samples(3..4)[0].record().bytes.len()
    };
    let all = samples(0..4);
    for byte in (0..64).chain(DATA..used) {
        let world = World::new();
        let segments = world.leave(4);
        world.fs.flip(&segments[0], byte, 5);
        let (_, adopted) = world.open();
        let stored: Vec<_> = adopted[0].records().map(Result::unwrap).collect();
        for stored in &stored {
            assert!(all[usize::try_from(stored.position.0).unwrap() - 1].is(stored), "byte {byte}");
        }
        assert!(stored.len() >= 3, "byte {byte}");
    }
}
