"""What ends a process on a signal, in hosts as they are: event counts, and what ``verify`` says."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sinkwell

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# Nothing leaves on its own: without a hurry the lane would linger for an hour.
OPEN = """
import os, signal, sys, threading, time
import sinkwell
emitter = sinkwell.Emitter.open({
    "agent": {"id": "a"}, "heartbeat": "off", "handle_signals": True,
    "key": {"id": "k1", "ed25519": {"file": "agent.pem"}},
    "lanes": [{"id": "file", "batch": {"linger": "1h"}, "sink": {"file": {"path": "events.ndjson"}}}],
})
def request(n):
    emitter.emit("com.example.n", {"n": n})
def arrived(count, limit=20):
    end = time.monotonic() + limit
    while emitter.counters()["file"]["delivered"] < count:
        assert time.monotonic() < end, emitter.counters()
        time.sleep(0.01)
for n in range(20):
    request(n)
"""


def outcome(folder: Path) -> tuple[list[int], bool, str]:
    """Which events arrived, whether every stream is closed, and the verdict."""
    lines = [json.loads(line) for line in (folder / "events.ndjson").read_text().splitlines()]
    numbers = [line["data"]["n"] for line in lines if line["type"] == "com.example.n"]
    report = sinkwell.verify(folder / "events.ndjson", keys={"k1": str(folder / "agent.pem.pub")})
    return numbers, all(stream["closed"] for stream in report["streams"]), report["verdict"]


@pytest.fixture
def end(run: Run, tmp_path: Path, key: Path) -> Callable[..., tuple[int, list[int], bool, str]]:
    """Runs a program that opens an emitter and emits twenty events: status, and what is there."""

    def end(program: str, before: str = "") -> tuple[int, list[int], bool, str]:
        done = run(before + OPEN + program)
        assert "Traceback" not in done.stderr or done.returncode == -signal.SIGINT, done.stderr
        return done.returncode, *outcome(tmp_path)

    return end


def test_a_graceful_server_finishes_its_requests(end: Callable[..., Any]) -> None:
    """As gunicorn's workers do: a handler of the host's, set before, takes the signal, requests under way go on."""
    program = """
import signal, threading
stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
"""
    served = """
os.kill(os.getpid(), signal.SIGTERM)
assert stopping.wait(10)
arrived(20)   # what was queued is out already, and nobody asked for it
request(20)
emitter.emit("run.completed", {"outcome": "ok"}, run="r1")
"""
    assert end(served, before=program) == (0, list(range(21)), True, "sound")


def test_a_server_that_raises_the_signal_again_loses_nothing(end: Callable[..., Any]) -> None:
    """As uvicorn does: its handler for its own time, then what it found by Python's own table, and the signal again."""
    program = """
stopping = threading.Event()
found = signal.signal(signal.SIGTERM, lambda *_: stopping.set())
os.kill(os.getpid(), signal.SIGTERM)
assert stopping.wait(10)
request(20)
signal.signal(signal.SIGTERM, found)
signal.raise_signal(signal.SIGTERM)
request(21)   # never comes to that
"""
    assert end(program) == (-signal.SIGTERM, list(range(21)), True, "sound")


def test_a_signal_that_nobody_handles_ends_in_order(end: Callable[..., Any]) -> None:
    program = "os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)"
    assert end(program) == (-signal.SIGTERM, list(range(20)), True, "sound")


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_ignored_signal_ends_nothing(end: Callable[..., Any], when: str) -> None:
    ignore = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    program = "os.kill(os.getpid(), signal.SIGTERM)\nrequest(20)\n"
    found = end(program, before=ignore) if when == "before" else end(ignore + program)
    assert found == (0, list(range(21)), True, "sound")


def test_an_interrupted_cell_leaves_the_emitter(end: Callable[..., Any]) -> None:
    """As in a notebook: Ctrl-C ends what runs, and the next cell emits."""
    program = """
signal.signal(signal.SIGINT, signal.default_int_handler)
for n in (20, 21):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)
    except KeyboardInterrupt:
        request(n)
"""
    assert end(program) == (0, list(range(22)), True, "sound")


