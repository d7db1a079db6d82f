//! The verifier: what a file of envelopes proves, and what is wrong with it (docs/spec/envelope.md).
//!
//! Guarantees: one pass over the input, in any order of streams; at most 16 bytes per envelope, plus a fixed
//! amount per stream and per open gap, some 100 bytes for each intent of a deed whose result was not read yet, and 64 MiB for what waits for a signature; never panics, whatever the input.
//! An envelope is good when a signature covers it: its own, or a later one from which the chain leads back to it. An
//! envelope that is not covered is not believed about losses, closing, checkpoints or keys. It does fill the sequence
//! number that it claims, so that its neighbours are not reported with it: one changed field is one finding. Only
//! sinkwell's own envelopes (`origin: core`) declare a loss; nothing that a host emitted can cover one up.
//!
//! How: [`input`] cuts lines, [`crate::envelope::line`] reads one, [`trust`] checks it by itself, [`stream`] puts it
//! into the chain of its stream ([`chain`]), [`own`] and [`claims`] hold what sinkwell says about its streams, and
//! [`finish`] judges. `docs/spec/envelope.md` says the same without code. [`graph`] shows, from the covered envelopes,
//! who did what and by whose permission.

mod authz;
mod beside;
mod chain;
mod claims;
mod compare;
mod coverage;
mod deeds;
mod disclosure;
mod edges;
mod findings;
mod finish;
mod graph;
mod input;
mod options;
mod own;
mod place;
mod ranges;
#[cfg(feature = "serde")]
mod read;
mod report;
mod short;
mod stream;
mod text;
mod trust;
mod verifier;

#[cfg(test)]
mod tests;

pub use compare::{
    CompareOptions, Comparison, Counts, Difference, DifferenceKind, Only, Pair, Spot, compare,
};
pub use coverage::{CoverageReport, Watched};
pub use deeds::{DeedsReport, UnfinishedDeed};
pub use graph::{Graph, GraphFilter, GraphFinding, GraphFindingKind};
pub use input::inputs;
pub use options::{Options, TrustedKey};
pub use report::{Finding, FindingKind, Point, Report, StreamReport, Verdict};
pub use verifier::Verifier;

use crate::envelope::line::{Line, Reader};

/// Checks one envelope by itself: form, signature, disclosures. Its place in a stream is not checked.
/// Returns `Sound`, or `Unchecked` when no key is given, with an empty list; else `Findings` and what
/// is wrong. Bytes that are not in canonical form are no fault here.
#[must_use]
pub fn verify_envelope(bytes: &[u8], keys: &[TrustedKey]) -> (Verdict, Vec<Finding>) {
    let finding = |kind, sequence, note: &str| {
        let finding =
            Finding { kind, from: sequence, to: sequence, place: None, note: note.to_owned(), more: 0 };
        (Verdict::Findings, vec![finding])
    };
    let mut reader = Reader::default();
    let envelope = match reader.read(bytes.trim_ascii()) {
        Line::Envelope(envelope) => envelope,
        Line::Stub(_) | Line::BadStub { .. } => {
            return finding(FindingKind::Malformed, None, "a stub, no envelope");
        }
        Line::Other { note, .. } => return finding(FindingKind::Malformed, None, &note),
    };
    let unsigned =
        "no signature of its own; a later one in its stream may cover it: verify it with those that follow";
    let fault = trust::schema(&envelope).or_else(|| {
        match trust::signature(&envelope.seal, &envelope.hash(), Some(&envelope.agentid), keys) {
            trust::Standing::Good(_) => match &envelope.form {
                Some(form) => Some((FindingKind::Malformed, form.clone().into())),
                None => trust::disclosures(&envelope),
            },
            trust::Standing::Unsigned => Some((FindingKind::Unsigned, unsigned.into())),
            trust::Standing::Wrong(fault) => Some(fault),
        }
    });
    match fault {
        Some((kind, note)) => finding(kind, Some(envelope.sequence), &note),
        None if keys.is_empty() => (Verdict::Unchecked, Vec::new()),
        None => (Verdict::Sound, Vec::new()),
    }
}
