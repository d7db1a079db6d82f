//! Names and expressions of gateways, as those of events.

/// What a gateway's names are of an event: an expression for each. What is longer stands before what begins it.
const NAMES: &[(&str, &str)] = &[
    ("request.headers", "http.request.header"),
    ("request.header", "http.request.header"),
    ("response.headers", "http.response.header"),
    ("response.header", "http.response.header"),
    ("request.method", "event.data.http.request.method"),
    ("request.path", "event.data.url.path"),
    ("request.url_path", "event.data.url.path"),
    ("request.query", "event.data.url.query"),
    ("request.scheme", "event.data.url.scheme"),
    ("request.host", "event.data.server.address"),
    ("request.id", "event.id"),
    ("request.time", "event.time"),
    ("request.size", "event.data.http.request.size"),
    ("request.protocol", "event.data.network.protocol.version"),
    ("response.code", "event.data.http.response.status_code"),
    ("response.status", "event.data.http.response.status_code"),
    ("response.duration", "event.data.duration_ms"),
    ("response.size", "event.data.http.response.size"),
    ("source.address", "event.data.client.address"),
    ("destination.address", "event.data.server.address"),
    ("start_time", "event.time"),
    ("timestamp", "event.time"),
    ("response_code", "event.data.http.response.status_code"),
    ("response_code_details", "event.data.error.type"),
    ("request_method", "event.data.http.request.method"),
    ("method", "event.data.http.request.method"),
    ("path", "event.data.url.path"),
    ("duration", "event.data.duration_ms"),
    ("RequestStartTime", "event.time"),
    ("ResponseCode", "event.data.http.response.status_code"),
    ("Duration", "event.data.duration_ms"),
    ("RequestMethod", "event.data.http.request.method"),
    ("RequestPath", "event.data.url.path"),
];

