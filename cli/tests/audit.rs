//! `sinkwell audit` as a user runs it: exit codes, what is on stdout, and that a proof of it convinces the
//! independent checker.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use sinkwell::audit::{AuditOptions, AuditSink};
use sinkwell::json::{Value, parse};
use sinkwell::seam::Uuid;
use sinkwell::sink::{Answers, Envelope, EnvelopeHash, EnvelopeInner, Sink as _};

/// 2026-01-01T00:00:00Z
const START: i64 = 1_767_225_600_000_000_000;

/// An unsigned envelope, in RFC 8785 order as written, with its hash by `hash`.
fn envelope(n: u64, previous: Option<EnvelopeHash>, hash: impl Fn(&str) -> EnvelopeHash) -> Envelope {
    let (id, streamid) = (Uuid::v7(START, [n as u8; 16]), Uuid::v7(START, [9; 16]));
    let time = format!("2026-01-01T00:00:{n:02}.000000000Z");
    let prevhash = previous.map_or(String::new(), |hash| format!("\"prevhash\":\"{}\",", hex(&hash)));
    let line = format!(
        "{{\"agentid\":\"urn:example:buyer\",\"data\":{{\"tool\":\"search\"}},\"datacontenttype\":\"application/json\",\
         \"dataschema\":\"https://sinkwell.dev/schemas/governance-event/1.0\",\"id\":\"{id}\",{prevhash}\
         \"recordedtime\":\"{time}\",\"runid\":\"r-{}\",\"sequence\":\"{n:020}\",\"severitynumber\":9,\
         \"severitytext\":\"INFO\",\"source\":\"urn:example:buyer\",\"specversion\":\"1.0\",\
         \"streamid\":\"{streamid}\",\"time\":\"{time}\",\"type\":\"dev.sinkwell.tool.invocation\"}}",
        n / 10
    );
    let nanos = START + n as i64 * 1_000_000_000;
    Envelope::new(EnvelopeInner {
        hash: hash(&line),
        digest: [0; 32],
        bytes: line.into_bytes(),
        id: id.into(),
        event_type: "dev.sinkwell.tool.invocation".into(),
        own: false,
        terminal: false,
        signed: true,
        streamid,
        sequence: n,
        span: None,
        prevhash: previous,
        agentid: Arc::from("urn:example:buyer"),
        time: nanos,
        recordedtime: nanos,
        severity: 9,
    })
}

