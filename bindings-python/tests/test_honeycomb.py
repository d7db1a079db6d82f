"""Honeycomb from Python, at the wire (`tests/honeycomb`), and what its clients of today lose."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sinkwell

FOLDER = Path(__file__).parents[2] / "tests/honeycomb"
TABLE = json.loads((FOLDER / "scenarios.json").read_text())
KNOWN = {"name", "about", "key", "lane", "says", "emit", "delivers_first", "timeout"}
KNOWN |= {"counters", "kept", "refused", "requests", "samplerate", "told"}
LONG = 60.0


class Double:
    """The double, as a test sees it."""

    def __init__(self) -> None:
        """Start it."""
        line = [sys.executable, str(FOLDER / "double.py")]
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def say(self, *says: dict[str, Any]) -> None:
        """Tell it what to do with the next requests."""
        urllib.request.urlopen(f"{self.url}/_say", json.dumps(says).encode()).close()

    def kept(self, path: str = "/_kept") -> dict[str, Any]:
        """Ask what it has; with ``/_wait?N``, once N requests have come."""
        with urllib.request.urlopen(f"{self.url}{path}") as answer:
            kept: dict[str, Any] = json.load(answer)
            return kept

    def events(self) -> list[dict[str, Any]]:
        """The events, without sinkwell's own, by their `n`."""
        events = [event for event in self.kept()["events"] if "n" in event["data"]]
        return sorted(events, key=lambda event: int(event["data"]["n"]))

    def numbers(self) -> list[int]:
        """The `n` of the events."""
        return [event["data"]["n"] for event in self.events()]

    def end(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait(LONG)


@pytest.fixture
def double() -> Iterator[Double]:
    """A double, ended after the test."""
    double = Double()
    yield double
    double.end()


@pytest.fixture
def honeycomb(double: Double, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The table's configuration, with one lane to the double."""

    def honeycomb(key: str = TABLE["key"], lane: dict[str, Any] | None = None) -> dict[str, Any]:
        text = json.dumps(TABLE["config"])
        for name, value in {"{url}": double.url, "{key}": key, "{dir}": str(tmp_path)}.items():
            text = text.replace(name, value)
        config: dict[str, Any] = json.loads(text)
        config["lanes"][0] |= lane or {}
        return config

    return honeycomb


def given(case: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int | None, int]]:
    """The events of a case: data, how far ahead, and how long its texts are."""
    n = 0
    for event in case["emit"]:
        assert event.keys() <= {"data", "times", "fill", "ahead"}
        count, length = event.get("fill", (0, 0))
        for _ in range(event.get("times", 1)):
            fill = {f"c{i}": "x" * length for i in range(count)}
            yield {"n": n, **event["data"], **fill}, event.get("ahead"), length
            n += 1


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["name"])
def test_what_becomes_of_events(
    case: dict[str, Any],
    double: Double,
    honeycomb: Callable[..., dict[str, Any]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert case.keys() <= KNOWN
    key = case.get("key", TABLE["key"])
    double.say(*case.get("says", []))
    emitter = sinkwell.Emitter.open(honeycomb(key, case.get("lane")))
    events = list(given(case))
    receipts = []
    for data, ahead, _ in events:
        time = None if ahead is None else datetime.now(timezone.utc) + timedelta(seconds=ahead)
        receipts.append(emitter.emit(TABLE["type"], data, time=time))
    if case.get("delivers_first"):
        receipts[0].wait("delivered", timeout=LONG)
    if "timeout" in case:
        double.kept(f"/_wait?{case['requests']}")
    health = emitter.health()
    report = emitter.shutdown(case.get("timeout", LONG * 1000) / 1000)
    counters = emitter.counters()[TABLE["lane"]]
    assert {name: counters[name] for name in case["counters"]} == case["counters"]
    assert report[TABLE["lane"]]["pending"] == case["counters"]["pending"]
    assert double.numbers() == case.get("kept", list(range(len(events))))
    rates = {
        str(event["data"]["n"]): event["samplerate"] for event in double.events() if "samplerate" in event
    }
    assert rates == case.get("samplerate", {})
    assert double.kept()["requests"] >= case.get("requests", 1)
    dead = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    for n in case.get("refused", []):
        assert receipts[n].id in dead
        assert "x" * events[n][2] in dead
    said = capfd.readouterr()
    told = f"{health} {emitter.health()} {report} {emitter.prometheus()}"
    assert case.get("told", "") in told
    for text in (told, dead, caplog.text, said.out, said.err, json.dumps(double.kept()["events"])):
        assert key not in text


def test_a_vacuums_events_arrive_there(double: Double, honeycomb: Callable[..., dict[str, Any]]) -> None:
    with sinkwell.Emitter.open({**honeycomb(), "vacuum": {}}) as emitter:
        passed, report = emitter.vacuum('starting\n{"_e":1,"n":0}\n{"_e":1,"n":1}\n', process="p", nonce=7)
        assert (passed, report["events"]) == ("starting\n", 2)
        emitter.shutdown(LONG)
    assert [event["data"]["id"] for event in double.events()] == ["p/7/1", "p/7/2"]


def test_a_full_queue_loses_nothing_without_a_word(
    double: Double, honeycomb: Callable[..., dict[str, Any]]
) -> None:
    double.say(*[{"status": 503}] * 3)
    queue = {"events": 4, "terminal_reserve": 0}
    with sinkwell.Emitter.open(honeycomb(lane={"overflow": "drop_oldest", "queue": queue})) as emitter:
        receipts = [emitter.emit(TABLE["type"], {"n": n}) for n in range(200)]
        emitter.shutdown(LONG)
        counters = emitter.counters()[TABLE["lane"]]
    assert counters["admitted"] == 200 == counters["delivered"] + counters["dropped"]
    kept = set(double.numbers())
    for n, receipt in enumerate(receipts):
        ending = receipt.wait("delivered", timeout=LONG)[TABLE["lane"]]
        assert ending["state"] == ("delivered" if n in kept else "lost")
    # The receiver is told how many.
    declared = [
        event["data"] for event in double.kept()["events"] if event["data"].get("reason") == "overflow"
    ]
    assert sum(event["count"] for event in declared) == counters["dropped"] > 0


AGENT = """
import json, os, sys, sinkwell
emitter = sinkwell.Emitter.open(json.loads(sys.argv[1]))
def emit(n):
    emitter.emit("com.example.n", {"n": n})
"""


def agent(program: str, config: dict[str, Any]) -> list[str]:
    """A command line that runs it."""
    return [sys.executable, "-c", AGENT + program, json.dumps(config)]


def test_the_end_of_a_process_loses_nothing(double: Double, honeycomb: Callable[..., dict[str, Any]]) -> None:
    # Nobody calls shutdown.
    lane = {"batch": {"events": 1000, "linger": "60s"}}
    program = "for n in range(100):\n    emit(n)\n"
    for end in ("", "sys.exit(0)", "raise SystemExit"):
        subprocess.run(agent(program + end, honeycomb(lane=lane)), check=True, timeout=LONG)
    assert double.numbers() == sorted(list(range(100)) * 3)


def test_a_fork_loses_nothing_and_sends_nothing_twice(
    double: Double, honeycomb: Callable[..., dict[str, Any]]
) -> None:
    program = """
for n in range(10):
    emit(n)
child = os.fork()
if child == 0:
    for n in range(10, 20):
        emit(n)
    emitter.shutdown(60)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
for n in range(20, 30):
    emit(n)
emitter.shutdown(60)
"""
    for lane in ({}, {"batch": {"events": 1000, "linger": "60s"}}):
        before = len(double.numbers())
        subprocess.run(agent(program, honeycomb(lane=lane)), check=True, timeout=LONG)
        assert len(double.numbers()) == before + 30
    assert double.numbers() == sorted(list(range(30)) * 2)


def test_a_process_that_was_frozen_goes_on(double: Double, honeycomb: Callable[..., dict[str, Any]]) -> None:
    program = """
for line in sys.stdin:
    emit(int(line))
    emitter.flush(60)
    print("there", flush=True)
emitter.shutdown(60)
"""
    child = subprocess.Popen(
        agent(program, honeycomb()), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("0\n")
    assert child.stdout.readline() == "there\n"
    os.kill(child.pid, signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)
    child.stdin.write("1\n")
    # Meanwhile the other side ends the connection, as it would one that is idle.
    assert double.kept("/_hang_up")["hung_up"] == 1
    os.kill(child.pid, signal.SIGCONT)
    assert child.stdout.readline() == "there\n"
    child.stdin.close()
    assert child.wait(LONG) == 0
    assert double.numbers() == [0, 1]


def test_a_receiver_that_was_frozen_gets_all(
    double: Double, honeycomb: Callable[..., dict[str, Any]]
) -> None:
    with sinkwell.Emitter.open(honeycomb()) as emitter:
        emitter.emit(TABLE["type"], {"n": 0}).wait("delivered", timeout=LONG)
        double.process.send_signal(signal.SIGSTOP)
        os.waitpid(double.process.pid, os.WUNTRACED)
        for n in range(1, 50):
            emitter.emit(TABLE["type"], {"n": n})
        double.process.send_signal(signal.SIGCONT)
        emitter.shutdown(LONG)
    assert double.numbers() == list(range(50))
