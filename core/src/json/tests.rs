use super::*;

fn canonical(text: &str) -> Result<String, JsonError> {
    let mut w = ObjectWriter::new();
    parse_into(text.as_bytes(), &mut w)?;
    Ok(String::from_utf8(w.finish()?.bytes().to_vec()).unwrap())
}

#[test]
fn members_are_sorted_by_utf16_units_at_every_level() {
    let got =
        canonical(r#"{"b":{"z":1,"a":[{"y":2,"x":1}]},"a":"\u20ac","\ud83d\ude00":1,"\ufb33":2}"#).unwrap();
    assert_eq!(got, "{\"a\":\"€\",\"b\":{\"a\":[{\"x\":1,\"y\":2}],\"z\":1},\"😀\":1,\"\u{fb33}\":2}");
}

#[test]
fn the_tree_and_the_writer_agree() {
    for text in [
        r#"{}"#,
        r#"{"a":[],"b":{},"c":[[],{}]}"#,
        r#"{"n":[1,1.0,-0,0.1,1e-7,123456789012345.6,4.50,2e-3]}"#,
        r#"{"s":"\u0001\b\f\n\r\t\"\\\/é"}"#,
    ] {
        let tree = parse(text.as_bytes()).unwrap().to_canonical().unwrap();
        assert_eq!(canonical(text).unwrap().as_bytes(), tree, "{text}");
    }
}

#[test]
fn top_level_members_are_found_after_permutation() {
    let mut w = ObjectWriter::new();
    parse_into(br#"{"z":{"b":1,"a":2},"tool":"search","a":[1,2]}"#, &mut w).unwrap();
    let done = w.finish().unwrap();
    assert_eq!(done.get("z"), Some(&br#"{"a":2,"b":1}"#[..]));
    assert_eq!(done.get("tool"), Some(&br#""search""#[..]));
    assert_eq!(done.get("a"), Some(&br#"[1,2]"#[..]));
    assert_eq!(done.get("b"), None);
}

#[test]
fn refusals_name_the_path() {
    for (text, path, part) in [
        (r#"{"a":{"b":[1,9007199254740992]}}"#, "a.b[1]", "2^53"),
        (r#"{"a":1e300}"#, "a", "2^53"),
        (r#"{"a":1,"a":2}"#, "a", "twice"),
        (r#"{"b":1,"a":2,"b":3}"#, "b", "twice"),
        (r#"{"a":["\ud800"]}"#, "a[0]", "surrogate"),
        (r#"{"a":[[],"x","\ud800"]}"#, "a[2]", "surrogate"),
        (r#"{"a":[1,NaN]}"#, "a[1]", "NaN"),
        (r#"{"a":[1,{"b":1e400}]}"#, "a[1].b", "too large"),
        (r#"{"a":1e999}"#, "a", "double"),
    ] {
        let e = canonical(text).unwrap_err();
        assert!(e.message().contains(part), "{text}: {e}");
        assert_eq!(e.path(), Some(path), "{text}");
    }
    let mut w = ObjectWriter::new();
    w.begin_object().unwrap();
    w.key("x").unwrap();
    assert_eq!(w.float(f64::NAN).unwrap_err().path(), Some("x"));
}

#[test]
fn depth_is_bounded() {
    let nest = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n));
    assert!(canonical(&nest(64)).is_ok());
    assert!(canonical(&nest(65)).unwrap_err().message().contains("64"));
    assert!(parse("[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn a_writer_can_be_used_again() {
    let mut w = ObjectWriter::new();
    assert!(parse_into(b"{\"b\":1,\"a\":[", &mut w).is_err());
    w.reset(DEFAULT_DEPTH);
    parse_into(b"{\"b\":1,\"a\":[]}", &mut w).unwrap();
    assert_eq!(w.finish().unwrap().bytes(), b"{\"a\":[],\"b\":1}");
}

#[test]
fn keys_compare_as_their_utf16_units_do() {
    let chars = [
        '\0',
        'a',
        '\u{7F}',
        '\u{80}',
        '\u{7FF}',
        '\u{D7FF}',
        '\u{E000}',
        '\u{FFFF}',
        '\u{10000}',
        '\u{10FFFF}',
    ];
    let mut keys = vec![String::new()];
    for a in chars {
        keys.push(a.into());
        keys.extend(chars.map(|b| String::from_iter([a, b])));
    }
    for a in &keys {
        for b in &keys {
            assert_eq!(super::compare_keys(a, b), a.encode_utf16().cmp(b.encode_utf16()), "{a:?} {b:?}");
        }
    }
}

/// Eight bytes are looked at together, so every byte that is escaped stands at every place of a word, among
/// neighbours of which each differs from it by one.
#[test]
fn strings_are_escaped_wherever_it_is_due() {
    for c in (0..=0x100_u32).filter_map(char::from_u32) {
        for around in ['a', '\u{1F}', ' ', '!', '"', '#', '[', '\\', ']', '\u{7F}', 'é'] {
            for before in 0..10 {
                let text =
                    format!("{}{c}{}", String::from(around).repeat(before), String::from(around).repeat(9));
                let mut expected = String::from("\"");
                for c in text.chars() {
                    match c {
                        '"' => expected += "\\\"",
                        '\\' => expected += "\\\\",
                        '\u{8}' => expected += "\\b",
                        '\t' => expected += "\\t",
                        '\n' => expected += "\\n",
                        '\u{C}' => expected += "\\f",
                        '\r' => expected += "\\r",
                        '\0'..='\u{1F}' => expected += &format!("\\u{:04x}", u32::from(c)),
                        c => expected.push(c),
                    }
                }
                expected.push('"');
                let mut out = Vec::new();
                super::write_string(&mut out, &text);
                assert_eq!(String::from_utf8(out).unwrap(), expected);
            }
        }
    }
}

fn tagged(tag: u8, text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    [&[tag][..], &length, text.as_bytes()].concat()
}

#[test]
fn an_object_by_its_keys_is_the_object_of_keys_and_values() {
    let values = [
        tagged(b's', "say \"é\""),
        b"[n{}]".to_vec(),
        [&b"i"[..], &7_i64.to_le_bytes()].concat(),
        [&b"{"[..], &tagged(b'k', "z"), b"t", &tagged(b'k', "a"), b"[f]}"].concat(),
        [&b"d"[..], &18.25_f64.to_le_bytes()].concat(),
    ];
    let names = ["tool.name", "\u{FB33}", "\u{1F600}", "a\"b", ""];
    let (mut whole, mut by_keys) = (ObjectWriter::new(), ObjectWriter::new());
    let members: Vec<_> = names.iter().zip(&values).flat_map(|(n, v)| [tagged(b'k', n), v.clone()]).collect();
    stream_into(&[&b"{"[..], &members.concat(), b"}"].concat(), &mut whole).unwrap();
    let keys: &'static Keys = Box::leak(Box::new(Keys::new(&names).unwrap()));
    for _ in 0..2 {
        by_keys.reset(DEFAULT_DEPTH);
        values_into(keys, &values.concat(), &[], &mut by_keys).unwrap();
        let (one, other) = (whole.finish().unwrap(), by_keys.finish().unwrap());
        assert_eq!(one.bytes(), other.bytes());
        assert!(one.members().eq(other.members()));
        assert!(one.values().eq(other.values()));
    }
    assert!(Keys::new(&["a", "b", "a"]).unwrap_err().message().contains("twice"));
    assert!(Keys::new(&["a"; 65]).is_err());
}

#[test]
fn values_that_are_not_as_many_as_keys_are_no_object() {
    let keys: &'static Keys = Box::leak(Box::new(Keys::new(&["b", "a"]).unwrap()));
    for broken in [&b"t"[..], b"ttt", b"t{", b"t]", b"tk", b"ts\x05\0\0\0abc", b"tx", b""] {
        assert_eq!(
            values_into(keys, broken, &[], &mut ObjectWriter::new()),
            Err(StreamError::Broken),
            "{broken:?}"
        );
    }
    let nan = [&b"t["[..], b"d", &f64::NAN.to_le_bytes(), b"]"].concat();
    let Err(StreamError::Refused(e)) = values_into(keys, &nan, &[], &mut ObjectWriter::new()) else {
        panic!()
    };
    assert_eq!(e.path(), Some("a[0]"));
}

/// Texts as UTF-16 beside the stream are those as UTF-8 within it.
#[test]
fn texts_that_stand_apart_are_those_in_the_stream() {
    let keys: &'static Keys = Box::leak(Box::new(Keys::new(&["b", "a"]).unwrap()));
    let apart = |text: &str| {
        let units: Vec<u16> = text.encode_utf16().collect();
        ([&b"w"[..], &u32::try_from(units.len()).unwrap().to_le_bytes()].concat(), units)
    };
    let long = "0123456789abcdef".repeat(20);
    for special in (0..0x100).filter_map(char::from_u32).chain(['\u{FFFF}', '\u{1F600}', '\u{4F60}']) {
        for at in [0, 1, 7, 8, 31, 300] {
            let text = format!("{}{special}{special}{}", &long[..at], &long[at..]);
            let (mut whole, mut beside) = (ObjectWriter::new(), ObjectWriter::new());
            values_into(keys, &[tagged(b's', &text), tagged(b's', "x")].concat(), &[], &mut whole).unwrap();
            let ((one, of_one), (other, of_other)) = (apart(&text), apart("x"));
            values_into(keys, &[one, other].concat(), &[of_one, of_other].concat(), &mut beside).unwrap();
            let (whole, beside) = (whole.finish().unwrap(), beside.finish().unwrap());
            assert_eq!(whole.bytes(), beside.bytes());
            assert!(whole.values().eq(beside.values()));
        }
    }
    let two = [&b"w\x02\0\0\0w\x01\0\0\0"[..]].concat();
    for units in [&[][..], &[65, 65], &[65; 4]] {
        let broken = values_into(keys, &two, units, &mut ObjectWriter::new());
        assert_eq!(broken, Err(StreamError::Broken));
    }
    // Two that are wrong: the first in the order of the values is named, which is the second of the keys.
    for units in [[0xD800, 65, 0xDC00], [0xDC00, 0xD800, 0xD800], [65, 0xDBFF, 0xD800]] {
        let refused = values_into(keys, &two, &units, &mut ObjectWriter::new());
        let Err(StreamError::Refused(e)) = refused else { panic!() };
        assert_eq!((e.path(), e.message().contains("lone surrogate")), (Some("b"), true));
    }
}

/// Numbers with few decimals are written in a way of their own: it has to be the general one's text.
#[test]
fn numbers_with_few_decimals_are_written_as_all_are() {
    let check = |value: f64| {
        let mut text = Vec::new();
        write_f64(&mut text, value).unwrap();
        let expected =
            if value == 0.0 { "0".to_owned() } else { ryu_js::Buffer::new().format(value).to_owned() };
        assert_eq!(String::from_utf8(text).unwrap(), expected, "{value:e}");
    };
    let mut spread = 1_u64;
    for n in 0..100_000_u32 {
        let value = f64::from(n);
        // Pseudo-random, and the same each time.
        spread = spread.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        for value in [value / 1000.0, value / 10_000.0, value * 1e6 + 0.001, f64::from_bits(spread)] {
            if value.is_finite() {
                [value, -value, value.next_up(), value.next_down()].into_iter().for_each(check);
            }
        }
    }
    [0.0, -0.0, 1e11, 99_999_999_999.999, 0.001, 0.000_999, 5e-324, 1e21, 0.1 + 0.2]
        .into_iter()
        .for_each(check);
}

#[test]
fn what_another_writer_wrote_is_taken_over_with_what_is_known_of_it() {
    let write = |writer: &mut ObjectWriter| {
        writer.begin_object()?;
        for (key, text) in [("z", "plain"), ("a", "\"quoted\""), ("m", "x")] {
            writer.key(key)?;
            writer.string(text)?;
        }
        Ok::<_, JsonError>(())
    };
    let (mut first, mut second) = (ObjectWriter::new(), ObjectWriter::new());
    write(&mut first).unwrap();
    second.begin_object().unwrap();
    for (key, value, escaped) in first.written() {
        second.key(key).unwrap();
        second.ready(value, escaped).unwrap();
    }
    first.end_object().unwrap();
    second.end_object().unwrap();
    let (first, second) = (first.finish().unwrap(), second.finish().unwrap());
    assert_eq!(second.bytes(), first.bytes());
    assert!(second.values().eq(first.values()));
    assert_eq!(second.values().map(|(_, escaped)| escaped).collect::<Vec<_>>(), [true, false, false]);
}
