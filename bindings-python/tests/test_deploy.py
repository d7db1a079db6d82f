"""The recipes of docs/DEPLOY.md, each run with the host itself where it installs, else with a double of its signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import hosts
import pytest
from hosts import environment, get, port, wait_for


@pytest.fixture
def folder(tmp_path: Path, key: Path) -> Path:
    """Where the host runs, with a configuration and its key."""
    (tmp_path / "sinkwell.yaml").write_text(hosts.CONFIG)
    return tmp_path


def start(command: list[str], folder: Path, **more: Any) -> subprocess.Popen[Any]:
    log = (folder / "log").open("w")
    more = {"stdout": log, "stderr": log, **more}
    return subprocess.Popen(command, cwd=folder, env=environment(), start_new_session=True, **more)


FASTAPI = """
import contextlib, sinkwell
from fastapi import FastAPI

@contextlib.asynccontextmanager
async def lifespan(app):
    sinkwell.configure("sinkwell.yaml")
    yield
    await sinkwell.ashutdown()

app = FastAPI(lifespan=lifespan)

@app.get("/{n}")
async def act(n: int):
    with sinkwell.run(f"r-{n}"):
        await sinkwell.aemit("com.example.n", {"n": n})
        await sinkwell.aemit("run.completed")
    return "done"
"""


def test_fastapi_under_uvicorn_closes_with_its_lifespan(folder: Path) -> None:
    pytest.importorskip("fastapi")
    (folder / "app.py").write_text(FASTAPI)
    number = port()
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(number), "--workers", "2"]
    server = start(command, folder)
    try:
        wait_for(server, "it answers", lambda: get(f"http://127.0.0.1:{number}/0") is not None)
        for n in range(1, 20):
            assert get(f"http://127.0.0.1:{number}/{n}") == '"done"'
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) in (0, -signal.SIGTERM)
    finally:
        hosts.end(server)
    found = hosts.row(folder, "FastAPI, uvicorn --workers 2", "SIGTERM", "real", 40)
    assert found == (list(range(20)), 20, True, "sound")


UWSGI = """
import sinkwell

def application(environ, start_response):
    sinkwell.emit("com.example.n", {"n": int(environ["PATH_INFO"][1:])})
    start_response("200 OK", [])
    return [b"done"]
"""


@pytest.mark.parametrize("lazy", [True, False], ids=["lazy-apps", "preforked"])
def test_uwsgi_closes_its_streams(folder: Path, lazy: bool) -> None:
    uwsgi = shutil.which("uwsgi", path=str(Path(sys.executable).parent))
    if uwsgi is None:
        pytest.skip("uWSGI is not installed here: its package has to be compiled")
    (folder / "app.py").write_text(UWSGI)
    number = port()
    command = [uwsgi, "--http-socket", f"127.0.0.1:{number}", "--wsgi-file", "app.py", "--master", "--processes", "2",
               "--enable-threads", "--die-on-term", "--virtualenv", sys.prefix]  # fmt: skip
    server = start(command + (["--lazy-apps"] if lazy else []), folder)
    try:
        # A worker that is told to end while it still imports the application goes on without it, and never ends.
        loaded = 2 if lazy else 1
        wait_for(
            server, "all have loaded", lambda: (folder / "log").read_text().count(" ready in ") == loaded
        )
        wait_for(server, "it answers", lambda: get(f"http://127.0.0.1:{number}/0") == "done")
        for n in range(1, 40):
            assert get(f"http://127.0.0.1:{number}/{n}") == "done"
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    finally:
        hosts.end(server)
    how = "lazy-apps" if lazy else "preforked"
    found = hosts.row(folder, f"uWSGI, 2 processes, {how}", "SIGTERM, die-on-term", "real", 40)
    assert found == (list(range(40)), 0, True, "sound"), (folder / "log").read_text()


SERVICE = """
import os, signal, sys, sinkwell

children = []
for worker in range(2):
    child = os.fork()
    if child == 0:
        for n in range(worker * 10, worker * 10 + 10):
            sinkwell.emit("com.example.n", {"n": n})
        open(f"ready-{worker}", "w").close()
        while True:
            signal.pause()
    children.append(child)
for n in range(20, 30):
    sinkwell.emit("com.example.n", {"n": n})
open("ready", "w").close()
while True:
    signal.pause()
"""


def test_systemd_stops_a_whole_control_group(folder: Path) -> None:
    """Its sequence (systemd.kill(5)): SIGTERM and SIGCONT to every process at once, later SIGKILL."""
    (folder / "service.py").write_text(SERVICE)
    service = start([sys.executable, "service.py"], folder)
    try:
        wait_for(service, "all are ready", lambda: len(list(folder.glob("ready*"))) == 3)
        os.killpg(service.pid, signal.SIGTERM)
        os.killpg(service.pid, signal.SIGCONT)
        assert service.wait(60) == -signal.SIGTERM
        gone(service.pid)
    finally:
        hosts.end(service)
    found = hosts.row(folder, "systemd, KillMode=control-group", "SIGTERM and SIGCONT to all", "double", 30)
    assert found == (list(range(30)), 0, True, "sound"), (folder / "log").read_text()


def gone(group: int) -> None:
    """Until no process of the group is left."""
    import time

    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError("processes of the group are left")


HANDLER = """
import sys, sinkwell

