use super::*;
use proptest::prelude::*;

fn config() -> RedactionConfig {
    RedactionConfig { id: "pii-1".into(), ..Default::default() }
}

fn redactor(change: impl FnOnce(&mut RedactionConfig)) -> Redactor {
    let mut config = config();
    change(&mut config);
    Redactor::compile(&config, None).unwrap()
}

fn hashing() -> Redactor {
    let config = RedactionConfig { replace: Replacement::Hash, ..config() };
    Redactor::compile(&config, Some(&Secret::new(vec![7; 32]))).unwrap()
}

fn data(redactor: &Redactor, json: &str) -> String {
    String::from_utf8(redactor.redact_data(json.as_bytes()).unwrap().into_owned()).unwrap()
}

#[test]
fn a_policy_that_cannot_be_compiled_is_refused_with_its_place() {
    let refused = |change: &dyn Fn(&mut RedactionConfig), key: &str| {
        let mut config = config();
        change(&mut config);
        let e = Redactor::compile(&config, None).expect_err(key);
        assert_eq!(
            (e.kind().name(), e.place()),
            ("policy", Some(format!("governance.content.redaction.{key}").as_str()))
        );
        assert!(!e.message().contains('\n'), "{e}");
    };
    refused(&|c| c.detectors = vec!["email".into(), "face".into()], "detectors[1]");
    refused(&|c| c.patterns = vec![("case".into(), "C-(".into())], "patterns.case");
    refused(&|c| c.patterns = vec![("case".into(), "(?=x)".into())], "patterns.case");
    refused(&|c| c.patterns = vec![("case".into(), "x*".into())], "patterns.case");
    refused(&|c| c.patterns = vec![("email".into(), "x".into())], "patterns.email");
    refused(&|c| c.patterns = vec![("a b".into(), "x".into())], "patterns.a b");
    for keep in ["C-(", "a(?=b)", "x*", ".+", "[^x]+"] {
        refused(&|c| c.keep = vec!["ok".into(), keep.into()], "keep[1]");
    }
    refused(&|c| c.replace = Replacement::Hash, "replace");
    for path in ["", "user", "$", "$.", "$.a..", "$[", "$['a", "$[x]", "$a"] {
        refused(&|c| c.paths = vec!["$.ok".into(), path.into()], "paths[1]");
    }
    let short = Redactor::compile(&config(), Some(&Secret::new(vec![7; 15]))).unwrap_err();
    assert_eq!(short.place(), Some("redaction.hash_key"));
}

#[test]
fn mask_drop_and_hash() {
    let text = "to Jane@example.com, cc jane@EXAMPLE.com";
    assert_eq!(redactor(|_| {}).redact_text(text).unwrap(), "to [email], cc [email]");
    assert_eq!(redactor(|c| c.replace = Replacement::Drop).redact_text(text).unwrap(), "to , cc ");
    let out = hashing().redact_text(text).unwrap().into_owned();
    let (first, second) = (&out[3..27], &out[32..56]);
    assert!(first.starts_with("[email:") && first.ends_with(']') && first.len() == 24, "{out}");
    assert_eq!(first, second, "equal values stay joinable");
    // printf 'email\njane@example.com' | openssl dgst -sha256 -mac hmac -macopt hexkey:0707…07
    assert_eq!(first, HASHED);
    let card = hashing().redact_text("4111 1111 1111 1111 and 4111-1111-1111-1111").unwrap().into_owned();
    let (a, b) = card.split_once(" and ").unwrap();
    assert_eq!(a, b);
}

/// Computed with another implementation; see the test.
const HASHED: &str = "[email:34e7c03c4be9d25d]";

#[test]
fn host_patterns_see_the_shadow_and_the_letters() {
    let r = redactor(|c| {
        c.detectors = vec!["email".into()];
        c.patterns = vec![("case".into(), r"C-\d+".into()), ("ort".into(), "Köln|москва".into())];
    });
    assert_eq!(
        r.redact_text("C-123, Ｃ－１２３, C-\u{200b}4, С-5").unwrap(),
        "[case], [case], [case], [case]"
    );
    assert_eq!(r.redact_text("Köln und москва").unwrap(), "[ort] und [ort]");
}

