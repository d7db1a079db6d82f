//! Programs that read a log: this one, and what people would use today.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{WaitId, WaitIdOptions};

use super::{Failure, Nothing, PIECE, logs, spread, vacuum};
use sinkwell::vacuum::Format;

/// What plain Python does about it: a look for the flag first, as the vacuum does, and what is no event goes on.
const PYTHON: &str = "\
import json, sys
events = 0
for line in sys.stdin.buffer:
    if b'\"_e\"' in line:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict) and event.get('_e') == 1:
            events += 1
            continue
    sys.stdout.buffer.write(line)
print(events, file=sys.stderr)
";

/// The same of jq, but that it gives the events and leaves out the rest, as it cannot give both.
const JQ: &str = "fromjson? | select(type == \"object\" and ._e == 1)";

/// `read FORMAT`: reads standard input to its end.
pub(super) fn read(arguments: &[String]) -> Result<(), Failure> {
    struct On(Nothing, std::io::StdoutLock<'static>);
    impl sinkwell::vacuum::Taker for On {
        fn take(&mut self, found: &sinkwell::vacuum::Found<'_>) -> sinkwell::Result<sinkwell::vacuum::Taken> {
            self.0.take(found)
        }
        fn pass(&mut self, bytes: &[u8]) -> sinkwell::Result<()> {
            self.1.write_all(bytes).map_err(|e| sinkwell::Error::invalid_argument(e.to_string()))
        }
    }
    let [format] = arguments else { return Err("read FORMAT".into()) };
    let mut vacuum = vacuum(Format::named(format)?)?;
    let mut on = On(Nothing::default(), std::io::stdout().lock());
    let (mut input, mut piece) = (std::io::stdin().lock(), vec![0; PIECE]);
    loop {
        match input.read(&mut piece)? {
            0 => break,
            n => vacuum.push(&piece[..n], &mut on)?,
        }
    }
    vacuum.finish(&mut on)?;
    eprintln!("{}", on.0.events);
    Ok(())
}

#[derive(Clone)]
pub(super) struct Peer {
    name: &'static str,
    program: &'static str,
    arguments: Vec<String>,
    /// Of how many parts of a log one is enough to tell how fast it is.
    share: usize,
}

/// Those that are on PATH; the others are named.
pub(super) fn there() -> Result<Vec<Peer>, Failure> {
    let own = std::env::current_exe()?.display().to_string();
    let peer = |name, program, arguments: &[&str], share| Peer {
        name,
        program,
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        share,
    };
    let all = vec![
        peer("vacuum, `auto`", &*String::leak(own), &["read", "auto"], 1),
        peer("Python", "python3", &["-c", PYTHON], 1),
        peer("jq", "jq", &["-cR", JQ], 16),
    ];
    // rsyslog reads files only as a service that is configured; it is named, so that its absence is.
    if Command::new("rsyslogd").arg("-v").output().is_err() {
        println!("not measured: rsyslog (no rsyslogd on PATH)");
    }
    Ok(all
        .into_iter()
        .filter(|peer| {
            let there = Command::new(peer.program).arg("--version").stdin(Stdio::null()).output().is_ok();
            if !there {
                println!("not measured: {} (no {} on PATH)", peer.name, peer.program);
            }
            there
        })
        .collect())
}

/// Starts one, with what it says going nowhere but for its count of events.
fn start(peer: &Peer, input: Stdio) -> Result<Child, Failure> {
    let mut command = Command::new(peer.program);
    command.args(&peer.arguments).stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.spawn()?)
}

/// Processor time that a child had, of all its threads; it is waited for.
fn cpu_of(mut child: Child) -> Result<f64, Failure> {
    let id = rustix::process::Pid::from_child(&child);
    // It has ended and is still there, so that it can be asked.
    rustix::process::waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let after_name = stat.rsplit_once(") ").ok_or("no name in /proc")?.1;
    let ticks: Vec<f64> = after_name.split(' ').skip(11).take(2).map_while(|n| n.parse().ok()).collect();
    if !child.wait()?.success() || ticks.len() != 2 {
        return Err("a program failed, or /proc does not say how long it took".into());
    }
    Ok((ticks[0] + ticks[1]) / rustix::param::clock_ticks_per_second() as f64)
}

