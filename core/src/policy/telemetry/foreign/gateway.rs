//! The Gateway API's policies: `XTelemetryPolicy`, and the proposals before it.

use super::attributes::{DRAFT, NEWEST, is_token};
use super::{Checked as _, Reader, dialect, entry, join, list, map, text};
use crate::document::tree::{Entry, Mark, Node, Text, Value};

const MODES: [&str; 3] = ["Enabled", "Disabled", "ImplementationDefault"];

/// Why a member of a `tracing` section is not done.
const OF_EVENTS: &str = "a span is called and shaped as its event is: see spec.events";

/// What a `tracing` section says of sampling.
#[derive(Default)]
struct Traced {
    rate: Option<(u64, u64)>,
    /// Of traces whose parent was sampled; the inner one may not be said.
    parent: Option<Option<(u64, u64)>>,
}

impl Traced {
    /// Puts it into our form.
    fn tell(self, reader: &mut Reader<'_>, mark: Mark, on: bool) {
        reader.tracing.push(entry("mode", as_mode(mark, on)));
        if self.rate.is_none() && self.parent.is_none() {
            return;
        }
        let whole = |number: u64| Node { mark, value: Value::Int(i64::try_from(number).unwrap_or(i64::MAX)) };
        let rate = |(numerator, denominator): (u64, u64)| {
            map(mark, [("numerator", whole(numerator)), ("denominator", whole(denominator))])
        };
        let mut sampling = vec![entry("rate", rate(self.rate.unwrap_or((1, 1))))];
        if let Some(parent) = self.parent {
            let mut members = vec![entry("mode", as_mode(mark, true))];
            members.extend(parent.map(|parent| entry("rate", rate(parent))));
            sampling.push(entry("parentBased", Node { mark, value: Value::Map(members) }));
        }
        reader.called("spec.tracing.sampling.rate", "spec.tracing.samplingRate");
        reader.called("spec.tracing.sampling.parentBased", "spec.tracing.parentBasedSampling");
        reader.called("spec.tracing.sampling", "spec.tracing.samplingRate");
        reader.tracing.push(entry("sampling", Node { mark, value: Value::Map(sampling) }));
    }
}

/// `XTelemetryPolicy`, with the rules that its definition has.
pub(super) fn newest(reader: &mut Reader<'_>, node: &Node) {
    let Some(spec) = reader.shell(node) else { return };
    if let Some(version) = node.get("apiVersion") {
        reader.one_of(version, "apiVersion", &["gateway.networking.x-k8s.io/v1alpha1"]);
    } else {
        reader.wrong(node.mark, "apiVersion", "is missing: gateway.networking.x-k8s.io/v1alpha1");
    }
    reader.map(spec, "spec", &["targetRefs", "tracing"]);
    reader.targets(spec, &["Gateway"]);
    let Some(tracing) = spec.get("tracing") else {
        return reader.wrong(spec.mark, "spec.tracing", "is missing: a policy has at least one of tracing");
    };
    let known =
        ["mode", "provider", "samplingRate", "parentBasedSampling", "serviceName", "spanName", "attributes"];
    let entries = reader.map(tracing, "spec.tracing", &known);
    let mode = mode(reader, tracing, "spec.tracing");
    match (mode, tracing.get("provider")) {
        ("Enabled", None) => {
            reader.wrong(tracing.mark, "spec.tracing.provider", "is missing: required when mode is Enabled");
        }
        ("Enabled", Some(provider)) => newest_provider(reader, provider),
        (_, Some(provider)) => {
            let message = "provider is required when mode is Enabled, and must be empty otherwise";
            reader.wrong(provider.mark, "spec.tracing.provider", message);
        }
        (_, None) => {}
    }
    let mut traced = Traced::default();
    for Entry { key, node, .. } in entries {
        let field = join("spec.tracing", key);
        if matches!(key.as_str(), "mode" | "provider") || !known.contains(&key.as_str()) {
            continue;
        }
        if mode != "Enabled" {
            let message = format!("{key} can only be set when mode is Enabled");
            reader.wrong(node.mark, &field, &message);
            continue;
        }
        match key.as_str() {
            "samplingRate" => {
                traced.rate = reader.fraction(node, &field);
                continue;
            }
            "parentBasedSampling" => {
                reader.map(node, &field, &["mode", "samplingRate"]);
                let enabled = self::mode(reader, node, &field) == "Enabled";
                let rate = join(&field, "samplingRate");
                traced.parent = enabled.then_some(None);
                match node.get("samplingRate") {
                    Some(given) if enabled => {
                        traced.parent = Some(reader.fraction(given, &rate));
                    }
                    Some(given) => {
                        reader.wrong(given.mark, &rate, "samplingRate can only be set when mode is Enabled");
                    }
                    None => {}
                }
                continue;
            }
            "serviceName" => service_name(reader, node, &field),
            "spanName" => {
                reader.bounded(node, &field, 256, |_| true);
            }
            _ => newest_attributes(reader, node, &field),
        }
        reader.not_honoured(node.mark, &field, OF_EVENTS);
    }
    traced.tell(reader, tracing.mark, mode != "Disabled");
}

