"""Real forks of a durable emitter: parent and children both keep what `journaled` promised."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sinkwell

PROGRAM = """
import json, os, signal, sys
import sinkwell

emitter = sinkwell.Emitter.open(json.loads(sys.argv[1]))
def durable(name, n):
    emitter.emit("com.example.step", {"who": name, "n": n}).wait("journaled", timeout=30)
for n in range(5):
    durable("parent", n)
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        for n in range(5):
            durable(f"child-{child}", n)
        if child == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        emitter.shutdown(timeout=30)
        os._exit(0)
    children.append(pid)
    durable("parent", 5 + child)
for pid in children:
    os.waitpid(pid, 0)
durable("parent", 8)
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
emitter.shutdown(timeout=30)
"""


def test_parent_and_children_are_both_durable(
    tmp_path: Path, config: dict[str, Any], key: Path, run: Callable[..., Any]
) -> None:
    config["journal"] = {"dir": str(tmp_path / "journal"), "floor": 0}
    config["lanes"] = [
        {"id": "log", "classes": ["audit"], "sink": {"file": {"path": str(tmp_path / "events.ndjson")}}}
    ]
    for end in ("in order", "killed"):
        done = run(PROGRAM, json.dumps(config), end)
        assert done.returncode == (-9 if end == "killed" else 0), done.stderr
    # Whoever comes next takes over what the dead left, each in a journal of its own.
    sinkwell.Emitter.open(config).shutdown(timeout=30)
    # A child cannot have its parent's file: it writes one beside it.
    files = sorted(tmp_path.glob("events.ndjson*"))
    assert len(files) > 1
    report = sinkwell.verify(files, keys={"k1": f"{key}.pub"})
    assert report["verdict"] in ("sound", "incomplete"), report
    assert report["lost"] == {}
    steps: dict[tuple[str, int], set[str]] = {}
    for file in files:
        for line in file.read_text().splitlines():
            data = json.loads(line)["data"]
            if "who" in data:
                steps.setdefault((data["who"], data["n"]), set()).add(line)
    expected = {("parent", n) for n in range(9)} | {(f"child-{c}", n) for c in range(3) for n in range(5)}
    assert set(steps) == expected
    # Once by each run; a repeat is the same bytes.
    assert all(len(lines) == 2 for lines in steps.values())


@pytest.mark.parametrize("fork", ["os.fork", "a C library's"])
@pytest.mark.parametrize("sink", ["journal", "file"])
def test_a_child_holds_no_lock_of_a_parent_that_died(
    tmp_path: Path, config: dict[str, Any], run: Callable[..., Any], sink: str, fork: str
) -> None:
    """The journal is taken over and the file written by whoever comes next, while the child still lives."""
    program = """
import ctypes, json, os, signal, sys
import sinkwell

emitter = sinkwell.Emitter.open(json.loads(sys.argv[1]))
emitter.emit("com.example.step", {"n": 1}).wait(sys.argv[2], timeout=30)
read, write = os.pipe()
pid = os.fork() if sys.argv[3] == "os.fork" else ctypes.PyDLL(None).fork()
if pid == 0:
    os.write(write, b"x")
    os.close(1), os.close(2)
    signal.pause()
os.read(read, 1)
print(pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    events = tmp_path / "events.ndjson"
    lane: dict[str, Any] = {"id": "log", "sink": {"file": {"path": str(events)}}}
    if sink == "journal":
        config["journal"] = {"dir": str(tmp_path / "journal"), "floor": 0}
        lane |= {"durable": True, "batch": {"linger": "1h"}}
    config["lanes"] = [lane]
    stage = "journaled" if sink == "journal" else "delivered"
    done = run(program, json.dumps(config), stage, fork)
    assert done.returncode == -9, done.stderr
    child = int(done.stdout)
    try:
        with sinkwell.Emitter.open(config) as emitter:
            emitter.emit("com.example.step", {"n": 2})
            emitter.flush(timeout=30)
        assert not sorted(tmp_path.glob("events.ndjson.*"))
        # What the parent had delivered and not yet noted comes once more, the same bytes.
        lines = dict.fromkeys(events.read_text().splitlines())
        steps = [json.loads(line)["data"].get("n") for line in lines]
        assert [n for n in steps if n] == [1, 2]
        if sink == "journal":
            # The last process's own is left, and no dead one's.
            assert len(list((tmp_path / "journal").glob("log.*"))) == 1
    finally:
        os.kill(child, signal.SIGKILL)


DERIVED = """
import json, os, sys
import sinkwell

emitter = sinkwell.Emitter.open(json.loads(sys.argv[1]))
emitter.emit("com.example.step", {"who": "parent"})
children = []
for child in range(2):
    pid = os.fork()
    if pid == 0:
        for n in range(3):
            emitter.emit("com.example.step", {"who": f"child-{child}"})
        emitter.shutdown(timeout=30)
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
emitter.emit("com.example.step", {"who": "parent"})
emitter.shutdown(timeout=30)
"""


def test_ids_that_count_begin_afresh_in_a_child(
    tmp_path: Path, config: dict[str, Any], run: Callable[..., Any]
) -> None:
    config["ids"] = "derived"
    config["lanes"] = [{"id": "log", "sink": {"file": {"path": str(tmp_path / "events.ndjson")}}}]
    done = run(DERIVED, json.dumps(config))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for file in tmp_path.glob("events.ndjson*") for line in file.open()]
    ids = [line["id"] for line in lines]
    assert len(set(ids)) == len(ids)
    counts: dict[str, list[int]] = {}
    for line in lines:
        if line["type"] == "com.example.step":
            number = int(line["id"].replace("-", ""), 16)
            free = (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
            counts.setdefault(line["data"]["who"], []).append(free)
    assert {who: len(numbers) for who, numbers in counts.items()} == {"parent": 2, "child-0": 3, "child-1": 3}
    for of_process in counts.values():
        assert max(of_process) - min(of_process) < 100, "within a process they count"
    firsts = sorted(min(of_process) for of_process in counts.values())
    assert all(b - a > 1 << 32 for a, b in itertools.pairwise(firsts)), "and each begins somewhere else"
