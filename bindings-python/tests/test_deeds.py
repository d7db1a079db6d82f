"""Deeds: the body runs only once its intent is safe, and what it returns and raises is its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sinkwell

Lines = Callable[[], list[dict[str, Any]]]
PAY = {"tool": "pay", "amount": 3}


def halves(lines: Lines) -> list[dict[str, Any]]:
    return [line for line in lines() if "phase" in line["data"]]


def ends(lines: Lines) -> list[tuple[str, str | None]]:
    """Outcome and error type of each result, in order."""
    results = [line["data"] for line in halves(lines) if line["data"]["phase"] == "result"]
    return [(data["outcome"], data.get("error.type")) for data in results]


@pytest.fixture
def durable(config: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    config["journal"] = {"dir": str(tmp_path / "journal")}
    config["lanes"][0]["durable"] = True
    return config


def test_the_body_runs_between_intent_on_disk_and_result(
    durable: dict[str, Any], lines: Lines, tmp_path: Path
) -> None:
    with (
        sinkwell.Emitter.open(durable) as emitter,
        emitter.deed("tool.invocation", PAY, subject="tool:pay", run="r-1") as deed,
    ):
        here = deed.id
        files = [path for path in (tmp_path / "journal").rglob("*") if path.is_file()]
        assert here.encode() in b"".join(path.read_bytes() for path in files)
        deed.result({"receipt": "x1"}, content=[sinkwell.part("tool_result", text="paid")])
    intent, result = halves(lines)
    assert (intent["id"], intent["data"]["phase"]) == (here, "intent")
    assert result["causationid"] == here
    data = result["data"]
    assert (data["phase"], data["outcome"], data["receipt"], data["tool"]) == ("result", "ok", "x1", "pay")
    assert "amount" not in data
    assert data["duration_ms"] >= 0
    assert data["content"][0]["class"] == "tool_result"
    assert (result["subject"], result["runid"], result["type"]) == ("tool:pay", "r-1", intent["type"])


def test_the_next_process_is_told_what_is_unfinished(durable: dict[str, Any]) -> None:
    before = sinkwell.Emitter.open(durable)
    assert before.unfinished() == []
    with before.deed("tool.invocation", PAY):
        pass
    pid = os.fork()
    if pid == 0:
        # The child has a journal of its own, and dies in the act.
        with before.deed("tool.invocation", PAY, subject="tool:pay", run="r-1") as deed:
            (Path(durable["journal"]["dir"]) / ".." / "id").write_text(deed.id)
            os._exit(0)
    os.waitpid(pid, 0)
    before.shutdown()
    with sinkwell.Emitter.open(durable) as after:
        (left,) = after.unfinished()
    assert left["id"] == (Path(durable["journal"]["dir"]) / ".." / "id").read_text()
    assert (left["type"], left["tool"], left["subject"], left["runid"]) == (
        "dev.sinkwell.tool.invocation",
        "pay",
        "tool:pay",
        "r-1",
    )
    assert left["where"].startswith(durable["journal"]["dir"])


class Broken(Exception):
    pass


class Own(BaseException):
    pass


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Broken("secret words"), "error"),
        (TimeoutError("secret words"), "timeout"),
        (KeyboardInterrupt(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
        (SystemExit(3), "error"),
        (Own(), "error"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_body_raises_comes_through_and_is_the_outcome(
    durable: dict[str, Any], lines: Lines, error: BaseException, outcome: str
) -> None:
    with sinkwell.Emitter.open(durable) as emitter:
        with pytest.raises(type(error)) as caught, emitter.deed("tool.invocation", PAY):
            raise error
        assert caught.value is error

        async def awaited() -> None:
            async with emitter.deed("tool.invocation", PAY):
                raise error

        # Not `asyncio.run`, which makes something of its own of some of these.
        stepping = asyncio.new_event_loop()
        try:
            if isinstance(error, (Exception, asyncio.CancelledError)):
                with pytest.raises(type(error)):
                    stepping.run_until_complete(awaited())
        finally:
            stepping.close()
    assert set(ends(lines)) == {(outcome, type(error).__qualname__)}
    assert "secret words" not in json.dumps(lines())


def test_an_early_return_and_an_outcome_of_the_hosts(durable: dict[str, Any], lines: Lines) -> None:
    with sinkwell.Emitter.open(durable) as emitter:

        def returns() -> int:
            with emitter.deed("tool.invocation", PAY):
                return 7

        assert returns() == 7
        for _ in range(1):
            with emitter.deed("tool.invocation", PAY):
                break

        def says(outcome: str, then: Exception) -> None:
            with emitter.deed("tool.invocation", PAY) as deed:
                deed.result({"outcome": outcome})
                raise then

        with pytest.raises(PermissionError):
            says("denied", PermissionError())
        # What the host said before it failed is not believed.
        with pytest.raises(Broken):
            says("ok", Broken())
        with emitter.deed("tool.invocation", PAY) as deed:
            with pytest.raises(sinkwell.InvalidEvent) as refused:
                deed.result({"outcome": "fine"})
            assert refused.value.where == "data.outcome"
            with pytest.raises(sinkwell.InvalidEvent):
                deed.result({"when": object()})
    assert ends(lines) == [
        ("ok", None), ("ok", None), ("denied", "PermissionError"), ("error", "Broken"), ("ok", None),
    ]  # fmt: skip


def test_functions_plain_and_async(durable: dict[str, Any], lines: Lines) -> None:
    with sinkwell.Emitter.open(durable) as emitter:

        @emitter.deed("tool.invocation", PAY)
        def pay(amount: int) -> int:
            """Pays."""
            return amount

        @emitter.deed("tool.invocation", PAY)
        async def apay(amount: int) -> int:
            await asyncio.sleep(0)
            return amount

        assert (pay(1), pay(2), pay.__doc__) == (1, 2, "Pays.")

        async def both() -> list[int]:
            return list(await asyncio.gather(apay(3), apay(4)))

        assert asyncio.run(both()) == [3, 4]
        with pytest.raises(TypeError, match="generator"):

            @emitter.deed("tool.invocation", PAY)
            def items() -> Any:
                yield 1

    assert ends(lines) == [("ok", None)] * 4


def test_a_blocking_deed_on_an_event_loop_is_told_of_the_other_form(config: dict[str, Any]) -> None:
    async def main() -> None:
        with pytest.raises(sinkwell.InvalidArgument, match="awaitable form"), emitter.deed("com.x.act"):
            raise AssertionError

    with sinkwell.Emitter.open(config) as emitter:
        asyncio.run(main())


class Siem:
    """A sink that is down when it is told so."""

    name = "siem"
    classes = frozenset({"siem"})

    def __init__(self) -> None:
        self.down = False
        self.taken: list[dict[str, Any]] = []

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        if self.down:
            raise ConnectionError("away")
        self.taken.append(event.envelope)

    def phases(self) -> list[str]:
        return [event["data"]["phase"] for event in self.taken if "phase" in event["data"]]


class Gated(Siem):
    """A sink that holds an intent until the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.holds = threading.Event()
        self.gate = threading.Event()

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        if event.data.get("phase") == "intent":
            self.holds.set()
            self.gate.wait()
        super().emit(event)


