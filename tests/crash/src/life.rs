//! One directory: programs that are killed in it one after the other, and a last one that ends in order.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sinkwell::audit::{AuditDb, VerifyOptions};
use sinkwell::journal::{self, DamageKind, Position};
use sinkwell::key::VerifyingKey;
use sinkwell::seam::{Fs, RealFs};
use sinkwell::verify::{Options, Report, TrustedKey, Verdict, Verifier};

use crate::agent;
use crate::ledger::{Found, Ledger, Told};
use crate::random::Random;

const SECRET: &[u8] = b"a key of the crash loop, 32 long";
const LONG: Duration = Duration::from_secs(60);

/// What a whole run adds up to.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) kills: u64,
    lives: u64,
    early: u64,
    told: u64,
    delivered: u64,
    waited: u64,
    repeats: u64,
    torn: u64,
    lost: u64,
    streams: u64,
}

impl Totals {
    /// A run that killed nothing at work shows nothing.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.told < self.kills || self.waited == 0 {
            return Err(format!("the programs told too little to show anything: {self}"));
        }
        Ok(())
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, lives, early, told, delivered, waited, repeats, torn, lost, streams } = self;
        write!(
            f,
            "{kills} kills ({early} before the first receipt) in {lives} directories: {told} events told as \
             journaled, 0 missing, 0 invented; {delivered} delivered, {waited} found waiting in a journal, \
             {repeats} repeats byte for byte, {torn} torn tails, {lost} declared lost, {streams} streams"
        )
    }
}

/// A directory that goes when its life was good, and stays to be looked at when not.
struct Life {
    dir: PathBuf,
    told: Told,
    log: Ledger,
    /// How far `events.ndjson` has been booked.
    read: usize,
    /// The second lane, if this life has one.
    chain: Option<Ledger>,
    /// How many leaves of it have been booked.
    leaves: u64,
}

/// Kills `kills` processes in one directory, and lets one more deliver what they left.
pub(crate) fn live(
    program: &[String],
    kills: u64,
    random: &mut Random,
    totals: &mut Totals,
) -> Result<(), String> {
    let name = format!("sinkwell-crash-{}-{}", std::process::id(), totals.lives);
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let with_chain = random.below(3) == 0;
    let sync = ["always", "os", "{ every: 1ms }", "always"][random.below(4) as usize];
    // One signature a batch: what a kill leaves of a batch, nothing covers.
    let sign = ["each", "batch"][random.below(2) as usize];
    configure(&dir, sync, sign, with_chain).map_err(|e| e.to_string())?;
    let chain = with_chain.then(Ledger::default);
    let mut life = Life { dir, told: Told::default(), log: Ledger::default(), read: 0, chain, leaves: 0 };
    let place = life.dir.display().to_string();
    for run in 0..kills {
        let early = life.kill_one(program, run, random).map_err(|e| format!("{e}; see {place}"))?;
        totals.kills += 1;
        totals.early += u64::from(early);
        life.after_kill(totals).map_err(|e| format!("after kill {run}: {e}; see {place}"))?;
    }
    life.end(totals).map_err(|e| format!("at the end: {e}; see {place}"))?;
    std::fs::remove_dir_all(&life.dir).map_err(|e| e.to_string())
}

/// A small budget makes small segments, so that their change is among what is interrupted.
fn configure(dir: &Path, sync: &str, sign: &str, with_chain: bool) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(dir.join("agent.key"), SECRET)?;
    std::fs::set_permissions(dir.join("agent.key"), std::fs::Permissions::from_mode(0o600))?;
    let chain = "- { id: chain, batch: { linger: 1ms }, sink: { audit_chain: { path: audit.db } } }\n";
    let text = format!(
        "agent: {{ id: 'urn:example:crashing' }}\nkey: {{ id: k1, sign: {sign}, hmac_sha256: {{ file: agent.key }} }}\n\
         journal: {{ dir: journal, sync: {sync}, floor: 0, budget: 4MiB }}\nheartbeat: off\nlanes:\n\
         - {{ id: log, classes: [audit], durable: true, batch: {{ events: 16, linger: 1ms }}, \
         sink: {{ file: {{ path: events.ndjson }} }} }}\n{}",
        if with_chain { chain } else { "" }
    );
    std::fs::write(dir.join("sinkwell.yaml"), text)
}

