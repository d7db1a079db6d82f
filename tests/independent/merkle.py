#!/usr/bin/env python3
"""Checks proofs of a sinkwell audit log with Python's standard library alone.

Written from RFC 9162 (sections 2.1.1, 2.1.3.2, 2.1.4.2) and docs/AUDIT.md, not from sinkwell's code.

    merkle.py proof PROOF.json [ENVELOPE.json]   an inclusion or consistency proof, as `sinkwell audit
                                                 prove|consistency --format json` prints it; with a sealed
                                                 line, that the proof is about that envelope
    merkle.py export EXPORT.ndjson [NOTE]        the whole log, as `sinkwell audit export` prints it: its
                                                 root, and whether a tree head kept elsewhere is of it
    merkle.py selftest < CASES                   many proofs, one JSON object a line: {"leaves": [...]} sets
                                                 the log, then proofs over its first leaves

Prints what holds; exit 0 if all does, 1 if not, 2 when the input cannot be read.
"""

import base64
import hashlib
import json
import sys


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(envelope_hash):
    return sha256(b"\x00", envelope_hash)


def node_hash(left, right):
    return sha256(b"\x01", left, right)


def tree_hash(leaves):
    """RFC 9162, 2.1.1: MTH(D[n])."""
    n = len(leaves)
    if n == 0:
        return sha256()
    if n == 1:
        return leaves[0]
    k = 1 << (n - 1).bit_length() - 1
    return node_hash(tree_hash(leaves[:k]), tree_hash(leaves[k:]))


def inclusion_holds(leaf, index, size, path, root):
    """RFC 9162, 2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            if not fn & 1:
                while True:
                    fn >>= 1
                    sn >>= 1
                    if fn & 1 or fn == 0:
                        break
        else:
            r = node_hash(r, p)
        fn >>= 1
        sn >>= 1
    return sn == 0 and r == root


def consistency_holds(first, second, first_hash, second_hash, path):
    """RFC 9162, 2.1.4.2; and the trivial cases, which have an empty path."""
    if first > second:
        return False
    if first == second:
        return not path and first_hash == second_hash
    if first == 0:
        return not path and first_hash == sha256()
    if not path:
        return False
    path = list(path)
    if first & (first - 1) == 0:
        path.insert(0, first_hash)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr = node_hash(c, fr)
            sr = node_hash(c, sr)
            if not fn & 1:
                while True:
                    fn >>= 1
                    sn >>= 1
                    if fn & 1 or fn == 0:
                        break
        else:
            sr = node_hash(sr, c)
        fn >>= 1
        sn >>= 1
    return sn == 0 and fr == first_hash and sr == second_hash


def canonical(value):
    """RFC 8785 for envelopes without fractions: keys by UTF-16 code units, no white space."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, float):
        raise ValueError("a fraction: canonical numbers need more than the standard library")
    return json.dumps(value, ensure_ascii=False)


PLACE = ("streamid", "sequence", "prevhash", "recordedtime")
SIGNATURE = ("keyid", "sigalg", "signature")


def event_digest(line):
    """docs/spec/envelope.md: of an envelope computed, of a stub as it says."""
    if line.get("stub") == "sinkwell-v1":
        return bytes.fromhex(line["eventdigest"])
    event = {key: value for key, value in line.items() if key not in PLACE + SIGNATURE}
    if isinstance(event.get("data"), dict):
        event["data"] = {key: value for key, value in event["data"].items() if key != "disclosures"}
    return sha256(b"sinkwell-event-v1\n", canonical(event).encode())


def line_hash(line):
    """The hash of an envelope or a stub: its place, and the digest of its event."""
    place = canonical({key: line[key] for key in PLACE if key in line}).encode()
    return sha256(b"sinkwell-place-v1\n", place, b"\n", event_digest(line))


def proof_holds(proof):
    path = [bytes.fromhex(step) for step in proof["path"]]
    if proof["proof"] == "sinkwell-inclusion-v1":
        leaf = leaf_hash(bytes.fromhex(proof["hash"]))
        return inclusion_holds(leaf, proof["index"], proof["size"], path, bytes.fromhex(proof["root"]))
    if proof["proof"] == "sinkwell-consistency-v1":
        old, new = bytes.fromhex(proof["old_root"]), bytes.fromhex(proof["new_root"])
        return consistency_holds(proof["old_size"], proof["new_size"], old, new, path)
    raise ValueError("an unknown kind of proof: " + proof["proof"])


def parse_note(text):
    origin, size, root = text.split("\n\n", 1)[0].split("\n")[:3]
    return origin, int(size), base64.b64decode(root, validate=True)


def check_proof(arguments):
    with open(arguments[0], encoding="utf-8") as file:
        proof = json.load(file)
    good = proof_holds(proof)
    print("the proof holds" if good else "the proof does NOT hold")
    if len(arguments) > 1:
        with open(arguments[1], encoding="utf-8") as file:
            same = line_hash(json.load(file)).hex() == proof["hash"]
        print("it is about this envelope" if same else "it is NOT about this envelope")
        good = good and same
    return good


def check_export(arguments):
    with open(arguments[0], encoding="utf-8") as file:
        leaves = [leaf_hash(line_hash(json.loads(line))) for line in file]
    print(f"size {len(leaves)} root {tree_hash(leaves).hex()}")
    if len(arguments) < 2:
        return True
    with open(arguments[1], encoding="utf-8") as file:
        origin, size, root = parse_note(file.read())
    good = size <= len(leaves) and tree_hash(leaves[:size]) == root
    print(f"the head of {origin} at {size} is {'' if good else 'NOT '}of this log")
    return good


def selftest(_arguments):
    """Every proof must hold, be about the log it claims, and fail once touched."""
    leaves, proofs, touched = [], 0, 0
    for line in sys.stdin:
        case = json.loads(line)
        if "leaves" in case:
            leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in case["leaves"]]
            continue
        proofs += 1
        if case["proof"] == "sinkwell-inclusion-v1":
            known = tree_hash(leaves[: case["size"]]).hex() == case["root"]
            known = known and leaf_hash(bytes.fromhex(case["hash"])) == leaves[case["index"]]
        else:
            known = tree_hash(leaves[: case["old_size"]]).hex() == case["old_root"]
            known = known and tree_hash(leaves[: case["new_size"]]).hex() == case["new_root"]
        if not known or not proof_holds(case):
            print("does not hold: " + line.strip())
            return False
        for at in range(len(case["path"])):
            bad = dict(case, path=list(case["path"]))
            step = bad["path"][at]
            bad["path"][at] = ("0" if step[0] != "0" else "1") + step[1:]
            if proof_holds(bad) or proof_holds(dict(case, path=case["path"][:at])):
                print("holds although touched: " + line.strip())
                return False
            touched += 2
    print(f"proofs {proofs} touched {touched}")
    return proofs > 0


def main(arguments):
    commands = {"proof": check_proof, "export": check_export, "selftest": selftest}
    if not arguments or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        return 0 if commands[arguments[0]](arguments[1:]) else 1
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
