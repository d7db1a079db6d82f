//! Sources that mean harm: measured here, and held to be read or refused in `core/src/policy/telemetry/cel/tests.rs`.

/// One part over and over, up to what a source may have.
fn fill(part: &str, end: &str) -> String {
    let mut text = part.repeat(1023 / part.len());
    text.truncate(1024 - end.len());
    text + end
}

fn fold(class: &str) -> String {
    format!("event.data.s.matches(r'(?i){}')", class.repeat(950 / class.len()))
}

/// Deep brackets, long chains, nested macros, a kilobyte of each operator, regular expressions that blow up.
pub(crate) fn sources() -> Vec<String> {
    vec![
        fill("(", ""),
        fill("[", ""),
        fill("((1)+", "1"),
        fill("!", "true"),
        fill("-", "1"),
        fill("!-", "1"),
        format!("1{}", fill("[0]", "")),
        fill("event.data.", "x"),
        format!("event.data.x{}", ".a".repeat(500)),
        fill("true?", ""),
        fill("true?1:", "2"),
        fill("1+", "1"),
        fill("true&&", "true"),
        fill("true||", "true"),
        fill("has(", ""),
        "[1,2,3,4].all(a,".repeat(20),
        "[1,2,3,4,5,6,7,8].all(a,[1,2,3,4,5,6,7,8].all(b,[1,2,3,4,5,6,7,8].all(c,a==b&&b==c)))".to_owned(),
        "event.data.s.matches('((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))')".to_owned(),
        "event.data.s.matches('(a{1,99}){1,99}')".to_owned(),
        r"event.data.s.matches('(\\w{1,60}\\W){1,60}')".to_owned(),
        "event.data.s.matches('(a|a)*(a|a)*(a|a)*b')".to_owned(),
        fold(r"[!-\x{10ffff}]"),
        fold(r"\pL"),
        fold(r"[\s\S]"),
        fold(r"[\w&&\pL]"),
        fold("[[[[[[[[a]]]]]]]]"),
        fill("'", ""),
        fill("\"\"\"", ""),
        fill("\\", ""),
        fill("1.", ""),
        fill("é", ""),
        fill("a,", ""),
        "\u{0}".repeat(100),
        "x".repeat(5000),
    ]
}
