//! Which members differ between two forms of one event.

use std::collections::BTreeMap;

use super::report::{DifferenceKind, Pair, Spot, shown};
use super::side::Event;
use crate::envelope::line::{Envelope, Line, Reader};
use crate::json::{Value, parse};
use crate::verify::short::Short;

/// The members that the event digest leaves out.
const APART: [&str; 7] = ["keyid", "prevhash", "recordedtime", "sequence", "sigalg", "signature", "streamid"];

/// Most members that are named, and most bytes of a name.
const MOST_MEMBERS: usize = 16;
const MOST_NAME: usize = 128;

/// The short hash of an event without the members in which lanes may differ: `data.view`, `summary` and `ref` of
/// content, and how a lane sampled.
pub(super) fn core(envelope: &Envelope<'_>, short: &Short) -> u64 {
    let mut all = event_of(envelope);
    if let Value::Object(members) = &mut all
        && let Some((_, Value::Object(data))) = members.iter_mut().find(|(key, _)| key == "data")
    {
        data.retain(|(key, _)| key != "view" && !key.starts_with("sampling."));
        if let Some((_, Value::Array(parts))) = data.iter_mut().find(|(key, _)| key == "content") {
            for part in parts {
                if let Value::Object(part) = part {
                    part.retain(|(key, _)| key != "summary" && key != "ref");
                }
            }
        }
    }
    short.of_bytes(&all.to_canonical().unwrap_or_default())
}

/// The members that the digest covers.
fn event_of(envelope: &Envelope<'_>) -> Value {
    let mut all = parse(envelope.text()).unwrap_or(Value::Null);
    if let Value::Object(members) = &mut all {
        members.retain(|(key, _)| !APART.contains(&key.as_str()));
        if let Some((_, Value::Object(data))) = members.iter_mut().find(|(key, _)| key == "data") {
            data.retain(|(key, _)| key != "disclosures");
        }
    }
    all
}

/// For how many differences of each kind members are named, and how many bytes may be kept for that.
const MOST: usize = super::report::KEPT;
const MOST_BYTES: usize = 64 << 20;

/// Keeps the first side's forms of the events that differ, until the second side is read.
#[derive(Default)]
pub(super) struct Keeper {
    kept: BTreeMap<u64, Kept>,
    by_view: usize,
    differing: usize,
    bytes: usize,
}

struct Kept {
    by_view: bool,
    spot: Spot,
    text: Box<[u8]>,
    reported: bool,
}

impl Keeper {
    pub(super) fn keep(&mut self, id: u64, by_view: bool, event: &Event<'_, '_>) {
        let count = if by_view { &mut self.by_view } else { &mut self.differing };
        let text = event.envelope.text();
        if *count >= MOST || self.bytes + text.len() > MOST_BYTES || self.kept.contains_key(&id) {
            return;
        }
        *count += 1;
        self.bytes += text.len();
        let kept = Kept { by_view, spot: Spot::of(event), text: text.into(), reported: false };
        self.kept.insert(id, kept);
    }

    pub(super) fn meet(&mut self, id: u64, event: &Event<'_, '_>, pair: &mut Pair) {
        let Some(kept) = self.kept.get_mut(&id).filter(|kept| !kept.reported) else { return };
        kept.reported = true;
        let mut reader = Reader::default();
        let before = match reader.read(&kept.text) {
            Line::Envelope(envelope) => event_of(&envelope),
            _ => Value::Null,
        };
        let mut members = Members::default();
        members.walk(&before, &event_of(event.envelope), "");
        let kind = if kept.by_view { DifferenceKind::ViewDiffers } else { DifferenceKind::Differs };
        pair.differs(kind, event, kept.spot.clone(), Spot::of(event), members.names);
    }
}

/// The paths of members that differ; `…` stands for those beyond the limit.
#[derive(Default)]
pub(super) struct Members {
    pub(super) names: Vec<String>,
}

impl Members {
    pub(super) fn walk(&mut self, a: &Value, b: &Value, path: &str) {
        if a == b || self.names.len() > MOST_MEMBERS {
            return;
        }
        match (a, b) {
            (Value::Object(of_a), Value::Object(of_b)) => {
                let join = |key: &str| {
                    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
                };
                for (key, value) in of_a {
                    match b.get(key) {
                        Some(other) => self.walk(value, other, &join(key)),
                        None => self.name(&join(key)),
                    }
                }
                for (key, _) in of_b.iter().filter(|(key, _)| a.get(key).is_none()) {
                    self.name(&join(key));
                }
            }
            (Value::Array(of_a), Value::Array(of_b)) if of_a.len() == of_b.len() => {
                for (index, (a, b)) in of_a.iter().zip(of_b).enumerate() {
                    self.walk(a, b, &format!("{path}[{index}]"));
                }
            }
            _ => self.name(path),
        }
    }

    fn name(&mut self, path: &str) {
        match self.names.len().cmp(&MOST_MEMBERS) {
            std::cmp::Ordering::Less => self.names.push(shown(path, MOST_NAME)),
            std::cmp::Ordering::Equal => self.names.push("…".into()),
            std::cmp::Ordering::Greater => {}
        }
    }
}
