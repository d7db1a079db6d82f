//! Somebody removes, replaces and cuts the files of a lane, one after the other, while it is written to.
//!
//! What holds: an event is acknowledged only once it lies in a file that has its name. So each acknowledged event is in
//! what is there at the end, or was in a file at the moment when somebody took that: never in a file without a name. What
//! a journal holds is also in memory, and what an audit log has not moved into its database is kept: they are written
//! again, so of these nothing may be missing at the end.
//!
//! `cargo test -p sinkwell --test unlink_storm -- --nocapture` prints the table of docs/END-TO-END.md;
//! `SINKWELL_SOAK=10` does ten times as much, `SINKWELL_SEED` makes other choices.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sinkwell::audit::AuditDb;
use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::receipt::Stage;
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options};

const LONG: Duration = Duration::from_secs(60);

/// Events between two deeds.
const EACH: usize = 3;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % n.max(1) as u64).unwrap()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Remove,
    ReplaceByNothing,
    ReplaceByItself,
    Cut,
}

const DEEDS: [Deed; 4] = [Deed::Remove, Deed::ReplaceByNothing, Deed::ReplaceByItself, Deed::Cut];

impl Deed {
    fn act(self, path: &Path, chance: &mut Chance) {
        let other = path.with_extension("other");
        let instead = |content: &[u8]| {
            std::fs::write(&other, content).unwrap();
            std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).unwrap();
            std::fs::rename(&other, path).unwrap();
        };
        match self {
            Self::Remove => std::fs::remove_file(path).unwrap(),
            Self::ReplaceByNothing => instead(b""),
            Self::ReplaceByItself => instead(&std::fs::read(path).unwrap()),
            Self::Cut => {
                let file = std::fs::File::options().write(true).open(path).unwrap();
                let len = usize::try_from(file.metadata().unwrap().len()).unwrap();
                file.set_len(chance.below(len) as u64).unwrap();
            }
        }
    }
}

/// All files below a folder.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
}

/// The numbers of the events in files of lines, or in a journal, whose records hold the lines as they are.
fn in_files(dir: &Path) -> BTreeSet<usize> {
    files(dir).iter().flat_map(|file| numbers(&std::fs::read(file).unwrap())).collect()
}

fn numbers(bytes: &[u8]) -> BTreeSet<usize> {
    const BEFORE: &str = "\"data\":{\"n\":";
    let text = String::from_utf8_lossy(bytes);
    let digits = |rest: &str| rest.split('}').next().and_then(|digits| digits.parse().ok());
    text.split(BEFORE).skip(1).filter_map(digits).collect()
}

/// The numbers of the events in an audit log; none in one that is damaged.
fn in_log(dir: &Path) -> BTreeSet<usize> {
    let mut out = Vec::new();
    match AuditDb::open_read(dir.join("audit.db")).and_then(|db| db.export(&mut out)) {
        Ok(_) => numbers(&out),
        Err(_) => BTreeSet::new(),
    }
}

struct Kind {
    name: &'static str,
    config: &'static str,
    stage: Stage,
    /// What of a folder may be taken, by whom.
    takes: fn(&Path, Deed) -> bool,
    read: fn(&Path) -> BTreeSet<usize>,
    /// Whether what was taken is written again.
    whole: bool,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "file",
        config: "lanes: [{ id: l, retry: { initial: 1ms, cap: 1ms }, sink: { file: { path: '{dir}/e.ndjson' } } }]",
        stage: Stage::Delivered,
        takes: |path, _| path.file_name().is_some_and(|name| name == "e.ndjson"),
        read: in_files,
        whole: false,
    },
    Kind {
        name: "journal",
        config: "journal: { dir: '{dir}/state', floor: 0 }\n\
            lanes: [{ id: l, durable: true, sink: { otlp: { endpoint: 'http://127.0.0.1:1' } } }]",
        stage: Stage::Journaled,
        takes: |_, _| true,
        read: in_files,
        whole: true,
    },
    Kind {
        name: "audit log",
        config: "lanes: [{ id: l, retry: { initial: 1ms, cap: 1ms }, sink: { audit_chain: { path: '{dir}/audit.db' } } }]",
        stage: Stage::Delivered,
        // The shared memory is mapped: who cuts that ends the process by a signal, and nothing is acknowledged by mistake.
        takes: |path, deed| {
            path.extension().is_some_and(|end| end == "db-wal" || (end == "db-shm" && deed == Deed::Remove))
        },
        read: in_log,
        whole: true,
    },
    Kind {
        name: "audit database",
        config: "lanes: [{ id: l, retry: { initial: 1ms, cap: 1ms }, sink: { audit_chain: { path: '{dir}/audit.db' } } }]",
        stage: Stage::Delivered,
        // One that is cut is damaged for good, and says so: nothing more is acknowledged.
        takes: |path, deed| path.extension().is_some_and(|end| end == "db") && deed == Deed::Remove,
        read: in_log,
        // What had been moved into the database that was removed went with it.
        whole: false,
    },
];

