//! A folder with what a real emitter wrote, and the command that looks at it.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sinkwell::config::{Config, SignatureAlgorithm, Source};
use sinkwell::event::Data;
use sinkwell::json::{Value, parse};
use sinkwell::seam::{Env, SystemEnv};
use sinkwell::sink::{Answers, Envelope, Sink};
use sinkwell::{Emitter, EventInput, HostSink, Options};

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A folder with an HMAC key, which goes when the test ends.
pub(crate) struct Place(PathBuf);

/// What a run of the command gave.
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// The run, if it ended like this; exit 2 says why on stderr, nothing else writes there.
    pub(crate) fn ends(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{}{}", self.out, self.err);
        assert_eq!(self.err.is_empty(), status != 2, "{}", self.err);
        self
    }

    pub(crate) fn json(&self) -> Value {
        parse(self.out.trim().as_bytes()).unwrap()
    }
}

/// A member, by its path: `streams.0.verdict`.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |value, step| {
        let found = step.parse().map_or_else(|_| value.get(step), |n: usize| value.items().get(n));
        found.unwrap_or_else(|| panic!("no {step} of {path} in {}", value.to_json()))
    })
}

pub(crate) fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    at(value, path).as_str().unwrap_or_else(|| panic!("{path} is no string in {}", value.to_json()))
}

/// The kinds of all findings of a report, the streams' first.
pub(crate) fn kinds(report: &Value) -> Vec<&str> {
    let streams = at(report, "streams").items().iter().flat_map(|stream| at(stream, "findings").items());
    streams.chain(at(report, "findings").items()).map(|finding| text(finding, "kind")).collect()
}

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-cli-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        sinkwell::key::generate(SignatureAlgorithm::HmacSha256, &path.join("agent.key")).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    /// As [`write`](Self::write), for a secret: nobody else can read it.
    pub(crate) fn write_secret(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.write(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The key that verifies, as the command's argument.
    pub(crate) fn key(&self) -> String {
        format!("k1=hmac:{}", self.path("agent.key"))
    }

    /// An emitter whose configuration's paths are this folder's; a host sink NAME writes NAME.ndjson.
    pub(crate) fn open(&self, rest: &str) -> Emitter {
        self.open_as(&format!("agent: {{ id: 'urn:example:buyer' }}\nheartbeat: off\n{rest}"))
    }

    /// As [`open`](Self::open), with an agent of its own.
    pub(crate) fn open_as(&self, rest: &str) -> Emitter {
        let text = format!("key: {{ id: k1, hmac_sha256: {{ file: agent.key }} }}\n{rest}");
        let config = Config::load(Source::Path(self.write("sinkwell.yaml", text).into()), &Testing).unwrap();
        let mut options = Options::new(config);
        for lane in options.config.lanes.clone() {
            if let Some(name) = lane.sink.host() {
                let (name, path) = (name.to_owned(), self.0.join(format!("{name}.ndjson")));
                let make = Arc::new(move || Ok(Box::new(Lines(path.clone())) as Box<dyn Sink>));
                options.sinks.push(HostSink { name, lane, make });
            }
        }
        Emitter::open(options).unwrap()
    }

    /// What an emitter with this configuration writes of `count` events, from its opening to its end.
    pub(crate) fn emitted(&self, rest: &str, count: usize) {
        let emitter = self.open(rest);
        for n in 0..count {
            emit(&emitter, n);
        }
        for (lane, left) in emitter.shutdown(LONG) {
            assert_eq!(left.pending, 0, "{lane}");
        }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, b"")
    }

    /// Runs the command on `input`.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
            .args(arguments)
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a program of tests/independent; answers whether it was content, and what it said.
    pub(crate) fn independent(&self, arguments: &[&str]) -> (bool, String) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/independent");
        let output = Command::new("python3")
            .arg(folder.join(arguments[0]))
            .args(&arguments[1..])
            .current_dir(&self.0)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said.into_owned())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A host's sink: a file with a line each.
struct Lines(PathBuf);

impl Sink for Lines {
    fn kind(&self) -> &'static str {
        "host"
    }
    fn deliver(&mut self, batch: &[Envelope]) -> Answers {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.0).unwrap();
        for envelope in batch {
            file.write_all(&envelope.bytes).and_then(|()| file.write_all(b"\n")).unwrap();
        }
        Answers::Acknowledged
    }
}

/// One event, of one of three runs.
pub(crate) fn emit(emitter: &Emitter, n: usize) -> sinkwell::Receipt {
    let data = format!(r#"{{"n":{n},"outcome":"ok","tool":"search"}}"#);
    let run = format!("r-{}", n % 3);
    let input = EventInput {
        run: Some(&run),
        data: Data::Json(data.as_bytes()),
        ..EventInput::new("tool.invocation")
    };
    emitter.emit(input).unwrap()
}

/// The environment, in which `testing` is allowed.
struct Testing;

impl Env for Testing {
    fn var(&self, name: &str) -> Option<String> {
        if name == "SINKWELL_TESTING" { Some("1".into()) } else { SystemEnv::default().var(name) }
    }
    fn program(&self) -> Option<String> {
        SystemEnv::default().program()
    }
    fn now(&self) -> sinkwell::seam::UnixNanos {
        SystemEnv::default().now()
    }
    fn read(&self, path: &std::path::Path) -> std::io::Result<Vec<u8>> {
        SystemEnv::default().read(path)
    }
    fn read_private(&self, path: &std::path::Path) -> sinkwell::Result<sinkwell::secret::Secret> {
        SystemEnv::default().read_private(path)
    }
}