fn mode(reader: &mut Reader<'_>, node: &Node, field: &str) -> &'static str {
    let default = "ImplementationDefault";
    node.get("mode")
        .map_or(Some(default), |mode| reader.one_of(mode, &join(field, "mode"), &MODES))
        .unwrap_or(default)
}

fn newest_provider(reader: &mut Reader<'_>, node: &Node) {
    let field = "spec.tracing.provider";
    reader.map(node, field, &["backendRef", "headers"]);
    let at = join(field, "backendRef");
    match node.get("backendRef") {
        Some(backend) => {
            reader.map(backend, &at, &["group", "kind", "name", "namespace", "port"]);
            match backend.get("name") {
                Some(name) => {
                    reader.bounded(name, &join(&at, "name"), 253, |_| true);
                }
                None => reader.wrong(backend.mark, &join(&at, "name"), "is missing"),
            }
            let kind = backend.get("kind").map(|kind| &kind.value);
            let service = match kind {
                None => true,
                Some(Value::Text(Text { text, .. })) => text == "Service",
                Some(_) => false,
            };
            match backend.get("port").map(|port| &port.value) {
                Some(Value::Int(1..=65_535)) => {}
                Some(_) => reader.wrong(backend.mark, &join(&at, "port"), "expected 1 to 65535"),
                None if service => reader.wrong(backend.mark, &join(&at, "port"), "is missing: of a Service"),
                None => {}
            }
            let message = "where spans go is what the lanes say";
            reader.not_honoured(backend.mark, &at, message);
        }
        None => reader.wrong(node.mark, &at, "is missing"),
    }
    let Some(headers) = node.get("headers") else { return };
    let at = join(field, "headers");
    for (i, header) in reader.list(headers, &at, 16).iter().enumerate() {
        let at = format!("{at}[{i}]");
        reader.map(header, &at, &["name", "value"]);
        match (header.get("name"), header.get("value")) {
            (Some(name), Some(value)) => {
                reader.bounded(name, &join(&at, "name"), 256, is_token);
                reader.bounded(value, &join(&at, "value"), 4096, |_| true);
            }
            _ => reader.wrong(header.mark, &at, "expected { name: …, value: … }"),
        }
    }
    reader.not_honoured(headers.mark, &at, "which headers go with spans is what the lanes say");
}

/// A name of a host, perhaps with `*.` before it.
fn service_name(reader: &mut Reader<'_>, node: &Node, field: &str) {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.*".contains(c);
    let Some(name) = reader.bounded(node, field, 253, allowed) else { return };
    let labels = name.strip_prefix("*.").unwrap_or(name).split('.');
    let label = |label: &str| {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        label.starts_with(ends) && label.ends_with(ends) && !label.contains('*')
    };
    if !labels.into_iter().all(label) {
        reader.wrong(node.mark, field, "expected a name as of a host: lower case, digits, - and .");
    }
}

fn newest_attributes(reader: &mut Reader<'_>, node: &Node, field: &str) {
    let mut seen: Vec<String> = Vec::new();
    for (at, item) in reader.list(node, field, 64).iter().enumerate() {
        let field = format!("{field}[{at}]");
        match item.get("name") {
            None => reader.wrong(item.mark, &join(&field, "name"), "is missing"),
            Some(name) => {
                if let Some(name) = reader.attribute_name(name, &join(&field, "name")).map(str::to_owned) {
                    if seen.contains(&name) {
                        reader.wrong(item.mark, &join(&field, "name"), "this name is there twice");
                    }
                    seen.push(name);
                }
            }
        }
        if let Some(key) = item.get("attributeKey") {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c);
            reader.bounded(key, &join(&field, "attributeKey"), 256, allowed);
        }
        reader.source(item, &field, &NEWEST, &["name"]);
    }
}

