//! A running `sinkwell intake`, and emitters that send to it.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use sinkwell::config::{Config, Source};
use sinkwell::event::Data;
use sinkwell::seam::SystemEnv;
use sinkwell::{Emitter, EventInput, Options};

use super::common::Place;

/// A running intake; killed when the test ends.
pub(crate) struct Intake {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Intake {
    pub(crate) fn start(place: &Place, listen: &str, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
            .args([&["intake", "--listen", listen], more].concat())
            .current_dir(place.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, out, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Ends it as a service manager does; its last words, its errors and how it ended.
    pub(crate) fn end(mut self) -> (String, String, Option<i32>) {
        self.signal("-TERM");
        let mut last = String::new();
        self.out.read_line(&mut last).unwrap();
        let mut errors = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut errors).unwrap();
        (last, errors, self.child.wait().unwrap().code())
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn emitter(place: &Place, endpoint: &str, sink: &str, lane: &str) -> Emitter {
    let text = format!(
        "agent: {{ id: 'urn:example:agent' }}\nheartbeat: off\nkey: {{ id: k1, hmac_sha256: {{ file: {} }} }}\n\
         lanes: [ {{ id: out, sink: {{ stream: {{ endpoint: '{endpoint}'{sink} }} }}, batch: {{ linger: 2ms, events: 40 }}{lane} }} ]\n",
        place.path("agent.key"),
    );
    let source = Source::Text { text, name: None, format: Default::default() };
    let config = Config::load(source, &SystemEnv::default()).unwrap();
    Emitter::open(Options::new(config)).unwrap()
}

pub(crate) fn emit(emitter: &Emitter, n: u64) -> sinkwell::Receipt {
    let data = format!(r#"{{"tool":"search","outcome":"ok","duration_ms":{}.5,"n":{n}}}"#, n % 50);
    let mut input = EventInput::new("tool.invocation");
    input.data = Data::Json(data.as_bytes());
    input.run = Some("r-1");
    emitter.emit(input).unwrap()
}

/// The lines that were written, by their place; a repeat must be the same line.
pub(crate) fn written(place: &Place) -> BTreeMap<(String, u64), String> {
    let mut lines = BTreeMap::new();
    for line in place.read("got.ndjson").lines() {
        let value = sinkwell::json::parse(line.as_bytes()).unwrap();
        let text = |key: &str| value.get(key).unwrap().as_str().unwrap().to_owned();
        let at = (text("streamid"), text("sequence").parse().unwrap());
        let before = lines.insert(at, line.to_owned());
        assert!(before.is_none_or(|before| before == line), "a repeat is byte-identical");
    }
    lines
}

/// The most memory that a process has had, in MiB; 0 where that cannot be told.
pub(crate) fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() >> 10)
}
