//! Ids that a replay gives again.
//!
//! Guarantee: of the same process, nonce and line the id is the same whenever and wherever it is read, so that a receiver can
//! drop what came twice; of any other it is another. It is one that `emit` takes as the host's own: `PROCESS/NONCE/INDEX`,
//! at most 118 of its 128 characters.

use sha2::{Digest as _, Sha256};

/// The largest nonce: the largest integer that every reader of JSON has.
pub const MAX_NONCE: u64 = crate::json::MAX_SAFE_INTEGER;

/// The most bytes of a process that stands in an id as it is.
const PROCESS: usize = 80;

/// The process as ids have it: as given if it is 1 to 80 printable ASCII characters without `/`, else `~` and the
/// hexadecimal SHA-256 of its bytes.
pub(super) fn process(given: &str) -> String {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'/';
    let is_hex = |digest: &str| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    // One that looks like another's digest gets a digest of its own, or the two could share an id.
    let unlike = !given.strip_prefix('~').is_some_and(is_hex);
    if (1..=PROCESS).contains(&given.len()) && unlike && given.bytes().all(plain) {
        return given.to_owned();
    }
    format!("~{}", crate::hex::text(&Sha256::digest(given.as_bytes())))
}

/// The id of the event in line `index` of a nonce.
pub(super) fn event(process: &str, nonce: u64, index: u64) -> String {
    format!("{process}/{nonce}/{index}")
}
