"""Vectors by languages, from what the runners wrote down: `matrix.py [FOLDER]` (target/vectors).

Each runner appends a line to FOLDER/LANGUAGE.tsv for each case it has run, `ID<tab>ran`, or has not, with
the reason in place of `ran`. The core's own tests run every case of a folder in one test: those that passed are
read from the log. A case of which a language says nothing fails, and so does one that does not exist.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "canaries",
    "canonical",
    "config",
    "content",
    "deeds",
    "emit",
    "host-sinks",
    "logs",
    "policy",
    "seal",
    "spans",
    "steps",
    "usage",
    "vacuum",
    "verify",
)
WHOLE = ("canaries", "deeds", "emit", "policy", "vacuum", "verify")
INDEXED = ("config", "content", "host-sinks", "logs", "seal", "spans", "steps", "usage")
LANGUAGES = ("python", "node", "dotnet", "go", "jvm")


def ids(folder: str) -> set[str]:
    """Every case of a folder: its place in the file, or the file where that is one case."""
    found: set[str] = set()
    for path in (ROOT / "tests" / "vectors" / folder).glob("*.json"):
        case = json.loads(path.read_bytes())
        name = f"{folder}/{path.stem}"
        if folder in WHOLE:
            found.add(name)
        for group in ("numbers", "texts") if folder == "canonical" else ():
            found |= {f"{name}/{group}/{i}" for i in range(len(case.get(group, [])))}
        for i in range(len(case["cases"]) if folder in INDEXED else 0):
            found.add(f"{name}/{i}")
    assert found, f"no case in {folder}"
    return found


def recorded(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {case: state for case, _, state in (line.partition("\t") for line in lines)}


def core(log: Path) -> dict[str, bool]:
    """By folder, whether the core's own runner passed."""
    passed: dict[str, bool] = {}
    text = log.read_text(encoding="utf-8", errors="replace")
    for folder in FOLDERS:
        # The core's canaries are its own: every combination of gates, through every sink.
        runner = "canaries/main" if folder == "canaries" else f"{folder.replace('-', '_')}_vectors"
        result = re.search(rf"Running tests/{runner}\.rs.*?\ntest result: (\w+)\. (\d+) passed", text, re.S)
        passed[folder] = result is not None and result[1] == "ok" and int(result[2]) > 0
    return passed


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "vectors"
    log = ROOT / "target" / "logs" / "rust.log"
    rust = core(log) if log.exists() else None
    told = {name: recorded(path) for name in LANGUAGES if (path := folder / f"{name}.tsv").exists()}
    failed, reasons = 0, Counter[tuple[str, str, str]]()
    rows: list[list[str]] = []
    for kind in FOLDERS:
        wanted, row = ids(kind), [f"`{kind}`"]
        row.append(str(len(wanted)))
        row.append("not run" if rust is None else str(len(wanted)) if rust[kind] else "FAILED")
        if rust is not None:
            print(f"{'ok' if rust[kind] else 'not ok'} rust: {kind}")
            failed += not rust[kind]
        for language in LANGUAGES:
            if language not in told:
                row.append("not run")
                if os.environ.get("SINKWELL_REQUIRE") == "all":
                    failed += 1
                    print(f"not ok {language}: {kind}: its tests have not run")
                else:
                    print(f"ok {language}: {kind} # SKIP its tests have not run")
                continue
            said = {case: state for case, state in told[language].items() if case.startswith(f"{kind}/")}
            ran = sum(state == "ran" for state in said.values())
            row.append(str(ran))
            for state in said.values():
                if state != "ran":
                    reasons[language, kind, state] += 1
            silent, unknown = sorted(wanted - set(said)), sorted(set(said) - wanted)
            good = ran > 0 and not silent and not unknown
            print(f"{'ok' if good else 'not ok'} {language}: {kind}")
            failed += not good
            for case in silent[:5]:
                print(f"# {case} neither ran nor was left out with a reason ({len(silent)} such)")
            for case in unknown[:5]:
                print(f"# {case} is no case")
        rows.append(row)
    print()
    print("| vectors | cases | rust | " + " | ".join(LANGUAGES) + " |")
    print("| --- " * (3 + len(LANGUAGES)) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()
    for (language, kind, state), count in sorted(reasons.items()):
        print(f"{language}: {kind}: {count} skipped: {state}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
