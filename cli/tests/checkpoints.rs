//! Checkpoints in a second place show what was cut off and what is gone as a whole.

mod common;

use common::{Place, kinds, text};

/// Two runs with this configuration; then the events' file is cut, and cut down to one stream.
fn cut_and_missing(name: &str, config: &str, checkpoints: &str) {
    let place = Place::new(name);
    for _ in 0..2 {
        place.emitted(config, 10);
    }
    let key = place.key();
    let verify = |file: &str| {
        let line = ["verify", "--format", "json", "--key", &key, "--checkpoint", checkpoints, file];
        place.run(&line)
    };
    let whole = verify("events.ndjson").ends(0).json();
    assert_eq!(text(&whole, "verdict"), "sound");
    let all = place.read("events.ndjson");
    let mine: Vec<&str> = all.lines().filter(|line| line.contains("\"streamid\"")).collect();
    let second = mine.iter().rposition(|line| line.contains("\"opened\"")).unwrap();
    let last = mine.len();
    // A tail, with `closed`; the newest stream; the older one.
    for (kept, kind) in [
        (&mine[..last - 1], "truncated"),
        (&mine[..last - 5], "truncated"),
        (&mine[..second], "missing_stream"),
        (&mine[second..], "missing_stream"),
    ] {
        let cut = kept.join("\n") + "\n";
        place.write("cut.ndjson", cut);
        let run = verify("cut.ndjson").ends(1);
        // That a stream is open, or that the other lane is not part of the input, is a note beside it.
        let report = run.json();
        let mut found = kinds(&report);
        found.retain(|kind| !["open", "missing_lane"].contains(kind));
        assert_eq!(found, [kind], "{}", run.out);
        // Without them nothing of it can show.
        place.run(&["verify", "--key", &key, "cut.ndjson"]).ends(0);
    }
    // Whatever was cut, what the checkpoints say must be signed, too.
    let forged = place.read(checkpoints).replacen("\"sequence\":\"0", "\"sequence\":\"9", 1);
    place.write("forged.ndjson", forged);
    place.run(&["verify", "--key", &key, "--checkpoint", "forged.ndjson", "events.ndjson"]).ends(1);
}

#[test]
fn in_a_file() {
    cut_and_missing(
        "checkpoint-file",
        "checkpoint: { file: elsewhere.ndjson }\nlanes:\n- { id: events, sink: { file: { path: events.ndjson } } }\n",
        "elsewhere.ndjson",
    );
}

#[test]
fn in_another_lane() {
    cut_and_missing(
        "checkpoint-lane",
        "checkpoint: { lane: second }\nlanes:\n- { id: events, sink: { file: { path: events.ndjson } } }\n\
         - { id: second, sink: { file: { path: second.ndjson } } }\n",
        "second.ndjson",
    );
}
