//! The whole way: an emitter with one durable lane, whose sink takes everything at once; and deeds, which wait for it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sinkwell::config::Source;
use sinkwell::deed::{self, End, Ended, Terms};
use sinkwell::event::Data;
use sinkwell::host::Opening;
use sinkwell::receipt::{Receipt, Stage};
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Wait};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const LONG: Duration = Duration::from_secs(60);

/// What envelopes are sealed with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Hmac,
    Ed25519,
}

/// The private key that RFC 8410, section 10.3, has as its example.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
     -----END PRIVATE KEY-----\n";

fn open(dir: &Path, with: Key) -> Outcome<Emitter> {
    use std::os::unix::fs::PermissionsExt as _;
    let key = dir.join("key");
    std::fs::write(&key, if with == Key::Hmac { &[7; 32] } else { PEM.as_bytes() })?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let kind = if with == Key::Hmac { "hmac_sha256" } else { "ed25519" };
    let text = format!(
        "agent: {{ id: \"urn:sinkwell:agent:bench\" }}\nkey: {{ id: k, {kind}: {{ file: \"{}\" }} }}\n\
         journal: {{ dir: \"{}\", floor: 0 }}\nheartbeat: off\n\
         lanes:\n- {{ id: bench, durable: true, overflow: block, sink: \"null\" }}\n",
        key.display(),
        dir.join("journal").display()
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let opening = Opening { source, sinks: Vec::new(), signer: None, manual: false };
    Ok(sinkwell::host::open(opening, &SystemEnv::default())?)
}

fn event(text: &str) -> EventInput<'_> {
    EventInput { data: Data::Json(text.as_bytes()), ..EventInput::new("com.example.bench.step") }
}

/// An event whose envelope is about as long as those of the stores' loads.
fn emit(emitter: &Emitter, text: &str) -> Receipt {
    emitter.emit(event(text)).expect("emit")
}

fn data() -> String {
    format!(r#"{{"text":"{}"}}"#, "x".repeat(230))
}

/// One caller: the times from `emit` to `journaled`.
pub(crate) fn alone(dir: &Path, time: Duration) -> Outcome<Vec<Duration>> {
    let (emitter, data) = (open(dir, Key::Hmac)?, data());
    let mut taken = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time {
        let before = Instant::now();
        emit(&emitter, &data).wait(Stage::Journaled, LONG)?;
        taken.push(before.elapsed());
    }
    Ok(taken)
}

/// So many callers, each awaiting its `journaled` before its next event: events per second.
pub(crate) fn together(dir: &Path, time: Duration, callers: usize) -> Outcome<f64> {
    let (emitter, data) = (open(dir, Key::Hmac)?, data());
    let (over, stored) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    let elapsed = std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    emit(&emitter, &data).wait(Stage::Journaled, LONG).expect("journaled");
                    stored.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(time);
        over.store(true, Ordering::Relaxed);
        start.elapsed()
    });
    Ok(stored.load(Ordering::Relaxed) as f64 / elapsed.as_secs_f64())
}

/// Two callers that wait for nothing but room: MB of envelopes per second that were journaled.
pub(crate) fn saturated(dir: &Path, time: Duration) -> Outcome<f64> {
    let (emitter, data) = (open(dir, Key::Hmac)?, data());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = None;
                while start.elapsed() < time {
                    last = Some(emit(&emitter, &data));
                }
                last.map(|receipt| receipt.wait(Stage::Journaled, LONG))
            });
        }
    });
    let elapsed = start.elapsed();
    let counters = emitter.counters().remove(0).1;
    Ok(counters.bytes as f64 / 1e6 / elapsed.as_secs_f64())
}

/// One caller's deeds: the times from the call until the act may begin. The result is on disk before the next deed, as it is
/// where the act takes a while.
pub(crate) fn deed_alone(dir: &Path, time: Duration, key: Key) -> Outcome<Vec<Duration>> {
    let (emitter, data) = (open(dir, key)?, data());
    let mut taken = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time {
        let before = Instant::now();
        let mut deed = emitter.begin_deed(event(&data), Terms::default(), &Wait::Allowed, &mut || true)?;
        taken.push(before.elapsed());
        let end = End { outcome: deed::Outcome::Ok, error_type: None };
        if let Ended::Done(Some(receipt)) = emitter.end_deed(&mut deed, end, &Wait::Allowed)? {
            receipt.wait(Stage::Journaled, LONG)?;
        }
    }
    Ok(taken)
}

/// So many callers, each doing one deed after the other: deeds per second.
pub(crate) fn deeds_together(dir: &Path, time: Duration, callers: usize, key: Key) -> Outcome<f64> {
    let (emitter, data) = (open(dir, key)?, data());
    let (over, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    let elapsed = std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    emitter.deed(event(&data), |_| Ok::<_, std::fmt::Error>(())).expect("a deed");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(time);
        over.store(true, Ordering::Relaxed);
        start.elapsed()
    });
    Ok(done.load(Ordering::Relaxed) as f64 / elapsed.as_secs_f64())
}
