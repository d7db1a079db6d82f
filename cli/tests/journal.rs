//! `sinkwell journal` on a directory that is in use, abandoned, damaged or none.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use sinkwell::config::{JournalConfig, SyncPolicy};
use sinkwell::journal::{Journal, Position, Record};
use sinkwell::seam::{RealFs, SystemRandom, Uuid};

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sinkwell-cli-journal-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn sinkwell(command: &str, dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sinkwell")).args(["journal", command]).arg(dir).output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// Five envelopes, two of them acknowledged.
fn journal(dir: &Path) -> Journal {
    let config = JournalConfig {
        dir: dir.to_owned(),
        sync: SyncPolicy::Always,
        budget: 1 << 20,
        floor: 0,
        access: sinkwell::seam::Access::default(),
    };
    let (mut journal, _) =
        Journal::open(Arc::new(RealFs), Arc::new(SystemRandom), &config, "audit", "file", 0).unwrap();
    for n in 1..=5_u8 {
        let bytes = format!("{{\"secret\":\"content-{n}\"}}");
        let record = Record {
            streamid: Uuid([1; 16]),
            agentid: "urn:agent",
            sequence: n.into(),
            hash: [n; 32],
            digest: [0; 32],
            recordedtime: 0,
            own: n == 1,
            terminal: false,
            closes: false,
            span: None,
            signed: true,
            bytes: bytes.as_bytes(),
        };
        journal.append(&[record]).unwrap();
    }
    journal.sync().unwrap();
    journal.ack(Position(2)).unwrap();
    journal
}

#[test]
fn replay_writes_what_waits_and_marks_nothing() {
    let dir = Dir::new("replay");
    let live = journal(&dir.0);
    for _ in 0..2 {
        let output = sinkwell("replay", &dir.0);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(
            out(&output),
            "{\"secret\":\"content-3\"}\n{\"secret\":\"content-4\"}\n{\"secret\":\"content-5\"}\n"
        );
    }
    drop(live);
    assert_eq!(out(&sinkwell("replay", &dir.0)).lines().count(), 3);
}

#[test]
fn ls_and_show_tell_everything_but_the_content() {
    let dir = Dir::new("show");
    let live = journal(&dir.0);
    let ls = sinkwell("ls", &dir.0);
    assert_eq!(ls.status.code(), Some(0));
    for word in ["lane=audit", "sink=file", "in use", "unacknowledged=3", "acknowledged=2", "damage=0"] {
        assert!(out(&ls).contains(word), "{word}: {}", out(&ls));
    }
    let segment = live.path().join("0000000001.log");
    drop(live);
    let show = sinkwell("show", &dir.0);
    assert_eq!(show.status.code(), Some(0));
    assert_eq!(out(&show).matches("waiting").count(), 3);
    assert!(out(&show).contains("abandoned") && out(&show).contains(&"05".repeat(32)), "{}", out(&show));
    assert!(!out(&show).contains("content-"));

    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(9).position(|window| window == b"content-4").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let show = sinkwell("show", &dir.0);
    assert_eq!(show.status.code(), Some(1));
    assert!(out(&show).contains("damage hole") && out(&show).contains("envelopes lost: 1"), "{}", out(&show));
    assert_eq!(sinkwell("ls", &dir.0).status.code(), Some(1));
}

#[test]
fn rm_acked_leaves_a_journal_in_use_alone() {
    let dir = Dir::new("rm");
    let mut live = journal(&dir.0);
    assert!(out(&sinkwell("rm-acked", &dir.0)).starts_with("in use, left alone"));
    live.ack(Position(5)).unwrap();
    let path = live.path().to_owned();
    drop(live);
    let output = sinkwell("rm-acked", &dir.0);
    assert_eq!((output.status.code(), path.exists()), (Some(0), false), "{}", out(&output));
}

#[test]
fn a_directory_that_is_none_is_exit_2() {
    let dir = Dir::new("none");
    for (path, says) in [(dir.0.clone(), "no journal here"), (dir.0.join("missing"), "create the directory")]
    {
        for command in ["ls", "show", "replay", "rm-acked"] {
            let output = sinkwell(command, &path);
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2));
            assert!(error.contains(says) && error.contains(path.to_str().unwrap()), "{error}");
        }
    }
}

#[test]
fn a_pipe_among_a_journals_files_is_named_and_not_waited_for() {
    for name in ["sinkwell-journal", "owner", "cursor", "0000000001.log"] {
        let dir = Dir::new(&format!("pipe-{name}"));
        let path = dir.0.join("state");
        drop(journal(&path));
        let found = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        let lane = found.into_iter().find(|entry| entry.is_dir()).unwrap();
        let pipe = if name == "sinkwell-journal" { path.join(name) } else { lane.join(name) };
        std::fs::remove_file(&pipe).unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut child = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
            .args(["journal", "ls"])
            .arg(&path)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (tell, told) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let text =
                [std::io::read_to_string(out).unwrap(), std::io::read_to_string(err).unwrap()].concat();
            let _ = tell.send(text);
        });
        let said = told.recv_timeout(std::time::Duration::from_secs(30));
        let _ = child.kill();
        let _ = child.wait();
        reader.join().unwrap();
        let said = said.expect("it waits for somebody to write to the pipe");
        assert!(said.contains("it is no regular file") && said.contains(name), "{name}: {said}");
    }
}
