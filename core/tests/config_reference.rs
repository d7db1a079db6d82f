//! `docs/CONFIG.md` and `schemas/config` say what the reader knows. `SINKWELL_BLESS=1` writes them anew.

use std::path::Path;

use sinkwell::config::reference;
use sinkwell::json::parse;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn held(path: &str, made: &str) {
    let path = root().join(path);
    if std::env::var_os("SINKWELL_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "{} is not what the keys say; run this test with SINKWELL_BLESS=1", path.display());
}

#[test]
fn the_tables_of_the_documentation_are_those_of_the_keys() {
    let mut text = std::fs::read_to_string(root().join("docs/CONFIG.md")).unwrap();
    for (name, table) in reference::parts() {
        let begin = format!("<!-- generated: {name} -->\n");
        let from = text.find(&begin).unwrap_or_else(|| panic!("no place for `{name}`")) + begin.len();
        let to = from + text[from..].find("<!-- end -->").unwrap();
        text.replace_range(from..to, &table);
    }
    held("docs/CONFIG.md", &text);
}

#[test]
fn the_schema_is_that_of_the_keys() {
    let schema = parse(reference::json_schema().as_bytes()).unwrap();
    held("schemas/config/1.0/config.schema.json", &format!("{}\n", schema.to_json()));
}
