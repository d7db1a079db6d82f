"""The demo's last part: the agent is killed in mid-run, started again, and both runs verify as one story.

Its lane is durable: what `journaled` said is on disk, whatever happens next. The second process delivers what
the first one left, byte for byte, and its stream names the one before it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import sinkwell

AGENT = "urn:demo:clerk"
RUN = "run-2"
STEPS = 10
KILLED_AFTER = 5


def configuration(target: Path) -> dict[str, Any]:
    """One durable lane."""
    file = {"path": str(target / "events.ndjson")}
    return {
        "agent": {"id": AGENT},
        "key": {"id": "agent", "ed25519": {"file": str(target / "agent.pem")}},
        "heartbeat": "off",
        "journal": {"dir": str(target / "journal"), "floor": 0},
        "lanes": [{"id": "evidence", "classes": ["audit"], "sink": {"file": file}}],
    }


def work(target: Path, first: int) -> None:
    """The agent: step by step, each on disk before the next."""
    with sinkwell.Emitter.open(configuration(target)) as emitter:
        emitter.emit("run.started", {"goal": f"{STEPS} steps"}, run=RUN, attempt=f"from-{first}")
        for step in range(first, STEPS + 1):
            receipt = emitter.emit("tool.invocation", {"tool": "step", "outcome": "ok", "n": step}, run=RUN)
            receipt.wait("journaled", timeout=30)
            print(f"step {step}", flush=True)
        emitter.emit("run.completed", {"terminal_status": "completed"}, run=RUN)


def killed(target: Path) -> int:
    """Start the agent and kill it in mid-run; answers the last step that it was sure of."""
    line = [sys.executable, __file__, str(target), "1"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for told in child.stdout:
            if told.strip() == f"step {KILLED_AFTER}":
                child.kill()
                return KILLED_AFTER
    raise SystemExit("the agent ended before it could be killed")


def main(target: Path) -> int:
    """Kill, start again, verify; answers the exit status."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    command = [sys.executable, "-m", "sinkwell"]
    new = [*command, "keys", "new", "--id", "agent", str(target / "agent.pem")]
    subprocess.run(new, check=True, stdout=subprocess.DEVNULL)
    print("\nThe agent is killed in mid-run, and started again", flush=True)
    last = killed(target)
    print(f"   killed (SIGKILL) after step {last}; what it was sure of is in its journal")
    subprocess.run(
        [sys.executable, __file__, str(target), str(last + 1)], check=True, stdout=subprocess.DEVNULL
    )
    key = f"agent={target / 'agent.pem.pub'}"
    line = [*command, "verify", "--format", "json", "--key", key, str(target / "events.ndjson")]
    report = json.loads(subprocess.run(line, capture_output=True, text=True, check=False).stdout)
    events = [
        json.loads(text) for text in (target / "events.ndjson").read_text(encoding="utf-8").splitlines()
    ]
    steps = {event["data"]["n"] for event in events if event["type"].endswith("tool.invocation")}
    follows = [event["data"]["follows"] for event in events if "follows" in event["data"]]
    whole = steps == set(range(1, STEPS + 1))
    good = report["verdict"] in ("sound", "incomplete") and len(report["streams"]) == 2 and len(follows) == 1
    for stream in report["streams"]:
        end = "closed" if stream["closed"] else "ends without `closed`: a process that was killed"
        span = f"{stream['first']['sequence']} to {stream['last']['sequence']}"
        print(f"   stream {stream['streamid']}: {span}, {end}")
    if follows:
        print(f"   the second says that it follows {follows[0]['streamid']}/{int(follows[0]['sequence'])}")
    print(f"   verify: {report['verdict']}; steps there: {len(steps)} of {STEPS}")
    return 0 if whole and good else 1


if __name__ == "__main__":
    if len(sys.argv) == 3:
        work(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        sys.exit(main(Path(sys.argv[1])))
