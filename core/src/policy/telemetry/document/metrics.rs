//! Reading `spec.metrics`.

use super::Reader;
use crate::document::tree::{Entry, Node, Value, read_json};
use crate::policy::telemetry::checked::{Checked as _, join};
use crate::policy::telemetry::instruments::{
    BUCKETS, Derived, Kind, Metric, Provider, Taken, prometheus_name,
};

/// Instruments of one policy.
const MAX_METRICS: usize = 64;
/// Dimensions of one instrument.
const MAX_DIMENSIONS: usize = 16;
/// Bytes of an instrument's name, as OpenTelemetry has it.
const MAX_NAME: usize = 255;
/// Buckets of a histogram.
const MAX_BUCKETS: usize = 64;

/// Instruments of the semantic conventions, by version, and what of an event is their value and dimensions.
const CONVENTIONS: &str = include_str!("instruments.json");

/// An instrument of the conventions with what a document says of it: member by member, and dimension by dimension.
fn over(base: &Node, said: &Node) -> Node {
    let (Value::Map(base), Value::Map(own)) = (&base.value, &said.value) else { return said.clone() };
    let mut entries: Vec<Entry> = own.clone();
    for entry in base {
        let held = entries.iter_mut().find(|own| own.key == entry.key);
        match (held, &entry.node.value) {
            (None, _) => entries.push(entry.clone()),
            (Some(held), Value::List(dimensions)) if entry.key == "dimensions" => {
                let Value::List(own) = &mut held.node.value else { continue };
                let key = |node: &Node| match node.get("key").map(|key| &key.value) {
                    Some(Value::Text(key)) => Some(key.text.clone()),
                    _ => None,
                };
                let said: Vec<_> = own.iter().map(key).collect();
                own.extend(dimensions.iter().filter(|dimension| !said.contains(&key(dimension))).cloned());
            }
            (Some(_), _) => {}
        }
    }
    Node { mark: said.mark, value: Value::Map(entries) }
}

