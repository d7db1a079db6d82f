"""Holds what the core seals (tests/vectors/emit) to the independent verifier: python check_emit_vectors.py DIR."""

import base64
import json
import pathlib
import sys

from verifier import Verifier

# RFC 8032, test 1: the public half of the Ed25519 key in the cases.
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
SPKI = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + PUBLIC).decode()
PEM = f"-----BEGIN PUBLIC KEY-----\n{SPKI}\n-----END PUBLIC KEY-----\n"


def keys(config):
    key = config.get("key")
    if key is None:
        return []
    if "hmac_sha256" in key:
        return [{"id": key["id"], "hmac_base64": key["hmac_sha256"]["base64"]}]
    return [{"id": key["id"], "spki_pem": PEM}]


def main():
    files = sorted(pathlib.Path(sys.argv[1]).glob("*.json"))
    assert files, "no cases"
    checked = failed = 0
    for file in files:
        case = json.loads(file.read_text())
        for name, lines in case["expected"].items():
            verifier = Verifier(keys(case["config"]), {})
            verifier.read(name, "".join(line + "\n" for line in lines))
            report = verifier.finish()
            want = "sound" if case["config"].get("key") else "unchecked"
            checked += 1
            if report["verdict"] != want or any(s["findings"] for s in report["streams"]):
                failed += 1
                print(f"{case['name']} {name}: {json.dumps(report, indent=1)}")
    print(f"{checked} files sealed by the core, {failed} failed")
    sys.exit(bool(failed or not checked))


if __name__ == "__main__":
    main()
