//! `sinkwell view --out`: a page in a file.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use common::Place;

const LANE: &str = "lanes: [{ id: file, sink: { file: { path: events.ndjson } } }]\n";

/// Runs the command where no file may grow beyond so many KiB, as on a disk that is full.
fn run_full(place: &Place, most: u32, arguments: &[&str]) -> (Option<i32>, String) {
    let ran = Command::new("bash")
        .args(["-c", &format!("trap '' XFSZ; ulimit -f {most}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_sinkwell"))
        .args(arguments)
        .current_dir(place.path(""))
        .output()
        .unwrap();
    (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn what_the_page_is_made_of_is_never_written_over() {
    let place = Place::new("view-over");
    place.emitted(LANE, 1);
    let before = place.read("events.ndjson");
    std::fs::hard_link(place.path("events.ndjson"), place.path("linked.html")).unwrap();
    std::os::unix::fs::symlink("events.ndjson", place.path("pointed.html")).unwrap();
    for name in ["events.ndjson", "linked.html", "pointed.html"] {
        let said = place.run(&["view", "--out", name, "events.ndjson"]).ends(2).err;
        assert!(said.contains("one of the files that the page is made of"), "{said}");
        let piped = Command::new(env!("CARGO_BIN_EXE_sinkwell"))
            .args(["view", "--out", name])
            .current_dir(place.path(""))
            .stdin(std::fs::File::open(place.path("events.ndjson")).unwrap())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(piped.status.code(), Some(2), "{}", String::from_utf8_lossy(&piped.stderr));
        assert_eq!(place.read("events.ndjson"), before);
    }
}

#[test]
fn the_key_that_checks_the_page_is_never_written_over() {
    let place = Place::new("view-over-key");
    place.emitted(LANE, 1);
    place.run(&["keys", "new", "--alg", "ed25519", "checked.pem"]).ends(0);
    let before = place.read("checked.pem.pub");
    std::os::unix::fs::symlink("checked.pem.pub", place.path("pointed.html")).unwrap();
    for key in ["k1=checked.pem.pub", "k1=ed25519:checked.pem.pub,agent=urn:*"] {
        for name in ["checked.pem.pub", "pointed.html"] {
            let said = place.run(&["view", "--key", key, "--out", name, "events.ndjson"]).ends(2).err;
            assert!(said.contains("or a key's; name another one"), "{said}");
            assert_eq!(place.read("checked.pem.pub"), before);
        }
    }
}

#[test]
fn a_page_is_for_its_owner_alone_also_where_there_was_a_file() {
    let place = Place::new("view-mode");
    place.emitted(LANE, 1);
    let path = place.write("page.html", "before");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    place.run(&["view", "--out", "page.html", "events.ndjson"]).ends(0);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(place.read("page.html").ends_with("</html>\n"));
    // What is no file is written to, and left as it is.
    let full = place.run(&["view", "--out", "/dev/full", "events.ndjson"]).ends(2).err;
    assert!(full.starts_with("sinkwell: sink: /dev/full: the page cannot be written"), "{full}");
}

#[test]
fn a_full_disk_leaves_no_half_of_a_page_and_no_half_of_a_key() {
    let place = Place::new("view-full");
    place.emitted(LANE, 1);
    let (status, said) = run_full(&place, 16, &["view", "--out", "page.html", "events.ndjson"]);
    assert_eq!(status, Some(2));
    assert!(said.starts_with("sinkwell: sink: page.html: the page cannot be written"), "{said}");
    assert!(!std::path::Path::new(&place.path("page.html")).exists());
    for algorithm in ["ed25519", "hmac-sha256"] {
        let (status, said) = run_full(&place, 0, &["keys", "new", "--alg", algorithm, "new.key"]);
        assert_eq!(status, Some(2));
        assert!(said.starts_with("sinkwell: key: new.key: the key file cannot be written"), "{said}");
        assert!(!std::path::Path::new(&place.path("new.key")).exists());
    }
    // Nor a private key whose public half could not be written.
    std::os::unix::fs::symlink("nowhere", place.path("new.key.pub")).unwrap();
    place.run(&["keys", "new", "new.key"]).ends(2);
    assert!(!std::path::Path::new(&place.path("new.key")).exists());
}
