//! Reading policy documents.
//!
//! Guarantees: one document's faults are its own: it is inert, the others hold; every fault names its field as the
//! document spells it, with line and column; nothing that is not understood passes in silence.

mod metrics;

use super::cel::{self, List, Program};
use super::checked::{Checked, Issues, join, placed};
use super::facts::{MAX_STEPS, Paths, Step};
use super::foreign;
use super::instruments::Derived;
use super::sampling::{self, Key, Mode, Sampling, Tracing};
use crate::document::suggest::nearest;
use crate::document::tree::{Entry, Node, Value, read_json, read_yaml};
use crate::json;
use crate::seam::{UnixNanos, parse_time};
use crate::types::Builtin;

/// Bytes of a file of documents.
pub(super) const MAX_FILE: usize = 1 << 20;
/// Documents of a set: a verdict's note has so much room.
pub(super) const MAX_POLICIES: usize = 1000;
/// Rules of `keep`, and of `matches`.
const MAX_RULES: usize = 16;
/// The same, of a document that holds the policies of many.
const MAX_FOREIGN_RULES: usize = 64;
/// Fields that are added, and keys that are dropped.
const MAX_FIELDS: usize = 64;
/// Targets of one policy.
const MAX_TARGETS: usize = 16;

/// Something to say about a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    pub(crate) field: String,
    /// With its place in the file.
    pub(crate) message: String,
}

/// What a policy is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TargetKind {
    Lane,
    Agent,
    Tenant,
    Gateway,
    Namespace,
    Emitter,
    /// No emitter is one, or in one; a policy about it says so in its status.
    Route,
    /// As a route.
    Mesh,
}

impl TargetKind {
    /// From the most specific to the least: of two, the earlier holds.
    pub(crate) const ALL: [Self; 8] = [
        Self::Lane,
        Self::Agent,
        Self::Tenant,
        Self::Gateway,
        Self::Namespace,
        Self::Emitter,
        Self::Route,
        Self::Mesh,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lane => "Lane",
            Self::Agent => "Agent",
            Self::Tenant => "Tenant",
            Self::Gateway => "Gateway",
            Self::Namespace => "Namespace",
            Self::Emitter => "Emitter",
            Self::Route => "Route",
            Self::Mesh => "Mesh",
        }
    }
}

/// One of `targetRefs`.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) field: String,
    pub(crate) kind: TargetKind,
    pub(crate) name: Option<String>,
}

/// A rule, and where it stands.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) field: String,
    pub(super) program: Program,
}

/// What a member is given.
#[derive(Debug)]
pub(super) enum FieldValue {
    /// As canonical JSON.
    Literal(Vec<u8>),
    /// What a slot of the view's paths holds.
    Slot(u16),
    Cel(Program),
}

/// A member that is added.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) value: FieldValue,
}

/// `spec.events`
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) disabled: bool,
    pub(super) keep: Vec<Rule>,
    pub(super) matches: Vec<Rule>,
    /// Rules any of which keeps an event out, unless one of `keep` holds: of foreign documents alone, where a rule that
    /// says nothing of an event must not keep it out.
    pub(super) discard: Vec<Rule>,
    pub(super) fields: Vec<Field>,
    /// Keys to drop, each with every way to read it.
    pub(super) drop: Vec<(String, Vec<Vec<String>>)>,
    /// What `fields` ask for.
    pub(super) paths: Paths,
    /// `keep`, `matches` and `discard` as they are asked.
    pub(super) lists: [List; 3],
}

impl Events {
    /// Every rule, in the order in which they are numbered.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.keep.iter().chain(&self.matches).chain(&self.discard)
    }
}

