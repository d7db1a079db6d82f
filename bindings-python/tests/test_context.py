"""Where the calling code is, and the decorator of tools."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sinkwell

Lines = Callable[[], list[dict[str, Any]]]


def host_events(lines: Lines) -> list[dict[str, Any]]:
    return [line for line in lines() if line.get("origin") is None]


def place(event: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(event.get(name) for name in ("runid", "turnid", "causationid", "correlationid"))


VECTORS = json.loads((Path(__file__).parents[2] / "tests/vectors/context/context.json").read_text())["cases"]


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_vectors(case: dict[str, Any], config: dict[str, Any], lines: Lines) -> None:
    config["agent"] = {"id": "a1", "allow": ["*"]}
    with sinkwell.Emitter.open(config) as emitter, contextlib.ExitStack() as stack:
        for scope in case["within"]:
            ((kind, given),) = scope.items()
            given = dict(given)
            make = {"run": sinkwell.run, "turn": sinkwell.turn}[kind]
            stack.enter_context(make(given.pop(kind, None), **given))
        event = dict(case["event"])
        emitter.emit(event.pop("type"), event.pop("data", None), **event)
    (sealed,) = host_events(lines)
    names = ("agentid", "runid", "turnid", "attemptid", "causationid", "correlationid")
    assert {name: sealed[name] for name in names if name in sealed} == case["attributes"]
    assert sealed["data"] == case["data"]


def test_a_receipt_stands_for_its_events_id(emitter: sinkwell.Emitter, lines: Lines) -> None:
    with sinkwell.run("r-1", correlation="c") as run:
        assert run.id == "r-1"
        cause = emitter.emit("run.started")
        with sinkwell.turn("t-2", causation=cause):
            emitter.emit("com.example.inside")
            here = {"run": "r-1", "turn": "t-2", "causation": cause.id, "correlation": "c"}
            assert sinkwell.context() == here
        with sinkwell.run() as sub:
            emitter.emit("com.example.sub")
    emitter.emit("com.example.after")
    emitter.flush()
    events = {event["type"]: event for event in host_events(lines)}
    assert place(events["com.example.inside"]) == ("r-1", "t-2", cause.id, "c")
    assert place(events["com.example.sub"]) == (sub.id, None, None, "c")
    assert place(events["com.example.after"]) == (None, None, None, None)
    assert sub.id != run.id


def test_an_agent_is_ambient_as_far_as_the_emitter_allows(config: dict[str, Any], lines: Lines) -> None:
    config["agent"]["allow"] = ["urn:test:agent/*"]
    with sinkwell.Emitter.open(config) as emitter, sinkwell.run("r", agent="urn:test:agent/child"):
        emitter.emit("com.example.n")
        with sinkwell.turn(agent="urn:stranger"), pytest.raises(sinkwell.InvalidEvent) as caught:
            emitter.emit("com.example.n")
        assert caught.value.where == "agent"
    assert [event["agentid"] for event in host_events(lines)] == ["urn:test:agent/child"]


def test_it_follows_tasks_and_not_threads(emitter: sinkwell.Emitter, lines: Lines) -> None:
    async def work(name: str) -> None:
        async with sinkwell.run(name):
            await asyncio.sleep(0)
            await emitter.aemit("com.example.task", {"name": name})
            await asyncio.to_thread(emitter.emit, "com.example.thread", {"name": name})

    async def main() -> None:
        await asyncio.gather(*(work(f"r-{n}") for n in range(5)))

    asyncio.run(main())
    with sinkwell.run("r-main"):
        thread = threading.Thread(target=emitter.emit, args=("com.example.by_hand",))
        thread.start()
        thread.join()
    emitter.flush()
    for event in host_events(lines):
        assert event.get("runid") == event["data"].get("name"), event
    assert len(host_events(lines)) == 11


def test_a_scope_that_is_left_elsewhere_harms_nobody() -> None:
    def steps() -> Generator[int, None, None]:
        with sinkwell.run("inner"):
            yield 1

    with sinkwell.run("outer"):
        held = steps()
        next(held)
        with sinkwell.run("other"):
            held.close()
            assert sinkwell.context()["run"] == "other"
        assert sinkwell.context()["run"] == "outer"
    assert sinkwell.context().get("run") is None
    again = sinkwell.run("again")
    with again, again:
        assert sinkwell.context()["run"] == "again"


@pytest.mark.parametrize("value", [7, b"r", ["r"]])
def test_what_is_no_text_is_refused_where_it_is_said(value: Any) -> None:
    with pytest.raises(sinkwell.InvalidArgument) as caught:
        sinkwell.run(value)
    assert caught.value.where == "run"


class Failed(Exception):
    pass


def test_a_tool_says_what_each_call_came_to(emitter: sinkwell.Emitter, lines: Lines) -> None:
    @sinkwell.tool("plain", emitter=emitter, subject="tool:plain")
    def plain(error: type[BaseException] | None = None) -> int:
        """What it does."""
        if error is not None:
            raise error
        return 7

    @sinkwell.tool(emitter=emitter)
    async def awaited(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @sinkwell.tool(emitter=emitter)
    def generated() -> Iterator[int]:
        yield from (1, 2)

    @sinkwell.tool(emitter=emitter)
    async def streamed() -> AsyncIterator[int]:
        yield 1
        raise Failed

    async def asynchronous() -> None:
        assert await awaited(0) == "done"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(awaited(60), 0.01)
        with pytest.raises(Failed):
            async for _ in streamed():
                pass

    assert (plain.__name__, plain.__doc__) == ("plain", "What it does.")
    with sinkwell.run("r-1"):
        assert plain() == 7
        for error in (Failed, TimeoutError, KeyboardInterrupt):
            with pytest.raises(error):
                plain(error)
        assert list(generated()) == [1, 2]
        asyncio.run(asynchronous())
    emitter.flush()
    events = host_events(lines)
    assert {(event["type"], event["runid"]) for event in events} == {("dev.sinkwell.tool.invocation", "r-1")}
    assert events[0]["subject"] == "tool:plain"
    seen = [(e["data"]["tool"], e["data"]["outcome"], e["data"].get("error.type")) for e in events]
    assert seen == [
        ("plain", "ok", None),
        ("plain", "error", "Failed"),
        ("plain", "timeout", "TimeoutError"),
        ("plain", "cancelled", "KeyboardInterrupt"),
        ("generated", "ok", None),
        ("awaited", "ok", None),
        ("awaited", "cancelled", "CancelledError"),
        ("streamed", "error", "Failed"),
    ]
    assert all(event["data"]["duration_ms"] >= 0 for event in events)


def test_a_tool_never_waits_and_what_is_not_recorded_is_counted(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Held:
        name = "held"
        classes = ("siem",)

        def __init__(self) -> None:
            self.go_on = threading.Event()

        def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
            self.go_on.wait(30)

    held = Held()
    emitter = sinkwell.Emitter.open({**config, "lanes": []}, sinks=[])
    emitter.add_sink(
        held, queue={"events": 1, "terminal_reserve": 0}, batch={"events": 1}, block_timeout="30s"
    )

    @sinkwell.tool(emitter=emitter)
    def quick() -> int:
        return 1

    try:
        for _ in range(10):
            assert quick() == 1
        assert emitter.refused > 0
    finally:
        held.go_on.set()
        emitter.shutdown()
    assert any("the tool 'quick' is not recorded" in record.message for record in caplog.records)


def test_a_tools_words_are_content(config: dict[str, Any], lines: Lines) -> None:
    with sinkwell.Emitter.open(config) as emitter:

        @sinkwell.tool(emitter=emitter, content=True)
        def search(query: str, *, limit: int) -> list[object]:
            return [object()]

        search("a secret question", limit=3)
    (event,) = host_events(lines)
    assert [part["class"] for part in event["data"]["content"]] == ["tool_arguments", "tool_result"]
    assert "secret" not in str(event)


def test_the_default_emitter_is_configured_flushed_and_shut_down_by_name(
    run: Callable[..., Any], key: Path, tmp_path: Path
) -> None:
    program = """
