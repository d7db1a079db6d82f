"""The small agent, in Python: emits the steps of ../agent.json, as it does in every language.

Clock, ids and key are fixed, so that all five write the same bytes to target/examples/LANGUAGE/events.ndjson.
Run it with SINKWELL_TESTING=1.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import sinkwell

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target" / "examples" / "python"


def main() -> None:
    """Emit every step, in order."""
    example = json.loads((ROOT / "examples" / "agent.json").read_text(encoding="utf-8"))
    TARGET.mkdir(parents=True, exist_ok=True)
    events = TARGET / "events.ndjson"
    events.unlink(missing_ok=True)
    for name, mode in (("agent.pem", 0o600), ("agent.pem.pub", 0o644)):
        (TARGET / name).write_text(example["key"][name], encoding="ascii")
        (TARGET / name).chmod(mode)

    config = example["config"] | {
        "key": {"id": example["key"]["id"], "ed25519": {"file": str(TARGET / "agent.pem")}},
        "lanes": [{"id": "file", "sink": {"file": {"path": str(events)}}}],
    }
    # With an intake (`sinkwell intake`), there as well. A lane's name is part of what fixes its stream's id.
    if endpoint := os.environ.get("EXAMPLE_INTAKE"):
        config["lanes"].append({"id": "python", "sink": {"stream": {"endpoint": endpoint}}})
    with sinkwell.Emitter.open(config) as emitter:
        for step in example["steps"]:
            emitter.emit(**step)


if __name__ == "__main__":
    main()