for line in sys.stdin:
    for n in range(int(line), int(line) + 10):
        sinkwell.emit("com.example.n", {"n": n})
    # Whoever is frozen after the answer sends nothing more: everything goes out before it.
    report = sinkwell.flush(timeout=5)
    assert all(lane["pending"] == 0 for lane in report.values())
    print("done", flush=True)
"""


def test_a_function_that_is_frozen_between_its_calls_has_delivered(folder: Path) -> None:
    """Lambda and other freezers: stopped after each answer, and killed while it is."""
    (folder / "handler.py").write_text(HANDLER)
    function = start(
        [sys.executable, "handler.py"], folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        for call in range(3):
            if call:
                function.send_signal(signal.SIGCONT)
            print(call * 10, file=function.stdin, flush=True)
            assert function.stdout is not None
            assert function.stdout.readline() == "done\n"
            function.send_signal(signal.SIGSTOP)
            assert hosts.outcome(folder).numbers == list(range(call * 10 + 10))
        function.send_signal(signal.SIGKILL)
        function.wait(60)
    finally:
        hosts.end(function)
    found = hosts.row(folder, "Lambda and other freezers", "SIGSTOP, SIGKILL", "double", 30)
    # Killed while frozen: its stream has no end, and `verify` says so.
    assert found == (list(range(30)), 0, False, "sound"), (folder / "log").read_text()


def container(folder: Path, program: str) -> tuple[subprocess.Popen[Any], int]:
    """A program as process 1 of a namespace of its own, and its number outside."""
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", sys.executable, program]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command[:-2], "true"], check=False).returncode != 0
    ):
        pytest.skip("no namespaces of processes here (unshare --user --pid)")
    outside = start(command, folder)
    children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
    wait_for(outside, "it has begun", lambda: (folder / "ready").exists())
    return outside, int(children.read_text().split()[0])


def test_process_1_of_a_container_ends_as_kubernetes_expects(folder: Path) -> None:
    (folder / "main.py").write_text("""
import os, signal, sinkwell

assert os.getpid() == 1
for n in range(30):
    sinkwell.emit("com.example.n", {"n": n})
open("ready", "w").close()
while True:
    signal.pause()
""")
    outside, inside = container(folder, "main.py")
    try:
        os.kill(inside, signal.SIGTERM)
        assert outside.wait(60) == 128 + signal.SIGTERM
    finally:
        hosts.end(outside)
    found = hosts.row(folder, "Kubernetes, Docker: process 1", "SIGTERM", "double (unshare --pid)", 30)
    assert found == (list(range(30)), 0, True, "sound"), (folder / "log").read_text()


MAIN = """
import os, signal, sys, sinkwell

class Receiver:
    name, classes = "receiver", ["observability"]

    def emit(self, event):
        if not os.path.exists("back"):
            raise ConnectionError("away")
        with open("events.ndjson", "ab") as file:
            file.write(event.bytes + b"\\n")

sw = sinkwell.Emitter.open("sinkwell.yaml", sinks=[Receiver()])
first, last = map(int, sys.argv[1:])
for n in range(first, last):
    receipt = sw.emit("com.example.n", {"n": n})
if os.path.exists("back"):
    receipt.wait("delivered", timeout=60)
else:
    receipt.wait("journaled", timeout=60)
    open("ready", "w").close()
    while True:
        signal.pause()
sw.shutdown()
"""


def test_what_a_killed_container_journaled_comes_with_the_next_one(folder: Path) -> None:
    """SIGKILL after the grace period, with a receiver that is away and a durable lane, and the next process."""
    (folder / "sinkwell.yaml").write_text("""
agent: { id: a }
heartbeat: off
handle_signals: true
key: { id: k1, ed25519: { file: agent.pem } }
journal: { dir: state }
lanes: [ { id: receiver, durable: true, sink: { host: receiver } } ]
""")
    (folder / "main.py").write_text(MAIN)
    service = start([sys.executable, "main.py", "0", "30"], folder)
    try:
        wait_for(service, "all is journaled", lambda: (folder / "ready").exists())
        service.kill()
        service.wait(60)
    finally:
        hosts.end(service)
    assert not (folder / "events.ndjson").exists()
    (folder / "back").touch()
    done = subprocess.run(
        [sys.executable, "main.py", "30", "31"], cwd=folder, env=environment(), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = hosts.row(
        folder, "Kubernetes, Docker: a durable lane", "SIGKILL, and the next container", "double", 31
    )
    # The killed one's stream has no end; the next one's says what it follows.
    assert found == (list(range(31)), 0, False, "sound"), done.stderr
