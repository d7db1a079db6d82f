"""Forks from processes whose emitter is in every state, and children that use it in every way first.

    python fork_storm.py [--all] [--forks N] [--seed N] [--sinks A,B] [--keep DIR]

Rows are sink x state of the lane x first call in the child x how it is forked. Without ``--all``, ``--forks`` rows are
drawn so that every pair of values that can be had occurs. A child that does not answer in time is a failure, and
what its threads wait in is said. Prints one line of JSON per failure, and a summary; exits 1 where there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import itertools
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, TextIO

SINKS = ["stdout", "stderr", "file", "journal", "audit", "otlp", "host", "async", "required"]
STATES = ["idle", "busy", "blocked", "failing", "backing off"]
CALLS = [
    "emit", "health", "counters", "flush", "ensure_ready", "prometheus", "queued", "refused", "receipt", "add_sink",
    "shutdown",
]  # fmt: skip
FORKS = ["os.fork", "C", "multiprocessing"]

# How long a child may take: an answer that waits for a lane's own limits included.
LIMIT = 25.0


def possible(row: tuple[str, str, str, str]) -> bool:
    sink, state = row[:2]
    asks_again = state == "failing" and sink in ("host", "async", "required")
    if row[3] == "C" and (state == "busy" or asks_again):
        # Without Python's own hook, Python itself does not survive a fork beside a thread that wants its lock; a
        # sink in Python that is asked again every 20 ms is such a thread.
        return False
    if state == "blocked":
        return sink in ("stdout", "stderr", "audit", "host", "async")
    if state in ("failing", "backing off"):
        return sink in ("otlp", "host", "async")
    # A closed port is all that an OTLP lane has here.
    return sink != "otlp"


def every(sinks: list[str]) -> list[tuple[str, str, str, str]]:
    return [row for row in itertools.product(sinks, STATES, CALLS, FORKS) if possible(row)]


def sample(rows: list[tuple[str, str, str, str]], count: int, seed: int) -> list[tuple[str, str, str, str]]:
    """Rows until every possible pair is there, then any."""
    draw = random.Random(seed)

    def pairs(row: tuple[str, str, str, str]) -> set[tuple[int, str, int, str]]:
        return {(i, row[i], j, row[j]) for i, j in itertools.combinations(range(4), 2)}

    missing = set().union(*(pairs(row) for row in rows))
    chosen = []
    while missing:
        draw.shuffle(rows)
        best = max(rows, key=lambda row: len(pairs(row) & missing))
        missing -= pairs(best)
        chosen.append(best)
    chosen += draw.choices(rows, k=max(0, count - len(chosen)))
    return chosen


# --- one parent: a sink in a state --------------------------------------------------------------------------


class Host:
    name = "h"
    classes = ("siem",)
    state = "idle"
    parent = os.getpid()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inside = threading.Event()

    def take(self, event: Any) -> None:
        if os.getpid() == self.parent and event.type == "com.example.n":
            self.inside.set()
            if self.state in ("failing", "backing off"):
                raise OSError("away")
        with open(self.path, "ab") as file:
            file.write(event.bytes + b"\n")

    def emit(self, event: Any) -> None:
        if os.getpid() == self.parent and self.state == "blocked" and event.type == "com.example.n":
            self.inside.set()
            time.sleep(3600)
        self.take(event)


class AsyncHost(Host):
    async def emit(self, event: Any) -> None:  # type: ignore[override]
        import asyncio

        if os.getpid() == self.parent and self.state == "blocked" and event.type == "com.example.n":
            self.inside.set()
            await asyncio.sleep(3600)
        self.take(event)


def wait_for(what: str, reached: Any) -> None:
    end = time.monotonic() + 20
    while not reached():
        if time.monotonic() > end:
            raise SystemExit(f"the parent never came to be {what}")
        time.sleep(0.005)


def in_write() -> bool:
    """Whether the thread of the lane's sink is in a write."""
    for task in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if (task / "comm").read_text().strip() == "sinkwell-l-sink":
                return (task / "syscall").read_text().split()[0] == WRITE
    return False


WRITE = {"x86_64": "1", "aarch64": "64"}.get(os.uname().machine, "1")


