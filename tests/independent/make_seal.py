"""Writes tests/vectors/seal/*.json: python make_seal.py DIRECTORY. Deterministic.

Sealed lines with everything on the way to their signatures, from `sealer.py` and `jcs.py`, which know nothing of
the core.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys

import jcs
import sealer
from sealer import (
    SEAL,
    Key,
    Stream,
    digest_of,
    event_of,
    hash_of,
    line,
    part,
    place_of,
    raw_hash,
    sign,
    stub,
    unsigned,
    uuid7,
)

HMAC = Key("k1", bytes(range(32)), "hmac-sha256")
ED = Key("k2", bytes(range(1, 33)), "ed25519")
# RFC 8032, test 1: its public half is in the RFC.
RFC = Key("k3", bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"), "ed25519")
S1, S2 = uuid7(1), uuid7(2)


def one(name, envelope, signature=None):
    """A case; `signature`: `good`, `wrong` or `none`, by the keys of the file."""
    is_stub = "stub" in envelope
    out = {"name": name, "line": line(envelope)}
    if not is_stub:
        out["event"] = jcs.canonical(event_of(envelope)).decode()
    return out | {
        "place": jcs.canonical(place_of(envelope)).decode(),
        "digest": digest_of(envelope).hex(),
        "hash": hash_of(envelope),
        "signature": signature or ("good" if "signature" in envelope else "none"),
    }


def chains():
    for key in (HMAC, ED, RFC):
        s = Stream(S1, key)
        e = [s.opened(), s.tool(1), s.tool(2), s.closed()]
        names = ("first", "second", "third", "closed")
        name = {"k1": "hmac", "k2": "ed25519", "k3": "ed25519_rfc8032"}[key.id]
        yield name, "A stream that signs each envelope.", [one(n, x) for n, x in zip(names, e)]
    s = Stream(S1, ED, sign="batch")
    e = [s.opened(), s.tool(1), s.tool(2), s.tool(3, signed=True)]
    names = ("opened", "in_the_batch", "in_the_batch_too", "ends_the_batch")
    yield "batch", "A stream that signs one envelope a batch.", [one(n, x) for n, x in zip(names, e)]
    s = Stream(S1, None)
    e = [s.opened(), s.tool(1)]
    yield "unsigned", "No key: the hashes are as they would be.", [one(str(n), x) for n, x in enumerate(e)]


def same_event():
    a, b = Stream(S1, HMAC), Stream(S2, ED, lane="other")
    first, other = a.opened(), b.opened()
    event = {"id": uuid7(7), "time": "2026-01-01T00:00:00.000000000Z"}
    x, y, z = a.tool(5, **event), b.tool(5, **event), a.tool(5, **event)
    assert digest_of(x) == digest_of(y) == digest_of(z)
    assert len({hash_of(e) for e in (x, y, z)}) == 3
    cases = [one("one_lane", x), one("another_lane", y), one("later_in_the_first", z)]
    yield "same_event", "The same event in three places: one digest, three hashes.", cases
    bare = unsigned(x)
    cases = [one("signed", x), one("not_signed", bare), one("signed_by_another", sign(bare, RFC))]
    cases += [one("stub", stub(x)), one("stub_not_signed", stub(bare)), one("first", first)]
    cases += [one("stub_of_the_first", stub(first))]
    assert len({c["hash"] for c in cases[:5]}) == 1
    yield "same_hash", "No signature takes part in a hash; a stub has the hash of its envelope.", cases
    assert other["streamid"] == S2


def contents():
    s = Stream(S1, HMAC)
    commit, clear = part("tell me a secret")
    bare = s.seal("tool.invocation", {"tool": "t", "content": [commit]})
    shown = bare | {"data": bare["data"] | {"disclosures": [clear]}}
    empty = bare | {"data": bare["data"] | {"disclosures": []}}
    assert hash_of(bare) == hash_of(shown)
    cases = [one("without", bare), one("with", shown), one("with_none", empty)]
    yield "disclosures", "Disclosures are in no digest.", cases

    odd = {
        "sequence": "7",
        "prevhash": "in data",
        "signature": "in data",
        "keyid": 1,
        "nested": {"disclosures": [1], "signature": "x"},
        "recordedtime": None,
    }
    cases = [one("names_in_data", s.seal("com.example.odd", odd))]
    cases += [one("unknown_attributes", s.tool(zzz="1", aaa="\u20ac", placement="x"))]
    cases += [one("data_is_disclosures_only", s.seal("com.example.odd", {"disclosures": []}))]
    yield "members", "Members count where they stand: of the same name elsewhere they are the event's.", cases

    data = {"f": [0.1, 1e21, 1e-7, 333333333.33333329, 4.5, -0.0, 9007199254740991]}
    text = {"\u20ac": "\r\n\u0000\u001f\u007f", "\ufb33": "\U0001f600", "\U0001f600": '"\\/', "1": "\u2028"}
    cases = [one("numbers", s.seal("com.example.n", data)), one("texts", s.seal("com.example.t", text))]
    yield "canonical", "Numbers, strings and the order of members as RFC 8785 has them.", cases


def wrong():
    s = Stream(S1, HMAC)
    s.opened()
    good = s.tool(1)
    hash = raw_hash(good)

    def by_hmac(data):
        raw = hmac.new(HMAC.secret, data, hashlib.sha256).digest()
        return good | {"signature": base64.b64encode(raw).decode()}

    event = sealer.EVENT + jcs.canonical(event_of(good))
    cases = [
        one("over_the_hash_alone", by_hmac(hash), "wrong"),
        one("over_the_hash_in_hex", by_hmac(SEAL + hash.hex().encode()), "wrong"),
        one("over_the_digest", by_hmac(SEAL + digest_of(good)), "wrong"),
        one("over_the_event", by_hmac(event), "wrong"),
        one("without_the_newline", by_hmac(SEAL[:-1] + hash), "wrong"),
        one("by_another_key", sign(good, Key("k1", bytes(32), "hmac-sha256")), "wrong"),
        one("another_algorithm_named", good | {"sigalg": "ed25519"}, "wrong"),
        one("another_key_named", good | {"keyid": "k2"}, "wrong"),
        one("cut", good | {"signature": base64.b64encode(bytes(31)).decode()}, "wrong"),
        one("not_base64", good | {"signature": good["signature"].rstrip("=")}, "wrong"),
        one("of_the_envelope_before", good | {"prevhash": "0" * 64}, "wrong"),
    ]
    yield "wrong_hmac", "Signatures over something else, or by somebody else.", cases

    ed = sign(good, ED)
    raw = base64.b64decode(ed["signature"])
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little")
    cases = [
        one("good", ed),
        one("scalar_not_reduced", ed | {"signature": base64.b64encode(raw[:32] + scalar).decode()}, "wrong"),
        one("by_another_key", sign(good, RFC) | {"keyid": "k2"}, "wrong"),
        one("over_the_hash_alone", ed | {"signature": base64.b64encode(ED.sign(hash)).decode()}, "wrong"),
    ]
    yield "wrong_ed25519", "The same for Ed25519, and one that only a lax verifier takes.", cases


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.json"):
        old.unlink()
    keys = [{"id": k.id} | k.verifying() for k in (HMAC, ED, RFC)]
    count = 0
    for group in (chains, same_event, contents, wrong):
        Stream.ids = 0
        for name, about, cases in group():
            count += len(cases)
            case = {"name": name, "about": about, "keys": keys, "cases": cases}
            (directory / f"{name}.json").write_text(json.dumps(case, indent=1, ensure_ascii=True) + "\n")
    print(f"{count} sealed lines")


if __name__ == "__main__":
    main()
