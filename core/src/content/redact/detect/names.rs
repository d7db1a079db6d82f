//! What a name says about the value that is assigned to it, by its words, whatever their casing: `db_password`,
//! `dbPassword`, `DB-Password` and `DBPASSWORD` are one name.

use super::Kind;

/// How sure a name makes us of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// `password`: any value is secret.
    Password,
    /// `token`, `client_secret`, `api_key`: the value is secret if it looks random.
    Token,
    /// `authorization`: a scheme and what follows it.
    Authorization,
}

/// Most words of a name that are looked at, from its end.
const WORDS: usize = 6;

/// Words at the end of a name that don't change what it means.
const QUALIFIERS: [&str; 22] = [
    "prod",
    "production",
    "dev",
    "test",
    "staging",
    "stage",
    "old",
    "new",
    "current",
    "previous",
    "value",
    "val",
    "string",
    "text",
    "raw",
    "plain",
    "b64",
    "base64",
    "primary",
    "secondary",
    "backup",
    "default",
];

/// Words before a final `pass` that make it a password.
const PASS_OF: [&str; 22] = [
    "db", "database", "user", "mail", "smtp", "ftp", "admin", "root", "http", "proxy", "auth", "login",
    "sudo", "mysql", "pg", "postgres", "redis", "ssh", "imap", "ldap", "wifi", "basic",
];

/// Words before a final `key` that make it a secret.
const KEY_OF: [&str; 28] = [
    "api",
    "access",
    "private",
    "secret",
    "encryption",
    "signing",
    "master",
    "account",
    "shared",
    "auth",
    "service",
    "license",
    "app",
    "consumer",
    "hmac",
    "aes",
    "ssh",
    "deploy",
    "session",
    "storage",
    "subscription",
    "function",
    "functions",
    "admin",
    "webhook",
    "crypto",
    "cipher",
    "write",
];

/// Words before a final `token` that make it a place in a list, a piece of text or a count, and no secret.
const TOKEN_OF: [&str; 26] = [
    "next",
    "page",
    "pagination",
    "continuation",
    "sync",
    "cancel",
    "cancellation",
    "special",
    "stop",
    "eos",
    "bos",
    "pad",
    "unk",
    "mask",
    "max",
    "min",
    "per",
    "num",
    "first",
    "last",
    "sep",
    "cls",
    "start",
    "end",
    "prev",
    "lookahead",
];

/// A word that ends in one of these is a password: `dbpassword`.
const PASSWORD_ENDS: [&str; 8] =
    ["password", "passwd", "passphrase", "passcode", "pwd", "passwort", "kennwort", "contrasena"];
/// A word that ends in one of these is a token: `myapikey`.
const TOKEN_ENDS: [&str; 16] = [
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "accountkey",
    "sharedkey",
    "authkey",
    "servicekey",
    "clientsecret",
    "appsecret",
    "consumersecret",
    "secret",
    "token",
];

/// The words of a name, from its end, in place.
struct Words<'a> {
    words: [&'a [u8]; WORDS],
    n: usize,
}

impl<'a> Words<'a> {
    fn of(name: &'a [u8]) -> Self {
        let mut out = Self { words: [&[]; WORDS], n: 0 };
        let mut end = name.len();
        while end > 0 && out.n < WORDS {
            if !name[end - 1].is_ascii_alphanumeric() {
                end -= 1;
                continue;
            }
            let mut start = end - 1;
            while start > 0 && name[start - 1].is_ascii_alphanumeric() && !between(name, start) {
                start -= 1;
            }
            out.words[out.n] = &name[start..end];
            out.n += 1;
            end = start;
        }
        out
    }

    /// The word so many places from the end.
    fn back(&self, i: usize) -> &'a [u8] {
        if i < self.n { self.words[i] } else { &[] }
    }
}

/// Whether a word begins at `i` by its casing: `dbPassword`, `HTTPToken`.
fn between(name: &[u8], i: usize) -> bool {
    let (before, here) = (name[i - 1], name[i]);
    if !here.is_ascii_uppercase() {
        return false;
    }
    !before.is_ascii_uppercase() || name.get(i + 1).is_some_and(u8::is_ascii_lowercase)
}

