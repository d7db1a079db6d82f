//! The committed header and C# imports are those of the sources, and both name what the sources export.
//!
//! `bindings-c/gen.sh` runs this with `SINKWELL_GEN=1`, which writes the files instead. What the built library
//! exports is compared with the header in `run.sh`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The modules that export, in the order of `lib.rs`.
fn sources() -> Vec<PathBuf> {
    let lib = std::fs::read_to_string(here().join("src/lib.rs")).unwrap();
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let files: Vec<_> = modules.map(|module| here().join(format!("src/{module}.rs"))).collect();
    assert!(files.len() > 5, "lib.rs names its modules by `pub mod`");
    files
}

fn header() -> String {
    let config = cbindgen::Config::from_file(here().join("cbindgen.toml")).unwrap();
    let builder = sources().into_iter().fold(cbindgen::Builder::new(), cbindgen::Builder::with_src);
    let mut out = Vec::new();
    builder.with_config(config).generate().unwrap().write(&mut out);
    String::from_utf8(out).unwrap()
}

fn imports() -> String {
    let builder =
        sources().into_iter().fold(csbindgen::Builder::default(), csbindgen::Builder::input_extern_file);
    let out = std::env::temp_dir().join(format!("sinkwell-imports-{}.cs", std::process::id()));
    builder
        .csharp_namespace("Sinkwell.Interop")
        .csharp_class_name("NativeMethods")
        .csharp_dll_name("sinkwell")
        .csharp_class_accessibility("internal")
        .csharp_use_function_pointer(true)
        .generate_csharp_file(&out)
        .unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    // The generator ends lines as it likes.
    let mut text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn hold(path: &str, generated: &str) {
    let path = here().join(path);
    if std::env::var_os("SINKWELL_GEN").is_some() {
        std::fs::write(&path, generated).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "{} is not that of the sources: run bindings-c/gen.sh", path.display());
}

#[test]
fn the_header_is_that_of_the_sources() {
    hold("include/sinkwell.h", &header());
}

#[test]
fn the_csharp_imports_are_those_of_the_sources() {
    hold("csharp/NativeMethods.g.cs", &imports());
}

/// The names after `before` that begin with `sinkwell_`.
fn names(text: &str, before: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in text.split(before).skip(1) {
        let name: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if name.starts_with("sinkwell_") {
            found.insert(name);
        }
    }
    found
}

#[test]
fn header_and_imports_have_every_export() {
    let sources: String = sources().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let exported = names(&sources, "extern \"C\" fn ");
    assert!(exported.len() > 20, "{exported:?}");
    assert_eq!(sources.matches("#[unsafe(no_mangle)]").count(), exported.len());
    let header: BTreeSet<_> = names(&header(), "\n").into_iter().chain(names(&header(), " ")).collect();
    let header: BTreeSet<_> = header.intersection(&exported).cloned().collect();
    assert_eq!(header, exported, "the header leaves some out");
    assert_eq!(names(&imports(), "EntryPoint = \""), exported, "the C# imports leave some out");
}

#[test]
fn each_export_documents_ownership_and_safety() {
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut docs = Vec::new();
        for line in text.lines() {
            if let Some(doc) = line.strip_prefix("///") {
                docs.push(doc.trim());
            } else if line.starts_with("pub unsafe extern \"C\" fn")
                || line.starts_with("pub extern \"C\" fn")
            {
                let unsafe_ = line.starts_with("pub unsafe");
                assert!(docs.contains(&"# Ownership"), "{}: {line}", path.display());
                assert!(!unsafe_ || docs.contains(&"# Safety"), "{}: {line}", path.display());
            } else if !line.starts_with("#[") {
                docs.clear();
            }
        }
    }
}
