//! Who sends: the OTLP `Resource`.
//!
//! Guarantees: what a name means comes from the first of these that says it: the document's `resource`,
//! `OTEL_SERVICE_NAME` (for `service.name`), `OTEL_RESOURCE_ATTRIBUTES`, what is found out about host and
//! process. Command lines and environments are never sent: they hold secrets.

use crate::error::Result;

use super::env::{Env, parse_list};
use super::semconv::Names;
use super::value::{Scalar, put_pair};
use super::wire::len_tag;

/// `Resource.attributes`
const ATTRIBUTES: u8 = len_tag(1);

/// The attributes, in the order in which they were first named; names are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resource(Vec<(String, Value)>);

/// A value of a resource attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    Int(i64),
}

/// What can be found out about the process and its host.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The host's name.
    pub host_name: Option<String>,
    /// The process id.
    pub pid: u32,
    /// The path of the program.
    pub executable: Option<String>,
}

impl Facts {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let uname = rustix::system::uname();
        Self {
            host_name: uname.nodename().to_str().ok().filter(|name| !name.is_empty()).map(str::to_owned),
            pid: std::process::id(),
            executable: crate::seam::executable().and_then(|path| path.to_str().map(str::to_owned)),
        }
    }
}

impl Resource {
    /// Puts the attributes together.
    ///
    /// # Errors
    /// `OTEL_RESOURCE_ATTRIBUTES` is not a list of `key=value`.
    pub(super) fn resolve(document: &[(String, String)], env: &Env<'_>, facts: &Facts) -> Result<Self> {
        let names = Names::get();
        let mut resource = Self(Vec::new());
        for (key, value) in document {
            resource.fill(key, Value::Text(value.clone()));
        }
        if let Some(service) = env.get("OTEL_SERVICE_NAME") {
            resource.fill(&names.service_name, Value::Text(service));
        }
        if let Some(list) = env.get("OTEL_RESOURCE_ATTRIBUTES") {
            for (key, value) in parse_list(&list).map_err(|e| e.at("OTEL_RESOURCE_ATTRIBUTES"))? {
                resource.fill(&key, Value::Text(value));
            }
        }
        let program = facts.executable.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path));
        let unknown = program.map_or_else(|| "unknown_service".into(), |p| format!("unknown_service:{p}"));
        let mut fill = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                resource.fill(key, Value::Text(value.to_owned()));
            }
        };
        fill(&names.service_name, Some(&unknown));
        fill(&names.sdk_name, Some("sinkwell"));
        fill(&names.sdk_language, Some("rust"));
        fill(&names.sdk_version, Some(env!("CARGO_PKG_VERSION")));
        fill(&names.host_name, facts.host_name.as_deref());
        fill(&names.host_arch, Some(host_arch(std::env::consts::ARCH)));
        fill(&names.os_type, Some(os_type(std::env::consts::OS)));
        fill(&names.process_executable_name, program);
        fill(&names.process_executable_path, facts.executable.as_deref());
        resource.fill(&names.process_pid, Value::Int(i64::from(facts.pid)));
        Ok(resource)
    }

    fn fill(&mut self, key: &str, value: Value) {
        if !self.0.iter().any(|(known, _)| known == key) {
            self.0.push((key.to_owned(), value));
        }
    }

    /// The `Resource` message.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in &self.0 {
            let value = match value {
                Value::Text(text) => Scalar::String(text.as_bytes()),
                Value::Int(int) => Scalar::Int(*int),
            };
            put_pair(&mut out, ATTRIBUTES, key.as_bytes(), value);
        }
        out
    }
}

/// The convention's name of an architecture.
fn host_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// The convention's name of an operating system.
fn os_type(os: &str) -> &str {
    match os {
        "macos" => "darwin",
        other => other,
    }
}
