"""The demo: runs the agent, verifies what it left behind, then tampers with it and has each way caught.

It holds itself to what it says: an expectation that is not met ends it with a status other than 0.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import agent

Lines = list[str]
Tampering = Callable[[Lines], Lines]

BOLD, DIM, GREEN, RED, PLAIN = (
    ("\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m") if sys.stdout.isatty() else ("",) * 5
)


def heading(text: str) -> None:
    """Begin a part of the demo."""
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the `sinkwell` command of the package."""
    line = [sys.executable, "-m", "sinkwell", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


class Demo:
    """One run of the demo, in a folder of its own."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._events = target / "events.ndjson"
        self._key = f"agent={target / 'agent.pem.pub'}"
        self._checkpoints = target / "checkpoints.ndjson"
        self._failures = 0

    def run(self) -> int:
        """Run all of it; answers the exit status."""
        shutil.rmtree(self._target, ignore_errors=True)
        self._target.mkdir(parents=True)
        heading("1. A key, made because we ask for one")
        self._expect(
            command("keys", "new", "--id", "agent", self._target / "agent.pem").returncode == 0, "a key"
        )
        print(
            f"   {self._target / 'agent.pem'} seals; {self._target / 'agent.pem.pub'} is for whoever verifies"
        )

        heading("2. The agent at work: what it does, on this console and sealed in events.ndjson")
        sys.stdout.flush()
        agent.main(self._target)

        heading("3. Somebody else verifies the file, with the public key only")
        lines = self._events.read_text(encoding="utf-8").splitlines(keepends=True)
        sound = command("verify", "--key", self._key, "--checkpoint", self._checkpoints, self._events)
        print("   " + sound.stdout.strip().replace("\n", "\n   "))
        self._expect(sound.returncode == 0 and sound.stdout.startswith("sound"), "the file is sound")
        denied = [line for line in lines if '"outcome":"denied"' in line and '"tool":"shell"' in line]
        self._expect(len(denied) == 1, "the forbidden tool was denied, and that is on record")
        self._expect("203.0.113.7" not in "".join(lines), "what the files said did not leave with the events")

        heading("4. Each way of tampering, and what the verifier calls it")
        self._tamper(lines)

        if self._failures:
            print(f"\n{RED}{self._failures} expectations were not met{PLAIN}")
            return 1
        heading("What to do next")
        print(f"   sinkwell verify --key {self._key} {self._events}")
        print(f"   sinkwell tail --type '*policy*' {self._events}")
        print("   Emit from your own agent: bindings-python/README.md, or the package of your language")
        print("   Keep the checkpoints where the agent cannot write: docs/spec/envelope.md says why")
        return 0

    def _expect(self, met: bool, what: str) -> None:
        mark = f"{GREEN}ok{PLAIN}" if met else f"{RED}NOT MET{PLAIN}"
        print(f"   {mark}  {what}")
        self._failures += not met

    def _tamper(self, lines: Lines) -> None:
        envelopes = [json.loads(line) for line in lines]
        own = envelopes[0]["streamid"]
        at = {int(e["sequence"]): i for i, e in enumerate(envelopes) if e["streamid"] == own}
        claimed = next(e for e in envelopes if e["type"].endswith("policy.breach"))
        covered = at[int(claimed["data"]["lost"][0]["from"])]
        decision = next(i for i, line in enumerate(lines) if '"decision":"deny"' in line)
        # Two neighbours of one stream.
        pair = at[5], at[6]

        def changed(lines: Lines) -> Lines:
            lines[decision] = lines[decision].replace('"decision":"deny"', '"decision":"allow"')
            return lines

        def removed(lines: Lines) -> Lines:
            return lines[:decision] + lines[decision + 1 :]

        def swapped(lines: Lines) -> Lines:
            lines[pair[0]], lines[pair[1]] = lines[pair[1]], lines[pair[0]]
            return lines

        def cut(lines: Lines) -> Lines:
            return lines[: len(lines) // 2]

        def without_stream(lines: Lines) -> Lines:
            return [line for line in lines if json.loads(line)["streamid"] == own]

        def duplicated(lines: Lines) -> Lines:
            double = lines[decision].replace('"rule":"tools-by-name"', '"rule":"an-exception"')
            return [*lines[: decision + 1], double, *lines[decision + 1 :]]

        def forged(lines: Lines) -> Lines:
            return lines + self._forge()

        def covered_up(lines: Lines) -> Lines:
            return lines[:covered] + lines[covered + 1 :]

        kept = ["--checkpoint", str(self._checkpoints)]
        cases: list[tuple[str, Tampering, list[str], str]] = [
            ("a changed field: the denial becomes an allowance", changed, [], "altered"),
            ("a removed line: the denial is gone", removed, [], "removed"),
            ("two swapped lines", swapped, ["--strict"], "reordered"),
            ("a cut-off tail, against a checkpoint kept elsewhere", cut, kept, "truncated"),
            ("a whole stream taken away, against the checkpoint", without_stream, kept, "missing_stream"),
            ("a forged line, signed by another key", forged, [], "altered"),
            ("a duplicate with changed data, inserted", duplicated, [], "altered"),
            ("a removal, covered up by a loss the agent was made to claim", covered_up, [], "removed"),
        ]
        folder = self._target / "tampered"
        folder.mkdir()
        for number, (what, tampering, options, kind) in enumerate(cases, 1):
            path = folder / f"{number}-{kind}.ndjson"
            path.write_text("".join(tampering(list(lines))), encoding="utf-8")
            self._caught(what, path, options, kind)

    def _caught(self, what: str, path: Path, options: list[str], kind: str) -> None:
        done = command("verify", "--key", self._key, *options, "--format", "json", path)
        report: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        findings = report.get("findings", []) + [f for s in report.get("streams", []) for f in s["findings"]]
        found = [finding for finding in findings if finding["kind"] == kind]
        note = f"{found[0]['note']}" if found else f"found {[f['kind'] for f in findings]}"
        self._expect(done.returncode == 1 and bool(found), f"{what}\n       {DIM}{kind}: {note}{PLAIN}")

    def _forge(self) -> Lines:
        """A line that claims this agent and this key, sealed by somebody else's."""
        import sinkwell

        folder = self._target / "forger"
        folder.mkdir()
        command("keys", "new", "--id", "agent", folder / "other.pem")
        config = {
            "agent": {"id": agent.AGENT},
            "key": {"id": "agent", "ed25519": {"file": str(folder / "other.pem")}},
            "lanes": [{"id": "file", "sink": {"file": {"path": str(folder / "events.ndjson")}}}],
        }
        with sinkwell.Emitter.open(config) as emitter:
            emitter.emit("policy.decision", {"decision": "allow", "rule": "tools-by-name", "action": "shell"})
        lines = (folder / "events.ndjson").read_text(encoding="utf-8").splitlines(keepends=True)
        return [line for line in lines if '"action":"shell"' in line]


if __name__ == "__main__":
    sys.exit(Demo(Path(sys.argv[1])).run())
