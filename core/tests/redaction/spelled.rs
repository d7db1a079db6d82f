//! Secrets in texts that spell characters by their numbers: `\u0022` and `\u002B` as .NET's JSON has them, `\u003d` and `\u0027`
//! as Gson has, `\u0026` as Go has, `\x22` as logs of web servers have.

use crate::redactor;

#[test]
fn a_secret_is_found_however_its_text_is_spelled() {
    let redactor = redactor(&[]);
    for (text, masked) in [
        // The name.
        (r#"{"pass\u0077ord":"hunter2Zq!A"}"#, r#"{"pass\u0077ord":"[secrets]"}"#),
        (r#"{"\u0050ASSWORD":"hunter2Zq!A"}"#, r#"{"\u0050ASSWORD":"[secrets]"}"#),
        (r#"{"p\uff41ssword":"hunter2Zq!A"}"#, r#"{"p\uff41ssword":"[secrets]"}"#),
        // What is around it.
        (
            r#"{"body":"{\u0022password\u0022:\u0022hunter2Zq!A\u0022,\u0022n\u0022:1}"}"#,
            r#"{"body":"{\u0022password\u0022:\u0022[secrets]\u0022,\u0022n\u0022:1}"}"#,
        ),
        (
            r#"{"body":"{\u0022password\u0022:\u0022hunter\\\u00222Zq!A\u0022,\u0022n\u0022:1}"}"#,
            r#"{"body":"{\u0022password\u0022:\u0022[secrets]\u0022,\u0022n\u0022:1}"}"#,
        ),
        (
            r#"{"a":"{\"body\":\"{\\u0022password\\u0022:\\u0022hunter2Zq!A\\u0022}\"}"}"#,
            r#"{"a":"{\"body\":\"{\\u0022password\\u0022:\\u0022[secrets]\\u0022}\"}"}"#,
        ),
        (
            r#""POST / HTTP/1.1" 200 "{\x22password\x22:\x22hunter2Zq!A\x22}""#,
            r#""POST / HTTP/1.1" 200 "{\x22password\x22:\x22[secrets]\x22}""#,
        ),
        (
            r#"{"t":"password\u003d\u0027hunter2Zq!M\u0027"}"#,
            r#"{"t":"password\u003d\u0027[secrets]\u0027"}"#,
        ),
        (r#"{"t":"--password\u003dhunter2Zq!L done"}"#, r#"{"t":"--password\u003d[secrets] done"}"#),
        (
            r#"{"t":"https://x.y/?a\u003d1\u0026api_key\u003dQ7x9Zk2LmP4tR8vW1yB3nC6d\u0026b\u003d2"}"#,
            r#"{"t":"https://x.y/?a\u003d1\u0026api_key\u003d[secrets]\u0026b\u003d2"}"#,
        ),
        (
            r#"{"t":"one\u000apassword=hunter2Zq!A\u000atwo"}"#,
            r#"{"t":"one\u000apassword=[secrets]\u000atwo"}"#,
        ),
        // The value.
        (r#"{"k":"sk-proj-9aB3cD4e\u004659gH6iJ7kL8mN9oP0qR1sT2uV3w"}"#, r#"{"k":"[secrets]"}"#),
        (r#"{"k":"\u0067hp_abcdefghij0123456789abcdefghij012345"}"#, r#"{"k":"[github]"}"#),
        (r#"{"mail":"jane.doe\u0040example.com"}"#, r#"{"mail":"[email]"}"#),
        (r#"{"card":"4111 1111 1111 \ud835\udfcf111"}"#, r#"{"card":"[card]"}"#),
        (r#"{"card":"4111\u200b1111\u00a011111111"}"#, r#"{"card":"[card]"}"#),
    ] {
        assert_eq!(redactor.redact_text(text).unwrap(), masked);
        assert_eq!(redactor.redact_text(masked).unwrap(), masked, "what was masked stays as it is");
    }
    // Backslashes that begin no spelling, halves of a pair, numbers that end too soon.
    for text in [
        r"C:\users\x\u00",
        r"\ud835 alone \ud835\u0041 \udfcf",
        r"a\u12 b\x4 c\u d\x \\\\",
        r"\u00e9t\u00e9\x00\u0000",
    ] {
        assert_eq!(redactor.redact_text(text).unwrap(), text);
    }
}