impl Life {
    /// Starts a program and kills it; answers whether that was before its first receipt.
    fn kill_one(&mut self, program: &[String], run: u64, random: &mut Random) -> Result<bool, String> {
        let stderr = std::fs::File::create(self.dir.join("stderr")).map_err(|e| e.to_string())?;
        let mut child = Command::new(&program[0])
            .args(&program[1..])
            .arg(&self.dir)
            .args([run.to_string(), (random.next() >> 33).to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|e| format!("{}: {e}", program[0]))?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        // 0: at once, 1: when it opens, 2: when it is open, more: after receipts.
        let seen = match random.below(12) {
            n @ 0..3 => n,
            _ => 3 + random.below(60),
        };
        let mut told = false;
        for _ in 0..seen {
            let Some(line) = lines.next() else {
                let status = child.wait().map_err(|e| e.to_string())?;
                let errors = std::fs::read_to_string(self.dir.join("stderr")).unwrap_or_default();
                return Err(format!("run {run} ended by itself, {status}: {errors}"));
            };
            told |= self.told.take(run, &line)?;
        }
        child.kill().map_err(|e| e.to_string())?;
        // What it had told before the signal reached it counts as well.
        for line in lines {
            told |= self.told.take(run, &line)?;
        }
        child.wait().map_err(|e| e.to_string())?;
        Ok(!told)
    }

    /// Books what the sinks have and what waits, and balances.
    fn after_kill(&mut self, totals: &mut Totals) -> Result<(), String> {
        self.book_delivered()?;
        totals.waited += self.book_journals(totals)?;
        self.log.balance(&self.told, false)?;
        if let Some(chain) = &self.chain {
            chain.balance(&self.told, false)?;
        }
        if self.read > 0 {
            let report = self.verify()?;
            judge(&report)?;
        }
        Ok(())
    }

    fn book_delivered(&mut self) -> Result<(), String> {
        let text = self.covered()?;
        while let Some(at) = text[self.read..].iter().position(|&byte| byte == b'\n') {
            let line = &text[self.read..self.read + at];
            self.log.book(&self.told, line, Found::Delivered)?;
            self.read += at + 1;
        }
        let path = self.dir.join("audit.db");
        let Some(chain) = self.chain.as_mut().filter(|_| path.exists()) else { return Ok(()) };
        // Killed before the schema was there, it is no database yet.
        let Ok(db) = AuditDb::open_read(&path) else { return Ok(()) };
        let (told, mut result) = (&self.told, Ok(()));
        db.for_each_line(self.leaves, |_, line| {
            result = chain.book(told, line, Found::Delivered);
            self.leaves += 1;
            Ok(if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })
        .map_err(|e| e.to_string())?;
        result?;
        // Unlike a file, it drops what it has already.
        if chain.repeats() > 0 {
            return Err(format!("the audit chain holds {} envelopes twice", chain.repeats()));
        }
        Ok(())
    }

    /// Books every record of every journal; answers how many wait.
    fn book_journals(&mut self, totals: &mut Totals) -> Result<u64, String> {
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        let dir = self.dir.join("journal");
        // Killed before it had made one.
        let Ok(overview) = journal::list(&fs, &dir) else { return Ok(0) };
        let mut waiting = 0;
        for sub in overview.journals {
            let torn = sub.damage.iter().filter(|damage| damage.kind == DamageKind::TornTail).count();
            if torn < sub.damage.len() || !overview.damaged.is_empty() || sub.in_use {
                return Err(format!("{}: damaged, or in use by a dead process", sub.path.display()));
            }
            totals.torn += torn as u64;
            let ledger = match (sub.identity.as_ref().map(|identity| &*identity.lane), &mut self.chain) {
                (Some("log"), _) => &mut self.log,
                (Some("chain"), Some(chain)) => chain,
                // Killed before it had said whose it is: nothing can be in it.
                _ if sub.last == Position(0) => continue,
                _ => return Err(format!("{}: nobody's", sub.path.display())),
            };
            for stored in sub.read_from(Position(0)) {
                let stored = stored.map_err(|e| e.to_string())?;
                let waits = stored.position > sub.acknowledged;
                let found = if waits { Found::Waiting } else { Found::Acknowledged };
                ledger.book(&self.told, &stored.bytes, found)?;
                waiting += u64::from(waits);
            }
        }
        Ok(waiting)
    }

    /// What the file holds up to its last signature. A last line that is not whole, and what a write that was cut off
    /// left without its signature, is moved aside by the next process.
    fn covered(&self) -> Result<Vec<u8>, String> {
        let mut text = match std::fs::read(self.dir.join("events.ndjson")) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e.to_string()),
        };
        let whole = |text: &[u8]| text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        text.truncate(whole(&text));
        while !text.is_empty() {
            let start = whole(&text[..text.len() - 1]);
            if text[start..].windows(13).any(|part| part == b"\"signature\":\"") {
                break;
            }
            text.truncate(start);
        }
        Ok(text)
    }

    fn verify(&self) -> Result<Report, String> {
        let key = VerifyingKey::hmac(SECRET).map_err(|e| e.to_string())?;
        let mut verifier =
            Verifier::new(Options { keys: vec![TrustedKey::new("k1", key)], ..Options::default() });
        verifier.read(&mut &self.covered()?[..], "events.ndjson").map_err(|e| e.to_string())?;
        verifier.finish().map_err(|e| e.to_string())
    }

    /// The process serves again, and what waited is delivered.
    fn end(&mut self, totals: &mut Totals) -> Result<(), String> {
        let emitter = agent::open(&self.dir).map_err(|e| e.to_string())?;
        for (lane, left) in emitter.shutdown(LONG) {
            if left.pending > 0 {
                return Err(format!("lane {lane}: {} are left", left.pending));
            }
        }
        drop(emitter);
        self.book_delivered()?;
        if self.book_journals(totals)? > 0 {
            return Err("something still waits in a journal".to_owned());
        }
        self.log.balance(&self.told, true)?;
        let length = std::fs::metadata(self.dir.join("events.ndjson")).map_err(|e| e.to_string())?.len();
        if self.covered()?.len() as u64 != length {
            return Err("what nothing covers is still in the file".to_owned());
        }
        let report = self.verify()?;
        judge(&report)?;
        totals.streams += report.streams.len() as u64;
        totals.lost += report.lost.values().sum::<u64>();
        totals.repeats += self.log.repeats();
        totals.delivered += self.log.delivered();
        if let Some(chain) = &self.chain {
            chain.balance(&self.told, true)?;
            let db = AuditDb::open_read(self.dir.join("audit.db")).map_err(|e| e.to_string())?;
            let report = db.verify(&VerifyOptions::default()).map_err(|e| e.to_string())?;
            if !report.sound() {
                return Err(format!("the audit chain: {:?}", report.findings));
            }
        }
        totals.told += self.told.len();
        totals.lives += 1;
        Ok(())
    }
}

/// Sound, with at most declared loss.
fn judge(report: &Report) -> Result<(), String> {
    if report.verdict > Verdict::Incomplete { Err(report.to_string()) } else { Ok(()) }
}