#[derive(Default)]
struct Count {
    deeds: BTreeMap<Deed, usize>,
    acknowledged: BTreeSet<usize>,
    /// What was in the files when somebody took one of them.
    taken: BTreeSet<usize>,
    failures: usize,
}

fn storm(kind: &Kind, steps: usize, chance: &mut Chance, root: &Path) -> Count {
    let dir = root.join("it");
    std::fs::create_dir_all(&dir).unwrap();
    let text = format!("agent: {{ id: a }}\nheartbeat: off\n{}", kind.config)
        .replace("{dir}", &dir.display().to_string());
    let source = Source::Text { text, name: None, format: Default::default() };
    let emitter = Emitter::open(Options::new(Config::load(source, &SystemEnv::default()).unwrap())).unwrap();
    let mut count = Count::default();
    let mut n = 0;
    let mut acknowledge = |count: &mut Count, wanted: usize| {
        let begun = Instant::now();
        let mut done = 0;
        while done < wanted {
            assert!(begun.elapsed() < LONG, "{}: it goes on, after {:?}", kind.name, count.deeds);
            let data = format!("{{\"n\":{n}}}");
            let input = EventInput { data: Data::Json(data.as_bytes()), ..EventInput::new("com.example.n") };
            let receipt = emitter.emit(input).unwrap();
            if receipt.wait(kind.stage, LONG).is_ok() && receipt.check_journaled(kind.stage).is_ok() {
                count.acknowledged.insert(n);
                done += 1;
            } else {
                count.failures += 1;
            }
            n += 1;
        }
    };
    acknowledge(&mut count, EACH);
    for step in 0..steps {
        let deed = DEEDS[(step + chance.below(2)) % DEEDS.len()];
        let may: Vec<PathBuf> = files(&dir).into_iter().filter(|path| (kind.takes)(path, deed)).collect();
        if let Some(path) = may.get(chance.below(may.len())) {
            let before = root.join(format!("before-{step}"));
            copy(&dir, &before);
            count.taken.append(&mut (kind.read)(&before));
            std::fs::remove_dir_all(&before).unwrap();
            deed.act(path, chance);
            *count.deeds.entry(deed).or_default() += 1;
        }
        acknowledge(&mut count, 1 + chance.below(EACH));
    }
    // As a kill would leave it: nothing is closed in order.
    let left = root.join("left");
    copy(&dir, &left);
    let there = (kind.read)(&left);
    let nowhere: Vec<_> =
        count.acknowledged.iter().filter(|n| !there.contains(n) && !count.taken.contains(n)).collect();
    assert!(nowhere.is_empty(), "{}: in no file that had a name: {nowhere:?}", kind.name);
    if kind.whole {
        let missing: Vec<_> = count.acknowledged.difference(&there).collect();
        assert!(missing.is_empty(), "{}: missing: {missing:?} after {:?}", kind.name, count.deeds);
    }
    emitter.shutdown(Duration::from_millis(100));
    count
}

#[test]
fn whatever_is_taken_nothing_is_acknowledged_into_a_file_without_a_name() {
    let seed = number("SINKWELL_SEED", 1);
    let steps = usize::try_from(60 * number("SINKWELL_SOAK", 1)).unwrap();
    println!(
        "| files of | removed | replaced by nothing | replaced by a copy | cut | acknowledged | of them only in what was taken | nowhere |"
    );
    for (k, kind) in KINDS.iter().enumerate() {
        let root = std::env::temp_dir().join(format!("sinkwell-unlink-{}-{k}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).unwrap();
        let count = storm(kind, steps, &mut Chance(seed * 1000 + k as u64), &root);
        let there = (kind.read)(&root.join("left"));
        let deeds = DEEDS.map(|deed| count.deeds.get(&deed).copied().unwrap_or_default());
        assert!(deeds[0] > 0, "{}: nothing was taken", kind.name);
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | 0 |",
            kind.name,
            deeds[0],
            deeds[1],
            deeds[2],
            deeds[3],
            count.acknowledged.len(),
            count.acknowledged.difference(&there).count(),
        );
        std::fs::remove_dir_all(&root).unwrap();
    }
}