def quiet() -> bool:
    """Whether no other thread of this process has run for a moment: none of them wants Python's lock."""

    def turns() -> dict[str, list[str]]:
        found = {}
        for task in Path("/proc/self/task").glob("*"):
            if int(task.name) == threading.get_native_id():
                continue
            # A thread may end between the listing and the reading.
            with contextlib.suppress(FileNotFoundError):
                found[task.name] = re.findall(r"ctxt_switches:\s*(\d+)", (task / "status").read_text())
        return found

    before = turns()
    time.sleep(0.03)
    return before == turns()


def where(pid: int) -> str:
    """What a process's threads are called and wait in."""
    found = []
    for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
        try:
            call = (task / "syscall").read_text().split()
            found.append(f"{(task / 'comm').read_text().strip()}: syscall {call[0]}")
        except OSError:
            continue
    return "; ".join(found) or "no threads are seen"


def child(sw: Any, call: str, receipt: Any, n: int) -> dict[str, Any]:
    import sinkwell

    start = time.monotonic()
    said: dict[str, Any] = {}
    lane = "l"
    if call == "health":
        said["state"] = sw.health()[lane]["state"]
    elif call == "counters":
        assert sw.counters()[lane]["delivered"] == 0, "counters of the parent"
    elif call == "flush":
        sw.flush(timeout=5)
    elif call == "ensure_ready":
        sw.ensure_ready()
    elif call == "prometheus":
        sw.prometheus()
    elif call == "queued":
        assert sw.queued(lane) == 0, "the parent's queue"
    elif call == "refused":
        assert sw.refused == 0
    elif call == "receipt":
        try:
            receipt.wait("delivered", timeout=5)
            said["failed"] = "a receipt of the parent's was awaited"
        except sinkwell.Error as error:
            if error.kind != "unsupported":
                raise
    elif call == "add_sink":

        class More:
            name = "more"
            classes = ("debug",)

            def emit(self, event: Any) -> None:
                pass

        sw.add_sink(More())
    elif call == "shutdown":
        assert sw.shutdown(timeout=5) == {}
    said["first"] = round(time.monotonic() - start, 3)
    sw.emit("com.example.child", {"n": n})
    report = sw.flush(timeout=5 if lane_fails else 20)
    said["pending"] = report[lane]["pending"]
    said["health"] = {key: sw.health()[lane][key] for key in ("state", "detail")}
    if not lane_fails:
        sw.shutdown(timeout=10)
    return said


lane_fails = False


