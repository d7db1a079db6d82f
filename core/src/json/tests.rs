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