/// The most memory that it has had so far, in MiB.
fn peak_of(child: &Child) -> Result<f64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// The same logs as files.
pub(super) fn files(
    peers: &[Peer],
    mib: usize,
    events: usize,
    rounds: usize,
    dir: &Path,
) -> Result<(), Failure> {
    let logs = [
        ("plain lines, `words`", logs::repeated(mib << 20, logs::PLAIN[0].1)),
        ("flagged lines of 500 bytes", logs::flagged(events)),
    ];
    println!(
        "\n| a file, processor time of the whole program | MB/s | lowest to highest | lines/s |\n| --- | ---: | ---: | ---: |"
    );
    for (what, log) in &logs {
        let mut took = vec![Vec::new(); peers.len()];
        let mut sizes = vec![(0.0, 0.0); peers.len()];
        for round in 0..=rounds {
            for i in 0..peers.len() {
                let at = (i + round) % peers.len();
                let most = log.len() / peers[at].share;
                let end = log[..most].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let path = dir.join(format!("sinkwell-bench-vacuum-{}", std::process::id()));
                std::fs::write(&path, &log[..end])?;
                let seconds = std::fs::File::open(&path)
                    .map_err(Failure::from)
                    .and_then(|file| start(&peers[at], file.into()))
                    .and_then(cpu_of);
                std::fs::remove_file(&path)?;
                let seconds = seconds?;
                sizes[at] = (end as f64, memchr::memchr_iter(b'\n', &log[..end]).count() as f64);
                if round > 0 {
                    took[at].push(seconds);
                }
            }
        }
        for ((peer, took), (bytes, lines)) in peers.iter().zip(&took).zip(sizes) {
            let rates: Vec<f64> = took.iter().map(|seconds| bytes / 1e6 / seconds).collect();
            let (median, low, high) = spread(&rates);
            let lines = lines / bytes * median * 1e6;
            println!("| {what}: {} | {median:.0} | {low:.0} to {high:.0} | {lines:.0} |", peer.name);
        }
    }
    Ok(())
}

/// A line without an end, that begins as an event does.
pub(super) fn line(peers: &[Peer], mib: usize) -> Result<(), Failure> {
    println!("\n| one line of {mib} MiB, by a pipe | most memory, MiB |\n| --- | ---: |");
    let piece = vec![b'x'; 1 << 20];
    let own = peers.iter().cloned().flat_map(|peer| {
        let plain = Peer { arguments: vec!["read".to_owned(), "plain".to_owned()], ..peer.clone() };
        let docker = Peer { arguments: vec!["read".to_owned(), "docker".to_owned()], ..peer.clone() };
        if peer.share == 1 && peer.program != "python3" { vec![peer, plain, docker] } else { vec![peer] }
    });
    for peer in own {
        let mut child = start(&peer, Stdio::piped())?;
        let mut input = child.stdin.take().ok_or("no input")?;
        // One that gives up says so by what it had until then.
        let mut given = input.write_all(b"{\"_e\":1,\"a\":\"").is_ok();
        for _ in 0..mib {
            given = given && input.write_all(&piece).is_ok();
        }
        let peak = peak_of(&child);
        drop(input);
        let ended = child.wait()?.success() && given;
        let name = if peer.share == 1 && peer.program != "python3" {
            format!("vacuum, `{}`", peer.arguments[1])
        } else {
            peer.name.to_owned()
        };
        match peak {
            Ok(peak) if ended => println!("| {name} | {peak:.0} |"),
            Ok(peak) => println!("| {name} | {peak:.0}, and it failed |"),
            Err(_) => println!("| {name} | it failed |"),
        }
    }
    Ok(())
}
