#!/usr/bin/env python3
"""Writes the redaction corpus: one file per detector, one case per line.

    python3 tests/redaction/generate.py

A case is {"text", "find"}: the strings in it that a person would want gone, in order, and none for a near
miss. Knows no sinkwell code. Everything in it is made up; numbers are drawn from a fixed seed, with or without
a right check digit.
"""

import base64
import json
import pathlib
import random
import string

HERE = pathlib.Path(__file__).parent
R = random.Random(20261121)
LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALNUM = LOWER + UPPER + DIGITS
B64, B64URL = ALNUM + "+/", ALNUM + "-_"


def draw(alphabet, n):
    """n characters, of every class that the alphabet has."""
    while True:
        text = "".join(R.choice(alphabet) for _ in range(n))
        classes = [c for c in (LOWER, UPPER, DIGITS) if set(c) & set(alphabet)]
        if n < 12 or all(set(c) & set(text) for c in classes):
            return text


CONTEXTS = [
    "{}",
    "Please use {} from now on.",
    "({})",
    "value: {}\n",
    '{{"v": "{}"}}',
    "x={}; y=1",
    "<{}>",
    "see {}, thanks",
    "“{}”",
    "联系 {} 谢谢",
]


def within(finds, contexts=CONTEXTS):
    """Each find in a context, contexts in turn."""
    return [(contexts[i % len(contexts)].format(f), [f]) for i, f in enumerate(finds)]


def misses(texts, contexts=("{}", "Note: {} (as discussed)")):
    return [(contexts[i % len(contexts)].format(t), []) for i, t in enumerate(texts)]


def wide(text):
    return "".join(chr(ord(c) + 0xFEE0) if c in DIGITS else c for c in text)


def joined(text, joiner="\u200d"):
    return joiner.join(text)


def email():
    finds = """a@example.com jane.doe@example.org JANE@EXAMPLE.COM jane+tag@mail.example.co.uk o'brien@example.ie x_y-z@sub.domain.example.net
    1234567890@163.com first.last@university.edu admin@xn--bcher-kva.example user%dept@example.com user@bücher.de josé@example.es müller@example.de
    иван@пример.рф dev@team.engineering me@a.io sales2024@shop.store j@x.co root@mail.internal.example.com no-reply@notifications.example.com
    bounce+123=x@example.com a.b.c.d@e.f.g.example jane_doe@example.museum hello@studio.design ceo@startup.ai help@desk.support it@company.local
    night.owl+newsletter@mail.example.travel test@example.technology q@q.qa user@example-site.com user@1and1.com contact@3m.com abc@9gag.com
    """.split()
    finds = [f for f in finds if "=" not in f]
    people = [
        f"{a}{sep}{b}{n}@{d}"
        for a, sep, b, n, d in zip(
            "anna ben carla dmitri eve farid gina hugo".split(),
            ["", ".", "_", "-", "+", ".", "", "_"],
            "smith jones lee kim diaz roy sato wolf".split(),
            ["", "1", "77", "", "x", "2", "9", ""],
            "example.com mail.example.org example.co.jp corp.example.net example.fr example.com.br example.in example.dev".split(),
        )
    ]
    cases = within(finds + people)
    cases += [
        ("mailto:jane@example.com?subject=hi", ["jane@example.com"]),
        ("https://x.example/reset?mail=jane%40example.com&t=1", ["jane%40example.com"]),
        ('"jane doe"@example.com wrote', ['"jane doe"@example.com']),
        ("jane＠example.com", ["jane＠example.com"]),
        ("jane@ехаmple.com", ["jane@ехаmple.com"]),
        ("j\u200dane@exam\u200bple.com", ["j\u200dane@exam\u200bple.com"]),
        ("ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ", ["ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ"]),
        ("jane@example\u00ad.com", ["jane@example\u00ad.com"]),
        ("𝗃𝖺𝗇𝖾@example.com", ["𝗃𝖺𝗇𝖾@example.com"]),
        ("a@example.com,b@example.com;c@example.com", ["a@example.com", "b@example.com", "c@example.com"]),
        ("From: Jane <jane@example.com>", ["jane@example.com"]),
        ("Is it jane@example.com?", ["jane@example.com"]),
        ("It is jane@example.com.", ["jane@example.com"]),
        ("邮箱jane@example.com谢谢", ["jane@example.com"]),
        ("user=jane@example.com", ["jane@example.com"]),
        ("'jane@example.com'", ["jane@example.com"]),
        ("/users/jane@example.com/inbox", ["jane@example.com"]),
        ("jane@example.com:8080", ["jane@example.com"]),
        ("\tjane@example.com\r\n", ["jane@example.com"]),
        ("[jane@example.com](mailto:jane@example.com)", ["jane@example.com", "jane@example.com"]),
    ]
    near = """@mention @jane.doe foo@bar user@localhost a@b.c image@2x.png logo@3x.png icon@1.5x.png react@18.2.0 lodash@4.17.21 left-pad@1.3.0-rc.1
    @babel/core@7.1.2 @decorator.method jane@ @example.com jane@@example.com user@.com user@example. user@example.1 a@1.2.3.4 git@github.com:owner/repo.git
    git@gitlab.com:team/project.git jane.example.com jane[at]example.com 5@home 3@2 price@12.50 x@y meet@noon @property @app.route @media @import
    @Override @SpringBootTest.class user@-example user@example.c jane@example,com foo@123 sha256@0123456789abcdef name@version.0 module@latest
    a@b @everyone rate@5.5 width@100.px.1 @1.2.3 pkg@2.0.0-beta.1 actions/checkout@v4 docker@24.0.7 node@20.11.1 ssh://git@host/repo
    """.split()
    near += [
        "meet @ 5.30 pm",
        "3 @ 4.50 each",
        "user @ example . com",
        "@ example.com",
        "a @b.com",
        "T@T",
        "^_^@",
        "e-mail me",
        "at example dot com",
        "jane@ example.com",
        "Twitter: @jane",
        "cc @team.",
        "@@",
        "(@)",
        "100%40",
        "a%40b",
        "50%40x",
    ]
    return cases, misses(near)


