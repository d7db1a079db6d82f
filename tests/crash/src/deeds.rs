//! Deeds, and kills among them: no side effect without its intent on disk, and every intent without a result is listed.
//!
//! The program that is killed appends a line to `acts.log` in each act; that line is the side effect. After every kill
//! each of its lines has its intent with the sink or in a journal, and at the end what `sinkwell deeds` lists is what has
//! an intent and no result.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sinkwell::event::Data;
use sinkwell::journal::{self, Position};
use sinkwell::json::{Value, parse};
use sinkwell::key::VerifyingKey;
use sinkwell::seam::{Fs, RealFs};
use sinkwell::verify::{Options, TrustedKey, Verdict, Verifier};
use sinkwell::{Emitter, ErrorKind, EventInput};

use crate::agent;
use crate::random::Random;

const SECRET: &[u8] = b"a key of the crash loop, 32 long";
const LONG: Duration = Duration::from_secs(60);

/// `DIR RUN SEED`: the program that is killed.
pub(crate) fn run(arguments: &[String]) -> ! {
    let [dir, _, seed] = arguments else { panic!("DIR RUN SEED") };
    let seed: u64 = seed.parse().unwrap();
    agent::tell("opening\n");
    let emitter = agent::open(Path::new(dir)).unwrap();
    let acts = std::fs::OpenOptions::new().append(true).create(true).open(Path::new(dir).join("acts.log"));
    let acts = acts.unwrap();
    agent::tell("open\n");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (emitter, acts) = (&emitter, &acts);
            scope.spawn(move || act(emitter, acts, Random(seed ^ thread)));
        }
    });
    unreachable!("the threads never end")
}

fn act(emitter: &Emitter, mut acts: &std::fs::File, mut random: Random) {
    loop {
        let input =
            EventInput { data: Data::Json(br#"{"tool":"append"}"#), ..EventInput::new("tool.invocation") };
        let fails = random.below(4) == 0;
        let done = emitter.deed(input, |deed| {
            // One write, in lines of which no one lies in two pages, as a kill may come between two pages of a write: a line
            // is there or not.
            let id = deed.intent().id().to_string();
            acts.write_all(format!("{id:<63}\n").as_bytes())?;
            if fails { Err(std::io::Error::other("as drawn")) } else { Ok(()) }
        });
        match done {
            Ok(()) | Err(sinkwell::deed::DeedError::Failed(_)) => agent::tell("deed\n"),
            // On a disk that others keep busy: the act did not run.
            Err(sinkwell::deed::DeedError::Refused(e)) if e.kind() == ErrorKind::Timeout => {}
            Err(sinkwell::deed::DeedError::Refused(e)) => panic!("{e}"),
        }
    }
}

/// What a whole run adds up to.
#[derive(Default)]
struct Totals {
    kills: u64,
    acts: usize,
    intents: usize,
    unfinished: usize,
}

/// Kills `kills` processes, in some directories.
pub(crate) fn kill(kills: u64, seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    let mut totals = Totals::default();
    let mut lives = 0;
    while totals.kills < kills {
        let here = (8 + random.below(16)).min(kills - totals.kills);
        let dir = std::env::temp_dir().join(format!("sinkwell-deeds-{}-{lives}", std::process::id()));
        lives += 1;
        std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
        live(&dir, here, &mut random, &mut totals).map_err(|e| format!("{e}; see {}", dir.display()))?;
        std::fs::remove_dir_all(&dir).map_err(|e| e.to_string())?;
    }
    let Totals { kills, acts, intents, unfinished } = totals;
    println!(
        "{kills} kills in {lives} directories: {intents} intents, {acts} acts, 0 of them without an intent on disk; \
         {unfinished} intents without a result, all listed; seed {seed}"
    );
    if acts < usize::try_from(kills).unwrap_or(usize::MAX) || unfinished == 0 {
        return Err("the programs did too little to show anything".to_owned());
    }
    Ok(())
}

fn live(dir: &Path, kills: u64, random: &mut Random, totals: &mut Totals) -> Result<(), String> {
    configure(dir, random).map_err(|e| e.to_string())?;
    for run in 0..kills {
        kill_one(dir, run, random)?;
        totals.kills += 1;
        let found = Found::look(dir)?;
        let acts = acts(dir)?;
        if let Some(act) = acts.iter().find(|id| !found.intents.contains(*id)) {
            return Err(format!("after kill {run}: the act {act} ran, and its intent is not on disk"));
        }
    }
    // The next process delivers what waited, and ends in order.
    let emitter = agent::open(dir).map_err(|e| e.to_string())?;
    if let Some((lane, left)) = emitter.shutdown(LONG).into_iter().find(|(_, left)| left.pending > 0) {
        return Err(format!("lane {lane}: {} are left", left.pending));
    }
    drop(emitter);
    let found = Found::look(dir)?;
    let open: BTreeSet<String> = found.intents.difference(&found.results).cloned().collect();
    let listed = listed(dir)?;
    if listed != open {
        return Err(format!("listed are {listed:?}, and without a result {open:?}"));
    }
    let acts = acts(dir)?;
    if let Some(act) = acts.iter().find(|id| !found.intents.contains(*id)) {
        return Err(format!("at the end: the act {act} ran, and its intent was not delivered"));
    }
    if let Some(result) = found.results.difference(&found.intents).next() {
        return Err(format!("a result of {result}, which has no intent"));
    }
    totals.acts += acts.len();
    totals.intents += found.intents.len();
    totals.unfinished += open.len();
    Ok(())
}

fn configure(dir: &Path, random: &mut Random) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(dir.join("agent.key"), SECRET)?;
    std::fs::set_permissions(dir.join("agent.key"), std::fs::Permissions::from_mode(0o600))?;
    let sign = ["each", "batch"][usize::try_from(random.below(2)).unwrap_or_default()];
    let text = format!(
        "agent: {{ id: 'urn:example:acting' }}\nkey: {{ id: k1, sign: {sign}, hmac_sha256: {{ file: agent.key }} }}\n\
         journal: {{ dir: journal, floor: 0, budget: 4MiB }}\nheartbeat: off\nlanes:\n\
         - {{ id: log, classes: [audit], durable: true, batch: {{ events: 16, linger: 1ms }}, \
         sink: {{ file: {{ path: events.ndjson }} }} }}\n"
    );
    std::fs::write(dir.join("sinkwell.yaml"), text)
}

fn kill_one(dir: &Path, run: u64, random: &mut Random) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let stderr = std::fs::File::create(dir.join("stderr")).map_err(|e| e.to_string())?;
    let mut child = Command::new(own)
        .arg("deed-agent")
        .arg(dir)
        .args([run.to_string(), (random.next() >> 33).to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(|e| e.to_string())?;
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    // Mostly among deeds; sometimes while it opens.
    let seen = match random.below(12) {
        n @ 0..3 => n,
        _ => 3 + random.below(60),
    };
    for _ in 0..seen {
        if lines.next().is_none() {
            let status = child.wait().map_err(|e| e.to_string())?;
            let errors = std::fs::read_to_string(dir.join("stderr")).unwrap_or_default();
            return Err(format!("run {run} ended by itself, {status}: {errors}"));
        }
    }
    child.kill().map_err(|e| e.to_string())?;
    child.wait().map(drop).map_err(|e| e.to_string())
}

/// The intents whose acts ran: whole lines, as a last one that was cut off names none.
fn acts(dir: &Path) -> Result<Vec<String>, String> {
    let text = match std::fs::read_to_string(dir.join("acts.log")) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e.to_string()),
    };
    Ok(text
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
        .map(|line| line.trim_end().to_owned())
        .collect())
}

