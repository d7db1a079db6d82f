#!/usr/bin/env python3
"""Other tools beside ours on the generated corpus of `cargo test -p sinkwell --test redaction`, in one run.

    bench/redaction/compare.sh

Of each case's finds it says how many a tool touches (recall) and covers (whole), and of what the tool reports how much
touches a find (precision), for the detectors that both claim to have. A case is a document by itself: presidio is given
its text; detect-secrets and gitleaks scan it as a file with the name of its format, as they do in a repository.

What a tool does not claim is left out: of PEM only private keys count for both, and detect-secrets has nothing for
Google's keys and for authorization headers. What they report for one of a case's values by another of their rules
counts as found.
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
DETECT_SECRETS = ["jwt", "aws", "azure", "github", "pem", "secrets"]
GITLEAKS = ["jwt", "aws", "gcp", "azure", "github", "pem", "bearer", "secrets"]
# Names by which tools tell the formats.
NAMES = {
    "json": ".json",
    "yaml": ".yaml",
    "toml": ".toml",
    "ini": ".ini",
    "env": ".env",
    "python": ".py",
    "javascript": ".js",
    "shell": ".sh",
    "markdown": ".md",
    "xml": ".xml",
    "csv": ".csv",
    "tsv": ".tsv",
    "go": ".go",
    "ruby": ".rb",
    "rust": ".rs",
    "log": ".log",
}


def claimed(case):
    """Whether a tool for secrets claims it: of PEM, private keys."""
    return case["detector"] != "pem" or not case["finds"] or "PRIVATE KEY" in case["text"]


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
        text = case["text"]
        found = analyzer.analyze(text, "en", entities=[PRESIDIO[case["detector"]]])
        # Offsets are characters there.
        yield case, [(len(text[: f.start].encode()), len(text[: f.end].encode())) for f in found]


def files(cases, folder):
    """Each case in a file of its own; yields it with its path."""
    for i, case in enumerate(cases):
        path = pathlib.Path(folder) / f"{i}{NAMES.get(case['form'].split('/')[0], '.txt')}"
        path.write_bytes(case["text"].encode())
        yield case, path


def place(data, line, value):
    """Where a value is that is said to begin in a line, counted from 1."""
    start = 0
    for _ in range(max(line - 1, 0)):
        start = data.find(b"\n", start) + 1
    at = data.find(value, start)
    at = data.find(value) if at < 0 else at
    return (at, at + len(value))


def detect_secrets(cases):
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    with tempfile.TemporaryDirectory() as folder, default_settings():
        for case, path in files(cases, folder):
            data = case["text"].encode()
            found = {
                place(data, s.line_number, (s.secret_value or "").encode()) for s in scan_file(str(path))
            }
            yield case, sorted(found)


def gitleaks(cases, binary):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "in").mkdir()
        paths = list(files(cases, f"{folder}/in"))
        report = pathlib.Path(folder) / "report.json"
        subprocess.run(
            [
                binary,
                "dir",
                f"{folder}/in",
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
        leaks = collections.defaultdict(set)
        for leak in json.loads(report.read_text()):
            leaks[pathlib.Path(leak["File"]).name].add((leak["StartLine"], leak["Secret"]))
    for case, path in paths:
        data = case["text"].encode()
        yield case, sorted({place(data, line, value.encode()) for line, value in leaks[path.name]})


def touch(f, g):
    return f[0] < g[1] and f[1] > g[0]


def score(pairs):
    scores = collections.defaultdict(lambda: [0, 0, 0, 0, 0])
    for case, found in pairs:
        s = scores[case["detector"]]
        s[0] += 1
        for want in case["finds"]:
            s[1] += 1
            s[2] += any(touch(f, want) for f in found)
            s[3] += any(f[0] <= want[0] and f[1] >= want[1] for f in found)
        s[4] += sum(not any(touch(f, want) for want in case["finds"]) for f in found)
    return scores


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]

    def ours(of):
        return ((case, case["masks"]) for case in of)

    def share(a, b):
        return f"{100 * a / b:.1f}%" if b else "-"

    print(f"{'tool':16}{'detector':10}{'cases':>7}{'recall':>9}{'whole':>9}{'precision':>11}")
    for name, detectors, run in [
        ("presidio", list(PRESIDIO), presidio),
        ("detect-secrets", DETECT_SECRETS, detect_secrets),
        ("gitleaks", GITLEAKS, lambda c: gitleaks(c, sys.argv[2])),
    ]:
        of = [c for c in cases if c["detector"] in detectors and claimed(c)]
        theirs, here = score(run(of)), score(ours(of))
        for detector in detectors:
            for tool, (n, wanted, hit, whole, wrong) in [
                (name, theirs[detector]),
                ("sinkwell", here[detector]),
            ]:
                print(
                    f"{tool:16}{detector:10}{n:7}{share(hit, wanted):>9}{share(whole, wanted):>9}"
                    f"{share(hit, hit + wrong):>11}"
                )


main()
