use sinkwell::ErrorKind;
use sinkwell::json::{ObjectWriter, parse_into};

use super::*;

/// Tokens as a host would write them.
#[derive(Default)]
struct Tokens {
    text: Vec<u8>,
    words: Vec<u64>,
}

impl Tokens {
    fn of(kinds: &[u64]) -> Self {
        Self { text: Vec::new(), words: kinds.to_vec() }
    }

    fn text(mut self, kind: u64, text: &[u8]) -> Self {
        self.text.extend_from_slice(text);
        self.words.push(kind | (text.len() as u64) << 8);
        self
    }

    fn word(mut self, word: u64) -> Self {
        self.words.push(word);
        self
    }

    fn key(self, key: &str) -> Self {
        self.text(SINKWELL_TOKEN_KEY, key.as_bytes())
    }

    fn end(self) -> Self {
        self.word(SINKWELL_TOKEN_END_OBJECT)
    }

    /// The canonical bytes, as an emit would get them.
    fn read(&self, depth: usize) -> Result<String> {
        let tokens = SinkwellTokens {
            text: SinkwellBytes::of(&self.text),
            words: self.words.as_ptr(),
            words_len: self.words.len() as u64,
        };
        // SAFETY: both arrays live as long as the call.
        unsafe {
            tokens.read(depth, |data| {
                let Data::Object(writer) = data else { unreachable!("tokens are an object") };
                let written = writer.finish().map_err(|e| invalid_data(&e))?;
                Ok(String::from_utf8(written.bytes().to_vec()).unwrap())
            })
        }
    }

    fn refused(&self) -> (ErrorKind, String) {
        let error = self.read(8).unwrap_err();
        (error.kind(), error.place().unwrap_or_default().to_owned())
    }
}

fn object() -> Tokens {
    Tokens::of(&[SINKWELL_TOKEN_OBJECT])
}

#[test]
fn tokens_are_written_as_their_json_is() {
    let tokens = object()
        .key("z")
        .text(SINKWELL_TOKEN_STRING, "a \"quoted\" \u{1F600}\n".as_bytes())
        .key("numbers")
        .word(SINKWELL_TOKEN_LIST)
        .word(SINKWELL_TOKEN_INT)
        .word((-5_i64).cast_unsigned())
        .word(SINKWELL_TOKEN_UINT)
        .word((1 << 53) - 1)
        .word(SINKWELL_TOKEN_FLOAT)
        .word(18.25_f64.to_bits())
        .word(SINKWELL_TOKEN_FLOAT)
        .word((-0.0_f64).to_bits())
        .word(SINKWELL_TOKEN_FLOAT)
        .word(1e6_f64.to_bits())
        .word(SINKWELL_TOKEN_END_LIST)
        .key("words")
        .word(SINKWELL_TOKEN_LIST)
        .word(SINKWELL_TOKEN_TRUE)
        .word(SINKWELL_TOKEN_FALSE)
        .word(SINKWELL_TOKEN_NULL)
        .word(SINKWELL_TOKEN_END_LIST)
        .key("json")
        .text(SINKWELL_TOKEN_JSON, br#"{"b": [1.0], "a": "x"}"#)
        .key("")
        .word(SINKWELL_TOKEN_OBJECT)
        .end()
        .end();
    let json = r#"{"z": "a \"quoted\" 😀\n", "numbers": [-5, 9007199254740991, 18.25, -0.0, 1e6],
        "words": [true, false, null], "json": {"b": [1.0], "a": "x"}, "": {}}"#;
    let mut writer = ObjectWriter::new();
    parse_into(json.as_bytes(), &mut writer).unwrap();
    let expected = writer.finish().unwrap().bytes().to_vec();
    assert_eq!(tokens.read(8).unwrap().into_bytes(), expected);
    // The writer that is kept holds nothing of the event before.
    assert_eq!(object().end().read(8).unwrap(), "{}");
}

#[test]
fn data_is_held_to_the_rules_and_the_place_named() {
    let refused = |tokens: Tokens, place: &str| {
        assert_eq!(tokens.refused(), (ErrorKind::InvalidEvent, place.to_owned()));
    };
    let float = |f: f64| object().key("a").word(SINKWELL_TOKEN_FLOAT).word(f.to_bits()).end();
    refused(float(f64::NAN), "data.a");
    refused(float(f64::NEG_INFINITY), "data.a");
    refused(float(1e300), "data.a");
    refused(object().key("a").word(SINKWELL_TOKEN_UINT).word(u64::MAX).end(), "data.a");
    refused(object().key("a").word(SINKWELL_TOKEN_INT).word(1 << 63).end(), "data.a");
    refused(object().key("a").word(SINKWELL_TOKEN_NULL).key("a").word(SINKWELL_TOKEN_NULL).end(), "data.a");
    refused(object().key("a").text(SINKWELL_TOKEN_JSON, b"{\"b\": NaN}").end(), "data.a.b");
    let deep = (0..8).fold(object(), |tokens, _| tokens.key("a").word(SINKWELL_TOKEN_OBJECT));
    refused(deep, "data.a.a.a.a.a.a.a.a");
    refused(object().key("a").text(SINKWELL_TOKEN_STRING, b"\xff").end(), "data");
    // Each half of a character is no text, though both together are.
    refused(
        object().key("a").text(SINKWELL_TOKEN_STRING, b"\xc3").text(SINKWELL_TOKEN_JSON, b"\xa9"),
        "data",
    );
    // No object, none that ends, and more than one.
    refused(Tokens::of(&[SINKWELL_TOKEN_NULL]), "data");
    refused(Tokens::default(), "data");
    refused(object(), "data");
    refused(object().end().word(SINKWELL_TOKEN_OBJECT), "data");
    refused(object().word(SINKWELL_TOKEN_TRUE).end(), "data");
    refused(object().key("a").end(), "data");
}

#[test]
fn malformed_tokens_are_an_argument_that_is_not_valid() {
    for tokens in [
        object().key("a").word(SINKWELL_TOKEN_INT),
        object().word(SINKWELL_TOKEN_KEY | 1 << 8),
        object().word(SINKWELL_TOKEN_KEY | u64::MAX << 8),
        object().word(13),
        object().word(255),
        Tokens { text: b"more".to_vec(), words: object().end().words },
    ] {
        assert_eq!(tokens.refused(), (ErrorKind::InvalidArgument, "words".to_owned()));
    }
}

#[test]
fn words_in_any_order_are_refused_or_written() {
    // A generator of its own (xorshift), so that the same words come each time.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let text: String = "añ😀\"\\\u{1}{}[]1".repeat(8);
    let mut written = 0;
    for _ in 0..50_000 {
        let mut words = vec![SINKWELL_TOKEN_OBJECT];
        for _ in 0..next() % 12 {
            words.push((next() % 14) | ((next() % 4) << 8));
        }
        words.push(SINKWELL_TOKEN_END_OBJECT);
        let mut writer = ObjectWriter::with_depth(4);
        if write(&words, &text[..0], &mut writer).is_ok() && writer.finish().is_ok() {
            written += 1;
        }
        writer.reset(4);
        let _ = write(&words, &text, &mut writer);
    }
    assert!(written > 100, "{written}");
}