/// The first proposal and the drafts of the enhancement proposal.
pub(super) fn draft(reader: &mut Reader<'_>, node: &Node) {
    let Some(spec) = reader.shell(node) else { return };
    let entries = reader.map(spec, "spec", &["targetRef", "targetRefs", "tracing", "metrics", "accessLogs"]);
    reader.targets(
        spec,
        &[
            "Gateway",
            "Namespace",
            "Mesh",
            "Route",
            "HTTPRoute",
            "GRPCRoute",
            "TLSRoute",
            "TCPRoute",
            "UDPRoute",
        ],
    );
    for Entry { key, node, .. } in entries {
        match key.as_str() {
            "tracing" => draft_tracing(reader, node),
            "metrics" => draft_metrics(reader, node),
            "accessLogs" => draft_logs(reader, node),
            _ => {}
        }
    }
}

/// `enabled: true` (of the first proposal, whose example has `enable`) or `mode: On`.
fn switch(reader: &mut Reader<'_>, node: &Node, field: &str) -> Option<(Mark, bool)> {
    for key in ["enabled", "enable"] {
        if let Some(given) = node.get(key) {
            return reader.truth(given, &join(field, key)).map(|on| (given.mark, on));
        }
    }
    let given = node.get("mode")?;
    let field = join(field, "mode");
    // YAML 1.1 reads On and Off as true and false; so does who writes them without quotes.
    let on = match given.value {
        Value::Bool(on) => on,
        _ => matches!(
            reader.one_of(given, &field, &["On", "Off", "Enabled", "Disabled", "ImplementationDefault"])?,
            "On" | "Enabled" | "ImplementationDefault"
        ),
    };
    Some((given.mark, on))
}

fn as_mode(mark: Mark, on: bool) -> Node {
    text(mark, if on { "Enabled" } else { "Disabled" })
}

fn draft_tracing(reader: &mut Reader<'_>, node: &Node) {
    let field = "spec.tracing";
    let known = [
        "mode",
        "enabled",
        "provider",
        "samplingRate",
        "parentBasedSampling",
        "context",
        "customAttributes",
        "attributes",
    ];
    let section = node.mark;
    let entries = reader.map(node, field, &known);
    let on = switch(reader, node, field).is_none_or(|(_, on)| on);
    let mut traced = Traced::default();
    for Entry { key, node, .. } in entries {
        let at = join(field, key);
        match key.as_str() {
            "provider" => {
                reader.map(node, &at, &["type", "endpoint", "backendRef"]);
                reader.not_honoured(node.mark, &at, "where spans go is what the lanes say");
                continue;
            }
            "samplingRate" => {
                traced.rate = draft_rate(reader, node, &at);
                continue;
            }
            "parentBasedSampling" => {
                reader.map(node, &at, &["mode", "enabled", "samplingRate"]);
                let on = switch(reader, node, &at).is_none_or(|(_, on)| on);
                let rate = node.get("samplingRate");
                let rate = rate.and_then(|rate| draft_rate(reader, rate, &join(&at, "samplingRate")));
                traced.parent = on.then_some(rate);
                continue;
            }
            "context" => {
                for (i, item) in reader.list(node, &at, 8).iter().enumerate() {
                    let at = format!("{at}[{i}]");
                    match reader.text(item, &at).map(str::to_owned) {
                        // As every lane has it.
                        Some(format) if format == "W3C" => {}
                        Some(format) => {
                            reader.not_honoured(
                                item.mark,
                                &at,
                                &format!("{format} is not supported: W3C is"),
                            );
                        }
                        None => {}
                    }
                }
                continue;
            }
            "customAttributes" | "attributes" => {
                for (i, item) in reader.list(node, &at, 64).iter().enumerate() {
                    let at = format!("{at}[{i}]");
                    if item.get("attributeName").is_none() {
                        reader.source(item, &at, &DRAFT, &["name"]);
                        continue;
                    }
                    for member in reader.map(item, &at, &["attributeName", "literalValue"]) {
                        reader.text(&member.node, &join(&at, &member.key));
                    }
                }
            }
            _ => continue,
        }
        reader.not_honoured(node.mark, &at, OF_EVENTS);
    }
    traced.tell(reader, section, on);
}

