"""The agent of the canaries, a process of its own: ``canaries_agent.py CASE FOLDER`` (tests/vectors)."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import sinkwell


class Mine:
    name = "mine"
    classes = frozenset({"debug"})

    def __init__(self) -> None:
        self.events: list[sinkwell.SignedGovernanceEvent] = []

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        self.events.append(event)


class Raises:
    name = "raises"
    classes = frozenset({"debug"})

    def __init__(self, text: str) -> None:
        self.text = text
        self.calls = 0

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        self.calls += 1
        if self.calls <= 2:
            raise ConnectionError(self.text)


class Refuses:
    name = "refuses"
    classes = frozenset({"debug"})

    def __init__(self, text: str) -> None:
        self.text = text

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        if event.origin is None:
            raise sinkwell.Rejected(self.text)


def main(case: dict[str, Any], folder: Path) -> None:
    (folder / "dead").mkdir()
    # The host's own log of what the core has to say.
    logging.basicConfig(filename=folder / "log", level=logging.DEBUG)
    config = json.loads(json.dumps(case["config"]).replace("{dir}", str(folder)))
    mine = Mine()
    told: list[str] = []
    emitter = sinkwell.Emitter.open(
        config, sinks=[mine, Raises(case["raised"]), Refuses(case["refuses_with"])]
    )
    event = case["event"]
    parts = [sinkwell.part(p.pop("class"), **p) for p in event["content"]]
    receipt = emitter.emit(**{**event, "content": parts})
    told.extend(repr(thing) for thing in (emitter, receipt, receipt.lanes, receipt.evicted))
    for refused in case["refused"]:
        try:
            emitter.emit(**refused)
        except sinkwell.Error as error:
            told.extend([str(error), repr(error), "".join(traceback.format_exception_only(error))])
        else:
            raise SystemExit(f"not refused: {refused}")
    told.append(repr(receipt.wait("delivered", timeout=30)))
    (folder / "health").write_text(json.dumps(emitter.health(), ensure_ascii=False), encoding="utf-8")
    for name in ("audit.db-wal", "audit.db-shm"):
        shutil.copy(folder / name, folder / f"{name}.live")
    told.extend([repr(emitter.counters()), emitter.prometheus(), repr(emitter.shutdown(timeout=30))])
    told.extend(repr(one) for one in mine.events)
    (folder / "mine").write_bytes(b"\n".join(one.bytes for one in mine.events))
    (folder / "told").write_text("\n".join(told), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]))