impl Reader<'_> {
    pub(super) fn metrics(&mut self, node: &Node) -> Derived {
        let mut derived = Derived::default();
        let mut enabled = true;
        let mut overrides: &[Node] = &[];
        let mut conventions = Vec::new();
        let entries = self.map(node, "spec.metrics", &["mode", "provider", "semconv", "overrides"]);
        for Entry { key, node, .. } in entries {
            let field = join("spec.metrics", key);
            match key.as_str() {
                "mode" => enabled = self.mode(node, &field),
                "provider" => derived.provider = self.provider(node, &field),
                "semconv" => conventions = self.conventions(node, &field),
                "overrides" => overrides = self.list(node, &field, MAX_METRICS),
                _ => {}
            }
        }
        let named = |node: &Node| match node.get("name").map(|name| &name.value) {
            Some(Value::Text(name)) => Some(name.text.clone()),
            _ => None,
        };
        for (i, item) in overrides.iter().enumerate() {
            let field = format!("spec.metrics.overrides[{i}]");
            let name = named(item);
            let of_conventions: Vec<Node> =
                conventions.extract_if(.., |base| name.is_some() && named(base) == name).collect();
            if of_conventions.is_empty() {
                self.metric(item, &field, &mut derived);
            }
            // What the conventions say of it, but for what is said here. Where they add in parts (by kind of token), a value
            // of its own is added once, as the last of them.
            let parts = of_conventions.len();
            let skipped = if item.get("value").is_some() { parts.saturating_sub(1) } else { 0 };
            for (at, base) in of_conventions.iter().enumerate().skip(skipped) {
                self.again = at > skipped;
                self.metric(&over(base, item), &field, &mut derived);
            }
            self.again = false;
        }
        self.again = true;
        for item in &conventions {
            self.metric(item, "spec.metrics.semconv", &mut derived);
        }
        self.again = false;
        if !enabled {
            derived.metrics.clear();
        } else if !entries.iter().any(|entry| matches!(entry.key.as_str(), "overrides" | "semconv")) {
            let message = "instruments are those that overrides names, and those of semconv; there are none";
            self.not_honoured(node.mark, "spec.metrics", message);
        }
        derived
    }

    /// The instruments of a version of the semantic conventions, as documents of ours would name them.
    fn conventions(&mut self, node: &Node, field: &str) -> Vec<Node> {
        let Ok(table) = read_json(CONVENTIONS) else { return Vec::new() };
        let Some(all) = table.get("versions") else { return Vec::new() };
        let Value::Map(versions) = &all.value else { return Vec::new() };
        let latest = match table.get("latest").map(|latest| &latest.value) {
            Some(Value::Text(latest)) => latest.text.as_str(),
            _ => "",
        };
        let known = versions.iter().map(|version| (version.key.as_str(), version.key.as_str()));
        let words: Vec<(&str, &str)> = known.chain([("latest", latest)]).collect();
        let Some(version) = self.word(node, field, &words) else { return Vec::new() };
        match all.get(version).map(|items| &items.value) {
            Some(Value::List(items)) => items.clone(),
            _ => Vec::new(),
        }
    }

    /// Where instruments are sent, beside being read.
    fn provider(&mut self, node: &Node, field: &str) -> Option<Provider> {
        let (mut sent, mut lane) = (None, None);
        for Entry { key, node, .. } in self.map(node, field, &["type", "lane"]) {
            let at = join(field, key);
            match key.as_str() {
                "type" => sent = self.word(node, &at, &[("OTLP", true), ("Prometheus", false)]),
                "lane" => lane = self.text(node, &at).map(|lane| (node.mark, at, lane.to_owned())),
                _ => {}
            }
        }
        match (sent, lane) {
            (Some(false), Some((mark, at, _))) => {
                self.wrong(mark, &at, "a lane sends OTLP; Prometheus reads metrics where they are");
                None
            }
            (_, Some((.., lane))) => Some(Provider::Lane(lane)),
            (Some(true), None) => Some(Provider::Environment),
            (_, None) => None,
        }
    }

    fn metric(&mut self, node: &Node, field: &str, derived: &mut Derived) {
        let known = ["name", "mode", "type", "unit", "description", "value", "dimensions", "buckets"];
        let (mut name, mut kind, mut enabled, mut buckets) = (None, None, true, None);
        let (mut unit, mut description) = (String::new(), String::new());
        let (mut value, mut dimensions) = (None, Vec::new());
        for Entry { key, node, .. } in self.map(node, field, &known) {
            let at = join(field, key);
            match key.as_str() {
                "name" => name = self.name(node, &at, derived),
                "mode" => enabled = self.mode(node, &at),
                "type" => kind = self.word(node, &at, &[("Counter", false), ("Histogram", true)]),
                "unit" => unit = self.text(node, &at).unwrap_or_default().to_owned(),
                "description" => description = self.text(node, &at).unwrap_or_default().to_owned(),
                "value" => {
                    let taken = self.value(node, &at, &mut derived.paths).and_then(Taken::of);
                    if matches!(taken, Some(Taken::Text(_))) {
                        self.wrong(node.mark, &at, "expected a number");
                    }
                    value = taken;
                }
                "dimensions" => {
                    for (i, item) in self.list(node, &at, MAX_DIMENSIONS).iter().enumerate() {
                        self.dimension(item, &format!("{at}[{i}]"), &mut dimensions, derived);
                    }
                }
                "buckets" => buckets = self.buckets(node, &at),
                _ => {}
            }
        }
        for (there, key) in [(name.is_some(), "name"), (kind.is_some(), "type")] {
            let at = join(field, key);
            if !there && !self.issues.invalid.iter().any(|issue| issue.field == at) {
                self.wrong(node.mark, &at, "is missing");
            }
        }
        let (Some(name), Some(histogram)) = (name, kind) else { return };
        let kind = match (histogram, buckets) {
            (true, ends) => Kind::Histogram(ends.unwrap_or_else(|| BUCKETS.to_vec()).into()),
            (false, None) => Kind::Counter,
            (false, Some(_)) => {
                self.wrong(node.mark, &join(field, "buckets"), "a counter has none");
                return;
            }
        };
        if histogram && value.is_none() {
            self.wrong(node.mark, &join(field, "value"), "is missing: a histogram is of values");
            return;
        }
        if enabled {
            // So that one set of dimensions is one, in whatever order documents name them.
            dimensions.sort_by(|(a, _), (b, _)| a.cmp(b));
            derived.metrics.push(Metric { name, kind, unit, description, value, dimensions });
        }
    }

    /// An instrument's name: as OpenTelemetry allows it, and nobody else's.
    fn name(&mut self, node: &Node, field: &str, derived: &Derived) -> Option<String> {
        let name = self.text(node, field)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
        if name.len() > MAX_NAME
            || !name.starts_with(|c: char| c.is_ascii_alphabetic())
            || !name.chars().all(allowed)
        {
            let message =
                "a name begins with a letter and has letters, digits, `_`, `.`, `-`, `/`, at most 255";
            self.wrong(node.mark, field, message);
            return None;
        }
        let plain = prometheus_name(name);
        if plain.starts_with("sinkwell_") {
            self.wrong(node.mark, field, "names under `sinkwell` are what an emitter says of itself");
            return None;
        }
        if !self.again && derived.metrics.iter().any(|known| prometheus_name(&known.name) == plain) {
            self.wrong(
                node.mark,
                field,
                "another instrument of this policy has this name, as Prometheus writes it",
            );
            return None;
        }
        Some(name.to_owned())
    }

    fn dimension(&mut self, node: &Node, field: &str, all: &mut Vec<(String, Taken)>, derived: &mut Derived) {
        self.map(node, field, &["key", "value"]);
        let (Some(key), Some(value)) = (node.get("key"), node.get("value")) else {
            self.wrong(node.mark, field, "expected { key: …, value: … }");
            return;
        };
        let at = join(field, "key");
        let Some(key) = self.text(key, &at) else { return };
        let plain = prometheus_name(key);
        if plain == "le" || plain == "otel_metric_overflow" {
            self.wrong(node.mark, &at, "this dimension is not for policies to set");
            return;
        }
        if all.iter().any(|(known, _)| prometheus_name(known) == plain) {
            self.wrong(node.mark, &at, "another dimension has this key, as Prometheus writes it");
            return;
        }
        let value = self.value(value, &join(field, "value"), &mut derived.paths);
        all.extend(value.and_then(Taken::of).map(|value| (key.to_owned(), value)));
    }

    /// Where the buckets of a histogram end: numbers that grow.
    fn buckets(&mut self, node: &Node, field: &str) -> Option<Vec<f64>> {
        let number = |node: &Node| match node.value {
            Value::Int(number) => Some(number as f64),
            Value::Float(number) => Some(number).filter(|number| number.is_finite()),
            _ => None,
        };
        let ends: Option<Vec<f64>> = self.list(node, field, MAX_BUCKETS).iter().map(number).collect();
        let ends = ends.filter(|ends| !ends.is_empty() && ends.is_sorted_by(|a, b| a < b));
        if ends.is_none() {
            self.wrong(node.mark, field, "expected numbers that grow");
        }
        ends
    }
}
