"""What envelopes prove, by the independent verifier: python verify.py ID=KEYFILE FILE...

A key file is an SPKI PEM (Ed25519) or an HMAC key, as for `sinkwell verify --key`. Prints the report as JSON;
exit 0 when it is good, 1 when not, 2 without an envelope.
"""

import base64
import json
import pathlib
import sys

from verifier import NoEnvelope, Verifier


def key(argument):
    name, _, file = argument.partition("=")
    raw = pathlib.Path(file).read_bytes()
    if raw.startswith(b"-----BEGIN"):
        return {"id": name, "spki_pem": raw.decode()}
    return {"id": name, "hmac_base64": base64.b64encode(raw).decode()}


def main(trusted, *files):
    verifier = Verifier([key(trusted)], {})
    try:
        for file in files:
            verifier.read(file, pathlib.Path(file).read_text(encoding="utf-8"))
        report = verifier.finish()
    except NoEnvelope:
        return 2
    print(json.dumps(report))
    return report["exit"]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
