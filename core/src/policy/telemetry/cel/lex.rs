//! A source's words, each with the byte it begins at.

use super::CelError;

/// A word of the language.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Ident(String),
    Int(i64),
    Double(f64),
    Text(String),
    /// `&&`, `<=`, `(` and the like.
    Sign(&'static str),
    End,
}

impl Token {
    /// As an error names it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Ident(name) => format!("`{name}`"),
            Self::Int(_) | Self::Double(_) => "a number".to_owned(),
            Self::Text(_) => "a string".to_owned(),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "(", ")", "[", "]",
    "{", "}", ",", ".",
];

pub(super) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    /// The next word, and where it begins.
    pub(super) fn next(&mut self) -> Result<(Token, usize), CelError> {
        self.skip_space();
        let start = self.at;
        let rest = &self.source[start..];
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start)) };
        if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            return self.number().map(|token| (token, start));
        }
        if let Some((raw, prefix)) = string_prefix(rest) {
            self.at += prefix;
            return self.text(raw, start).map(|text| (Token::Text(text), start));
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
            self.at += end;
            return Ok((Token::Ident(rest[..end].to_owned()), start));
        }
        match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => {
                self.at += sign.len();
                Ok((Token::Sign(sign), start))
            }
            None => Err(CelError::new(start, format!("{first:?} has no meaning here"))),
        }
    }

    fn skip_space(&mut self) {
        loop {
            let rest = &self.source[self.at..];
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn number(&mut self) -> Result<Token, CelError> {
        let start = self.at;
        let rest = &self.source[start..];
        if let Some(hex) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
            let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
            let value = i64::from_str_radix(&hex[..end], 16).map_err(|_| too_large(start))?;
            self.at += 2 + end;
            self.unsigned_suffix();
            return Ok(Token::Int(value));
        }
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let mut end = digits(rest);
        let mut fraction = false;
        if rest[end..].starts_with('.') && rest[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
            fraction = true;
            end += 1 + digits(&rest[end + 1..]);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let exponent = digits(&rest[end + 1 + sign..]);
            if exponent > 0 {
                fraction = true;
                end += 1 + sign + exponent;
            }
        }
        self.at += end;
        if fraction {
            let value: f64 = rest[..end].parse().map_err(|_| too_large(start))?;
            return if value.is_finite() { Ok(Token::Double(value)) } else { Err(too_large(start)) };
        }
        let value = rest[..end].parse().map_err(|_| too_large(start))?;
        self.unsigned_suffix();
        Ok(Token::Int(value))
    }

    /// `5u` is 5: numbers from JSON have no sign of their own.
    fn unsigned_suffix(&mut self) {
        if self.source[self.at..].starts_with(['u', 'U']) {
            self.at += 1;
        }
    }

    /// The text after an opening quote (or three), to the closing one.
    fn text(&mut self, raw: bool, start: usize) -> Result<String, CelError> {
        let rest = &self.source[self.at..];
        let quote = &rest[..1];
        let long = rest.starts_with(&quote.repeat(3));
        let mut out = String::new();
        let open = if long { 3 } else { 1 };
        let mut chars = rest[open..].char_indices();
        while let Some((at, c)) = chars.next() {
            let here = &rest[open + at..];
            if here.starts_with(quote) && (!long || here.starts_with(&quote.repeat(3))) {
                self.at += open + at + open;
                return Ok(out);
            }
            match c {
                '\n' | '\r' if !long => {
                    return Err(CelError::new(start, "the string does not end on its line"));
                }
                '\\' if !raw => out.push(escape(&mut chars, self.at + open + at)?),
                c => out.push(c),
            }
        }
        Err(CelError::new(start, "the string does not end"))
    }
}

fn too_large(at: usize) -> CelError {
    CelError::new(at, "the number is too large")
}

/// Whether a string begins here: whether it is raw, and how many bytes stand before its quote.
fn string_prefix(rest: &str) -> Option<(bool, usize)> {
    let quoted = |rest: &str| rest.starts_with(['"', '\'']);
    if quoted(rest) {
        return Some((false, 0));
    }
    let after = rest.strip_prefix(['r', 'R'])?;
    quoted(after).then_some((true, 1))
}

fn escape(chars: &mut std::str::CharIndices<'_>, at: usize) -> Result<char, CelError> {
    let unknown = || CelError::new(at, "this escape is none; a backslash itself is `\\\\`, or use r\"…\"");
    let (_, c) = chars.next().ok_or_else(unknown)?;
    let mut code = |digits: u32, radix: u32, first: Option<char>| {
        let mut value = match first {
            Some(first) => first.to_digit(radix).ok_or_else(unknown)?,
            None => 0,
        };
        for _ in 0..digits {
            let (_, digit) = chars.next().ok_or_else(unknown)?;
            value = value * radix + digit.to_digit(radix).ok_or_else(unknown)?;
        }
        char::from_u32(value).ok_or_else(unknown)
    };
    Ok(match c {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' | '\'' | '"' | '`' | '?' => c,
        'x' | 'X' => code(2, 16, None)?,
        'u' => code(4, 16, None)?,
        'U' => code(8, 16, None)?,
        '0'..='3' => code(2, 8, Some(c))?,
        _ => return Err(unknown()),
    })
}
