//! What docs/END-TO-END.md says is shown by tests that are there, and no page or comment names a page that is not. (The
//! keys of docs/CONFIG.md: config_reference.rs.)

use std::path::{Path, PathBuf};

/// Every file of the project with such an ending, without what is built or installed.
fn files(folder: &Path, endings: &[&str], out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "node_modules", ".git", "dist", "bin", "obj", ".venv"].contains(&name.as_str()) {
                files(&path, endings, out);
            }
        } else if path.extension().is_some_and(|extension| endings.iter().any(|ending| extension == *ending))
        {
            out.push(path);
        }
    }
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = Vec::new();
    files(&root, &["md"], &mut all);
    let mut dead = Vec::new();
    let mut links = 0;
    for page in &all {
        let text = std::fs::read_to_string(page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") || path.contains(' ') {
                continue;
            }
            links += 1;
            if !page.parent().unwrap().join(path).exists() {
                dead.push(format!("{}: {link}", page.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    assert!(links > 50, "{links} links");
    assert!(dead.is_empty(), "{dead:#?}");
}

/// The pages that a text names, with the section, as in `docs/LANES.md, "Health"`.
fn named(text: &str) -> Vec<(String, Option<String>)> {
    // A comment is one text, whatever its line breaks.
    let marks = ["///", "//!", "//", "#", " * "];
    let lines = text.lines().map(|line| {
        let line = line.trim();
        marks.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line).trim()
    });
    let text = lines.collect::<Vec<_>>().join(" ");
    let part = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let mut found = Vec::new();
    for (at, _) in text.match_indices(".md") {
        let after = &text[at + 3..];
        if after.starts_with(part) && !after.starts_with('.') {
            continue;
        }
        let before = text[..at].rfind(|c| !part(c)).map_or(0, |at| at + 1);
        let section = after.strip_prefix(", \"").and_then(|rest| rest.split('"').next());
        if before == at {
            continue;
        }
        found.push((format!("{}.md", &text[before..at]), section.map(str::to_owned)));
    }
    found
}

#[test]
fn every_page_that_code_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = Vec::new();
    files(
        &root,
        &["rs", "py", "pyi", "js", "ts", "go", "cs", "c", "h", "toml", "sh", "yml", "json"],
        &mut all,
    );
    let (mut dead, mut pages) = (Vec::new(), 0);
    for file in &all {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        for (page, section) in named(&text) {
            let own = page.starts_with("docs/") || page.contains("../docs/");
            let lower = page.chars().all(|c| !c.is_ascii_uppercase());
            // What is a page only by its ending: an example's path, another project's file.
            if !(own || (lower && !page.contains('/'))) {
                continue;
            }
            pages += 1;
            let path = page.rfind("docs/").map_or(page.as_str(), |at| &page[at..]);
            let text = std::fs::read_to_string(root.join(path));
            let is_there = |section: &String| {
                let heading = |line: &str| line.starts_with('#') && line.contains(section.as_str());
                text.as_ref().is_ok_and(|text| text.lines().any(heading))
            };
            if text.is_err() || !section.iter().all(is_there) {
                let file = file.strip_prefix(&root).unwrap().display();
                dead.push(format!("{file}: {page} {}", section.unwrap_or_default()));
            }
        }
    }
    assert!(pages > 100, "{pages} pages");
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn the_table_of_events_is_that_of_the_code() {
    use sinkwell::types::Builtin;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/spec/events.md")).unwrap();
    let table = page.split("| severity |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows = table.lines().skip(2).map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let severity = cells[3].split(';').next().unwrap().to_owned();
        (cells[0].trim_matches('`').to_owned(), !cells[2].is_empty(), severity, cells[4].to_owned())
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    let code = Builtin::all().iter().map(|builtin| {
        let required: Vec<_> = builtin.required().map(|name| format!("`{name}`")).collect();
        (
            builtin.name().to_owned(),
            builtin.is_terminal(),
            builtin.severity().text().to_owned(),
            required.join(", "),
        )
    });
    assert_eq!(rows, code.collect::<Vec<_>>());

    let reasons = page.split("| reason |").nth(1).unwrap().split("\n\n").next().unwrap();
    let reasons: Vec<_> = reasons.lines().skip(2).map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(reasons, sinkwell::lane::Reason::ALL.map(sinkwell::lane::Reason::name));
}

/// What stands between backticks, one or more.
fn code_spans(cell: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    let mut rest = cell;
    while let Some(at) = rest.find('`') {
        let ticks = rest[at..].len() - rest[at..].trim_start_matches('`').len();
        let inside = &rest[at + ticks..];
        let Some(end) = inside.find(&"`".repeat(ticks)) else { break };
        spans.push(&inside[..end]);
        rest = &inside[end + ticks..];
    }
    spans
}

/// Whether a file has a test of this name, in any language.
fn has_test(text: &str, name: &str) -> bool {
    let written =
        ["fn NAME(", "def NAME(", "func NAME(", " NAME(", "test('NAME'", "test(`NAME`", "test(\"NAME\""];
    written.iter().any(|form| text.contains(&form.replace("NAME", name)))
}

#[test]
fn every_failure_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/END-TO-END.md")).unwrap();
    for (heading, least) in
        [("When something fails", 12), ("The worst day", 16), ("What users would have hit", 23)]
    {
        let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
        let mut rows = section.lines().filter(|line| line.starts_with("| "));
        let column =
            rows.next().unwrap().split(" | ").position(|title| title.trim_matches(['|', ' ']) == "shown by");
        let (mut count, mut tests) = (0, 0);
        for row in rows.skip(1).take_while(|row| row.contains('`')) {
            let shown = row.trim_start_matches("| ").split(" | ").nth(column.unwrap()).unwrap();
            count += 1;
            let spans = code_spans(shown);
            assert!(!spans.is_empty(), "{row}: no test is named");
            // A file and tests of it; tests of end_to_end.rs; or a folder or a vector that is a test as a whole.
            let mut file = PathBuf::from("core/tests/end_to_end.rs");
            for span in spans {
                let beside = file.with_file_name(span);
                if span.contains('*') {
                    let (folder, name) = span.rsplit_once('/').unwrap();
                    let begins = name.split('*').next().unwrap();
                    let found = std::fs::read_dir(root.join(folder)).unwrap();
                    let any =
                        found.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(begins));
                    assert!(any, "nothing is called {span}");
                    (file, tests) = (PathBuf::from(span), tests + 1);
                } else if root.join(span).exists() || root.join(&beside).exists() {
                    let is_whole =
                        root.join(span).is_dir() || span.ends_with(".json") || span.ends_with(".c");
                    file = if root.join(span).exists() { PathBuf::from(span) } else { beside };
                    tests += usize::from(is_whole);
                } else {
                    let text = std::fs::read_to_string(root.join(&file)).unwrap();
                    assert!(has_test(&text, span), "{} has no test {span}", file.display());
                    tests += 1;
                }
            }
        }
        assert!(count >= least && tests >= count, "{heading}: {count} rows, {tests} tests");
    }
}

#[test]
fn every_fault_that_the_page_of_the_intake_lists_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/INTAKE.md")).unwrap();
    let (_, list) = page.split_once("## What is known to go wrong").unwrap();
    let (list, _) = list.split_once("## Deployment").unwrap();
    let names: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    let mut sources = Vec::new();
    files(&root.join("core/src"), &["rs"], &mut sources);
    files(&root.join("cli/tests"), &["rs"], &mut sources);
    let all: String = sources.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let missing: Vec<_> =
        names.iter().filter(|name| !all.contains(&format!("#[test]\nfn {name}()"))).collect();
    assert!(names.len() > 20 && missing.is_empty(), "{missing:?}");
}

/// The unit of the page of the intake, as systemd reads it where there is one; and with a pause between its starts that keeps
/// them below the five in ten seconds after which systemd gives a service up (`DefaultStartLimitBurst=`).
#[test]
fn the_unit_of_the_page_of_the_intake_is_one_that_goes_on_starting() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/INTAKE.md")).unwrap();
    let (_, unit) = page.split_once("```ini\n").unwrap();
    let (unit, _) = unit.split_once("```").unwrap();
    let says = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    assert_eq!(says("Restart"), Some("always"));
    let pause: u64 = says("RestartSec").expect("a pause").parse().unwrap();
    assert!(pause * 5 > 10);
    // What it comes after it must also ask for.
    assert_eq!(says("Wants"), says("After"));
    let folder = std::env::temp_dir().join(format!("sinkwell-unit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("sinkwell-intake.service");
    // A program that is there.
    std::fs::write(&file, unit.replace("/usr/local/bin/sinkwell", "/bin/sh")).unwrap();
    if let Ok(verified) = std::process::Command::new("systemd-analyze").arg("verify").arg(&file).output() {
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success() && !said.contains("sinkwell-intake"), "{said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
