//! Building, starting, stopping and reading a Collector.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use sha2::{Digest, Sha256};
use sinkwell::json::{self, Value};

/// The Collector's program: built when its sources have changed, else the one built before.
pub(crate) fn binary() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    let source = root.join("tests/collector");
    let mut hash = Sha256::new();
    for file in ["go.mod", "go.sum", "main.go"] {
        hash.update(fs::read(source.join(file)).map_err(|e| format!("{file}: {e}"))?);
    }
    let name: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let path = root.join("target/collector").join(name);
    if path.exists() {
        return Ok(path);
    }
    eprintln!("building the Collector (once; some minutes)");
    // Built beside and renamed, so that a build that was cut short leaves nothing that looks whole.
    let partial = path.with_extension(format!("{}", std::process::id()));
    let status = Command::new("go")
        .args(["build", "-trimpath", "-ldflags=-s -w", "-o"])
        .arg(&partial)
        .arg(".")
        .current_dir(&source)
        .status()
        .map_err(|e| format!("no Go toolchain ({e})"))?;
    if !status.success() {
        return Err("go build failed; its messages are above".into());
    }
    fs::rename(&partial, &path).map_err(|e| e.to_string())?;
    Ok(path)
}

/// A directory that goes when the scenario ends.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("sinkwell-collector-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port that nobody has at the moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Collector of one configuration; may run or not.
pub(crate) struct Collector {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl Collector {
    /// Starts one.
    pub(crate) fn start(binary: &Path, dir: &Dir, name: &str, config: &str) -> Self {
        let path = dir.path(&format!("{name}.yaml"));
        fs::write(&path, config).unwrap();
        let log = dir.path(&format!("{name}.log"));
        let mut collector = Self { binary: binary.to_owned(), config: path, log, child: None };
        collector.restart();
        collector
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "it is running");
        let log = fs::File::options().create(true).append(true).open(&self.log).unwrap();
        let child = Command::new(&self.binary)
            .arg("--config")
            .arg(&self.config)
            .env("GOMAXPROCS", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.child.as_ref().unwrap());
        kill_process(pid, signal).unwrap();
    }

    /// SIGSTOP: its sockets stay open and nothing answers.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
        // A signal takes its time; from here on nothing of it runs.
        let pid = Pid::from_child(self.child.as_ref().unwrap());
        waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and waits for it to put everything away.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.child.take().unwrap().wait().unwrap();
    }

    /// Whether it has ended by itself: a configuration that it does not take.
    pub(crate) fn died(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// What it logged, for a failure's message.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The bodies in a file exporter's output, and how often each came. A line without its end is one that is being written.
pub(crate) fn bodies(path: &Path) -> BTreeMap<String, usize> {
    let mut bodies = BTreeMap::new();
    let text = fs::read_to_string(path).unwrap_or_default();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let request = json::parse(line.as_bytes()).unwrap();
        let list = |of: &Value, key: &str| of.get(key).map(Value::items).unwrap_or_default().to_vec();
        let resources = list(&request, "resourceLogs").into_iter();
        let scopes = resources.flat_map(|resource| list(&resource, "scopeLogs"));
        for record in scopes.flat_map(|scope| list(&scope, "logRecords")) {
            let body = record.get("body").and_then(|body| body.get("stringValue")).and_then(Value::as_str);
            *bodies.entry(body.expect("a record with a text for a body").to_owned()).or_default() += 1;
        }
    }
    bodies
}
