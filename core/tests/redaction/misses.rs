//! What each detector must leave alone: what looks like a find and is none. Knows no sinkwell code.

use crate::draw::{ALNUM, B64, DIGITS, Draw, HEX, LOWER, UPPER, URL, base64, base64url};
use crate::finds::{Value, card_number, iban_of};

fn plain(value: String) -> Value {
    Value { words: None, value, marks: Vec::new() }
}

fn named(words: &[&'static str], value: String) -> Value {
    Value { words: Some(words.to_vec()), value, marks: Vec::new() }
}

pub(crate) fn uuid(d: &mut Draw) -> String {
    format!(
        "{}-{}-{}{}-{}{}-{}",
        d.of(HEX, 8),
        d.of(HEX, 4),
        d.one(&["4", "7", "1"]),
        d.of(HEX, 3),
        d.one(&["8", "9", "a", "b"]),
        d.of(HEX, 3),
        d.of(HEX, 12)
    )
}

/// Ids of the large providers' APIs and of common libraries.
pub(crate) fn id(d: &mut Draw) -> String {
    const CROCKFORD: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let (prefix, alphabet, n) = *d.one(&[
        ("toolu_01", ALNUM, 22),
        ("toolu_bdrk_01", ALNUM, 22),
        ("msg_01", ALNUM, 22),
        ("msg_bdrk_01", ALNUM, 22),
        ("req_011C", ALNUM, 20),
        ("call_", ALNUM, 24),
        ("chatcmpl-", ALNUM, 29),
        ("cmpl-", ALNUM, 29),
        ("run_", ALNUM, 24),
        ("step_", ALNUM, 24),
        ("resp_", HEX, 48),
        ("rs_", HEX, 48),
        ("fc_", HEX, 48),
        ("ws_", HEX, 48),
        ("msg_", HEX, 48),
        ("thread_", ALNUM, 24),
        ("asst_", ALNUM, 24),
        ("file-", ALNUM, 24),
        ("batch_", HEX, 32),
        ("ftjob-", ALNUM, 24),
        ("vs_", ALNUM, 24),
        ("msgbatch_01", ALNUM, 22),
        ("srvtoolu_01", ALNUM, 22),
        ("tooluse_", URL, 22),
        ("gen-17", ALNUM, 28),
        ("proj_", ALNUM, 24),
        ("user-", ALNUM, 24),
        ("evt_1", ALNUM, 23),
        ("cus_", ALNUM, 14),
        ("pi_3", ALNUM, 23),
        ("in_1", ALNUM, 23),
        ("sub_1", ALNUM, 23),
        ("price_1", ALNUM, 23),
        ("2", ALNUM, 26),
        ("3", ALNUM, 26),
        ("01J", CROCKFORD, 23),
        ("c", "abcdefghijklmnopqrstuvwxyz0123456789", 24),
        ("", HEX, 24),
        ("", HEX, 32),
        ("", HEX, 16),
        ("", URL, 21),
        ("run-", HEX, 32),
        ("item_", ALNUM, 24),
        ("conv_", HEX, 48),
        ("ctr_", HEX, 32),
        ("cntr_", HEX, 48),
        ("mcp_", HEX, 48),
        ("modelrun_", HEX, 24),
    ]);
    format!("{prefix}{}", d.of(alphabet, n))
}

pub(crate) const ID_NAMES: [&[&str]; 14] = [
    &["id"],
    &["run", "id"],
    &["tool", "call", "id"],
    &["tool", "use", "id"],
    &["request", "id"],
    &["message", "id"],
    &["response", "id"],
    &["session", "id"],
    &["trace", "id"],
    &["event", "id"],
    &["parent", "run"],
    &["correlation", "id"],
    &["thread", "id"],
    &["gen", "ai", "tool", "call", "id"],
];

fn digest(d: &mut Draw) -> String {
    match d.below(12) {
        0 => d.of(HEX, 40),
        1 => d.of(HEX, 64),
        2 => format!("sha256:{}", d.of(HEX, 64)),
        3 => format!("sha256-{}", base64(&d.bytes(32), B64, true)),
        4 => format!("sha512-{}", base64(&d.bytes(64), B64, true)),
        5 => format!("h1:{}", base64(&d.bytes(32), B64, true)),
        6 => format!("SHA256:{}", base64(&d.bytes(32), B64, false)),
        7 => format!("MD5:{}", d.bytes(16).iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")),
        8 => format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{} jane@host", d.of(B64, 43)),
        9 => format!("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ{} x", d.of(B64, 180)),
        10 => d.of(B64, 76),
        _ => d.of(HEX, 128),
    }
}

fn lock(d: &mut Draw) -> String {
    match d.below(4) {
        0 => format!("golang.org/x/net v0.{}.0/go.mod h1:{}", d.below(50), base64(&d.bytes(32), B64, true)),
        1 => format!("checksum = \"{}\"", d.of(HEX, 64)),
        2 => format!("\"integrity\": \"sha512-{}\"", base64(&d.bytes(64), B64, true)),
        _ => format!("--hash=sha256:{}", d.of(HEX, 64)),
    }
}

pub(crate) fn miss(detector: &str, d: &mut Draw) -> Value {
    // A quarter is what machines write, for every detector.
    if d.chance(25) {
        return match d.below(4) {
            0 => plain(uuid(d)),
            1 => plain(digest(d)),
            2 => plain(lock(d)),
            _ => {
                let names = *d.one(&ID_NAMES);
                named(names, id(d))
            }
        };
    }
    match detector {
        "email" => email(d),
        "phone" => phone(d),
        "card" => card(d),
        "iban" => iban(d),
        "ip" => ip(d),
        "jwt" => jwt(d),
        "aws" => aws(d),
        "gcp" => gcp(d),
        "azure" => azure(d),
        "github" => github(d),
        "pem" => pem(d),
        "bearer" => bearer(d),
        _ => secret(d),
    }
}

fn email(d: &mut Draw) -> Value {
    let n = d.between(1, 99);
    plain(match d.below(16) {
        0 => format!("@mention{n}"),
        1 => format!("lodash@4.{n}.1"),
        2 => format!("@scope/pkg@{n}.0.0"),
        3 => format!("icon@{}x.png", d.between(2, 4)),
        4 => format!("user{n}@localhost"),
        5 => format!("git@github.com:owner/repo{n}.git"),
        6 => format!("actions/checkout@v{n}"),
        7 => "@app.route('/x')".to_owned(),
        8 => format!("{n} @ 4.50 each"),
        9 => "jane [at] example [dot] com".to_owned(),
        10 => format!("getty@tty{n}.service"),
        11 => format!("postgresql@{n}-main.service"),
        12 => format!("user@{n}.service"),
        13 => format!("ssh://git@host{n}/repo"),
        14 => format!("sha256@{}", d.of(HEX, 12)),
        _ => "@Override public".to_owned(),
    })
}

fn phone(d: &mut Draw) -> Value {
    let n = d.between(10, 99);
    plain(match d.below(20) {
        0 => format!("20{n}-11-21"),
        1 => format!("20{n}-11-21T10:20:30.123456Z"),
        2 => format!("17{}", d.of(DIGITS, 8)),
        3 => format!("17{}", d.of(DIGITS, 11)),
        4 => format!("{n}.{n}.{n}.1"),
        5 => format!("1 {n}0 {n}0"),
        6 => format!("lines {n}0-{n}5"),
        7 => format!("pp. {n}-{n}"),
        8 => format!("$1,{n}5.00"),
        9 => format!("978-3-16-1484{n}-0"),
        10 => format!("{n}.7749, -122.4194"),
        11 => format!("v{n}.12.3"),
        12 => format!("[{n}, 200, 300, 400]"),
        13 => format!("{n}00 x 1080"),
        14 => format!("+{n}.5%"),
        15 => format!("0x{}", d.of(HEX, 10)),
        16 => format!("item #{n}12345"),
        17 => format!("20{n}/11/21 10:20:30"),
        18 => format!("{n}% of 1234 in 17 steps"),
        _ => format!("{}.{}", d.of(DIGITS, 1), d.of(DIGITS, 15)),
    })
}

fn card(d: &mut Draw) -> Value {
    let n = card_number(d, false);
    plain(match d.below(9) {
        0 | 1 => n,
        2 => format!("{} {} {} {}", &n[..4], &n[4..8], &n[8..12], &n[12..]),
        3 => format!("17{}", d.of(DIGITS, 11)),
        4 => format!("17{}", d.of(DIGITS, 14)),
        5 => format!("17{}", d.of(DIGITS, 17)),
        6 => format!("13{}", d.of(DIGITS, 16)),
        7 => format!("id{}", card_number(d, true)),
        _ => format!("0.{}", card_number(d, true)),
    })
}

fn iban(d: &mut Draw) -> Value {
    let good = iban_of(d, true);
    let bad = iban_of(d, false);
    plain(match d.below(7) {
        0 | 1 => bad,
        2 => good[..good.len() - 1].to_owned(),
        3 => format!("{good}7"),
        4 => format!("A{good}"),
        5 => format!("{}{}", d.of(UPPER, 2), d.of(DIGITS, 12)),
        _ => format!("part no. {}-{}", d.of(UPPER, 2), d.of(DIGITS, 6)),
    })
}

fn ip(d: &mut Draw) -> Value {
    let n = d.between(1, 30);
    plain(match d.below(24) {
        0 => format!("version {n}.2.3.4"),
        1 => format!("Version: {n}.0.19041.1"),
        2 => format!("v{n}.2.3.4"),
        3 => format!("Mozilla/5.0 Chrome/{}.0.0.0 Safari/537.36", d.between(90, 140)),
        4 => format!("Edg/{}.0.2{}.51", d.between(90, 140), d.of(DIGITS, 3)),
        5 => format!("a[{n}::2]"),
        6 => format!("xs[::{n}]"),
        7 => format!("f{}::add(x)", d.one(&["32", "64"])),
        8 => "std::net::Ipv6Addr".to_owned(),
        9 => format!("1.3.6.1.4.1.{n}.5"),
        10 => format!("OID 1.3.6.{n}"),
        11 => format!("oid: 2.5.4.{n}"),
        12 => format!("1.3.6.1.2.1.{n}"),
        13 => format!("10:{}:30", d.between(10, 59)),
        14 => (0..6).map(|_| d.of(HEX, 2)).collect::<Vec<_>>().join(":"),
        15 => (0..16).map(|_| d.of(HEX, 2)).collect::<Vec<_>>().join(":"),
        16 => format!("libssl.so.1.{n}.2.3"),
        17 => format!("pkg-1.{n}.3.4.tar.gz"),
        18 => format!("release 4.{n}.2.1"),
        19 => format!("section 4.{n}.2.1"),
        20 => format!("1.{n}.300.4"),
        21 => format!("dep>=1.{n}.3.4"),
        22 => format!("1.{n}.3.4-rc.1"),
        _ => format!("Foo::Bar{n}::baz"),
    })
}

fn jwt(d: &mut Draw) -> Value {
    let header = base64url(br#"{"alg":"HS256","typ":"JWT"}"#);
    let n = d.between(5, 60);
    plain(match d.below(8) {
        0 => header,
        1 => format!("{header}.{}", d.of(URL, 40)),
        2 => base64url(format!(r#"{{"k":"{}"}}"#, d.of(ALNUM, n)).as_bytes()),
        3 => format!("eyJ{}", d.of(ALNUM, n)),
        4 => format!("{}.{}.{}", d.of(LOWER, 12), d.of(LOWER, 9), d.of(LOWER, 14)),
        5 => "heyJude.the.song".to_owned(),
        6 => format!("com.example.{}.Main", d.of(LOWER, 8)),
        _ => format!("x{header}"),
    })
}

fn aws(d: &mut Draw) -> Value {
    let n = d.between(4, 15);
    match d.below(9) {
        0 => plain(format!("AKIA{}", d.of(UPPER, n))),
        1 => plain(format!("AKIA{}", d.of(UPPER, 17))),
        2 => plain(format!("akia{}", d.of(LOWER, 16))),
        3 => plain(format!("arn:aws:iam::{}:role/deploy", d.of(DIGITS, 12))),
        4 => plain(format!("i-0{}", d.of(HEX, 16))),
        5 => plain(format!("X{}AKIA{}", d.of(UPPER, 3), d.of(UPPER, 16))),
        6 => named(
            &["aws", "secret", "access", "key"],
            (*d.one(&["${AWS_SECRET}", "<your key>", "***", "[aws]", "{{ vault_key }}"])).to_owned(),
        ),
        7 => named(&["aws", "region"], "eu-central-1".to_owned()),
        _ => plain(format!("ASIA-PACIFIC-{}", d.of(DIGITS, 6))),
    }
}

fn gcp(d: &mut Draw) -> Value {
    let (n, m) = (d.between(5, 33), d.between(38, 60));
    plain(match d.below(8) {
        0 => format!("AIza{}", d.of(ALNUM, n)),
        1 => format!("AIza{}", d.of(ALNUM, m)),
        2 => format!("aiza{}", d.of(LOWER, 35)),
        3 => format!("x{}AIza{}", d.of(LOWER, 2), d.of(ALNUM, 35)),
        4 => format!(
            "{}-{}.apps.googleusercontent.com",
            d.of(DIGITS, 12),
            d.of("abcdefghijklmnopqrstuvwxyz0123456789", 32)
        ),
        5 => format!("projects/p-{}/secrets/s/versions/1", d.of(DIGITS, 5)),
        6 => "ya29.short".to_owned(),
        _ => "GOCSPX-abc".to_owned(),
    })
}

fn azure(d: &mut Draw) -> Value {
    let n = d.between(3, 30);
    plain(match d.below(7) {
        0 => uuid(d),
        1 => "AccountKey=<key>".to_owned(),
        2 => "AccountKey=${STORAGE_KEY}".to_owned(),
        3 => format!("abc1Q~{}", d.of(ALNUM, n)),
        4 => format!("https://acme{}.blob.core.windows.net/c/b.txt?sv=2022-11-02", d.of(DIGITS, 3)),
        5 => "SharedAccessKeyName=RootManageSharedAccessKey".to_owned(),
        _ => format!("design=modern-{}-and-very-nice", d.of(LOWER, 6)),
    })
}

fn github(d: &mut Draw) -> Value {
    let n = d.between(4, 30);
    plain(match d.below(9) {
        0 => d.of(HEX, 40),
        1 => format!("ghp_{}", d.of(ALNUM, n)),
        2 => format!("GHP_{}", d.of(UPPER, 36)),
        3 => format!("high_{}", d.of(ALNUM, 36)),
        4 => format!("R_kgDO{}", d.of(ALNUM, 8)),
        5 => format!("PR_kwDO{}5{}", d.of(ALNUM, 8), d.of(ALNUM, 4)),
        6 => format!("https://github.com/owner/repo/commit/{}", d.of(HEX, 40)),
        7 => "github_patches_are_welcome_here_please".to_owned(),
        _ => base64(format!("04:User{}", d.of(DIGITS, 6)).as_bytes(), B64, true),
    })
}

fn pem(d: &mut Draw) -> Value {
    let label = *d.one(&["PRIVATE KEY", "CERTIFICATE", "RSA PRIVATE KEY"]);
    plain(match d.below(8) {
        0 => format!("-----END {label}-----"),
        1 => format!("-----BEGIN {label}-----"),
        2 => format!("---- BEGIN {label} ----"),
        3 => format!("the BEGIN {label} and END {label} lines"),
        4 => format!("-----BEGIN {label}-----\n[redacted]\n"),
        5 => digest(d),
        6 => format!("Content-Transfer-Encoding: base64\r\n\r\n{}\r\n{}", d.of(B64, 76), d.of(B64, 76)),
        _ => "-".repeat(d.between(3, 40)),
    })
}

fn bearer(d: &mut Draw) -> Value {
    let word = *d.one(&[
        "bonds",
        "authentication",
        "token",
        "scheme",
        "of bad news",
        "certificate",
        "realm=\"api\"",
        "instrument",
    ]);
    match d.below(9) {
        0 => plain(format!("Bearer {word}")),
        1 => plain(format!("bearer {word} and more")),
        2 => named(
            &["authorization"],
            (*d.one(&[
                "Bearer <token>",
                "Bearer ${TOKEN}",
                "Bearer ***",
                "Bearer [bearer]",
                "none",
                "required",
                "Bearer {token}",
                "Bearer $TOKEN",
                "Basic",
                "Bearer %s",
                "Bearer YOUR_TOKEN",
            ]))
            .to_owned(),
        ),
        3 => named(&["authorization", "endpoint"], "https://login.example.net/authorize".to_owned()),
        4 => plain(format!("WWW-Authenticate: Bearer realm=\"r{}\", error=\"invalid_token\"", d.below(99))),
        5 => named(&["bearer", "format"], "JWT".to_owned()),
        6 => named(&["security", "scheme"], "bearerAuth".to_owned()),
        7 => plain(format!("ring bearer no. {}", d.of(DIGITS, 8))),
        _ => named(&["authorization", "id"], d.of(DIGITS, 8)),
    }
}

fn secret(d: &mut Draw) -> Value {
    const NAMES: [&[&str]; 8] = [
        &["password"],
        &["db", "password"],
        &["client", "secret"],
        &["api", "key"],
        &["access", "token"],
        &["secret"],
        &["token"],
        &["user", "passwd"],
    ];
    let names = *d.one(&NAMES);
    let n = d.between(1, 9999);
    match d.below(16) {
        0..=2 => named(
            names,
            (*d.one(&[
                "${DB_PASSWORD}",
                "***",
                "********",
                "[secrets]",
                "[REDACTED]",
                "<your-secret>",
                "{{ vault.password }}",
                "null",
                "none",
                "xxxxxxxx",
                "$PASSWORD",
                "%PASSWORD%",
                "<redacted>",
                "true",
                "false",
                "undefined",
                "os.environ['X']",
                "changeme",
                "${{ secrets.TOKEN }}",
                "...",
                "••••••••",
            ]))
            .to_owned(),
        ),
        3 => named(
            d.words(&[
                &["max", "tokens"],
                &["input", "tokens"],
                &["token", "count"],
                &["total", "tokens"],
                &["tokens"],
                &["token", "limit"],
            ]),
            n.to_string(),
        ),
        4 => named(d.words(&[&["token", "type"], &["grant", "type"]]), "bearer_v2".to_owned()),
        5 => named(
            d.words(&[
                &["password", "length"],
                &["password", "min", "length"],
                &["token", "expires", "in"],
                &["password", "expiry", "days"],
            ]),
            n.to_string(),
        ),
        6 => named(
            d.words(&[&["password", "file"], &["secret", "path"], &["token", "file"], &["key", "file"]]),
            format!("/run/secrets/x{n}"),
        ),
        7 => named(
            d.words(&[&["token", "url"], &["token", "endpoint"], &["secret", "name"]]),
            format!("https://login.example.net/oauth/{n}"),
        ),
        8 => named(
            d.words(&[
                &["primary", "key"],
                &["foreign", "key"],
                &["cache", "key"],
                &["public", "key"],
                &["sort", "key"],
                &["partition", "key"],
                &["idempotency", "key"],
                &["key"],
            ]),
            format!("user:{}:profile-v2", d.of(HEX, 12)),
        ),
        9 => named(
            d.words(&[&["secretary"], &["tokenizer"], &["passenger"], &["keyboard"], &["tokenization"]]),
            format!("cl100k-base-{n}"),
        ),
        10 => plain(
            (*d.one(&[
                "password is required",
                "forgot your password?",
                "the secret of success",
                "token expired",
                "passwordless login",
                "a token ring network",
                "secret santa 2026",
                "press any key: continue",
                "invalid api key",
                "Password: ",
                "the password must have 8 to 64 characters",
            ]))
            .to_owned(),
        ),
        11 => plain(
            (*d.one(&[
                "let token = lexer.next_token();",
                "password = get_password(user)",
                "token := p.tok",
                "self.secret = secret",
                "if token == Token::Eof {",
                "api_key=os.getenv(\"API_KEY\")",
                "password: String,",
                "fn token(&self) -> &Token2",
                "secret: Option<SecretString>,",
                "password=args.password,",
                "token: tokens[i2],",
                "const token = req.headers['x-token'];",
                "client_secret = config.get('client_secret')",
                "password = input(\"Password: \")",
            ]))
            .to_owned(),
        ),
        12 => plain(id(d)),
        13 => plain(digest(d)),
        14 => plain(d.of(ALNUM, 27)),
        _ => {
            let names = *d.one(&ID_NAMES);
            named(names, id(d))
        }
    }
}
