//! Whether a value is a secret: whether it looks drawn, that is, made at random and not written by a person, and is no
//! placeholder.

/// Whether a value is only a placeholder: masked, a template's variable, redacted already, or a keyword of a language.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: [&str; 44] = [
        "null",
        "none",
        "nil",
        "true",
        "false",
        "undefined",
        "required",
        "optional",
        "string",
        "str",
        "redacted",
        "changeme",
        "change_me",
        "invalid",
        "missing",
        "expired",
        "hidden",
        "masked",
        "empty",
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "api_key",
        "apikey",
        "pass",
        "pwd",
        "default",
        "example",
        "placeholder",
        "todo",
        "fixme",
        "xxx",
        "stdin",
        "prompt",
        "env",
        "file",
        "vault",
        "yes",
        "no",
        "number",
        "boolean",
        "unset",
    ];
    let value = value.trim_ascii();
    let Some(&first) = value.first() else { return true };
    if value.iter().all(|b| *b == first) && !first.is_ascii_digit()
        || value.starts_with(b"***")
        || value.starts_with(b"...")
        // A pattern of words with anything between: `*all*tokens*updated*`.
        || value.len() > 8 && first == b'*' && value.ends_with(b"*") && value[1..].windows(2).filter(|w| w[0] != b'*' && w[1] == b'*').count() >= 3
        || value.starts_with("•".as_bytes())
        || value.starts_with("…".as_bytes())
        || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
    {
        return true;
    }
    let ident = |b: &[u8]| {
        !b.is_empty()
            && b.iter().all(|b| {
                b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'#' | b'/' | b' ')
            })
    };
    let inner = |open: &[u8], close: &[u8]| {
        value
            .strip_prefix(open)
            .and_then(|v| v.strip_suffix(close))
            .filter(|v| !v.iter().any(|b| close.contains(b)))
    };
    let upper = |v: &[u8]| {
        !v.is_empty() && v.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
    };
    match first {
        b'$' => {
            inner(b"${", b"}").is_some()
                || value.starts_with(b"$(")
                || value.starts_with(b"${{")
                || upper(&value[1..])
                || value[1..].iter().all(|b| b.is_ascii_lowercase() || *b == b'_')
        }
        b'{' => {
            value.starts_with(b"{{")
                || value == b"{}"
                || inner(b"{", b"}").is_some_and(|v| {
                    v.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'!'))
                })
        }
        b'#' => value.starts_with(b"#{"),
        b'@' => value.starts_with(b"@{") || value.starts_with(b"@Microsoft.KeyVault"),
        b'%' => {
            value.len() <= 3
                || value.split(|b| *b == b':').all(|v| matches!(v, b"%s" | b"%d" | b"%v"))
                || inner(b"%", b"%").is_some_and(ident)
                || value.starts_with(b"%(")
        }
        b'&' if value.starts_with(b"&lt;") => true,
        b'^' | b'~' => value[1..].iter().all(|b| b.is_ascii_digit() || *b == b'.'),
        b'<' => inner(b"<", b">").is_some_and(ident) || value.starts_with(b"<%"),
        b'[' => inner(b"[", b"]").is_some_and(ident),
        b'y' | b'Y' | b'm' | b'M' => [b"your".as_slice(), b"my_", b"my-"].iter().any(|p| {
            value.len() > p.len()
                && value[..p.len()].eq_ignore_ascii_case(p)
                && !value.iter().any(u8::is_ascii_digit)
        }),
        _ => false,
    }
}

/// Whether a value consists of words that a person wrote: each of letters, with at most a small number behind them.
fn is_wordy(value: &[u8]) -> bool {
    value.split(|b| matches!(b, b'-' | b'_' | b'.' | b'/' | b':' | b'#' | b' ')).all(|segment| {
        let letters = segment.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (word, rest) = segment.split_at(letters);
        // Letters that often change between upper and lower case are no word.
        let turns =
            word.windows(2).filter(|w| w[0].is_ascii_uppercase() && w[1].is_ascii_lowercase()).count();
        rest.len() <= 3 && rest.iter().all(u8::is_ascii_digit) && (letters < 12 || turns * 4 <= letters)
            || letters == 0 && segment.len() <= 4 && segment.iter().all(u8::is_ascii_digit)
    })
}

