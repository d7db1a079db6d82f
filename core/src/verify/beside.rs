//! Files beside those that were read that may belong to the same output.
//!
//! Two emitters on one path write two files, `PATH` and `PATH.<pid>`, and rotation leaves `PATH.<time>`: whoever
//! verifies `PATH` alone sees a part, and is told so. That is no finding: nothing is wrong with what was read.

use std::path::{Path, PathBuf};

/// At most so many names are listed.
const MOST: usize = 1000;

/// Files beside `paths` that are named `PATH.<digits>` or `PATH.<digits>.<digits>` and are not among `paths`.
pub(super) fn beside(paths: &[PathBuf]) -> Vec<String> {
    let mut found = Vec::new();
    for path in paths {
        let (Some(name), Some(folder)) = (path.file_name().and_then(|name| name.to_str()), path.parent())
        else {
            continue;
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        for entry in crate::seam::entries(folder).unwrap_or_default() {
            let Some(other) = entry.file_name() else { continue };
            let suffix = other.to_str().and_then(|other| other.strip_prefix(name)?.strip_prefix('.'));
            let numbered = suffix.is_some_and(|suffix| {
                suffix
                    .split('.')
                    .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
            });
            let whole = path.with_file_name(other);
            if numbered && !paths.contains(&whole) && found.len() < MOST {
                found.push(whole.display().to_string());
            }
        }
    }
    found.sort();
    found.dedup();
    found
}
