//! What each detector is there to find, drawn from the published grammars. Knows no sinkwell code.

use crate::draw::{ALNUM, B64, DIGITS, Draw, HEX, LOWER, UPPER, URL, base64, base64url, check62};
use crate::forms::basic;

/// Something to find, or to leave alone.
pub(crate) struct Value {
    /// The words of the name that it must stand under; none for what announces itself.
    pub(crate) words: Option<Vec<&'static str>>,
    pub(crate) value: String,
    /// What of it is to be found, in order.
    pub(crate) marks: Vec<String>,
}

pub(crate) fn alone(value: String) -> Value {
    Value { words: None, marks: vec![value.clone()], value }
}

fn under(words: &[&'static str], value: String) -> Value {
    Value { words: Some(words.to_vec()), marks: vec![value.clone()], value }
}

fn within(before: &str, mark: String, after: &str) -> Value {
    Value { words: None, value: format!("{before}{mark}{after}"), marks: vec![mark] }
}

pub(crate) fn find(detector: &str, d: &mut Draw) -> Value {
    match detector {
        "email" => alone(email(d)),
        "phone" => phone(d),
        "card" => alone(card(d)),
        "iban" => alone(iban(d)),
        "ip" => ip(d),
        "jwt" => alone(jwt(d)),
        "aws" => aws(d),
        "gcp" => alone(gcp(d)),
        "azure" => azure(d),
        "github" => alone(github(d)),
        "pem" => alone(pem(d)),
        "bearer" => bearer(d),
        _ => secret(d),
    }
}

pub(crate) fn email(d: &mut Draw) -> String {
    let first = *d.one(&[
        "jane",
        "bob",
        "maria.garcia",
        "x",
        "j.r.tolkien",
        "first_last",
        "o'neil",
        "a-b",
        "dev+tag",
        "JANE.DOE",
        "user123",
        "1984",
        "no-reply",
        "josé",
        "müller",
        "иван",
        "sales%eu",
    ]);
    let n = d.between(1, 999);
    let local = if d.chance(30) && first.is_ascii() { format!("{first}{n}") } else { first.to_owned() };
    let domain = *d.one(&[
        "example.com",
        "mail.example.org",
        "example.co.uk",
        "EXAMPLE.COM",
        "sub.a-b.example.net",
        "example.museum",
        "xn--bcher-kva.example",
        "bücher.example",
        "пример.рф",
        "example.io",
        "3com.example",
        "example.technology",
        "mx1.eu.example.travel",
    ]);
    format!("{local}@{domain}")
}

fn digits(d: &mut Draw, n: usize) -> String {
    d.of(DIGITS, n)
}

/// Fills `#` with any digit and `N` with 2 to 9.
fn fill(shape: &str, d: &mut Draw) -> String {
    shape
        .chars()
        .map(|c| match c {
            '#' => char::from(*d.one(b"0123456789")),
            'N' => char::from(*d.one(b"23456789")),
            c => c,
        })
        .collect()
}

fn phone(d: &mut Draw) -> Value {
    const WORLD: [&str; 30] = [
        "+1 (NN#) N##-####",
        "+1-NN#-N##-####",
        "+1NN#N######",
        "+1.NN#.N##.####",
        "+44 20 7### ####",
        "+44 (0)20 7### ####",
        "+447#########",
        "+49 30 N######",
        "+49 (0) 151 N#######",
        "+49 89/N######",
        "+33 6 ## ## ## ##",
        "+33 (0)1 ## ## ## ##",
        "+34 6## ### ###",
        "+39 3## ### ####",
        "+46 70-### ## ##",
        "+47 9## ## ###",
        "+45 N# ## ## ##",
        "+41 79 ### ## ##",
        "+43 664 #######",
        "+48 5## ### ###",
        "+351 91# ### ###",
        "+7 (9##) ###-##-##",
        "+81 90-####-####",
        "+86 13# #### ####",
        "+91 9#### #####",
        "+65 9### ####",
        "+852 9### ####",
        "+55 11 9####-####",
        "+61 4## ### ###",
        "+971 50 ### ####",
    ];
    const COUNTRY: [&str; 12] = [
        "(NN#) N##-####",
        "NN#-N##-####",
        "NN#.N##.####",
        "1-NN#-N##-####",
        "020 7### ####",
        "07### ######",
        "06 ## ## ## ##",
        "0151 N#######",
        "(030) N### ####",
        "030/N######",
        "00 44 20 7### ####",
        "0049 30 N######",
    ];
    const NAMED: [&str; 16] = [
        "6## ### ###",
        "9## ## ## ##",
        "22 ## ## ##",
        "5## ### ###",
        "91# ### ###",
        "9### ####",
        "9#### #####",
        "34# ### ####",
        "NN#N######",
        "6########",
        "9##-###-###",
        "N# ## ## ##",
        "11 9####-####",
        "138########",
        "4## ### ###",
        "9## #####",
    ];
    const NAMES: [&[&str]; 14] = [
        &["phone"],
        &["phone", "number"],
        &["mobile"],
        &["mobile", "phone"],
        &["contact", "phone"],
        &["home", "phone"],
        &["tel"],
        &["customer", "phone", "number"],
        &["cell", "phone"],
        &["fax", "number"],
        &["whatsapp"],
        &["telephone"],
        &["work", "telephone"],
        &["mobile", "number"],
    ];
    match d.below(10) {
        0..=4 => {
            let shape = *d.one(&WORLD);
            alone(fill(shape, d))
        }
        5..=6 => {
            let shape = *d.one(&COUNTRY);
            alone(fill(shape, d))
        }
        _ => {
            let names = *d.one(&NAMES);
            let shape = *d.one(&NAMED);
            under(names, fill(shape, d))
        }
    }
}

fn luhn(body: &str) -> usize {
    let sum: usize = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let n = usize::from(b - b'0');
            if i % 2 == 1 { n } else { n * 2 / 10 + n * 2 % 10 }
        })
        .sum();
    (10 - sum % 10) % 10
}

