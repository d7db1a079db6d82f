//! What each way of signing costs: candidates of `signing`, called `signing SINK KEY MODE AGENTS`.
//!
//! With `batch` one envelope a batch and stream is signed, so that what it saves shrinks with the number of agents that take
//! turns: each has a stream of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use sinkwell::json::ObjectWriter;
use sinkwell::key::HostSigner;
use sinkwell::{Emitter, Options};

use crate::Failure;
use crate::candidates::{self, document};
use crate::isolation::{AGENTS, emit};
use crate::measure::{Figures, Load, run};

/// A key service: every call takes as long, however many messages it is given.
struct Far(SigningKey);

impl HostSigner for Far {
    fn sign(&self, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        std::thread::sleep(Duration::from_millis(50));
        Ok(messages.iter().map(|message| self.0.sign(message).to_bytes().to_vec()).collect())
    }
}

pub(crate) fn measure(candidate: &str, load: Load, port: u16, dir: &Path) -> Result<Figures, Failure> {
    let words: Vec<&str> = candidate.split(' ').collect();
    let [sink, key, mode, agents] = words.as_slice() else {
        return Err(format!("no candidate is called signing {candidate}").into());
    };
    let lane = match *sink {
        // A key service that is slow holds callers up rather than losing anything.
        "otlp" if *key == "host" => candidates::otlp(port, r#","overflow":"block""#)
            .replace(r#""linger":"200ms""#, r#""linger":"200ms","events":2048,"bytes":"4MiB""#),
        "otlp" => candidates::otlp(port, ""),
        _ => {
            let file = dir.join("peer.ndjson");
            format!(r#"{{"id":"file","batch":{{"linger":"200ms"}},"sink":{{"file":{{"path":{file:?}}}}}}}"#)
        }
    };
    let key = if *mode == "batch" { format!("{key}-batch") } else { (*key).to_owned() };
    let text = document(&lane, &key).replacen(r#""id":"urn:example:agent""#, AGENTS, 1);
    let config = candidates::config(&text)?;
    let signer: Arc<dyn HostSigner> = Arc::new(Far(SigningKey::from_bytes(&[7; 32])));
    let signer = key.starts_with("host").then_some(signer);
    let emitter = Emitter::open(Options { signer, ..Options::new(config) })?;
    let agents: Vec<String> = (0..agents.parse::<u32>()?).map(|i| format!("urn:example:agent:{i}")).collect();
    let mut turn = agents.iter().cycle();
    let (mut writer, mut refused) = (ObjectWriter::new(), 0_u64);
    let mut figures = run(
        load,
        |n| {
            let agent = turn.next().map(String::as_str);
            refused += u64::from(emit(&emitter, &mut writer, n, agent).is_err());
        },
        || {
            emitter.shutdown(Duration::from_secs(60));
            candidates::balance(&emitter)
        },
    );
    figures.put("refused", refused as f64);
    Ok(figures)
}
