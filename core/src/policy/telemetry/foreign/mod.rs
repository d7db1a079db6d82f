//! Documents of other projects, put into the one form that [`document`](super::document) reads.
//!
//! Guarantees: what such a document asks and events can honour is honoured as its own project means it; what they cannot
//! is named in the status, field by field as the document spells it; what its project refuses is refused. Nothing of a
//! foreign document passes in silence.
//!
//! How: [`translate`] knows a form by `apiVersion` and `kind` (or by its members, where it has neither), checks it by its
//! own rules and answers a tree of our form, with the places of the one that it came from. [`dialect`] does the same for
//! names and expressions.

mod attributes;
mod dialect;
mod gateway;
mod kuadrant;
mod otel;
#[cfg(test)]
mod tests;

use super::checked::{Checked, Issues, join};
use super::document::Issue;
use crate::document::tree::{Entry, Mark, Node, Text, Value};

/// A foreign document in our form.
pub(super) struct Translated {
    pub(super) node: Node,
    pub(super) invalid: Vec<Issue>,
    pub(super) unhonoured: Vec<Issue>,
    /// Fields of ours, and what the document calls them.
    names: Vec<(String, String)>,
}

impl Translated {
    /// The document's own name of a field.
    pub(super) fn name(&self, field: &str) -> String {
        let behind = |ours: &str| {
            let rest = field.strip_prefix(ours)?;
            (rest.is_empty() || rest.starts_with(['.', '['])).then(|| rest.to_owned())
        };
        let found = self.names.iter().filter_map(|(ours, theirs)| Some((ours.len(), theirs, behind(ours)?)));
        match found.max_by_key(|(length, ..)| *length) {
            // What is behind is our way to say one value of theirs.
            Some((_, theirs, _)) => theirs.clone(),
            None => field.to_owned(),
        }
    }
}

/// The document in our form, if it is one of another project.
pub(super) fn translate(node: &Node, source: &str) -> Option<Translated> {
    let text = |key: &str| match node.get(key).map(|node| &node.value) {
        Some(Value::Text(Text { text, .. })) => Some(text.as_str()),
        _ => None,
    };
    let mut reader = Reader::new(source);
    let version = text("apiVersion");
    match (text("kind"), version) {
        (Some("XTelemetryPolicy"), _) => gateway::newest(&mut reader, node),
        (Some("TelemetryPolicy"), Some(version)) if version.starts_with("extensions.kuadrant.io/") => {
            kuadrant::read(&mut reader, node);
        }
        (Some("TelemetryPolicy"), Some(version)) if version.split('/').next().is_some_and(is_gateway) => {
            gateway::draft(&mut reader, node);
        }
        (None, None) if otel::is_one(node) => otel::read(&mut reader, node),
        _ => return None,
    }
    Some(reader.finish(node))
}

/// The groups under which the proposals stood.
fn is_gateway(group: &str) -> bool {
    matches!(
        group,
        "gateway.networking.k8s.io" | "gateway.networking.x-k8s.io" | "agentic.networking.x-k8s.io"
    )
}

/// What is made of a document.
struct Reader<'s> {
    issues: Issues<'s>,
    metadata: Option<Node>,
    targets: Vec<Node>,
    /// Members of `events`, `metrics`, `sampling` and `tracing`.
    events: Vec<Entry>,
    metrics: Vec<Entry>,
    sampling: Vec<Entry>,
    tracing: Vec<Entry>,
    names: Vec<(String, String)>,
}

impl<'s> Checked<'s> for Reader<'s> {
    fn issues(&mut self) -> &mut Issues<'s> {
        &mut self.issues
    }

    fn unknown(_: &str, known: &[&str]) -> String {
        format!("this field is not known; there are {}", known.join(", "))
    }
}

impl<'s> Reader<'s> {
    fn new(source: &'s str) -> Self {
        Self {
            issues: Issues::new(source),
            metadata: None,
            targets: Vec::new(),
            events: Vec::new(),
            metrics: Vec::new(),
            sampling: Vec::new(),
            tracing: Vec::new(),
            names: Vec::new(),
        }
    }

    /// A field of ours is a field of theirs.
    fn called(&mut self, ours: impl Into<String>, theirs: impl Into<String>) {
        self.names.push((ours.into(), theirs.into()));
    }