pub(crate) fn card_number(d: &mut Draw, good: bool) -> String {
    let (prefix, n) = *d.one(&[
        ("4", 16),
        ("4", 16),
        ("4", 13),
        ("51", 16),
        ("55", 16),
        ("2221", 16),
        ("2719", 16),
        ("34", 15),
        ("37", 15),
        ("6011", 16),
        ("644", 16),
        ("65", 16),
        ("3528", 16),
        ("36", 14),
        ("300", 14),
        ("62", 16),
        ("62", 19),
        ("5018", 16),
    ]);
    let body = format!("{prefix}{}", digits(d, n - prefix.len() - 1));
    let check = (luhn(&body) + if good { 0 } else { d.between(1, 9) }) % 10;
    format!("{body}{check}")
}

fn card(d: &mut Draw) -> String {
    let number = card_number(d, true);
    let shape: &[usize] = match number.len() {
        15 => &[4, 6, 5],
        14 => &[4, 6, 4],
        16 => &[4, 4, 4, 4],
        19 => &[4, 4, 4, 4, 3],
        _ => &[13],
    };
    let joint = *d.one(&["", "", " ", "-", "\u{a0}", "\n", "\u{2011}"]);
    let mut out = split(&number, shape, joint);
    if d.chance(8) {
        out =
            out.chars().map(|c| c.to_digit(10).map_or(c, |n| char::from_u32(0xFF10 + n).unwrap())).collect();
    } else if d.chance(8) {
        out =
            out.chars().map(|c| c.to_digit(10).map_or(c, |n| char::from_u32(0x0660 + n).unwrap())).collect();
    }
    out
}

fn split(text: &str, shape: &[usize], joint: &str) -> String {
    let mut at = 0;
    let mut parts = Vec::new();
    for n in shape {
        let end = (at + n).min(text.len());
        if at < end {
            parts.push(&text[at..end]);
        }
        at = end;
    }
    parts.join(joint)
}

