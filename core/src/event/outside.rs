//! Text from strangers: headers of a request, `tracestate`, a caller's own request id.
//!
//! Guarantees: text from strangers never makes an event fail. A stranger whose text could make `emit` fail could erase
//! their own trail. So an invalid trace context is left out, and other text is made to fit: it is cut, and cleaned of
//! what an attribute cannot hold. What the host itself says (a type, a run, a subject) must be right, or the event is
//! refused.

use std::sync::Once;

use super::input::Trace;
use crate::diagnostics;

/// How many bytes of text from outside are kept.
const TEXT: usize = 256;

/// How many bytes a `tracestate` may have: what W3C Trace Context asks everybody to pass on.
const STATE: usize = 512;

/// A stranger's text (a request id, a session's name) as an attribute can hold it: invalid UTF-8 and each control
/// character become U+FFFD, and text is cut after 256 bytes. `None` if nothing but blanks is left.
///
/// ```
/// use sinkwell::event::outside_text;
/// assert_eq!(outside_text(b" req-\t7 ").as_deref(), Some("req-\u{FFFD}7"));
/// assert_eq!(outside_text(b"  "), None);
/// ```
#[must_use]
pub fn outside_text(bytes: &[u8]) -> Option<String> {
    // Only the beginning of a long header is decoded; a character has at most 4 bytes.
    let bytes = bytes.trim_ascii();
    let begun = String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT + 4)]);
    let mut kept = String::with_capacity(begun.len().min(TEXT));
    for c in begun.chars().map(|c| if is_control(c) { char::REPLACEMENT_CHARACTER } else { c }) {
        if kept.len() + c.len_utf8() > TEXT {
            break;
        }
        kept.push(c);
    }
    (!kept.is_empty()).then_some(kept)
}

/// C0, DEL and C1: what a CloudEvents string must not hold.
pub(super) const fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}')
}

/// Reads a `traceparent` header (W3C Trace Context): version 00, and the part that later versions share with it. `None`
/// if it is invalid.
///
/// ```
/// let header = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// assert_eq!(sinkwell::event::outside_trace(header).unwrap().flags, 1);
/// assert!(sinkwell::event::outside_trace(b"00-0af7-b7ad-01").is_none());
/// ```
#[must_use]
pub fn outside_trace(traceparent: &[u8]) -> Option<Trace<'_>> {
    let text = std::str::from_utf8(traceparent.trim_ascii()).ok()?;
    let mut parts = text.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if !is_hex(version, 2)
        || version == "ff"
        || !is_hex(flags, 2)
        || (version == "00" && parts.next().is_some())
    {
        return None;
    }
    let trace = Trace { trace_id, span_id, flags: u8::from_str_radix(flags, 16).ok()?, state: None };
    complaint(&trace).is_none().then_some(trace)
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && crate::hex::is_digits(text.as_bytes())
}

/// What is wrong with a trace context, if anything: where, and what should be there.
fn complaint(trace: &Trace<'_>) -> Option<(&'static str, &'static str)> {
    let id = |text: &str, len| is_hex(text, len) && text.bytes().any(|b| b != b'0');
    if !id(trace.trace_id, 32) {
        return Some(("trace.trace_id", "must be 32 lower-case hex digits, not all zero"));
    }
    if !id(trace.span_id, 16) {
        return Some(("trace.span_id", "must be 16 lower-case hex digits, not all zero"));
    }
    None
}

/// The valid part of a trace context: nothing, the ids alone, or the ids with their `tracestate`. The first time that
/// something is left out, the host's logger is told, as it may be the host's own mistake.
pub(crate) fn usable_trace<'a>(trace: &Trace<'a>) -> Option<Trace<'a>> {
    if let Some((place, wanted)) = complaint(trace) {
        tell(place, wanted);
        return None;
    }
    // An empty tracestate counts as none.
    let state = trace.state.filter(|state| !state.is_empty());
    let good = |state: &&str| state.len() <= STATE && state.bytes().all(|b| matches!(b, b' '..=b'~'));
    let kept = state.filter(good);
    if state.is_some() && kept.is_none() {
        tell("trace.state", "must be at most 512 printable ASCII characters");
    }
    Some(Trace { state: kept, ..*trace })
}

#[cold]
fn tell(place: &str, wanted: &str) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        diagnostics::warn(&format!(
            "{place} of an event {wanted}; the event was taken without it, and so is every other (this is said once)"
        ));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_strangers_fits_an_attribute() {
        for (given, kept) in [
            (b"req-7".as_slice(), Some("req-7")),
            (b"\t a\tb\r\n", Some("a\u{FFFD}b")),
            (b"a\x7f\xc2\x85", Some("a\u{FFFD}\u{FFFD}")),
            (b"caf\xe9", Some("caf\u{FFFD}")),
            ("ünï".as_bytes(), Some("ünï")),
            (b"", None),
            (b" \t ", None),
        ] {
            assert_eq!(outside_text(given).as_deref(), kept, "{given:?}");
        }
        let long = outside_text(&b"a".repeat(1 << 20)).unwrap();
        assert_eq!(long.len(), 256);
        // Never cut in the middle of a character, nor inside one that the first cut broke.
        for shift in 0..4 {
            let text = format!("{}{}", "a".repeat(shift), "😀".repeat(100));
            let kept = outside_text(text.as_bytes()).unwrap();
            assert!(text.starts_with(&kept) && kept.len() > 252, "{kept}");
        }
        for byte in 0..=255_u8 {
            if let Some(kept) = outside_text(&[b'a', byte, b'b']) {
                assert!(super::super::freeze::check_attribute("x", &kept).is_ok(), "{byte}");
            }
        }
    }

    #[test]
    fn a_traceparent_is_read_or_is_none() {
        const IDS: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        let read = |text: &str| outside_trace(text.as_bytes()).map(|trace| trace.flags);
        assert_eq!(read(&format!("00-{IDS}-01")), Some(1));
        assert_eq!(read(&format!(" 00-{IDS}-ff ")), Some(255));
        assert_eq!(read(&format!("01-{IDS}-00-of-later-versions")), Some(0));
        for none in [
            String::new(),
            format!("00-{IDS}"),
            format!("00-{IDS}-1"),
            format!("00-{IDS}-01-more"),
            format!("ff-{IDS}-01"),
            format!("0g-{IDS}-01"),
            format!("00-{}-01", IDS.to_uppercase()),
            format!("00-{}-{}-01", "0".repeat(32), "b7ad6b7169203331"),
            format!("00-{}-{}-01", "0af7651916cd43dd8448eb211c80319c", "0".repeat(16)),
        ] {
            assert_eq!(read(&none), None, "{none}");
        }
        assert!(outside_trace(b"\xff").is_none());
    }
}
