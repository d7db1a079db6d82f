//! `sinkwell redact` as a person runs it.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs the command on `input`: exit status, stdout, stderr.
fn run(arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
        .arg("redact")
        .args(arguments)
        .env_remove("SINKWELL_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read all, where the arguments are no good.
    let _ = child.stdin.take().unwrap().write_all(input);
    let out = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

/// A file with that text, which goes when the test ends.
struct File(std::path::PathBuf);

impl File {
    fn of(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-redact-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const SECRETS: [&str; 5] = [
    "hunter2!!",
    "jane@example.com",
    "ghp_1234567890abcdefghijklmnopqrstuvwxyz",
    "4111 1111 1111 1111",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
];

fn text() -> String {
    let [password, mail, token, card, jwt] = SECRETS;
    format!("password={password}\nto {mail} with {token}\n\ncard {card}, {jwt}\n")
}

#[test]
fn it_masks_what_is_found() {
    let (status, out, err) = run(&[], text().as_bytes());
    assert_eq!((status, err.as_str()), (Some(0), ""));
    assert_eq!(out, "password=[secrets]\nto [email] with [github]\n\ncard [card], [jwt]\n");
}

#[test]
fn it_explains_by_place_detector_and_reason_and_shows_no_secret_whole() {
    for format in ["text", "json"] {
        let (status, out, err) = run(&["--explain", "--format", format, "-"], text().as_bytes());
        assert_eq!((status, err.as_str()), (Some(1), ""));
        for secret in SECRETS {
            assert!(!out.contains(secret), "{out}");
            // Nor its half.
            assert!(!out.contains(&secret[..secret.len() / 2]), "{out}");
            assert!(!out.contains(&secret[secret.len() / 2..]), "{out}");
        }
    }
    let (_, out, _) = run(&["--explain"], text().as_bytes());
    assert_eq!(
        out.lines().next().unwrap(),
        "-:1:10: secrets: hu… (9 characters): assigned to a name that says password"
    );
    assert!(out.contains("\n-:2:4: email: jane… (16 characters): an e-mail address\n"), "{out}");
    assert!(
        out.contains("\n-:2:26: github: ghp_… (40 characters): a GitHub personal access token\n"),
        "{out}"
    );
    assert!(out.contains("\n-:4:6: card: 4111… (19 characters): "), "{out}");
    assert!(out.ends_with("\n5 places would be masked\n"), "{out}");
    let (_, out, _) = run(&["--explain", "--format", "json"], text().as_bytes());
    assert_eq!(
        out.lines().next().unwrap(),
        r#"{"column":10,"detector":"secrets","end":18,"file":"-","line":1,"start":9,"starts_with":"hu… (9 characters)","why":"assigned to a name that says password"}"#
    );
}

#[test]
fn nothing_found_is_exit_0() {
    assert_eq!(
        run(&["--explain"], b"all is well"),
        (Some(0), "0 places would be masked\n".into(), String::new())
    );
}

#[test]
fn it_is_harmless_on_a_terminal() {
    let input = "password=\u{1b}]0;x\u{7}\u{202e}\u{9b}31mdrowssap7\n";
    let (status, out, _) = run(&["--explain"], input.as_bytes());
    assert_eq!(status, Some(1), "{out}");
    assert!(!out.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}']), "{out:?}");
    let file = File::of("bad\u{1b}[31m", "jane@example.com");
    let (_, out, _) = run(&["--explain", file.path()], b"");
    assert!(!out.contains('\u{1b}') && out.contains("email"), "{out:?}");
}

#[test]
fn the_policy_of_a_configuration_counts() {
    let config = File::of(
        "config.yaml",
        "lanes: [stdout]\ngovernance:\n  content:\n    redaction: { id: r, detectors: [email], patterns: { case: 'C-\\d+' }, keep: ['[a-z]+@example\\.org'] }\n",
    );
    let input = b"C-12 jane@example.org jane@example.com 10.1.2.3";
    let (status, out, err) = run(&["--config", config.path()], input);
    assert_eq!(
        (status, out.as_str(), err.as_str()),
        (Some(0), "[case] jane@example.org [email] 10.1.2.3", "")
    );
    let (_, out, _) = run(&["--config", config.path(), "--explain"], input);
    assert!(out.starts_with("-:1:1: case: C… (4 characters): a pattern of the policy\n"), "{out}");
    let none = File::of("none.yaml", "lanes: [stdout]\n");
    let (status, _, err) = run(&["--config", none.path()], input);
    assert_eq!(status, Some(2));
    assert!(err.contains("governance.content.redaction"), "{err}");
}

#[test]
fn what_cannot_be_read_is_exit_2() {
    let (status, out, err) = run(&["no/such/file.txt"], b"");
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(err.contains("no/such/file.txt"), "{err}");
    let (status, out, err) = run(&["--explain"], b"hunter2 \xff");
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(err.contains("byte 8") && !err.contains("hunter2"), "{err}");
}