REQUIRED: dict[str, Any] = {
    "agent": {"id": "a"},
    "heartbeat": "off",
    "governance": {"version": "1", "requires_sink": "siem"},
    "lanes": [
        {
            "id": "siem",
            "classes": ["siem"],
            "sink": {"host": "siem"},
            "retry": {"initial": "1h", "cap": "1h"},
            "breaker": {"failures": 1},
        }
    ],
}


def test_by_default_the_required_sink_has_the_intent_before_the_body() -> None:
    sink = Siem()
    with sinkwell.Emitter.open(REQUIRED, sinks=[sink]) as emitter:
        # The sink is Python, too: it gets nowhere unless the wait lets go of the GIL.
        with emitter.deed("tool.invocation", PAY):
            assert sink.phases() == ["intent"]

        async def main() -> None:
            async with emitter.deed("tool.invocation", PAY):
                assert sink.phases()[-1] == "intent"

        asyncio.run(main())
    assert sink.phases() == ["intent", "result"] * 2


def test_an_event_loop_goes_on_while_an_intent_is_on_its_way() -> None:
    sink = Gated()
    turns = []

    async def main() -> None:
        async def act() -> None:
            async with emitter.deed("tool.invocation", PAY):
                turns.append("act")

        async def other() -> None:
            await asyncio.to_thread(sink.holds.wait)
            turns.append("other")
            sink.gate.set()

        await asyncio.gather(act(), other())

    with sinkwell.Emitter.open(REQUIRED, sinks=[sink]) as emitter:
        asyncio.run(main())
    assert turns == ["other", "act"]


