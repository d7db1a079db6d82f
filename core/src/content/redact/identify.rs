//! Identifiers in data: provider account ids, credential ids, remote handles and file paths, recognized by the name
//! of their member or by their shape.

use std::ops::Range;

/// The last words of names whose members hold an identifier.
const NAMES: &[(&str, &[&str])] = &[
    (
        "account",
        &[
            "account_id",
            "accountid",
            "aws_account",
            "org_id",
            "organization_id",
            "organization",
            "workspace_id",
            "subscription_id",
            "billing_account",
            "customer_id",
            "cloud_account",
        ],
    ),
    (
        "credential",
        &["credential_id", "key_id", "keyid", "access_key_id", "api_key_id", "token_id", "certificate_id"],
    ),
    (
        "handle",
        &[
            "handle",
            "thread_id",
            "assistant_id",
            "upload_id",
            "vector_store_id",
            "response_id",
            "batch_id",
            "file_id",
            "container_id",
            "session_handle",
        ],
    ),
    (
        "path",
        &[
            "file_path",
            "filepath",
            "filename",
            "file_name",
            "cwd",
            "working_directory",
            "workdir",
            "directory",
            "home_dir",
        ],
    ),
];

/// Values that are an identifier as a whole: how they begin, and how much must follow.
const SHAPES: &[(&str, &str, usize)] = &[
    ("account", "org-", 16),
    ("account", "acct_", 12),
    ("account", "arn:aws", 10),
    ("handle", "asst_", 12),
    ("handle", "thread_", 12),
    ("handle", "resp_", 12),
    ("handle", "file-", 16),
    ("handle", "vs_", 16),
    ("handle", "msgbatch_", 12),
];

/// Where file paths begin.
const ROOTS: &[&str] = &[
    "/home/",
    "/Users/",
    "/root/",
    "/var/",
    "/tmp/",
    "/etc/",
    "/opt/",
    "/mnt/",
    "/srv/",
    "/usr/",
    "/private/",
    "/Volumes/",
    "/data/",
    "/app/",
    "/workspace/",
    "~/",
    "\\\\",
    "file://",
];

/// What a member of that name identifies.
pub(super) fn by_name(name: &str) -> Option<&'static str> {
    let name: String = name
        .chars()
        .map(|c| if matches!(c, '-' | '.' | ' ') { '_' } else { c.to_ascii_lowercase() })
        .collect();
    NAMES.iter().find_map(|(label, names)| {
        names
            .iter()
            .any(|n| name == *n || name.strip_suffix(n).is_some_and(|head| head.ends_with('_')))
            .then_some(*label)
    })
}

/// What a value identifies as a whole.
pub(super) fn by_shape(value: &str) -> Option<&'static str> {
    SHAPES.iter().find_map(|(label, prefix, least)| {
        let rest = value.strip_prefix(prefix)?;
        (rest.len() >= *least && rest.bytes().all(|b| b.is_ascii_graphic())).then_some(*label)
    })
}

/// File paths within a text, in order: from a root to the next white space, quote or bracket.
pub(super) fn paths(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut done = 0;
    for at in memchr::memchr3_iter(b'/', b'\\', b'~', text.as_bytes()) {
        if at < done {
            continue;
        }
        let Some(start) = root(text, at) else { continue };
        if start < done
            || text[..start].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '/' | '_'))
        {
            continue;
        }
        let end = text[at..]
            .find(|c: char| {
                c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '|' | ',' | ';' | ')' | ']')
            })
            .map_or(text.len(), |n| at + n);
        let end = start + text[start..end].trim_end_matches(['.', ':']).len();
        // Text that was searched is not searched again, so that the whole takes linear time.
        done = end.max(at + 1);
        found.push(start..end);
    }
    found
}

/// Where the path begins whose first separator is at `at`.
fn root(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let drive = at >= 2 && bytes[at - 1] == b':' && bytes[at - 2].is_ascii_alphabetic();
    if drive && bytes.get(at + 1) != Some(&b'/') && (at == 2 || !bytes[at - 3].is_ascii_alphanumeric()) {
        return Some(at - 2);
    }
    if bytes[at] == b'/' && at >= 5 && text[..at].ends_with("file:") {
        return Some(at - 5);
    }
    ROOTS
        .iter()
        .any(|root| bytes[at..].starts_with(root.as_bytes()) && bytes.len() > at + root.len())
        .then_some(at)
}