def test_process_1_of_a_container_ends_with_128_and_the_signal(tmp_path: Path, key: Path, run: Run) -> None:
    unshare = shutil.which("unshare")
    inside = [str(unshare), "--pid", "--fork", "--kill-child=KILL"]
    probe = [*inside, "true"]
    if unshare is None or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        inside = [str(unshare), "--user", "--map-root-user", "--pid", "--fork", "--kill-child=KILL"]
        probe = [*inside, "true"]
        if unshare is None or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
            pytest.skip("no process namespace is to be had here")
    program = OPEN + "assert os.getpid() == 1\nprint(flush=True)\nwhile True: time.sleep(1)\n"
    # From outside, as the container's runtime sends it.
    process = subprocess.Popen([*inside, sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    subprocess.run(["kill", "-TERM", children[0]], check=True)
    assert process.wait(30) == 128 + signal.SIGTERM
    assert outcome(tmp_path) == (list(range(20)), True, "sound")


@pytest.mark.parametrize("use", ["idle", "use"])
def test_a_forked_child_takes_signals_by_itself(run: Run, tmp_path: Path, key: Path, use: str) -> None:
    program = """
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    if "use" in sys.argv:
        request(100)
    os.write(write, b"x")
    time.sleep(30)
    os._exit(0)
os.read(read, 1)
start = time.monotonic()
os.kill(pid, signal.SIGTERM)
_, status = os.waitpid(pid, 0)
assert os.WTERMSIG(status) == signal.SIGTERM, status
assert time.monotonic() - start < 10
request(20)
"""
    done = run(OPEN + program, use)
    assert (done.returncode, done.stderr) == (0, "")
    assert outcome(tmp_path) == (list(range(21)), True, "sound")
    others = sorted(tmp_path.glob("events.ndjson.*"))
    assert len(others) == (use == "use")
    for other in others:
        assert '"n":100' in other.read_text()
        assert '"action":"closed"' in other.read_text()


@pytest.mark.parametrize("call", ["flush", "shutdown"])
def test_ctrl_c_comes_through_a_wait(run: Run, call: str) -> None:
    program = f"""
import _thread, os, signal, threading, time
import sinkwell

signal.signal(signal.SIGINT, signal.default_int_handler)
inside, done = threading.Event(), threading.Event()

class Sink:
    name = "s"
    classes = ["debug"]
    def emit(self, event):
        if event.type == "com.example.n":
            inside.set()
            done.wait()

emitter = sinkwell.Emitter.open({{"agent": {{"id": "a"}}, "lanes": []}}, sinks=[Sink()])
emitter.emit("com.example.n")
threading.Thread(target=lambda: (inside.wait(), os.kill(os.getpid(), signal.SIGINT))).start()
start = time.monotonic()
try:
    emitter.{call}(timeout=40)
except KeyboardInterrupt:
    assert time.monotonic() - start < 20
    print("interrupted")
done.set()
"""
    done = run(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


def test_a_process_that_was_stopped_has_no_failed_sink(tmp_path: Path) -> None:
    program = """
import json, os, signal, sys, threading, time
import sinkwell
inside, go_on = threading.Event(), threading.Event()

class Sink:
    name = "s"
    classes = ["debug"]
    def emit(self, event):
        if event.type == "com.example.n":
            inside.set()
            go_on.wait()

config = {"agent": {"id": "a"}, "heartbeat": "off", "lanes": [{"sink": {"host": "s"}, "timeout": "2s"}]}
emitter = sinkwell.Emitter.open(config, sinks=[Sink()])
receipt = emitter.emit("com.example.n")
inside.wait()
print("inside", flush=True)
sys.stdin.readline()
states = set()
end = time.monotonic() + 1
while time.monotonic() < end:
    states.add(emitter.health()["s"]["state"])
    time.sleep(0.01)
go_on.set()
print(receipt.wait("delivered", timeout=20)["s"]["state"], sorted(states), flush=True)
"""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdin=pipe, stdout=pipe, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "inside\n"
    process.send_signal(signal.SIGSTOP)
    # Longer than the lane's timeout, by more than a busy machine explains.
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(4)
    process.send_signal(signal.SIGCONT)
    process.stdin.write("\\n")
    process.stdin.close()
    assert process.stdout.readline() == "delivered ['healthy']\n"
    assert process.wait(30) == 0


def test_a_default_emitter_that_was_shut_opens_again(run: Run, tmp_path: Path) -> None:
    program = """
import sinkwell
sinkwell.emit("com.example.n", {"n": 1})
sinkwell._emitter.default_emitter().shutdown()
sinkwell.emit("com.example.n", {"n": 2})
"""
    done = run(program, env={"SINKWELL_LANES": "stdout"})
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if '"n":2' in line]


def test_a_durable_lane_is_durable_at_once(run: Run, tmp_path: Path) -> None:
    """With an hour of linger, what was emitted is on disk without anybody asking; delivery waits."""
    program = """
import os, signal, sys, time
import sinkwell
config = {
    "agent": {"id": "a"}, "heartbeat": "off", "journal": {"dir": "journal", "floor": 0},
    "lanes": [{"id": "f", "durable": True, "batch": {"linger": "1h"}, "sink": {"file": {"path": "events.ndjson"}}}],
}
emitter = sinkwell.Emitter.open(config)
if sys.argv[1] == "killed":
    # The lane's own beginning waits for nothing, and would take with it what is sealed beside it.
    while emitter.health()["f"]["acked"] is None:
        time.sleep(0.001)
    for n in range(50):
        emitter.emit("com.example.n", {"n": n})
        end = time.monotonic() + 20
        while emitter.counters()["f"]["journaled"] <= n:
            assert time.monotonic() < end
            time.sleep(0.001)
    assert emitter.counters()["f"]["delivered"] == 0, emitter.counters()
    os.kill(os.getpid(), signal.SIGKILL)
emitter.shutdown()
"""
    killed = run(program, "killed")
    assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, "")
    assert run(program, "next").returncode == 0
    lines = [json.loads(line) for line in (tmp_path / "events.ndjson").read_text().splitlines()]
    assert [line["data"]["n"] for line in lines if line["type"] == "com.example.n"] == list(range(50))