/// The registry's structures: `n` digits, `a` capitals, `c` either.
const IBANS: [(&str, &str); 78] = [
    ("AD", "n8c12"),
    ("AE", "n19"),
    ("AL", "n8c16"),
    ("AT", "n16"),
    ("AZ", "a4c20"),
    ("BA", "n16"),
    ("BE", "n12"),
    ("BG", "a4n6c8"),
    ("BH", "a4c14"),
    ("BI", "n23"),
    ("BR", "n23a1c1"),
    ("BY", "c4n4c16"),
    ("CH", "n5c12"),
    ("CR", "n18"),
    ("CY", "n8c16"),
    ("CZ", "n20"),
    ("DE", "n18"),
    ("DJ", "n23"),
    ("DK", "n14"),
    ("DO", "c4n20"),
    ("EE", "n16"),
    ("EG", "n25"),
    ("ES", "n20"),
    ("FI", "n14"),
    ("FK", "a2n12"),
    ("FO", "n14"),
    ("FR", "n10c11n2"),
    ("GB", "a4n14"),
    ("GE", "a2n16"),
    ("GI", "a4c15"),
    ("GL", "n14"),
    ("GR", "n7c16"),
    ("GT", "c24"),
    ("HN", "a4n20"),
    ("HR", "n17"),
    ("HU", "n24"),
    ("IE", "a4n14"),
    ("IL", "n19"),
    ("IQ", "a4n15"),
    ("IS", "n22"),
    ("IT", "a1n10c12"),
    ("JO", "a4n4c18"),
    ("KW", "a4c22"),
    ("KZ", "n3c13"),
    ("LB", "n4c20"),
    ("LC", "a4c24"),
    ("LI", "n5c12"),
    ("LT", "n16"),
    ("LU", "n3c13"),
    ("LV", "a4c13"),
    ("LY", "n21"),
    ("MC", "n10c11n2"),
    ("MD", "c20"),
    ("ME", "n18"),
    ("MK", "n3c10n2"),
    ("MN", "n16"),
    ("MR", "n23"),
    ("MT", "a4n5c18"),
    ("MU", "a4n19a3"),
    ("NI", "a4n20"),
    ("NL", "a4n10"),
    ("NO", "n11"),
    ("OM", "n3c16"),
    ("PK", "a4c16"),
    ("PL", "n24"),
    ("PS", "a4c21"),
    ("PT", "n21"),
    ("QA", "a4c21"),
    ("RO", "a4c16"),
    ("RS", "n18"),
    ("SA", "n2c18"),
    ("SE", "n20"),
    ("SI", "n15"),
    ("SK", "n20"),
    ("SM", "a1n10c12"),
    ("TR", "n6c16"),
    ("UA", "n6c19"),
    ("XK", "n16"),
];

