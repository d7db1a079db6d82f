//! What docs/END-TO-END.md says is shown by tests that are there, and no page links to one that is not. (The keys of
//! docs/CONFIG.md: config_reference.rs.)

use std::path::{Path, PathBuf};

/// Every Markdown page of the project, without what is built or installed.
fn pages(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "node_modules", ".git", "dist", "bin", "obj", ".venv"].contains(&name.as_str()) {
                pages(&path, out);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            out.push(path);
        }
    }
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = Vec::new();
    pages(&root, &mut all);
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
