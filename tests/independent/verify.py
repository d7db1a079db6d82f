"""What envelopes prove, by the independent verifier: python verify.py ID=KEY FILE...

A key is `ed25519:FILE` or `FILE` (SPKI PEM), or `hmac:FILE`, as for `sinkwell verify --key`. Prints the report as JSON;
exit 0 when it is good, 1 when not, 2 without an envelope.
"""

import base64
import json
import pathlib
import sys

from verifier import NoEnvelope, Verifier


def key(argument):
    name, _, named = argument.partition("=")
    form, _, file = named.rpartition(":")
    return given(name, form, pathlib.Path(file).read_bytes())


def given(id, form, raw):
    """A key of a form that its owner names, or of none: then it is SPKI PEM, or refused."""
    pem = b"-----BEGIN " in raw
    if form in ("", "ed25519") and raw.strip().startswith(b"-----BEGIN PUBLIC KEY-----"):
        return {"id": id, "spki_pem": raw.decode("ascii")}
    if form != "hmac" or pem or len(raw) < 32:
        raise ValueError(f"{id}: neither ed25519:FILE (SPKI PEM) nor hmac:FILE")
    return {"id": id, "hmac_base64": base64.b64encode(raw).decode()}


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
