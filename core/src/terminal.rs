//! Words of strangers on a terminal.
//!
//! Guarantees: nothing that comes out of [`Safe`] moves a cursor, changes colours, breaks a line, turns the
//! direction of text, or hides. What would is shown as an escape, `\u{1b}`; everything else stays as it is, with
//! the joiners that scripts and emoji need.
//!
//! The console sink, the verifier's report and all of the command go through here. What is for programs (JSON,
//! sealed lines) is written as it is, and only where a terminal reads it by [`push_json`], which is the same JSON.

use std::fmt::{self, Write as _};

/// Text that may hold anything, for one line of a terminal.
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

/// Appends several lines, each made safe; the newlines between them are ours.
pub fn push_lines(out: &mut String, text: &str) {
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        // Writing to a string cannot fail.
        let _ = write!(out, "{}", Safe(line));
    }
}

/// Appends JSON, or lines of it, with what is no plain character of a string written as JSON's own escape: the same
/// values for whoever copies it from the terminal.
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
            // What families of emoji and Persian need.
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
