//! `sinkwell doctor` as a user runs it: with nothing wrong, with one thing, and with much at once.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-cli-doctor-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn doctor(&self, config: &str) -> (Option<i32>, String) {
        self.doctor_with(config, &[])
    }

    fn doctor_with(&self, config: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
        let config = self.file("sinkwell.yaml", config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sinkwell"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.contains("proxy") || name.contains("PROXY"))
        {
            command.env_remove(name);
        }
        let Output { status, stdout, stderr } = command
            .args(["doctor", "--config"])
            .arg(config)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let told = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
        (status.code(), told)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The line about a place.
fn line<'t>(told: &'t str, place: &str) -> &'t str {
    told.lines()
        .find(|line| line.contains(&format!("  {place}: ")))
        .unwrap_or_else(|| panic!("{place}: {told}"))
}

/// A server that answers everything with these bytes, and hangs up.
fn answering(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut some = [0; 1024];
            let _ = std::io::Read::read(&mut stream, &mut some);
            let _ = stream.write_all(bytes);
        }
    });
    port
}

#[test]
fn a_configuration_that_works_is_good() {
    let dir = Dir::new("good");
    dir.file("events.ndjson", "");
    let key =
        sinkwell::key::generate(sinkwell::config::SignatureAlgorithm::Ed25519, &dir.0.join("agent.pem"));
    key.unwrap();
    let config = "agent: { id: a1 }\nkey: { id: k1, ed25519: { file: agent.pem } }\njournal: { dir: state, floor: 0 }\n\
                  lanes:\n- sink: { file: { path: events.ndjson } }\n- sink: { audit_chain: { path: audit.db } }\n";
    let (code, told) = dir.doctor(config);
    assert_eq!(code, Some(0), "{told}");
    assert!(line(&told, "key").starts_with("ok"), "{told}");
    assert!(line(&told, "lane file").contains("took a sealed stream"), "{told}");
    assert!(line(&told, "lane audit_chain").contains("will be made"), "{told}");
    // What it sent is a whole stream; what was not there is not there now.
    let lines = std::fs::read_to_string(dir.0.join("events.ndjson")).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(!dir.0.join("audit.db").exists() && !dir.0.join("state").exists());
}

#[test]
fn policies_are_judged_by_all_lanes_and_not_lane_by_lane() {
    let dir = Dir::new("policies");
    let policy = |lane: &str| {
        format!(
            "- apiVersion: sinkwell.dev/v1alpha1\n  kind: TelemetryPolicy\n  metadata: {{ name: of-{lane} }}\n  \
             spec: {{ targetRefs: [ {{ kind: Lane, name: {lane} }} ], events: {{ drop: [ x ] }} }}\n"
        )
    };
    let lanes = "lanes:\n- { id: one, sink: 'null' }\n- { id: two, sink: 'null' }\n";
    let (_, told) = dir.doctor(&format!("agent: {{ id: a1 }}\n{lanes}telemetry:\n{}", policy("two")));
    assert!(!told.contains("has no effect"), "{told}");
    let (_, told) = dir.doctor(&format!("agent: {{ id: a1 }}\n{lanes}telemetry:\n{}", policy("three")));
    assert_eq!(told.matches("has no effect").count(), 1, "{told}");
    assert!(line(&told, "telemetry").ends_with("no lane has this id; there are one, two"), "{told}");
}

#[test]
fn five_things_wrong_at_once_are_five_lines() {
    let dir = Dir::new("wrong");
    let key =
        sinkwell::key::generate(sinkwell::config::SignatureAlgorithm::Ed25519, &dir.0.join("agent.pem"));
    key.unwrap();
    std::fs::set_permissions(dir.0.join("agent.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    dir.file("a-file", "");
    let http = answering(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    let config = format!(
        "agent: {{ id: a1 }}\nkey: {{ id: k1, ed25519: {{ file: agent.pem }} }}\njournal: {{ dir: a-file/state }}\n\
         governance: {{ required_sinks: [ {{ class: siem }} ] }}\n\
         lanes:\n- sink: {{ file: {{ path: missing/events.ndjson }} }}\n\
         - {{ id: collector, timeout: 5s, sink: {{ otlp: {{ endpoint: 'http://127.0.0.1:{http}', protocol: grpc }} }} }}\n"
    );
    let (code, told) = dir.doctor(&config);
    assert_eq!(code, Some(1), "{told}");
    for (place, advice) in [
        ("key", "others can read"),
        ("journal", "point journal.dir elsewhere"),
        ("governance.required_sinks", "class siem"),
        ("lane file", "make it writable, or change its path"),
        ("lane collector", "http/protobuf"),
    ] {
        let line = line(&told, place);
        assert!(line.starts_with("FAIL") && line.contains(advice), "{place}: {told}");
    }
}

#[test]
fn an_endpoint_can_be_wrong_in_four_ways() {
    let dir = Dir::new("otlp");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let missing = answering(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    let tls = answering(&[0x15, 3, 3, 0, 2, 2, 70]);
    let grpc = answering(b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0");
    for (port, advice) in [(closed, "refused"), (missing, "path"), (tls, "https://"), (grpc, "grpc")] {
        let (code, told) = dir.doctor(&format!(
            "agent: {{ id: a1 }}\nlanes:\n- {{ timeout: 5s, sink: {{ otlp: {{ endpoint: 'http://127.0.0.1:{port}', protocol: http/protobuf }} }} }}\n"
        ));
        assert_eq!(code, Some(1), "{told}");
        assert!(line(&told, "lane otlp").contains(advice), "{advice}: {told}");
    }
}

#[test]
fn an_audit_lane_without_a_journal_and_a_full_disk_are_named() {
    let dir = Dir::new("durable");
    let lanes = "lanes:\n- sink: { audit_chain: { path: audit.db } }\n";
    let (code, told) = dir.doctor(&format!("agent: {{ id: a1 }}\n{lanes}"));
    assert_eq!(code, Some(0), "{told}");
    assert!(line(&told, "configuration").contains("no journal is configured"), "{told}");
    let (code, told) =
        dir.doctor(&format!("agent: {{ id: a1 }}\njournal: {{ dir: state, floor: 1000000TiB }}\n{lanes}"));
    assert_eq!(code, Some(1), "{told}");
    assert!(line(&told, "journal").contains("make room"), "{told}");
}

#[test]
fn a_configuration_that_cannot_be_read_is_exit_2() {
    let dir = Dir::new("unreadable");
    let (code, told) = dir.doctor("lanes:\n- sink: { flie: {} }\n");
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("did you mean `file`"), "{told}");
}

#[test]
fn a_sampler_that_drops_spans_is_said() {
    let dir = Dir::new("sampler");
    let config = "agent: { id: a1 }\nlanes: [ 'null' ]\n";
    for sampler in ["always_on", "parentbased_always_on", ""] {
        let (_, told) = dir.doctor_with(config, &[("OTEL_TRACES_SAMPLER", sampler)]);
        assert!(!told.contains("  spans: "), "{told}");
    }
    let (code, told) = dir.doctor_with(config, &[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")]);
    assert_eq!(code, Some(0), "{told}");
    let line = line(&told, "spans");
    assert!(
        line.starts_with("WARN") && line.contains("parentbased_traceidratio") && line.contains("recordAll"),
        "{line}"
    );
}