def test_while_a_required_sink_is_down_the_tool_does_not_run() -> None:
    sink = Siem()
    ran = []
    emitter = sinkwell.Emitter.open(REQUIRED, sinks=[sink])

    @emitter.deed("tool.invocation", PAY, timeout=0.05)
    def pay() -> None:
        ran.append(sink.down)

    @emitter.deed("tool.invocation", PAY, timeout=0.05)
    async def apay() -> None:
        ran.append(sink.down)

    pay()
    emitter.flush()
    sink.down = True
    # The first waits for the acknowledgement; all others hear that governance forbids it.
    with pytest.raises(sinkwell.Timeout, match=r"the act did not run\. health\(\) says") as late:
        pay()
    assert late.value.where == "siem"
    for refused in (pay, lambda: asyncio.run(apay())):
        with pytest.raises(sinkwell.RequiredSinkUnavailable) as error:
            refused()
        assert "siem" in str(error.value)
    assert ran == [False]
    emitter.shutdown(0.1)


def test_cancelled_in_the_body_and_on_the_way() -> None:
    sink = Gated()

    async def main() -> None:
        async def act() -> None:
            async with emitter.deed("tool.invocation", PAY):
                raise AssertionError

        waiting = asyncio.create_task(act())
        await asyncio.to_thread(sink.holds.wait)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        sink.gate.set()

        async def forever() -> None:
            async with emitter.deed("tool.invocation", PAY):
                begun.set()
                await asyncio.Event().wait()

        begun = asyncio.Event()
        task = asyncio.create_task(forever())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(asyncio.TimeoutError):
            async with emitter.deed("tool.invocation", PAY):
                await asyncio.wait_for(asyncio.Event().wait(), 0.001)

    with sinkwell.Emitter.open(REQUIRED, sinks=[sink]) as emitter:
        asyncio.run(main())
    results = [event["data"] for event in sink.taken if event["data"].get("phase") == "result"]
    assert [data["outcome"] for data in results] == ["refused", "cancelled", "timeout"]


def test_ctrl_c_while_it_waits_comes_through() -> None:
    class Interrupts(Gated):
        def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
            if event.data.get("phase") == "intent":
                os.kill(os.getpid(), signal.SIGINT)
            super().emit(event)

    sink = Interrupts()
    emitter = sinkwell.Emitter.open(REQUIRED, sinks=[sink])
    try:
        with pytest.raises(KeyboardInterrupt), emitter.deed("tool.invocation", PAY):
            raise AssertionError
    finally:
        sink.gate.set()
        emitter.shutdown()
    (result,) = [event["data"] for event in sink.taken if event["data"].get("phase") == "result"]
    assert result["outcome"] == "refused"


def test_a_result_waits_for_room_without_blocking_the_loop() -> None:
    config, sink = json.loads(json.dumps(REQUIRED)), Siem()
    config["lanes"][0]["queue"] = {"events": 1, "terminal_reserve": 1}

    async def main() -> None:
        async def act(begun: asyncio.Event) -> None:
            async with emitter.deed("tool.invocation", PAY, until="enqueued"):
                begun.set()

        begun = asyncio.Event()
        task = asyncio.create_task(act(begun))
        await begun.wait()
        # By now it has tried: the lane has no room for the result.
        assert (task.done(), emitter.counters()["siem"]["pending"]) == (False, 1)
        emitter.drain("siem")
        await task
        emitter.drain("siem")

        begun = asyncio.Event()
        cut = asyncio.create_task(act(begun))
        await begun.wait()
        cut.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut

    with sinkwell.Emitter.open(config, sinks=[sink], manual=True) as emitter:
        asyncio.run(main())
        assert emitter.refused == 1, "given up, the second result fits nowhere, and is counted"
        emitter.drain("siem")
    assert sink.phases() == ["intent", "result", "intent"]