import sinkwell

assert sinkwell.flush() == {} and sinkwell.shutdown() == {}
def config(name):
    return {"agent": {"id": "a"}, "heartbeat": "off", "key": {"id": "k1", "ed25519": {"file": "agent.pem"}},
            "lanes": [{"id": "f", "sink": {"file": {"path": name}}, "batch": {"linger": "1h"}}]}
first = sinkwell.configure(config("a.ndjson"))
assert sinkwell.default_emitter() is first
sinkwell.emit("com.example.n", {"n": 1})
assert sinkwell.flush(timeout=5)["f"]["delivered"] == 1
sinkwell.emit("com.example.n", {"n": 2})
try:
    sinkwell.configure(config("b.ndjson"))
except sinkwell.InvalidArgument as error:
    assert "shut it down first" in error.message
sinkwell.shutdown(timeout=5)
second = sinkwell.configure(config("a.ndjson"))
sinkwell.emit("com.example.n", {"n": 3})
assert sinkwell.shutdown(timeout=5)["f"]["pending"] == 0
# Used again, it opens again from what was said last.
sinkwell.emit("com.example.n", {"n": 4})
sinkwell.shutdown()
try:
    sinkwell.configure({"lanes": ["stdoot"]})
except sinkwell.InvalidConfig:
    pass
sinkwell.emit("com.example.n", {"n": 5})
"""
    done = run(program)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.glob("?.ndjson*")] == ["a.ndjson"]
    report = sinkwell.verify(tmp_path / "a.ndjson", keys={"k1": str(tmp_path / "agent.pem.pub")})
    assert report["verdict"] == "sound"
    assert all(stream["closed"] for stream in report["streams"])
    text = (tmp_path / "a.ndjson").read_text()
    assert [f'"n":{n}' in text for n in range(1, 6)] == [True] * 5
