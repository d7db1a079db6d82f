//! The names that OpenTelemetry's semantic conventions give to things, from one versioned data file.
//!
//! Guarantees: `semconv.json` is the only place where a conventional name of an attribute stands, but for those that the
//! conventions' instruments have (`policy/telemetry/document/instruments.json`); a version is taken over by changing that
//! file. Its `data` section lists names that hosts use in `data`; they are sent as they are.

use std::sync::LazyLock;

use crate::json::{Value, parse};

/// The file, read.
#[derive(Debug)]
pub(super) struct Names {
    /// Says which version the names are of, in every request.
    pub(super) schema_url: String,
    pub(super) event_id: String,
    pub(super) event_source: String,
    pub(super) event_spec_version: String,
    pub(super) event_subject: String,
    pub(super) event_type: String,
    pub(super) service_name: String,
    pub(super) sdk_name: String,
    pub(super) sdk_language: String,
    pub(super) sdk_version: String,
    pub(super) host_name: String,
    pub(super) host_arch: String,
    pub(super) os_type: String,
    pub(super) process_pid: String,
    pub(super) process_executable_name: String,
    pub(super) process_executable_path: String,
    pub(super) input_messages: String,
    pub(super) output_messages: String,
    pub(super) system_instructions: String,
    pub(super) tool_arguments: String,
    pub(super) tool_result: String,
    /// Names known in `data`.
    #[cfg(test)]
    pub(super) data: Vec<String>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    // The file is part of the program: that it is right is a test's business, not a caller's.
    let file = parse(include_bytes!("semconv.json")).unwrap_or(Value::Null);
    let name = |section: &str, key: &str| {
        let found = file.get(section).and_then(|section| section.get(key)).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    Names {
        schema_url: file.get("schema_url").and_then(Value::as_str).unwrap_or_default().to_owned(),
        event_id: name("cloudevents", "id"),
        event_source: name("cloudevents", "source"),
        event_spec_version: name("cloudevents", "specversion"),
        event_subject: name("cloudevents", "subject"),
        event_type: name("cloudevents", "type"),
        service_name: name("resource", "service_name"),
        sdk_name: name("resource", "sdk_name"),
        sdk_language: name("resource", "sdk_language"),
        sdk_version: name("resource", "sdk_version"),
        host_name: name("resource", "host_name"),
        host_arch: name("resource", "host_arch"),
        os_type: name("resource", "os_type"),
        process_pid: name("resource", "process_pid"),
        process_executable_name: name("resource", "process_executable_name"),
        process_executable_path: name("resource", "process_executable_path"),
        input_messages: name("content", "input_messages"),
        output_messages: name("content", "output_messages"),
        system_instructions: name("content", "system_instructions"),
        tool_arguments: name("content", "tool_arguments"),
        tool_result: name("content", "tool_result"),
        #[cfg(test)]
        data: data_names(&file),
    }
});

#[cfg(test)]
fn data_names(file: &Value) -> Vec<String> {
    let groups = file.get("data").map(Value::members).unwrap_or_default();
    groups.iter().flat_map(|(_, list)| list.items()).filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Names {
    /// The names of the version this build knows.
    pub(super) fn get() -> &'static Self {
        &NAMES
    }

    /// What an envelope's own attribute is called as an attribute of a record; `None` for one that this
    /// version does not know.
    pub(super) fn envelope(&self, key: &[u8]) -> Option<&[u8]> {
        Some(match key {
            b"id" => self.event_id.as_bytes(),
            b"source" => self.event_source.as_bytes(),
            b"specversion" => self.event_spec_version.as_bytes(),
            b"subject" => self.event_subject.as_bytes(),
            b"type" => self.event_type.as_bytes(),
            b"agentid" => b"sinkwell.agentid",
            b"sequence" => b"sinkwell.sequence",
            b"streamid" => b"sinkwell.streamid",
            b"prevhash" => b"sinkwell.prevhash",
            b"signature" => b"sinkwell.signature",
            b"keyid" => b"sinkwell.keyid",
            b"sigalg" => b"sinkwell.sigalg",
            b"runid" => b"sinkwell.runid",
            b"dataschema" => b"sinkwell.dataschema",
            b"datacontenttype" => b"sinkwell.datacontenttype",
            _ => return None,
        })
    }
}