def test_one_that_is_dropped_was_given_up(durable: dict[str, Any], lines: Lines) -> None:
    with sinkwell.Emitter.open(durable) as emitter:
        deed = emitter.deed("tool.invocation", PAY)
        deed.__enter__()
        with pytest.raises(RuntimeError):
            deed.__enter__()
        del deed
    assert ends(lines) == [("cancelled", None)]


def test_terms_and_arguments_that_are_none(config: dict[str, Any]) -> None:
    with sinkwell.Emitter.open(config) as emitter:
        for bad, kind in (("delivered", sinkwell.InvalidArgument), ("journaled", sinkwell.Unsupported)):
            with pytest.raises(kind) as error, emitter.deed("tool.invocation", PAY, until=bad):
                raise AssertionError
            assert error.value.where == "until"
        with pytest.raises(sinkwell.InvalidArgument), emitter.deed("tool.invocation", PAY, until="later"):
            raise AssertionError
        with pytest.raises(sinkwell.InvalidArgument), emitter.deed("com.x.act", timeout=float("nan")):
            raise AssertionError
        with pytest.raises(TypeError, match="colour"), emitter.deed("tool.invocation", PAY, colour="red"):
            raise AssertionError
        with pytest.raises(sinkwell.InvalidEvent) as refused:
            emitter.emit("tool.invocation", {"tool": "t", "phase": "intent"})
        assert refused.value.where == "data.phase"
        with pytest.raises(RuntimeError):
            emitter.deed("tool.invocation", PAY).result({})
        with emitter.deed("tool.invocation", PAY, until="enqueued", timeout=float("inf")):
            pass


def test_a_thousand_at_once(durable: dict[str, Any], lines: Lines) -> None:
    async def main() -> None:
        async def one() -> None:
            async with emitter.deed("tool.invocation", PAY):
                pass

        await asyncio.gather(*(one() for _ in range(1000)))

    with sinkwell.Emitter.open(durable) as emitter:
        asyncio.run(main())
    assert len(halves(lines)) == 2000


FORKS = """
import os, sys, sinkwell
emitter = sinkwell.Emitter.open(sys.argv[1])
with emitter.deed("tool.invocation", {"tool": "pay"}):
    child = os.fork()
if not child:
    with emitter.deed("tool.invocation", {"tool": "of the child"}):
        pass
    emitter.shutdown()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
emitter.shutdown()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_child_seals_no_result_for_its_parents_deed(
    durable: dict[str, Any], lines: Lines, tmp_path: Path, run: Any
) -> None:
    (tmp_path / "c.json").write_text(json.dumps(durable))
    done = run(FORKS, str(tmp_path / "c.json"))
    assert (done.returncode, done.stderr) == (0, "")
    assert [line["data"]["phase"] for line in halves(lines)] == ["intent", "result"]
    # A child writes a file of its own.
    (of_child,) = tmp_path.glob("events.ndjson.*")
    found = [json.loads(line)["data"] for line in of_child.read_text().splitlines()]
    found = [(data["tool"], data["phase"]) for data in found if "phase" in data]
    assert found == [("of the child", "intent"), ("of the child", "result")]


def test_disabled_the_body_runs(config: dict[str, Any], tmp_path: Path, run: Any) -> None:
    (tmp_path / "c.json").write_text(json.dumps(config))
    program = (
        "import sinkwell\nwith sinkwell.Emitter.open('c.json').deed('tool.invocation', {'tool': 't'}) as deed:\n"
        "    deed.result({'receipt': 'x'})\n    print('ran')"
    )
    done = run(program, env={**os.environ, "SINKWELL_DISABLED": "1"})
    assert done.stdout == "ran\n", done.stderr
    assert not (tmp_path / "events.ndjson").exists()
