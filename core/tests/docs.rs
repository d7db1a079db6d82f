//! docs/CONFIG.md names every key that the loader knows, and none that it does not; what docs/END-TO-END.md says
//! is shown by tests that are there.

use std::collections::BTreeSet;
use std::path::Path;

/// The strings of every list that begins with `start`.
fn listed(text: &str, start: &str) -> BTreeSet<String> {
    let lists = text.split(start).skip(1).map(|rest| &rest[..rest.find(']').unwrap()]);
    let quoted = |list: &str| list.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    lists.flat_map(quoted).collect()
}

#[test]
fn every_key_is_documented_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    for entry in std::fs::read_dir(root.join("src/config")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text: String = std::fs::read_to_string(&path).unwrap().split_whitespace().collect();
            for start in ["table(&[", "table_with_hint(&[", "KEYS:[&str;17]=[", "KEYS:[&str;16]=["] {
                known.extend(listed(&text, start));
            }
        }
    }
    assert!(known.len() > 60, "{known:?}");
    let page = std::fs::read_to_string(root.join("../docs/CONFIG.md")).unwrap();
    let spans: BTreeSet<&str> = page.split('`').skip(1).step_by(2).collect();
    let words: BTreeSet<&str> =
        spans.iter().flat_map(|span| span.split(|c: char| !(c.is_alphanumeric() || c == '_'))).collect();
    let missing: Vec<_> = known.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "docs/CONFIG.md does not name {missing:?}");
    // The first column of the tables of keys: dotted paths of known keys, or sinks.
    let sinks = ["stdout", "stderr", "console", "file", "otlp", "audit_chain", "host", "memory", "null"];
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cell = row.split('|').nth(1).unwrap();
        for key in cell.split('`').skip(1).step_by(2).flat_map(|path| path.split('.')) {
            assert!(
                known.contains(key) || sinks.contains(&key),
                "docs/CONFIG.md names {key}, which is no key"
            );
        }
    }
}

#[test]
fn every_failure_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/END-TO-END.md")).unwrap();
    let table = page.split("| shown by |").nth(1).unwrap().split("\n\n").next().unwrap();
    let (mut rows, mut tests) = (0, 0);
    for row in table.lines().skip(2) {
        let shown = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap();
        rows += 1;
        let spans: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!spans.is_empty(), "{row}: no test is named");
        // A file and tests of it; tests of end_to_end.rs; or a folder that is a test as a whole.
        let mut file = "core/tests/end_to_end.rs";
        for span in spans {
            if span.contains('/') {
                assert!(root.join(span).exists(), "{span} is not there");
                (file, tests) = (span, tests + usize::from(root.join(span).is_dir()));
                continue;
            }
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            let named = text.contains(&format!("fn {span}(")) || text.contains(&format!("def {span}("));
            assert!(named, "{file} has no test {span}");
            tests += 1;
        }
    }
    assert!(rows >= 12 && tests >= rows, "{rows} rows, {tests} tests");
}
