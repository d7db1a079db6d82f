"""What the scripted runs share: an emitter whose required sink is up, or down when the run begins."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import sinkwell

MARKER = "MARKER"

CLASSES = ["prompt", "system", "completion", "tool_arguments", "tool_result", "message"]


class Siem:
    """A sink that is down when it is told so."""

    name = "siem"
    classes = frozenset({"siem"})

    def __init__(self) -> None:
        self.down = False

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        if self.down:
            raise ConnectionError("away")


def opened(out: str, how: str) -> sinkwell.Emitter:
    """An emitter that writes to a file; with `raw`, the policy lets people's words go there; with `down`, governance
    requires a sink that has just gone away.
    """
    lanes: list[dict[str, Any]] = [{"id": "out", "sink": {"file": {"path": str(Path(out))}}}]
    config: dict[str, Any] = {"agent": {"id": "urn:example:agent"}, "heartbeat": "off", "lanes": lanes}
    if how == "raw":
        content = {
            "mode": "raw",
            "retention": {"class": "short", "window": "30d"},
            "limits": {"bytes": "64KiB"},
        }
        content["sampling"] = {"key": "run", "rate": {"numerator": 1, "denominator": 1}}
        content["redaction"] = {"id": "none", "detectors": ["card"]}
        config["governance"] = {"version": "1", "content": content}
        lanes[0]["content"] = {"mode": "raw", "classes": CLASSES}
    if how != "down":
        return sinkwell.Emitter.open(config)
    retry = {"retry": {"initial": "1h", "cap": "1h"}, "breaker": {"failures": 1}}
    lanes.append({"id": "siem", "classes": ["siem"], "sink": {"host": "siem"}, **retry})
    config["governance"] = {"version": "1", "requires_sink": "siem"}
    sink = Siem()
    emitter = sinkwell.Emitter.open(config, sinks=[sink])
    sink.down = True
    emitter.emit("com.example.lost")
    while True:
        try:
            emitter.ensure_ready()
        except sinkwell.RequiredSinkUnavailable:
            return emitter
        time.sleep(0.001)