pub(crate) fn iban_of(d: &mut Draw, good: bool) -> String {
    let (country, structure) = *d.one(&IBANS);
    let mut body = String::new();
    let mut rest = structure;
    while !rest.is_empty() {
        let end = rest[1..].find(|c: char| c.is_alphabetic()).map_or(rest.len(), |n| n + 1);
        let n = rest[1..end].parse().unwrap();
        body.push_str(&match &rest[..1] {
            "n" => digits(d, n),
            "a" => d.of(UPPER, n),
            _ => (0..n)
                .map(|_| {
                    char::from(*d.one(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789012345678901234567890123456789"))
                })
                .collect(),
        });
        rest = &rest[end..];
    }
    let number = format!("{body}{country}00").bytes().fold(0_usize, |n, b| match b {
        b'0'..=b'9' => (n * 10 + usize::from(b - b'0')) % 97,
        b => (n * 100 + usize::from(b - b'A') + 10) % 97,
    });
    let check = 98 - number;
    let check = if good { check } else { (check + d.between(1, 90)) % 97 };
    format!("{country}{check:02}{body}")
}

fn iban(d: &mut Draw) -> String {
    let text = iban_of(d, true);
    match d.below(6) {
        0 | 1 => text,
        2 => text.to_lowercase(),
        3 => split(&text, &[4; 9], "\u{a0}"),
        4 => split(&text, &[4; 9], "-"),
        _ => split(&text, &[4; 9], " "),
    }
}

fn ip(d: &mut Draw) -> Value {
    let octet = |d: &mut Draw| d.between(1, 254).to_string();
    let four = |d: &mut Draw| match d.below(4) {
        0 => format!("10.{}.{}.{}", octet(d), octet(d), octet(d)),
        1 => format!("192.168.{}.{}", octet(d), octet(d)),
        _ => format!("{}.{}.{}.{}", d.between(11, 223), octet(d), octet(d), octet(d)),
    };
    let group = |d: &mut Draw| format!("{:x}", d.between(0, 0xFFFF));
    let six = |d: &mut Draw| match d.below(6) {
        0 => (0..8).map(|i| if i == 0 { "2001".into() } else { group(d) }).collect::<Vec<_>>().join(":"),
        1 => format!("2001:db8::{}", group(d)),
        2 => format!("fe80::{}:{}:{}:{}", group(d), group(d), group(d), group(d)),
        3 => format!("fd{:02x}:{}:{}::{}", d.below(256), group(d), group(d), d.between(1, 99)),
        4 => format!("::ffff:{}", four(d)),
        _ => format!("2A02:{}::{}", group(d).to_uppercase(), group(d).to_uppercase()),
    };
    match d.below(12) {
        0..=4 => alone(four(d)),
        5..=7 => alone(six(d)),
        8 => within("", four(d), ":8080"),
        9 => within("http://", four(d), "/health?x=1"),
        10 => within("", four(d), "/24"),
        _ => within("https://[", six(d), "]:443/x"),
    }
}

pub(crate) fn jwt(d: &mut Draw) -> String {
    let id = d.below(1_000_000_000);
    let claims = format!(r#"{{"sub":"{id}","iat":17{},"scope":"read"}}"#, digits(d, 8));
    let header = *d.one(&[
        r#"{"alg":"HS256","typ":"JWT"}"#,
        r#"{"typ":"JWT","alg":"RS256","kid":"k1"}"#,
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt"}"#,
        r#"{ "alg": "HS512" }"#,
    ]);
    match d.below(6) {
        0 => {
            // JWE, RFC 7516: the key's segment is empty with `dir`.
            let header =
                *d.one(&[r#"{"alg":"dir","enc":"A256GCM"}"#, r#"{"alg":"RSA-OAEP","enc":"A128CBC-HS256"}"#]);
            let key = if header.contains("dir") { String::new() } else { d.of(URL, 342) };
            let n = d.between(20, 300);
            format!(
                "{}.{key}.{}.{}.{}",
                base64url(header.as_bytes()),
                d.of(URL, 16),
                d.of(URL, n),
                d.of(URL, 22)
            )
        }
        n => format!(
            "{}.{}.{}",
            base64url(header.as_bytes()),
            base64url(claims.as_bytes()),
            d.of(URL, [43, 86, 342, 86, 43][n - 1])
        ),
    }
}

fn aws(d: &mut Draw) -> Value {
    const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    match d.below(10) {
        0..=4 => alone(format!("{}{}", d.one(&["AKIA", "ASIA", "ABIA", "ACCA"]), d.of(BASE32, 16))),
        5..=7 => {
            let words = d.words(&[
                &["aws", "secret", "access", "key"],
                &["secret", "access", "key"],
                &["aws", "secret", "key"],
            ]);
            under(words, d.of(B64, 40))
        }
        _ => {
            let n = d.between(200, 700) / 4 * 4;
            under(&["aws", "session", "token"], format!("IQoJb3JpZ2luX2Vj{}", d.of(B64, n)))
        }
    }
}

fn gcp(d: &mut Draw) -> String {
    match d.below(4) {
        0 | 1 => format!("AIzaSy{}{}", d.of(URL, 32), *d.one(&["a", "Q", "7"])),
        2 => {
            let n = d.between(120, 260);
            format!("ya29.{}Q", d.of(URL, n))
        }
        _ => format!("GOCSPX-{}x", d.of(URL, 27)),
    }
}

fn azure(d: &mut Draw) -> Value {
    let key = |d: &mut Draw, n: usize| base64(&d.bytes(n), B64, true);
    match d.below(6) {
        0 | 1 => within(
            "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=",
            key(d, 64),
            ";EndpointSuffix=core.windows.net",
        ),
        2 => within(
            "Endpoint=sb://bus.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=",
            key(d, 32),
            "",
        ),
        3 => {
            let sig =
                base64(&d.bytes(32), B64, true).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            within(
                "https://acme.blob.core.windows.net/c/b.txt?sv=2022-11-02&sp=r&se=2030-01-01&sr=b&sig=",
                sig,
                "",
            )
        }
        _ => alone(format!("{}{}Q~{}", d.of(ALNUM, 3), d.of(DIGITS, 1), d.of(ALNUM, 34))),
    }
}

fn github(d: &mut Draw) -> String {
    match d.below(8) {
        0..=4 => {
            let prefix = *d.one(&["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]);
            let body = d.of(ALNUM, 30);
            format!("{prefix}{body}{}", check62(&body))
        }
        5 | 6 => format!("github_pat_{}_{}", d.of(ALNUM, 22), d.of(ALNUM, 59)),
        _ => {
            // Installation tokens since 2026: the app's id, and a JWT.
            let app = d.between(100, 9_999_999);
            let header = base64url(br#"{"alg":"RS256","typ":"JWT"}"#);
            let claims = base64url(format!(r#"{{"iss":"{app}","exp":17{}}}"#, digits(d, 8)).as_bytes());
            format!("ghs_{app}_{header}.{claims}.{}", d.of(URL, 342))
        }
    }
}

fn pem(d: &mut Draw) -> String {
    let label = *d.one(&[
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "CERTIFICATE",
        "PUBLIC KEY",
        "PGP PRIVATE KEY BLOCK",
    ]);
    let lines = d.between(1, 12);
    let (eol, indent) = *d.one(&[("\n", ""), ("\n", ""), ("\r\n", ""), ("\n", "    "), ("\n", "\t")]);
    let head = match label {
        "RSA PRIVATE KEY" if d.chance(30) => format!(
            "{eol}{indent}Proc-Type: 4,ENCRYPTED{eol}{indent}DEK-Info: AES-128-CBC,{}{eol}",
            d.of(HEX, 32).to_uppercase()
        ),
        "PGP PRIVATE KEY BLOCK" => format!("{eol}{indent}Version: GnuPG v2{eol}"),
        _ => String::new(),
    };
    let mut out = format!("-----BEGIN {label}-----{head}");
    for _ in 0..lines {
        out.push_str(&format!("{eol}{indent}{}", d.of(B64, 64)));
    }
    // Cut off: the end is missing.
    if !d.chance(15) || !head.is_empty() {
        let n = d.between(10, 60);
        out.push_str(&format!("{eol}{indent}{}{eol}{indent}-----END {label}-----", d.of(B64, n)));
    }
    out
}

fn bearer(d: &mut Draw) -> Value {
    let n = d.between(16, 400);
    let (scheme, token) = match d.below(9) {
        0..=3 => ("Bearer", d.of(&format!("{URL}."), n - 1) + "x"),
        4 => ("Basic", basic(d)),
        5 => ("Token", d.of(HEX, 40)),
        6 => (*d.one(&["ApiKey", "DPoP", "GoogleLogin", "SSWS", "Key", "GenieKey"]), d.of(ALNUM, n)),
        7 => (*d.one(&["Negotiate", "NTLM"]), base64(&d.bytes(n), B64, true)),
        _ => ("bearer", d.of(HEX, 64)),
    };
    let blanks = *d.one(&[" ", " ", " ", "  "]);
    let words: &[&str] = d.words(&[&["authorization"], &["authorization"], &["proxy", "authorization"]]);
    let value =
        Value { words: Some(words.to_vec()), value: format!("{scheme}{blanks}{token}"), marks: vec![token] };
    // The scheme `Bearer` speaks for itself.
    if scheme.eq_ignore_ascii_case("bearer") && d.chance(25) { Value { words: None, ..value } } else { value }
}

const PASSWORD_NAMES: [&[&str]; 20] = [
    &["password"],
    &["password"],
    &["db", "password"],
    &["user", "password"],
    &["admin", "passwd"],
    &["smtp", "password"],
    &["pg", "password"],
    &["mysql", "pwd"],
    &["key", "passphrase"],
    &["root", "pwd"],
    &["passphrase"],
    &["old", "password"],
    &["spring", "datasource", "password"],
    &["redis", "password"],
    &["passwd"],
    &["pwd"],
    &["sudo", "password"],
    &["ldap", "bind", "password"],
    &["keystore", "password"],
    &["wifi", "passphrase"],
];

const TOKEN_NAMES: [&[&str]; 28] = [
    &["api", "key"],
    &["api", "key"],
    &["client", "secret"],
    &["client", "secret"],
    &["access", "token"],
    &["access", "token"],
    &["refresh", "token"],
    &["auth", "token"],
    &["secret", "key"],
    &["private", "key"],
    &["signing", "key"],
    &["encryption", "key"],
    &["webhook", "secret"],
    &["jwt", "secret"],
    &["session", "token"],
    &["bot", "token"],
    &["openai", "api", "key"],
    &["app", "secret"],
    &["master", "key"],
    &["bearer", "token"],
    &["id", "token"],
    &["service", "access", "key"],
    &["token"],
    &["secret"],
    &["consumer", "secret"],
    &["deploy", "token"],
    &["personal", "access", "token"],
    &["shared", "secret"],
];

fn password(d: &mut Draw) -> String {
    match d.below(12) {
        0 => (*d.one(&[
            "correct horse battery staple",
            "my dog, my cat and 2 fish",
            "open the door; please",
            "Es war einmal ein Schloss",
        ]))
        .to_owned(),
        1 => (*d.one(&[
            "{aB3;x}",
            "a;b",
            "$ecr3t!x",
            "<b0ld>pw",
            "[x9]qq",
            "p{a}ss{w}0rd",
            "a\"b\"c9",
            "it's5ecret",
            "back\\slash9",
            "#hash9tag",
            "a=b=c9",
            "x&y&z9",
            "100%sure",
            "semi;colon,comma9",
            "(round)9",
            "~tilde~9",
        ]))
        .to_owned(),
        2 => (*d.one(&["пароль123", "pässwört1", "密码12345", "contraseña9", "🔑secret9"])).to_owned(),
        3 => d.of(DIGITS, 8),
        4 | 5 => {
            let n = d.between(8, 20);
            d.of(
                "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789!@%^*-_+.:?/,;&()[]{}<>=#$|~'\"\\",
                n,
            ) + "7"
        }
        6 => d.of(HEX, 32),
        7 => format!(
            "{}-{}-{}",
            d.one(&["blue", "green", "loud"]),
            d.one(&["horse", "river", "stone"]),
            d.between(10, 99)
        ),
        8 => (*d.one(&[
            "hunter2",
            "Winter2026!",
            "letmein!99",
            "p@ssw0rd",
            "Tr0ub4dor&3",
            "qwerty12345",
            "changeMe!1",
        ]))
        .to_owned(),
        _ => {
            let n = d.between(10, 40);
            d.of(ALNUM, n) + "9"
        }
    }
}

fn opaque(d: &mut Draw) -> String {
    let n = d.between(20, 64);
    match d.below(8) {
        0 => d.of(HEX, 32),
        1 => d.of(HEX, 64),
        2 => base64(&d.bytes(n), B64, true),
        3 => base64url(&d.bytes(n)),
        4 => d.of(ALNUM, n * 8),
        5 => {
            format!("{}-{}-4{}-a{}-{}", d.of(HEX, 8), d.of(HEX, 4), d.of(HEX, 3), d.of(HEX, 3), d.of(HEX, 12))
        }
        _ => d.of(ALNUM, n),
    }
}

/// Keys with a prefix, and what follows, as the vendors document or show them.
pub(crate) fn vendor(d: &mut Draw) -> String {
    let n = d.between(0, 20);
    let of = |d: &mut Draw, prefix: &str, alphabet: &str, n: usize| format!("{prefix}{}", d.of(alphabet, n));
    match d.below(44) {
        0 => of(d, "sk-", ALNUM, 48),
        1 => format!("sk-proj-{}T3BlbkFJ{}", d.of(URL, 74), d.of(ALNUM, 74)),
        2 => format!("sk-ant-api03-{}AA", d.of(URL, 93)),
        3 => of(d, "sk-or-v1-", HEX, 64),
        4 => of(d, "sk-", HEX, 32),
        5 => of(d, "sk_live_", ALNUM, 24 + n),
        6 => of(d, "rk_test_", ALNUM, 24),
        7 => of(d, "whsec_", ALNUM, 32),
        8 => format!("xoxb-{}-{}-{}", d.of(DIGITS, 12), d.of(DIGITS, 13), d.of(ALNUM, 24)),
        9 => format!("xoxc-{}-{}-{}-{}", d.of(DIGITS, 12), d.of(DIGITS, 12), d.of(DIGITS, 13), d.of(HEX, 64)),
        10 => {
            format!("xoxp-{}-{}-{}-{}", d.of(DIGITS, 12), d.of(DIGITS, 12), d.of(DIGITS, 13), d.of(HEX, 32))
        }
        11 => format!("xapp-1-A{}-{}-{}", d.of("ABCDEFGHIJ0123456789", 10), d.of(DIGITS, 13), d.of(HEX, 64)),
        12 => format!(
            "https://hooks.slack.com/services/T{}/B{}/{}",
            d.of("ABCDEFGHJK0123456789", 10),
            d.of("ABCDEFGHJK0123456789", 10),
            d.of(ALNUM, 24)
        ),
        13 => format!(
            "https://{}.com/api/webhooks/{}/{}",
            d.one(&["discord", "discordapp"]),
            d.of(DIGITS, 18),
            d.of(ALNUM, 67) + "q"
        ),
        14 => of(d, "glpat-", ALNUM, 20),
        15 => of(d, "gldt-", ALNUM, 20),
        16 => {
            let body = d.of(ALNUM, 30);
            format!("npm_{body}{}", check62(&body))
        }
        17 => format!("pypi-AgEIcHlwaS5vcmc{}x", d.of(URL, 80 + n)),
        18 => of(d, "hf_", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 34),
        19 => of(d, "dop_v1_", HEX, 64),
        20 => format!("SG.{}.{}", d.of(URL, 21) + "a", d.of(URL, 42) + "b"),
        21 => of(d, "shpat_", HEX, 32),
        22 => of(d, "hvs.", ALNUM, 90 + n),
        23 => of(d, "gsk_", ALNUM, 52),
        24 => of(d, "r8_", ALNUM, 37),
        25 => format!("lsv2_pt_{}_{}", d.of(HEX, 32), d.of(HEX, 10)),
        26 => format!("lsv2_sk_{}_{}", d.of(HEX, 32), d.of(HEX, 10)),
        27 => of(d, "e2b_", HEX, 40),
        28 => of(d, "sk_", HEX, 48),
        29 => of(d, "dapi", HEX, 32),
        30 => of(d, "SK", HEX, 32),
        31 => of(d, "xai-", ALNUM, 80),
        32 => of(d, "pplx-", ALNUM, 48),
        33 => of(d, "nvapi-", URL, 63) + "a",
        34 => format!("glsa_{}_{}", d.of(ALNUM, 32), d.of(HEX, 8)),
        35 => of(d, "dckr_pat_", URL, 26) + "a",
        36 => of(d, "sbp_", HEX, 40),
        37 => of(d, "lin_api_", ALNUM, 40),
        38 => of(d, "ntn_", ALNUM, 46),
        39 => of(d, "pcsk_", ALNUM, 60),
        40 => of(d, "tvly-", ALNUM, 32),
        41 => of(d, "rubygems_", HEX, 48),
        42 => format!("{}:AA{}", d.between(100_000_000, 9_999_999_999), d.of(URL, 32) + "a"),
        _ => of(d, "ATATT3xFfGF0", URL, 170) + "a",
    }
}

fn secret(d: &mut Draw) -> Value {
    match d.below(20) {
        0..=6 => {
            let names = *d.one(&PASSWORD_NAMES);
            under(names, password(d))
        }
        7..=12 => {
            let names = *d.one(&TOKEN_NAMES);
            under(names, opaque(d))
        }
        13..=17 => alone(vendor(d)),
        _ => {
            let scheme = *d.one(&["postgres", "https", "redis", "amqp", "mongodb+srv", "mysql", "git+https"]);
            let user = *d.one(&["app", "user", "", "jane", "svc-1"]);
            let n = d.between(6, 30);
            let password = d.of(&format!("{LOWER}{UPPER}{DIGITS}-_.~!$"), n) + "7";
            within(&format!("{scheme}://{user}:"), password, "@db.example.net:5432/app")
        }
    }
}