/// The hash of such a line (docs/spec/envelope.md, section 3).
fn sealed_hash(line: &str, n: u64, previous: Option<EnvelopeHash>) -> EnvelopeHash {
    use sha2::{Digest as _, Sha256};
    let streamid = Uuid::v7(START, [9; 16]);
    let prevhash = previous.map_or(String::new(), |hash| format!("\"prevhash\":\"{}\",", hex(&hash)));
    let time = format!("\"recordedtime\":\"2026-01-01T00:00:{n:02}.000000000Z\"");
    let sequence = format!("\"sequence\":\"{n:020}\"");
    let stream = format!("\"streamid\":\"{streamid}\"");
    let event = [format!("{prevhash}{time},"), format!("{sequence},"), format!("{stream},")]
        .iter()
        .fold(line.to_owned(), |line, member| line.replacen(member, "", 1));
    let digest = Sha256::digest(format!("sinkwell-event-v1\n{event}"));
    let place = format!("sinkwell-place-v1\n{{{prevhash}{time},{sequence},{stream}}}\n");
    Sha256::new().chain_update(place).chain_update(digest).finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-cli-audit-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A database of 25 envelopes, and its path.
    fn database(&self) -> String {
        let path = self.path("audit.db");
        let mut options = AuditOptions::new(&path);
        options.origin = Some("example.com/audit".into());
        let mut sink = AuditSink::open(options).unwrap();
        let mut previous = None;
        for n in 1..=25 {
            let envelope = envelope(n, previous, |line| sealed_hash(line, n, previous));
            previous = Some(envelope.hash);
            assert_eq!(sink.deliver(&[envelope]), Answers::Acknowledged);
        }
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn sinkwell(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sinkwell")).arg("audit").args(args).output().unwrap()
}

/// What a run that ends with `status` prints.
fn prints(args: &[&str], status: i32) -> String {
    let output = sinkwell(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {error}");
    assert_eq!(error.is_empty(), status != 2, "diagnostics are for what could not be done: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(args: &[&str], status: i32) -> Value {
    let args: Vec<_> = args.iter().copied().chain(["--format", "json"]).collect();
    parse(prints(&args, status).trim_end().as_bytes()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn python(args: &[&str]) -> Option<i32> {
    let checker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/independent/merkle.py");
    Command::new("python3").arg(checker).args(args).output().expect("python3 is needed").status.code()
}

#[test]
fn a_proof_and_a_head_convince_somebody_who_has_nothing_of_ours() {
    let dir = Dir::new("proof");
    let db = dir.database();
    let (proof, line, note, export) =
        (dir.path("proof"), dir.path("line"), dir.path("note"), dir.path("export"));
    std::fs::write(&proof, prints(&["prove", &db, "--index", "16", "--format", "json"], 0)).unwrap();
    std::fs::write(&export, prints(&["export", &db], 0)).unwrap();
    std::fs::write(&note, prints(&["head", &db], 0)).unwrap();
    let lines = std::fs::read_to_string(&export).unwrap();
    assert_eq!(lines.lines().count(), 25);
    std::fs::write(&line, lines.lines().nth(16).unwrap()).unwrap();
    assert_eq!(python(&["proof", &proof, &line]), Some(0));
    assert_eq!(python(&["export", &export, &note]), Some(0));
    assert_eq!(prints(&["verify", &db, "--head", &note], 0).lines().next(), Some("sound"));

    let envelope = parse(lines.lines().nth(16).unwrap().as_bytes()).unwrap();
    let by_id = json(&["prove", &db, "--id", text(&envelope, "id")], 0);
    assert_eq!(by_id.get("index"), Some(&Value::Int(16)));
    let by_place = json(&["prove", &db, "--stream", text(&envelope, "streamid"), "--sequence", "17"], 0);
    assert_eq!(by_id, by_place);
    let consistency = json(&["consistency", &db, "7"], 0);
    assert_eq!(text(&consistency, "new_root"), text(&by_id, "root"));
    std::fs::write(&proof, consistency.to_canonical().unwrap()).unwrap();
    assert_eq!(python(&["proof", &proof]), Some(0));
}

#[test]
fn queries_print_what_fits() {
    let dir = Dir::new("query");
    let db = dir.database();
    let found = prints(&["query", &db, "--run", "r-1", "--type", "tool.*", "--limit", "3"], 0);
    let indices: Vec<_> = found.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(indices, ["9", "10", "11"]);
    let since = "2026-01-01T00:00:25Z";
    let found = json(&["query", &db, "--since", since], 0);
    assert_eq!(found.get("index"), Some(&Value::Int(24)));
    assert_eq!(text(found.get("envelope").unwrap(), "runid"), "r-2");
    assert_eq!(prints(&["query", &db, "--agent", "nobody"], 0), "");
}

#[test]
fn findings_are_exit_1_and_what_cannot_be_done_is_exit_2() {
    let dir = Dir::new("findings");
    let db = dir.database();
    let report = json(&["verify", &db], 0);
    assert_eq!((text(&report, "verdict"), report.get("size")), ("sound", Some(&Value::Int(25))));
    let note = dir.path("note");
    let other = "example.com/audit\n5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n";
    std::fs::write(&note, other).unwrap();
    let report = json(&["verify", &db, "--head", &note], 1);
    assert_eq!(text(&report.get("findings").unwrap().items()[0], "kind"), "head");
    assert!(prints(&["verify", &db, "--head", &note], 1).starts_with("findings\n"));
    prints(&["prove", &db, "--index", "25"], 2);
    prints(&["prove", &db, "--id", "no-uuid"], 2);
    prints(&["prove", &db], 2);
    prints(&["consistency", &db, "9", "8"], 2);
    prints(&["query", &db, "--since", "yesterday"], 2);
    prints(&["head", &dir.path("none.db")], 2);
    prints(&["verify", &db, "--head", &db], 2);
}

#[test]
fn what_stands_in_place_of_a_table_is_not_read() {
    let dir = Dir::new("views");
    let db = dir.database();
    let conn = rusqlite::Connection::open(&db).unwrap();
    conn.execute_batch(
        "DROP TRIGGER stub_insert; DROP TRIGGER stub_update; DROP TRIGGER stub_delete; DROP TABLE stub;
         CREATE VIEW mine AS SELECT 1",
    )
    .unwrap();
    // Rows without end: whoever joins them never comes back.
    conn.execute_batch(
        "CREATE VIEW Stub AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS leaf, 'x' AS stub FROM c",
    )
    .unwrap();
    for command in ["verify", "export", "query", "head"] {
        prints(&[command, &db], 2);
    }
    let verified = Command::new(env!("CARGO_BIN_EXE_sinkwell")).args(["verify", &db]).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(
        verified.status.code() == Some(2) && said.contains("\"Stub\" is no table in this database"),
        "{said}"
    );
    // Nor does one that stands in for the question.
    conn.execute_batch("CREATE TABLE pragma_table_list(schema, name, type)").unwrap();
    prints(&["verify", &db], 2);
}

#[test]
fn a_leaf_is_no_longer_than_a_line_may_be() {
    let dir = Dir::new("long");
    let db = dir.database();
    let options = sinkwell::verify::Options { max_line: 100, ..Default::default() };
    let mut verifier = sinkwell::verify::Verifier::new(options);
    verifier.read_path(Path::new(&db)).unwrap();
    let why = verifier.finish().unwrap_err();
    assert!(
        why.message().contains("25 lines are something else") && why.message().contains("more than the 100"),
        "{why}"
    );
}

#[test]
fn groups_have_sums_and_counts() {
    let dir = Dir::new("groups");
    let db = dir.database();
    let shown = prints(
        &["query", &db, "--since", "2026-01-01T00:00:20Z", "--by", "tool", "--sum", "/severitynumber"],
        0,
    );
    let shown: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(shown[..2], [vec!["count", "tool", "/severitynumber"], vec!["6", "search", "54"]]);
    prints(&["query", &db, "--count", "--by", "tool", "--sum", "/severitynumber", "--has", "tool"], 0);
    prints(&["query", &db, "--count", "--limit", "3"], 2);
}
