//! What a receiver refused for good, kept for a person (events.md, "dead-letter file").

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::envelope::push_sequence;
use crate::json::{Value, parse};
use crate::lane::Reason;
use crate::seam::{UnixNanos, append_file, format_time};
use crate::sink::Envelope;

/// `DIR/LANE.dead.ndjson` and `DIR/LANE.reasons.ndjson`, 0600, made when first needed.
pub(crate) struct DeadLetters {
    dead: PathBuf,
    reasons: PathBuf,
}

impl DeadLetters {
    pub(crate) fn new(dir: &Path, lane: &str) -> Self {
        // A lane's id may hold characters that a file name may not.
        let safe: String = lane
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' })
            .collect();
        Self {
            dead: dir.join(format!("{safe}.dead.ndjson")),
            reasons: dir.join(format!("{safe}.reasons.ndjson")),
        }
    }

    /// Appends the envelope as it was sealed, without disclosures, and why it is here.
    ///
    /// # Errors
    /// As the operating system says; the loss is declared all the same.
    pub(crate) fn append(&mut self, envelope: &Envelope, reason: Reason, at: UnixNanos) -> io::Result<()> {
        let mut line = without_disclosures(&envelope.bytes);
        line.push(b'\n');
        let mut why = b"{\"at\":\"".to_vec();
        format_time(&mut why, at);
        write!(why, "\",\"reason\":\"{}\",\"sequence\":\"", reason.name())?;
        push_sequence(&mut why, envelope.sequence);
        writeln!(why, "\",\"streamid\":\"{}\"}}", envelope.streamid)?;
        append_file(&self.dead)?.write_all(&line)?;
        append_file(&self.reasons)?.write_all(&why)
    }
}

/// The line without `data.disclosures`: the same signing input and signature.
fn without_disclosures(line: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"\"disclosures\":";
    if !line.windows(NAME.len()).any(|window| window == NAME) {
        return line.to_vec();
    }
    let Ok(Value::Object(mut members)) = parse(line) else { return line.to_vec() };
    for (key, value) in &mut members {
        if key == "data"
            && let Value::Object(data) = value
        {
            data.retain(|(key, _)| key != "disclosures");
        }
    }
    Value::Object(members).to_canonical().unwrap_or_else(|_| line.to_vec())
}
