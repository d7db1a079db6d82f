//! Attributes with a source, as the proposals of the Gateway API write them.

use super::{Checked as _, Reader, dialect, entry, join, map, text};
use crate::document::tree::{Node, Value};

/// How a form writes the source of a value.
pub(super) struct Sources {
    /// The member that says which it is.
    pub(super) kind: &'static str,
    /// Each, with the member that it needs.
    pub(super) of: &'static [(&'static str, &'static str)],
}

/// Of the drafts.
pub(super) const DRAFT: Sources = Sources {
    kind: "type",
    of: &[
        ("Header", "headerName"),
        ("Literal", "literalValue"),
        ("Reference", "attributeRef"),
        ("Metadata", "metadataKey"),
        ("Standard", "standardValue"),
    ],
};

/// Of `XTelemetryPolicy`.
pub(super) const NEWEST: Sources = Sources {
    kind: "sourceType",
    of: &[("Header", "headerName"), ("Literal", "literalValue"), ("Attribute", "attributeKey")],
};

impl Reader<'_> {
    /// The value that an attribute is given, in our form; none where the document is wrong, or cannot be honoured.
    pub(super) fn source(
        &mut self,
        node: &Node,
        field: &str,
        sources: &Sources,
        also: &[&str],
    ) -> Option<Node> {
        let members: Vec<&str> = sources.of.iter().map(|(_, member)| *member).collect();
        let mut known = vec![sources.kind];
        known.extend(&members);
        known.extend(also);
        self.map(node, field, &known);
        let Some(kind) = node.get(sources.kind) else {
            self.wrong(node.mark, &join(field, sources.kind), "is missing");
            return None;
        };
        let kinds: Vec<&str> = sources.of.iter().map(|(kind, _)| *kind).collect();
        let kind = self.one_of(kind, &join(field, sources.kind), &kinds)?;
        let mut value = None;
        for (of, member) in sources.of {
            match (node.get(member), *of == kind) {
                (Some(given), true) => value = Some((given, *member)),
                (Some(given), false) => {
                    let message = format!("only where {} is {of}", sources.kind);
                    self.wrong(given.mark, &join(field, member), &message);
                    return None;
                }
                (None, true) => {
                    let message = format!("is missing: {} is {kind}", sources.kind);
                    self.wrong(node.mark, &join(field, member), &message);
                    return None;
                }
                (None, false) => {}
            }
        }
        let (value, member) = value?;
        let at = join(field, member);
        match kind {
            "Header" => {
                let name = self.bounded(value, &at, 256, is_token)?;
                Some(map(value.mark, [("header", text(value.mark, name))]))
            }
            "Literal" => {
                let literal = self.bounded(value, &at, 1024, |_| true)?;
                Some(map(value.mark, [("literal", text(value.mark, literal))]))
            }
            "Standard" => {
                let name = self.text(value, &at)?;
                let Some(cel) = dialect::name(name) else {
                    self.not_honoured(value.mark, &at, "nobody knows this value of a gateway");
                    return None;
                };
                Some(map(value.mark, [("cel", text(value.mark, &cel))]))
            }
            // A name of the semantic conventions, or of metadata: a member of data.
            _ => {
                let name =
                    self.bounded(value, &at, 256, |c| c.is_ascii_alphanumeric() || "_.-/:".contains(c))?;
                Some(self.reference(value, name))
            }
        }
    }

    /// What a name of an attribute stands for.
    pub(super) fn reference(&mut self, value: &Node, name: &str) -> Node {
        match dialect::name(name).filter(|cel| *cel != format!("event.data.{name}")) {
            Some(cel) => map(value.mark, [("cel", text(value.mark, &cel))]),
            None => map(value.mark, [("attribute", text(value.mark, name))]),
        }
    }

    /// `[{ name, …source }]` as dimensions of ours.
    pub(super) fn dimensions(&mut self, node: &Node, field: &str, ours: &str, sources: &Sources) -> Node {
        let mut dimensions = Vec::new();
        for (at, item) in self.list(node, field, 64).iter().enumerate() {
            let field = format!("{field}[{at}]");
            let Some(name) = item.get("name") else {
                self.wrong(item.mark, &join(&field, "name"), "is missing");
                continue;
            };
            let Some(key) = self.attribute_name(name, &join(&field, "name")).map(str::to_owned) else {
                continue;
            };
            if let Some(value) = self.source(item, &field, sources, &["name"]) {
                self.called(format!("{ours}[{}]", dimensions.len()), field);
                dimensions.push(map(item.mark, [("key", text(name.mark, &key)), ("value", value)]));
            }
        }
        Node { mark: node.mark, value: Value::List(dimensions) }
    }

    pub(super) fn attribute_name<'n>(&mut self, node: &'n Node, field: &str) -> Option<&'n str> {
        self.bounded(node, field, 256, |c| c.is_ascii_alphanumeric() || "_.:/-".contains(c))
    }

    /// Adds a member to events.
    pub(super) fn add_field(&mut self, key: &Node, name: &str, value: Node, field: &str) {
        let mut fields = match self.events.iter_mut().find(|entry| entry.key == "fields") {
            Some(fields) => std::mem::replace(&mut fields.node.value, Value::Null),
            None => {
                self.events.push(entry("fields", Node { mark: key.mark, value: Value::Null }));
                Value::List(Vec::new())
            }
        };
        if let Value::List(items) = &mut fields {
            self.called(format!("spec.events.fields[{}]", items.len()), field);
            items.push(map(key.mark, [("key", text(key.mark, name)), ("value", value)]));
        }
        if let Some(held) = self.events.iter_mut().find(|entry| entry.key == "fields") {
            held.node.value = fields;
        }
    }
}

/// What a header's name may be made of.
pub(super) fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}