/// `{ percent: 5 }`, or a fraction.
fn draft_rate(reader: &mut Reader<'_>, node: &Node, field: &str) -> Option<(u64, u64)> {
    let Some(percent) = node.get("percent") else { return reader.fraction(node, field) };
    reader.map(node, field, &["percent"]);
    match percent.value {
        Value::Int(percent @ 0..=100) => Some((percent.unsigned_abs(), 100)),
        _ => {
            reader.wrong(percent.mark, &join(field, "percent"), "expected 0 to 100");
            None
        }
    }
}

fn draft_metrics(reader: &mut Reader<'_>, node: &Node) {
    let field = "spec.metrics";
    let entries = reader.map(node, field, &["enabled", "mode", "provider", "overrides"]);
    reader.called("spec.metrics.mode", "spec.metrics");
    if let Some((mark, on)) = switch(reader, node, field) {
        reader.metrics.push(entry("mode", as_mode(mark, on)));
    }
    for Entry { key, node, .. } in entries {
        let at = join(field, key);
        match key.as_str() {
            "provider" => {
                reader.map(node, &at, &["type", "endpoint"]);
                if let Some(kind) = node.get("type")
                    && let Some(word) = reader.text(kind, &join(&at, "type")).map(str::to_owned)
                {
                    if matches!(word.as_str(), "OTLP" | "Prometheus") {
                        let provider = map(node.mark, [("type", text(kind.mark, &word))]);
                        reader.metrics.push(entry("provider", provider));
                    } else {
                        let message = format!("{word} is not supported: Prometheus and OTLP are");
                        reader.not_honoured(kind.mark, &join(&at, "type"), &message);
                    }
                }
                if let Some(endpoint) = node.get("endpoint") {
                    let message = "where metrics go is what the lanes say";
                    reader.not_honoured(endpoint.mark, &join(&at, "endpoint"), message);
                }
            }
            "overrides" => {
                let mut overrides = Vec::new();
                for (i, item) in reader.list(node, &at, 64).iter().enumerate() {
                    let at = format!("{at}[{i}]");
                    let ours = format!("spec.metrics.overrides[{}]", overrides.len());
                    if let Some(item) = draft_override(reader, item, &at, &ours) {
                        reader.called(ours, at);
                        overrides.push(item);
                    }
                }
                reader.metrics.push(entry("overrides", list(node.mark, overrides)));
            }
            _ => {}
        }
    }
}

fn draft_override(reader: &mut Reader<'_>, node: &Node, field: &str, ours: &str) -> Option<Node> {
    reader.map(node, field, &["name", "type", "dimensions", "attributes"]);
    let Some(name) = node.get("name") else {
        reader.wrong(node.mark, &join(field, "name"), "is missing");
        return None;
    };
    let kind = match node.get("type") {
        None => "Counter",
        Some(kind) => reader.one_of(kind, &join(field, "type"), &["Counter", "Histogram", "Gauge"])?,
    };
    if kind != "Counter" {
        let message =
            format!("a {kind} is of values, and nothing here says which: a policy of our own form does");
        reader.not_honoured(node.mark, field, &message);
        return None;
    }
    let at = format!("{ours}.dimensions");
    let dimensions = if let Some(given) = node.get("attributes") {
        reader.dimensions(given, &join(field, "attributes"), &at, &DRAFT)
    } else if let Some(given) = node.get("dimensions") {
        let field = join(field, "dimensions");
        let mut dimensions = Vec::new();
        for (i, item) in reader.list(given, &field, 64).iter().enumerate() {
            let field = format!("{field}[{i}]");
            reader.map(item, &field, &["key", "fromHeader"]);
            let (Some(key), Some(header)) = (item.get("key"), item.get("fromHeader")) else {
                reader.wrong(item.mark, &field, "expected { key: …, fromHeader: … }");
                continue;
            };
            let (Some(_), Some(header_name)) = (
                reader.attribute_name(key, &join(&field, "key")),
                reader.bounded(header, &join(&field, "fromHeader"), 256, is_token),
            ) else {
                continue;
            };
            let value = map(header.mark, [("header", text(header.mark, header_name))]);
            reader.called(format!("{at}[{}]", dimensions.len()), field);
            dimensions.push(map(item.mark, [("key", key.clone()), ("value", value)]));
        }
        list(given.mark, dimensions)
    } else {
        list(node.mark, Vec::new())
    };
    Some(map(
        node.mark,
        [("name", name.clone()), ("type", text(node.mark, kind)), ("dimensions", dimensions)],
    ))
}