def run_parent(
    folder: Path, sink: str, state: str, rows: list[tuple[int, str, str]], answers: TextIO
) -> None:
    """Children of one process; says what they answered."""
    global lane_fails
    import logging
    import multiprocessing

    logging.disable(logging.CRITICAL)
    reader = None
    if sink in ("stdout", "stderr"):
        read, write = os.pipe()
        reader = subprocess.Popen(
            ["cat"], stdin=read, stdout=os.open(folder / "lines.ndjson", os.O_WRONLY | os.O_CREAT)
        )
        os.close(read)
        os.dup2(write, 1 if sink == "stdout" else 2)
        os.close(write)
    import sinkwell

    # One signature a batch: a fork in the middle of one leaves each process with what its own signatures cover.
    key = {"id": "k", "sign": "batch", "hmac_sha256": {"file": str(folder / "key")}}
    os.close(os.open(folder / "key", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    (folder / "key").write_bytes(SECRET)
    config: dict[str, Any] = {"agent": {"id": "urn:storm"}, "heartbeat": "off", "key": key}
    lane: dict[str, Any] = {"id": "l", "overflow": "drop_oldest", "queue": {"events": 2000}}
    sinks: list[Any] = []
    file = {"file": {"path": str(folder / "lines.ndjson")}}
    if sink in ("stdout", "stderr"):
        lane["sink"] = sink
    elif sink == "file":
        lane["sink"] = file
    elif sink == "journal":
        lane |= {"sink": file, "durable": True}
        config["journal"] = {"dir": str(folder / "journal"), "floor": 0}
    elif sink == "audit":
        lane = {"id": "l", "sink": {"audit_chain": {"path": str(folder / "audit.db")}}, "block_timeout": "1s"}
    elif sink == "otlp":
        closed = socket.socket()
        closed.bind(("127.0.0.1", 0))
        lane["sink"] = {"otlp": {"endpoint": f"http://127.0.0.1:{closed.getsockname()[1]}"}}
        lane["retry"] = {"initial": "20ms" if state == "failing" else "30s"}
        lane_fails = True
    else:
        made = (AsyncHost if sink == "async" else Host)(folder / "lines.ndjson")
        made.state = state
        sinks = [made]
        lane = {"id": "l", "sink": {"host": "h"}, "block_timeout": "1s", "timeout": "60s"}
        lane["retry"] = {"initial": "20ms" if state == "failing" else "30s"}
        if sink == "required":
            config["governance"] = {"version": "1", "requires_sink": "siem"}
    config["lanes"] = [lane]
    sw = sinkwell.Emitter.open(config, sinks=sinks)
    receipt = sw.emit("com.example.n", {"n": 0})
    stop = False

    def load() -> None:
        while not stop:
            try:
                sw.emit("com.example.n", {"text": "p" * 200})
            except sinkwell.Error:
                time.sleep(0.01)

    loader = threading.Thread(target=load, daemon=True)
    holder = None
    if state in ("idle", "busy"):
        sw.flush(timeout=10)
        if state == "busy":
            loader.start()
            wait_for(state, lambda: sw.counters()["l"]["delivered"] > 10)
    elif sinks:
        wait_for(state, made.inside.is_set)
        if state != "blocked":
            wait_for(state, lambda: sw.counters()["l"]["retried"] > 0)
    elif sink == "otlp":
        wait_for(state, lambda: sw.counters()["l"]["retried"] > 0 or sw.health()["l"]["state"] != "starting")
    elif sink == "audit":
        sw.flush(timeout=10)

    for n, call, fork in rows:
        if state == "blocked" and reader is not None:
            reader.send_signal(signal.SIGSTOP)
            for _ in range(1500):
                sw.emit("com.example.n", {"text": "p" * 200})
            # More than the pipe holds: the lane's thread is in its write.
            wait_for("blocked", lambda: sw.counters()["l"]["pending"] > 0 and in_write())
        if state == "blocked" and sink == "audit":
            holder = subprocess.Popen(
                [sys.executable, "-c", HOLDER, str(folder / "audit.db")], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )  # fmt: skip
            assert holder.stdout is not None
            assert holder.stdin is not None
            holder.stdout.readline()
            sw.emit("com.example.n", {"n": -n})
            time.sleep(0.05)
        if fork == "C":
            # Without Python's own hook, Python does not survive a fork beside a thread that wants its lock, as a
            # sink's does that has just answered, or one that is about to tell the logger.
            wait_for("quiet", quiet)
        read, write = os.pipe()

        def answer(n: int = n, call: str = call, write: int = write, parent: int = os.getpid()) -> None:
            if holder is not None and holder.stdin is not None:  # noqa: B023
                # The parent alone says when the database is let go of.
                os.close(holder.stdin.fileno())  # noqa: B023
            try:
                said = child(sw, call, receipt, n)
            except BaseException as error:
                said = {"failed": f"{type(error).__name__}: {error}"[:1500]}
            os.write(write, json.dumps(said).encode())

        if fork == "multiprocessing":
            process = multiprocessing.get_context("fork").Process(target=answer)
            process.start()
            pid = process.pid or 0
        else:
            pid = os.fork() if fork == "os.fork" else ctypes.PyDLL(None).fork()
            if pid == 0:
                answer()
                os._exit(0)
        os.close(write)
        if reader is not None and state == "blocked":
            reader.send_signal(signal.SIGCONT)
        if holder is not None and holder.stdin is not None:
            holder.stdin.close()
            holder.wait()
        said = None
        if select.select([read], [], [], LIMIT)[0]:
            said = os.read(read, 65536)
        if not said:
            said = json.dumps({"failed": f"never answered: {where(pid)}"}).encode()
            os.kill(pid, signal.SIGKILL)
        os.close(read)
        if fork == "multiprocessing":
            process.join()
        else:
            os.waitpid(pid, 0)
        answers.write(json.dumps([n, json.loads(said)]) + "\n")
        answers.flush()
    stop = True
    # The parent goes first, as a killed one does; what its children wrote is there.
    if reader is not None:
        os.close(1 if sink == "stdout" else 2)
        os.dup2(os.open("/dev/null", os.O_RDWR), 1 if sink == "stdout" else 2)
        reader.wait(timeout=20)
    os._exit(0)


HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


SECRET = b"a secret of the storm's, 32 long"


def lines_in(folder: Path) -> list[str]:
    """All lines that arrived in files. The parent ends as a killed process does, perhaps in the middle of a write: what
    is after the last end of a line in its own file was never acknowledged.
    """
    found = []
    for path in sorted(folder.glob("lines.ndjson*")):
        text = path.read_text()
        if path.name == "lines.ndjson":
            text = text[: text.rfind("\n") + 1]
        # What a lane loses is told on standard error where no logger hears it, which here may be the sink as well.
        found += [line for line in text.splitlines() if not line.startswith("sinkwell: ")]
    return found


def wrong_in(folder: Path) -> str | None:
    """What the verifier finds in what arrived, beyond what the end of the parent explains: it goes as a killed process
    does, in the middle of a batch, and then no signature covers the end of its own stream.
    """
    lines = lines_in(folder)
    if not lines:
        return None
    command = [
        sys.executable,
        "-m",
        "sinkwell",
        "verify",
        "--format",
        "json",
        "--key",
        f"k=hmac:{folder / 'key'}",
    ]
    text = "\n".join(lines) + "\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if not done.stdout:
        return done.stderr
    report = json.loads(done.stdout)
    parent = json.loads(lines[0])["streamid"]
    for stream in report["streams"]:
        ends = ["open", "declared_loss"] + (["unsigned"] if stream["streamid"] == parent else [])
        for finding in stream["findings"]:
            if finding["kind"] not in ends:
                return f"{stream['streamid']}: {finding}"
    return f"{report['malformed']} lines are none" if report["malformed"] else None


def children_in(folder: Path) -> list[int]:
    """The numbers of children's events that arrived; a line that is none is a failure."""
    found = []
    lines = lines_in(folder)
    if (folder / "audit.db").exists():
        command = [sys.executable, "-m", "sinkwell", "audit", "export", str(folder / "audit.db")]
        lines += subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    for line in lines:
        try:
            envelope = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{error}: {line[:300]!r}") from error
        if envelope["type"] == "com.example.child":
            found.append(envelope["data"]["n"])
    return found


def storm(rows: list[tuple[str, str, str, str]], folder: Path) -> list[dict[str, Any]]:
    """Runs the rows; what failed."""
    parents: dict[tuple[str, str], list[tuple[int, str, str]]] = defaultdict(list)
    for n, (sink, state, call, fork) in enumerate(rows):
        parents[sink, state].append((n, call, fork))
    failures = []

    def fail(n: int, why: str, **more: Any) -> None:
        failures.append(dict(zip(("sink", "state", "call", "fork"), rows[n], strict=True), why=why, **more))

    for (sink, state), its in sorted(parents.items()):
        own = folder / f"{sink}-{state}".replace(" ", "-")
        own.mkdir()
        (own / "rows.json").write_text(json.dumps([sink, state, its]))
        log = os.open(own / "stderr", os.O_WRONLY | os.O_CREAT)
        read, write = os.pipe()
        command = [sys.executable, __file__, "--parent", str(own), "--answers", str(write)]
        process = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL, pass_fds=[write])
        os.close(write)
        os.close(log)
        with os.fdopen(read) as lines:
            said = dict(map(json.loads, lines))
        process.wait()
        try:
            arrived = children_in(own)
        except ValueError as error:
            arrived = []
            fail(its[0][0], f"a line is none: {error}")
        wrong = wrong_in(own)
        if wrong:
            fail(its[0][0], f"the verifier: {wrong}")
        for n, _, _ in its:
            answer = said.get(n)
            if answer is None:
                fail(n, "the parent ended without an answer", stderr=(own / "stderr").read_text()[-500:])
            elif "failed" in answer:
                fail(n, answer["failed"])
            elif sink != "otlp" and answer["pending"]:
                fail(n, "the child did not deliver", said=answer)
            elif sink != "otlp" and arrived.count(n) != 1:
                fail(n, f"the child's event arrived {arrived.count(n)} times", said=answer)
    return failures


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--all", action="store_true")
    arguments.add_argument("--forks", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--sinks")
    arguments.add_argument("--keep", type=Path)
    arguments.add_argument("--parent", type=Path)
    arguments.add_argument("--answers", type=int)
    given = arguments.parse_args()
    if given.parent is not None:
        sink, state, rows = json.loads((given.parent / "rows.json").read_text())
        run_parent(given.parent, sink, state, rows, os.fdopen(given.answers, "w"))
    rows = every(given.sinks.split(",") if given.sinks else SINKS)
    if not given.all:
        rows = sample(rows, given.forks, given.seed)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="fork-storm-"))
    folder.mkdir(exist_ok=True)
    try:
        failures = storm(rows, folder)
    finally:
        if given.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    for failure in failures:
        print(json.dumps(failure))
    print(f"{len(rows)} forks, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