    /// A text of at most so many characters, of these alone.
    fn bounded<'n>(
        &mut self,
        node: &'n Node,
        field: &str,
        most: usize,
        allowed: impl Fn(char) -> bool,
    ) -> Option<&'n str> {
        let text = self.text(node, field)?;
        if text.chars().count() > most {
            self.wrong(node.mark, field, format!("more than {most} characters"));
            return None;
        }
        if let Some(c) = text.chars().find(|c| !allowed(*c)) {
            self.wrong(node.mark, field, format!("{c:?} is not allowed here"));
            return None;
        }
        Some(text)
    }

    fn one_of<'w>(&mut self, node: &Node, field: &str, words: &[&'w str]) -> Option<&'w str> {
        let words: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
        self.word(node, field, &words)
    }

    fn truth(&mut self, node: &Node, field: &str) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => {
                self.wrong(node.mark, field, "expected true or false");
                None
            }
        }
    }

    /// `{ numerator, denominator }`, the denominator 100 where it is not said.
    fn fraction(&mut self, node: &Node, field: &str) -> Option<(u64, u64)> {
        let (mut numerator, mut denominator) = (None, Some(100));
        for Entry { key, node, .. } in self.map(node, field, &["numerator", "denominator"]) {
            let number = match node.value {
                Value::Int(number) => u64::try_from(number).ok(),
                _ => None,
            };
            if number.is_none() {
                self.wrong(node.mark, &join(field, key), "expected a whole number of 0 or more");
            }
            if key == "numerator" {
                numerator = number;
            } else {
                denominator = number;
            }
        }
        match (numerator, denominator) {
            (Some(numerator), Some(denominator)) if denominator > 0 && numerator <= denominator => {
                Some((numerator, denominator))
            }
            (Some(_), Some(_)) => {
                self.wrong(node.mark, field, "the denominator is at least 1, and the numerator at most that");
                None
            }
            _ => {
                self.wrong(node.mark, field, "expected { numerator: 5, denominator: 100 }");
                None
            }
        }
    }

    /// `targetRef` and `targetRefs`. The kinds that a policy of this form may name are said; one that an emitter is never
    /// in is kept, so that its status says so.
    fn targets(&mut self, spec: &Node, kinds: &[&str]) {
        let (one, many) = (spec.get("targetRef"), spec.get("targetRefs"));
        let mut seen: Vec<(String, String)> = Vec::new();
        let mut target = |reader: &mut Self, node: &Node, field: &str| {
            let known = ["group", "kind", "name", "namespace", "sectionName"];
            reader.map(node, field, &known);
            let of = |key: &str| match node.get(key).map(|node| &node.value) {
                Some(Value::Text(Text { text, .. })) => text.clone(),
                _ => String::new(),
            };
            let (kind, name) = (of("kind"), of("name"));
            if kind.is_empty() || name.is_empty() {
                return reader.wrong(node.mark, field, "a target has a kind and a name");
            }
            if !kinds.contains(&kind.as_str()) {
                let message = format!("expected one of {}", kinds.join(", "));
                return reader.wrong(node.mark, &join(field, "kind"), &message);
            }
            if !matches!(of("group").as_str(), "" | "gateway.networking.k8s.io") {
                return reader.wrong(node.mark, &join(field, "group"), "expected gateway.networking.k8s.io");
            }
            if !of("sectionName").is_empty() {
                let message = "a part of a Gateway: an emitter runs in all of it or in none";
                reader.not_honoured(node.mark, &join(field, "sectionName"), message);
            }
            if seen.contains(&(kind.clone(), name.clone())) {
                return reader.wrong(node.mark, field, "this target is there twice");
            }
            let ours = if kind.ends_with("Route") { "Route" } else { kind.as_str() };
            let at = format!("spec.targetRefs[{}]", reader.targets.len());
            reader.called(at, field);
            reader
                .targets
                .push(map(node.mark, [("kind", text(node.mark, ours)), ("name", text(node.mark, &name))]));
            seen.push((kind, name));
        };
        match (one, many) {
            (Some(node), None) => target(self, node, "spec.targetRef"),
            (None, Some(list)) => {
                let items = self.list(list, "spec.targetRefs", 16);
                if items.is_empty() {
                    self.wrong(list.mark, "spec.targetRefs", "name 1 to 16 targets");
                }
                for (at, item) in items.iter().enumerate() {
                    target(self, item, &format!("spec.targetRefs[{at}]"));
                }
            }
            _ => self.wrong(spec.mark, "spec.targetRefs", "is missing: name 1 to 16 targets"),
        }
    }

    /// The members that all documents of Kubernetes have; the `spec`.
    fn shell<'n>(&mut self, node: &'n Node) -> Option<&'n Node> {
        self.map(node, "", &["apiVersion", "kind", "metadata", "spec", "status"]);
        self.metadata = node.get("metadata").cloned();
        let spec = node.get("spec");
        if spec.is_none() {
            self.wrong(node.mark, "spec", "is missing");
        }
        spec
    }

    /// The document in our form.
    fn finish(self, node: &Node) -> Translated {
        let mark = node.mark;
        let mut spec = Vec::new();
        let mut targets = self.targets;
        if targets.is_empty() {
            // Its fault is told already; ours is not to be told as well.
            targets.push(map(mark, [("kind", text(mark, "Emitter"))]));
        }
        spec.push(entry("targetRefs", list(mark, targets)));
        let sections = [
            ("events", self.events),
            ("metrics", self.metrics),
            ("sampling", self.sampling),
            ("tracing", self.tracing),
        ];
        for (key, members) in sections {
            if !members.is_empty() {
                spec.push(entry(key, Node { mark, value: Value::Map(members) }));
            }
        }
        let mut members = vec![
            entry("apiVersion", text(mark, "sinkwell.dev/v1alpha1")),
            entry("kind", text(mark, "TelemetryPolicy")),
        ];
        members.extend(self.metadata.map(|metadata| entry("metadata", metadata)));
        members.push(entry("spec", Node { mark, value: Value::Map(spec) }));
        Translated {
            node: Node { mark, value: Value::Map(members) },
            invalid: self.issues.invalid,
            unhonoured: self.issues.unhonoured,
            names: self.names,
        }
    }
}

fn entry(key: &str, node: Node) -> Entry {
    Entry { key: key.to_owned(), mark: node.mark, node }
}

fn text(mark: Mark, text: &str) -> Node {
    Node { mark, value: Value::text(text) }
}

fn list(mark: Mark, items: Vec<Node>) -> Node {
    Node { mark, value: Value::List(items) }
}

fn map<const N: usize>(mark: Mark, members: [(&str, Node); N]) -> Node {
    let members = members.into_iter().map(|(key, node)| entry(key, node)).collect();
    Node { mark, value: Value::Map(members) }
}
