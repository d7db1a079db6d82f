"""Holds the independent verifier to tests/vectors/verify/*.json: python check_vectors.py DIRECTORY."""

import base64
import json
import pathlib
import sys

from verifier import NoEnvelope, Verifier
from verify import given


def file_text(file):
    return "".join(line + "\n" for line in file["lines"]) + file.get("tail", "")


def usable(key):
    if "given_base64" not in key:
        return key
    return given(key["id"], key.get("name", "").rstrip(":"), base64.b64decode(key["given_base64"]))


def run(case):
    try:
        keys = [usable(key) for key in case["keys"]]
    except ValueError as e:
        return {"error": "key", "message": [part for part in ("ed25519:", "hmac:") if part in str(e)]}
    verifier = Verifier(keys, case["options"])
    try:
        for file in case["inputs"]:
            verifier.read(file["name"], file_text(file))
        for file in case.get("checkpoints", []):
            verifier.read_checkpoints(file["name"], file_text(file))
        return verifier.finish()
    except NoEnvelope:
        return {"error": "verification"}


def subset(expected, got):
    """`got`, reduced to the members that are expected, with findings in a fixed order."""
    if isinstance(expected, dict):
        return {k: subset(v, got.get(k)) if isinstance(got, dict) else got for k, v in expected.items()}
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        return [subset(*pair) for pair in zip(expected, got)]
    return got


def ordered(report):
    for holder in [report] + report.get("streams", []):
        if "findings" in holder:
            holder["findings"].sort(key=lambda f: json.dumps(f, sort_keys=True))
    return report


def main():
    files = sorted(pathlib.Path(sys.argv[1]).glob("*.json"))
    assert files, "no cases"
    failed = 0
    for file in files:
        case = json.loads(file.read_text())
        expected, got = ordered(case["expected"]), ordered(run(case))
        if subset(expected, got) != expected:
            failed += 1
            print(f"{case['name']}: {json.dumps(got, indent=1)}\nexpected {json.dumps(expected, indent=1)}")
    print(f"{len(files)} cases, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
