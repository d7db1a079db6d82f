//! Markers, and every form in which one might come out.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// Where a marker may be found: reckoned from docs/CONTENT.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum May {
    /// Nowhere.
    Never,
    /// In every envelope: `data` that no redaction policy looks at.
    Everywhere,
    /// Where a lane may see the class at least so far: 1 summary, 2 reference, 3 raw.
    Ceiling { class: usize, least: u8 },
    /// In what only the host sees.
    Host,
}

/// A text that is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Marker {
    pub(crate) text: String,
    pub(crate) may: May,
    /// Whether its combination opens the gate of the lanes that have it.
    pub(crate) sink: bool,
}

/// The forms of a marker: as it is, escaped as JSON and as a URL, base64 at each of the three places in a group
/// of bytes, hexadecimal, and as the list of numbers that Rust's debug output makes of bytes.
pub(crate) fn forms(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut forms = vec![bytes.to_vec()];
    let (mut json, mut url, mut hex, mut list) = (String::new(), String::new(), String::new(), String::new());
    for unit in text.encode_utf16() {
        match char::from_u32(u32::from(unit)).filter(char::is_ascii) {
            Some(c) => json.push(c),
            None => write!(json, "\\u{unit:04x}").unwrap(),
        }
    }
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => url.push(char::from(byte)),
            _ => write!(url, "%{byte:02X}").unwrap(),
        }
        write!(hex, "{byte:02x}").unwrap();
        write!(list, "{byte}, ").unwrap();
    }
    list.truncate(list.len() - 2);
    forms.extend([json, url, hex, list].map(String::into_bytes));
    for lead in 0..3 {
        let mut shifted = vec![0; lead];
        shifted.extend_from_slice(bytes);
        let encoded = STANDARD_NO_PAD.encode(&shifted);
        // What depends on the bytes before and behind the marker is left out.
        let from = (lead * 8).div_ceil(6);
        let to = shifted.len() * 8 / 6;
        forms.push(encoded.as_bytes()[from..to].to_vec());
    }
    forms.push(STANDARD.encode(bytes).into_bytes());
    forms.sort();
    forms.dedup();
    forms
}

#[test]
fn a_marker_is_found_however_it_is_written() {
    let text = "K001promptøK";
    let found = |haystack: &str| {
        forms(text).iter().any(|form| haystack.as_bytes().windows(form.len()).any(|window| window == form))
    };
    for lead in ["", "a", "ab", "abc"] {
        assert!(found(&STANDARD.encode(format!("{lead}{text}behind"))), "{lead}");
    }
    assert!(found(r#"{"a":"K001prompt\u00f8K"}"#));
    assert!(found(&format!("{:?}", text.as_bytes())));
    assert!(!found("K002promptøK"));
}