fn draft_logs(reader: &mut Reader<'_>, node: &Node) {
    let field = "spec.accessLogs";
    let known = ["enabled", "enable", "mode", "format", "matches", "fields"];
    let entries = reader.map(node, field, &known);
    if let Some((mark, on)) = switch(reader, node, field) {
        reader.events.push(entry("mode", as_mode(mark, on)));
    }
    for Entry { key, node, .. } in entries {
        let at = join(field, key);
        match key.as_str() {
            "format" => {
                reader.text(node, &at);
                reader.not_honoured(node.mark, &at, "how an event is written is what its lane's sink says");
            }
            "matches" => draft_matches(reader, node, &at),
            "fields" => {
                for (i, item) in reader.list(node, &at, 64).iter().enumerate() {
                    draft_field(reader, item, &format!("{at}[{i}]"));
                }
            }
            _ => {}
        }
    }
}

/// One expression, or a list of `{ path }` and `{ cel }`.
fn draft_matches(reader: &mut Reader<'_>, node: &Node, field: &str) {
    let mut rules = Vec::new();
    let mut rule = |reader: &mut Reader<'_>, mark: Mark, cel: &str, theirs: String| {
        reader.called(format!("spec.events.matches[{}]", rules.len()), theirs);
        rules.push(map(mark, [("cel", text(mark, cel))]));
    };
    if let Value::Text(Text { text, .. }) = &node.value {
        if text.is_empty() {
            return;
        }
        rule(reader, node.mark, &dialect::expression(text), field.to_owned());
    } else {
        for (i, item) in reader.list(node, field, 16).iter().enumerate() {
            let field = format!("{field}[{i}]");
            let entries = reader.map(item, &field, &["path", "cel"]);
            let [Entry { key, node, .. }] = entries else {
                reader.wrong(item.mark, &field, "expected one of path, cel");
                continue;
            };
            let Some(text) = reader.text(node, &join(&field, key)).map(str::to_owned) else { continue };
            let cel = if key == "path" {
                let path = dialect::quoted(&text);
                format!("event.data.url.path == {path} || event.data.http.route == {path}")
            } else {
                dialect::expression(&text)
            };
            rule(reader, node.mark, &cel, join(&field, key));
        }
    }
    reader.events.push(entry("matches", list(node.mark, rules)));
}

/// A name, or a field with a source.
fn draft_field(reader: &mut Reader<'_>, node: &Node, field: &str) {
    if let Value::Text(Text { text: name, .. }) = &node.value {
        let Some(cel) = dialect::name(name) else {
            return reader.not_honoured(node.mark, field, "nobody knows this field of a gateway");
        };
        // What data has under this name is there already.
        if cel != format!("event.data.{name}") {
            reader.add_field(node, name, map(node.mark, [("cel", text(node.mark, &cel))]), field);
        }
        return;
    }
    let key = match (node.get("name"), node.get("path")) {
        (Some(name), None) => {
            reader.attribute_name(name, &join(field, "name")).map(|text| (name, text.to_owned()))
        }
        (None, Some(path)) => {
            let at = join(field, "path");
            let steps = reader.list(path, &at, 8);
            let steps: Vec<String> = steps
                .iter()
                .enumerate()
                .filter_map(|(i, step)| reader.text(step, &format!("{at}[{i}]")).map(str::to_owned))
                .collect();
            if steps.is_empty() {
                reader.wrong(path.mark, &at, "name 1 to 8 names");
                return;
            }
            Some((path, steps.join(".")))
        }
        _ => {
            reader.wrong(node.mark, field, "expected a name, or one of name, path");
            None
        }
    };
    let Some((at, name)) = key else { return };
    if let Some(value) = reader.source(node, field, &DRAFT, &["name", "path"]) {
        reader.add_field(at, &name, value, field);
    }
}
