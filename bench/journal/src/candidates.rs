//! The stores that are compared. Each takes a batch and returns when it is on the disk.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use sinkwell::config::{JournalConfig, SyncPolicy};
use sinkwell::journal::{Journal, Record};
use sinkwell::seam::{RealFs, SystemRandom, Uuid};

/// A store: takes a batch, returns when it is on the disk.
pub(crate) type Store = Box<dyn FnMut(&[Arc<[u8]>]) + Send>;

/// What the journal adds to an envelope: record header, metadata, agent id, padding. The bare files write
/// as many bytes, so that they are a bound for it.
const OVERHEAD: usize = 24 + 64 + AGENT.len();
const AGENT: &str = "urn:sinkwell:agent:bench";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Candidate {
    /// The journal, everything acknowledged a little later, so that segments are reclaimed.
    Journal,
    /// A whole emitter: from `emit` to `journaled`, sealed with HMAC-SHA256 on the way.
    Emitter,
    /// A deed, from the call until its act may begin, sealed so.
    DeedHmac,
    DeedEd25519,
    /// A file of which every byte was written before: the fastest sync there is.
    Zeros,
    /// A file with blocks reserved by fallocate, its size set.
    Fallocate,
    /// A file that grows.
    Growing,
    /// SQLite, WAL, synchronous=FULL, one transaction a batch.
    Sqlite,
    /// redb, one durable transaction a batch.
    Redb,
}

impl Candidate {
    pub(crate) const ALL: [Self; 7] =
        [Self::Zeros, Self::Journal, Self::Emitter, Self::Fallocate, Self::Growing, Self::Sqlite, Self::Redb];

    /// Those of `--deeds`.
    pub(crate) const DEEDS: [Self; 4] = [Self::Zeros, Self::Emitter, Self::DeedHmac, Self::DeedEd25519];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Emitter => "emitter, emit to journaled",
            Self::DeedHmac => "deed, HMAC",
            Self::DeedEd25519 => "deed, Ed25519",
            Self::Zeros => "bare file, zeros written before",
            Self::Fallocate => "bare file, fallocate",
            Self::Growing => "bare file, growing",
            Self::Sqlite => "SQLite, WAL, synchronous=FULL",
            Self::Redb => "redb",
        }
    }

    pub(crate) fn open(self, dir: &Path) -> Result<Store, Box<dyn Error>> {
        match self {
            Self::Journal => journal(dir),
            Self::Emitter | Self::DeedHmac | Self::DeedEd25519 => {
                Err("an emitter is no store: it has loads of its own".into())
            }
            Self::Zeros | Self::Fallocate | Self::Growing => bare(self, dir),
            Self::Sqlite => sqlite(dir),
            Self::Redb => redb(dir),
        }
    }
}

fn journal(dir: &Path) -> Result<Store, Box<dyn Error>> {
    let config = JournalConfig {
        dir: dir.to_owned(),
        sync: SyncPolicy::Always,
        budget: 1 << 30,
        floor: 0,
        access: sinkwell::seam::Access::default(),
    };
    let (mut journal, _) =
        Journal::open(Arc::new(RealFs), Arc::new(SystemRandom), &config, "bench", "null", 0)?;
    let mut sequence = 0;
    Ok(Box::new(move |batch| {
        let records: Vec<_> = batch
            .iter()
            .map(|bytes| {
                sequence += 1;
                Record {
                    streamid: Uuid([1; 16]),
                    agentid: AGENT,
                    sequence,
                    hash: [2; 32],
                    digest: [0; 32],
                    recordedtime: 3,
                    own: false,
                    terminal: false,
                    closes: false,
                    span: None,
                    signed: true,
                    bytes,
                }
            })
            .collect();
        let acknowledged = journal.synced();
        journal.append(&records).expect("append");
        journal.sync().expect("sync");
        journal.ack(acknowledged).expect("ack");
    }))
}

const SIZE: u64 = 1 << 30;

fn bare(kind: Candidate, dir: &Path) -> Result<Store, Box<dyn Error>> {
    let file =
        OpenOptions::new().create(true).truncate(true).read(true).write(true).open(dir.join("bare"))?;
    if kind == Candidate::Fallocate {
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, SIZE)?;
    }
    let size = if kind == Candidate::Zeros { zeros(&file)? } else { SIZE };
    file.sync_all()?;
    File::open(dir)?.sync_all()?;
    let (mut at, mut buffer) = (0, Vec::new());
    Ok(Box::new(move |batch| {
        buffer.clear();
        for bytes in batch {
            buffer.extend_from_slice(bytes);
            buffer.resize((buffer.len() + OVERHEAD).next_multiple_of(8), 0);
        }
        if at + buffer.len() as u64 > size {
            at = 0;
        }
        file.write_all_at(&buffer, at).expect("write");
        file.sync_data().expect("sync");
        at += buffer.len() as u64;
    }))
}

fn zeros(file: &File) -> std::io::Result<u64> {
    let size = 128 << 20;
    rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size)?;
    for at in (0..size).step_by(1 << 20) {
        file.write_all_at(&[0; 1 << 20], at)?;
    }
    Ok(size)
}

fn sqlite(dir: &Path) -> Result<Store, Box<dyn Error>> {
    let mut db = rusqlite::Connection::open(dir.join("sqlite.db"))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch("CREATE TABLE journal (n INTEGER PRIMARY KEY, streamid BLOB, sequence INTEGER, hash BLOB, time INTEGER, agent TEXT, bytes BLOB)")?;
    let mut sequence = 0_i64;
    Ok(Box::new(move |batch| {
        let tx = db.transaction().expect("begin");
        {
            let mut insert = tx
                .prepare_cached("INSERT INTO journal (streamid, sequence, hash, time, agent, bytes) VALUES (?, ?, ?, ?, ?, ?)")
                .expect("prepare");
            for bytes in batch {
                sequence += 1;
                insert.execute((&[1_u8; 16], sequence, &[2_u8; 32], 3, AGENT, &bytes[..])).expect("insert");
            }
        }
        tx.commit().expect("commit");
    }))
}

fn redb(dir: &Path) -> Result<Store, Box<dyn Error>> {
    const TABLE: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("journal");
    let db = redb::Database::create(dir.join("redb"))?;
    let mut sequence = 0_u64;
    let mut value = Vec::new();
    Ok(Box::new(move |batch| {
        let tx = db.begin_write().expect("begin");
        {
            let mut table = tx.open_table(TABLE).expect("table");
            for bytes in batch {
                sequence += 1;
                value.clear();
                value.extend_from_slice(bytes);
                value.resize(bytes.len() + OVERHEAD - 24, 0);
                table.insert(sequence, value.as_slice()).expect("insert");
            }
        }
        tx.commit().expect("commit");
    }))
}
