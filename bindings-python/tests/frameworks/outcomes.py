"""What the tests of outcomes share, in this process and in environments of their own: the tools that a scripted run
calls, how its calls and runs ended, whether anything was held up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import sinkwell

Ends = tuple[list[str], list[str]]


class Tools:
    """A tool that answers at once, one that raises a time-out, and one that never answers."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.turns: list[str] = []

    async def quick(self, q: str) -> str:
        """Acts."""
        self.turns.append("act")
        return q

    async def late(self, q: str) -> str:
        """Is late."""
        raise TimeoutError(q)

    async def wait(self, q: str) -> str:
        """Waits."""
        self.begun.set()
        await asyncio.Event().wait()
        return q


async def cancelled(begun: asyncio.Event, run: Awaitable[Any]) -> None:
    """Cancels a run whose tool has begun."""
    task = asyncio.ensure_future(run)
    await begun.wait()
    task.cancel()
    with contextlib.suppress(BaseException):
        await task
    # What it had begun is cancelled with it, but not always within it.
    for other in asyncio.all_tasks() - {asyncio.current_task()}:
        with contextlib.suppress(BaseException):
            await asyncio.wait_for(asyncio.shield(other), 1)


def ends(out: Path) -> Ends:
    """How the calls ended that had an intent, and how the runs."""
    events = [event for line in out.read_text().splitlines() if "origin" not in (event := json.loads(line))]
    of = [(event["type"].removeprefix("dev.sinkwell."), event["data"]) for event in events]
    intents = [event["id"] for event in events if event["data"].get("phase") == "intent"]
    causes = [event["causationid"] for event in events if event["data"].get("phase") == "result"]
    assert intents
    assert sorted(intents) == sorted(causes)
    results = [data["outcome"] for _, data in of if data.get("phase") == "result"]
    runs = [
        data["terminal_status"] for kind, data in of if kind.startswith("run.") and "terminal_status" in data
    ]
    return results, runs


Act = Callable[[str, Tools, sinkwell.Emitter], Awaitable[Any]]


def told(tmp_path: Path, act: Act, how: str) -> Ends:
    out = tmp_path / f"{how}.ndjson"
    lanes = [{"id": "out", "sink": {"file": {"path": str(out)}}}]

    async def main() -> None:
        config = {"agent": {"id": "a"}, "heartbeat": "off", "lanes": lanes}
        with sinkwell.Emitter.open(config) as emitter:
            tools = Tools()
            run = act("late" if how == "late" else "wait", tools, emitter)
            if how == "wait":
                await cancelled(tools.begun, run)
            else:
                with contextlib.suppress(Exception):
                    await run

    asyncio.run(main())
    return ends(out)


class Gated:
    """A required sink that holds each intent until the gate is open."""

    name = "siem"
    classes = frozenset({"siem"})

    def __init__(self) -> None:
        self.holds = threading.Event()
        self.gate = threading.Event()

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        if event.data.get("phase") == "intent":
            self.holds.set()
            self.gate.wait()


def turns(act: Act) -> list[str]:
    """What ran in which order: a tool whose intent waits for its sink, and other code on the same event loop, which
    opens the gate.
    """
    sink = Gated()
    config = {
        "agent": {"id": "a"},
        "heartbeat": "off",
        "governance": {"version": "1", "requires_sink": "siem"},
        "lanes": [{"id": "siem", "classes": ["siem"], "sink": {"host": "siem"}}],
    }

    async def main(emitter: sinkwell.Emitter) -> list[str]:
        tools = Tools()

        async def other() -> None:
            await asyncio.to_thread(sink.holds.wait)
            tools.turns.append("other")
            sink.gate.set()

        await asyncio.gather(act("quick", tools, emitter), other())
        return tools.turns

    with sinkwell.Emitter.open(config, sinks=[sink]) as emitter:
        return asyncio.run(main(emitter))


Stream = Callable[[asyncio.Event, sinkwell.Emitter], AsyncIterator[str]]


def read(stream: Stream, out: Path) -> str:
    """What a reader got of a model that says its second word only once the reader has the first."""
    lanes = [{"id": "out", "sink": {"file": {"path": str(out)}}}]

    async def main(emitter: sinkwell.Emitter) -> str:
        gate, seen = asyncio.Event(), ""
        async for piece in stream(gate, emitter):
            seen += piece
            if seen:
                gate.set()
        return seen

    with sinkwell.Emitter.open({"agent": {"id": "a"}, "heartbeat": "off", "lanes": lanes}) as emitter:
        return asyncio.run(asyncio.wait_for(main(emitter), 20))
