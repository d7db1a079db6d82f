"""What survives the end of a process: the table in the README, as tested."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# Nothing leaves on its own: without a flush the lane would linger for an hour.
OPEN = """
import os, sys, threading, time
import sinkwell
config = {
    "agent": {"id": "a"},
    "heartbeat": "off",
    "handle_signals": "handle" in sys.argv,
    "lanes": [{"id": "file", "batch": {"linger": "1h"}, "sink": {"file": {"path": "events.ndjson"}}}],
}
emitter = sinkwell.Emitter.open(config)
for n in range(100):
    emitter.emit("com.example.n", {"n": n})
"""


FILE = '{"file": {"path": "events.ndjson"}}'

# A shell starts background jobs with SIGINT ignored, and Python then leaves it so.
INTERRUPTED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
os.kill(os.getpid(), signal.SIGINT)
time.sleep(30)
"""


def streams(folder: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    path = folder / "events.ndjson"
    # A file is one process's; where several write, the test has sent their standard output here.
    for line in path.read_text().splitlines() if path.exists() else []:
        envelope = json.loads(line)
        found.setdefault(envelope["streamid"], []).append(envelope)
    return found


def delivered(folder: Path) -> list[int]:
    envelopes = [envelope for stream in streams(folder).values() for envelope in stream]
    return [envelope["data"]["n"] for envelope in envelopes if envelope["type"] == "com.example.n"]


def closed(folder: Path) -> bool:
    return all(stream[-1]["data"].get("action") == "closed" for stream in streams(folder).values())


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise RuntimeError('unhandled')", 1),
        ("threading.Thread(target=lambda: emitter.emit('com.example.n', {'n': 100})).start()", 0),
        ("del emitter", 0),
        ("emitter.loop = emitter  # a cycle", 0),
        ("emitter.shutdown()", 0),
        (INTERRUPTED, -signal.SIGINT),
    ],
)
def test_a_normal_end_loses_nothing(run: Run, tmp_path: Path, end: str, status: int) -> None:
    done = run(OPEN + end)
    assert done.returncode == status, done.stderr
    assert delivered(tmp_path)[:100] == list(range(100))
    assert closed(tmp_path)
    assert "Traceback" not in done.stderr or status in (1, -signal.SIGINT)


def test_os_exit_and_kill_lose_what_was_only_enqueued(run: Run, tmp_path: Path) -> None:
    assert run(OPEN + "os._exit(0)").returncode == 0
    assert delivered(tmp_path) == []
    assert run(OPEN + "emitter.flush(); os._exit(0)").returncode == 0
    assert delivered(tmp_path) == list(range(100))
    assert not closed(tmp_path)


