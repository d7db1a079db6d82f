//! The core's modules import downwards only, in the order that `core/src/lib.rs` lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules in the order of the table in `lib.rs`, the highest first.
fn order(lib: &str) -> Vec<String> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.filter_map(|row| row.split_once('`').map(|(name, _)| name.to_owned())).collect()
}

/// The modules that `lib.rs` declares, but for those of tests.
fn declared(lib: &str) -> BTreeSet<String> {
    let before_tests = lib.split("#[cfg(test)]").next().unwrap_or(lib);
    let words = before_tests.lines().map(|line| line.trim_start_matches("pub ").trim());
    words
        .filter_map(|line| line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')))
        .map(str::to_owned)
        .collect()
}

/// Every source file of the core that is no test, with the module that it belongs to.
fn sources(dir: &Path, module: Option<&str>, found: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "tests" || (module.is_none() && matches!(&*name, "lib" | "testing")) {
            continue;
        }
        let module = module.unwrap_or(&name);
        if path.is_dir() {
            sources(&path, Some(module), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((module.to_owned(), path));
        }
    }
}

/// The modules that a text imports or names by `crate::`, and what stands at the crate's root by its name.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            // Of a list at the root each item counts, by its first word.
            Some(list) => {
                let mut depth = 0;
                let top: String = list
                    .chars()
                    .map_while(|c| {
                        depth += i32::from(c == '{') - i32::from(c == '}');
                        (depth >= 0).then_some(if depth == 0 { c } else { ' ' })
                    })
                    .collect();
                top.split(',').map(str::trim).map(str::to_owned).collect::<Vec<_>>()
            }
            None => vec![rest.to_owned()],
        };
        for name in names {
            let word: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.insert(word);
        }
    }
    found
}

#[test]
fn modules_import_downwards_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    let order = order(&lib);
    assert_eq!(
        order.iter().cloned().collect::<BTreeSet<_>>(),
        declared(&lib),
        "the table in lib.rs and its modules"
    );
    let rung = |module: &str| order.iter().position(|name| name == module);
    let mut files = Vec::new();
    sources(&src, None, &mut files);
    assert!(files.len() > 100, "{} files", files.len());
    let mut upwards = Vec::new();
    for (module, path) in files {
        let from = rung(&module).unwrap_or_else(|| panic!("{module} is in no row of lib.rs"));
        let text = fs::read_to_string(&path).unwrap();
        // Tests within a file may use what they test with.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
        for import in imports(text) {
            match rung(&import) {
                Some(to) if to < from => {
                    upwards.push(format!("{}: {module} imports {import}", path.display()))
                }
                Some(_) => {}
                None => {
                    // The face of the crate is made of its modules; inside, they are named where they are.
                    let known = ["testing", "Error", "ErrorKind", "Result"];
                    if !known.contains(&&*import) {
                        upwards.push(format!(
                            "{}: names crate::{import}, which is in no module",
                            path.display()
                        ));
                    }
                }
            }
        }
    }
    assert!(upwards.is_empty(), "{}", upwards.join("\n"));
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "use crate::lane::Lane;\n// crate::ghost\nuse crate::{seam::{fs, env}, sink};\nfn f() { crate::emitter::x() }";
    let expected = ["emitter", "lane", "seam", "sink"];
    assert_eq!(imports(text), expected.into_iter().map(str::to_owned).collect());
}