fn is(word: &[u8], known: &str) -> bool {
    word.eq_ignore_ascii_case(known.as_bytes())
}

fn any(word: &[u8], known: &[&str]) -> bool {
    known.iter().any(|k| is(word, k))
}

fn ends(word: &[u8], end: &str) -> bool {
    word.len() >= end.len() && is(&word[word.len() - end.len()..], end)
}

/// What a name says about its value, and to which detector that value belongs.
pub(super) fn says(name: &[u8]) -> Option<(Kind, Says)> {
    let words = Words::of(name);
    let mut at = 0;
    while at + 1 < words.n
        && (any(words.back(at), &QUALIFIERS) || words.back(at).iter().all(u8::is_ascii_digit))
    {
        at += 1;
    }
    let (last, before) = (words.back(at), words.back(at + 1));
    let last = last.strip_suffix(b"1").or(last.strip_suffix(b"2")).unwrap_or(last);
    let aws = || {
        is(last, "key") && is(before, "access") && is(words.back(at + 2), "secret")
            || is(last, "key") && is(before, "secret") && is(words.back(at + 2), "aws")
            || is(last, "token") && is(before, "session") && is(words.back(at + 2), "aws")
            || ends(last, "secretaccesskey")
            || ends(last, "awssecretkey")
            || ends(last, "awssessiontoken")
    };
    let azure = || {
        is(last, "key") && (is(before, "account") || is(before, "access") && is(words.back(at + 2), "shared"))
            || is(last, "signature") && is(before, "access") && is(words.back(at + 2), "shared")
            || is(last, "sharedaccesskey")
            || is(last, "sharedaccesssignature")
            || is(last, "accountkey")
    };
    if any(last, &PASSWORD_ENDS) || PASSWORD_ENDS.iter().any(|end| ends(last, end)) {
        return Some((Kind::Secrets, Says::Password));
    }
    if is(last, "pass") && any(before, &PASS_OF) {
        return Some((Kind::Secrets, Says::Password));
    }
    if is(last, "authorization") || ends(last, "authorization") {
        return Some((Kind::Bearer, Says::Authorization));
    }
    if aws() {
        return Some((Kind::Aws, Says::Token));
    }
    if azure() {
        return Some((Kind::Azure, Says::Token));
    }
    let token = match () {
        () if is(last, "token") => !any(before, &TOKEN_OF),
        () if is(last, "key") => any(before, &KEY_OF),
        () if any(last, &["secret", "credential", "credentials", "creds"]) => true,
        () => {
            TOKEN_ENDS.iter().any(|end| ends(last, end))
                && !TOKEN_OF.iter().any(|of| last.len() > 5 && is(&last[..last.len() - 5], of))
        }
    };
    token.then_some((Kind::Secrets, Says::Token))
}

/// Whether a name's words say that its value is a phone number.
pub(super) fn calls(name: &[u8]) -> bool {
    const CALLS: [&str; 18] = [
        "phone",
        "tel",
        "telephone",
        "mobile",
        "cell",
        "fax",
        "whatsapp",
        "sms",
        "telefon",
        "handy",
        "cellphone",
        "phonenumber",
        "mobilenumber",
        "telefono",
        "telefone",
        "msisdn",
        "gsm",
        "call",
    ];
    const OTHER: [&str; 7] =
        ["microphone", "headphone", "saxophone", "smartphone", "iphone", "megaphone", "gramophone"];
    let words = Words::of(name);
    if any(words.back(0), &["id", "count", "code", "model", "type", "length", "size", "port"]) {
        return false;
    }
    (0..words.n).map(|i| words.back(i)).any(|word| {
        any(word, &CALLS)
            || !any(word, &OTHER)
                && (ends(word, "phone")
                    || ends(word, "phonenumber")
                    || ends(word, "mobilenumber")
                    || ends(word, "faxnumber")
                    || ends(word, "telephone"))
    })
}
