//! TelemetryPolicy: what is sent where, how much of it, and with which fields (docs/POLICY.md).
//!
//! Guarantees: a policy fails open: a document that is not understood is inert and says so in its status, an expression
//! that fails keeps the event. No policy thins or shapes a lane of the class `audit` or `siem`, a terminal event, an own
//! envelope or content ([`crate::lane::Shaping`] sees none of them). The order of documents changes nothing. A set is
//! put in force as a whole; an event is shaped by the set that routed it.
//!
//! How: [`document`] reads, [`foreign`] puts documents of other projects into our form before, [`cel`] compiles what rules say, [`set`] binds policies to lanes by precedence and runs
//! them, [`facts`] finds what the rules ask for in one pass over the event's data, [`sampling`] decides, [`view`] adds
//! and drops members, [`measure`] adds to [`instruments`], [`status`] says what became of each document.

mod cel;
mod checked;
mod document;
mod explain;
mod facts;
mod foreign;
mod instruments;
mod measure;
mod raw;
mod recordings;
mod sampling;
mod set;
mod status;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use explain::warnings;
pub use explain::{Checked, check, explain};
pub(crate) use instruments::{Instrument, Provider, Registry, escape_label};
pub(crate) use recordings::Recording;
pub(crate) use set::{Bound, Loaded, Meters, Place, Scene, bind};
pub(crate) use status::status_json;

use std::sync::Arc;

use crate::config::TelemetrySource;
use crate::seam::Env;

use document::Issue;

/// A document as it was found, before it is read.
struct Given {
    source: String,
    /// Its place in its source.
    at: usize,
    node: Result<crate::document::tree::Node, Issue>,
}

/// Reads every document of a configuration. What is bad now and was good in `previous` stays in force as it was.
pub(crate) fn load(sources: &[TelemetrySource], env: &dyn Env, previous: Option<&Loaded>) -> Arc<Loaded> {
    let mut given = Vec::new();
    for source in sources {
        match source {
            TelemetrySource::Inline { place, document } => {
                given.push(Given { source: place.clone(), at: 0, node: Ok(document.0.clone()) });
            }
            TelemetrySource::File(path) => {
                let name = path.display().to_string();
                match read_file(path, &name, env) {
                    Err(issue) => given.push(Given { source: name, at: 0, node: Err(issue) }),
                    Ok(text) => given.extend(document::split(&text).iter().enumerate().map(|(at, text)| {
                        Given { source: name.clone(), at, node: document::tree(text, &name) }
                    })),
                }
            }
        }
    }
    Arc::new(Loaded::new(given, previous))
}

fn read_file(path: &std::path::Path, name: &str, env: &dyn Env) -> Result<String, Issue> {
    let issue = |message: String| Issue { field: String::new(), message: format!("{name}: {message}") };
    let bytes = env.read(path).map_err(|e| issue(format!("the file cannot be read: {e}")))?;
    if bytes.len() > document::MAX_FILE {
        return Err(issue(format!("{} bytes; the most is {}", bytes.len(), document::MAX_FILE)));
    }
    String::from_utf8(bytes)
        .map_err(|e| issue(format!("the file is not UTF-8 from byte {} on", e.utf8_error().valid_up_to())))
}