def test_what_was_journaled_is_sent_by_the_next_process(run: Run, tmp_path: Path) -> None:
    """The last resort of the table: a durable lane, whose sink never answered, and SIGKILL."""
    program = """
import os, signal, sys, time
import sinkwell

class Sink:
    name = "s"
    classes = ["debug"]
    def emit(self, event):
        if sys.argv[1] == "hang":
            time.sleep(3600)
        if event.type == "com.example.n":
            print(event.data["n"], flush=True)

config = {"agent": {"id": "a"}, "heartbeat": "off", "journal": {"dir": "state"},
          "lanes": [{"sink": {"host": "s"}, "durable": True}]}
emitter = sinkwell.Emitter.open(config, sinks=[Sink()])
if sys.argv[1] == "hang":
    for receipt in [emitter.emit("com.example.n", {"n": n}) for n in range(20)]:
        receipt.wait("journaled", timeout=30)
    os.kill(os.getpid(), signal.SIGKILL)
emitter.shutdown()
"""
    first = run(program, "hang")
    assert (first.returncode, first.stdout) == (-signal.SIGKILL, ""), first.stderr
    second = run(program, "go on")
    assert second.returncode == 0, second.stderr
    assert second.stdout.split() == [str(n) for n in range(20)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_lose_nothing_when_handled(run: Run, tmp_path: Path, number: signal.Signals) -> None:
    # A shell starts background jobs with SIGINT ignored, and what a host ignores stays ignored.
    start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    end = f"os.kill(os.getpid(), {int(number)}); time.sleep(30)"
    assert run(start + OPEN + end, "handle").returncode == -number
    assert delivered(tmp_path) == list(range(100))
    assert closed(tmp_path)


def test_a_signal_that_nobody_handles_kills(run: Run, tmp_path: Path) -> None:
    end = f"os.kill(os.getpid(), {int(signal.SIGTERM)}); time.sleep(30)"
    assert run(OPEN + end).returncode == -signal.SIGTERM
    assert delivered(tmp_path) == []


def test_a_forked_child_has_streams_of_its_own(run: Run, tmp_path: Path) -> None:
    fork = """
child = os.fork()
for n in range(100, 200) if child == 0 else range(200, 300):
    emitter.emit("com.example.n", {"n": n})
if child:
    os.waitpid(child, 0)
"""
    done = run(OPEN.replace(FILE, '"stdout"') + fork)
    assert done.returncode == 0, done.stderr
    (tmp_path / "events.ndjson").write_text(done.stdout)
    assert sorted(delivered(tmp_path)) == list(range(300))
    by_why = {stream[0]["data"]["why"]: stream for stream in streams(tmp_path).values()}
    assert set(by_why) == {"start", "fork"}
    assert [e["data"]["n"] for e in by_why["fork"] if "n" in e["data"]] == list(range(100, 200))
    assert closed(tmp_path)


def test_a_child_that_never_emits_leaves_no_stream(run: Run, tmp_path: Path) -> None:
    done = run(OPEN + "child = os.fork()\nif child: os.waitpid(child, 0)")
    assert done.returncode == 0, done.stderr
    assert len(streams(tmp_path)) == 1
    assert delivered(tmp_path) == list(range(100))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(run: Run, tmp_path: Path, method: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import multiprocessing, os, sinkwell
config = {{"agent": {{"id": "a"}}, "heartbeat": "off", "lanes": [
    {{"id": "out", "batch": {{"linger": "1h"}}, "sink": "stdout"}}]}}

def work(n):
    emitter = globals().get("emitter") or sinkwell.Emitter.open(config)
    globals()["emitter"] = emitter
    emitter.emit("com.example.n", {{"n": n}})

if __name__ == "__main__":
    multiprocessing.set_start_method("{method}")
    emitter = sinkwell.Emitter.open(config)
    workers = [multiprocessing.Process(target=work, args=(n,)) for n in range(4)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    assert [worker.exitcode for worker in workers] == [0] * 4
"""
    )
    command = [sys.executable, str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "events.ndjson").write_text(done.stdout)
    assert sorted(delivered(tmp_path)) == [0, 1, 2, 3]
    assert closed(tmp_path)


HOST_SINK = """
import asyncio, sys, time
import sinkwell

class Sink:
    name = "s"
    classes = ["debug"]
    {kind} emit(self, event):
        {before}
        print(event.type, flush=True)

{body}
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_host_sinks_take_what_is_queued_at_the_end(run: Run, kind: str) -> None:
    body = """
emitter = sinkwell.Emitter.open({"agent": {"id": "a"}, "lanes": []}, sinks=[Sink()])
emitter.emit("com.example.n")
"""
    done = run(HOST_SINK.format(kind=kind, before="pass", body=body))
    assert (done.returncode, done.stderr) == (0, "")
    types = ["dev.sinkwell.audit.chain", "com.example.n", "dev.sinkwell.audit.chain"]
    assert done.stdout.split() == types


def test_a_loop_that_has_ended_does_not_lose_what_is_queued(run: Run) -> None:
    body = """
async def main():
    global emitter
    emitter = sinkwell.Emitter.open({"agent": {"id": "a"}, "lanes": []}, sinks=[Sink()])
    emitter.emit("com.example.n")

asyncio.run(main())
"""
    done = run(HOST_SINK.format(kind="async def", before="pass", body=body))
    assert (done.returncode, done.stderr) == (0, "")
    assert "com.example.n" in done.stdout


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_sink_that_hangs_does_not_keep_the_process(run: Run, kind: str) -> None:
    body = """
emitter = sinkwell.Emitter.open({"agent": {"id": "a"}, "lanes": []}, sinks=[Sink()])
emitter.emit("com.example.n")
"""
    done = run(HOST_SINK.format(kind=kind, before="time.sleep(3600)", body=body))
    assert done.returncode == 0, done.stderr


def test_the_default_emitter(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "sinkwell.yaml"
    config.write_text("agent: { id: a }\nlanes: [ { sink: { file: { path: events.ndjson } } } ]\n")
    program = """
import os
os.environ["SINKWELL_CONFIG"] = "sinkwell.yaml"
import sinkwell
for n in range(3):
    sinkwell.emit("com.example.n", {"n": n})
"""
    done = run(program)
    assert (done.returncode, done.stderr) == (0, "")
    assert delivered(tmp_path) == [0, 1, 2]
    assert closed(tmp_path)


def test_the_agent_is_called_as_the_program(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "buyer.py"
    program.write_text("import sinkwell\nsinkwell.emit('com.example.n')\n")
    command = [sys.executable, str(program)]
    env = {"SINKWELL_LANES": "stdout"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    assert json.loads(done.stdout.splitlines()[0])["agentid"] == "urn:sinkwell:agent:buyer", done.stderr


def test_warnings_go_to_logging(run: Run) -> None:
    program = """
import logging, sinkwell
logging.basicConfig(format="%(name)s %(levelname)s", level=logging.INFO)
with sinkwell.Emitter.open({"agent": {"id": "a"}, "lanes": [{"sink": {"audit_chain": {"path": "a.db"}}}]}):
    pass
"""
    assert "sinkwell WARNING" in run(program).stderr


def test_last_words_are_written_one_line_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error may be a lane's sink, here or in a child: nothing may come between a line and its end."""
    from sinkwell import _process

    class Writes(list[str]):
        write = list.append

    writes = Writes()
    monkeypatch.setattr(_process, "_unheard", ["one", "two"])
    monkeypatch.setattr(sys, "stderr", writes)
    _process.last_words()
    assert writes == ["sinkwell: one\n", "sinkwell: two\n"]
