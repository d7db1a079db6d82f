#!/usr/bin/env python3
"""Other tools on the generated corpus of `cargo test -p sinkwell --test redaction`.

    CORPUS=$PWD/target/redaction.jsonl cargo test -p sinkwell --test redaction generated
    bench/redaction/compare.sh

Of each case's finds it says how many a tool covers (recall), and of what the tool reports how much overlaps a find
(precision), for the detectors that both claim to have. A case is a document by itself.
"""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile

PRESIDIO = {
    "email": "EMAIL_ADDRESS",
    "phone": "PHONE_NUMBER",
    "card": "CREDIT_CARD",
    "iban": "IBAN_CODE",
    "ip": "IP_ADDRESS",
}
SECRETS = ["jwt", "aws", "gcp", "azure", "github", "pem", "bearer", "secrets"]


def presidio(cases):
    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def __init__(self):
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

    analyzer = AnalyzerEngine(nlp_engine=Blank(), supported_languages=["en"])
    for case in cases:
        if case["detector"] in PRESIDIO:
            found = analyzer.analyze(case["text"], "en", entities=[PRESIDIO[case["detector"]]])
            text = case["text"]

            # Offsets are characters there.
            def at(n, text=text):
                return len(text[:n].encode())

            yield case, [(at(f.start), at(f.end)) for f in found]


def detect_secrets(cases):
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import default_settings

    with default_settings():
        for case in cases:
            if case["detector"] not in SECRETS:
                continue
            data, found = case["text"].encode(), []
            for line in case["text"].splitlines():
                for secret in scan_line(line):
                    value = (secret.secret_value or "").encode()
                    at = data.find(value) if value else -1
                    found.append((at, at + len(value)))
            yield case, found


def gitleaks(cases, binary):
    cases = [c for c in cases if c["detector"] in SECRETS]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "in").mkdir()
        for i, case in enumerate(cases):
            (folder / "in" / f"{i}.txt").write_bytes(case["text"].encode())
        report = folder / "report.json"
        subprocess.run(
            [
                binary,
                "dir",
                folder / "in",
                "--report-format",
                "json",
                "--report-path",
                report,
                "--exit-code",
                "0",
                "--no-banner",
                "--log-level",
                "error",
            ],
            check=True,
        )
        found = collections.defaultdict(list)
        for leak in json.loads(report.read_text()):
            i = int(pathlib.Path(leak["File"]).stem)
            value = leak["Secret"].encode()
            at = cases[i]["text"].encode().find(value)
            found[i].append((at, at + len(value)))
    for i, case in enumerate(cases):
        yield case, found[i]


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    print(f"{'tool':16}{'detector':10}{'cases':>7}{'recall':>9}{'whole':>9}{'precision':>11}")
    for name, run in [
        ("presidio", presidio),
        ("detect-secrets", detect_secrets),
        ("gitleaks", lambda c: gitleaks(c, sys.argv[2])),
    ]:
        score = collections.defaultdict(lambda: [0, 0, 0, 0, 0])
        for case, found in run(cases):
            s = score[case["detector"]]
            s[0] += 1

            def touch(f, g):
                return f[0] < g[1] and f[1] > g[0]

            for want in case["finds"]:
                s[1] += 1
                s[2] += any(touch(f, want) for f in found)
                s[3] += any(f[0] <= want[0] and f[1] >= want[1] for f in found)
            s[4] += sum(not any(touch(f, want) for want in case["finds"]) for f in found)
        for detector, (n, wanted, hit, whole, wrong) in score.items():

            def share(a, b):
                return f"{100 * a / b:.1f}%" if b else "-"

            print(
                f"{name:16}{detector:10}{n:7}{share(hit, wanted):>9}{share(whole, wanted):>9}{share(hit, hit + wrong):>11}"
            )


main()