#[test]
fn what_a_policy_keeps_stays_and_nothing_more() {
    let r = redactor(|c| {
        c.patterns = vec![("case".into(), r"C-\d+".into())];
        c.keep = vec![
            r"10\.0\.0\.\d+".into(),
            "ord_[a-z0-9]+".into(),
            r"C-\d+".into(),
            "[a-z]+@corp\\.example".into(),
        ];
    });
    for (text, want) in [
        ("10.0.0.7 and 10.0.1.7", "10.0.0.7 and [ip]"),
        ("from it@corp.example and it@other.example", "from it@corp.example and [email]"),
        // If only part of a find is kept by the policy, the whole find is masked.
        ("password=ord_hunter2!!", "password=[secrets]"),
        ("token=ord_a1b2c3d4e5f6g7h8", "token=ord_a1b2c3d4e5f6g7h8"),
        // The policy's own pattern finds something within a kept value: it is masked.
        ("C-12", "[case]"),
    ] {
        assert_eq!(r.redact_text(text).unwrap(), want);
    }
    assert_eq!(
        data(&r, r#"{"account_id":"ord_1","ip":"10.0.0.1","other_account_id":"x_1","password":"ord_a1"}"#),
        r#"{"account_id":"ord_1","ip":"10.0.0.1","other_account_id":"[account#1]","password":"ord_a1"}"#
    );
    let r = redactor(|c| c.keep = vec!["4111111111111111".into()]);
    assert_eq!(
        data(&r, r#"{"a":4111111111111111,"b":"4111 1111 1111 1111"}"#),
        r#"{"a":4111111111111111,"b":"[card]"}"#
    );
}

/// Text of each kind that was found in public sources: what is no card, phone number or password, beside what is one.
#[test]
fn constants_columns_and_quantities_are_no_cards_and_no_phones() {
    let r = redactor(|_| {});
    for text in [
        // Round numbers, and digits that count.
        r#"assert_eq!(pretty(4.6143166e18), "4614316600000000000")"#,
        "add '6543210123456788' 0.5",
        "shift -> 2345678901234560",
        "invalidate_cblocks 2345 3456-4567 5678-6789",
        // Words in hex, a list with an integer of 64 bits, a table, columns, a comparison, a device's name.
        "apply #2238000000000059 -> 59\napply #2238000000000050 -> 50",
        "round(11270725851789228032, 435, 5503284107318959, 446);",
        "normalize(5503284107318959, 446, 11, 11270725851789228032, 435);",
        "1795414800000000,\n    2578957425371613,\n    2344391131796991,\n]",
        "divide  5235714985079914   5235714985066131  ->  1.0",
        "// we get z_i < 4485585228861014016.",
        "DM_UUID=mpath-35333333000002328",
        // Powers of two, a sign of its own, tables' columns, times, rows.
        "a = +4294967296  # 1 << 32",
        "rescale 1  +2147483649 -> NaN",
        "scaleb  +1200000000",
        "rescale +35236450.6 -2",
        "RELA  003200 000018 18 AIo",
        "'<fraction> 0031 2044 0034'",
        "assertEqual(t, \"01 02 03 000004\")",
        "permutations --> 012 021 102 120 201 210",
        // A path, a pattern, a signature.
        "-----BEGIN PGP SIGNATURE-----\nVersion: GnuPG v2\n\niD8DBQBF0lGqwMbZpPMRm5oRAuRi\n-----END PGP SIGNATURE-----",
        "credentials: yegor256/home#assets/crates-credentials",
        "passwd:*all*authentication*tokens*updated*successfully*",
    ] {
        assert_eq!(r.redact_text(text).unwrap(), text);
    }
    for (text, want) in [
        ("card 4111111111111111, 123, 2027", "card [card], 123, 2027"),
        ("paid with #4111111111111111", "paid with #[card]"),
        ("4111111111111111   5555555555554444", "[card]   [card]"),
        ("> 4000000000000002", "> [card]"),
        ("5454545454545454", "[card]"),
        ("host ::12.34.56.78 and 0439:23af:2309::fae7:1234:192.0.2.146%test", "host [ip] and [ip]%test"),
        ("visa-4111111111111111", "visa-[card]"),
        ("{\"n\":\"+4915123456789\"}", "{\"n\":\"[phone]\"}"),
        ("call 0044 20 7946 0958 today", "call [phone] today"),
        ("call 06 12 34 56 78", "call [phone]"),
        ("user, password = \"wile\", \"coyote\"", "user, password = \"wile\", \"[secrets]\""),
    ] {
        assert_eq!(r.redact_text(text).unwrap(), want);
    }
    assert_eq!(
        data(&r, r#"{"a":4614316600000000000,"b":4111111111111111}"#),
        r#"{"a":4614316600000000000,"b":"[card]"}"#
    );
}

#[test]
fn ids_of_messages_and_logins_of_repositories_are_no_addresses() {
    let r = redactor(|_| {});
    for text in [
        "('git+ssh', 'git@github.com', '/user/project.git')",
        "self.server.stat(\"<45223423@example.com>\")",
        "3000235\t<45454@example.net>\t1234",
    ] {
        assert_eq!(r.redact_text(text).unwrap(), text);
    }
    for (text, want) in [
        ("Cc: git@vger.kernel.org", "Cc: [email]"),
        ("to=\"<45223423@qq.com>\"", "to=\"<[email]>\""),
        ("Jane <1984@example.com>", "Jane <[email]>"),
    ] {
        assert_eq!(r.redact_text(text).unwrap(), want);
    }
}

#[test]
fn overlapping_finds_are_one() {
    let r = redactor(|c| c.patterns = vec![("dom".into(), "example.com/[a-z]+".into())]);
    assert_eq!(r.redact_text("x jane@example.com/secret y").unwrap(), "x [email] y");
}

#[test]
fn what_was_redacted_stays() {
    let r = redactor(|_| {});
    for text in [
        "[email] [phone] [REDACTED] <EMAIL_ADDRESS> *** [redacted:0123456789abcdef]",
        "password=[secrets] password=*** Bearer [bearer] AccountKey=[azure]",
        "[email:7d793037a0760186] called [card:0011223344556677]",
    ] {
        assert_eq!(r.redact_text(text).unwrap(), text);
    }
    for json in [
        r#"{"account_id":"[account#1]","password":"[secrets]"}"#,
        r#"{"account_id":"***","file_path":"<path>","token":"[redacted]"}"#,
    ] {
        assert_eq!(data(&r, json), json);
        assert!(matches!(r.redact_data(json.as_bytes()).unwrap(), Cow::Borrowed(_)));
    }
}

#[test]
fn accents_and_joiners_go_with_their_character() {
    let r = redactor(|_| {});
    assert_eq!(r.redact_text("jane@example.com\u{301}!").unwrap(), "[email]!");
    assert_eq!(r.redact_text("é\u{200d}４１１１ １１１１ １１１１ １１１１é").unwrap(), "é\u{200d}[card]é");
}

#[test]
fn data_is_redacted_in_values_and_keys_and_stays_canonical() {
    let r = redactor(|c| c.keep_identifiers = true);
    assert_eq!(
        data(
            &r,
            r#"{"a@example.com":1,"b@example.com":{"x":["c@example.com",2,null]},"n":4111111111111111,"ts":1700000000000}"#
        ),
        r##"{"[email]":1,"[email]#2":{"x":["[email]",2,null]},"n":"[card]","ts":1700000000000}"##
    );
    assert_eq!(
        data(&r, r#"{"config":{"db_password":"hunter2","max_tokens":"4096","apiKey":"abcd"}}"#),
        r#"{"config":{"apiKey":"[secrets]","db_password":"[secrets]","max_tokens":"4096"}}"#
    );
    assert_eq!(r.redact_data(b"[1]").unwrap_err().place(), Some("data"));
}

#[test]
fn path_rules() {
    let given = r#"{"a.b":1,"error":{"type":"x"},"error.type":"y","items":[{"id":1,"k":2},{"id":3}],"user":{"mail":"m","name":"Jo"}}"#;
    for (path, replace, want) in [
        ("$.user.name", Replacement::Mask, given.replace("\"Jo\"", "\"[redacted]\"")),
        ("$.user.name", Replacement::Drop, given.replace(",\"name\":\"Jo\"", "")),
        ("$.items[*].id", Replacement::Drop, given.replace("\"id\":1,", "").replace("\"id\":3", "")),
        ("$.items[1]", Replacement::Drop, given.replace("{\"id\":3}", "null")),
        ("$.items[0].k", Replacement::Mask, given.replace("\"k\":2", "\"k\":\"[redacted]\"")),
        ("$['a.b']", Replacement::Drop, given.replace("\"a.b\":1,", "")),
        (
            "$.error.type",
            Replacement::Drop,
            given.replace("\"type\":\"x\"", "").replace("\"error.type\":\"y\",", ""),
        ),
        ("$..id", Replacement::Drop, given.replace("\"id\":1,", "").replace("\"id\":3", "")),
        ("$.user.*", Replacement::Drop, given.replace(r#""mail":"m","name":"Jo""#, "")),
        ("$.nothing.here", Replacement::Mask, given.to_owned()),
    ] {
        let r = redactor(|c| {
            c.paths = vec![path.into()];
            c.replace = replace;
        });
        assert_eq!(data(&r, given), want, "{path}");
    }
}

#[test]
fn identifiers_are_aliased_or_hashed_unless_the_policy_says_otherwise() {
    let given = r#"{"account_id":123456789012,"key_id":"k-1","log":"wrote /home/jane/x.txt and /home/jane/x.txt, then C:\\Users\\jane\\y","other_account_id":"123456789012","ref":"thread_abc123def456","run":"r-1","url":"https://example.com/var/x"}"#;
    assert_eq!(
        data(&redactor(|_| {}), given),
        r#"{"account_id":"[account#1]","key_id":"[credential#1]","log":"wrote [path#1] and [path#1], then [path#2]","other_account_id":"[account#1]","ref":"[handle#1]","run":"r-1","url":"https://example.com/var/x"}"#
    );
    assert_eq!(data(&redactor(|c| c.keep_identifiers = true), given), given);
    let hashed = data(&hashing(), r#"{"account_id":"acct-1","x_account_id":"acct-1"}"#);
    let value = json_value(&hashed);
    assert_eq!(value.get("account_id"), value.get("x_account_id"));
    assert!(value.get("account_id").unwrap().as_str().unwrap().starts_with("[account:"));
}

fn json_value(text: &str) -> crate::json::Value {
    crate::json::parse(text.as_bytes()).unwrap()
}

/// Text out of the pieces that detectors care about.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z0-9]{1,12}",
        "[ @.:;,/=+()\\-_~%\"'\\[\\]\\\\\n]{1,3}",
        "[0-9]{1,6}",
        proptest::sample::select(vec![
            "jane@example.com",
            "4111 1111 1111 1111",
            "+1 415 555 2671",
            "10.0.0.1",
            "2001:db8::1",
            "eyJ",
            "Bearer ",
            "password=",
            "token: ",
            "-----BEGIN PRIVATE KEY-----",
            "-----END ",
            "AKIA",
            "sk-",
            "://",
            "%40",
            "\u{200d}",
            "\u{301}",
            "é",
            "４",
            "а",
            "世界",
            "🔍",
            "DE89 3704 0044 0532 0130 00",
            "[email]",
            "\u{e9}@",
            "Q~",
            "00",
            "AccountKey=",
            "[",
            "https://u:p@",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

#[test]
fn a_uuid_that_begins_like_an_iban_stays() {
    let r = redactor(|_| {});
    let uuid = "be37b53e-d45a-71a5-aa00-aaa0aa00a000";
    assert_eq!(r.redact_text(uuid).unwrap(), uuid);
    assert_eq!(r.redact_text("BE68-5390-0754-7034").unwrap(), "[iban]");
    assert_eq!(r.redact_text("BE68 5390 0754 7034-me").unwrap(), "[iban]-me");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// No text panics, splits a character, or changes outside of what was found.
    #[test]
    fn spans_are_in_order_apart_and_on_character_boundaries(text in texts()) {
        let r = redactor(|_| {});
        let shadow = Shadow::of(&text);
        let mut last = 0;
        for (span, ..) in r.find(&text, &shadow) {
            prop_assert!(span.start >= last && span.end > span.start);
            prop_assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
            last = span.end;
        }
        r.redact_text(&text).unwrap();
    }

    /// What machines write is no finding: ids, digests, times, trace contexts, versions, counts.
    #[test]
    fn machine_values_stay(
        uuid in "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        digits in "[0-9]{8}-[0-9]{4}-7[0-9]{3}-8[0-9]{3}-[0-9]{12}",
        hex in "[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}",
        time in "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{3,9})?(Z|[+-][01][0-9]:00)",
        trace in "00-[0-9a-f]{32}-[0-9a-f]{16}-01",
        ulid in "01[0-9A-HJKMNP-TV-Z]{24}",
        version in "v?[0-9]{1,2}\\.[0-9]{1,3}\\.[0-9]{1,4}(-rc\\.[0-9])?",
        count in "[0-9]{1,12}(\\.[0-9]{1,17})?",
        millis in "1[6-9][0-9]{11}",
    ) {
        let r = redactor(|_| {});
        for text in [uuid, digits, hex, time, trace, ulid, version, count, millis] {
            prop_assert_eq!(r.redact_text(&text).unwrap(), text.as_str());
            let said = format!("the value {text} was seen");
            prop_assert_eq!(r.redact_text(&said).unwrap(), said.as_str());
        }
    }

    /// Any text at all.
    #[test]
    fn nothing_panics(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let r = redactor(|_| {});
        r.redact_text(&text).unwrap();
        let _ = r.redact_body(&Body::Bytes(bytes.into()));
    }

    /// Data stays canonical, and its own redaction leaves it alone.
    #[test]
    fn redacted_data_is_canonical(key in texts(), value in texts()) {
        let mut given = vec![];
        crate::json::Value::Object(vec![("k".into(), value.into()), (format!("x{key}"), 1.into())])
            .write_canonical(&mut given).unwrap();
        let r = redactor(|_| {});
        let once = r.redact_data(&given).unwrap().into_owned();
        prop_assert_eq!(&json_value(std::str::from_utf8(&once).unwrap()).to_canonical().unwrap(), &once);
    }
}

/// Found by the property above: groups of a UUID that look like a number of another kind.
#[test]
fn a_uuid_is_no_number() {
    let r = redactor(|_| {});
    for text in ["0aaa0aaa-0100-7000-8000-aaa0aaa0000a", "id=0aaa0aaa-0100-7000-8000-aaa0aaa0000a;"] {
        assert_eq!(r.redact_text(text).unwrap(), text);
    }
    // Digits behind a word and a hyphen are the rest of an id, not a number.
    let text = "xaaa0aaa-0100-7000-8000 aaa";
    assert_eq!(r.redact_text(text).unwrap(), text);
    assert_eq!(r.redact_text("tel 0100-7000-8000 aaa").unwrap(), "tel [phone] aaa");
}

#[test]
fn every_detector_has_its_place() {
    use super::detect::Kind;
    let kinds = [
        (Kind::Email, "email"),
        (Kind::Phone, "phone"),
        (Kind::Card, "card"),
        (Kind::Iban, "iban"),
        (Kind::Ip, "ip"),
        (Kind::Jwt, "jwt"),
        (Kind::Aws, "aws"),
        (Kind::Gcp, "gcp"),
        (Kind::Azure, "azure"),
        (Kind::Github, "github"),
        (Kind::Pem, "pem"),
        (Kind::Bearer, "bearer"),
        (Kind::Secrets, "secrets"),
    ];
    assert_eq!(kinds.len(), DETECTORS.len());
    for (kind, name) in kinds {
        assert_eq!(DETECTORS[kind as usize], name);
    }
}
