//! Text from strangers, made safe for a terminal.
//!
//! Guarantees: no text that comes out of [`Safe`] moves a cursor, changes colours, breaks a line, changes the direction
//! of text, or is invisible. A character that would do so is shown as an escape, such as `\u{1b}`; everything else
//! stays as it is, including the joiners that scripts and emoji need.
//!
//! The console sink, the verifier's report and the whole command print through this module. Output for programs (JSON,
//! sealed lines) is written unchanged, except on a terminal, where [`push_json`] writes the same JSON with escapes.

use std::fmt::{self, Write as _};

/// Any text, displayed safely on one line of a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Safe<'a>(pub &'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_hazard) {
            let (plain, from) = rest.split_at(at);
            f.write_str(plain)?;
            let mut chars = from.chars();
            for c in chars.by_ref().take(1) {
                write!(f, "{}", c.escape_unicode())?;
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

/// Whether a character does something to a terminal, or to how a line reads, instead of being shown.
#[must_use]
pub fn is_hazard(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            // Soft hyphen, Arabic letter mark, Mongolian vowel separator: not seen, or seen as something else.
            '\u{AD}' | '\u{61C}' | '\u{180E}'
            // Zero width space; marks of direction; separators of lines; embeddings and overrides.
            | '\u{200B}' | '\u{200E}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            // Word joiner, invisible operators, isolates, and what was deprecated beside them.
            | '\u{2060}'..='\u{206F}'
            // Byte-order mark; interlinear annotation; tags, which are text that nobody sees.
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}'
        )
}

/// Appends several lines, each made safe; only the newlines that separate them are kept.
pub fn push_lines(out: &mut String, text: &str) {
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        // Writing to a string cannot fail.
        let _ = write!(out, "{}", Safe(line));
    }
}

/// Appends JSON, or lines of JSON, and writes each unsafe character as a JSON escape, so that JSON copied from the
/// terminal has the same values.
pub fn push_json(out: &mut String, json: &str) {
    for c in json.chars() {
        if c != '\n' && is_hazard(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
}

/// The end of the last character that ends within `most` bytes (`str::floor_char_boundary`, which Rust 1.89 has not got).
pub(crate) fn boundary(text: &str, most: usize) -> usize {
    let most = most.min(text.len());
    (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown_as_an_escape() {
        for (given, shown) in [
            ("plain ü 漢字 😀 \\u{1b}", "plain ü 漢字 😀 \\u{1b}"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("a\nb\r\tc\u{7f}", "a\\u{a}b\\u{d}\\u{9}c\\u{7f}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}txt.exe\u{2066}", "\\u{202e}txt.exe\\u{2066}"),
            ("a\u{200b}b\u{feff}c\u{e0041}", "a\\u{200b}b\\u{feff}c\\u{e0041}"),
            ("x\u{2028}y\u{200f}", "x\\u{2028}y\\u{200f}"),
            // Joiners that emoji of families and Persian need.
            ("👩\u{200d}💻 می\u{200c}خواهم", "👩\u{200d}💻 می\u{200c}خواهم"),
            ("", ""),
        ] {
            assert_eq!(Safe(given).to_string(), shown);
        }
    }

    #[test]
    fn lines_of_ours_stay_lines() {
        let mut out = String::new();
        push_lines(&mut out, "one\ntwo\u{1b}\n");
        assert_eq!(out, "one\ntwo\\u{1b}\n");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = crate::json::parse("[\"\u{9b}\u{202e}\u{e0041}é\"]".as_bytes()).unwrap();
        let mut out = String::new();
        push_json(&mut out, &value.to_json());
        assert_eq!(out, "[\"\\u009b\\u202e\\udb40\\udc41é\"]");
        assert_eq!(crate::json::parse(out.as_bytes()).unwrap().to_json(), value.to_json());
    }
}
