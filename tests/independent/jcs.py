"""RFC 8785 (JSON Canonicalization Scheme) in plain Python."""

import json
from decimal import Decimal

ESCAPES = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def number(value):
    """ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20) for a finite double."""
    value = float(value)
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("not a JSON number")
    if value == 0:
        return "0"
    # repr gives the shortest digits that round-trip, which is what ECMAScript asks for.
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    n = len(text) + exponent
    if len(text) <= n <= 21:
        out = text + "0" * (n - len(text))
    elif 0 < n <= 21:
        out = text[:n] + "." + text[n:]
    elif -6 < n <= 0:
        out = "0." + "0" * -n + text
    else:
        e = n - 1
        mantissa = text[0] + ("." + text[1:] if len(text) > 1 else "")
        out = f"{mantissa}e{'+' if e >= 0 else '-'}{abs(e)}"
    return "-" * sign + out


def string(text):
    out = []
    for c in text:
        code = ord(c)
        if code in ESCAPES:
            out.append(ESCAPES[code])
        elif code < 0x20:
            out.append(f"\\u{code:04x}")
        elif 0xD800 <= code <= 0xDFFF:
            raise ValueError("a lone surrogate")
        else:
            out.append(c)
    return '"' + "".join(out) + '"'


def text(value):
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return string(value)
    if isinstance(value, list):
        return "[" + ",".join(map(text, value)) + "]"
    members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
    return "{" + ",".join(string(k) + ":" + text(v) for k, v in members) + "}"


def canonical(value):
    """The canonical bytes of a value as `json` gives it."""
    return text(value).encode()


def _unique(pairs):
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is there twice")
    return value


def _constant(name):
    raise ValueError(f"{name} is not JSON")


def parse(data):
    """Reads JSON strictly: UTF-8, no repeated keys, no NaN, no lone surrogates, all numbers doubles."""
    value = json.loads(
        data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_constant, parse_int=float
    )
    canonical(value)
    return value
