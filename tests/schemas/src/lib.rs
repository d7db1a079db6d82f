//! The published JSON Schemas under a real validator, for tests.
//!
//! A crate of its own, so that whoever tests the core need not build a validator.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jsonschema::{Draft, Registry, Validator};
use serde_json::Value;

/// What every `$id` begins with; the envelope's own `$id` is exactly this.
pub const BASE: &str = "https://sinkwell.dev/schemas/governance-event/1.0";

/// The schemas of `schemas/governance-event/1.0/`, by the name of their file without `.json`.
#[derive(Debug)]
pub struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// Reads all of them.
    ///
    /// # Panics
    /// One cannot be read, or there is none.
    #[must_use]
    pub fn load() -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/governance-event/1.0");
        let mut schemas = BTreeMap::new();
        for entry in std::fs::read_dir(&folder).expect("the schemas' folder") {
            let path = entry.expect("a file of the schemas' folder").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read(&path).expect("a readable schema");
            let schema = serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            schemas.insert(name, schema);
        }
        assert!(!schemas.is_empty(), "no schema in {}", folder.display());
        Self(schemas)
    }

    /// Every schema with its name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, schema)| (name.as_str(), schema))
    }

    /// The schema of this name.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("no schema {name}"))
    }

    /// A validator for the schema of this name; references between the schemas resolve, others do not.
    ///
    /// # Panics
    /// The schema is none.
    #[must_use]
    pub fn validator(&self, name: &str) -> Validator {
        let mut registry = Registry::new();
        for schema in self.0.values() {
            let id = schema["$id"].as_str().expect("an $id");
            registry = registry.add(id, schema).expect("an $id that is a URI");
        }
        let registry = registry.prepare().expect("references that resolve");
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_registry(&registry)
            .build(self.get(name))
            .unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}