/// The deeds of which something is with the sink or in a journal.
#[derive(Default)]
struct Found {
    intents: BTreeSet<String>,
    /// By the id of their intent.
    results: BTreeSet<String>,
}

impl Found {
    fn look(dir: &Path) -> Result<Self, String> {
        let mut found = Self::default();
        let text = match std::fs::read(dir.join("events.ndjson")) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e.to_string()),
        };
        for line in text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            found.book(line)?;
        }
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        // Killed before it had made one, there is none.
        let journals = journal::list(&fs, &dir.join("journal")).map(|all| all.journals).unwrap_or_default();
        for stored in journals.iter().flat_map(|journal| journal.read_from(Position(0))) {
            found.book(&stored.map_err(|e| e.to_string())?.bytes)?;
        }
        Ok(found)
    }

    fn book(&mut self, line: &[u8]) -> Result<(), String> {
        let value = parse(line.trim_ascii()).map_err(|e| format!("not JSON: {e}"))?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match value.get("data").and_then(|data| data.get("phase")).and_then(Value::as_str) {
            Some("intent") => drop(self.intents.insert(text("id"))),
            Some("result") => drop(self.results.insert(text("causationid"))),
            _ => {}
        }
        Ok(())
    }
}

/// What `sinkwell deeds` lists.
fn listed(dir: &Path) -> Result<BTreeSet<String>, String> {
    let key = VerifyingKey::hmac(SECRET).map_err(|e| e.to_string())?;
    let keys = vec![TrustedKey::new("k1", key)];
    let mut verifier = Verifier::new(Options { keys, deeds: true, ..Options::default() });
    let path: PathBuf = dir.join("events.ndjson");
    verifier.read_path(&path).map_err(|e| e.to_string())?;
    let (report, deeds) = verifier.deeds().map_err(|e| e.to_string())?;
    if report.verdict > Verdict::Incomplete {
        return Err(report.to_string());
    }
    Ok(deeds.unfinished.into_iter().map(|deed| deed.id).collect())
}