/// Whether a value looks drawn: without blanks, with digits among letters or long and of mixed case, and no link, path
/// or sequence of words.
pub(super) fn is_drawn(value: &[u8]) -> bool {
    if value.len() < 8 || value.iter().any(|b| b.is_ascii_whitespace()) {
        return false;
    }
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let lower = value.iter().any(u8::is_ascii_lowercase);
    let upper = value.iter().any(u8::is_ascii_uppercase);
    let letters = lower || upper;
    let link = value.windows(3).any(|w| w == b"://") || value.windows(2).any(|w| w == b"::");
    let path = matches!(value[0], b'/' | b'~' | b'.')
        && value[1..].contains(&b'/')
        && value.len() < 40
        && is_wordy(&value[1..]);
    (digits > 0 && letters || value.len() >= 16 && lower && upper) && !link && !path && !is_wordy(value)
}

/// Whether an unquoted value is an expression of a programming language rather than a value.
pub(super) fn is_expression(value: &[u8]) -> bool {
    let starts = value[0].is_ascii_alphabetic() || value[0] == b'_';
    let head = value.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    // A call, an index, a type's parameters, a macro, a path.
    let path =
        value.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':')).count();
    let called = starts
        && (matches!(value.get(head), Some(b'(' | b'[' | b'<'))
            || matches!(value.get(path), Some(b'('))
            || matches!(value[head..], [b'!', b'(' | b'[' | b'{', ..]));
    let arrowed = value
        .windows(2)
        .any(|w| w == b"::" || w == b"->" || w == b"=>" || w == b"()" || w == b"||" || w == b"&&");
    let dotted = starts && {
        let mut segments = value.split(|b| *b == b'.');
        let first = segments.next().unwrap_or_default();
        let word = |s: &[u8]| !s.is_empty() && s.iter().all(|b| b.is_ascii_alphabetic() || *b == b'_');
        let mut more = segments.clone().peekable();
        more.peek().is_some() && (word(first) && segments.all(word) || known_object(first))
    };
    called
        || arrowed
        || dotted
        || value[0] == b'|' && value[1..].contains(&b'|')
        || value[0] == b'(' && (value.ends_with(b")") || value.ends_with(b"("))
        || value.ends_with(b"|")
        || value.starts_with(b"&&")
        || matches!(value, [b'&' | b'*', b'a'..=b'z' | b'A'..=b'Z' | b'_', ..])
            && value[1..].iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'<' | b'>'))
}

fn known_object(name: &[u8]) -> bool {
    const OBJECTS: [&str; 20] = [
        "self", "this", "args", "config", "cfg", "req", "request", "os", "process", "env", "options", "opts",
        "ctx", "params", "settings", "data", "res", "response", "user", "p",
    ];
    OBJECTS.iter().any(|o| name == o.as_bytes())
}

/// Whether a word is a name of a type.
pub(super) fn is_type(value: &[u8]) -> bool {
    let numeric =
        ["i", "u", "f", "int", "uint", "float", "utf", "bool", "char", "vec", "base", "str", "string"];
    // `D3DKMT_TOKEN`: constants and types of C.
    let constant = value.contains(&b'_')
        && value.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
        && value.split(|b| *b == b'_').any(|w| w.len() >= 4 && w.iter().all(u8::is_ascii_alphabetic));
    if constant {
        return true;
    }
    let value = value.strip_prefix(b"__").unwrap_or(value);
    let letters = value.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let (word, rest) = value.split_at(letters);
    (numeric.iter().any(|n| word.eq_ignore_ascii_case(n.as_bytes())))
        && rest.iter().all(|b| b.is_ascii_digit() || matches!(b, b'_' | b't' | b'?' | b'*'))
}
