//! Files of ours that somebody else removes, replaces, blocks or shares, as the application and the receivers see it.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::lane::LaneState;
use sinkwell::receipt::Stage;
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options, Receipt, Where};

const LONG: Duration = Duration::from_secs(30);

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-hands-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap()
    }

    fn try_open(&self, rest: &str) -> sinkwell::Result<Emitter> {
        let rest = rest.replace("{dir}", &self.0.display().to_string());
        let text = format!("agent: {{ id: 'urn:example:agent' }}\n{rest}");
        let source = Source::Text { text, name: None, format: Default::default() };
        Emitter::open(Options::new(Config::load(source, &SystemEnv::default()).unwrap()))
    }

    fn open(&self, rest: &str) -> Emitter {
        self.try_open(rest).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn emit(emitter: &Emitter, n: usize) -> Receipt {
    let data = format!(r#"{{"n":{n}}}"#);
    let input = EventInput { data: Data::Json(data.as_bytes()), ..EventInput::new("com.example.step") };
    emitter.emit(input).unwrap()
}

#[test]
fn a_file_that_is_removed_while_it_is_written_fails_its_lane_which_says_what_went() {
    let place = Place::new("file");
    let emitter = place.open(
        "lanes:\n\
        - { id: file, sink: { file: { path: '{dir}/a/e.ndjson' } }, retry: { initial: 1ms, cap: 1ms } }\n\
        - { id: other, classes: [observability], sink: { file: { path: '{dir}/other.ndjson' } } }\n",
    );
    for n in 0..5 {
        emit(&emitter, n).wait(Stage::Delivered, LONG).unwrap();
    }
    std::fs::remove_dir_all(place.at("a")).unwrap();
    for n in 5..10 {
        emit(&emitter, n);
    }
    let left = emitter.shutdown(LONG);
    assert!(left.iter().all(|(_, lane)| lane.pending == 0), "{left:?}");
    let next = place.read("a/e.ndjson");
    for n in 5..10 {
        assert!(
            next.contains(&format!("{{\"n\":{n}}}")),
            "what was not acknowledged is in the next file: {n}"
        );
    }
    // The other lane heard at once; its own stream says so as soon as it can.
    let other = place.read("other.ndjson");
    let told = other.lines().find(|line| line.contains("sink.failed")).expect("a record");
    assert!(told.contains("removed by somebody else") && told.contains("\"storage\""), "{told}");
    assert!(told.contains("went with it"), "{told}");
    let own = next.lines().find(|line| line.contains("sink.recovered")).expect("a record of its own");
    assert!(own.contains("recovered; the file was removed by somebody else"), "{own}");
}

#[test]
fn a_journal_that_is_taken_away_fails_its_lane_and_what_waits_is_journaled_anew() {
    let place = Place::new("journal");
    let emitter = place.open(
        "journal: { dir: '{dir}/state', floor: 0 }\n\
        lanes:\n- { id: away, durable: true, sink: { otlp: { endpoint: 'http://127.0.0.1:1' } } }\n",
    );
    for n in 0..5 {
        emit(&emitter, n).wait(Stage::Journaled, LONG).unwrap();
    }
    std::fs::remove_dir_all(place.at("state")).unwrap();
    let e = emit(&emitter, 5)
        .wait(Stage::Journaled, LONG)
        .and_then(|_| Err::<(), _>(sinkwell::Error::internal("journaled into nothing")));
    assert_eq!(e.unwrap_err().kind(), sinkwell::ErrorKind::Journal);
    let health = emitter.health().remove(0).1;
    assert_eq!(health.state, LaneState::Failed);
    // Another journal is begun, and takes what comes.
    let begun = Instant::now();
    let mut n = 6;
    loop {
        let receipt = emit(&emitter, n);
        n += 1;
        if receipt.wait(Stage::Journaled, LONG).is_ok() && receipt.check_journaled(Stage::Journaled).is_ok() {
            break;
        }
        assert!(begun.elapsed() < LONG, "no other journal");
    }
    let left = emitter.shutdown(Duration::from_millis(200)).remove(0).1;
    assert_eq!((left.pending, left.journaled, left.place), (n as u64, n as u64, Where::Journal));
    // The next process finds all of it, what was journaled before included.
    drop(emitter);
    let next = place.open(
        "journal: { dir: '{dir}/state', floor: 0 }\n\
        lanes:\n- { id: away, durable: true, sink: { otlp: { endpoint: 'http://127.0.0.1:1' } } }\n",
    );
    drop(next);
    let bytes: Vec<u8> =
        walk(&place.at("state")).iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
    let text = String::from_utf8_lossy(&bytes);
    for n in 0..n {
        assert!(text.contains(&format!("\"data\":{{\"n\":{n}}}")), "event {n}");
    }
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn what_the_journal_never_took_is_not_reported_as_journaled() {
    let place = Place::new("where");
    let emitter = place.open(
        "journal: { dir: '{dir}/state', floor: 1000000TiB }\n\
        lanes:\n- { id: away, durable: true, queue: { events: 8 }, sink: { otlp: { endpoint: 'http://127.0.0.1:1' } } }\n",
    );
    for n in 0..4 {
        emit(&emitter, n);
    }
    let left = emitter.shutdown(Duration::from_millis(200)).remove(0).1;
    assert_eq!((left.pending, left.journaled, left.place), (4, 0, Where::Memory));
}

#[test]
fn a_checkpoint_file_that_hangs_holds_up_no_lane_and_says_so() {
    let place = Place::new("checkpoint");
    // A pipe that is full, and that nobody reads, stands for storage that does not answer.
    assert!(Command::new("mkfifo").arg(place.at("ck")).status().unwrap().success());
    std::fs::set_permissions(place.at("ck"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let at_once = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut full =
        std::fs::File::options().read(true).write(true).custom_flags(at_once).open(place.at("ck")).unwrap();
    while full.write_all(&[b'\n'; 4096]).is_ok() {}
    let emitter = place.open(
        "checkpoint: { file: '{dir}/ck' }\n\
        lanes:\n- { id: one, sink: { file: { path: '{dir}/one.ndjson' } } }\n\
        - { id: two, sink: { file: { path: '{dir}/two.ndjson' } } }\n",
    );
    for n in 0..3000 {
        emit(&emitter, n);
    }
    let receipt = emit(&emitter, 3000);
    receipt.wait(Stage::Delivered, LONG).unwrap();
    let left = emitter.shutdown(Duration::from_secs(5));
    assert!(left.iter().all(|(_, lane)| lane.pending == 0), "{left:?}");
    for file in ["one.ndjson", "two.ndjson"] {
        assert!(place.read(file).contains("\"closed\""), "{file} is whole");
    }
    let (name, health) = emitter.checkpoint_health().unwrap();
    assert_eq!(name, "checkpoint:file");
    assert!(!matches!(health.state, LaneState::Healthy | LaneState::Closed), "{health:?}");
    assert!(health.detail.unwrap().starts_with("0 written"));
    let report = String::from_utf8(sinkwell::host::health_json(&emitter)).unwrap();
    assert!(report.contains("\"checkpoint:file\":{"), "{report}");
    // Whoever hung is let go.
    drop(full);
}

#[test]
fn a_checkpoint_file_that_cannot_be_written_is_sealed_as_a_failure_and_so_is_that_it_is_over() {
    let place = Place::new("checkpoint-fails");
    std::fs::create_dir(place.at("there")).unwrap();
    let emitter = place.open(
        "checkpoint: { file: '{dir}/there/ck' }\n\
        lanes:\n- { id: one, sink: { file: { path: '{dir}/one.ndjson' } } }\n",
    );
    std::fs::remove_dir(place.at("there")).unwrap();
    // A file where its folder was: nothing can be made below it.
    std::fs::write(place.at("there"), "").unwrap();
    let told = |what: &str| {
        let begun = Instant::now();
        while !place.read("one.ndjson").lines().any(|line| {
            line.contains("\"lane\":\"checkpoint:file\"") && line.contains(&format!("sink.{what}\""))
        }) {
            for n in 0..2000 {
                emit(&emitter, n);
            }
            emitter.flush(LONG);
            assert!(begun.elapsed() < LONG, "no sink.{what}");
        }
    };
    told("failed");
    std::fs::remove_file(place.at("there")).unwrap();
    std::fs::create_dir(place.at("there")).unwrap();
    told("recovered");
    emitter.shutdown(LONG);
    assert!(place.read("there/ck").contains("\"checkpoint\""));
}

#[test]
fn nothing_is_opened_for_writing_that_others_may_write_or_that_a_link_leads_to() {
    let file = "lanes: [{ sink: { file: { path: '{dir}/it'EXTRA } } }]";
    let audit = "lanes: [{ sink: { audit_chain: { path: '{dir}/it'EXTRA } } }]";
    let checkpoint =
        "checkpoint: { file: '{dir}/it'EXTRA }\nlanes: [{ sink: { file: { path: '{dir}/e' } } }]";
    let journal = "journal: { dir: '{dir}/it', floor: 0EXTRA }\n\
        lanes: [{ durable: true, sink: { file: { path: '{dir}/e' } } }]";
    for (what, config, folder) in [
        ("file", file, false),
        ("audit", audit, false),
        ("checkpoint", checkpoint, false),
        ("journal", journal, true),
    ] {
        let opened = |make: &dyn Fn(&Path), extra: &str| {
            let place = Place::new(&format!("ours-{what}"));
            make(&place.at("it"));
            place.try_open(&config.replace("EXTRA", extra)).map(|emitter| drop(emitter.shutdown(LONG)))
        };
        let plain = |path: &Path| {
            if folder {
                std::fs::create_dir(path).unwrap()
            } else {
                std::fs::write(path, "").unwrap()
            }
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
        };
        let shared = |path: &Path| {
            plain(path);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
        };
        let link = |path: &Path| {
            let target = path.with_extension("target");
            plain(&target);
            symlink(target, path).unwrap();
        };
        opened(&plain, "").unwrap();
        for (make, key) in
            [(&shared as &dyn Fn(&Path), "allow_shared_write"), (&link as &dyn Fn(&Path), "allow_links")]
        {
            let e = opened(make, "").err().unwrap_or_else(|| panic!("{what}: {key} was not needed"));
            assert!(e.message().contains(&format!("{key}: true")), "{what}: {e}");
            opened(make, &format!(", {key}: true")).unwrap_or_else(|e| panic!("{what}: {e}"));
        }
    }
}
