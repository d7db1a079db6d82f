//! An envelope and its reason, or neither.

use super::*;
use crate::seam::Access;
use crate::testing::simfs::SimFs;
use crate::testing::{TempDir, envelope_of};

fn envelope(n: u64) -> Envelope {
    envelope_of(format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(40)), 7, n)
}

fn letters(fs: &SimFs) -> DeadLetters {
    DeadLetters::open_in(Arc::new(fs.clone()), PathBuf::from("/dead"), "lane")
}

fn held(fs: &SimFs) -> (Vec<u8>, Vec<u8>) {
    let read = |name: &str| {
        let path = Path::new("/dead").join(name);
        if fs.stat(&path).is_ok() { fs.bytes(&path) } else { Vec::new() }
    };
    (read("lane.dead.ndjson"), read("lane.reasons.ndjson"))
}

fn made() -> SimFs {
    let fs = SimFs::new(3);
    fs.create_dir(Path::new("/dead")).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    fs
}

#[test]
fn on_a_full_disk_there_is_a_whole_record_with_its_reason_or_none() {
    let fs = made();
    letters(&fs).append(&envelope(1), Reason::Rejected, 0).unwrap();
    let before = held(&fs);
    assert!(before.0.ends_with(b"\n") && before.1.ends_with(b"\n"));
    let whole = before.0.len() + before.1.len();
    for room in 0..whole {
        fs.leave_room(Some(room));
        letters(&fs).append(&envelope(2), Reason::Rejected, 0).unwrap_err();
        assert_eq!(held(&fs), before, "with room for {room} bytes");
    }
    fs.leave_room(None);
    letters(&fs).append(&envelope(2), Reason::Rejected, 0).unwrap();
    let after = held(&fs);
    assert_eq!((after.0.len(), after.1.len()), (2 * before.0.len(), 2 * before.1.len()));
}

#[test]
fn what_cannot_be_stripped_is_not_written() {
    let fs = made();
    letters(&fs).append(&envelope(1), Reason::Rejected, 0).unwrap();
    let before = held(&fs);
    // Deeper than anything that can be sealed, and no JSON at all.
    let deep = format!("{}{}", "[".repeat(600), "]".repeat(600));
    for line in
        [format!("{{\"data\":{{\"disclosures\":{deep}}}}}"), "{\"data\":{\"disclosures\":[CANARY".to_owned()]
    {
        letters(&fs).append(&envelope_of(line, 7, 2), Reason::Rejected, 0).unwrap_err();
        assert_eq!(held(&fs), before);
    }
    // As deep as `data` may be, it is stripped.
    let deep = format!("{}{}", "[".repeat(511), "]".repeat(511));
    let line = format!("{{\"data\":{{\"deep\":{deep},\"disclosures\":[\"CANARY\"]}}}}");
    letters(&fs).append(&envelope_of(line, 7, 3), Reason::Rejected, 0).unwrap();
    let dead = String::from_utf8(held(&fs).0).unwrap();
    assert!(dead.contains(&deep) && !dead.contains("CANARY"));
}

#[test]
fn what_is_kept_is_there_whenever_the_power_goes() {
    let mut points = 0;
    loop {
        let fs = made();
        fs.lose_power_at_sync(points);
        let kept =
            (1..=4).take_while(|n| letters(&fs).append(&envelope(*n), Reason::Rejected, 0).is_ok()).count();
        let dark = fs.is_dark();
        fs.lose_all_unsynced();
        let (dead, reasons) = held(&fs);
        for text in [dead, reasons] {
            let lines = text.iter().filter(|&&b| b == b'\n').count();
            assert!(lines >= kept, "power gone at sync {points}: {lines} of {kept}");
        }
        if !dark {
            break;
        }
        points += 1;
    }
    assert!(points >= 8, "{points} sync points");
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let path = dir.path().to_owned();
    let strict = OwnPath { path: path.clone(), access: Access::default() };
    let e = DeadLetters::open(strict, "lane").append(&envelope(1), Reason::Rejected, 0).unwrap_err();
    assert!(e.to_string().contains("allow_shared_write"), "{e}");
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
    let shared = OwnPath { path, access: Access { shared_write: true, ..Access::default() } };
    DeadLetters::open(shared, "lane").append(&envelope(1), Reason::Rejected, 0).unwrap();
}
