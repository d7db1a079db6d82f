"""The small agent, in Python: emits the steps of ../agent.json, as it does in every language.

Clock, ids and key are fixed, so that all five write the same bytes to target/examples/LANGUAGE/events.ndjson.
Run it with SINKWELL_TESTING=1.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import sinkwell

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target" / "examples" / "python"

# An example's key and nobody's secret: the private key of RFC 8032's first test vector, as PKCS#8.
PRIVATE_KEY = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
PUBLIC_KEY = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def write_key(path: Path) -> None:
    """The key, and beside it its public half."""
    for name, kind, text in ((path, "PRIVATE", PRIVATE_KEY), (f"{path}.pub", "PUBLIC", PUBLIC_KEY)):
        base64.b64decode(text, validate=True)
        Path(name).write_text(f"-----BEGIN {kind} KEY-----\n{text}\n-----END {kind} KEY-----\n")
        Path(name).chmod(0o600 if kind == "PRIVATE" else 0o644)


def main() -> None:
    """Emit every step, in order."""
    TARGET.mkdir(parents=True, exist_ok=True)
    events = TARGET / "events.ndjson"
    events.unlink(missing_ok=True)
    write_key(TARGET / "agent.pem")
    example = json.loads((ROOT / "examples" / "agent.json").read_text(encoding="utf-8"))
    config = example["config"] | {
        "key": {"id": "k1", "ed25519": {"file": str(TARGET / "agent.pem")}},
        "lanes": [{"id": "file", "sink": {"file": {"path": str(events)}}}],
    }
    with sinkwell.Emitter.open(config) as emitter:
        for step in example["steps"]:
            emitter.emit(**step)


if __name__ == "__main__":
    main()
