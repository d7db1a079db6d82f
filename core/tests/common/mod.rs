//! Reads the data files under `tests/vectors/`.

use std::path::Path;

use sinkwell::json::{Value, parse};

/// A case: one JSON file, which has a `name`.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// All cases of a folder; none at all fails.
pub(crate) fn cases(folder: &str) -> impl Iterator<Item = Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}: no cases", folder.display());
    files.into_iter().map(|path| {
        let text = std::fs::read(&path).unwrap();
        let value = parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let name = value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let stem = path.file_stem().unwrap().to_string_lossy();
        assert_eq!(name, stem, "a case is named like its file");
        Case { name, value }
    })
}

impl Case {
    /// Fails if `object` has a member that is not in `known`.
    pub(crate) fn only(&self, object: &Value, known: &[&str]) {
        for (key, _) in object.members() {
            assert!(known.contains(&key.as_str()), "{}: unknown field {key:?}", self.name);
        }
    }

    /// A member that must be there.
    pub(crate) fn member<'a>(&self, object: &'a Value, key: &str) -> &'a Value {
        object.get(key).unwrap_or_else(|| panic!("{}: no field {key:?}", self.name))
    }

    /// A member that must be a string.
    pub(crate) fn text<'a>(&self, object: &'a Value, key: &str) -> &'a str {
        self.member(object, key).as_str().unwrap_or_else(|| panic!("{}: {key:?} is no string", self.name))
    }
}