/// Words of CEL, and ours.
const KEPT: &[&str] =
    &["event", "true", "false", "null", "in", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// The expression that a bare name stands for: a known one, or the member of data of a dotted name. `None`: nobody knows
/// what it is.
pub(super) fn name(name: &str) -> Option<String> {
    if let Some((_, ours)) = NAMES.iter().find(|(theirs, _)| *theirs == name) {
        return ours.starts_with("event").then(|| (*ours).to_owned());
    }
    let header = |of: &str| name.strip_prefix(of).map(|header| header.to_ascii_lowercase());
    if let Some(header) = header("request.headers.").or_else(|| header("request.header.")) {
        return Some(first(&format!("http.request.header.{header}")));
    }
    if let Some(header) = header("response.headers.").or_else(|| header("response.header.")) {
        return Some(first(&format!("http.response.header.{header}")));
    }
    // As headers are called that nobody registered.
    if name.len() > 2 && name[..2].eq_ignore_ascii_case("x-") {
        return Some(first(&format!("http.request.header.{}", name.to_ascii_lowercase())));
    }
    (name.contains('.') && plain(name)).then(|| format!("event.data.{name}"))
}

/// A member of data by its whole name.
fn member(name: &str) -> String {
    format!("event.data[{}]", quoted(name))
}

/// The first value of a header.
fn first(name: &str) -> String {
    format!("first({})", member(name))
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Whether a dotted name can stand in an expression as it is.
fn plain(name: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    name.split('.').all(word)
}

/// A gateway's expression as one of events: `response.code >= 500` is
/// `event.data.http.response.status_code >= 500`, and a name that is none of theirs is a member of data.
pub(super) fn expression(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 32);
    let bound = bound_names(source);
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if c == '"' || c == '\'' {
            let end = string_end(rest);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if c.is_ascii_alphabetic() || c == '_' {
            let (chain, behind) = chain(rest);
            let root = chain.split('.').next().unwrap_or(chain);
            let behind_member = out.trim_end().ends_with('.');
            let call = behind.trim_start().starts_with('(');
            let raw = matches!(chain, "r" | "b" | "R" | "B") && behind.starts_with(['"', '\'']);
            if behind_member
                || raw
                || KEPT.contains(&root)
                || bound.contains(&root)
                || (call && root == chain)
            {
                out.push_str(chain);
                rest = behind;
                continue;
            }
            // The last name of a call is what is called.
            let (path, called) = match chain.rsplit_once('.').filter(|_| call) {
                Some((path, called)) => (path, Some(called)),
                None => (chain, None),
            };
            rest = behind;
            let path = translated(path, &mut rest);
            // A header is a list of its values, of which expressions of gateways mean the first.
            if path.starts_with("event.data[") && !out.trim_end().ends_with("has(") {
                out.push_str(&format!("first({path})"));
            } else {
                out.push_str(&path);
            }
            if let Some(called) = called {
                out.push('.');
                out.push_str(called);
            }
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// A path's expression; takes a header's name in brackets that stands behind.
fn translated(path: &str, behind: &mut &str) -> String {
    let found = NAMES.iter().filter(|(theirs, _)| {
        theirs.contains('.')
            && path.strip_prefix(theirs).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let exact = NAMES.iter().find(|(theirs, _)| *theirs == path);
    let Some((theirs, ours)) = found.max_by_key(|(theirs, _)| theirs.len()).or(exact) else {
        return format!("event.data.{path}");
    };
    let rest = &path[theirs.len()..];
    if ours.starts_with("event") {
        return format!("{ours}{rest}");
    }
    if let Some(header) = rest.strip_prefix('.') {
        return member(&format!("{ours}.{}", header.to_ascii_lowercase()));
    }
    let trimmed = behind.trim_start();
    if let Some(inner) = trimmed.strip_prefix('[').map(str::trim_start)
        && inner.starts_with(['"', '\''])
    {
        let end = string_end(inner);
        if let Some(after) = inner[end..].trim_start().strip_prefix(']') {
            *behind = after;
            let header = inner[1..end.saturating_sub(1).max(1)].to_ascii_lowercase();
            return member(&format!("{ours}.{header}"));
        }
    }
    format!("event.data.{ours}")
}

/// Names with dots between them, and what stands behind.
fn chain(text: &str) -> (&str, &str) {
    let mut end = 0;
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(end) {
        let goes_on = byte.is_ascii_alphanumeric()
            || *byte == b'_'
            || (*byte == b'.'
                && bytes.get(end + 1).is_some_and(|next| next.is_ascii_alphabetic() || *next == b'_'));
        if !goes_on {
            break;
        }
        end += 1;
    }
    text.split_at(end)
}

/// Where the string ends that the text begins with, its closing quote included.
fn string_end(text: &str) -> usize {
    let mut chars = text.char_indices();
    let Some((_, quote)) = chars.next() else { return 0 };
    let mut escaped = false;
    for (at, c) in chars {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// Names that macros bind: `list.exists(x, …)`.
fn bound_names(source: &str) -> Vec<&str> {
    let calls = [".exists(", ".all(", ".exists_one(", ".filter(", ".map("];
    let behind =
        calls.iter().flat_map(|call| source.match_indices(call).map(|(at, call)| &source[at + call.len()..]));
    behind
        .filter_map(|rest| rest.split_once(',').map(|(name, _)| name.trim()))
        .filter(|name| plain(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_gateways_are_those_of_events() {
        for (theirs, ours) in [
            ("response.code >= 500", "event.data.http.response.status_code >= 500"),
            ("request.path.startsWith('/api')", "event.data.url.path.startsWith('/api')"),
            (
                "request.headers['X-Model'] == \"a\"",
                "first(event.data[\"http.request.header.x-model\"]) == \"a\"",
            ),
            ("request.headers.host", "first(event.data[\"http.request.header.host\"])"),
            ("has(request.headers.host)", "has(event.data[\"http.request.header.host\"])"),
            ("mcp.task.name == 'request.path'", "event.data.mcp.task.name == 'request.path'"),
            (
                "has(auth.identity.user) && !has(a)",
                "has(event.data.auth.identity.user) && !has(event.data.a)",
            ),
            ("event.severity >= WARN", "event.severity >= WARN"),
            ("['a', 'b'].exists(x, x == model)", "['a', 'b'].exists(x, x == event.data.model)"),
            ("size(tools) > 1 ? true : false", "size(event.data.tools) > 1 ? true : false"),
            ("path.matches(r\"^/x\")", "event.data.url.path.matches(r\"^/x\")"),
            ("1.5 < x", "1.5 < event.data.x"),
        ] {
            assert_eq!(expression(theirs), ours, "{theirs}");
        }
    }

    #[test]
    fn a_name_that_nobody_knows_is_none() {
        for (theirs, ours) in [
            ("start_time", Some("event.time")),
            ("x-token-usage", Some("first(event.data[\"http.request.header.x-token-usage\"])")),
            ("mcp.task.name", Some("event.data.mcp.task.name")),
            ("upstream_cluster", None),
            ("a b.c", None),
            ("request.headers", None),
        ] {
            assert_eq!(name(theirs).as_deref(), ours, "{theirs}");
        }
    }
}
