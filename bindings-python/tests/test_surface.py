"""Repair, emits from inside a sink, answers that nobody knows, usage vectors, a required sink that dies."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sinkwell
import sinkwell.logging
from recorded import record

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "usage"
CALLS = {
    "model": lambda case: sinkwell.model_usage(case["provider"], case["request"]),
    "cost": lambda case: sinkwell.cost(**case["request"]),
    "roll_up": lambda case: sinkwell.roll_up(case["request"]),
}


class Host:
    """A sink that keeps what the program emitted; ``answer`` is asked first."""

    def __init__(self, name: str = "mine", classes: frozenset[str] = frozenset({"debug"})) -> None:
        self.name = name
        self.classes = classes
        self.lines: list[bytes] = []

    def answer(self, event: sinkwell.SignedGovernanceEvent) -> None:
        """Raises what the sink would."""

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        self.answer(event)
        if event.origin is None:
            self.lines.append(event.bytes)


def group(path: Path) -> Any:
    file = json.loads(path.read_bytes())
    assert set(file) == {"group", "cases"}
    assert file["group"] == path.stem
    assert file["cases"]
    return pytest.param(path.stem, file["cases"], id=path.stem)


GROUPS = [group(path) for path in sorted(VECTORS.glob("*.json"))]


def test_every_group_of_usage_is_there() -> None:
    assert len(GROUPS) == len(CALLS)


@pytest.mark.parametrize(("name", "cases"), GROUPS)
def test_usage(name: str, cases: list[dict[str, Any]]) -> None:
    for i, case in enumerate(cases):
        assert set(case) <= {"name", "provider", "request", "answer", "error"}
        if (wanted := case.get("error")) is None:
            assert CALLS[name](case) == case["answer"], case["name"]
        else:
            with pytest.raises(sinkwell.Error) as caught:
                CALLS[name](case)
            assert {"kind": caught.value.kind, "where": caught.value.where} == wanted, case["name"]
        record(f"usage/{name}/{i}")


def test_levels_of_logging() -> None:
    levels = [5, logging.DEBUG, logging.INFO, logging.WARNING, 35, logging.ERROR, logging.CRITICAL, 99]
    want = ["trace", "debug", "info", "warn", "warn", "error", "fatal", "fatal"]
    assert [sinkwell.logging.severity(level) for level in levels] == want


def test_repair_exports_again_what_the_journal_holds(tmp_path: Path) -> None:
    sink = Host()
    config = {"agent": {"id": "a1"}, "journal": {"dir": str(tmp_path / "j"), "floor": 0}, "lanes": ["null"]}
    with sinkwell.Emitter.open(config) as emitter:
        emitter.add_sink(sink, durable=True)
        for _ in range(3):
            ending = emitter.emit("com.example.x").wait("delivered", timeout=30)["mine"]
        before = list(sink.lines)
        cursor = {"streamid": ending["streamid"], "sequence": "00000000000000000002"}
        emitter.repair("mine", cursor)
        emitter.flush(timeout=30)
        again = sink.lines[len(before) :]
        assert again
        assert again == before[-len(again) :]
        with pytest.raises(sinkwell.Unsupported):
            emitter.repair("null", cursor)
        for lane, wrong in [("nosuch", cursor), ("mine", {**cursor, "streamid": "x"}), ("mine", {})]:
            with pytest.raises(sinkwell.InvalidArgument):
                emitter.repair(lane, wrong)


TIGHT = {
    "overflow": "block",
    "block_timeout": "1h",
    "timeout": "1h",
    "queue": {"events": 2, "terminal_reserve": 1},
}


def test_an_emit_from_inside_a_plain_sink_never_waits() -> None:
    inner: list[str] = []

    class Talkative(Host):
        def answer(self, event: sinkwell.SignedGovernanceEvent) -> None:
            if event.type == "com.example.first":
                inner.extend(emitter.emit("com.example.inner").lanes["mine"] for _ in range(4))
                emitter.flush()

    with sinkwell.Emitter.open({"agent": {"id": "a1"}, "lanes": ["null"]}) as emitter:
        emitter.add_sink(Talkative(), **TIGHT)
        emitter.emit("com.example.first").wait("delivered", timeout=30)
    assert inner == ["enqueued", *["dropped: reentrant"] * 3]


def test_an_emit_from_inside_an_async_sink_never_waits() -> None:
    asyncio.run(emits_from_an_async_sink())


async def emits_from_an_async_sink() -> None:
    inner: list[str] = []

    class Talkative(Host):
        async def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:  # type: ignore[override]
            if event.type == "com.example.first":
                for _ in range(2):
                    inner.append((await emitter.aemit("com.example.inner")).lanes["mine"])
                # Another task, and a thread, inherit where they come from.
                task = asyncio.create_task(emitter.aemit("com.example.inner"))
                inner.append((await task).lanes["mine"])
                threaded = await asyncio.to_thread(emitter.emit, "com.example.inner")
                inner.append(threaded.lanes["mine"])

    async with sinkwell.Emitter.open({"agent": {"id": "a1"}, "lanes": ["null"]}) as emitter:
        emitter.add_sink(Talkative(), **TIGHT)
        receipt = await emitter.aemit("com.example.first")
        await asyncio.wait_for(receipt.delivered(), 30)
    assert inner == ["enqueued", *["dropped: reentrant"] * 3]


@pytest.mark.parametrize("form", ["plain", "async", "awaited"])
def test_a_sink_that_ends_its_own_emitter_is_not_waited_for_by_that(form: str) -> None:
    left: list[int] = []

    class Plain(Host):
        def answer(self, event: sinkwell.SignedGovernanceEvent) -> None:
            if event.type == "com.example.last":
                left.append(emitter.shutdown(3600)["mine"]["pending"])

    class Asynchronous(Host):
        async def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:  # type: ignore[override]
            if event.type == "com.example.last":
                report = emitter.shutdown(3600) if form == "async" else await emitter.ashutdown(3600)
                left.append(report["mine"]["pending"])

    lanes = [{"sink": {"host": "mine"}, "timeout": "1h"}]
    sink = Plain() if form == "plain" else Asynchronous()
    emitter = sinkwell.Emitter.open({"agent": {"id": "a1"}, "lanes": lanes}, sinks=[sink])
    ending = emitter.emit("com.example.last").wait("delivered", timeout=30)["mine"]
    assert (ending["state"], left) == ("delivered", [1])
    with pytest.raises(sinkwell.Closed):
        emitter.emit("com.example.later")
    assert emitter.shutdown()["mine"]["pending"] == 0


def test_a_wait_on_the_loop_of_a_sink_does_not_wait_for_itself() -> None:
    class Asynchronous(Host):
        async def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:  # type: ignore[override]
            await asyncio.sleep(0)

    async def main() -> None:
        lanes = [{"sink": {"host": "mine"}, "timeout": "1h"}]
        with sinkwell.Emitter.open(
            {"agent": {"id": "a1"}, "lanes": lanes}, sinks=[Asynchronous()]
        ) as emitter:
            ending = emitter.emit("com.example.x").wait("delivered", timeout=30)["mine"]
            assert ending["state"] == "delivered"

    asyncio.run(main())


def test_what_a_sink_cannot_know_is_uncertain() -> None:
    class Unsure(Host):
        def answer(self, event: sinkwell.SignedGovernanceEvent) -> None:
            if event.subject == "odd":
                raise sinkwell.Uncertain("canary")

    with sinkwell.Emitter.open({"agent": {"id": "a1"}, "lanes": []}, sinks=[Unsure()]) as emitter:
        receipts = [emitter.emit("com.example.x", subject=subject) for subject in ("even", "odd", "even")]
        states = [receipt.wait("delivered", timeout=30)["mine"]["state"] for receipt in receipts]
        assert states == ["delivered", "uncertain", "delivered"]
        assert emitter.counters()["mine"]["rejected_by"] == {"uncertain": 1}


def test_a_required_sink_dies_and_comes_back(tmp_path: Path) -> None:
    class Guard(Host):
        away = False

        def answer(self, event: sinkwell.SignedGovernanceEvent) -> None:
            if self.away:
                raise ConnectionError("the SIEM is away")

    guard = Guard("guard", frozenset({"siem"}))
    lane = {
        "sink": {"host": "guard"},
        "retry": {"initial": "1ms", "cap": "1ms"},
        "breaker": {"failures": 1, "open": "1ms"},
    }
    path = tmp_path / "events.ndjson"
    config = {
        "agent": {"id": "a1"},
        "governance": {"requires_sink": "siem"},
        "lanes": [{"sink": {"file": {"path": str(path)}}}, lane],
    }
    with sinkwell.Emitter.open(config, sinks=[guard]) as emitter:
        emitter.emit("com.example.x")
        guard.away = True
        # Until the lane has noticed, events are still taken.
        with pytest.raises(sinkwell.RequiredSinkUnavailable) as stopped:
            deque((emitter.emit("com.example.x") for _ in count()), maxlen=0)
        assert stopped.value.code == 5
        assert "siem" in str(stopped.value)
        assert "guard" in str(stopped.value)
        assert "mend the sink" in str(stopped.value)
        with pytest.raises(sinkwell.RequiredSinkUnavailable):
            emitter.ensure_ready()
        # A change of state that nobody was told of yet merges with the next one.
        while "sink.failed" not in path.read_text(encoding="utf-8"):
            pass
        guard.away = False
        while True:
            try:
                emitter.ensure_ready()
                break
            except sinkwell.RequiredSinkUnavailable:
                continue
        emitter.emit("com.example.x")
        emitter.shutdown(timeout=30)
    lines = path.read_text(encoding="utf-8")
    assert "sink.failed" in lines
    assert "sink.recovered" in lines
    assert "the SIEM is away" not in lines