/// A document, read.
#[derive(Debug)]
pub(super) struct Policy {
    /// `namespace/name`, or the name alone.
    pub(super) name: String,
    /// What errors call the file.
    pub(super) source: String,
    pub(super) created: Option<UnixNanos>,
    pub(super) targets: Vec<Target>,
    pub(super) events: Option<Events>,
    pub(super) sampling: Option<Sampling>,
    pub(super) tracing: Option<Tracing>,
    pub(super) metrics: Option<Derived>,
    /// Why it is refused.
    pub(super) invalid: Vec<Issue>,
    /// What of it cannot be honoured.
    pub(super) unhonoured: Vec<Issue>,
}

impl Policy {
    /// Nothing of it holds.
    pub(super) fn clear(&mut self) {
        (self.events, self.sampling, self.tracing, self.metrics) = (None, None, None, None);
    }

    /// Calls fields as a foreign document does.
    fn rename(&mut self, foreign: &foreign::Translated) {
        let rules = self.events.iter_mut().flat_map(|events| {
            events
                .keep
                .iter_mut()
                .chain(&mut events.matches)
                .chain(&mut events.discard)
                .map(|rule| &mut rule.field)
        });
        let issues = self.invalid.iter_mut().chain(&mut self.unhonoured).map(|issue| &mut issue.field);
        let targets = self.targets.iter_mut().map(|target| &mut target.field);
        for field in rules.chain(issues).chain(targets) {
            *field = foreign.name(field);
        }
    }
}

/// A file's documents: `---` on a line of its own parts them, and each keeps the lines it stands in.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" {
            documents.push("\n".repeat(number + 1));
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
        }
    }
    let blank =
        |text: &String| text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    documents.retain(|document| !blank(document));
    documents
}

/// Reads a text to a tree.
pub(super) fn tree(text: &str, source: &str) -> Result<Node, Issue> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let json = text.trim_start().starts_with('{');
    let tree = if json { read_json(text).or_else(|_| read_yaml(text)) } else { read_yaml(text) };
    tree.map_err(|error| Issue { field: String::new(), message: placed(source, error.mark, &error.message) })
}

/// Reads a document. `route` gets the paths that its rules ask for.
pub(super) fn read(node: &Node, source: &str, at: usize, route: &mut Paths) -> Policy {
    let foreign = foreign::translate(node, source);
    let mut reader = Reader { issues: Issues::new(source), again: false, foreign: foreign.is_some() };
    let mut policy = Policy {
        name: format!("{source}#{at}"),
        source: source.to_owned(),
        created: None,
        targets: Vec::new(),
        events: None,
        sampling: None,
        tracing: None,
        metrics: None,
        invalid: Vec::new(),
        unhonoured: Vec::new(),
    };
    reader.document(foreign.as_ref().map_or(node, |foreign| &foreign.node), &mut policy, route);
    policy.invalid = reader.issues.invalid;
    policy.unhonoured = reader.issues.unhonoured;
    if let Some(foreign) = foreign {
        policy.rename(&foreign);
        policy.invalid.splice(0..0, foreign.invalid);
        policy.unhonoured.splice(0..0, foreign.unhonoured);
    }
    if !policy.invalid.is_empty() {
        policy.clear();
    }
    policy
}

/// A document that is not even a tree.
pub(super) fn unreadable(source: &str, at: usize, issue: Issue) -> Policy {
    Policy {
        name: format!("{source}#{at}"),
        source: source.to_owned(),
        created: None,
        targets: Vec::new(),
        events: None,
        sampling: None,
        tracing: None,
        metrics: None,
        invalid: vec![issue],
        unhonoured: Vec::new(),
    }
}

struct Reader<'s> {
    issues: Issues<'s>,
    /// Of the instrument that is read there may be another of the same name: they are one.
    again: bool,
    /// The document was put into our form, which has a member more than hosts may write.
    foreign: bool,
}

/// Names that a policy can neither add nor drop: sinkwell's own, and what built-in types require.
fn is_fixed(key: &str) -> bool {
    const OWN: [&str; 8] =
        ["content", "capture", "disclosures", "lost", "phase", "authz", "provenance", "view"];
    let first = key.split('.').next().unwrap_or(key);
    // Who drops `source` drops `source.family` with it.
    let holds =
        |name: &str| name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    OWN.contains(&first) || Builtin::all().iter().flat_map(Builtin::required).any(holds)
}

