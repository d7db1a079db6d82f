"""What the tests of real hosts share: a configuration, waiting for a host, and the row of the table that each writes.

`scripts/hosts.sh` prints the table: which host, how it was ended, whether it ran for real or a double stood in its
place, how many events were emitted and arrived, how many streams are closed, and the verdict.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import sinkwell

# Every process writes a file of its own beside the first one's; nothing leaves by itself for an hour.
CONFIG = """
agent: { id: a }
heartbeat: off
handle_signals: true
key: { id: k1, ed25519: { file: agent.pem } }
lanes: [ { sink: { file: { path: events.ndjson } }, batch: { linger: 1h } } ]
"""


class Outcome(NamedTuple):
    """What is in the files after the end."""

    numbers: list[int]
    completed: int
    closed: bool
    verdict: str


def outcome(folder: Path) -> Outcome:
    """The numbers that arrived, how many runs completed, whether all streams are closed, and the verdict."""
    files = sorted(folder.glob("events.ndjson*"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    numbers = sorted(line["data"]["n"] for line in lines if line["type"] == "com.example.n")
    completed = sum(line["type"] == "dev.sinkwell.run.completed" for line in lines)
    report = sinkwell.verify(files, keys={"k1": str(folder / "agent.pem.pub")})
    return Outcome(
        numbers, completed, all(stream["closed"] for stream in report["streams"]), report["verdict"]
    )


def row(folder: Path, host: str, end: str, ran: str, emitted: int) -> Outcome:
    """The outcome, and a line of the table."""
    found = outcome(folder)
    table = os.environ.get("SINKWELL_HOSTS")
    if table:
        arrived = len(found.numbers) + found.completed
        cells = [
            "Python",
            host,
            end,
            ran,
            emitted,
            arrived,
            "closed" if found.closed else "open",
            found.verdict,
        ]
        with open(table, "a", encoding="utf-8") as file:
            file.write("\t".join(map(str, cells)) + "\n")
    return found


def environment(**more: str) -> dict[str, str]:
    """This process's, with the configuration of the folder."""
    return {**os.environ, "SINKWELL_CONFIG": "sinkwell.yaml", **more}


def wait_for(process: subprocess.Popen[Any], what: str, reached: Callable[[], object]) -> None:
    """Until a host is as far as that."""
    end = time.monotonic() + 120
    while not reached():
        assert process.poll() is None, f"the host ended before {what}"
        assert time.monotonic() < end, what
        time.sleep(0.02)


def port() -> int:
    """One that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


def get(url: str) -> str | None:
    """What a server answers, if one does."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return None


def end(process: subprocess.Popen[Any]) -> None:
    """Whatever is left of a host and its children, which are a process group of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