def luhn_digit(body):
    total = 0
    for i, c in enumerate(reversed(body)):
        d = int(c)
        total += d if i % 2 else (d * 2 // 10 + d * 2 % 10)
    return str(-total % 10)


def number(prefix, length):
    body = prefix + "".join(R.choice(DIGITS) for _ in range(length - len(prefix) - 1))
    return body + luhn_digit(body)


def groups(text, shape, sep):
    out, at = [], 0
    for n in shape:
        out.append(text[at : at + n])
        at += n
    return sep.join(out)


def card():
    schemes = [
        ("4", 16),
        ("4", 13),
        ("51", 16),
        ("55", 16),
        ("2221", 16),
        ("2720", 16),
        ("34", 15),
        ("37", 15),
        ("6011", 16),
        ("65", 16),
        ("3530", 16),
        ("36", 14),
        ("300", 14),
        ("62", 16),
        ("62", 19),
        ("4", 19),
    ]
    plain = [number(p, n) for p, n in schemes for _ in range(2)]
    four = [groups(number("4", 16), (4, 4, 4, 4), s) for s in [" ", "-"] * 6]
    amex = [groups(number("37", 15), (4, 6, 5), s) for s in [" ", "-"] * 3]
    diners = [groups(number("36", 14), (4, 6, 4), s) for s in [" ", "-"]]
    odd = [
        wide(number("4", 16)),
        wide(groups(number("52", 16), (4, 4, 4, 4), " ")),
        joined(number("4", 16)),
        joined(number("51", 16), "\u200b"),
        groups(number("4", 16), (4, 4, 4, 4), "\u00a0"),
        groups(number("4", 16), (4, 4, 4, 4), "\u2011"),
        groups(number("4", 16), (4, 4, 4, 4), "–"),
        " ".join(number("4", 16)),
        groups(number("4", 16), (2,) * 8, " "),
    ]
    odd += [
        "".join(chr(0x0660 + int(c)) for c in number("4", 16)),
        "".join(chr(0x1D7CE + int(c)) for c in number("4", 16)),
        "".join(chr(0x0966 + int(c)) for c in number("51", 16)),
    ]
    cases = within(plain + four + amex + diners + odd)
    n = groups(number("4", 16), (4, 4, 4, 4), " ")
    cases += [(f"card {n} exp 12/27 cvv 123", [n]), (f"pay 12 times with {n}.", [n]), (f"卡号{n}。", [n])]
    a, b = number("4", 16), number("55", 16)
    cases += [(f"{a},{b}", [a, b]), (f"{a}\n{b}", [a, b])]

    def wrong(n):
        return n[:-1] + str((int(n[-1]) + R.randint(1, 9)) % 10)

    near = [wrong(number(p, n)) for p, n in schemes for _ in range(2)]
    near += [groups(wrong(number("4", 16)), (4, 4, 4, 4), s) for s in [" ", "-"] * 4]
    near += [
        number("1", 16),
        number("9", 16),
        number("0", 16),
        number("7", 16),
        number("8", 16),
        number("4", 12),
        number("4", 14),
        number("4", 17),
        number("4", 20),
        number("51", 15),
    ]
    near += [
        "0." + number("4", 16),
        "1." + number("51", 16),
        "a" + number("4", 16),
        number("4", 16) + "b",
        "deadbeef" + number("4", 16),
        "id_" + number("4", 16),
    ]
    near += [
        "1700000000000",
        "1700000000000000",
        "20260102030405",
        "1234567890123456",
        "0000000000000000",
        "978-3-16-148410-0",
        "2026-11-21 10:00:00",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        "3.14159265358979323846",
        "+14155552671",
        "192.168.100.200",
        "123e4567-e89b-12d3-a456-426614174000",
    ]
    return cases, misses(near)


IBANS = {
    "DE": (22, "d" * 18),
    "GB": (22, "aaaa" + "d" * 14),
    "FR": (27, "d" * 10 + "c" * 11 + "dd"),
    "NL": (18, "aaaa" + "d" * 10),
    "ES": (24, "d" * 20),
    "IT": (27, "a" + "d" * 10 + "c" * 12),
    "CH": (21, "d" * 5 + "c" * 12),
    "AT": (20, "d" * 16),
    "BE": (16, "d" * 12),
    "PL": (28, "d" * 24),
    "SE": (24, "d" * 20),
    "NO": (15, "d" * 11),
    "MT": (31, "aaaa" + "d" * 5 + "c" * 18),
    "PT": (25, "d" * 21),
    "IE": (22, "aaaa" + "d" * 14),
    "LC": (32, "aaaa" + "c" * 24),
}


def iban_of(country):
    _, shape = IBANS[country]
    bban = "".join(
        {"d": lambda: R.choice(DIGITS), "a": lambda: R.choice(UPPER), "c": lambda: R.choice(DIGITS + UPPER)}[
            s
        ]()
        for s in shape
    )
    value = int("".join(str(int(c, 36)) for c in bban + country + "00"))
    return f"{country}{98 - value % 97:02d}{bban}"


def iban():
    finds = []
    for country in IBANS:
        finds.append(iban_of(country))
        text = iban_of(country)
        finds.append(" ".join(text[i : i + 4] for i in range(0, len(text), 4)))
        finds.append(iban_of(country).lower())
    for country in ["DE", "GB", "FR", "NL", "ES"]:
        text = iban_of(country)
        finds.append("-".join(text[i : i + 4] for i in range(0, len(text), 4)))
        finds.append(wide(iban_of(country)))
        finds.append(joined(iban_of(country), "\u200b"))
    cases = within(finds)
    near = []
    for country in IBANS:
        text = iban_of(country)
        near.append(text[:-1] + R.choice([d for d in DIGITS if d != text[-1]]))
        near.append(text[:2] + f"{(int(text[2:4]) + R.randint(1, 90)) % 97:02d}" + text[4:])
        near.append(text[:-1])
    near += [
        "XX" + iban_of("DE")[2:],
        "A" + iban_of("DE"),
        iban_of("DE") + "7",
        "DE89",
        "GB29 NWBK",
        "FR12345678901234567890123",
        "AB12CD34EF56",
        "DE00 0000 0000 0000 0000 00",
        "SE45 is a road",
        "CH3COOH",
        "NO2 and CO2",
        "IT19 release",
        "part no. AT48-3200",
        "IE11 is a browser",
        "PT100 sensor",
        "BE68 5390",
        "MT103 message",
        "0aa0a000-00a0-7000-be78-c1b2f0e2f01f",
    ]
    return cases, misses(near)


def ip():
    four = [
        "10.0.0.1",
        "192.168.1.254",
        "172.16.0.1",
        "8.8.8.8",
        "255.255.255.255",
        "127.0.0.1",
        "203.0.113.7",
        "198.51.100.23",
        "1.1.1.1",
        "0.0.0.0",
        "100.64.0.9",
        "169.254.169.254",
    ]
    four += [".".join(str(R.randint(0, 255)) for _ in range(4)) for _ in range(20)]
    six = [
        "2001:db8::1",
        "fe80::1",
        "::1",
        "2001:db8:85a3::8a2e:370:7334",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "::ffff:192.0.2.128",
        "fd00::1234:5678",
        "2606:4700:4700::1111",
        "FE80::0202:B3FF:FE1E:8329",
        "2001:db8::",
        "64:ff9b::192.0.2.33",
    ]
    six += [":".join(f"{R.randint(0, 65535):x}" for _ in range(8)) for _ in range(12)]
    cases = within(four + six)
    cases += [
        ("http://10.1.2.3:8080/x", ["10.1.2.3"]),
        ("10.0.0.0/8", ["10.0.0.0"]),
        ("[2001:db8::1]:443", ["2001:db8::1"]),
        ("from 10.0.0.1 to 10.0.0.2.", ["10.0.0.1", "10.0.0.2"]),
        ("ip:2001:db8::1", ["2001:db8::1"]),
        ("fe80::1%eth0", ["fe80::1"]),
        (wide("10.0.0.1"), [wide("10.0.0.1")]),
        ("10．0．0．1", ["10．0．0．1"]),
        ("1\u200b0.0.0.1", ["1\u200b0.0.0.1"]),
        ("addr=10.0.0.1,port=80", ["10.0.0.1"]),
        ("2001:db8::1/64", ["2001:db8::1"]),
    ]
    near = [
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4.5",
        "999.999.999.999",
        "1.2.3.256",
        "01.02.03.04",
        "v1.2.3.4",
        "version 1.2.3.4",
        "Version: 10.0.19041.1",
        "release 1.2.3.4",
        "1.2.3.4a",
        "a1.2.3.4",
        "1..2.3.4",
        "1.2.3.",
        ".1.2.3.",
        "3.14159",
        "12:34:56",
        "2026-11-21T10:20:30Z",
        "00:1A:2B:3C:4D:5E",
        "aa:bb:cc:dd:ee:ff",
        "std::net::Ipv6Addr",
        "a::b",
        "Foo::Bar",
        "::",
        "std::fmt",
        "dead::beef::cafe::",
        "1:2:3",
        "10:30",
        "ratio 16:9",
        "1:2:3:4:5:6:7:8:9",
        "12345::1",
        "g001:db8::1",
        "key: value",
        "C:/temp",
        "http://example.com",
        "face::fade",
        "crate::a::b",
        "1.000.000,50",
        "$1.234.567.890",
        "1,2,3,4",
        "1-2-3-4",
        "192.168.1",
        "192.168.1.x",
        "192.168.1.*",
        "10.0.0",
        "1.10.100.1000",
        "section 4.3.2.1",
        "build 1.2.3.4",
        "chr1:12345-67890",
        "a.b.c.d",
        "1.2.3.4-beta" if False else "2.3.4",
        "::g",
        "x::1y",
        "1::2::3",
        "::ffff:999.0.2.1" if False else "ff:",
        "09:15:42.123",
        "2:1:0",
        "12:00 to 13:00",
        "00:00:00.000",
        "urn:isbn:0451450523",
        "sha256:abcdef",
        "image:1.2.3",
    ]
    return cases, misses(near, ("{}", "see {} for more"))


def phone():
    finds = [
        "+1 415 555 2671",
        "+14155552671",
        "+1-415-555-2671",
        "+1 (415) 555-2671",
        "+44 20 7946 0958",
        "+442079460958",
        "+44 (0)20 7946 0958",
        "+49 30 1234567",
        "+49 (30) 123456",
        "+49-30-1234567",
        "+33 6 12 34 56 78",
        "+33612345678",
        "+34 612 345 678",
        "+39 06 1234 5678",
        "+31 20 123 4567",
        "+81 3-1234-5678",
        "+81-90-1234-5678",
        "+86 138 1234 5678",
        "+8613812345678",
        "+91 98765 43210",
        "+919876543210",
        "+61 2 9876 5432",
        "+61 412 345 678",
        "+55 11 91234-5678",
        "+7 912 345-67-89",
        "+90 532 123 45 67",
        "+41 44 668 18 00",
        "+43 1 234567",
        "+46 8 123 456 78",
        "+47 22 12 34 56",
        "+45 12 34 56 78",
        "+358 9 1234567",
        "+353 1 234 5678",
        "+351 21 123 4567",
        "+48 22 123 45 67",
        "+972 3-123-4567",
        "+27 11 123 4567",
        "+52 55 1234 5678",
        "+65 6123 4567",
        "+852 2123 4567",
        "(415) 555-2671",
        "(415)555-2671",
        "415-555-2671",
        "415.555.2671",
        "415 555 2671",
        "1-800-555-0199",
        "1 415 555 2671",
        "020 7946 0958",
        "(020) 7946 0958",
        "07911 123456",
        "06 12 34 56 78",
        "01 42 68 53 00",
        "030/1234567",
        "030 12345678",
        "089 123 456 78",
        "0171-1234567",
        "0049 30 1234567",
        "0044 20 7946 0958",
        "001 415 555 2671",
        "(212) 555-0123",
        "(646) 555 0188",
    ]
    cases = within(finds)
    cases += [
        ("Tel: 5551234567", ["5551234567"]),
        ("phone 2671234", ["2671234"]),
        ("call my mobile: 98765 43210", ["98765 43210"]),
        ("Fax 044 668 18 00", ["044 668 18 00"]),
        ("Telefon: 1234567", ["1234567"]),
        (wide("+44 20 7946 0958"), [wide("+44 20 7946 0958")]),
        ("+1\u00a0415\u00a0555\u00a02671", ["+1\u00a0415\u00a0555\u00a02671"]),
        ("＋14155552671", ["＋14155552671"]),
        ("+1 415‑555‑2671", ["+1 415‑555‑2671"]),
        ("+\u200d1\u200d4155552671", ["+\u200d1\u200d4155552671"]),
        ("tel:+14155552671", ["+14155552671"]),
        ("wa.me/+14155552671", ["+14155552671"]),
    ]
    near = [
        "555-1234",
        "123-456-7890",
        "115-555-2671",
        "415-155-2671",
        "(123) 456-7890",
        "2026-11-21",
        "21.11.2026",
        "01-02-2026",
        "01/02/2026",
        "01.02.2026",
        "2026-11-21 10:20:30",
        "20261121102030",
        "1700000000",
        "1700000000000",
        "12345678",
        "1234567890",
        "9876543210123",
        "4111 1111 1111 1111",
        "978-3-16-148410-0",
        "0-306-40615-2",
        "192.168.1.254",
        "10.0.19041.1234",
        "+100",
        "+12345",
        "+0.12345678",
        "+12345678.90",
        "1e+10000000",
        "GMT+0100",
        "UTC+02:00",
        "2026-11-21T10:20:30+01:00",
        "3.14159265358979",
        "1,234,567,890",
        "1 234 567 890 12" if False else "1.234.567.890",
        "$4155552671" if False else "$415.55",
        "order 100200300",
        "id 4155552671",
        "123-45-6789",
        "12-34-56",
        "00-11-22-33-44-55",
        "0000 0000 0000",
        "00 00 00 00 00",
        "page 415-555",
        "415-5552",
        "415-555-267",
        "415-555-26711",
        "41-555-2671",
        "x415-555-2671",
        "a+14155552671",
        "123e4567-e89b-12d3-a456-426614174000",
        "1-2-3",
        "1 2 3 4 5 6 7 8 9 10",
        "0.25 0.50 0.75",
        "10 20 30 40 50",
        "2 000 000 000",
        "12:30:45",
        "version 4.155.552",
        "lines 100-200",
        "ISBN 3-16-148410-0" if False else "pp. 100-200",
        "ratio 100/200",
        "0x14155552671",
        "500-600 people",
        "scores 10-20-30",
        "51.5074, -0.1278",
        "40.712776, -74.005974",
        "#4155552671",
        "99.99.99",
        "2024-2025-2026",
    ]
    return cases, misses(near, ("{}", "it says {} there"))


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt():
    def make(header, payload, n=43):
        return ".".join(
            [
                b64url(json.dumps(header, separators=(",", ":")).encode()),
                b64url(json.dumps(payload, separators=(",", ":")).encode()),
                draw(B64URL, n),
            ]
        )

    finds = [
        make({"alg": a, "typ": "JWT"}, {"sub": str(R.randint(1, 10**9)), "iat": 1516239022 + i}, n)
        for a, n in [
            ("HS256", 43),
            ("RS256", 342),
            ("ES256", 86),
            ("EdDSA", 86),
            ("HS512", 86),
            ("PS256", 342),
        ]
        for i in range(10)
    ]
    finds += [make({"typ": "JWT", "alg": "none"}, {"a": 1}, 0) for _ in range(2)]
    # Two colons and spaces in the header's JSON; an encrypted one of five segments.
    finds += [
        b64url(b'{"alg": "HS256", "typ": "JWT"}') + "." + b64url(b'{"sub": "1"}') + "." + draw(B64URL, 43)
    ]
    finds += (
        [
            b64url(b'{"alg":"dir","enc":"A128GCM"}')
            + ".."
            + draw(B64URL, 16)
            + "."
            + draw(B64URL, 30)
            + "."
            + draw(B64URL, 22)
        ]
        if False
        else []
    )
    cases = within(finds, [c for c in CONTEXTS if c != "see {}, thanks"] + ["Authorization: Bearer {}"])
    one = finds[0]
    near = [
        "eyJ",
        "eyJhbGciOiJIUzI1NiJ9",
        "eyJhbGciOiJIUzI1NiJ9.abc",
        one.split(".")[0] + "." + one.split(".")[1],
        "eyJ.eyJ.abc",
        "eyJhbGci OiJIUzI1NiJ9.eyJzdWIi.abc",
        "x" + one if False else "eyjhbgci.eyj.abc",
        "heyJude.the.song",
        "eyJust.a.word",
        "www.example.com",
        "a.b.c",
        "1.2.3",
        "com.example.package.Class",
        "eyJ0eXAi",
        "EYJHBGCIOIJIUZI1NIJ9.EYJZDWIIOIIXMJM0.ABC",
    ]
    near += ["eyJ" + draw(B64URL, R.randint(5, 60)) for _ in range(25)]
    near += [b64url(json.dumps({"k": draw(ALNUM, 12)}).encode()) for _ in range(15)]
    near += [
        draw(B64URL, 20).replace("eyJ", "abc") + "." + draw(B64URL, 30) + "." + draw(B64URL, 43)
        for _ in range(15)
    ]
    return cases, misses(near)


def aws():
    base32 = UPPER + "234567"
    finds = [
        p + "".join(R.choice(base32) for _ in range(16))
        for p in ["AKIA", "ASIA", "ABIA", "ACCA"]
        for _ in range(10)
    ]
    cases = within(finds)
    secrets = [draw(B64, 40) for _ in range(24)]
    frames = [
        "aws_secret_access_key = {}",
        "AWS_SECRET_ACCESS_KEY={}",
        '"SecretAccessKey": "{}"',
        "aws_secret_access_key: {}",
        "export AWS_SECRET_ACCESS_KEY='{}'",
        "AWS_SESSION_TOKEN={}",
    ]
    cases += [(frames[i % 6].format(s), [s]) for i, s in enumerate(secrets)]
    near = [
        "AKIA",
        "AKIA123",
        "akia" + draw(LOWER, 16),
        "XAKIA" + draw(UPPER, 16),
        "SLAKIA" + draw(UPPER, 14),
        "AKIA-" + draw(UPPER, 16),
        "ASIAN markets rallied",
        "ASIA PACIFIC",
        "AKIAK Alaska",
        "aws_secret_access_key =",
        "AWS_SECRET_ACCESS_KEY=[secret]",
        "AWS_SECRET_ACCESS_KEY=${AWS_SECRET}",
        "aws_secret_access_key: <your key>",
        "SecretAccessKey is missing",
        "aws_session_token expired",
        "arn:aws:iam::123456789012:role/x",
        "AWS_REGION=eu-west-1",
        "AWS_PROFILE=default",
    ]
    near += ["AKIA" + draw(UPPER, n) for n in range(5, 16)] + ["AKIA" + draw(UPPER, n) for n in range(17, 32)]
    near += ["AKIA" + draw(LOWER + UPPER, 16) for _ in range(12)] + [
        "AK1A" + draw(UPPER, 16) for _ in range(6)
    ]
    return cases, misses(near)


def gcp():
    finds = ["AIza" + draw(B64URL, 35) for _ in range(30)]
    finds = [f[:-1] + "a" for f in finds]
    finds += ["ya29." + draw(B64URL, n) + "Q" for n in range(30, 130, 5)]
    finds += ["GOCSPX-" + draw(ALNUM, 28) for _ in range(15)]
    near = [
        "AIza",
        "AIzaSy",
        "AIZA" + draw(ALNUM, 35),
        "aiza" + draw(ALNUM, 35),
        "xAIza" + draw(ALNUM, 35),
        "ya29",
        "ya29.short",
        "GOCSPX-",
        "GOCSPX-abc",
        "gocspx",
        "Maya29.example",
        "AIzakov lives here",
        "google-api-key",
        "gcp-project-1234",
        "my-project@example",
        "projects/p/secrets/s",
    ]
    near += ["AIza" + draw(ALNUM, n) for n in range(5, 34)] + ["AIza" + draw(ALNUM, n) for n in range(37, 60)]
    return within(finds), misses(near)


def azure():
    def account():
        return base64.b64encode(bytes(R.randrange(256) for _ in range(64))).decode()

    cases = []
    for i in range(20):
        key = account()
        cases.append(
            (
                f"DefaultEndpointsProtocol=https;AccountName=store{i};AccountKey={key};EndpointSuffix=core.windows.net",
                [key],
            )
        )
    for i in range(14):
        key = base64.b64encode(bytes(R.randrange(256) for _ in range(32))).decode()
        cases.append(
            (
                f"Endpoint=sb://bus{i}.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={key}",
                [key],
            )
        )
    for i in range(14):
        sig = draw(ALNUM, 43) + "%3D"
        cases.append((f"https://store.blob.core.windows.net/c/b?sv=2022-11-02&sp=r&sig={sig}&se=2030", [sig]))
    secrets = [draw(ALNUM, 3) + R.choice(DIGITS) + "Q~" + draw(ALNUM + "_-~.", 33) + "a" for _ in range(20)]
    cases += within(secrets)
    near = [
        "AccountKey=",
        "AccountKey=short",
        "AccountKey is required",
        "AccountName=store1",
        "SharedAccessKeyName=RootManageSharedAccessKey" if False else "SharedAccessKey=[azure]",
        "AccountKey=<key>",
        "AccountKey=${KEY}",
        "sig=abc",
        "design=modern-and-very-nice-looking",
        "config=default-configuration-value",
        "sig = signature",
        "Q~",
        "abc1Q~short",
        "abcxQ~" + draw(ALNUM, 34),
        "abc1q~" + draw(ALNUM, 34),
        "abc1Q-" + draw(ALNUM, 34),
        "zig=00000000000000000000",
        "assig=" + draw(ALNUM, 43),
    ]
    near += ["abc1Q~" + draw(ALNUM, n) for n in list(range(3, 31)) + list(range(36, 40))]
    near += [f"x{draw(ALNUM, 3)}1Q~" + draw(ALNUM, 34) for _ in range(10)] + [
        str(i) * 8 + "-0000-0000-0000-000000000000" for i in range(5)
    ]
    return cases, misses(near)


def github():
    finds = [p + draw(ALNUM, 36) for p in ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"] for _ in range(11)]
    finds += ["github_pat_" + draw(ALNUM, 22) + "_" + draw(ALNUM, 59) for _ in range(12)]
    near = [
        "ghp_",
        "ghp_abc",
        "ghp_" + "x" * 8,
        "GHP_" + draw(ALNUM, 36),
        "xghp_" + draw(ALNUM, 36),
        "_ghp_" + draw(ALNUM, 36),
        "ghp-" + draw(ALNUM, 36),
        "ghx_" + draw(ALNUM, 36),
        "github_pat_",
        "github_pat_short",
        "github_patches_are_welcome_here",
        "github.com/owner/repo",
        "high_" + draw(ALNUM, 36),
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "https://github.com/o/r/commit/da39a3ee5e6b4b0d3255bfef95601890afd80709",
    ]
    near += ["ghp_" + draw(ALNUM, n) for n in range(4, 36)] + [
        "ghs_" + draw(ALNUM, 17) + "." + draw(ALNUM, 18) for _ in range(14)
    ]
    return within(finds), misses(near)


def pem():
    labels = [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "CERTIFICATE",
        "PUBLIC KEY",
        "ENCRYPTED PRIVATE KEY",
        "DSA PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
        "CERTIFICATE REQUEST",
    ]

    def block(label, lines, eol="\n", tail=True):
        body = eol.join(draw(B64, 64) for _ in range(lines))
        end = f"{eol}-----END {label}-----" if tail else ""
        return f"-----BEGIN {label}-----{eol}{body}{end}"

    finds = [
        block(l, n, e) for l in labels for n, e in [(1, "\n"), (4, "\n"), (3, "\r\n"), (2, "\\n"), (26, "\n")]
    ]
    finds += [block(l, 3, tail=False) for l in labels]
    cases = [
        (f"{pre}{f}{post}", [f])
        for i, f in enumerate(finds)
        for pre, post in [[("", ""), ("key:\n", "\n\nbye"), ('{"k":"', '"}')][i % 3]]
    ]
    a, b = block("CERTIFICATE", 2), block("PRIVATE KEY", 2)
    cases.append((a + "\n" + b, [a, b]))
    near = [
        "-----BEGIN",
        "-----BEGIN PRIVATE KEY",
        "-----END PRIVATE KEY-----",
        "---BEGIN PRIVATE KEY---",
        "BEGIN PRIVATE KEY",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n[redacted]",
        "-----BEGIN X-----\nshort",
        "----- BEGIN -----",
        "-----begin private key-----\nwords only here",
        "a ------ b",
        "---",
        "-----",
        "the BEGIN and END markers",
        "-----BEGIN CERTIFICATE----- ...",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI user@host",
    ]
    near += [f"-----{w} {l}-----" for w in ["END", "START", "Begin of", "MIDDLE"] for l in labels] + [
        f"# {l}" for l in labels
    ]
    return cases, misses(near, ("{}",))


def bearer():
    tokens = (
        [draw(ALNUM, n) for n in range(12, 60, 2)]
        + [draw(B64, 32) + "==" for _ in range(10)]
        + [draw(B64URL + ".", 40) + "x" for _ in range(14)]
    )
    tokens = [t for t in tokens if any(c in DIGITS for c in t)]
    frames = [
        "Authorization: Bearer {}",
        "authorization: bearer {}",
        "Bearer {}",
        '"Authorization": "Bearer {}"',
        "curl -H 'Authorization: Bearer {}' https://x.example",
        "BEARER {}",
        "token was Bearer {} yesterday",
    ]
    cases = [(frames[i % len(frames)].format(t), [t]) for i, t in enumerate(tokens)]
    basic = [base64.b64encode(f"user{i}:pass{i}word".encode()).decode() for i in range(14)]
    cases += [(f"Authorization: Basic {b}", [b]) for b in basic]
    near = 'bearer of bad news|Bearer token|the bearer must sign|Bearer authentication scheme|bearer bonds|Bearer realm="x"|bearer: none|standard-bearer|Bearer|Bearer |load-bearing wall|ring bearer|Bearer tokens are used|a bearer instrument|cupbearer 12345678|forbearer abc12345678|Bearer [redacted]|Bearer ***|Bearer <token>|Bearer $TOKEN|Bearer ${TOKEN}|Bearer {token}|Bearer %s|bearer cheque 123456|bearer no. 12345678|Authorization: none|Authorization: Basic|Authorization required|Authorization: Bearer|Authorization: Bearer [bearer]|basic access authentication|Bearer/Token|bearer-token|Bearer_token|overbearer x9y8z7w6v5|Bearers 123abc456def|bearer, who was 12345678|Bearer-Token: yes|the flag bearer ran|torchbearer programme'.split(
        "|"
    )
    near += [
        f"bearer {w}"
        for w in "certificate document instrument security identification authorization responsibility organization information passport channel service plane capability network".split()
    ]
    near += [f"the bearer {w} it" for w in "carries presents shows holds loses redeems endorses".split()]
    return cases, misses(near, ("{}",))


def secrets():
    cases = []
    values = [
        "hunter2!",
        "S3cr3tP@ss",
        "correct-horse-battery-9",
        "Tr0ub4dor&3",
        "p@ssw0rd123",
        "Winter2026!",
        "qwerty12345",
        "letmein!99",
    ]
    frames = [
        "password={}",
        "password: {}",
        'password = "{}"',
        "PASSWORD={}",
        "db_password: {}",
        '"password":"{}"',
        "passwd={}",
        "pwd: {}",
    ]
    for i, v in enumerate(values):
        for f in (frames[i], frames[(i + 3) % 8], frames[(i + 5) % 8]):
            # `&` and `;` end a value in a query or a connection string.
            if "&" not in v:
                cases.append((f.format(v), [v]))
    names = [
        "api_key",
        "apikey",
        "API-KEY",
        "secret",
        "client_secret",
        "token",
        "access_token",
        "auth_token",
        "private_key",
        "signing_key",
    ]
    for i in range(30):
        v = draw(ALNUM, R.randint(16, 48))
        if any(c in DIGITS for c in v):
            cases.append(
                (
                    [
                        f"{names[i % 10]}={v}",
                        f'"{names[i % 10]}": "{v}"',
                        f"{names[i % 10]}: {v}",
                        f"--{names[i % 10]}={v} -v",
                    ][i % 4],
                    [v],
                )
            )
    hexed = ["".join(R.choice("0123456789abcdef") for _ in range(40)) + "a1" for _ in range(6)]
    cases += [(f"api_key={v}", [v]) for v in hexed]
    known = [
        "sk-" + draw(ALNUM, 48),
        "sk-ant-api03-" + draw(B64URL, 90) + "AA",
        "sk-proj-" + draw(ALNUM, 60),
        "sk_live_" + draw(ALNUM, 24),
        "rk_test_" + draw(ALNUM, 24),
        "xoxb-" + draw(DIGITS, 12) + "-" + draw(DIGITS, 12) + "-" + draw(ALNUM, 24),
        "glpat-" + draw(ALNUM, 20),
        "npm_" + draw(ALNUM, 36),
        "hf_" + draw(ALNUM, 34),
        "SG." + draw(ALNUM, 22) + "." + draw(ALNUM, 43),
        "dop_v1_" + "".join(R.choice("0123456789abcdef") for _ in range(62)) + "a1",
        "pypi-" + draw(ALNUM, 60),
        "shpat_" + draw("0123456789abcdef", 30) + "a1",
        "hvs." + draw(ALNUM, 24),
        "whsec_" + draw(ALNUM, 32),
        "gsk_" + draw(ALNUM, 52),
    ]
    cases += within(known)
    # Nothing names these: an id looks the same, so they stay.
    bare = [draw(ALNUM, n) for n in range(24, 64)]
    cases += [
        ("postgres://app:s3cretPw@db.example/x", ["s3cretPw"]),
        ("https://user:hunter2@example.com/", ["hunter2"]),
        ("redis://:topsecret1@cache:6379", ["topsecret1"]),
        ("ＰＡＳＳＷＯＲＤ＝hunter2!", ["hunter2!"]),
        ("pаsswоrd: hunter2!", ["hunter2!"]),
    ]
    near = [
        "password",
        "password:",
        "password is required",
        "password: required",
        "Password must have 8 characters",
        "forgot password?",
        "password=[secrets]",
        "password=***",
        "password: ********",
        "password=${DB_PASSWORD}",
        "password: {{ vault }}",
        "password=<password>",
        "password: null",
        "token: invalid",
        "token expired",
        "tokens: 4096",
        "max_tokens=4096",
        "input_tokens: 1234",
        "token_count=77",
        "tokenizer: cl100k_base",
        "token limit",
        "secret santa",
        "the secret of success",
        "api_key is missing",
        "api key: none",
        "secretary: Jane",
        "credentials are wrong",
        "passwordless login",
        "keyboard: qwerty",
    ]
    near += [
        "123e4567-e89b-12d3-a456-426614174000",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        "01HZX3V5J8Q2K9M4N6P7R8S9T0",
        "/usr/local/lib/Python3/SitePackages2/Module",
        "ThisIsALongCamelCaseIdentifier2Name",
        "com.example.project.MainActivityTest1",
        "a-very-long-slug-with-Many-Words-2026-11-21",
        "HTTP_ACCEPT_LANGUAGE_HEADER_VALUE_1",
        "getUserAccountInformationByIdentifierV2",
        "----------------------------------------",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "0123456789012345678901234567890123456789",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        "XMLHttpRequestEventTargetConstructor2",
        "sk-",
        "sk-learn",
        "task-management-for-teams-2026",
        "risk-assessment-and-mitigation-plan",
        "sk_live_",
        "hf_hub_download",
        "npm_config_registry",
        "xoxb",
        "SG.1",
        "https://example.com/a/very/Long/Path/With/Many/Segments2",
        "http://user@example.com/",
        "https://example.com:8080/x@y",
        "AbstractSingletonProxyFactoryBean3Impl",
        "test_that_the_Long_Name_of_a_Test_is_fine_2",
    ]
    near += ["".join(R.choice("0123456789abcdef") for _ in range(n)) for n in [32, 40, 56, 64, 96, 128]] + [
        "".join(R.choice(LOWER) for _ in range(40)) for _ in range(5)
    ]
    near += [frame.format(text) for frame, text in zip(["{}", "use {} here", "({})", "k={}"] * 10, bare)]
    return cases, misses(near, ("{}",))


for detector in [email, phone, card, iban, ip, jwt, aws, gcp, azure, github, pem, bearer, secrets]:
    cases, near = detector()
    lines = [json.dumps({"text": text, "find": find}, ensure_ascii=False) for text, find in cases + near]
    (HERE / f"{detector.__name__}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{detector.__name__:8} {len(cases):4} positive {len(near):4} near misses")
