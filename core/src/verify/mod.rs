//! The verifier: what a file of envelopes proves, and what is wrong with it (envelope.md, "Verification").
//!
//! Guarantees: one pass over the input, in any order of streams; at most 16 bytes per envelope, plus a fixed
//! amount per stream and per open gap; never panics, whatever the input. One changed field is one finding: an
//! envelope that fails its own check takes no part in losses, closing, checkpoints or keys, and fills the
//! sequence that it claims, so that its neighbours are not reported with it. Only sinkwell's own envelopes
//! (`origin: core`) with a good signature declare a loss; nothing that a host emitted covers anything up.
//!
//! How: [`input`] cuts lines, [`envelope`] reads one, [`trust`] checks it by itself, [`stream`] puts it into
//! the chain of its stream ([`runs`]), [`own`] and [`claims`] hold what sinkwell says about its streams, and
//! [`finish`] judges. `docs/FORMAT.md` says the same without code.

mod claims;
mod disclosure;
mod edges;
mod envelope;
mod findings;
mod finish;
mod input;
mod options;
mod own;
mod place;
mod ranges;
mod report;
mod runs;
mod stream;
mod text;
mod trust;
mod verifier;

#[cfg(test)]
mod tests;

pub use options::{Options, TrustedKey, matches_glob};
pub use report::{Finding, FindingKind, Point, Report, StreamReport, Verdict};
pub use verifier::Verifier;

use envelope::{Line, Reader};

/// Checks one envelope by itself: form, signature, disclosures. Its place in a stream is not looked at.
/// The answer is `Sound`, or `Unchecked` when no key is given, with an empty list; else `Findings` and what
/// is wrong. Bytes that are not in canonical form verify alike.
#[must_use]
pub fn verify_envelope(bytes: &[u8], keys: &[TrustedKey]) -> (Verdict, Vec<Finding>) {
    let finding = |kind, sequence, note: &str| {
        let finding = Finding { kind, from: sequence, to: sequence, place: None, note: note.to_owned() };
        (Verdict::Findings, vec![finding])
    };
    let mut reader = Reader::default();
    let envelope = match reader.read(bytes.trim_ascii()) {
        Line::Envelope(envelope) => envelope,
        Line::Stub(_) => return finding(FindingKind::Malformed, None, "a stub, no envelope"),
        Line::Other { note, .. } => return finding(FindingKind::Malformed, None, &note),
    };
    let fault = trust::check(&envelope, keys).err().or_else(|| trust::disclosures(&envelope));
    match fault {
        Some((kind, note)) => finding(kind, Some(envelope.sequence), &note),
        None if keys.is_empty() => (Verdict::Unchecked, Vec::new()),
        None => (Verdict::Sound, Vec::new()),
    }
}
