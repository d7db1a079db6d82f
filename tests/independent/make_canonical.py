"""Writes tests/vectors/canonical/*.json: python make_canonical.py DIRECTORY. Deterministic.

The RFC's own samples are copied from RFC 8785; the others come from `jcs.py`, which knows nothing of the core.
"""

import json
import pathlib
import random
import struct
import sys

import jcs

# RFC 8785, appendix B.
RFC_NUMBERS = """
0000000000000000 0
8000000000000000 0
0000000000000001 5e-324
8000000000000001 -5e-324
7fefffffffffffff 1.7976931348623157e+308
ffefffffffffffff -1.7976931348623157e+308
4340000000000000 9007199254740992
c340000000000000 -9007199254740992
4430000000000000 295147905179352830000
7fffffffffffffff null
7ff0000000000000 null
44b52d02c7e14af5 9.999999999999997e+22
44b52d02c7e14af6 1e+23
44b52d02c7e14af7 1.0000000000000001e+23
444b1ae4d6e2ef4e 999999999999999700000
444b1ae4d6e2ef4f 999999999999999900000
444b1ae4d6e2ef50 1e+21
3eb0c6f7a0b5ed8c 9.999999999999997e-7
3eb0c6f7a0b5ed8d 0.000001
41b3de4355555553 333333333.3333332
41b3de4355555554 333333333.33333325
41b3de4355555555 333333333.3333333
41b3de4355555556 333333333.3333334
41b3de4355555557 333333333.33333343
becbf647612f3696 -0.0000033333333333333333
43143ff3c1cb0959 1424953923781206.2
"""

# RFC 8785, sections 3.2.2 and 3.2.3.
RFC_TEXTS = [
    (
        '{\n  "numbers": [333333333.33333329, 1E30, 4.50,\n              2e-3, 0.000000000000000000000000001],\n'
        '  "string": "\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/",\n'
        '  "literals": [null, true, false]\n}',
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    ),
    (
        '{\n  "\\u20ac": "Euro Sign",\n  "\\r": "Carriage Return",\n  "\\ufb33": "Hebrew Letter Dalet With Dagesh",\n'
        '  "1": "One",\n  "\\ud83d\\ude00": "Emoji: Grinning Face",\n  "\\u0080": "Control",\n'
        '  "\\u00f6": "Latin Small Letter O With Diaeresis"\n}',
        '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis",'
        '"€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    ),
]

REFUSED = [
    '{"a":1,"a":1}',
    '{"a":"\\ud800"}',
    '{"a":"\\udc00\\ud800"}',
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":1e400}',
    '{"a":01}',
    '{"a":1.}',
    '{"a":.5}',
    '{"a":+1}',
    '{"a":"\t"}',
    '{"a":1,}',
    "{'a':1}",
    '{"a":1} x',
    '{"a":tru}',
    '{"a":"\\x"}',
    '{"a":[1,2}',
    '{"a"',
    "",
    '{"a":-}',
]

OTHERS = [
    "{}",
    " { } ",
    '{"a":[ ],"b":{ }}',
    '{"b":1,"a":2}',
    '{"aa":1,"a":2,"":3}',
    '{"a":"\\u0041\\/\\u007f\\u001F"}',
    '{"a":-0,"b":-0.0,"c":0e5,"d":100000000000000000000,"e":1000000000000000000000}',
    '{"a":1E-6,"b":1e-7,"c":123e-20}',
    '{"a":9007199254740993,"b":0.1,"c":1.0,"d":10.50}',
    '{"\\ufb33":1,"\\ud83d\\ude00":2,"z":3}',
    '{"a\\"":1,"a":2,"a!":3}',
    '{"\\n":1,"\\u0001":2,"\\u001f":3," ":4}',
    '{"a":{"c":{"e":1,"d":2},"b":[{"z":1,"y":2}]}}',
    '{"a":"\\b\\f\\n\\r\\t\\"\\\\"}',
    '{"\u007f":1,"\u0080":2,"\u07ff":3,"\u0800":4,"\uffff":5,"\U00010000":6}',
]


def double(hex):
    return struct.unpack(">d", bytes.fromhex(hex))[0]


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    numbers = [
        {"ieee754": a, "json": None if b == "null" else b}
        for a, b in (row.split() for row in RFC_NUMBERS.strip().splitlines())
    ]
    for n in numbers:
        assert n["json"] is None or jcs.number(double(n["ieee754"])) == n["json"], n
    texts = [{"json": a, "canonical": b} for a, b in RFC_TEXTS]
    for t in texts:
        assert jcs.canonical(jcs.parse(t["json"].encode())).decode() == t["canonical"], t
    rng = random.Random(8785)
    more = []
    while len(more) < 500:
        bits = (
            rng.getrandbits(64)
            if len(more) % 2
            else struct.unpack(
                ">Q",
                struct.pack(">d", rng.randrange(1, 10 ** rng.randrange(1, 18)) / 10 ** rng.randrange(0, 26)),
            )[0]
        )
        value = double(f"{bits:016x}")
        if value == value and abs(value) != float("inf"):
            more.append({"ieee754": f"{bits:016x}", "json": jcs.number(value)})
    other = [{"json": t, "canonical": jcs.canonical(jcs.parse(t.encode())).decode()} for t in OTHERS]
    refused = [{"json": t, "canonical": None} for t in REFUSED]
    cases = {
        "rfc8785_numbers": ("RFC 8785, appendix B.", {"numbers": numbers}),
        "rfc8785_texts": ("RFC 8785, sections 3.2.2 and 3.2.3.", {"texts": texts}),
        "more_numbers": ("Random doubles, half of them short decimals.", {"numbers": more}),
        "more_texts": ("White space, order, escapes, numbers.", {"texts": other}),
        "refused_texts": ("What is not JSON, or not the same to every reader.", {"texts": refused}),
    }
    for name, (about, lists) in cases.items():
        text = json.dumps({"name": name, "about": about} | lists, indent=1, ensure_ascii=True)
        (directory / f"{name}.json").write_text(text + "\n")
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
