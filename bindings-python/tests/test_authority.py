"""The authority boundary: a sink that answers nonsense, changes what it was given, raises, is late, emits
and flushes from inside alters no run, no decision and nothing of another lane (docs/LANES.md, "What a sink
cannot do").
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import sinkwell

EVENTS = 30


class Unruly:
    """Tries something else at each delivery."""

    name = "unruly"
    classes = frozenset({"debug"})

    def __init__(self) -> None:
        self.emitter: sinkwell.Emitter | None = None
        self.tried: set[str] = set()

    def emit_batch(self, events: list[sinkwell.SignedGovernanceEvent]) -> Any:
        ways = (
            self.junk,
            self.too_many,
            self.mutates,
            self.raises,
            self.refuses,
            self.is_late,
            self.reenters,
        )
        way = next((way for way in ways if way.__name__ not in self.tried), self.mutates)
        self.tried.add(way.__name__)
        return way(events)

    def junk(self, events: list[sinkwell.SignedGovernanceEvent]) -> Any:
        return ["acknowledged", 7, {"decision": "allow"}]

    def too_many(self, events: list[sinkwell.SignedGovernanceEvent]) -> Any:
        return [None] * (len(events) + 7)

    def mutates(self, events: list[sinkwell.SignedGovernanceEvent]) -> Any:
        for event in events:
            for change in (
                lambda event=event: event.data.update(decision="allow", terminal_status="completed"),
                lambda event=event: setattr(event, "bytes", b"{}"),
                lambda event=event: setattr(event, "sequence", 1),
                lambda event=event: memoryview(event.bytes).__setitem__(0, 0),
            ):
                try:
                    change()
                except Exception:
                    continue
        events.clear()

    def raises(self, events: list[sinkwell.SignedGovernanceEvent]) -> Any:
        raise ArithmeticError("unruly")

    def refuses(self, events: list[sinkwell.SignedGovernanceEvent]) -> Any:
        raise sinkwell.Rejected("all of it")

    def is_late(self, events: list[sinkwell.SignedGovernanceEvent]) -> Any:
        # Longer than the lane's timeout; what it says then, nobody hears.
        threading.Event().wait(0.05)
        return [sinkwell.Rejected("late")] * len(events)

    def reenters(self, events: list[sinkwell.SignedGovernanceEvent]) -> Any:
        if self.emitter is not None:
            self.emitter.emit("com.example.inside")
            self.emitter.flush(timeout=60)


def seen(path: Path) -> list[dict[str, Any]]:
    """What the file holds of the host's own events, without the stream's own attributes."""
    envelopes = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        {member: envelope.get(member) for member in ("type", "data", "runid", "severitytext", "subject")}
        for envelope in envelopes
        if envelope.get("origin") != "core" and envelope["type"] != "com.example.inside"
    ]


def run(folder: Path, key: Path, unruly: Unruly | None) -> list[dict[str, Any]]:
    folder.mkdir()
    path = folder / "events.ndjson"
    config = {
        "agent": {"id": "a1"},
        "key": {"id": "k1", "ed25519": {"file": str(key)}},
        "heartbeat": "off",
        "lanes": [{"id": "good", "sink": {"file": {"path": str(path)}}}],
    }
    emitter = sinkwell.Emitter.open(config)
    if unruly is not None:
        unruly.emitter = emitter
        emitter.add_sink(
            unruly,
            timeout="10ms",
            overflow="drop_oldest",
            batch={"linger": "1ms", "events": 3},
            retry={"initial": "1ms", "cap": "1ms"},
            breaker={"open": "1ms"},
        )
    receipts = []
    for n in range(EVENTS):
        deny = {"decision": "deny", "rule": "no-shell", "action": str(n)}
        receipts.append(emitter.emit("policy.decision", deny, run="r-1"))
        receipts.append(emitter.emit("run.failed", {"terminal_status": "failed"}, run="r-1"))
    if unruly is None:
        ended = [receipt.wait("delivered", timeout=60) for receipt in receipts]
        assert all(ending["good"]["state"] == "delivered" for ending in ended)
    if unruly is not None:
        while len(unruly.tried) < 7:
            receipts.append(emitter.emit("com.example.inside"))
            emitter.flush(timeout=0.1)
    emitter.ensure_ready()
    # The unruly one has no say in how long it takes.
    emitter.shutdown(timeout=2)
    for receipt in receipts:
        assert receipt.lanes["good"] == "enqueued"
    counters = emitter.counters()["good"]
    assert (counters["dropped"], counters["rejected"], counters["pending"]) == (0, 0, 0)
    report = sinkwell.verify(path, {"k1": Path(f"{key}.pub")})
    assert report["verdict"] == "sound"
    return seen(path)


def test_a_sink_that_tries_everything_changes_nothing_for_anybody_else(tmp_path: Path, key: Path) -> None:
    request = {"requested_mode": "raw", "class": "prompt", "source_permits_content": True}
    before = sinkwell.evaluate_content_capture(request)
    unruly = Unruly()
    alone = run(tmp_path / "alone", key, None)
    beside = run(tmp_path / "beside", key, unruly)
    assert len(alone) == 2 * EVENTS
    assert alone == beside
    assert len(unruly.tried) == 7
    assert sinkwell.evaluate_content_capture(request) == before
    assert sinkwell.authority_boundary()["may_change"] == []


def test_an_event_that_a_sink_got_cannot_be_changed(tmp_path: Path) -> None:
    got: list[sinkwell.SignedGovernanceEvent] = []

    class Keeps:
        name = "keeps"
        classes = frozenset({"debug"})

        def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
            got.append(event)

    with sinkwell.Emitter.open({"agent": {"id": "a1"}, "lanes": []}, sinks=[Keeps()]) as emitter:
        emitter.emit("com.example.x", {"a": 1}).wait("delivered", timeout=30)
    event = next(event for event in got if event.origin is None)
    with pytest.raises(AttributeError):
        event.bytes = b"{}"  # type: ignore[misc]
    with pytest.raises(TypeError):
        memoryview(event.bytes)[0] = 0