impl<'s> Checked<'s> for Reader<'s> {
    fn issues(&mut self) -> &mut Issues<'s> {
        &mut self.issues
    }

    fn unknown(key: &str, known: &[&str]) -> String {
        let hint = match nearest(key, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        format!("this field is not known; {hint}")
    }
}

impl Reader<'_> {
    fn count(&mut self, node: &Node, field: &str) -> Option<u64> {
        match node.value {
            Value::Int(number) if number >= 0 => u64::try_from(number).ok(),
            _ => {
                self.wrong(node.mark, field, "expected a whole number of 0 or more");
                None
            }
        }
    }

    fn document(&mut self, node: &Node, policy: &mut Policy, route: &mut Paths) {
        let known = ["apiVersion", "kind", "metadata", "spec", "status"];
        self.map(node, "", &known);
        let Value::Map(_) = node.value else { return };
        if let Some(metadata) = node.get("metadata") {
            self.metadata(metadata, policy);
        } else {
            self.wrong(node.mark, "metadata", "is missing: a policy has a name");
        }
        match node.get("apiVersion") {
            Some(version) => {
                self.word(version, "apiVersion", &[("sinkwell.dev/v1alpha1", ())]);
            }
            None => self.wrong(node.mark, "apiVersion", "is missing: sinkwell.dev/v1alpha1"),
        }
        match node.get("kind") {
            Some(kind) => {
                self.word(kind, "kind", &[("TelemetryPolicy", ())]);
            }
            None => self.wrong(node.mark, "kind", "is missing: TelemetryPolicy"),
        }
        match node.get("spec") {
            Some(spec) => self.spec(spec, policy, route),
            None => self.wrong(node.mark, "spec", "is missing"),
        }
    }

    fn metadata(&mut self, node: &Node, policy: &mut Policy) {
        let known = [
            "name",
            "namespace",
            "creationTimestamp",
            "labels",
            "annotations",
            "uid",
            "generation",
            "resourceVersion",
        ];
        let mut name = None;
        let mut namespace = None;
        for Entry { key, node, .. } in self.map(node, "metadata", &known) {
            let field = join("metadata", key);
            match key.as_str() {
                "name" => name = self.text(node, &field),
                "namespace" => namespace = self.text(node, &field),
                "creationTimestamp" => {
                    policy.created = self.text(node, &field).and_then(parse_time);
                    if policy.created.is_none() {
                        self.wrong(node.mark, &field, "expected a time, as \"2026-01-01T00:00:00Z\"");
                    }
                }
                _ => {}
            }
        }
        match (name, namespace) {
            (Some(name), Some(namespace)) => policy.name = format!("{namespace}/{name}"),
            (Some(name), None) => name.clone_into(&mut policy.name),
            (None, _) => self.wrong(node.mark, "metadata.name", "is missing"),
        }
    }

    fn spec(&mut self, node: &Node, policy: &mut Policy, route: &mut Paths) {
        let known = ["targetRefs", "targetRef", "events", "sampling", "metrics", "tracing"];
        let mut targeted = false;
        let mut metrics = None;
        for Entry { key, node, .. } in self.map(node, "spec", &known) {
            let field = join("spec", key);
            match key.as_str() {
                "targetRefs" => {
                    targeted = true;
                    let items = self.list(node, &field, MAX_TARGETS);
                    if items.is_empty() {
                        self.wrong(node.mark, &field, "name 1 to 16 targets");
                    }
                    for (i, item) in items.iter().enumerate() {
                        self.target(item, &format!("{field}[{i}]"), &mut policy.targets);
                    }
                }
                "targetRef" => {
                    targeted = true;
                    self.target(node, &field, &mut policy.targets);
                }
                "events" => policy.events = Some(self.events(node, route)),
                "sampling" => policy.sampling = self.sampling(node, "spec.sampling", route),
                "metrics" => metrics = Some((node, self.metrics(node))),
                "tracing" => policy.tracing = Some(self.tracing(node, route)),
                _ => {}
            }
        }
        if let Some((node, derived)) = metrics {
            if policy.targets.iter().any(|target| target.kind == TargetKind::Lane) {
                let message =
                    "an event counts once, whatever lanes it goes to: no metrics are derived for a Lane";
                self.not_honoured(node.mark, "spec.metrics", message);
            }
            policy.metrics = Some(derived);
        }
        if !targeted {
            self.wrong(node.mark, "spec.targetRefs", "is missing: name 1 to 16 targets");
        }
    }

    fn target(&mut self, node: &Node, field: &str, targets: &mut Vec<Target>) {
        let mut kind = None;
        let mut name = None;
        for entry in self.map(node, field, &["group", "kind", "name", "namespace"]) {
            let at = join(field, &entry.key);
            match entry.key.as_str() {
                "kind" => {
                    let words = TargetKind::ALL.map(|kind| (kind.name(), kind));
                    kind = self.word(&entry.node, &at, &words);
                }
                "name" => name = self.text(&entry.node, &at).map(str::to_owned),
                _ => {}
            }
        }
        let Some(kind) = kind else {
            if !self.issues.invalid.iter().any(|issue| issue.field.starts_with(field)) {
                self.wrong(node.mark, field, "a target has a kind");
            }
            return;
        };
        if name.is_none() && kind != TargetKind::Emitter {
            self.wrong(node.mark, field, "a target has a name, unless it is the Emitter");
            return;
        }
        if targets.iter().any(|target| target.kind == kind && target.name == name) {
            self.wrong(node.mark, field, "this target is there twice");
            return;
        }
        targets.push(Target { field: field.to_owned(), kind, name });
    }

    fn mode(&mut self, node: &Node, field: &str) -> bool {
        let words = [("Enabled", true), ("Disabled", false), ("ImplementationDefault", true)];
        self.word(node, field, &words).unwrap_or(true)
    }

    fn events(&mut self, node: &Node, route: &mut Paths) -> Events {
        let mut events = Events::default();
        let own = ["mode", "keep", "matches", "fields", "drop"];
        let all = ["mode", "keep", "matches", "fields", "drop", "discard"];
        let known = if self.foreign { &all[..] } else { &own[..] };
        for Entry { key, node, .. } in self.map(node, "spec.events", known) {
            let field = join("spec.events", key);
            match key.as_str() {
                "mode" => events.disabled = !self.mode(node, &field),
                "keep" => events.keep = self.rules(node, &field, route),
                "matches" => events.matches = self.rules(node, &field, route),
                "discard" => events.discard = self.rules(node, &field, route),
                "fields" => {
                    for (i, item) in self.list(node, &field, MAX_FIELDS).iter().enumerate() {
                        self.field(item, &format!("{field}[{i}]"), &mut events);
                    }
                }
                "drop" => {
                    for (i, item) in self.list(node, &field, MAX_FIELDS).iter().enumerate() {
                        let field = format!("{field}[{i}]");
                        let Some(key) = self.key(item, &field) else { continue };
                        let steps: Vec<_> = steps(&key);
                        if steps.len() > MAX_STEPS {
                            self.wrong(item.mark, &field, format!("more than {MAX_STEPS} names"));
                            continue;
                        }
                        events.drop.push((key, super::facts::readings(&steps)));
                    }
                }
                _ => {}
            }
        }
        let lists = [&events.keep, &events.matches, &events.discard];
        events.lists = lists.map(|rules| List::of(rules.iter().map(|rule| &rule.program)));
        events
    }

    /// A key that may be added or dropped.
    fn key(&mut self, node: &Node, field: &str) -> Option<String> {
        let key = self.text(node, field)?;
        if is_fixed(key) {
            let message = format!(
                "`{key}` can be neither added nor dropped: sinkwell writes it, or built-in types require it"
            );
            self.wrong(node.mark, field, message);
            return None;
        }
        Some(key.to_owned())
    }

    fn rules(&mut self, node: &Node, field: &str, route: &mut Paths) -> Vec<Rule> {
        let mut rules = Vec::new();
        let most = if self.foreign { MAX_FOREIGN_RULES } else { MAX_RULES };
        for (i, item) in self.list(node, field, most).iter().enumerate() {
            let field = format!("{field}[{i}]");
            let Some(cel) = self.only(item, &field, "cel") else { continue };
            if let Some(program) = self.cel(cel, &format!("{field}.cel"), route, true) {
                rules.push(Rule { field, program });
            }
        }
        rules
    }

    /// The value of the one key that a mapping has.
    fn only<'n>(&mut self, node: &'n Node, field: &str, key: &str) -> Option<&'n Node> {
        self.map(node, field, &[key]);
        let found = node.get(key);
        if found.is_none() {
            self.wrong(node.mark, field, format!("expected {{ {key}: … }}"));
        }
        found
    }

    /// A source, which must be able to come out as a condition if it is a rule.
    fn cel(&mut self, node: &Node, field: &str, paths: &mut Paths, rule: bool) -> Option<Program> {
        let source = self.text(node, field)?;
        match cel::compile(source, paths) {
            Ok((_, found)) if rule && !found.is_condition() => {
                self.wrong(node.mark, field, "a rule is a condition; this never comes out true or false");
                None
            }
            Ok((program, _)) => Some(program),
            Err(error) => {
                self.wrong(
                    node.mark,
                    field,
                    format!("at byte {} of the expression: {}", error.at, error.message),
                );
                None
            }
        }
    }

    fn field(&mut self, node: &Node, field: &str, events: &mut Events) {
        self.map(node, field, &["key", "value"]);
        let (Some(key), Some(value)) = (node.get("key"), node.get("value")) else {
            self.wrong(node.mark, field, "expected { key: …, value: … }");
            return;
        };
        let Some(key) = self.key(key, &join(field, "key")) else { return };
        if events.fields.iter().any(|known| known.key == key) {
            self.wrong(node.mark, field, format!("`{key}` is added twice"));
            return;
        }
        let at = join(field, "value");
        if let Some(value) = self.value(value, &at, &mut events.paths) {
            events.fields.push(Field { key, value });
        }
    }

    /// `{ literal | attribute | header | cel: … }`
    fn value(&mut self, node: &Node, field: &str, paths: &mut Paths) -> Option<FieldValue> {
        let kinds = ["literal", "attribute", "header", "cel"];
        let entries = self.map(node, field, &kinds);
        let [Entry { key, node: value, .. }] = entries else {
            self.wrong(node.mark, field, format!("expected one of {}", kinds.join(", ")));
            return None;
        };
        let at = join(field, key);
        match key.as_str() {
            "literal" => {
                let value = match &value.value {
                    Value::Text(text) => json::Value::String(text.text.clone()),
                    Value::Bool(value) => json::Value::Bool(*value),
                    Value::Int(value) => json::Value::Int(*value),
                    Value::Float(value) => json::Value::Float(*value),
                    other => {
                        let message = format!(
                            "expected a string, a number, true or false, found {}",
                            other.type_name()
                        );
                        self.wrong(value.mark, &at, message);
                        return None;
                    }
                };
                match value.to_canonical() {
                    Ok(literal) => Some(FieldValue::Literal(literal)),
                    Err(error) => {
                        self.wrong(node.mark, &at, error.message());
                        None
                    }
                }
            }
            "cel" => self.cel(value, &at, paths, false).map(FieldValue::Cel),
            _ => {
                let name = self.text(value, &at)?;
                let path = if key == "header" {
                    format!("http.request.header.{}", name.to_ascii_lowercase())
                } else {
                    name.to_owned()
                };
                let steps = steps(&path);
                if steps.len() > MAX_STEPS {
                    self.wrong(value.mark, &at, format!("more than {MAX_STEPS} names"));
                    return None;
                }
                Some(FieldValue::Slot(paths.slot(&steps)))
            }
        }
    }

    fn sampling(&mut self, node: &Node, base: &str, route: &mut Paths) -> Option<Sampling> {
        let mut sampling = Sampling::default();
        let mut rate = None;
        let mut key = Some(Key::Trace);
        for Entry { key: name, node, .. } in
            self.map(node, base, &["rate", "key", "mode", "precision", "parentBased"])
        {
            let field = join(base, name);
            match name.as_str() {
                "rate" => rate = self.rate(node, &field),
                "key" => key = self.sampling_key(node, &field, route),
                "mode" => {
                    let words = [("Equalizing", Mode::Equalizing), ("Proportional", Mode::Proportional)];
                    sampling.mode = self.word(node, &field, &words).unwrap_or_default();
                }
                "precision" => match self.count(node, &field) {
                    Some(digits @ 1..=14) => sampling.precision = u32::try_from(digits).unwrap_or(4),
                    _ => self.wrong(node.mark, &field, "expected 1 to 14 digits"),
                },
                "parentBased" => {
                    let mut enabled = false;
                    let mut parent = Some((1, 1));
                    for entry in self.map(node, &field, &["mode", "rate"]) {
                        let at = join(&field, &entry.key);
                        if entry.key == "mode" {
                            enabled = self.mode(&entry.node, &at);
                        } else if entry.key == "rate" {
                            parent = self.rate(&entry.node, &at);
                        }
                    }
                    sampling.parent = parent.filter(|_| enabled);
                }
                _ => {}
            }
        }
        if rate.is_none()
            && !self.issues.invalid.iter().any(|issue| issue.field.starts_with(&join(base, "rate")))
        {
            self.wrong(node.mark, &join(base, "rate"), "is missing: { numerator: 5, denominator: 100 }");
        }
        sampling.rate = rate?;
        sampling.key = key?;
        sampling.prepare();
        Some(sampling)
    }

    /// What becomes of spans.
    fn tracing(&mut self, node: &Node, route: &mut Paths) -> Tracing {
        let mut tracing = Tracing::default();
        for Entry { key, node, .. } in self.map(node, "spec.tracing", &["mode", "sampling"]) {
            let field = join("spec.tracing", key);
            match key.as_str() {
                "mode" => tracing.disabled = !self.mode(node, &field),
                "sampling" => tracing.sampling = self.sampling(node, &field, route),
                _ => {}
            }
        }
        tracing
    }

    fn rate(&mut self, node: &Node, field: &str) -> Option<sampling::Rate> {
        let mut numerator = None;
        let mut denominator = Some(100);
        for entry in self.map(node, field, &["numerator", "denominator"]) {
            let number = self.count(&entry.node, &join(field, &entry.key));
            if entry.key == "numerator" {
                numerator = number;
            } else if entry.key == "denominator" {
                denominator = number;
            }
        }
        let (Some(numerator), Some(denominator)) = (numerator, denominator) else {
            self.wrong(node.mark, field, "expected { numerator: 5, denominator: 100 }");
            return None;
        };
        if denominator == 0 || denominator > 1 << 32 || numerator > denominator {
            self.wrong(node.mark, field, "the denominator is at least 1, and the numerator at most that");
            return None;
        }
        Some((numerator, denominator))
    }

    fn sampling_key(&mut self, node: &Node, field: &str, route: &mut Paths) -> Option<Key> {
        match self.text(node, field)? {
            "trace" => Some(Key::Trace),
            "run" => Some(Key::Run),
            "event" => Some(Key::Event),
            _ => self.cel(node, field, route, false).map(Key::Cel),
        }
    }
}

/// The names of a dotted one.
fn steps(path: &str) -> Vec<Step> {
    path.split('.').map(|name| Step { name: name.to_owned(), quoted: false }).collect()
}
