"""Waiting: on threads and on event loops."""

from __future__ import annotations

import _queue
import asyncio
import gc
import threading
import time
import warnings
from typing import Any

import pytest
import sinkwell
from sinkwell import _sinks


class Gate:
    """A sink that takes nothing before it is told to."""

    name = "gate"
    classes = frozenset({"siem"})

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()

    def emit(self, event: Any) -> None:
        if event.origin is None:
            self.entered.set()
            assert self.open.wait(timeout=60)


def gated(gate: Gate, **lane: Any) -> sinkwell.Emitter:
    lanes = [{"id": "gate", "sink": {"host": "gate"}, "timeout": "60s", **lane}]
    return sinkwell.Emitter.open({"agent": {"id": "a"}, "heartbeat": "off", "lanes": lanes}, sinks=[gate])


def fill(emitter: sinkwell.Emitter) -> None:
    for _ in range(20):
        emitter.emit("com.example.n")


async def fill_slowly(emitter: sinkwell.Emitter) -> None:
    for _ in range(20):
        await emitter.aemit("com.example.n")


def test_a_hundred_thousand_receipts_cost_no_thread() -> None:
    count = 100_000
    gate = Gate()

    async def main() -> None:
        async with gated(gate, queue={"events": count, "bytes": "1GiB"}) as emitter:
            waits = [emitter.emit("com.example.n").delivered() for _ in range(count - 7000)]
            assert threading.active_count() < 10
            assert not any(wait.done() for wait in waits)
            gate.open.set()
            await asyncio.gather(*waits)
            assert {wait.result()["gate"]["state"] for wait in waits} == {"delivered"}

    asyncio.run(main())


def test_a_wait_that_is_cancelled_is_forgotten() -> None:
    gate = Gate()

    async def main() -> None:
        async with gated(gate) as emitter:
            receipt = emitter.emit("com.example.n")
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(receipt.delivered(), timeout=0.01)
            gate.open.set()
            endings = await receipt.delivered()
            assert endings["gate"]["state"] == "delivered"
            # What has ended already resolves at once.
            assert receipt.delivered().done()

    asyncio.run(main())


def test_a_loop_that_is_gone_harms_nobody() -> None:
    gate = Gate()

    async def main() -> sinkwell.Emitter:
        emitter = gated(gate)
        for _ in range(10):
            emitter.emit("com.example.n").delivered()
        return emitter

    emitter = asyncio.run(main())
    gate.open.set()
    assert emitter.shutdown(timeout=5)["gate"]["pending"] == 0


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "only stopped"])
def test_what_a_loop_never_began_runs_on_another(closed: bool) -> None:
    home = asyncio.new_event_loop()
    place = _sinks._Loop(home)
    ran_on = _queue.SimpleQueue[asyncio.AbstractEventLoop]()

    async def body() -> None:
        ran_on.put(asyncio.get_running_loop())

    async def main() -> None:
        place.submit(body)
        # The call's task is made in the loop's last round.
        home.call_soon(home.stop)
        await asyncio.sleep(60)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task = home.create_task(main())
        home.run_forever()
        task.cancel()
        if closed:
            home._ready.clear()  # type: ignore[attr-defined]
            home.close()
            del task
            gc.collect()
        else:
            # A wait of ours, as at the end of the process.
            with _sinks.parked():
                pass
        assert ran_on.get(timeout=30) is not home
    if not closed:
        # What is still in the stopped loop finds that its work is done.
        home.run_until_complete(asyncio.sleep(0))
        home.close()
    place.close()
    assert ran_on.empty()


def test_a_loop_that_stops_while_it_is_given_a_call() -> None:
    class Stopping(asyncio.SelectorEventLoop):
        running = False

        def is_running(self) -> bool:
            return self.running

        def call_soon_threadsafe(  # type: ignore[override]
            self, callback: Any, *args: Any, context: Any = None
        ) -> asyncio.Handle:
            handle = super().call_soon_threadsafe(callback, *args, context=context)
            self.running = False
            return handle

    home = Stopping()
    home.running = True
    place = _sinks._Loop(home)
    ran = threading.Event()

    async def body() -> None:
        ran.set()

    place.submit(body)
    assert ran.wait(30)
    place.close()
    home.close()


def test_stages_and_time_outs(emitter: sinkwell.Emitter) -> None:
    receipt = emitter.emit("com.example.n")
    with pytest.raises(sinkwell.InvalidArgument):
        receipt.wait("sent")
    with pytest.raises(sinkwell.InvalidArgument):
        receipt.wait("delivered", timeout=float("nan"))
    with pytest.raises(sinkwell.Unsupported):
        receipt.wait("journaled", timeout=5)
    assert receipt.wait("delivered", timeout=None)["file"]["state"] == "delivered"
    with pytest.raises(RuntimeError):
        receipt.delivered()


def test_where_a_loop_runs_emit_does_not_wait() -> None:
    gate = Gate()

    async def main() -> None:
        async with gated(gate, queue={"events": 4, "terminal_reserve": 1}, batch={"events": 1}) as emitter:
            emitter.emit("com.example.n")
            # From here on the lane makes no room by itself.
            await asyncio.to_thread(gate.entered.wait)
            before = time.monotonic()
            with pytest.raises(sinkwell.Backpressure) as caught:
                fill(emitter)
            assert time.monotonic() - before < 10
            assert (caught.value.where, emitter.refused) == ("gate", 1)
            waiting = [asyncio.ensure_future(emitter.aemit("com.example.n")) for _ in range(20)]
            await asyncio.sleep(0)
            assert not any(task.done() for task in waiting)
            gate.open.set()
            receipts = await asyncio.gather(*waiting)
            await asyncio.gather(*(receipt.delivered() for receipt in receipts))
            assert emitter.refused == 1

    asyncio.run(main())


def test_an_awaitable_emit_ends_with_backpressure() -> None:
    gate = Gate()

    async def main() -> None:
        lane = {"queue": {"events": 2, "terminal_reserve": 1}, "block_timeout": "30ms"}
        async with gated(gate, **lane) as emitter:
            with pytest.raises(sinkwell.Backpressure):
                await fill_slowly(emitter)
            assert emitter.refused == 1
            gate.open.set()

    asyncio.run(main())


def test_on_a_thread_emit_waits_without_the_gil() -> None:
    gate = Gate()
    with gated(gate, queue={"events": 2, "terminal_reserve": 1}, batch={"events": 1}) as emitter:
        # Opened by another thread, which could not run if the wait held the GIL.
        timer = threading.Timer(0.05, gate.open.set)
        timer.start()
        receipts = [emitter.emit("com.example.n") for _ in range(10)]
        assert receipts[-1].wait("delivered", timeout=5)["gate"]["state"] == "delivered"


def test_many_threads(emitter: sinkwell.Emitter) -> None:
    def work() -> None:
        for n in range(500):
            emitter.emit("com.example.n", {"n": n})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert emitter.flush(timeout=20)["file"] == {
        "delivered": 4000,
        "journaled": 0,
        "pending": 0,
        "where": "none",
    }
