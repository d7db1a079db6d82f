//! The screens of docs/VACUUM.md and docs/AUDIT.md: every command that they show is run, and says what they show.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use common::Place;

/// A command and what it says, standard error included.
type Screen = (String, String);

/// The screens of a page, from all its blocks of a console.
fn screens(page: &str) -> Vec<Screen> {
    let path = format!("{}/../docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(path).unwrap();
    let mut screens: Vec<Screen> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        assert!(block.starts_with("$ "), "a block begins with a command: {block}");
        for line in block.split_inclusive('\n') {
            match line.strip_prefix("$ ") {
                Some(command) => screens.push((command.trim_end().to_owned(), String::new())),
                None => screens.last_mut().unwrap().1.push_str(line),
            }
        }
    }
    screens
}

/// Runs them in a folder, in which what they show as a file is one.
fn run(place: &Place, screens: &[Screen]) {
    let programs = format!("{}:{}", place.path("bin"), std::env::var("PATH").unwrap());
    for (command, says) in screens {
        let here = command.replace(" /var/log/", &format!(" {}", place.path("var/log/")));
        if let Some(path) = here.strip_prefix("cat ") {
            std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
            std::fs::write(path, says).unwrap();
            continue;
        }
        let ran = Command::new("bash")
            .args(["-o", "pipefail", "-c", &format!("{{ {here}\n}} 2>&1")])
            .current_dir(place.path(""))
            .env("PATH", &programs)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), *says, "$ {command}");
        assert!(ran.status.success(), "$ {command}: {}", ran.status);
    }
}

/// A folder with `sinkwell` and `some-process` on its PATH, and a configuration with this lane.
fn place(name: &str, lane: &str) -> Place {
    let place = Place::new(&format!("screens-{name}"));
    std::fs::create_dir(place.path("bin")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sinkwell"), place.path("bin/sinkwell")).unwrap();
    let prints = "#!/bin/sh\necho starting\necho '{\"_e\":1,\"action\":\"transfer\",\"value\":7}'\necho '{\"_e\":1,\"action\":\"mint\"}'\n";
    let program = place.write("bin/some-process", prints);
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    place.write(
        "sinkwell.yaml",
        format!(
            "agent: {{ id: 'urn:example:sandbox' }}\nkey: {{ id: k1, hmac_sha256: {{ file: agent.key }} }}\nheartbeat: off\nvacuum: {{ cursors: cursors.db }}\nlanes: [{{ id: kept, sink: {lane} }}]\n"
        ),
    );
    place
}

/// What two messages to a process made it print: three errors, three transfers of the last 48 hours and one before them.
fn questioned(name: &str) -> Place {
    let place = place(name, "{ audit_chain: { path: audit.db } }");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let line =
        |hours: u64, members: &str| format!("{{\"_e\":1,\"timestamp\":{},{members}}}\n", now - hours * 3600);
    let transfer = |hours, value: &str| {
        line(hours, &format!(r#""handler":"transfer","action":"transfer","value":{value}"#))
    };
    let error = line(
        1,
        r#""handler":"transfer","level":"error","sender":"bob","action":"transfer","reason":"insufficient funds""#,
    );
    let info = line(1, r#""handler":"info""#);
    let first = [
        transfer(50, "1000"),
        transfer(47, "0.1"),
        transfer(1, "0.2"),
        error.clone(),
        error.clone(),
        info.clone(),
    ];
    let approved = line(0, r#""handler":"transfer","action":"approve""#);
    let second = [transfer(0, "9007199254740993"), approved, error, info];
    for (nonce, log) in [("41", first.concat()), ("42", second.concat())] {
        let log = place.write("app.log", log);
        let sent = place.run(&[
            "vacuum",
            "--config",
            &place.path("sinkwell.yaml"),
            "--process",
            "ao-1",
            "--nonce",
            nonce,
            &log,
        ]);
        assert_eq!(sent.status, Some(0), "{}", sent.err);
    }
    place
}

#[test]
fn what_the_vacuums_page_shows_is_so() {
    let (questions, others): (Vec<Screen>, Vec<Screen>) =
        screens("VACUUM.md").into_iter().partition(|(command, _)| command.contains("audit query"));
    assert_eq!((questions.len(), others.len()), (3, 7));
    run(&place("vacuum", "{ file: { path: kept.ndjson } }"), &others);
    run(&questioned("vacuum-questions"), &questions);
}

#[test]
fn what_the_audit_chains_page_shows_is_so() {
    let questions = screens("AUDIT.md");
    assert_eq!(questions.len(), 2);
    run(&questioned("audit"), &questions);
}
